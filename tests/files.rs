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

#[test]
fn files_that_a_program_did_not_close_come_back_whole() {
    let code = "\
import csv, gzip, zipfile
text = open('/home/pyodide/output/report.txt', 'w')
text.write('hello\\n')
writer = csv.writer(open('output/data.csv', 'w', newline=''))
writer.writerow([1, 2])
archive = zipfile.ZipFile('output/a.zip', 'w')
archive.writestr('a', 'b')
packed = gzip.open('output/b.gz', 'wt')
packed.write('packed')
in_cycle = [open('output/cycle.bin', 'wb')]
in_cycle[0].write(b'cycle')
in_cycle.append(in_cycle)
class Holder:
    kept = open('output/class.txt', 'w')
    kept.write('of a class')
import json
json.kept = open('output/module.txt', 'w')
json.kept.write('of a module')
";
    let answer = shared().python(code);
    assert_eq!(answer.stderr(), "");
    let files = answer.body["output"]["files"].as_array().unwrap();
    let sizes: Vec<_> = files
        .iter()
        .map(|file| {
            (
                file["name"].as_str().unwrap(),
                file["size"].as_u64().unwrap(),
            )
        })
        .collect();
    for expected in [
        ("report.txt", 6),
        ("data.csv", 5),
        ("cycle.bin", 5),
        ("class.txt", 10),
        ("module.txt", 11),
    ] {
        assert!(sizes.contains(&expected), "{expected:?}: {sizes:?}");
    }
    let archive = files.iter().find(|file| file["name"] == "a.zip").unwrap();
    let archive = archive["content_base64"].clone();
    let code = "\
import gzip, io, zipfile
print(zipfile.ZipFile('a.zip').read('a'), gzip.decompress(open('b.gz', 'rb').read()))";
    let packed = files.iter().find(|file| file["name"] == "b.gz").unwrap();
    let answer = shared().run(json!({ "code": code, "files": [
        { "name": "a.zip", "content_base64": archive },
        { "name": "b.gz", "content_base64": packed["content_base64"] },
    ] }));
    assert_eq!(answer.stdout(), "b'b' b'packed'\n", "{}", answer.stderr());
}

#[test]
fn files_of_a_program_that_exits_at_once_come_back() {
    let code = "\
import os
with open('output/a.txt', 'w') as file: file.write('a')
os._exit(3)";
    let answer = shared().python(code);
    assert_eq!(answer.body["metadata"]["exit_code"], 3);
    assert_eq!(answer.body["output"]["files"][0]["name"], "a.txt");
}

#[test]
fn modules_of_the_program_come_before_those_of_the_standard_library() {
    let answer = shared().run(json!({
        "code": "import queue, calendar, statistics\nprint(queue.Stack.__name__, calendar.today(), statistics.__file__)",
        "files": [
            { "name": "queue.py", "content": "class Stack: pass" },
            { "name": "calendar/__init__.py", "content": "from .inner import today" },
            { "name": "calendar/inner.py", "content": "def today(): return 'mine'" },
            { "name": "statistics.py", "content": "import random" },
        ],
    }));
    assert_eq!(
        answer.stdout(),
        "Stack mine /home/pyodide/statistics.py\n",
        "{}",
        answer.stderr()
    );
}

#[test]
fn files_that_are_asked_for_come_back_from_the_working_directory() {
    let code = "\
import os
os.makedirs('plots/deep'); os.makedirs('.cache')
for name in ('a.csv', 'b (1).csv', 'c.txt', 'plots/one.svg', 'plots/deep/two.svg', '.cache/x.csv', 'output/d.csv', '[x].md', 'y.md'):
    with open(name, 'w') as file: file.write(name)
with open('changed.csv', 'a') as file: file.write('more')
os.chdir('/tmp')";
    let names = |patterns: serde_json::Value| {
        let answer = shared().run(json!({ "code": code, "collect": patterns, "files": [
            { "name": "came.csv", "content": "1" }, { "name": "changed.csv", "content": "1" },
        ] }));
        assert_eq!(answer.stderr(), "");
        let files = answer.body["output"]["files"].as_array().unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| file["name"].as_str().unwrap())
            .collect();
        names.join(" | ")
    };
    assert_eq!(names(json!(null)), "d.csv");
    assert_eq!(
        names(json!(["*.csv"])),
        "d.csv | a.csv | b (1).csv | changed.csv"
    );
    assert_eq!(
        names(json!(["**/*.svg", "?.txt"])),
        "d.csv | c.txt | plots/one.svg | plots/deep/two.svg"
    );
    assert_eq!(
        names(json!(["plots/*", "[!a-x].md"])),
        "d.csv | y.md | plots/one.svg"
    );
    assert_eq!(
        names(json!(["plots/**", "nothing"])),
        "d.csv | plots/one.svg | plots/deep/two.svg"
    );
}

#[test]
fn a_pattern_that_is_no_path_below_the_working_directory_is_refused() {
    for patterns in [
        json!("*.csv"),
        json!([1]),
        json!(["/etc/*"]),
        json!(["../*"]),
        json!(["a//b"]),
        json!([""]),
        json!(["x".repeat(300)]),
        json!(vec!["a"; 65]),
    ] {
        let answer = shared().run(json!({ "code": "1", "collect": patterns }));
        assert_eq!(answer.status, 400, "{patterns}");
        assert_eq!(
            answer.body["error"], "Invalid parameter 'collect'",
            "{patterns}"
        );
    }
    let answer = shared().run(json!({ "code": "1", "language": "js", "collect": ["*"] }));
    assert_eq!(answer.status, 400);
}
