//! Packages in sandboxes without a network, and zygotes that have them installed.

mod common;

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Instant;

use serde_json::json;

use common::Answer;
use common::Server;
use common::eventually;
use common::index::Index;
use common::index::Trouble;
use common::index::sha256;
use common::index::wheel_of;
use common::index::wheels;
use common::made_wheel::make_wheel;
use common::pinned;
use common::scratch::Scratch;

/// Names of package sets are told only to callers who have a token.
const TOKEN: &str = "correct-horse-battery-staple";

/// One server for all tests that only need packages to be there.
fn with_wheelhouse() -> &'static Server {
    static SERVER: LazyLock<Server> =
        LazyLock::new(|| Server::start_python(&[("FAAS_WHEELHOUSE", wheels().to_str().unwrap())]));
    &SERVER
}

fn install(server: &Server, arguments: &str, then: &str) -> Answer {
    let code = format!("import micropip\nawait micropip.install({arguments})\n{then}");
    server.python(&code)
}

fn prints(answer: &Answer, expected: &str) {
    assert_eq!(answer.stdout(), expected, "{}", answer.stderr());
}

const STEM: &str =
    "import snowballstemmer\nprint(snowballstemmer.stemmer('english').stemWord('running'))";

#[test]
fn micropip_installs_from_an_index_and_the_cache_keeps_it() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("index"));
    let server = index.server(&workspace);
    prints(&install(&server, "'snowballstemmer'", STEM), "run\n");
    prints(&install(&server, "'snowballstemmer==3.1.1'", STEM), "run\n");
    prints(
        &install(
            &server,
            "['attrs>=20', 'python-dateutil', 'networkx']",
            "import attrs, dateutil.parser, networkx
print(dateutil.parser.parse('2024-02-29').day, networkx.path_graph(3).number_of_edges())",
        ),
        "29 2\n",
    );
    assert_eq!(index.hits_of("/files/snowballstemmer"), 1);
    drop(server);
    let server = index.server(&workspace);
    prints(&install(&server, "'snowballstemmer'", STEM), "run\n");
    assert_eq!(
        index.hits_of("/files/snowballstemmer"),
        1,
        "the cache outlives the server"
    );
}

#[test]
fn an_index_that_answers_in_html_or_redirects_works() {
    for trouble in [Trouble::Html, Trouble::Redirects] {
        let (index, workspace) = (Index::start(trouble), Scratch::new("html"));
        let server = index.server(&workspace);
        prints(&install(&server, "'snowballstemmer'", STEM), "run\n");
    }
}

#[test]
fn native_wheels_load() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("native"));
    let server = index.server(&workspace);
    let code = "import msgpack, jiter
from pydantic import BaseModel, ValidationError
class Model(BaseModel):
    x: int
print(msgpack.unpackb(msgpack.packb([1, 'a'])), jiter.from_json(b'[1.5]'), Model(x='5'))
try:
    Model(x='no')
except ValidationError as error:
    print(error.error_count())";
    prints(
        &install(&server, "['msgpack', 'jiter', 'pydantic']", code),
        "[1, 'a'] [1.5] x=5\n1\n",
    );
    // contourpy imports numpy, which only Pyodide's distribution has; its native part loads.
    let code = format!(
        "import glob, importlib.util
path = glob.glob('{}/contourpy/_contourpy*.so')[0]
spec = importlib.util.spec_from_file_location('_contourpy', path)
print(spec.loader.create_module(spec).__name__)",
        pinned::site_packages()
    );
    prints(
        &install(&server, "'contourpy', deps=False", &code),
        "_contourpy\n",
    );
}

#[test]
fn a_failed_installation_is_a_python_exception_and_caches_nothing() {
    for (trouble, part) in [
        (Trouble::WrongHash, "sha256"),
        (Trouble::Cuts, "could not be reached"),
    ] {
        let (index, workspace) = (Index::start(trouble), Scratch::new("trouble"));
        let server = index.server(&workspace);
        let answer = install(&server, "'six'", "print('installed')");
        assert_eq!((answer.outcome(), answer.stdout()), ("error", ""));
        assert!(answer.stderr().contains(part), "{}", answer.stderr());
        assert!(
            answer.stderr().contains("File \"<code>\", line 2"),
            "{}",
            answer.stderr()
        );
        let cached = walk(&workspace.0.join("packages"));
        assert!(
            !cached.iter().any(|path| path.contains("sha256/")),
            "{cached:?}"
        );
        let known = install(&server, "'nonexistent', keep_going=True", "");
        assert!(known.stderr().contains("nonexistent"), "{}", known.stderr());
    }
}

