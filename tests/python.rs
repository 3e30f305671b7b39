//! What a Python program may do and what its caller sees.

mod common;

use serde_json::json;

use common::Server;
use common::shared_python as shared;

/// Runs a program that must succeed; its stdout.
fn stdout(code: &str) -> String {
    let answer = shared().python(code);
    assert_eq!(answer.outcome(), "success", "{code}\n{}", answer.stderr());
    answer.stdout().to_owned()
}

fn ret_val(code: &str) -> String {
    shared().python(code).ret_val().to_owned()
}

#[test]
fn stdout_and_stderr_are_exactly_what_was_written() {
    let code = "import sys
print('a', end='')
print('é€😀')
sys.stdout.write('no newline')
print('oops', file=sys.stderr, end='')";
    let answer = shared().python(code);
    assert_eq!(answer.stdout(), "aé€😀\nno newline");
    assert_eq!(answer.stderr(), "oops");
}

#[test]
fn much_output_keeps_its_order() {
    let text = stdout("for i in range(20000): print(i)");
    let expected: String = (0..20000).map(|i| format!("{i}\n")).collect();
    assert_eq!(text, expected);
}

#[test]
fn an_exception_shows_the_users_frames_and_lines_only() {
    let answer = shared()
        .python("import json\n\ndef parse(text):\n    return json.loads(text)\n\nparse('{')");
    assert_eq!((answer.outcome(), answer.exit_code()), ("error", 1));
    let stderr = answer.stderr();
    assert!(stderr.starts_with("Traceback (most recent call last):\n  File \"<code>\", line 6, in <module>\n    parse('{')\n"), "{stderr}");
    assert!(
        stderr.contains("  File \"<code>\", line 4, in parse\n    return json.loads(text)\n"),
        "{stderr}"
    );
    assert!(
        stderr.contains("json.decoder.JSONDecodeError: Expecting property name"),
        "{stderr}"
    );
    assert_eq!(stderr.matches("  File ").count(), 2, "{stderr}");
}

