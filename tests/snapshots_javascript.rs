//! Snapshots of JavaScript and TypeScript: what a program declared is there for the next, what it left
//! running is not.

mod common;

use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::public_copy::unprivileged_server;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    unprivileged_server("snapshots-javascript", &[("FAAS_LANGUAGE", "javascript")])
});

/// Runs a JavaScript program and adds these fields to the request.
fn run(code: &str, fields: Value) -> Answer {
    SERVER.run_with(json!({ "language": "javascript", "code": code }), &fields)
}

fn snapshot_of(answer: &Answer) -> String {
    let id = &answer.body["metadata"]["snapshot"]["id"];
    id.as_str()
        .unwrap_or_else(|| panic!("{}", answer.body))
        .to_owned()
}

/// Runs a program whose leavings are kept; returns the snapshot's id.
fn keep(code: &str, fields: Value) -> String {
    let mut fields = fields;
    fields["keep"] = json!(true);
    snapshot_of(&run(code, fields))
}

fn from(snapshot: &str, code: &str) -> Answer {
    run(code, json!({ "from": snapshot }))
}

/// What the second of two programs prints.
fn printed(first: &str, second: &str) -> String {
    let answer = from(&keep(first, json!({})), second);
    assert_eq!(answer.outcome(), "success", "{}", answer.body);
    answer.stdout().to_owned()
}

#[test]
fn every_kind_of_declaration_is_there_for_the_next_program() {
    let first = "\
        let a = 1, empty; const b = [2]; var c = 3;\n\
        class Point { static origin = new Point(); constructor(x = 0) { this.x = x } }\n\
        function twice(n) { return 2 * n }\n\
        async function later(n) { await null; return n }\n\
        function* count() { yield* [1, 2] }\n\
        async function* slow() { yield 7 }\n\
        const {d, e: {f = 6}, ...rest} = {d: 4, e: {}, g: 8}, [h, , ...i] = [9, 10, 11, 12];\n\
        const arrow = () => a;\n\
        for (var k = 0; k < 3; k++) { var inner = k; let hidden = 1 }\n\
        using thing = null;";
    let second = "\
        a++;\n\
        console.log(a, empty, b, c, new Point(5).x, Point.origin.x, twice(4), await later(5), [...count()]);\n\
        for await (const one of slow()) console.log(one);\n\
        console.log(d, f, rest, h, i, arrow(), arrow.name, twice.name, Point.name, k, inner, typeof hidden);";
    assert_eq!(
        printed(first, second),
        "2 undefined [ 2 ] 3 5 0 8 5 [ 1, 2 ]\n7\n\
         4 6 { g: 8 } 9 [ 11, 12 ] 2 arrow twice Point 3 2 undefined\n"
    );
}

#[test]
fn typescript_is_kept_too_with_types_enums_and_namespaces() {
    let typescript = json!({ "language": "typescript" });
    let first = keep(
        "enum Colour { Red, Green = 'g' }\ninterface Named { name: string }\n\
         namespace Shapes { export const sides = 4 }\n\
         class Box<T> { constructor(public value: T) {} }\n\
         const named: Named = { name: 'x' };\n\
         function show<T>(box: Box<T>): string { return `${box.value}` }\n\
         export const exported: number = 5;",
        typescript.clone(),
    );
    let mut fields = typescript;
    fields["from"] = json!(first);
    let again = run(
        "enum Colour { Blue }\nconsole.log(Object.keys(Colour))",
        fields.clone(),
    );
    assert_eq!(again.stdout(), "[ '0', 'Blue' ]\n", "{}", again.body);
    let second = run(
        "const shown: string = show(new Box<number>(3));\n\
         console.log(Colour.Red, Colour[0], Colour.Green, Shapes.sides, named.name, shown, exported)",
        fields,
    );
    assert_eq!(second.stdout(), "0 Red g 4 x 3 5\n", "{}", second.body);
}

#[test]
fn a_name_can_be_declared_again_and_older_code_sees_it() {
    let first = "\
        const version = 1;\nclass C { one() { return 1 } }\nfunction helper() { return 'old' }\n\
        function caller() { return helper() + version }\nvar kept = 5";
    let second = "\
        const version = 2;\nclass C { one() { return 2 } }\nfunction helper() { return 'new' }\nvar kept;\n\
        console.log(caller(), new C().one(), kept)";
    assert_eq!(printed(first, second), "new2 2 5\n");
}