fn walk(directory: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(walk(&path)),
            path => files.push(path.display().to_string()),
        }
    }
    files
}

#[test]
fn an_index_that_hangs_costs_only_the_time_limit_of_the_program() {
    let (index, workspace) = (Index::start(Trouble::Hangs), Scratch::new("hangs"));
    let server = index.server(&workspace);
    let code = "print('begin')\nimport micropip\nawait micropip.install('six')";
    let answer = server.run(json!({ "code": code, "timeout": 2000 }));
    assert_eq!((answer.outcome(), answer.stdout()), ("timeout", "begin\n"));
    prints(&server.python("print('next')"), "next\n");
}

#[test]
fn without_a_package_source_the_answer_says_how_to_set_one() {
    let server = Server::start_python(&[]);
    let answer = install(&server, "'six'", "");
    assert!(
        answer.stderr().contains("FAAS_PACKAGE_INDEX"),
        "{}",
        answer.stderr()
    );
    let answer = server.run(json!({ "code": "1", "packages": ["six"] }));
    assert_eq!(answer.outcome(), "error");
    assert!(
        answer.stderr().contains("FAAS_PACKAGE_INDEX"),
        "{}",
        answer.stderr()
    );
    let answer = install(
        &server,
        "'https://example.invalid/six-1-py3-none-any.whl'",
        "",
    );
    assert!(
        answer.stderr().contains("no network"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn packages_can_be_limited_by_name_or_turned_off() {
    let wheelhouse = wheels();
    let wheelhouse = wheelhouse.to_str().unwrap();
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheelhouse),
        ("FAAS_PACKAGE_DENY", "Snowball.Stemmer, snowballstemmer"),
    ]);
    prints(
        &install(&server, "'six'", "import six\nprint(six.PY3)"),
        "True\n",
    );
    let answer = install(&server, "'snowballstemmer'", "");
    assert!(
        answer.stderr().contains("not allowed"),
        "{}",
        answer.stderr()
    );
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheelhouse),
        ("FAAS_PACKAGE_ALLOW", "six"),
    ]);
    prints(&install(&server, "'six'", "print('ok')"), "ok\n");
    assert_eq!(install(&server, "'attrs'", "").outcome(), "error");
    let server = Server::start_python(&[("FAAS_WHEELHOUSE", wheelhouse), ("FAAS_PACKAGES", "0")]);
    assert_eq!(install(&server, "'six'", "").outcome(), "error");
}

#[test]
fn a_missing_module_names_the_package_to_ask_for() {
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
        ("FAAS_AUTO_INSTALL", "0"),
    ]);
    let answer = server.python("import dateutil.parser");
    let line = answer.last_stderr_line();
    assert!(
        answer
            .stderr()
            .contains("ModuleNotFoundError: No module named 'dateutil'")
    );
    assert!(
        line.contains("\"packages\": [\"python-dateutil\"]"),
        "{line}"
    );
    let answer = server.python("import nothing_like_this");
    assert_eq!(
        answer.last_stderr_line(),
        "ModuleNotFoundError: No module named 'nothing_like_this'"
    );
}

#[test]
fn auto_install_installs_the_imports_of_a_program() {
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
        ("FAAS_AUTO_INSTALL", "1"),
    ]);
    prints(
        &server
            .python("import json, dateutil.parser\nprint(dateutil.parser.parse('2024-02-29').day)"),
        "29\n",
    );
    assert!(
        server
            .python("import nothing_like_this")
            .stderr()
            .contains("ModuleNotFoundError")
    );
}

