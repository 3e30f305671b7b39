//! Packages that are slow or mean harm: whom they hold up, and how they are got rid of.

mod common;

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use common::Server;
use common::eventually;
use common::index::Index;
use common::index::Trouble;

/// `/health` names package sets only to who has it.
const TOKEN: &str = "correct-horse-battery-staple";

/// A directory of wheels that is gone at the end of the test.
struct Wheelhouse(PathBuf);

impl Wheelhouse {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("faas-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Adds a package of one module, which runs this when it is imported.
    fn add(&self, name: &str, module: &str) -> &Self {
        write_wheel(&self.0, name, module);
        self
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let own = [("FAAS_WHEELHOUSE", self.path()), ("FAAS_API_TOKEN", TOKEN)];
        Server::start(&[&own, settings].concat()).with_token(TOKEN)
    }
}

impl Drop for Wheelhouse {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write_wheel(directory: &Path, name: &str, module: &str) {
    let script = "import sys, zipfile
directory, name, module = sys.argv[1:]
info = f'{name}-1.0.dist-info'
with zipfile.ZipFile(f'{directory}/{name}-1.0-py3-none-any.whl', 'w') as wheel:
    wheel.writestr(f'{name}.py', module)
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(f'{info}/top_level.txt', name)
    wheel.writestr(f'{info}/RECORD', '')";
    let status = Command::new("python3")
        .args(["-c", script])
        .arg(directory)
        .args([name, module])
        .status();
    assert!(status.unwrap().success(), "python3 made no wheel");
}

const HANGS: &str = "while True: pass";

#[test]
fn packages_that_hang_when_imported_hold_up_no_other_program() {
    let wheelhouse = Wheelhouse::new("hold-up");
    let names = ["hang_a", "hang_b", "hang_c", "hang_d"];
    for name in names {
        wheelhouse.add(name, HANGS);
    }
    let server = wheelhouse.serve(&[
        ("FAAS_WORKER_COUNT", "2"),
        ("FAAS_PRELOAD_TIMEOUT", "60000"),
    ]);
    let limit = Duration::from_secs(8);
    std::thread::scope(|scope| {
        let hanging: Vec<_> = names
            .into_iter()
            .map(|name| {
                let server = &server;
                scope.spawn(move || {
                    let request = json!({ "code": "1", "packages": [name], "timeout": 8000 });
                    let started = Instant::now();
                    (server.run(request), started.elapsed())
                })
            })
            .collect();
        eventually("the four do not wait", || {
            server.get("/health").body["pool_status"]["pendingRequests"] == 4
        });
        let started = Instant::now();
        for _ in 0..5 {
            assert_eq!(server.python("print(1)").stdout(), "1\n");
            let javascript = json!({ "code": "console.log(2)", "language": "javascript" });
            assert_eq!(server.run(javascript).stdout(), "2\n");
        }
        let took = started.elapsed();
        println!("ten programs beside four packages that hang took {took:?}");
        assert!(took < limit / 2, "{took:?}");
        assert!(hanging.iter().all(|thread| !thread.is_finished()));
        for thread in hanging {
            let (answer, took) = thread.join().unwrap();
            assert_eq!((answer.status, answer.outcome()), (200, "timeout"));
            assert_eq!(answer.exit_code(), 124);
            assert!(
                answer.stderr().contains("still being installed"),
                "{}",
                answer.stderr()
            );
            assert!(took >= limit && took < limit * 2, "{took:?}");
        }
    });
}

#[test]
fn a_package_that_hangs_is_tried_once_and_remembered() {
    let wheelhouse = Wheelhouse::new("once");
    wheelhouse.add("hang", HANGS);
    let boot = Duration::from_secs(20);
    let server = wheelhouse.serve(&[
        ("FAAS_LANGUAGE", "python"),
        ("FAAS_PRELOAD_TIMEOUT", "20000"),
    ]);
    let request = json!({ "code": "1", "packages": ["hang"], "timeout": 60_000 });
    let started = Instant::now();
    let answer = server.run(request.clone());
    assert!(started.elapsed() >= boot, "{:?}", started.elapsed());
    assert_eq!((answer.status, answer.outcome()), (200, "error"));
    assert!(
        answer.stderr().contains("not tried again for 60 s"),
        "{}",
        answer.stderr()
    );
    let started = Instant::now();
    let again = server.run(request);
    assert_eq!(again.stderr(), answer.stderr());
    assert!(started.elapsed() < boot / 2, "{:?}", started.elapsed());
    // One is Python's own.
    eventually("its process stays", || server.zygotes().len() == 1);
    let tried = server.lines_with("gave a package zygote up");
    assert_eq!(tried.len(), 1, "{tried:?}");
    assert_eq!(server.python("print(1)").stdout(), "1\n");
}

#[test]
fn an_installation_goes_on_after_the_request_that_asked_for_it_gave_up() {
    let wheelhouse = Wheelhouse::new("goes-on");
    let sleep = "import time\ntime.sleep(3)";
    wheelhouse.add("sleepy", sleep);
    let server = wheelhouse.serve(&[("FAAS_LANGUAGE", "python")]);
    let code = "import sleepy\nprint('there')";
    let ask =
        |timeout| server.run(json!({ "code": code, "packages": ["sleepy"], "timeout": timeout }));
    let early = ask(500);
    assert_eq!(early.outcome(), "timeout", "{}", early.stderr());
    assert_eq!(
        early.last_stderr_line(),
        "Execution stopped: time limit of 500 ms reached"
    );
    let late = ask(30_000);
    assert_eq!(late.stdout(), "there\n", "{}", late.stderr());
    let up = server.lines_with("zygote up");
    let ours = up
        .iter()
        .filter(|line| line["fields"]["zygote"] == "python with sleepy");
    assert_eq!(ours.count(), 1, "it was installed once");
}

#[test]
fn an_index_that_hangs_holds_up_only_those_who_want_packages() {
    let index = Index::start(Trouble::Hangs);
    let workspace = Wheelhouse::new("index-hangs");
    let server = Server::start_python(&[
        ("FAAS_PACKAGE_INDEX", &index.address),
        ("FAAS_WORKSPACE", workspace.path()),
        ("FAAS_WORKER_COUNT", "1"),
    ]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let request = json!({ "code": "1", "packages": ["six"], "timeout": 6000 });
            server.run(request)
        });
        eventually("it does not ask", || index.hits_of("/files/six") > 0);
        assert_eq!(server.python("print(1)").stdout(), "1\n");
        assert!(!waiting.is_finished());
        assert_eq!(waiting.join().unwrap().outcome(), "timeout");
    });
}