#[test]
fn closures_share_their_variables_with_later_programs() {
    let first = keep(
        "let count = 0; const add = () => ++count; const own = (() => { let n = 0; return () => ++n })()",
        json!({}),
    );
    let second = keep("count = 10; add(); own()", json!({ "from": first }));
    assert_eq!(
        from(&second, "console.log(add(), count, own())").stdout(),
        "12 12 2\n"
    );
    assert_eq!(
        from(&first, "console.log(add(), count, own())").stdout(),
        "1 1 1\n"
    );
}

#[test]
fn functions_can_be_called_before_their_declaration_and_show_their_text() {
    let answer = run(
        "console.log(f()); /* before */ function f() { return 1 /* kept */ }\nconsole.log(String(f))",
        json!({ "keep": true }),
    );
    assert_eq!(answer.stdout(), "1\nfunction () { return 1 /* kept */ }\n");
}

#[test]
fn a_strict_program_and_its_top_level_await_and_return_work() {
    let answer = run(
        "'use strict';\nlet a = await Promise.resolve(1)\nfunction f() { return this }\n[a] = [a + 1]\nreturn [a, f()]",
        json!({ "keep": true }),
    );
    assert_eq!(answer.ret_val(), "[2,null]", "{}", answer.body);
    let snapshot = snapshot_of(&answer);
    // The return value is of one program only.
    assert_eq!(from(&snapshot, "a").ret_val(), "");
    assert_eq!(
        from(&snapshot, "'use strict'; const b = a; return b").ret_val(),
        "2"
    );
    let undeclared = from(&snapshot, "'use strict'; c = 1");
    assert!(
        undeclared.stderr().contains("c is not defined"),
        "{}",
        undeclared.stderr()
    );
}

#[test]
fn a_traceback_shows_the_lines_of_the_program_that_they_are_of() {
    let first = keep(
        "let x; const {y} = {y: 1}\nfunction divide(a, b) {\n  throw new Error('by ' + b); // of the first\n}",
        json!({}),
    );
    let second = keep(
        "type N = number;\nconst half = (a: N) => {\n\n  return divide(a, 0); // of the second\n};",
        json!({ "from": first, "language": "typescript" }),
    );
    let third = from(&second, "\nlet z; half(1)");
    let expected = "\
        <code>:3\n  throw new Error('by ' + b); // of the first\n        ^\n\n\
        Error: by 0\n    at divide (<code>:3:9)\n    at half (<code 2>:4:10)\n    at <code 3>:2:8\n";
    assert_eq!(third.stderr(), expected);
    // What is no Error has the place where it was thrown.
    let third = from(&second, "\n\nthrow 'text'");
    assert_eq!(
        third.stderr(),
        "<code 3>:3\nthrow 'text'\n^\n\nUncaught 'text'\n"
    );
    let third = from(&second, "eval('divide(1, 2)')");
    assert!(
        third
            .stderr()
            .contains("eval at <anonymous> (<code 3>:1:1)"),
        "{}",
        third.stderr()
    );
}

#[test]
fn a_program_that_is_stopped_in_an_older_function_shows_both_places() {
    let first = keep("function spin() {\n  for (;;) ;\n}", json!({}));
    let stopped = run("\nspin()", json!({ "from": first, "timeout": 300 }));
    assert_eq!(stopped.outcome(), "timeout");
    for frame in ["at spin (<code>:2:", "at <code 2>:2:1"] {
        assert!(stopped.stderr().contains(frame), "{}", stopped.stderr());
    }
    // The stop was of that program only.
    for _ in 0..3 {
        assert_eq!(from(&first, "console.log(1)").stdout(), "1\n");
    }
}

#[test]
fn what_a_program_that_ended_by_an_exception_left_is_kept() {
    for end in [
        "throw new Error('no')",
        "await Promise.reject(1)",
        "Promise.reject(new Error('no')); await 0",
        "setTimeout(() => { throw new Error('no') }, 1)",
        "setImmediate(() => { throw new Error('no') }); setImmediate(() => console.log('late'))",
        "queueMicrotask(() => { throw new Error('no') })",
        "await new Promise(() => {})",
    ] {
        let answer = run(&format!("let x = 5\n{end}"), json!({ "keep": true }));
        assert_eq!(answer.outcome(), "error", "{end}");
        let second = from(
            &snapshot_of(&answer),
            "setTimeout(() => console.log('timer'), 1); setImmediate(() => console.log('immediate'));\n\
             await new Promise((r) => setTimeout(r, 5)); console.log(x)",
        );
        assert_eq!(second.outcome(), "success", "{end}: {}", second.body);
        let lines: Vec<_> = second.stdout().lines().collect();
        assert_eq!(lines.len(), 3, "{end}: {lines:?}");
        assert_eq!(lines[2], "5", "{end}");
    }
}

