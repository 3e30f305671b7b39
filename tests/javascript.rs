//! What a JavaScript or TypeScript program may do and what its caller sees.

mod common;

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;

/// A server for JavaScript only, which boots in a fraction of a second.
fn server() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start_javascript(&[]));
    &SHARED
}

fn run(language: &str, code: &str) -> Answer {
    server().run(json!({ "language": language, "code": code }))
}

fn javascript(code: &str) -> Answer {
    run("javascript", code)
}

/// Runs a program that must succeed; its stdout.
fn stdout(code: &str) -> String {
    let answer = javascript(code);
    assert_eq!(answer.outcome(), "success", "{code}\n{}", answer.stderr());
    answer.stdout().to_owned()
}

fn ret_val(code: &str) -> String {
    let answer = javascript(code);
    assert_eq!(answer.outcome(), "success", "{code}\n{}", answer.stderr());
    answer.ret_val().to_owned()
}

/// Runs a program that must fail with exit code 1; its stderr.
fn failure(language: &str, code: &str) -> String {
    let answer = run(language, code);
    let outcome = (answer.status, answer.outcome(), answer.exit_code());
    assert_eq!(outcome, (200, "error", 1), "{code}\n{}", answer.body);
    answer.stderr().to_owned()
}

fn programs(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(directory);
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "out"))
        .collect();
    files.sort();
    files
}

#[test]
fn javascript_programs_print_what_node_prints() {
    let version = Command::new("node").arg("--version").output();
    let is_node_20 = version.is_ok_and(|output| output.stdout.starts_with(b"v20."));
    let programs = programs("js");
    assert!(programs.len() >= 30);
    for path in programs {
        let expected = std::fs::read_to_string(path.with_extension("out")).unwrap();
        if is_node_20 {
            let node = Command::new("node").arg(&path).output().unwrap();
            let printed = String::from_utf8(node.stdout).unwrap();
            assert_eq!(printed, expected, "Node itself, {}", path.display());
        }
        let code = std::fs::read_to_string(&path).unwrap();
        let answer = javascript(&code);
        let name = path.display();
        assert_eq!(answer.outcome(), "success", "{name}: {}", answer.stderr());
        assert_eq!(answer.stdout(), expected, "{name}");
    }
}

#[test]
fn typescript_programs_print_the_expected_output() {
    for path in programs("ts") {
        let expected = std::fs::read_to_string(path.with_extension("out")).unwrap();
        let code = std::fs::read_to_string(&path).unwrap();
        let answer = run("typescript", &code);
        let name = path.display();
        assert_eq!(answer.outcome(), "success", "{name}: {}", answer.stderr());
        assert_eq!(answer.stdout(), expected, "{name}");
    }
}

#[test]
fn languages_have_short_names_and_answers_give_the_long_ones() {
    for (given, long) in [
        ("javascript", "javascript"),
        ("js", "javascript"),
        ("JS", "javascript"),
        ("typescript", "typescript"),
        ("ts", "typescript"),
    ] {
        let answer = run(given, "console.log(1)");
        assert_eq!(answer.stdout(), "1\n");
        assert_eq!(answer.body["metadata"]["language"], long);
    }
}

#[test]
fn a_server_for_one_language_refuses_the_other() {
    let answer = run("python", "print(1)");
    assert_eq!(answer.status, 400);
    let details = "Supported languages: javascript, js, typescript, ts";
    assert_eq!(answer.body["details"], details);
    let answer = server().run(json!({ "code": "console.log('no language named')" }));
    assert_eq!(answer.stdout(), "no language named\n");
}