#[test]
fn auto_install_installs_what_the_files_of_a_program_import() {
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
        ("FAAS_AUTO_INSTALL", "1"),
    ]);
    let parse = "import dateutil.parser\nday = dateutil.parser.parse('2024-02-29').day";
    let six = "import six\nday = six.PY3";
    let run = |name: &str, contents: &str, code: &str| {
        let files = json!([
            { "name": name, "content": contents },
            { "name": "broken.py", "content": "import six (" },
            { "name": "tools/first.py", "content": "from helper import day" },
        ]);
        server.run(json!({ "code": code, "files": files }))
    };
    prints(
        &run("helper.py", parse, "import helper\nprint(helper.day)"),
        "29\n",
    );
    // Another file is another program; the second time, too.
    prints(
        &run("helper.py", six, "import helper\nprint(helper.day)"),
        "True\n",
    );
    prints(
        &run("helper.py", six, "import helper\nprint(helper.day)"),
        "True\n",
    );
    // By way of another file, and in a package of its own.
    prints(
        &run(
            "helper.py",
            parse,
            "import tools.first\nprint(tools.first.day)",
        ),
        "29\n",
    );
    prints(
        &run(
            "own/deep/er.py",
            parse,
            "from own.deep import er\nprint(er.day)",
        ),
        "29\n",
    );
    // A file that is no program, or that nothing imports, is in nobody's way.
    let answer = run(
        "helper.py",
        parse,
        "try: import broken\nexcept SyntaxError: print('no')\nimport dateutil",
    );
    assert!(answer.stderr().contains("ModuleNotFoundError") || answer.stdout() == "no\n");
}

#[test]
fn a_set_of_packages_is_installed_once() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("sets"));
    let server = index.server(&workspace);
    let code = "import msgpack, six\nprint(msgpack.packb(1), six.PY3)";
    let mut times = Vec::new();
    for packages in [
        json!(["msgpack", "six"]),
        json!(["six", "msgpack"]),
        json!(["MsgPack", " six ", "six"]),
    ] {
        let started = Instant::now();
        let answer = server.run(json!({ "code": code, "packages": packages }));
        times.push(started.elapsed());
        prints(&answer, "b'\\x01' True\n");
    }
    println!("first request {:?}, then {:?}", times[0], &times[1..]);
    assert!(times[1] < times[0], "{times:?}");
    assert_eq!(index.hits_of("/files/msgpack"), 1);
    let leftover = server.python("import msgpack");
    assert!(
        leftover.stderr().contains("ModuleNotFoundError"),
        "{}",
        leftover.stderr()
    );
    let fresh = "import six, sys\nprint(getattr(six, 'leaked', None))\nsix.leaked = 1";
    for _ in 0..4 {
        let answer = server.run(json!({ "code": fresh, "packages": ["msgpack", "six"] }));
        prints(&answer, "None\n");
    }
}

/// A module that takes long to load what it loads on first use, and one that ends Python when it does.
const LAZY: &str = "
__all__ = ['part']
warm = False
def __getattr__(name):
    global warm
    if name != 'part':
        raise AttributeError(name)
    import time
    time.sleep(3)
    warm = True
";
const BREAKS: &str = "
__all__ = ['part', 'other']
def __getattr__(name):
    raise SystemExit if name == 'part' else AttributeError(name)
";

#[test]
fn the_first_answer_of_a_package_set_comes_before_its_packages_are_warmed_up() {
    let wheelhouse = tempfile::tempdir().unwrap();
    make_wheel(wheelhouse.path(), "lazy", LAZY, 0);
    make_wheel(wheelhouse.path(), "breaks", BREAKS, 0);
    let server = Server::start_python(&[("FAAS_WHEELHOUSE", wheelhouse.path().to_str().unwrap())]);
    let code = "import lazy\nprint(lazy.warm)";
    prints(&server.python(code), "False\n");
    assert!(server.lines_with("packages warmed up").is_empty());
    // Programs are served meanwhile, and those after it find what was done.
    prints(&server.python(code), "False\n");
    eventually("the packages are warmed up", || {
        !server.lines_with("packages warmed up").is_empty()
    });
    prints(&server.python(code), "True\n");

    let code = "import breaks\nprint(len(breaks.__all__))";
    prints(&server.python(code), "2\n");
    eventually("warming up ends, too, if it fails", || {
        server.lines_with("packages warmed up").len() == 2
    });
    prints(&server.python(code), "2\n");
}

#[test]
fn forks_of_a_package_zygote_draw_their_own_random_numbers() {
    let server = with_wheelhouse();
    let code = "import random, os\nprint(random.random(), os.urandom(4).hex())";
    let draw = || {
        let answer = server.run(json!({ "code": code, "packages": ["six"] }));
        assert_eq!(answer.outcome(), "success", "{}", answer.stderr());
        answer.stdout().to_owned()
    };
    let drawn: std::collections::HashSet<String> = (0..6).map(|_| draw()).collect();
    assert_eq!(drawn.len(), 6);
}

