//! `faas-server repl`: a session whose cells come from the standard input.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use common::NO_SOURCES;
use common::PROGRAM;

fn start(arguments: &[&str]) -> Child {
    Command::new(PROGRAM)
        .arg("repl")
        .args(arguments)
        .envs(NO_SOURCES)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What `repl` writes to its standard output and to its standard error for these lines.
fn repl(arguments: &[&str], lines: &str) -> (String, String) {
    let mut running = start(arguments);
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).unwrap();
    drop(stdin);
    let output = running.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    (stdout, stderr)
}

#[test]
fn cells_that_are_typed_go_on_from_each_other_and_show_their_values() {
    let lines =
        "x = [1,\n  2]\ndef total():\n    return sum(x)\n\ntotal()\nprint('a')\n'text'\nNone\n";
    let (stdout, stderr) = repl(&[], lines);
    assert_eq!((stdout.as_str(), stderr.as_str()), ("3\na\n'text'\n", ""));
}

#[test]
fn in_javascript_expressions_are_shown_and_blocks_end_where_they_are_over() {
    let lines = "const x = [1,\n2]\nfunction f() {\n  return {sum: x[0] + x[1]};\n}\nf()\nconsole.log(1)\n'a';\n";
    for language in ["javascript", "typescript"] {
        let (stdout, stderr) = repl(&["--language", language], lines);
        assert_eq!(
            (stdout.as_str(), stderr.as_str()),
            ("{ sum: 3 }\n1\n'a'\n", ""),
            "{language}"
        );
    }
}

#[test]
fn a_cell_that_fails_or_is_killed_does_not_end_the_session() {
    let lines = "x = 1\n1 / 0\nimport os; os._exit(3)\n1 +\nx\n";
    let (stdout, stderr) = repl(&[], lines);
    assert!(stderr.contains("ZeroDivisionError"), "{stderr}");
    assert!(stderr.contains("SyntaxError"), "{stderr}");
    assert_eq!(stdout, "1\n");
    let (stdout, stderr) = repl(&["--timeout", "300"], "x = 3\nwhile True: pass\nx\n");
    assert!(stderr.contains("as it was before this cell: "), "{stderr}");
    assert_eq!(stdout, "3\n");
}

#[test]
fn cells_are_undone_and_the_session_begins_again() {
    let lines = "x = 1\nx = 2\n:undo\nx\n:restart\n'x' in globals()\n:undo 7\n:what\n";
    let (stdout, stderr) = repl(&[], lines);
    assert_eq!(stdout, "1\nFalse\n");
    assert!(stderr.contains("cells: 1"), "{stderr}");
    assert!(stderr.contains(":undo [N]"), "{stderr}");
}

#[test]
fn an_interrupt_ends_the_cell_and_not_the_session() {
    let mut running = start(&[]);
    let mut stdin = running.stdin.take().unwrap();
    let mut stdout = BufReader::new(running.stdout.take().unwrap()).lines();
    stdin
        .write_all(b"x = 5; print('begun'); import time; time.sleep(60)\n")
        .unwrap();
    assert_eq!(stdout.next().unwrap().unwrap(), "begun");
    // SAFETY: it only sends a signal, to a child that was not waited for yet.
    unsafe { libc::kill(running.id() as i32, libc::SIGINT) };
    stdin.write_all(b"x\n").unwrap();
    drop(stdin);
    assert_eq!(stdout.next().unwrap().unwrap(), "5");
    assert!(running.wait().unwrap().success());
}