#[test]
fn the_top_level_may_await_and_return() {
    let code = "const x = await new Promise((r) => setTimeout(r, 5, 20));\nreturn { x: x + 1 };";
    assert_eq!(ret_val(code), r#"{"x":21}"#);
    assert_eq!(ret_val("return 'as it is'"), "as it is");
    assert_eq!(ret_val("return null"), "null");
    assert_eq!(ret_val("return [1, undefined]"), "[1,null]");
    assert_eq!(ret_val("return 10n ** 20n"), "100000000000000000000n");
    assert_eq!(
        ret_val("const o = {}; o.o = o; return o"),
        "<ref *1> { o: [Circular *1] }"
    );
    assert_eq!(ret_val("return undefined"), "");
    assert_eq!(ret_val("1 + 1"), "");
}

#[test]
fn return_val_takes_precedence_over_what_the_top_level_returns() {
    let answer = javascript("return_val({ a: 1 }); console.log('{\"b\": 2}'); return 3;");
    assert_eq!(
        (answer.ret_val(), answer.stdout()),
        (r#"{"a":1}"#, "{\"b\": 2}\n")
    );
    assert_eq!(ret_val("return_val('text'); return_val('later')"), "later");
}

#[test]
fn a_json_object_on_the_last_line_becomes_the_value_and_leaves_stdout() {
    let code = "function return_val(v) { console.log(JSON.stringify(v)); }\nconsole.log('before');\nreturn_val({ z: [1] });";
    let answer = javascript(code);
    assert_eq!(
        (answer.ret_val(), answer.stdout()),
        (r#"{"z":[1]}"#, "before\n")
    );
    for kept in ["[1]", "5", "\"{}\"", "{ a: 1 }"] {
        let answer = javascript(&format!("console.log({})", json!(kept)));
        assert_eq!(
            (answer.ret_val(), answer.stdout()),
            ("", format!("{kept}\n").as_str())
        );
    }
}

#[test]
fn input_data_holds_the_input_of_the_request() {
    let request =
        |input: Value| json!({ "language": "js", "code": "return input_data", "input": input });
    for (input, expected) in [
        (json!({ "a": [1, null, "é"] }), r#"{"a":[1,null,"é"]}"#),
        (json!("text"), "text"),
        (json!(0), "0"),
    ] {
        assert_eq!(server().run(request(input)).ret_val(), expected);
    }
    assert_eq!(ret_val("return input_data === null"), "true");
}

#[test]
fn console_methods_write_to_stdout_or_stderr_as_in_node() {
    let code = "for (const m of ['log', 'info', 'debug', 'warn', 'error', 'trace']) console[m](m);";
    let answer = javascript(code);
    assert_eq!(answer.stdout(), "log\ninfo\ndebug\n");
    assert_eq!(
        answer.stderr(),
        "warn\nerror\nTrace: trace\n    at <code>:1:79\n"
    );
}

#[test]
fn an_error_shows_the_users_frames_lines_and_columns() {
    let code = "function inner() {\n\tthrow new TypeError('boom');\n}\nconst outer = () => [1].map(inner);\nouter();";
    let expected = "<code>:2\n\tthrow new TypeError('boom');\n\t      ^\n\nTypeError: boom\n    at inner (<code>:2:8)\n    at Array.map (<anonymous>)\n    at outer (<code>:4:25)\n    at <code>:5:1\n";
    assert_eq!(failure("js", code), expected);
    // The same in other ways to fail, none of which shows a frame of ours.
    for code in [
        "await null;\nnull.x",
        "setTimeout(() => {\nnull.x }, 1)",
        "queueMicrotask(() => {\nnull.x })",
        "Promise.resolve().then(() => {\nnull.x })",
        "new Promise(() => {\nnull.x })",
        "new EventTarget().addEventListener('x', 1);\nnull.x",
        "const t = new EventTarget(); t.addEventListener('x', () => {\nnull.x }); t.dispatchEvent(new Event('x'))",
        "setImmediate(() => {\nnull.x })",
        "export {};\nnull.x",
        "const c = new AbortController(); c.signal.onabort = () => {\nnull.x }; c.abort()",
    ] {
        let stderr = failure("js", code);
        let start = "<code>:2\nnull.x";
        assert!(stderr.starts_with(start), "{code}\n{stderr}");
        assert!(
            stderr.contains("(reading 'x')\n    at "),
            "{code}\n{stderr}"
        );
        assert!(stderr.contains("<code>:2:6"), "{code}\n{stderr}");
        assert!(!stderr.contains("ext:"), "{code}\n{stderr}");
    }
}

#[test]
fn an_unhandled_rejection_is_an_error_and_a_handled_one_is_not() {
    let stderr = failure("js", "Promise.reject(new RangeError('nobody cares'));");
    assert!(stderr.contains("RangeError: nobody cares\n    at <code>:1:16"));
    assert_eq!(
        stdout("const p = Promise.reject(1); await null; p.catch(() => console.log('ok'))"),
        "ok\n"
    );
}

#[test]
fn a_thrown_value_that_is_not_an_error_is_shown_with_its_place() {
    for (language, code, expected) in [
        (
            "js",
            "throw { not: 'an error' }",
            "<code>:1\nthrow { not: 'an error' }\n^\n\nUncaught { not: 'an error' }\n",
        ),
        (
            "js",
            "let a = 1;\n  a++; throw 'x';",
            "<code>:2\n  a++; throw 'x';\n       ^\n\nUncaught 'x'\n",
        ),
        (
            "js",
            "await null;\nconst f = async () => {\n  throw 'x'; };\nawait f();",
            "<code>:3\n  throw 'x'; };\n  ^\n\nUncaught 'x'\n",
        ),
        (
            "js",
            "let a;\n  Promise.reject(5);",
            "<code>:2\n  Promise.reject(5);\n          ^\n\nUncaught 5\n",
        ),
        (
            "ts",
            "interface A {}\nconst n: number = 1;\nthrow n as any;",
            "<code>:3\nthrow n as any;\n^\n\nUncaught 1\n",
        ),
        // Here V8 has forgotten where it was.
        ("js", "setTimeout(() => { throw 'x' }, 1)", "Uncaught 'x'\n"),
        ("js", "function f() { throw 'x' }\nf()", "Uncaught 'x'\n"),
    ] {
        assert_eq!(failure(language, code), expected, "{code}");
    }
}

#[test]
fn only_rejections_that_stay_unhandled_fail_the_program() {
    let code = "const handled = [];\nfor (let i = 0; i < 3; i++) { const p = Promise.reject(i); handled.push(p); }\nfor (const p of handled) p.catch(() => {});\nconsole.log('fine')";
    assert_eq!(stdout(code), "fine\n");
    let late = "const p = Promise.reject('late');\nawait new Promise((r) => setTimeout(r, 5));\np.catch(() => {});";
    assert_eq!(
        failure("js", late).lines().last(),
        Some("Uncaught 'late'"),
        "nobody handled it in its own turn"
    );
    // The first of several ends the program; a timer after it does not run.
    let answer = javascript(
        "setTimeout(() => { Promise.reject('first'); Promise.reject('second'); }, 1); setTimeout(() => console.log('not reached'), 2);",
    );
    assert_eq!(answer.stdout(), "");
    assert!(
        answer.stderr().contains("Uncaught 'first'"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn a_program_cannot_leave_the_function_around_it() {
    for (language, code, expected) in [
        (
            "js",
            "console.log(1);\n}); console.log(2); (async () => {\n",
            "<code>:2\n}); console.log(2); (async () => {\n ^\n\nSyntaxError: Unexpected token ')'\n",
        ),
        (
            "js",
            "}, console.log(2), async () => {",
            "<code>:1\n}, console.log(2), async () => {\n ^\n\nSyntaxError: Unexpected token ','\n",
        ),
        (
            "js",
            "}\nconsole.log(2);\nasync function again() {",
            "<code>:2\nconsole.log(2);\n^^^^^^^\n\nSyntaxError: ",
        ),
        ("ts", "}); console.log(2); (async () => {", "<code>:1\n"),
    ] {
        let answer = run(language, code);
        assert_eq!(answer.stdout(), "", "{code}");
        assert!(answer.stderr().starts_with(expected), "{}", answer.stderr());
    }
    for code in [
        "return (() => { return 'whole'; })()",
        "-->a comment of old\nreturn 'whole'",
        "return 'whole' // })",
        "#!/usr/bin/env node\nreturn `${'whole'}`",
        "if (true) { await 0; return await 'whole' }",
    ] {
        assert_eq!(ret_val(code), "whole", "{code}");
    }
}

#[test]
fn a_lowered_memory_limit_holds() {
    let growing = "const a = []; for (let i = 0; i < 3e5; i++) a.push({ i, s: String(i) });";
    let buffers =
        "const a = []; for (let i = 0; i < 60; i++) a.push(new Uint8Array(1 << 20).fill(1));";
    for code in [growing, buffers] {
        let code = format!("console.log('begin');\n{code}\nconsole.log('end')");
        let request = |limits| json!({ "language": "js", "code": code, "limits": limits });
        let answer = server().run(request(json!({ "memory_bytes": 32 << 20 })));
        assert_eq!(
            (answer.outcome(), answer.stdout()),
            ("memory_limit", "begin\n"),
            "{}",
            answer.body
        );
        assert_eq!(
            answer.last_stderr_line(),
            "Execution stopped: memory limit of 32 MiB reached"
        );
        let answer = server().run(request(json!({})));
        assert_eq!(
            (answer.outcome(), answer.stdout()),
            ("success", "begin\nend\n")
        );
    }
}

#[test]
fn an_error_is_shown_with_its_properties_and_cause() {
    let stderr = failure(
        "js",
        "throw Object.assign(new Error('outer', { cause: new TypeError('inner') }), { code: 'E1' })",
    );
    assert!(
        stderr.contains(
            "Error: outer\n    at <code>:1:21 {\n  code: 'E1',\n  [cause]: TypeError: inner"
        ),
        "{stderr}"
    );
}

#[test]
fn an_await_that_nothing_can_settle_ends_the_program() {
    let answer = javascript("console.log('x'); await new Promise(() => {});");
    assert_eq!((answer.outcome(), answer.exit_code()), ("error", 13));
    assert!(answer.stderr().contains("nothing was left to settle"));
}

#[test]
fn syntax_errors_show_line_column_and_a_caret() {
    for (language, code, expected) in [
        (
            "js",
            "let a = 1;\nlet x = ;",
            "<code>:2\nlet x = ;\n        ^\n\nSyntaxError: Unexpected token ';'\n",
        ),
        (
            "js",
            "foo();\n}",
            "<code>:2\n}\n^\n\nSyntaxError: Unexpected token '}'\n",
        ),
        (
            "js",
            "return 1; }",
            "<code>:1\nreturn 1; }\n          ^\n\nSyntaxError: Unexpected token '}'\n",
        ),
        (
            "js",
            "function f() {",
            "<code>:1\nfunction f() {\n              ^\n\nSyntaxError: Unexpected end of input\n",
        ),
        (
            "js",
            "let a; let a;",
            "<code>:1\nlet a; let a;\n           ^\n\nSyntaxError: Identifier 'a' has already been declared\n",
        ),
        (
            "ts",
            "let a: number = 1;\n\tlet b: = 2;",
            "<code>:2\n\tlet b: = 2;\n\t       ^\n\nSyntaxError: Unexpected token `=`.",
        ),
        (
            "ts",
            "interface X {}\nlet a; let a: X;",
            "<code>:2\nlet a; let a: X;\n           ^\n\nSyntaxError: Identifier 'a' has already been declared\n",
        ),
        ("ts", "enum E {", "<code>:1\nenum E {\n"),
    ] {
        let stderr = failure(language, code);
        assert!(stderr.starts_with(expected), "{code}\n{stderr}");
    }
}

#[test]
fn typescript_errors_point_into_the_source_that_was_sent() {
    let code = "interface A {\n  x: number;\n}\nenum E { One }\n\nclass C {\n  constructor(private readonly a: A) {}\n  run(): never { throw new Error(`at ${E[0]}`); }\n}\nfunction call(c: C): void { c.run(); }\ncall(new C({ x: 1 } as A));";
    let expected = "<code>:8\n  run(): never { throw new Error(`at ${E[0]}`); }\n                       ^\n\nError: at One\n    at C.run (<code>:8:24)\n    at call (<code>:10:31)\n    at <code>:11:1\n";
    assert_eq!(failure("ts", code), expected);
    let code = "type T = {\n a: 1 }\nconst s: string = new Error('x').stack as string;\nconsole.log(s.split('\\n')[1]);";
    assert_eq!(run("ts", code).stdout(), "    at <code>:3:19\n");
}

#[test]
fn no_module_can_be_imported() {
    for code in [
        "import fs from 'node:fs';",
        "console.log(1);\nexport * from 'node:fs';",
        "await import('node:fs')",
        "eval('import(\"node:fs\")')",
    ] {
        let stderr = failure("js", code);
        assert!(
            stderr
                .contains("TypeError: Cannot import \"node:fs\": the sandbox has no module loader"),
            "{code}\n{stderr}"
        );
    }
    for address in [
        "ext:core/mod.js",
        "file:///etc/passwd",
        "data:text/javascript,1",
        "./x.js",
    ] {
        let code = format!("await import('{address}').catch((e) => console.log(e.message))");
        assert!(stdout(&code).starts_with("Cannot import"), "{address}");
    }
    // What types alone need is gone before anybody looks for it.
    assert_eq!(
        run(
            "ts",
            "import type { A } from 'nowhere';\nexport const a: A = 1;\nconsole.log(a)"
        )
        .stdout(),
        "1\n"
    );
}

#[test]
fn globals_that_the_sandbox_lacks_say_so_in_the_error() {
    for (code, expected) in [
        (
            "fetch('http://x')",
            "the sandbox has no fetch; it has no network",
        ),
        ("Deno.cwd()", "the sandbox has no Deno"),
        ("process.exit(1)", "the sandbox has no process"),
        ("const fs = require('fs')", "the sandbox has no require"),
        ("module.exports = {}", "the sandbox has no module"),
        ("Buffer.from('x')", "the sandbox has no Buffer"),
    ] {
        let stderr = failure("js", code);
        assert!(stderr.contains(" is not defined: "), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
    let code = "console.log(typeof fetch, typeof process, typeof Deno, typeof require)";
    assert_eq!(stdout(code), "undefined undefined undefined undefined\n");
    let stderr = failure("js", "let mine; notThere");
    assert!(
        stderr.contains("ReferenceError: notThere is not defined\n"),
        "{stderr}"
    );
}

#[test]
fn javascript_programs_reach_nothing_of_the_host() {
    let code = "return Object.getOwnPropertyNames(globalThis).concat(Object.getOwnPropertySymbols(globalThis).map(String)).filter((n) => /deno|bootstrap|core|op_|faas|ext:/i.test(n))";
    assert_eq!(ret_val(code), "[]");
    // Call sites give no function of ours away.
    let code = "Error.prepareStackTrace = (e, sites) => sites; const all = []; const see = () => all.push(...new Error('x').stack);
        const t = new EventTarget(); t.addEventListener('x', see); t.dispatchEvent(new Event('x')); queueMicrotask(see); setTimeout(() => { see(); console.log(all.map((s) => s.getFileName())) }, 1)";
    assert!(!stdout(code).contains("ext:"));
}

#[test]
fn eval_and_new_function_work() {
    assert_eq!(
        stdout(
            "console.log(eval('1 + 1'), new Function('a', 'return a * 2')(4), (0, eval)('typeof input_data'))"
        ),
        "2 8 object\n"
    );
    assert_eq!(
        stdout("try { new Function('return (') } catch (e) { console.log(e.name) }"),
        "SyntaxError\n"
    );
}

#[test]
fn a_program_is_a_sloppy_script_unless_it_says_otherwise() {
    assert_eq!(
        stdout("x = 5; with ({ q: 1 }) console.log(q, x, 010, this === globalThis)"),
        "1 5 8 true\n"
    );
    assert!(failure("js", "'use strict'; y = 5").contains("y is not defined"));
    assert!(failure("js", "export {}; y = 5").contains("y is not defined"));
    assert_eq!(
        stdout("#!/usr/bin/env node\nconsole.log(1) // no line after this"),
        "1\n"
    );
    assert_eq!(stdout("\u{feff}console.log(2)"), "2\n");
}

#[test]
fn pending_timers_keep_the_program_alive() {
    let code = "setTimeout(() => console.log('late'), 150); console.log('early')";
    let answer = javascript(code);
    assert_eq!(answer.stdout(), "early\nlate\n");
    assert!(answer.body["metadata"]["duration"].as_u64().unwrap() >= 150);
    assert_eq!(
        stdout("const t = setInterval(() => { console.log(1); clearInterval(t) }, 1)"),
        "1\n"
    );
}

#[test]
fn a_program_that_does_not_end_is_stopped_and_keeps_its_output() {
    for (code, place) in [
        ("console.log('kept'); while (true) {}", "    at <code>:1:22"),
        (
            "console.log('kept'); const f = () => Promise.resolve().then(f); f(); for (;;) await null",
            "",
        ),
        (
            "console.log('kept');\n/^(a+)+$/.test('a'.repeat(50) + 'b')",
            "    at <code>:2:11",
        ),
        (
            "console.log('kept'); await new Promise((r) => setTimeout(r, 60000))",
            "",
        ),
        ("console.log('kept'); setInterval(() => {}, 1)", ""),
        (
            "console.log('kept'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
            "    at <code>:1:30",
        ),
        (
            "console.log('kept'); throw Object.defineProperty(new Error(), 'message', { get() { for (;;); } })",
            "    at get (<code>:1:",
        ),
        (
            "console.log('kept'); return { toJSON() { for (;;); } }",
            "    at toJSON (<code>:1:",
        ),
    ] {
        let request = json!({ "language": "js", "code": code, "timeout": 400 });
        let answer = server().run(request);
        let outcome = (answer.outcome(), answer.exit_code(), answer.stdout());
        assert_eq!(
            outcome,
            ("timeout", 124, "kept\n"),
            "{code}\n{}",
            answer.body
        );
        assert!(
            answer.stderr().contains(place),
            "{code}\n{}",
            answer.stderr()
        );
        assert_eq!(
            answer.last_stderr_line(),
            "Execution stopped: time limit of 400 ms reached"
        );
    }
}

#[test]
fn a_program_that_exhausts_its_memory_is_stopped_and_keeps_its_output() {
    for code in [
        "const a = []; for (;;) a.push({ n: a.length })",
        "const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))",
        "const a = []; for (;;) a.push('x'.repeat(1e6) + a.length)",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })",
        "let a = [1]; for (;;) a = a.concat(a)",
        "new Uint8Array(2 ** 31)",
        "new WebAssembly.Memory({ initial: 10000 })",
        "let x = 'x'.repeat(2 ** 27); JSON.stringify(x + x)",
        "console.log('x'.repeat(2 ** 28))",
        "new TextEncoder().encode('x'.repeat(2 ** 28))",
    ] {
        let code = format!("console.log('kept');\n{code}");
        let request = json!({ "language": "js", "code": code, "timeout": 60_000 });
        let answer = server().run(request);
        let outcome = (answer.outcome(), answer.exit_code(), answer.stdout());
        assert_eq!(
            outcome,
            ("memory_limit", 137, "kept\n"),
            "{code}\n{}",
            answer.body
        );
        assert_eq!(
            answer.last_stderr_line(),
            "Execution stopped: memory limit of 256 MiB reached"
        );
    }
    assert_eq!(stdout("console.log('unharmed')"), "unharmed\n");
}

#[test]
fn a_source_nested_too_deeply_is_the_programs_failure() {
    let brackets = format!("let x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let sum = format!("let x = 1{}", "+1".repeat(200_000));
    let stderr = failure("js", &brackets);
    assert!(
        stderr.contains("RangeError: Maximum call stack size exceeded"),
        "{stderr}"
    );
    for code in [brackets, sum, format!("let x = {}1", "!".repeat(400_000))] {
        let stderr = failure("ts", &code);
        assert_eq!(
            stderr,
            "RangeError: the program is nested too deeply for the TypeScript compiler\n"
        );
    }
    let fine = format!("let x: number = 1{}; console.log(x)", "+1".repeat(3_000));
    assert_eq!(run("ts", &fine).stdout(), "3001\n");
    let recursion = "const f = () => f(); try { f() } catch (e) { console.log(e.name, e.message) }";
    assert_eq!(
        stdout(recursion),
        "RangeError Maximum call stack size exceeded\n"
    );
}

#[test]
fn tampering_with_built_ins_breaks_only_the_program() {
    for code in [
        "Array.prototype[Symbol.iterator] = null; Array.prototype.push = null; console.log('a', [1], { b: 2 })",
        "Promise.prototype.then = () => {}; String.prototype.replace = RegExp.prototype.exec = null; console.log('a', [1], { b: 2 })",
        "Object.defineProperty(Object.prototype, 'get', { value: 1 }); Object.prototype.value = 2; console.log('a', [1], { b: 2 })",
        "globalThis.Error = globalThis.Object = globalThis.Symbol = JSON.stringify = null; console.log('a', [1], { b: 2 })",
    ] {
        assert_eq!(stdout(code), "a [ 1 ] { b: 2 }\n", "{code}");
        let stderr = failure("js", &format!("{code}\nnull.x"));
        assert!(
            stderr.contains("TypeError: Cannot read properties of null"),
            "{code}\n{stderr}"
        );
    }
    for code in [
        "Error.prepareStackTrace = () => { throw 1 }; throw new Error('seen')",
        "Error.stackTraceLimit = 0; throw new Error('seen')",
        "for (const k of Object.getOwnPropertyNames(globalThis)) delete globalThis[k]; throw 'seen'",
    ] {
        assert!(failure("js", code).contains("seen"), "{code}");
    }
}

#[test]
fn random_numbers_are_fresh_in_every_sandbox() {
    let draw = || stdout("console.log(Math.random(), crypto.randomUUID())");
    assert_ne!(draw(), draw());
}

#[test]
fn the_clock_starts_with_the_program() {
    let code = "return performance.now() < 1000 && Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 100";
    assert_eq!(ret_val(code), "true");
}

#[test]
fn a_last_line_of_json_stays_in_the_output_of_a_program_without_its_own_return_val() {
    for (code, printed) in [
        ("console.log({})", "{}\n"),
        ("console.log('{\"a\": 1}')", "{\"a\": 1}\n"),
        (
            "console.log(JSON.stringify({ a: [1] })); 1 + 1",
            "{\"a\":[1]}\n",
        ),
    ] {
        for language in ["js", "ts"] {
            let answer = run(language, code);
            assert_eq!((answer.ret_val(), answer.stdout()), ("", printed), "{code}");
        }
    }
    let answer = javascript(
        "const return_val = (v) => console.log(JSON.stringify(v));\nreturn_val({ a: 1 })",
    );
    assert_eq!((answer.ret_val(), answer.stdout()), (r#"{"a":1}"#, ""));
}

#[test]
fn the_input_is_found_under_both_names() {
    for language in ["js", "ts"] {
        let code = "const { a } = input; return [a + 1, input === input_data]";
        let request = json!({ "language": language, "code": code, "input": { "a": 1 } });
        assert_eq!(server().run(request).ret_val(), "[2,true]");
    }
    assert_eq!(ret_val("const input = 5; return input"), "5");
    assert_eq!(ret_val("return input"), "null");
}

#[test]
fn names_that_only_browsers_or_node_have_come_with_advice() {
    for (name, advice) in [
        ("self", "globalThis"),
        ("Response", "no network"),
        ("Headers", "Map"),
        ("FormData", "URLSearchParams"),
        ("navigator", "not a browser"),
        ("Worker", "one thread"),
        ("fs", "files.list()"),
        ("util", "structuredClone"),
        ("EventEmitter", "EventTarget"),
        ("reportError", "throw"),
        ("addEventListener", "catch"),
        ("process", "console.log"),
        ("require", "no modules"),
        ("React", "/** @jsx h */"),
        ("_", "no modules"),
        ("$", "no modules"),
        ("Temporal", "Intl"),
        ("ShadowRealm", "new Function"),
        ("MutationObserver", "not a browser"),
        ("Node", "not a browser"),
        ("HTMLDivElement", "not a browser"),
        ("KeyboardEvent", "not a browser"),
        ("GPUDevice", "not a browser"),
        ("ResizeObserverEntry", "not a browser"),
        ("parent", "not a browser"),
        ("top", "not a browser"),
        ("frames", "not a browser"),
        ("open", "not a browser"),
        ("onclick", "not a browser"),
        ("onmessage", "input_data"),
        ("close", "return"),
        ("stop", "return"),
        ("print", "console.log"),
        ("readFile", "files.text(name)"),
        ("describe", "runs no tests"),
        ("it", "runs no tests"),
        ("test", "runs no tests"),
        ("expect", "runs no tests"),
        ("jest", "runs no tests"),
        ("zlib", "CompressionStream"),
        ("vm", "new Function"),
        ("perf_hooks", "performance"),
    ] {
        let stderr = failure("js", &format!("{name}.x"));
        let start = format!("ReferenceError: {name} is not defined: the sandbox has no {name}; ");
        let line = stderr.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{name}\n{stderr}"));
        assert!(line[start.len()..].contains(advice), "{line}");
    }
}

/// A program's own names are no names of browsers: it has classes that end in Node, and variables with usual names.
#[test]
fn names_of_a_program_itself_come_without_advice() {
    for name in [
        "TreeNode", "ListNode", "TodoList", "once", "online", "name", "status", "length", "Media",
        "html",
    ] {
        let stderr = failure("js", &format!("{name}.x"));
        let plain = format!("ReferenceError: {name} is not defined\n");
        assert!(stderr.contains(&plain), "{stderr}");
    }
    let code = "let test = 1, it = 2, open = 3; var top = 4, parent = 5; function describe() { return 6 }\n\
                globalThis.print = () => 7; class Node {}\n\
                return [test, it, open, top, parent, describe(), print(), typeof Node, typeof expect, typeof onmessage]";
    assert_eq!(
        ret_val(code),
        r#"[1,2,3,4,5,6,7,"function","undefined","undefined"]"#
    );
}

#[test]
fn errors_in_evaluated_text_have_the_lines_of_the_program() {
    for (code, frame, excerpt) in [
        (
            "const fn = new Function('price', 'return price * qty');\n//\nfn(2);",
            "(eval at <anonymous> (<code>:3:12), <anonymous>:3:16)",
            "const fn = new Function",
        ),
        (
            "eval('null.x');\n//",
            "(eval at <anonymous> (<code>:3:1), <anonymous>:1:6)",
            "eval('null.x');",
        ),
        (
            "(0, eval)('eval(\"null.x\")');",
            "(eval at <anonymous> (eval at <anonymous> (<code>:3:",
            "(0, eval)('eval",
        ),
        (
            "eval('\\n\\nnull.x\\n//# sourceURL=mine.js');",
            "at eval (mine.js:3:6)",
            "eval('\\n\\nnull.x",
        ),
        // Text that says it is the program.
        (
            "eval('null.x\\n//# sourceURL=<code>');",
            "at <code>:3:1\n",
            "eval('null.x",
        ),
        (
            "function f() { null.x }\nf();\n//# sourceURL=renamed.js",
            "at f (<code>:3:21)\n    at <code>:4:1\n",
            "function f()",
        ),
    ] {
        for language in ["js", "ts"] {
            let second = if language == "ts" {
                "interface T {}"
            } else {
                "// 2"
            };
            let stderr = failure(language, &format!("// 1\n{second}\n{code}"));
            assert!(stderr.contains(frame), "{language} {code}\n{stderr}");
            let start = format!("<code>:3\n{excerpt}");
            assert!(stderr.starts_with(&start), "{language} {code}\n{stderr}");
        }
    }
}

#[test]
fn an_unclosed_brace_is_shown_where_the_text_ends() {
    for (language, code, start) in [
        (
            "js",
            "if (true) {\n  console.log(1)\n",
            "<code>:2\n  console.log(1)\n                ^\n",
        ),
        (
            "js",
            "await 1;\nfunction f() {\n  return 1;\n\n\n",
            "<code>:3\n  return 1;\n           ^\n",
        ),
        (
            "js",
            "return [1, 2",
            "<code>:1\nreturn [1, 2\n            ^\n",
        ),
        ("js", "const s = `a\nb", "<code>:2\nb\n ^\n"),
        ("ts", "enum E {\n  A,\n", "<code>:"),
        ("ts", "class A {\n  m(): void {\n  }\n", "<code>:"),
    ] {
        let stderr = failure(language, code);
        assert!(stderr.starts_with(start), "{code}\n{stderr}");
        assert!(stderr.contains("SyntaxError: "), "{code}\n{stderr}");
        assert!(!stderr.contains("async"), "{code}\n{stderr}");
    }
}

#[test]
fn what_the_translator_complains_of_is_an_error_with_its_place() {
    for (code, start) in [
        (
            "let a = 1;\n[a + 1] = [2];",
            "<code>:2\n[a + 1] = [2];\n ^^^^^\n\nSyntaxError: ",
        ),
        (
            "let a: any;\n({ b: a() } = {});",
            "<code>:2\n({ b: a() } = {});\n      ^^^\n\nSyntaxError: ",
        ),
        ("let n = 08n;", "<code>:1\n"),
        (
            "abstract class A { abstract m() { return 1 } }\nclass B { abstract n(); }",
            "<code>:",
        ),
    ] {
        let stderr = failure("ts", code);
        assert!(stderr.starts_with(start), "{code}\n{stderr}");
        assert!(!stderr.contains("invalid>"), "{code}\n{stderr}");
        let request = json!({ "language": "ts", "code": code });
        let answer = server().post("/check_code", request.to_string());
        assert_eq!(answer.body["valid"], false, "{code}\n{}", answer.body);
    }
}

#[test]
fn an_error_in_an_enum_or_a_field_of_a_decorated_class_has_its_line() {
    let code = "type T = 1;\nenum E {\n  A = 1,\n  B = fail(),\n}\nfunction fail(): number { throw new Error('no value') }";
    let stderr = failure("ts", code);
    assert!(stderr.contains("at fail (<code>:6:33)"), "{stderr}");
    assert!(stderr.contains("\n    at <code>:4:7\n"), "{stderr}");
    let code = "function d(target: any, key: string) {}\nclass A {\n  @d x = fail();\n}\nfunction fail(): number { throw new Error('no value') }\nnew A()";
    let stderr = failure("ts", code);
    assert!(stderr.contains("at new A (<code>:3:10)"), "{stderr}");
}

#[test]
fn the_kind_of_decorators_is_told_by_their_declarations() {
    let standard = "(v: any, c: any) => { console.log(c.kind) }";
    for (code, printed) in [
        (format!("const d = {standard}; class A {{ @d m() {{}} }}"), "method\n"),
        (format!("const d = () => {standard}; class A {{ @d() m() {{}} }}"), "method\n"),
        (format!("// PropertyDescriptor, DecoratorContext, accessor\nconst d = {standard}; class A {{ @d m() {{}} }}"), "method\n"),
        (format!("const o = {{ d: {standard} }}; class A {{ @o.d static m() {{}} }}"), "method\n"),
        ("function d(...all: any[]) { console.log(all.length) } class A { @d m() {} }".into(), "2\n"),
        ("function d(target: any, key: string) { console.log(key) } class A { @d m() {} }".into(), "m\n"),
        ("function d(target, key, descriptor) { console.log(key) } class A { @d m() {} }".into(), "m\n"),
        ("function d(t: any, k: any) { console.log(`on ${k}`) } class A { @d x = 1 }".into(), "on x\n"),
        ("const d: PropertyDecorator = (a, b) => { console.log(b) }; class A { @d x = 1 }".into(), "x\n"),
        ("const d = (n: number): MethodDecorator => (a, b) => { console.log(b) }; class A { @d(1) m() {} }".into(), "m\n"),
        ("function d(n: string) { return function (t: any, k: string, d: PropertyDescriptor) { console.log(n, k) } } class A { @d('accessor ') m() {} }".into(), "accessor  m\n"),
        ("function f(): any { return f() } function d(...a: any[]) { console.log(a.length) } class A { @d m(@d x: any) {} @(f as any || d) y = 1 }".into(), ""),
    ] {
        let answer = run("ts", &code);
        if !printed.is_empty() {
            assert_eq!(answer.stdout(), printed, "{code}\n{}", answer.stderr());
        }
        assert_ne!(answer.outcome(), "killed", "{code}");
    }
}

#[test]
fn a_value_of_async_local_storage_follows_the_program() {
    let code = "
        const als = new AsyncLocalStorage(), other = new AsyncLocalStorage();
        const seen = [];
        const see = (where) => seen.push(`${where}:${als.getStore()}`);
        await Promise.all([1, 2].map((id) => als.run(id, async () => {
            see('sync');
            await null; see('await');
            await new Promise((r) => setTimeout(r, 5)); see('timer');
            await new Promise((r) => setImmediate(r)); see('immediate');
            await new Promise((r) => queueMicrotask(() => { see('microtask'); r() }));
            other.run('inner', () => see('nested'));
            als.exit(() => see('exit'));
        })));
        see('outside');
        const bound = als.run('bound', () => AsyncLocalStorage.bind((a) => `${a}${als.getStore()}`));
        const snapshot = als.run('snap', () => AsyncLocalStorage.snapshot());
        seen.push(bound('arg-'), snapshot((a, b) => als.getStore() + a + b, 1, 2));
        als.run('thrown', () => { try { als.run('x', () => { throw 1 }) } catch { see('caught') } });
        als.enterWith('entered'); see('after'); await null; see('still');
        als.disable(); see('disabled');
        return seen.sort().join()";
    let expected = "after:entered,arg-bound,await:1,await:2,caught:thrown,disabled:undefined,exit:undefined,exit:undefined,immediate:1,immediate:2,microtask:1,microtask:2,nested:1,nested:2,outside:undefined,snap12,still:entered,sync:1,sync:2,timer:1,timer:2";
    assert_eq!(ret_val(code), expected);
}

#[test]
fn timers_and_urls_work_whatever_a_program_replaced() {
    let code = "Map.prototype.get = Map.prototype.set = Map.prototype.delete = Promise.prototype.then = Array.prototype[Symbol.iterator] = Reflect.construct = globalThis.Number = null;
        const t = setTimeout((a) => { console.log(a, String(t) > 0); clearTimeout(+t) }, 1, 'fired'); +t;
        try { new URL('nope') } catch (e) { console.log(e.code) }
        console.log(new URL('a/b', 'https://x.y').href);
        const als = new AsyncLocalStorage(); als.run(1, () => setTimeout(() => console.log(als.getStore()), 2));";
    assert_eq!(
        stdout(code),
        "ERR_INVALID_URL\nhttps://x.y/a/b\nfired true\n1\n"
    );
}