#[test]
fn packages_that_cannot_be_installed_fail_the_program() {
    let server = with_wheelhouse();
    for _ in 0..2 {
        let answer =
            server.run(json!({ "code": "print(1)", "packages": ["six", "nonexistent-x"] }));
        assert_eq!(
            (answer.status, answer.outcome(), answer.exit_code()),
            (200, "error", 1)
        );
        assert!(
            answer.stderr().contains("nonexistent-x"),
            "{}",
            answer.stderr()
        );
        assert_eq!(answer.stdout(), "");
    }
    for packages in [
        json!("six"),
        json!([1]),
        json!(["https://x/y.whl"]),
        json!(["a; b"]),
    ] {
        let answer = server.run(json!({ "code": "1", "packages": packages }));
        assert_eq!(answer.status, 400, "{packages}");
        assert_eq!(
            answer.error(),
            "Parameter 'packages' must be an array of package names"
        );
    }
}

#[test]
fn the_least_recently_used_package_set_is_evicted() {
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
        ("FAAS_PACKAGE_ZYGOTES", "2"),
        ("FAAS_API_TOKEN", TOKEN),
    ])
    .with_token(TOKEN);
    let zygotes = || {
        let body = server.get("/health").body;
        let sets = body["package_zygotes"].as_array().unwrap();
        let mut names: Vec<String> = sets
            .iter()
            .map(|set| set["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    for package in ["six", "attrs", "six", "msgpack"] {
        let answer = server.run(json!({ "code": "print(1)", "packages": [package] }));
        prints(&answer, "1\n");
    }
    assert_eq!(zygotes(), ["python with msgpack", "python with six"]);
    let before = server.children().len();
    assert!(before > 3);
    let answer = server.run(json!({ "code": "import attrs\nprint(2)", "packages": ["attrs"] }));
    prints(&answer, "2\n");
    eventually("a given-up zygote stays", || {
        server.get("/health").body["package_zygotes"]
            .as_array()
            .unwrap()
            .len()
            == 2
    });
}

#[test]
fn preloaded_package_sets_are_up_at_the_start() {
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
        ("FAAS_PRELOAD", "six;msgpack,jiter"),
        ("FAAS_API_TOKEN", TOKEN),
    ])
    .with_token(TOKEN);
    let body = server.get("/health").body;
    let sets = body["package_zygotes"].as_array().unwrap();
    assert_eq!(sets.len(), 2, "{body}");
    let seen_by_strangers = server.send("GET", "/health", &[], "").body;
    assert_eq!(seen_by_strangers["package_zygote_count"], 2);
    assert!(!seen_by_strangers.to_string().contains("msgpack"));
    assert!(
        sets.iter()
            .all(|set| set["up"] == true && set["memory_bytes"].as_u64() > Some(0)),
        "{body}"
    );
}

#[test]
fn the_most_used_package_sets_are_prepared_again_after_a_restart() {
    let workspace = Scratch::new("used-sets");
    let start = |prepared: &str| {
        Server::start_python(&[
            ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
            ("FAAS_WORKSPACE", workspace.path()),
            ("FAAS_PREPARED_SETS", prepared),
            ("FAAS_API_TOKEN", TOKEN),
        ])
        .with_token(TOKEN)
    };
    let file = std::path::Path::new(workspace.path()).join("package-sets.json");
    let server = start("1");
    for (set, code) in [
        ("msgpack", "import msgpack"),
        ("six", "import six"),
        ("six", "import six"),
        ("six", "import six"),
        ("no-such-package", "1"),
    ] {
        server.run(json!({ "code": code, "packages": [set] }));
    }
    eventually("the uses are written", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.contains("msgpack")
            && text.contains(r#"["six"],"uses":3"#)
            && !text.contains("no-such")
    });
    drop(server);

    let prepared = "prepared a package set that was used before";
    let server = start("1");
    eventually("the most used set is prepared", || {
        !server.lines_with(prepared).is_empty()
    });
    assert_eq!(sets_of(&server), ["python with six"]);
    prints(
        &server.run(json!({ "code": "import six\nprint(six.PY3)", "packages": ["six"] })),
        "True\n",
    );
    drop(server);

    let server = start("0");
    prints(&server.python("print(1)"), "1\n");
    assert_eq!(sets_of(&server), [""; 0], "turned off");
    drop(server);

    std::fs::write(&file, "no list of sets").unwrap();
    let server = start("1");
    prints(&server.python("print(1)"), "1\n");
    assert_eq!(sets_of(&server), [""; 0], "of a damaged file");
}

