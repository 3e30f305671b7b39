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

fn with_index(index: &Index, workspace: &Scratch) -> Server {
    Server::start_python(&[
        ("FAAS_PACKAGE_INDEX", &index.address),
        ("FAAS_WORKSPACE", workspace.path()),
    ])
}

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
    let server = with_index(&index, &workspace);
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
    let server = with_index(&index, &workspace);
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
        let server = with_index(&index, &workspace);
        prints(&install(&server, "'snowballstemmer'", STEM), "run\n");
    }
}

#[test]
fn native_wheels_load() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("native"));
    let server = with_index(&index, &workspace);
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
        let server = with_index(&index, &workspace);
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
    let server = with_index(&index, &workspace);
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
    let server = with_wheelhouse();
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
fn a_set_of_packages_is_installed_once() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("sets"));
    let server = with_index(&index, &workspace);
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
    let server = Server::start_python(&[("FAAS_PYODIDE_PACKAGES", scratch.path())]);
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