#[test]
fn nothing_that_the_last_program_left_running_acts_on_the_next() {
    let first = keep(
        "const print = (what) => () => console.log(what);\n\
         setInterval(print('interval'), 1).unref(); setTimeout(print('timeout'), 20).unref();\n\
         const repeated = setInterval(print('held'), 2); setTimeout(print('in an hour'), 3600000);\n\
         setImmediate(print('immediate')); setTimeout(() => {\n\
           setImmediate(print('immediate'));\n\
           Promise.reject(new Error('of the first')); Promise.resolve().then(print('microtask'));\n\
           (async () => { await null; console.log('async') })();\n\
           throw new Error('end');\n\
         }, 5);",
        json!({ "input": { "a": 1 }, "args": ["one"], "stdin": "a line\n" }),
    );
    let began = Instant::now();
    let second = from(
        &first,
        "let turns = 0; const again = setInterval(() => { if (++turns === 5) clearInterval(again) }, 10);\n\
         await new Promise((r) => setTimeout(r, 20)); await null;\n\
         console.log(input, input_data, args, stdin.text() === '', 'only this')",
    );
    assert_eq!(
        second.stdout(),
        "null null [] true only this\n",
        "{}",
        second.body
    );
    assert_eq!(second.outcome(), "success");
    // It would have waited for the timer.
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_program_finds_its_own_input_unless_programs_declared_the_name() {
    let fields = |snapshot: &str| json!({ "from": snapshot, "input": [2], "args": ["b"] });
    let first = keep("1", json!({ "input": [1], "args": ["a"] }));
    let second = run("console.log(input, input_data, args)", fields(&first));
    assert_eq!(second.stdout(), "[ 2 ] [ 2 ] [ 'b' ]\n");
    let first = keep("const input = 'mine'", json!({ "input": [1] }));
    let second = run("console.log(input, input_data, args)", fields(&first));
    assert_eq!(second.stdout(), "mine [ 2 ] [ 'b' ]\n");
}

#[test]
fn files_given_once_can_be_read_later_and_files_handed_back_are_so_once() {
    let file = |name: &str, text: &str| json!({ "name": name, "content": text });
    for reads in ["files.text('a.txt')", "1"] {
        let answer = run(
            &format!("{reads}; files.write('out.txt', 'x')"),
            json!({ "keep": true, "files": [file("a.txt", "first"), file("b.txt", "first")] }),
        );
        assert_eq!(
            answer.body["output"]["files"].as_array().map(Vec::len),
            Some(1),
            "{}",
            answer.body
        );
        let second = run(
            "console.log(files.list().join(), files.text('a.txt'), files.text('b.txt'), files.text('c.txt'))",
            json!({ "from": snapshot_of(&answer), "files": [file("b.txt", "second"), file("c.txt", "second")] }),
        );
        assert_eq!(
            second.stdout(),
            "a.txt,b.txt,c.txt first second second\n",
            "{}",
            second.body
        );
        assert_eq!(second.body["output"]["files"], json!([]));
    }
}

#[test]
fn a_syntax_error_shows_its_own_place_and_the_snapshot_goes_on_to_work() {
    let first = keep("let x = 1", json!({}));
    let second = from(&first, "let y = 2;\nlet {a} = 1; let = = 3");
    assert!(
        second
            .stderr()
            .starts_with("<code 2>:2\nlet {a} = 1; let = = 3\n                   ^"),
        "{}",
        second.stderr()
    );
    assert!(second.stderr().contains("SyntaxError"));
    for twice in ["let y; let y", "const z = 1; var z"] {
        let second = from(&first, twice);
        assert!(
            second.stderr().contains("has already been declared"),
            "{twice}: {}",
            second.stderr()
        );
    }
    let imports = from(&first, "import a from 'b'");
    assert!(
        imports.stderr().contains("<code 2>:1"),
        "{}",
        imports.stderr()
    );
    assert_eq!(
        from(&first, "console.log(x, typeof y)").stdout(),
        "1 undefined\n"
    );
    let failed = run("let = = 3", json!({ "from": first, "keep": true }));
    let third = from(&snapshot_of(&failed), "throw new Error(x)");
    assert!(
        third.stderr().contains("<code 3>:1:7"),
        "{}",
        third.stderr()
    );
}

#[test]
fn programs_that_start_from_one_snapshot_do_not_see_each_other() {
    let first = keep("const seen = []", json!({}));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let first = &first;
            scope.spawn(move || {
                let code = format!("seen.push({number}); console.log(seen.join())");
                assert_eq!(from(first, &code).stdout(), format!("{number}\n"));
            });
        }
    });
    assert_eq!(from(&first, "console.log(seen.length)").stdout(), "0\n");
}