#[test]
fn a_wheel_is_unpacked_and_compiled_once_and_only_that_very_wheel_is_given_what_was_made_of_it() {
    let (workspace, wheelhouse) = (Scratch::new("unpacked"), tempfile::tempdir().unwrap());
    let start = || {
        Server::start_python(&[
            ("FAAS_WHEELHOUSE", wheelhouse.path().to_str().unwrap()),
            ("FAAS_WORKSPACE", workspace.path()),
        ])
    };
    let fails = "def fail():\n    raise ValueError('here')\n";
    let code = "import os, thing, importlib.metadata as m\n\
        print(thing.x, os.path.exists(thing.__cached__), m.distribution('thing').read_text('INSTALLER'))\n\
        thing.fail()";
    let prints_of = |server: &Server, expected: &str| {
        let answer = server.python(code);
        assert_eq!(answer.stdout(), expected, "{}", answer.stderr());
        let line = "File \"/lib/python3.14/site-packages/thing.py\", line 3, in fail\n    raise ValueError";
        assert!(answer.stderr().contains(line), "{}", answer.stderr());
    };
    make_wheel(wheelhouse.path(), "thing", &format!("x = 1\n{fails}"), 0);
    let server = start();
    prints_of(&server, "1 False micropip\n");
    let unpacked = "unpacked a wheel ahead";
    eventually("it is unpacked", || server.lines_with(unpacked).len() == 1);
    drop(server);

    let server = start();
    prints_of(&server, "1 True micropip\n");
    drop(server);

    // Another wheel of the same name.
    make_wheel(wheelhouse.path(), "thing", &format!("x = 2\n{fails}"), 0);
    let server = start();
    prints_of(&server, "2 False micropip\n");
    eventually("it is unpacked, too", || {
        server.lines_with(unpacked).len() == 1
    });
    drop(server);

    // What was damaged is not used, nor is what names something else.
    let cache = std::path::Path::new(workspace.path()).join("packages");
    for file in walk(&cache.join("sha256")) {
        std::fs::write(file, "damaged").unwrap();
    }
    let server = start();
    prints_of(&server, "2 False micropip\n");
    drop(server);
    for file in walk(&cache.join("unpacked")) {
        std::fs::write(file, [0xff; 64]).unwrap();
    }
    prints_of(&start(), "2 False micropip\n");
}

#[test]
fn a_killed_package_zygote_is_replaced() {
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
        ("FAAS_PRELOAD", "six"),
        ("FAAS_API_TOKEN", TOKEN),
    ])
    .with_token(TOKEN);
    let code = "import six\nprint(six.PY3)";
    let ask = || server.run(json!({ "code": code, "packages": ["six"] }));
    prints(&ask(), "True\n");
    let pid = server.get("/health").body["package_zygotes"][0]["pid"]
        .as_i64()
        .unwrap();
    // SAFETY: kill takes two numbers; this is a zygote of our own server.
    unsafe { libc::kill(i32::try_from(pid).unwrap(), libc::SIGKILL) };
    for _ in 0..5 {
        prints(&ask(), "True\n");
    }
}

/// A distribution of our own making in Pyodide's format: a directory with wheels and a lock file.
/// numpy, pandas and matplotlib come by this very path.
#[test]
fn a_distribution_is_used_by_its_lock_file() {
    let scratch = Scratch::new("distribution");
    let mut lock = pinned::lock_file();
    let mut packages = serde_json::Map::new();
    for (name, depends) in [("msgpack", vec!["six"]), ("six", vec![]), ("attrs", vec![])] {
        let file = wheel_of(name);
        let bytes = std::fs::read(wheels().join(&file)).unwrap();
        std::fs::write(scratch.0.join(&file), &bytes).unwrap();
        let version = file.split('-').nth(1).unwrap();
        let digest = if name == "attrs" {
            "0".repeat(64)
        } else {
            sha256(&bytes)
        };
        packages.insert(
            name.to_owned(),
            json!({
                "name": name, "version": version, "file_name": file, "install_dir": "site",
                "sha256": digest, "package_type": "package", "imports": [name], "depends": depends,
                "unvendored_tests": false,
            }),
        );
    }
    lock["packages"] = packages.into();
    std::fs::write(scratch.0.join("pyodide-lock.json"), lock.to_string()).unwrap();
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", scratch.path()),
        ("FAAS_AUTO_INSTALL", "0"),
    ]);
    let code = "import msgpack, six\nprint(msgpack.unpackb(msgpack.packb('x')), six.PY3)";
    prints(&install(&server, "'msgpack'", code), "x True\n");
    prints(
        &server.run(json!({ "code": code, "packages": ["msgpack"] })),
        "x True\n",
    );
    let code = format!("import pyodide_js\nawait pyodide_js.loadPackage('msgpack')\n{code}");
    prints(&server.python(&code), "x True\n");
    let answer = server.python("import msgpack");
    assert!(
        answer.stderr().contains("\"packages\": [\"msgpack\"]"),
        "{}",
        answer.stderr()
    );
    let answer = install(&server, "'attrs'", "import attrs");
    assert_eq!(
        answer.outcome(),
        "error",
        "a file with the wrong sha256 was installed"
    );
}

