//! Files that come with a request and files that go back with the answer.

mod common;

use serde_json::json;

use common::shared;

#[test]
fn files_of_a_request_are_in_the_working_directory() {
    let code = "import os\nprint(open('notes.txt').read(), open('data/raw.bin', 'rb').read(), os.getcwd())";
    let answer = shared().run(json!({ "code": code, "files": [
        { "name": "notes.txt", "content": "é" },
        { "name": "data/raw.bin", "content_base64": "AP8=" },
    ] }));
    assert_eq!(
        answer.stdout(),
        "é b'\\x00\\xff' /home/pyodide\n",
        "{}",
        answer.stderr()
    );
    let gone = shared().python("import os\nprint(os.listdir('.'))");
    assert_eq!(gone.stdout(), "['output']\n");
}

#[test]
fn files_in_the_output_directory_come_back_with_the_answer() {
    let code = "import os
os.makedirs('output/deep')
open('output/a.txt', 'w').write('héllo')
open('output/deep/b.bin', 'wb').write(bytes([0, 255]))
open('elsewhere.txt', 'w').write('not this')";
    let answer = shared().python(code);
    assert_eq!(
        answer.body["output"]["files"],
        json!([
            { "name": "a.txt", "size": 6, "content_base64": "aMOpbGxv" },
            { "name": "deep/b.bin", "size": 2, "content_base64": "AP8=" },
        ]),
        "{}",
        answer.body
    );
    assert_eq!(answer.body["output"]["artifacts"], json!([]));
    let failed = shared().python("open('output/a.txt', 'w').write('x')\n1/0");
    assert_eq!(failed.body["output"]["files"][0]["size"], 1);
}

#[test]
fn javascript_reads_and_writes_files_through_the_files_object() {
    let code = "files.write('sum.json', JSON.stringify({n: files.text('a.txt').length}));
files.write('bytes', new Uint8Array([1, 2]).subarray(1));
console.log(files.list(), files.read('a.txt'));
try { files.write('../x', 'y') } catch (error) { console.log(error.message) }
try { files.text('none') } catch (error) { console.log(error.message) }";
    let answer = shared().run(json!({
        "language": "javascript", "code": code,
        "files": [{ "name": "a.txt", "content": "abc" }],
    }));
    assert_eq!(
        answer.stdout(),
        "[ 'a.txt' ] Uint8Array(3) [ 97, 98, 99 ]\n\"../x\" is not a name of a file in the output directory\nNo file \"none\" came with the request\n",
        "{}",
        answer.stderr()
    );
    assert_eq!(
        answer.body["output"]["files"],
        json!([
            { "name": "sum.json", "size": 7, "content_base64": "eyJuIjozfQ==" },
            { "name": "bytes", "size": 1, "content_base64": "Ag==" },
        ])
    );
}

#[test]
fn invalid_files_and_names_outside_the_directory_are_refused() {
    for files in [
        json!([{ "name": "../x", "content": "" }]),
        json!([{ "name": "/etc/x", "content": "" }]),
        json!([{ "name": "a/../../x", "content": "" }]),
        json!([{ "name": "", "content": "" }]),
        json!([{ "name": "a\0b", "content": "" }]),
        json!([{ "name": "a" }]),
        json!([{ "name": "a", "content": "", "content_base64": "" }]),
        json!([{ "name": "a", "content_base64": "?" }]),
        json!([{ "content": "" }]),
        json!("a.txt"),
    ] {
        let answer = shared().run(json!({ "code": "1", "files": files }));
        assert_eq!(answer.status, 400, "{files}");
        assert_eq!(
            answer.error(),
            "Parameter 'files' must be an array of files",
            "{files}"
        );
    }
}

#[test]
fn output_files_over_the_limit_are_left_out_and_named() {
    let answer = shared().run(json!({
        "code": "open('output/big', 'wb').write(bytes(5000))\nopen('output/small', 'w').write('x')",
        "limits": { "files_bytes": 1000 },
    }));
    let files = answer.body["output"]["files"].as_array().unwrap();
    assert_eq!(files.len(), 1, "{}", answer.body);
    assert!(
        answer.stderr().contains("big (5000 bytes)"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn open_matplotlib_figures_come_back_as_pictures() {
    // matplotlib comes from Pyodide's distribution only; this stands for its pyplot.
    let code = "import sys, types
class Figure:
    def savefig(self, file, format): file.write(b'\\x89PNG')
sys.modules['matplotlib.pyplot'] = types.SimpleNamespace(
    get_fignums=lambda: [1, 3], figure=lambda number: Figure())";
    let answer = shared().python(code);
    assert_eq!(
        answer.body["output"]["artifacts"],
        json!([
            { "name": "figure-1.png", "mime": "image/png", "size": 4, "content_base64": "iVBORw==" },
            { "name": "figure-3.png", "mime": "image/png", "size": 4, "content_base64": "iVBORw==" },
        ])
    );
}
