//! What a command line would give a program: its standard input, its arguments, a file of several as the
//! program.

mod common;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::shared;

/// Runs a request that has to succeed, and returns what it printed.
fn stdout(request: Value) -> String {
    let answer = shared().run(request);
    assert_eq!(
        (answer.status, answer.outcome()),
        (200, "success"),
        "{}",
        answer.body
    );
    answer.stdout().to_owned()
}

fn python(code: &str, stdin: &str) -> String {
    stdout(json!({ "code": code, "stdin": stdin }))
}

fn javascript(code: &str, stdin: &str) -> String {
    stdout(json!({ "language": "js", "code": code, "stdin": stdin }))
}

/// A request that was refused: its error and what to do.
fn refusal(request: Value) -> (u16, String, String) {
    let answer = shared().run(request);
    let details = answer.body["details"].as_str().unwrap().to_owned();
    (answer.status, answer.error().to_owned(), details)
}

#[test]
fn python_reads_stdin_in_all_its_ways() {
    let text = "first\n\u{e9} \u{1f600}\n3 4\nlast";
    let print = |expression: &str| python(&format!("import sys, os\nprint({expression})"), text);
    assert_eq!(print("input()"), "first\n");
    assert_eq!(
        print("[input('') for _ in range(4)]"),
        "['first', '\u{e9} \u{1f600}', '3 4', 'last']\n"
    );
    assert_eq!(
        print("repr(sys.stdin.read())"),
        format!("{:?}\n", text).replace('"', "'")
    );
    assert_eq!(print("len(sys.stdin.readlines())"), "4\n");
    assert_eq!(print("[line.rstrip() for line in sys.stdin][-1]"), "last\n");
    assert_eq!(print("sys.stdin.buffer.read()[-4:]"), "b'last'\n");
    assert_eq!(print("open(0).read()[:5]"), "first\n");
    assert_eq!(print("os.read(0, 5)"), "b'first'\n");
    assert_eq!(
        print("[input(), sys.stdin.readline(), sys.stdin.read()[-4:]]"),
        "['first', '\u{e9} \u{1f600}\\n', 'last']\n"
    );
    let long = "x".repeat(3_000_000);
    assert_eq!(python("print(len(input()))", &long), "3000000\n");
    assert_eq!(
        python("import sys\nprint(repr(sys.stdin.read()))", ""),
        "''\n"
    );
}

#[test]
fn the_end_of_stdin_is_eof_and_without_one_the_error_says_what_to_send() {
    let error = |request: Value| shared().run(request).last_stderr_line().to_owned();
    let end = error(json!({ "code": "input()\ninput()", "stdin": "a\n" }));
    assert_eq!(end, "EOFError: EOF when reading a line");
    let none = error(json!({ "code": "input()" }));
    assert!(
        none.starts_with("EOFError: the sandbox has no standard input"),
        "{none}"
    );
    assert!(
        none.contains("`stdin`") && none.contains("`input`"),
        "{none}"
    );
}

#[test]
fn javascript_and_typescript_read_stdin() {
    let code = "console.log(JSON.stringify([stdin.readLine(), stdin.lines(), stdin.readLine(), stdin.text()]))";
    assert_eq!(
        javascript(code, "a\r\nb\n\nc"),
        "[\"a\",[\"b\",\"\",\"c\"],null,\"\"]\n"
    );
    assert_eq!(
        javascript("console.log(stdin.text())", "\u{e9}\n2\n"),
        "\u{e9}\n2\n\n"
    );
    let rest = "stdin.readLine(); console.log(stdin.text())";
    assert_eq!(javascript(rest, "1\n2\n3"), "2\n3\n");
    let request = json!({ "language": "ts", "code": "console.log(stdin.readLine() as null, args as string[])" });
    assert_eq!(stdout(request), "null []\n");
}

#[test]
fn arguments_arrive_as_they_were_sent() {
    let arguments = json!(["-v", "", "two words", "\u{e9}", "--x=1"]);
    let code = "import sys\nprint(sys.argv)";
    let printed = stdout(json!({ "code": code, "args": arguments }));
    assert_eq!(
        printed,
        "['<code>', '-v', '', 'two words', '\u{e9}', '--x=1']\n"
    );
    assert_eq!(stdout(json!({ "code": code })), "['<code>']\n");
    let parsed = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int)\nprint(p.parse_args().n)";
    assert_eq!(
        stdout(json!({ "code": parsed, "args": ["--n", "3"] })),
        "3\n"
    );
    let code = "console.log(JSON.stringify(args))";
    let printed = stdout(json!({ "language": "js", "code": code, "args": arguments }));
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), arguments);
}

#[test]
fn wrong_arguments_and_stdin_are_400() {
    let (status, error, _) = refusal(json!({ "code": "1", "stdin": ["a"] }));
    assert_eq!(
        (status, error.as_str()),
        (400, "Parameter 'stdin' must be a string")
    );
    for wrong in [
        json!("a"),
        json!([1]),
        json!([null]),
        json!({}),
        json!(vec!["a"; 257]),
    ] {
        let (status, error, details) = refusal(json!({ "code": "1", "args": wrong }));
        assert_eq!(
            (status, error.as_str()),
            (400, "Parameter 'args' must be an array of strings")
        );
        assert!(!details.is_empty());
    }
    let most = json!({ "code": "import sys\nprint(len(sys.argv))", "args": vec!["a"; 256] });
    assert_eq!(stdout(most), "257\n");
}