/// The distribution that FAAS_PYODIDE_PACKAGES names, else a part of an older one.
fn distribution() -> String {
    std::env::var("FAAS_PYODIDE_PACKAGES").unwrap_or_else(|_| {
        let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-distribution");
        assert!(
            std::fs::exists(fetched).unwrap(),
            "run scripts/fetch-test-distribution first"
        );
        fetched.to_owned()
    })
}

#[test]
fn numpy_pandas_and_matplotlib_come_from_the_distribution() {
    let server = Server::start_python(&[("FAAS_PYODIDE_PACKAGES", &distribution())]);
    let code = "import numpy, pandas, matplotlib.pyplot as plt
plt.plot([1, 2])
print(int(numpy.arange(4).sum()), pandas.DataFrame({'a': [1, 2]}).a.sum())";
    let packages = json!(["numpy", "pandas", "matplotlib"]);
    let answer = server.run(json!({ "code": code, "packages": packages, "timeout": 60_000 }));
    prints(&answer, "6 3\n");
}

#[test]
fn generators_that_a_package_made_when_it_was_imported_are_not_shared_by_executions() {
    let scratch = Scratch::new("generators");
    let source = "
import random, string
class Own(random.Random):
    def seed(self, *values):
        super().seed(7)
_plain, _seeded, _own = random.Random(), random.Random(42), Own()
_hidden = [{'deep': (random.Random(),)}]
_plain.gauss(0, 1)
def token(generator):
    return ''.join(generator.choices(string.ascii_letters, k=20))
def tokens():
    generators = [_plain, _seeded, _own, _hidden[0]['deep'][0]]
    return [token(each) for each in generators] + [repr(_plain.gauss(0, 1))]
";
    make_wheel(&scratch.0, "tokenmaker", source, 0);
    let server = Server::start_python(&[("FAAS_WHEELHOUSE", scratch.path())]);
    let code = "import tokenmaker\nprint(*tokenmaker.tokens())";
    let mut seen = HashSet::new();
    for _ in 0..8 {
        let answer = server.run(json!({ "code": code, "packages": ["tokenmaker"] }));
        let words: Vec<_> = answer.stdout().split_whitespace().collect();
        assert_eq!(words.len(), 5, "{}", answer.stderr());
        for word in words {
            assert!(seen.insert(word.to_owned()), "{word} was drawn before");
        }
    }
}

#[test]
fn numpy_generators_made_at_import_are_not_shared_by_executions() {
    let scratch = Scratch::new("numpy-generators");
    let source = "
import numpy
_new, _seeded = numpy.random.default_rng(), numpy.random.default_rng(42)
_philox = numpy.random.Generator(numpy.random.Philox(1))
_old = numpy.random.RandomState(7)
_old.standard_normal()
def tokens():
    return [*(each.random() for each in (_new, _seeded, _philox)), _old.standard_normal(),
            _old.random_sample(), numpy.random.random()]
";
    make_wheel(&scratch.0, "numbermaker", source, 0);
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", scratch.path()),
        ("FAAS_PYODIDE_PACKAGES", &distribution()),
    ]);
    let code = "import numbermaker\nprint(*map(repr, map(float, numbermaker.tokens())))";
    let packages = ["numbermaker", "numpy"];
    let mut seen = HashSet::new();
    for _ in 0..6 {
        let answer = server.run(json!({ "code": code, "packages": packages, "timeout": 60_000 }));
        let words: Vec<_> = answer.stdout().split_whitespace().collect();
        assert_eq!(words.len(), 6, "{}", answer.stderr());
        for word in words {
            assert!(seen.insert(word.to_owned()), "{word} was drawn before");
        }
    }
}