#[test]
fn a_snapshot_of_a_snapshot_has_what_all_programs_left() {
    let mut last = keep("const steps = [0]", json!({}));
    for step in 1..=12 {
        last = keep(&format!("steps.push({step})"), json!({ "from": last }));
    }
    let sum = from(
        &last,
        "console.log(steps.reduce((a, b) => a + b), steps.length)",
    );
    assert_eq!(sum.stdout(), "78 13\n", "{}", sum.body);
}

#[test]
fn random_numbers_go_on_where_the_snapshot_was_unless_fresh_ones_are_wanted() {
    let first = keep("const draw = () => console.log(Math.random())", json!({}));
    let draw = |random: &str| {
        let fields = json!({ "from": first, "random": random });
        run("draw()", fields).stdout().to_owned()
    };
    let drawn = draw("continue");
    assert_eq!(drawn, draw("continue"));
    let fresh = [draw("fresh"), draw("fresh")];
    assert!(fresh[0] != fresh[1] && !fresh.contains(&drawn), "{fresh:?}");
}

#[test]
fn a_program_that_was_stopped_or_ran_out_of_memory_is_not_kept() {
    for (code, fields) in [
        ("for (;;) ;", json!({ "timeout": 300 })),
        ("setInterval(() => {}, 10)", json!({ "timeout": 300 })),
        ("for (;;) ;", json!({ "limits": { "cpu_ms": 200 } })),
        (
            "const all = []; for (;;) all.push(new Array(1000).fill(all.length))",
            json!({}),
        ),
    ] {
        let mut fields = fields;
        fields["keep"] = json!(true);
        let answer = run(code, fields);
        assert!(
            answer.body["metadata"]["snapshot"].is_null(),
            "{code}: {}",
            answer.body
        );
    }
}

#[test]
fn each_program_has_the_memory_of_its_own_request() {
    let first = keep("1", json!({ "limits": { "memory_bytes": 16 << 20 } }));
    let fill = "const all = []; for (let i = 0; i < 1000; i++) all.push(new Array(5000).fill(i)); console.log(all.length)";
    assert_eq!(from(&first, fill).stdout(), "1000\n");
    let limited = run(
        fill,
        json!({ "from": first, "limits": { "memory_bytes": 16 << 20 } }),
    );
    assert_eq!(limited.outcome(), "memory_limit", "{}", limited.body);
}

#[test]
fn the_store_of_an_async_local_storage_ends_with_its_program() {
    // An error of a listener ends the program where it is.
    let first = "\
        const store = new AsyncLocalStorage(), target = new EventTarget();\n\
        target.addEventListener('end', () => { throw new Error('end') });\n\
        store.run('kept', () => target.dispatchEvent(new Event('end')));\n\
        console.log('not reached')";
    assert_eq!(
        printed(first, "console.log(store.getStore())"),
        "undefined\n"
    );
}

#[test]
fn programs_print_the_same_if_they_are_kept() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let mut number = 0;
    for (language, folder) in [
        ("javascript", folder.join("js")),
        ("typescript", folder.join("ts")),
    ] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "out") {
                continue;
            }
            let code = std::fs::read_to_string(&path).unwrap();
            let expected = std::fs::read_to_string(path.with_extension("out")).unwrap();
            let answer = run(&code, json!({ "language": language, "keep": true }));
            assert_eq!(answer.stdout(), expected, "{}", path.display());
            let snapshot = format!("/snapshots/{}", snapshot_of(&answer));
            assert_eq!(SERVER.method("DELETE", &snapshot).status, 204);
            number += 1;
        }
    }
    assert!(number >= 30, "{number}");
}

#[test]
fn a_program_that_is_not_kept_is_compiled_as_it_is() {
    let code = "let {a} = {a: 1}, b\nclass C {}\nfunction f() { return f }\n\
                console.log(String(f), typeof globalThis.a, typeof globalThis.f, 'C' in globalThis)\n\
                try { early; let early } catch (error) { console.log(error.name) }\n\
                try { early } catch (error) { console.log(error.name) }\nconst early = 1\n\
                try { early = 2 } catch (error) { console.log(error.message) }";
    let answer = run(code, json!({}));
    assert_eq!(
        answer.stdout(),
        "function f() { return f } undefined undefined false\nReferenceError\nReferenceError\n\
         Assignment to constant variable.\n"
    );
}
