//! Every execution is fresh: nothing of an earlier one is visible.

mod common;

use std::collections::HashSet;

use serde_json::json;

use common::shared_python as shared;

#[test]
fn nothing_of_an_earlier_execution_is_left() {
    let leave = r#"
import builtins, json, math, os, sys, time
leaked = 1
builtins.leaked = 1
math.pi = 3
json.dumps = None
sys.modules["leaked"] = sys
os.environ["LEAKED"] = "1"
os.makedirs("/tmp/leaked")
open("/home/pyodide/leaked", "w").write("x")
os.chdir("/tmp")
sys.path.append("/leaked")
import js
js.leaked = 1
js.Array.prototype.leaked = 1
print("left")
"#;
    let look = r#"
import builtins, json, math, os, sys
import js
print(
    "leaked" in globals(), hasattr(builtins, "leaked"), math.pi, json.dumps(1),
    "leaked" in sys.modules, os.environ.get("LEAKED"), os.path.exists("/tmp/leaked"),
    os.path.exists("/home/pyodide/leaked"), os.getcwd(), "/leaked" in sys.path,
    hasattr(js, "leaked"), hasattr(js.Array.prototype, "leaked"),
)"#;
    for _ in 0..15 {
        assert_eq!(shared().python(leave).stdout(), "left\n");
        assert_eq!(
            shared().python(look).stdout(),
            "False False 3.141592653589793 1 False None False False /home/pyodide False False False\n"
        );
    }
}

#[test]
fn warm_up_programs_leave_nothing_behind() {
    let look = "
import decimal, logging, os, tempfile
def subclasses(of):
    for each in type.__subclasses__(of):
        yield each
        if each is not type:
            yield from subclasses(each)
print({each.__qualname__ for each in subclasses(object) if each.__module__ == '__main__'})
print(any(decimal.getcontext().flags.values()), 'typical' in logging.Logger.manager.loggerDict,
      tempfile.tempdir, tempfile._name_sequence, os.listdir('/tmp'))";
    let answer = shared().python(look);
    assert_eq!(
        answer.stdout(),
        "set()\nFalse False None None []\n",
        "{}",
        answer.stderr()
    );
}

#[test]
fn a_program_finds_no_names_but_the_documented_ones() {
    let answer = shared().python("print(sorted(n for n in globals() if not n.startswith('__')))");
    assert_eq!(answer.stdout(), "['input_data']\n");
}

#[test]
fn no_two_executions_draw_the_same_random_numbers() {
    let code = "
import os, random, secrets, tempfile, uuid
from js import Math, crypto, Uint8Array
array = Uint8Array.new(8)
crypto.getRandomValues(array)
print(random.random(), random.SystemRandom().random(), uuid.uuid4(), secrets.token_hex(8),
      os.urandom(8).hex(), Math.random(), bytes(array.to_py()).hex(), tempfile.mktemp())";
    let mut seen = HashSet::new();
    for _ in 0..25 {
        let answer = shared().python(code);
        let words: Vec<_> = answer
            .stdout()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        assert_eq!(words.len(), 8, "{}", answer.stderr());
        for word in words {
            assert!(seen.insert(word.clone()), "{word} was drawn before");
        }
    }
}

#[test]
fn garbage_collection_skips_objects_older_than_the_program() {
    let code = "import gc\nunreachable = []\nunreachable.append(unreachable)\ndel unreachable\n\
        (gc.collect() > 0, len(gc.get_objects()) < 5000, gc.get_freeze_count() > 10_000)";
    let answer = shared().run(json!({ "code": code }));
    assert_eq!(
        answer.ret_val(),
        "(True, True, True)",
        "{}",
        answer.stderr()
    );
}