#[test]
fn what_a_package_zygote_writes_is_logged_under_its_name() {
    let scratch = Scratch::new("named-log");
    make_wheel(&scratch.0, "quiet", "x = 1", 0);
    let server =
        Server::start_python(&[("FAAS_WHEELHOUSE", scratch.path()), ("FAAS_LOG", "debug")]);
    let answer =
        server.run(json!({ "code": "import quiet\nprint(quiet.x)", "packages": ["quiet"] }));
    prints(&answer, "1\n");
    for name in ["python", "python with quiet"] {
        eventually("the log has no line of the zygote", || {
            server.lines_with("a zygote wrote").iter().any(|line| {
                let text = line["fields"]["line"].as_str().unwrap();
                line["fields"]["zygote"] == name
                    && line["level"] == "DEBUG"
                    && text.starts_with("collapsed the zygote's memory huge_pages=")
            })
        });
    }
}

/// Numbers of package zygotes, whose sets have these packages.
fn sets_of(server: &Server) -> Vec<String> {
    let health = server.get("/health").body;
    let zygotes = health["package_zygotes"].as_array().unwrap().clone();
    let mut names: Vec<String> = zygotes
        .iter()
        .map(|zygote| zygote["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn imports_find_a_zygote_with_their_packages_and_few_zygotes_serve_many_programs() {
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", &distribution()),
        ("FAAS_API_TOKEN", TOKEN),
    ])
    .with_token(TOKEN);
    let pandas = "import pandas\nprint(pandas.DataFrame({'a': [1, 2]}).a.sum())";
    let timed = |code: &str, expected: &str| {
        let started = Instant::now();
        let answer = server.run(json!({ "code": code, "timeout": 60000 }));
        prints(&answer, expected);
        started.elapsed()
    };
    let first = timed(pandas, "3\n");
    let again = timed(pandas, "3\n");
    // numpy came with pandas; another text of the same kind needs no other zygote either.
    let numpy = timed("import json, numpy as np\nprint(np.arange(3).sum())", "3\n");
    timed(
        "def f():\n    import dateutil, numpy\n    return numpy.int8(7)\nprint(f())",
        "7\n",
    );
    println!("first {first:?}, again {again:?}, numpy after pandas {numpy:?}");
    assert!(again < first / 3, "{first:?} {again:?}");
    assert!(numpy < first / 3, "{first:?} {numpy:?}");
    assert_eq!(sets_of(&server), ["python with pandas"]);
    // One that asks by name gets what it asked for.
    let asked =
        json!({ "code": "import numpy\nprint(1)", "packages": ["numpy"], "timeout": 60000 });
    prints(&server.run(asked), "1\n");
    assert_eq!(
        sets_of(&server),
        ["python with numpy", "python with pandas"]
    );
    let health = server.get("/health").body;
    assert_eq!(health["scheduler"]["totalTasks"], 5, "{health}");
}

#[test]
fn only_the_operators_own_sources_are_installed_without_being_asked_for() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("squatter"));
    let server = index.server(&workspace);
    let answer = server.python("import snowballstemmer");
    assert!(
        answer
            .stderr()
            .contains("\"packages\": [\"snowballstemmer\"]"),
        "{}",
        answer.stderr()
    );
    assert_eq!(index.hits_of("/files/"), 0);
}

#[test]
fn a_program_runs_without_the_packages_that_could_not_be_had_and_says_why_if_it_needs_them() {
    let workspace = Scratch::new("cut-off");
    // Nothing listens on that port.
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", "http://127.0.0.1:1/"),
        ("FAAS_WORKSPACE", workspace.path()),
    ]);
    let guarded = "print(1)\ntry:\n    import numpy\nexcept ImportError:\n    print('without')";
    prints(&server.python(guarded), "1\nwithout\n");
    let answer = server.python("print('begun')\nimport numpy");
    let stderr = answer.stderr();
    assert_eq!((answer.outcome(), answer.stdout()), ("error", "begun\n"));
    assert!(stderr.contains("No module named 'numpy'"), "{stderr}");
    assert_eq!(
        answer.last_stderr_line(),
        "What the program imports could not be installed: numpy"
    );
    let sentence = "the source of packages that FAAS_PYODIDE_PACKAGES names could not be reached: no \
                    connection; the operator of this server can set FAAS_PYODIDE_PACKAGES to a mirror, or to a \
                    directory that `faas-server packages fetch` has filled";
    assert!(stderr.contains(sentence), "{stderr}");
    assert_eq!(
        stderr.matches("could not be reached").count(),
        1,
        "{stderr}"
    );
}