#[test]
fn no_more_package_zygotes_live_than_the_settings_allow() {
    let wheelhouse = Wheelhouse::new("number");
    let names = ["pkg_a", "pkg_b", "pkg_c", "pkg_d", "pkg_e", "pkg_f"];
    for name in names {
        wheelhouse.add(name, "VALUE = 1");
    }
    let server = wheelhouse.serve(&[("FAAS_LANGUAGE", "python"), ("FAAS_PACKAGE_ZYGOTES", "2")]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let most = scope.spawn(|| {
            let mut most = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                most = most.max(up(&server).len());
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let threads = names.map(|name| {
            let server = &server;
            scope.spawn(move || {
                let code = format!("import {name}\nprint({name}.VALUE)");
                let request = json!({ "code": code, "packages": [name], "timeout": 60_000 });
                for _ in 0..2 {
                    assert_eq!(server.run(request.clone()).stdout(), "1\n");
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let most = most.join().unwrap();
        assert!((1..=2).contains(&most), "{most} at once");
    });
    // One is Python's own.
    eventually("evicted zygotes stay", || server.zygotes().len() == 1 + 2);
}

/// The package zygotes that serve, by name.
fn up(server: &Server) -> Vec<String> {
    let body = server.get("/health").body;
    let zygotes = body["package_zygotes"].as_array().unwrap();
    let up = zygotes.iter().filter(|zygote| zygote["up"] == true);
    up.map(|zygote| zygote["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn package_zygotes_share_a_memory_budget() {
    let wheelhouse = Wheelhouse::new("memory");
    let hold = |mebibytes: u32| format!("HELD = bytearray(b'x') * ({mebibytes} << 20)");
    for name in ["first", "second", "third"] {
        // Two fit, three do not, whatever else they take.
        wheelhouse.add(name, &hold(48));
    }
    wheelhouse.add("much", &hold(180));
    let server = wheelhouse.serve(&[
        ("FAAS_LANGUAGE", "python"),
        ("FAAS_PACKAGE_ZYGOTES_MEMORY", "128"),
    ]);
    let ask = |name: &str| {
        server.run(json!({ "code": "print(1)", "packages": [name], "timeout": 60_000 }))
    };
    for name in ["first", "second", "third"] {
        assert_eq!(ask(name).stdout(), "1\n");
    }
    eventually("the first is not evicted", || {
        let names = up(&server);
        names.len() < 3 && names.contains(&"python with third".to_owned())
    });
    // It may have served before it was looked at.
    eventually("one that is too large alone is kept", || {
        let answer = ask("much");
        answer.outcome() == "error" && answer.stderr().contains("FAAS_PACKAGE_ZYGOTES_MEMORY")
    });
    assert!(!up(&server).contains(&"python with much".to_owned()));
}

#[test]
fn names_that_no_index_knows_carry_little_out_of_a_sandbox() {
    let index = Index::start(Trouble::None);
    let workspace = Wheelhouse::new("unknown");
    let server = Server::start_python(&[
        ("FAAS_PACKAGE_INDEX", &index.address),
        ("FAAS_WORKSPACE", workspace.path()),
    ]);
    let code = "import _faas_host
reasons = []
for number in range(300):
    try:
        _faas_host.package('project', f'secret-{number}', '')
    except Exception as error:
        reasons.append(str(error))
print(len(reasons), 'do not exist' in reasons[-1])";
    let answer = server.python(code);
    assert_eq!(answer.stdout(), "300 True\n", "{}", answer.stderr());
    assert_eq!(index.hits_of("/simple/secret-"), 100);
    let refused = || server.lines_with("refused packages");
    eventually("the log does not say so", || !refused().is_empty());
    let lines = refused();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["refused"], 300);
}

#[test]
fn a_program_that_never_stops_asking_for_packages_is_ended() {
    let server = Server::start_python(&[]);
    let code = "import _faas_host
print('begin', flush=True)
while True:
    try:
        _faas_host.package('project', 'six', '')
    except Exception:
        pass";
    let answer = server.run(json!({ "code": code, "timeout": 60_000 }));
    assert_eq!(answer.outcome(), "killed", "{}", answer.stderr());
    assert_eq!(answer.stdout(), "begin\n");
    assert_eq!(
        answer.last_stderr_line(),
        "Execution stopped: the program asked about packages more than 2000 times"
    );
}