fn files(files: &[(&str, &str)]) -> Value {
    let file = |(name, content): &(&str, &str)| json!({ "name": name, "content": content });
    files.iter().map(file).collect()
}

#[test]
fn a_file_can_be_the_program_and_import_and_read_the_others() {
    let main = "import sys, helper, package.part\nprint(__name__, __file__, sys.argv, helper.f(), package.part.X, open('data/d.txt').read())";
    let request = json!({ "entry_point": "main.py", "args": ["a"], "files": files(&[
        ("main.py", main),
        ("helper.py", "def f():\n    return 'help'"),
        ("package/__init__.py", ""),
        ("package/part.py", "X = 5"),
        ("data/d.txt", "D"),
    ]) });
    assert_eq!(
        stdout(request),
        "__main__ /home/pyodide/main.py ['main.py', 'a'] help 5 D\n"
    );
    // In a directory, its neighbours are what it imports first, as with python itself.
    let request = json!({ "entry_point": "src/main.py", "files": files(&[
        ("src/main.py", "import helper\nhelper.x"),
        ("src/helper.py", "x = 'neighbour'"),
        ("helper.py", "x = 'other'"),
    ]) });
    assert_eq!(shared().run(request).ret_val(), "neighbour");
}

#[test]
fn a_traceback_names_the_files() {
    let request = json!({ "entry_point": "main.py", "files": files(&[
        ("main.py", "import helper\n\nhelper.fail()"),
        ("helper.py", "def fail():\n    raise ValueError('no')"),
    ]) });
    let answer: Answer = shared().run(request);
    for part in [
        "  File \"/home/pyodide/main.py\", line 3, in <module>\n    helper.fail()\n",
        "  File \"/home/pyodide/helper.py\", line 2, in fail\n    raise ValueError('no')\n",
    ] {
        assert!(answer.stderr().contains(part), "{}", answer.stderr());
    }
    let request = json!({ "entry_point": "broken.py", "files": files(&[("broken.py", "x = (")]) });
    let answer = shared().run(request);
    assert!(
        answer
            .stderr()
            .contains("File \"/home/pyodide/broken.py\", line 1"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn a_file_of_javascript_or_typescript_can_be_the_program() {
    let others = |name: &str, text: &str| files(&[(name, text), ("b.txt", "B")]);
    let request = json!({ "language": "js", "entry_point": "main.js", "files": others("main.js", "return files.text('b.txt')") });
    assert_eq!(shared().run(request).ret_val(), "B");
    let request = json!({ "language": "ts", "entry_point": "a/main.ts", "files": others("a/main.ts", "return files.list() as string[]") });
    assert_eq!(shared().run(request).ret_val(), r#"["a/main.ts","b.txt"]"#);
    let request = json!({ "language": "js", "entry_point": "main.js", "files": others("main.js", "import './b.js'") });
    let answer = shared().run(request);
    assert!(
        answer.stderr().contains("the sandbox has no module loader"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn an_entry_point_that_names_no_program_is_refused() {
    let main = files(&[("main.py", "1"), ("empty.py", "")]);
    for (request, what_to_do) in [
        (
            json!({ "entry_point": "other.py", "files": main }),
            "no file \"other.py\"",
        ),
        (json!({ "entry_point": "main.py" }), "no file \"main.py\""),
        (json!({ "entry_point": "", "files": main }), "no file \"\""),
        (
            json!({ "entry_point": "./main.py", "files": main }),
            "no file",
        ),
        (
            json!({ "entry_point": ["main.py"], "files": main }),
            "as a string",
        ),
        (
            json!({ "entry_point": "empty.py", "files": main }),
            "must not be empty",
        ),
        (
            json!({ "entry_point": "main.py", "code": "2", "files": main }),
            "either `code` or `entry_point`",
        ),
        (
            json!({ "entry_point": "b", "files": [{ "name": "b", "content_base64": "/w==" }] }),
            "text in UTF-8",
        ),
    ] {
        let (status, error, details) = refusal(request.clone());
        assert_eq!(
            (status, error.as_str()),
            (400, "Parameter 'entry_point' must name one of 'files'")
        );
        assert!(details.contains(what_to_do), "{request}: {details}");
    }
    let long = json!({ "entry_point": "a", "files": files(&[("a", &"#".repeat(1_048_577))]) });
    let (status, error, details) = refusal(long);
    assert_eq!(
        (status, error.as_str()),
        (413, "The file of 'entry_point' is too long")
    );
    assert!(details.contains("FAAS_MAX_CODE_BYTES"), "{details}");
    let (_, _, details) = refusal(json!({ "files": main }));
    assert!(details.contains("`entry_point`"), "{details}");
    // As callers send it who always send `code`.
    let empty = json!({ "entry_point": "main.py", "code": "", "files": main });
    assert_eq!(shared().run(empty).ret_val(), "1");
}