#[test]
fn an_optional_package_that_cannot_be_had_takes_no_other_with_it() {
    let workspace = Scratch::new("optional");
    // It has numpy; its lock file names PyYAML, too, whose wheel is not there.
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", &distribution()),
        ("FAAS_WORKSPACE", workspace.path()),
    ]);
    let code = "import numpy\ntry:\n    import yaml\nexcept ImportError:\n    yaml = None\n\
                print(numpy.arange(3).sum(), yaml)";
    let ask = || server.run(json!({ "code": code, "timeout": 60000 }));
    // Known from the first time, and by another program with the same imports.
    for _ in 0..2 {
        prints(&ask(), "3 None\n");
    }
    prints(&server.python(&format!("# another\n{code}")), "3 None\n");
    let needs = server.python("import numpy\nprint(numpy.pi > 3)\nimport yaml");
    assert_eq!(
        (needs.outcome(), needs.stdout()),
        ("error", "True\n"),
        "{}",
        needs.stderr()
    );
    assert_eq!(
        needs.last_stderr_line(),
        "What the program imports could not be installed: pyyaml"
    );
}

#[test]
fn a_wanted_version_that_the_distribution_has_not_is_warned_of_and_the_pinned_one_used() {
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", &distribution()),
        ("NUMPY_VERSION", ">=1.26,<2"),
        ("PANDAS_VERSION", ">=2"),
        ("SKLEARN_VERSION", ""),
    ]);
    let version = "import numpy\nprint(numpy.__version__)";
    let used = server.run(json!({ "code": version, "timeout": 60000 }));
    let warned = server.lines_with(
        "the distribution of the pinned Pyodide has another version of a package than is wanted; it is used \
         all the same",
    );
    let [warned] = warned.as_slice() else {
        panic!("{warned:?}");
    };
    let fields = &warned["fields"];
    assert_eq!(
        (&fields["setting"], &fields["wanted"]),
        (&json!("NUMPY_VERSION"), &json!(">=1.26,<2"))
    );
    assert_eq!(fields["used"].as_str().unwrap(), used.stdout().trim_end());
}

#[test]
fn the_default_sources_are_those_that_setup_found_and_can_be_turned_off() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("default-sources"));
    let pyodide = Scratch::new("default-pyodide");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pyodide-dist")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "sources.json" {
            std::os::unix::fs::symlink(&path, pyodide.0.join(path.file_name().unwrap())).unwrap();
        }
    }
    // What `make setup` runs, with the settings of pip that it finds.
    let found = std::process::Command::new("scripts/find-package-sources")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(pyodide.path())
        .env("PIP_INDEX_URL", index.address.replace("//", "//me:s3cret@"))
        .output()
        .unwrap();
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    let sources = std::fs::read_to_string(pyodide.0.join("sources.json")).unwrap();
    let sources: serde_json::Value = serde_json::from_str(&sources).unwrap();
    let distribution = sources["distribution"].as_str().unwrap();
    let version = format!("/v{}/", pinned::pyodide());
    assert!(
        distribution.starts_with("https://") && distribution.contains(&version),
        "{distribution}"
    );
    let set = [
        ("FAAS_PYODIDE_DIR", pyodide.path()),
        ("FAAS_WORKSPACE", workspace.path()),
        ("FAAS_LANGUAGE", "python"),
        ("FAAS_PYODIDE_PACKAGES", "off"),
    ];
    // Not set at all, which the servers of other tests do not leave it.
    let mut command = std::process::Command::new(common::PROGRAM);
    command.envs(set).env_remove("FAAS_PACKAGE_INDEX");
    let server = Server::start_command(command).until_ready();
    prints(&install(&server, "'snowballstemmer'", STEM), "run\n");
    assert_eq!(index.hits_of("/files/snowballstemmer"), 1);
    assert!(!server.log().contains("s3cret"), "{}", server.log());
    // Empty counts as unset.
    let server = Server::start(&[&set[..], &[("FAAS_PACKAGE_INDEX", "")]].concat());
    prints(
        &install(&server, "'attrs'", "import attrs; print('run')"),
        "run\n",
    );
    let server = Server::start(&[&set[..], &[("FAAS_PACKAGE_INDEX", "off")]].concat());
    let answer = install(&server, "'attrs'", "");
    assert!(
        answer.stderr().contains("no package index is configured"),
        "{}",
        answer.stderr()
    );
}
