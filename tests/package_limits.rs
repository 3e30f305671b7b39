//! What installing and importing packages may take: they are programs, too.

mod common;

use faas_linux::ProcessStatus;
use serde_json::json;
use tempfile::TempDir;

use common::Server;
use common::eventually;
use common::made_wheel::make_wheel;

/// Memory that a set of packages may take here, in MiB.
const PACKAGE_MEMORY: u64 = 96;

/// Keeps everything that it can get, in pieces too small to be refused with a word.
const HOG: &str = "
kept = []
while True:
    kept.append(bytearray(64 << 10))
";

/// A server whose wheelhouse has these packages: name, code of the module, and a file of so many zeros.
fn server(packages: &[(&str, &str, u64)]) -> (Server, TempDir) {
    let wheelhouse = tempfile::tempdir().unwrap();
    for (name, code, zeros) in packages {
        make_wheel(wheelhouse.path(), name, code, *zeros);
    }
    let server = Server::start_python(&[
        ("FAAS_WHEELHOUSE", wheelhouse.path().to_str().unwrap()),
        ("FAAS_PACKAGE_MEMORY", &PACKAGE_MEMORY.to_string()),
        ("FAAS_MEMORY_LIMIT", "64"),
    ]);
    (server, wheelhouse)
}

/// Highest resident memory of the server's children, in bytes, from now on until the function ends.
fn peak_while<T>(server: &Server, work: impl FnOnce() -> T) -> (u64, T) {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                for child in server.children() {
                    let held = ProcessStatus::of(child).unwrap_or_default().held_bytes();
                    peak = peak.max(held);
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            peak
        });
        let result = work();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        (watching.join().unwrap(), result)
    })
}

#[test]
fn packages_that_want_too_much_memory_are_refused_with_the_limit_by_name() {
    let (server, _wheelhouse) = server(&[
        ("evilmem", HOG, 0),
        ("evilfiles", "x = 1", 600 << 20),
        ("honest", "x = 1", 1 << 20),
    ]);
    let base = ProcessStatus::of(server.zygote()).unwrap().held_bytes();
    for name in ["evilmem", "evilfiles"] {
        let request = json!({ "code": "print('ran')", "packages": [name] });
        let (peak, answer) = peak_while(&server, || server.run(request));
        assert_eq!((answer.outcome(), answer.stdout()), ("error", ""), "{name}");
        let stderr = answer.stderr();
        assert!(
            stderr.contains(&format!("{PACKAGE_MEMORY} MiB"))
                && stderr.contains("FAAS_PACKAGE_MEMORY"),
            "{name}: {stderr}"
        );
        let grown = peak.saturating_sub(base) >> 20;
        assert!(grown < PACKAGE_MEMORY * 2, "{name} held {grown} MiB");
    }
    let request = json!({ "code": "import honest; print(honest.x)", "packages": ["honest"] });
    assert_eq!(server.run(request).stdout(), "1\n");
    eventually("the zygotes of refused packages end", || {
        server.zygotes().len() == 2
    });
}

#[test]
fn a_program_with_packages_has_its_memory_on_top_of_theirs() {
    // 60 MiB of the package's and 40 of the program's: each within its own limit, together above it.
    let (server, _wheelhouse) = server(&[("large", "kept = bytearray(60 << 20)", 0)]);
    let code = "import large\nmine = bytearray(40 << 20)\nprint(len(large.kept) + len(mine) >> 20)";
    let answer = server.run(json!({ "code": code, "packages": ["large"] }));
    assert_eq!(answer.stdout(), "100\n", "{}", answer.stderr());
    let code = "mine = bytearray(120 << 20)";
    let answer = server.run(json!({ "code": code, "packages": ["large"] }));
    assert_eq!(answer.outcome(), "memory_limit");
}