#[test]
fn chained_exceptions_and_groups_are_shown_whole() {
    let answer = shared().python(
        "try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise ValueError('bad') from e",
    );
    assert!(answer.stderr().contains(
        "ZeroDivisionError: division by zero\n\nThe above exception was the direct cause"
    ));
    let answer = shared().python("raise ExceptionGroup('many', [ValueError(1), TypeError(2)])");
    assert!(
        answer.stderr().contains("ValueError: 1"),
        "{}",
        answer.stderr()
    );
    assert!(
        answer.stderr().contains("TypeError: 2"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn a_syntax_error_shows_its_caret() {
    let answer = shared().python("x = 1\nif x = 2:\n    pass");
    assert_eq!((answer.outcome(), answer.exit_code()), ("error", 1));
    let stderr = answer.stderr();
    assert!(
        stderr.contains("File \"<code>\", line 2\n    if x = 2:\n       ^"),
        "{stderr}"
    );
    assert!(stderr.contains("SyntaxError: invalid syntax"), "{stderr}");
}

#[test]
fn sys_exit_sets_the_exit_code() {
    let exit = |argument: &str| {
        let answer = shared().python(&format!("import sys\nsys.exit({argument})"));
        (
            answer.exit_code(),
            answer.outcome().to_owned(),
            answer.stderr().to_owned(),
        )
    };
    assert_eq!(exit(""), (0, "success".into(), String::new()));
    assert_eq!(exit("None"), (0, "success".into(), String::new()));
    assert_eq!(exit("3"), (3, "error".into(), String::new()));
    assert_eq!(exit("'broken'"), (1, "error".into(), "broken\n".into()));
}

#[test]
fn os_exit_and_os_abort_set_the_exit_code() {
    let answer = shared().python("import os\nprint('before', flush=True)\nos._exit(3)");
    assert_eq!(
        (answer.stdout(), answer.exit_code(), answer.outcome()),
        ("before\n", 3, "error")
    );
    let answer = shared().python("import os\nos.abort()");
    assert_eq!((answer.exit_code(), answer.outcome()), (134, "error"));
}

#[test]
fn no_alarm_is_lost_that_comes_while_python_looks_for_one() {
    let lost = stdout(
        "import signal, time
came = []
signal.signal(signal.SIGALRM, lambda *_: came.append(1))
lost = 0
for _ in range(2000):
    came.clear()
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    end = time.monotonic() + 1
    while not came and time.monotonic() < end:
        pass
    lost += not came
print(lost)",
    );
    assert_eq!(lost, "0\n");
}

#[test]
fn marked_text_on_stdout_takes_precedence_as_the_return_value() {
    let code = r#"
import json
def return_val(value):
    print("__COZE_RETURN_VAL_START__")
    print(json.dumps(value))
    print("__COZE_RETURN_VAL_END__")
print("before")
return_val({"score": 1.0, "reason": "fine"})
print("after")
"last expression""#;
    let answer = shared().python(code);
    assert_eq!(answer.ret_val(), r#"{"score": 1.0, "reason": "fine"}"#);
    assert_eq!(answer.stdout(), "before\nafter\n");
}

#[test]
fn return_val_takes_precedence_over_the_last_expression() {
    assert_eq!(
        ret_val("return_val({'score': 0.5, 'text': 'é'})\n42"),
        r#"{"score": 0.5, "text": "é"}"#
    );
    assert_eq!(ret_val("return_val(1)\nreturn_val('last')"), "last");
    assert_eq!(
        ret_val("def f():\n    return_val([1])\n    raise SystemExit\nf()"),
        "[1]"
    );
}

#[test]
fn a_program_may_redefine_return_val() {
    let answer = shared().python("def return_val(x): print('mine', x)\nreturn_val(3)");
    assert_eq!((answer.stdout(), answer.ret_val()), ("mine 3\n", ""));
}

#[test]
fn the_last_expression_is_the_return_value() {
    for (code, expected) in [
        ("1 + 1", "2"),
        ("'text'", "text"),
        ("[1, 'é', None]", r#"[1, "é", null]"#),
        ("{'a': 1.5}", r#"{"a": 1.5}"#),
        ("True", "true"),
        ("(1, 2)", "(1, 2)"),
        ("{1}", "{1}"),
        ("None", ""),
        ("x = 5", ""),
        ("print(1)", ""),
        ("for i in range(3): i", ""),
        ("import datetime\ndatetime.date(2024, 2, 29)", "2024-02-29"),
        ("{(1, 2): 3}", "{\"(1, 2)\": 3}"),
    ] {
        assert_eq!(ret_val(code), expected, "{code}");
    }
}

#[test]
fn asyncio_works_as_in_a_script_and_at_the_top_level() {
    let code = "import asyncio, time
async def work(n):
    await asyncio.sleep(0.2)
    return n
async def main():
    return await asyncio.gather(*(work(n) for n in range(5)))
start = time.monotonic()
print(asyncio.run(main()))
print(asyncio.run(main()))
print(await main(), asyncio.run(work(7)))
loop = asyncio.get_event_loop()
elapsed = time.monotonic() - start
print(0.8 <= elapsed < 5)";
    assert_eq!(
        stdout(code),
        "[0, 1, 2, 3, 4]\n[0, 1, 2, 3, 4]\n[0, 1, 2, 3, 4] 7\nTrue\n"
    );
    assert_eq!(
        stdout(
            "import asyncio\nloop = asyncio.get_event_loop()\nprint(loop.run_until_complete(asyncio.sleep(0.01, 'x')))"
        ),
        "x\n"
    );
}

#[test]
fn javascript_promises_can_be_awaited() {
    let code = "from pyodide.code import run_js
print(await run_js('new Promise(done => setTimeout(() => done(5), 20))'))
print(await run_js('WebAssembly.compile(new Uint8Array([0,97,115,109,1,0,0,0]))'))";
    assert_eq!(stdout(code), "5\n[object WebAssembly.Module]\n");
}

#[test]
fn awaiting_a_future_that_nothing_settles_is_an_error() {
    let answer =
        shared().python("import asyncio\nawait asyncio.get_running_loop().create_future()");
    assert_eq!(answer.outcome(), "error");
    assert!(answer.stderr().contains("deadlock"), "{}", answer.stderr());
}

#[test]
fn an_alarm_without_a_handler_ends_the_program() {
    let answer = shared().python("import signal\nsignal.alarm(1)\nwhile True: pass");
    assert_eq!(answer.exit_code(), 128 + i64::from(libc::SIGALRM));
    let kept = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\n\
                import time\ntime.sleep(0.1)\nprint('goes on')";
    assert_eq!(shared().python(kept).stdout(), "goes on\n");
}

#[test]
fn a_module_that_is_adapted_leaves_those_after_it_alone() {
    let code = "import getpass, imaplib, graphlib, wave\nprint(hasattr(wave, 'getpass'), hasattr(graphlib, 'getpass'))";
    let answer = shared().python(code);
    assert_eq!(answer.stdout(), "False False\n", "{}", answer.stderr());
    // Also one that is looked for and not imported, or imported later.
    let code = "import importlib.util\nimportlib.util.find_spec('getpass')\nimport wave, getpass\n\
                print(getpass.getpass is getpass.fallback_getpass, getpass.__spec__.loader is wave.__spec__.loader)";
    let answer = shared().python(code);
    assert_eq!(answer.stdout(), "True True\n", "{}", answer.stderr());
}

#[test]
fn a_password_is_read_from_standard_input() {
    let code = "import getpass\nprint(getpass.getpass())";
    let answer = shared().run(json!({ "code": code, "stdin": "secret\n" }));
    assert_eq!(answer.stdout(), "secret\n", "{}", answer.stderr());
}

#[test]
fn asyncio_finds_no_network_as_an_os_error() {
    let code = "import asyncio\nasync def main():\n    for one in (asyncio.open_connection('a', 1), asyncio.start_server(print, 'a', 1)):\n\
                \x20       try: await one\n        except OSError as error: print(error.strerror)\nasyncio.run(main())";
    let answer = shared().python(code);
    assert_eq!(
        answer.stdout(),
        "the sandbox has no network\n".repeat(2),
        "{}",
        answer.stderr()
    );
}

#[test]
fn keys_are_derived_from_bytes_only_and_bad_arguments_are_errors_of_python() {
    let code = "\
import hashlib
good = dict(salt=b'salt', n=2, r=8, p=1)
print(hashlib.scrypt(bytearray(b'key'), **good) == hashlib.scrypt(memoryview(b'key'), **good))
def attempt(work, *arguments, **options):
    try: work(*arguments, **options)
    except (TypeError, ValueError, OverflowError) as error: print(type(error).__name__, end=' ')
attempt(hashlib.scrypt, 'key', **good)
for bad in (dict(salt='s'), dict(n=None), dict(n=3), dict(r=0), dict(p=-1), dict(maxmem=-1), dict(maxmem=1 << 64),
            dict(dklen=0), dict(dklen=1 << 40), dict(dklen=1.5)):
    attempt(hashlib.scrypt, b'key', **good | bad)
for bad in (('sha256', 'key', b's', 1), ('sha256', b'key', 's', 1), (b'sha256', b'key', b's', 1), ('sha256', b'k', b's', 0),
            ('sha256', b'k', b's', 1, 0), ('sha256', b'k', b's', 1 << 40), ('none', b'k', b's', 1)):
    attempt(hashlib.pbkdf2_hmac, *bad)";
    let answer = shared().python(code);
    let expected = "True\nTypeError TypeError TypeError ValueError ValueError ValueError ValueError OverflowError \
                    ValueError ValueError TypeError \
                    TypeError TypeError TypeError ValueError ValueError OverflowError ValueError ";
    assert_eq!(answer.stdout(), expected, "{}", answer.stderr());
}

#[test]
fn loops_that_a_program_makes_itself_work() {
    let code = "\
import asyncio, warnings
warnings.simplefilter('ignore')
async def main():
    await asyncio.sleep(0.001)
    return 1
for kind in (asyncio.EventLoop, asyncio.SelectorEventLoop, asyncio.new_event_loop):
    loop = kind()
    print(loop.run_until_complete(main()), asyncio.run(main(), loop_factory=kind))
    loop.close()
asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
print(asyncio.run(main()))
asyncio.set_event_loop_policy(None)
print(asyncio.run(main()), isinstance(asyncio.get_event_loop_policy(), asyncio.DefaultEventLoopPolicy))";
    let answer = shared().python(code);
    assert_eq!(
        answer.stdout(),
        "1 1\n1 1\n1 1\n1\n1 True\n",
        "{}",
        answer.stderr()
    );
}

#[test]
fn modules_of_the_network_say_that_there_is_none_in_errors_of_their_own() {
    let code = "\
import errno, ftplib, http.client, http.server, smtplib, socket, urllib.error, urllib.request, xmlrpc.client
def attempt(kind, work):
    try: work()
    except kind as error: print(type(error).__name__, 'the sandbox has no network' in str(error))
    else: print('no error')
for url in ('http://example.com', 'https://127.0.0.1:8000/x', 'ftp://example.com/a'):
    attempt(urllib.error.URLError, lambda: urllib.request.urlopen(url, timeout=3))
attempt(OSError, lambda: http.client.HTTPConnection('10.0.0.1').request('GET', '/'))
attempt(socket.gaierror, lambda: http.client.HTTPSConnection('example.com').request('GET', '/'))
attempt(socket.gaierror, lambda: socket.create_connection(('example.com', 80), 2))
attempt(OSError, lambda: socket.create_connection(('localhost', 80)))
attempt(OSError, lambda: socket.socket().connect(('1.2.3.4', 80)))
attempt(OSError, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('1.2.3.4', 53)))
attempt(OSError, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('8.8.8.8', 53)))
attempt(OSError, lambda: http.server.HTTPServer(('', 8000), http.server.BaseHTTPRequestHandler))
attempt(OSError, lambda: socket.create_server(('', 0)))
attempt(OSError, lambda: smtplib.SMTP('mail.example.com'))
attempt(OSError, lambda: ftplib.FTP('ftp.example.com'))
attempt(OSError, lambda: xmlrpc.client.ServerProxy('http://example.com').call())
print(socket.socket().connect_ex(('1.2.3.4', 80)) == errno.ENETUNREACH)
print(socket.gethostbyname('localhost'), socket.gethostbyname('1.2.3.4'), socket.getaddrinfo('127.0.0.1', 80)[0][4])
print(socket.getfqdn(), socket.getfqdn('example.com'), socket.gethostbyname_ex('localhost'))";
    let answer = shared().python(code);
    let expected = "URLError True\n".repeat(3)
        + "OSError True\ngaierror True\ngaierror True\n"
        + &"OSError True\n".repeat(6)
        + &"gaierror True\n".repeat(3)
        + "True\n127.0.0.1 1.2.3.4 ('127.0.0.1', 80)\n\
             emscripten example.com ('localhost', [], ['127.0.0.1'])\n";
    assert_eq!(answer.stdout(), expected, "{}", answer.stderr());
}

#[test]
fn os_times_counts_the_time_of_this_program() {
    let code = "\
import os, time
before = os.times()
until = time.process_time() + 0.05
while time.process_time() < until: pass
after = os.times()
print(after.user - before.user >= 0.05, after.elapsed - before.elapsed >= 0.05, after[1:4])";
    let answer = shared().python(code);
    assert_eq!(
        answer.stdout(),
        "True True (0.0, 0.0, 0.0)\n",
        "{}",
        answer.stderr()
    );
}

#[test]
fn reading_standard_input_is_an_eof_error_that_says_why() {
    let answer = shared().python("name = input('Name? ')");
    assert_eq!(answer.stdout(), "Name? ");
    assert!(
        answer
            .stderr()
            .contains("EOFError: the sandbox has no standard input"),
        "{}",
        answer.stderr()
    );
    assert_eq!(stdout("import sys\nprint(repr(sys.stdin.read()))"), "''\n");
    assert_eq!(
        stdout("import sys, io\nsys.stdin = io.StringIO('Ada\\n')\nprint(input())"),
        "Ada\n"
    );
}

#[test]
fn a_time_limit_keeps_the_output_and_shows_the_line_it_stopped() {
    for (code, line) in [
        (
            "print('begin', end='')\nimport time\ntime.sleep(30)",
            "line 3",
        ),
        ("print('begin', end='')\nwhile True: pass", "line 2"),
        (
            "print('begin', end='')\nimport asyncio\nawait asyncio.sleep(30)",
            "line 3",
        ),
        (
            "print('begin', end='')\nimport re\nre.match(r'(a+)+$', 'a' * 40 + 'b')",
            "line 3",
        ),
    ] {
        let answer = shared().run(json!({ "code": code, "timeout": 400 }));
        assert_eq!(answer.status, 200);
        assert_eq!(
            (answer.outcome(), answer.exit_code()),
            ("timeout", 124),
            "{code}"
        );
        assert_eq!(answer.body["metadata"]["timed_out"], true);
        assert_eq!(answer.stdout(), "begin", "{code}");
        assert!(
            answer.stderr().contains(line),
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
fn a_program_that_ignores_the_stop_is_killed() {
    for code in [
        "print('begin')\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "print('begin')\nsum(range(10**12))",
    ] {
        let answer = shared().run(json!({ "code": code, "timeout": 300 }));
        assert_eq!(
            (answer.outcome(), answer.stdout()),
            ("timeout", "begin\n"),
            "{code}"
        );
        assert!(
            answer.body["metadata"]["duration"].as_u64() < Some(1500),
            "{}",
            answer.body
        );
    }
}

#[test]
fn memory_beyond_the_limit_is_a_memory_error_that_can_be_caught() {
    let code =
        "try:\n    bytearray(10**9)\nexcept MemoryError:\n    print('caught')\nprint('goes on')";
    assert_eq!(stdout(code), "caught\ngoes on\n");
    let answer =
        shared().python("print('begin')\nblocks = []\nwhile True: blocks.append(bytearray(10**7))");
    assert_eq!(
        (answer.outcome(), answer.stdout()),
        ("memory_limit", "begin\n")
    );
    assert_eq!(
        answer.last_stderr_line(),
        "Execution stopped: memory limit of 256 MiB reached"
    );
}

#[test]
fn output_beyond_the_limit_is_cut_and_the_program_goes_on() {
    let answer = shared().python("for _ in range(300): print('é' * 10000)\nreturn_val('done')");
    assert_eq!((answer.outcome(), answer.ret_val()), ("success", "done"));
    assert_eq!(answer.body["metadata"]["truncated"], true);
    let length = answer.stdout().len();
    assert!(length <= 2 << 20 && length > (2 << 20) - 4, "{length}");
}

#[test]
fn a_flood_of_output_ends_the_program() {
    let answer =
        shared().run(json!({ "code": "while True: print('x' * 1000)", "timeout": 20_000 }));
    assert_eq!(answer.outcome(), "output_limit");
    assert!(answer.stdout().len() <= 2 << 20);
}

#[test]
fn a_return_value_beyond_the_limit_is_dropped_with_a_message() {
    let answer = shared().python("'x' * (3 << 20)");
    assert_eq!((answer.outcome(), answer.ret_val()), ("return_limit", ""));
    assert!(
        answer.last_stderr_line().contains("2097152 bytes"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn the_network_the_host_and_processes_are_out_of_reach() {
    for code in [
        "open('/etc/passwd').read()",
        "import socket\nsocket.create_connection(('127.0.0.1', 80), timeout=1)",
        "import subprocess\nsubprocess.run(['ls'])",
        "import os\nos.fork()",
        "from js import fetch",
        "import js\njs.Deno",
    ] {
        let answer = shared().python(code);
        assert_eq!(answer.outcome(), "error", "{code}: {}", answer.body);
    }
}

#[test]
fn commonly_used_standard_modules_work() {
    let code = r#"
import collections, csv, dataclasses, datetime, decimal, hashlib, io, itertools, json, math
import random, re, sqlite3, statistics, time, unicodedata
print(hashlib.sha256(b"x").hexdigest()[:8], json.dumps({"a": "é"}, ensure_ascii=False))
print(re.sub(r"(\d+)", lambda m: str(int(m[0]) * 2), "a1b22"))
print(decimal.Decimal("0.1") + decimal.Decimal("0.2"), statistics.median([3, 1, 2]))
print(datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc).isoformat())
db = sqlite3.connect(":memory:")
db.execute("create table t (x)")
db.executemany("insert into t values (?)", [(1,), (2,)])
print(db.execute("select sum(x) from t").fetchone())
print(unicodedata.name("é"), list(csv.reader(io.StringIO("a,b"))))
start = time.monotonic(); time.sleep(0.1); print(0.09 < time.monotonic() - start < 1)
print(0 <= random.random() < 1, abs(time.time() - time.mktime(time.localtime())) < 2)
"#;
    let expected = "2d711642 {\"a\": \"é\"}
a2b44
0.3 2
2024-02-29T00:00:00+00:00
(3,)
LATIN SMALL LETTER E WITH ACUTE [['a', 'b']]
True
True True
";
    assert_eq!(stdout(code), expected);
}

#[test]
fn sleeping_uses_no_cpu() {
    let answer = shared().python("import time\ntime.sleep(0.5)");
    assert!(answer.body["metadata"]["usage"]["wall_ms"].as_u64() >= Some(500));
    assert!(
        answer.body["metadata"]["usage"]["cpu_ms"].as_u64() < Some(200),
        "{}",
        answer.body
    );
}

#[test]
fn preimported_objects_are_immortal_and_those_of_a_program_are_freed() {
    let program = "
import gc, json, sys, weakref
class Thing: pass
thing = Thing()
gone = weakref.ref(thing)
del thing
a, b = Thing(), Thing()
a.other, b.other = b, a
cycle = weakref.ref(a)
del a, b
gc.collect()
print(gone() is None, cycle() is None)
# Not written to when it is used (js/python/settle.py).
print(sys._is_immortal(json.dumps), sys._is_immortal(json.dumps.__code__), sys._is_immortal(Thing))
for _ in range(100):
    text = 'x' * 10_000_000
";
    assert_eq!(stdout(program), "True True\nTrue True False\n");
}

/// Programs that recurse, or free, compare and walk objects, deeper than V8's usual stack. Each says what
/// CPython says, or raises RecursionError, which the program catches.
const DEEP: &[(&str, &str, &str)] = &[
    (
        "memoised recursion",
        "import functools, sys
sys.setrecursionlimit(10**6)
@functools.lru_cache(None)
def f(n): return 1 if n == 0 else f(n - 1) + 1
print(f(20_000))",
        "20001",
    ),
    (
        "memoised recursion without end",
        "import functools, sys
sys.setrecursionlimit(10**6)
@functools.cache
def f(n): return f(n + 1)
try: f(0)
except RecursionError: print('caught')",
        "caught",
    ),
    (
        "a linked list that is freed",
        "class Node:
    def __init__(self, next): self.next = next
head = None
for number in range(200_000): head = Node(head)
head = None
print('freed')",
        "freed",
    ),
    (
        "objects with __del__ in a chain",
        "class Node:
    def __init__(self, next): self.next = next
    def __del__(self): pass
head = None
for number in range(50_000): head = Node(head)
del head
print('freed')",
        "freed",
    ),
    (
        "deep lists that are compared, printed, pickled and made JSON",
        "import json, pickle
def attempt(work):
    try: work()
    except RecursionError: pass
a, b = [], []
for number in range(50_000): a, b = [a], [b]
for work in (lambda: a == b, lambda: repr(a), lambda: json.dumps(a), lambda: pickle.dumps(a),
             lambda: json.loads('[' * 100_000 + ']' * 100_000)):
    attempt(work)
print('alive')",
        "alive",
    ),
    (
        "deep expressions",
        "for source in ('+'.join(['1'] * 100_000), '-' * 50_000 + '1', '[' * 5_000 + ']' * 5_000, 'x' + '.x' * 50_000):
    try: compile(source, '<string>', 'eval')
    except (RecursionError, MemoryError, SyntaxError): pass
print('alive')",
        "alive",
    ),
    (
        "sorting by a key that sorts",
        "import sys
sys.setrecursionlimit(10**6)
def f(n): return sorted([1], key=lambda _: f(n + 1))
try: f(0)
except RecursionError: print('caught')",
        "caught",
    ),
    (
        "a tower of iterators",
        "tower = iter([1])
for number in range(20_000): tower = map(int, tower)
try: print(list(tower))
except RecursionError: print([1])",
        "[1]",
    ),
];

#[test]
fn deep_recursion_and_deep_objects_do_not_break_the_interpreter() {
    for (name, code, expected) in DEEP {
        let answer = shared().run(json!({ "code": code, "timeout": 30_000 }));
        let got = (answer.outcome(), answer.stdout().trim_end());
        assert_eq!(got, ("success", *expected), "{name}: {}", answer.stderr());
    }
}

#[test]
fn return_values_are_json_whatever_is_inside() {
    let cases = [
        (
            "{'a': float('nan'), 'b': [float('inf'), -1.5]}",
            "{\"a\": null, \"b\": [null, -1.5]}",
        ),
        ("float('nan')", "null"),
        (
            "[{'b', 'a'}, frozenset(), range(3), {1: 2}.keys()]",
            "[[\"a\", \"b\"], [], [0, 1, 2], [1]]",
        ),
        (
            "import collections\n[collections.deque([1]), collections.Counter('aab'), collections.UserDict(a=1)]",
            "[[1], {\"a\": 2, \"b\": 1}, {\"a\": 1}]",
        ),
        (
            "import datetime as d\n[d.date(2024, 2, 29), d.datetime(2024, 1, 1, 12), d.time(1, 2), d.timedelta(minutes=1)]",
            "[\"2024-02-29\", \"2024-01-01T12:00:00\", \"01:02:00\", 60.0]",
        ),
        (
            "import decimal, fractions, uuid, pathlib\n[decimal.Decimal('0.10'), fractions.Fraction(1, 3), uuid.UUID(int=5), pathlib.Path('/a'), 1j]",
            "[\"0.10\", \"1/3\", \"00000000-0000-0000-0000-000000000005\", \"/a\", \"1j\"]",
        ),
        (
            "[b'text', bytearray(b'\\xff\\x00'), memoryview(b'm')]",
            "[\"text\", \"/wA=\", \"m\"]",
        ),
        (
            "import enum\nclass C(enum.Enum):\n  RED = 'r'\nclass N(enum.IntEnum):\n  ONE = 1\n[C.RED, N.ONE, {C.RED: N.ONE}]",
            "[\"r\", 1, {\"r\": 1}]",
        ),
        (
            "import dataclasses\n@dataclasses.dataclass\nclass P:\n  x: int\n  inner: object = None\nP(1, P(2, {3}))",
            "{\"x\": 1, \"inner\": {\"x\": 2, \"inner\": [3]}}",
        ),
        (
            "import datetime as d\n{d.date(2024, 1, 1): 1, (1, 2): 2, 3.5: 3, None: 4, True: 5}",
            "{\"2024-01-01\": 1, \"(1, 2)\": 2, \"3.5\": 3, \"null\": 4, \"true\": 5}",
        ),
        (
            "import collections\n[collections.namedtuple('T', 'a b')(1, {2})]",
            "[[1, [2]]]",
        ),
        (
            "[object, print]",
            "[\"<class 'object'>\", \"<built-in function print>\"]",
        ),
        ("[\"\\u00e9\", '\\n']", "[\"é\", \"\\n\"]"),
        ("2**70", "1180591620717411303424"),
        ("import decimal\ndecimal.Decimal('1.5')", "1.5"),
        ("a = [1]\na.append(a)\na", "[1, [...]]"),
    ];
    for (code, expected) in cases {
        assert_eq!(ret_val(code), expected, "{code}");
    }
}

#[test]
fn a_last_line_that_ends_in_a_semicolon_has_no_value_and_a_coroutine_is_awaited() {
    for quiet in ["5;", "(5);", "f'{5}' ; # comment", "(\n5\n) ;", "'é€' ;  "] {
        assert_eq!(ret_val(quiet), "", "{quiet}");
    }
    for loud in ["5 # ;", "';'", "(5) # a; b", "a = 1; 5"] {
        assert_ne!(ret_val(loud), "", "{loud}");
    }
    let main = "async def main():\n    print('ran')\n    return {'a': 1}\n";
    for last in ["main()", "import asyncio\nasyncio.ensure_future(main())"] {
        let answer = shared().python(&format!("{main}{last}"));
        assert_eq!(
            (answer.stdout(), answer.ret_val()),
            ("ran\n", "{\"a\": 1}"),
            "{last}"
        );
        assert_eq!(answer.stderr(), "");
    }
}

#[test]
fn syntax_errors_show_their_line_however_late_they_are_found() {
    let cases = [
        (
            "x = 1\ndef f():\n    await g()\n",
            "line 3\n    await g()\n    ^^^^^^^^^\n",
        ),
        (
            "print(1)\nreturn 5\n",
            "line 2\n    return 5\n    ^^^^^^^^\n",
        ),
        ("\nbreak", "line 2\n    break\n    ^^^^^\n"),
        (
            "def f(a, a): pass",
            "line 1\n    def f(a, a): pass\n             ^\n",
        ),
        (
            "def f():\n    nonlocal x\n",
            "line 2\n    nonlocal x\n    ^^^^^^^^^^\n",
        ),
        ("x = (1,\n", "line 1\n    x = (1,\n        ^\n"),
        ("\u{feff}x = = 1", "line 1\n    x = = 1\n        ^\n"),
        (
            "# form feed \u{c} and more\nx = = 1",
            "line 2\n    x = = 1\n        ^\n",
        ),
    ];
    for (code, expected) in cases {
        let answer = shared().python(code);
        assert_eq!(answer.outcome(), "error", "{code}");
        assert_eq!(answer.stdout(), "", "{code}");
        assert!(
            answer.stderr().contains(expected),
            "{code}: {}",
            answer.stderr()
        );
        assert!(
            answer.stderr().contains("SyntaxError: "),
            "{code}: {}",
            answer.stderr()
        );
    }
}

#[test]
fn what_still_breaks_the_interpreter_is_told_as_an_error_of_the_program() {
    let code = "\
class Node:
    pass

def chain():
    node = None
    for _ in range(3_000_000):
        def inner(kept=node): pass
        node = inner
    return node

print('before')
head = chain()
del head";
    let server = Server::start_python(&[("FAAS_MEMORY_LIMIT", "2000")]);
    let answer = server.run(json!({ "code": code, "timeout": 60_000 }));
    assert_eq!(answer.stdout(), "before\n");
    assert_eq!(answer.outcome(), "error", "{}", answer.stderr());
    let expected = "Traceback (most recent call last):
  File \"<code>\", line 13, in <module>
    del head
RecursionError: calls or objects are nested deeper than the interpreter can follow
";
    assert_eq!(answer.stderr(), expected);
}

#[test]
fn objects_that_break_the_interpreter_when_they_go_do_not_take_the_answer_with_them() {
    let code = "\
node = None
for _ in range(600_000):
    def inner(kept=node): pass
    node = inner
open('output/kept.txt', 'w').write('kept')
print('done')
{'a': 1}";
    // So many take about as much memory as a program has by default.
    let server = Server::start_python(&[("FAAS_MEMORY_LIMIT", "512")]);
    let answer = server.run(json!({ "code": code, "timeout": 60_000 }));
    let got = (
        answer.outcome(),
        answer.stdout(),
        answer.ret_val(),
        answer.stderr(),
    );
    assert_eq!(got, ("success", "done\n", "{\"a\": 1}", ""));
    assert_eq!(answer.body["output"]["files"][0]["size"], 4);
}

#[test]
fn a_missing_module_is_named_even_if_a_library_wraps_the_error() {
    let code = "\
def load():
    try:
        import snowballstemmer
    except ModuleNotFoundError as error:
        raise RuntimeError('the stemmer is not there') from error
load()";
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", "target/test-wheels"),
        ("FAAS_AUTO_INSTALL", "0"),
    ]);
    let answer = server.python(code);
    assert!(
        answer
            .stderr()
            .contains("send \"packages\": [\"snowballstemmer\"]"),
        "{}",
        answer.stderr()
    );
    let code = "raise ImportError(\"Missing optional dependency 'snowballstemmer'.\")";
    let answer = server.python(code);
    assert!(
        answer
            .stderr()
            .contains("send \"packages\": [\"snowballstemmer\"]"),
        "{}",
        answer.stderr()
    );
}
