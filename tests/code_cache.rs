//! The code cache: what `faas-server compile` makes and zygotes start with.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::time::Duration;
use std::time::SystemTime;

use common::PROGRAM;
use common::Server;
use common::children::children;
use common::eventually;

const PYODIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pyodide-dist");

/// A directory with the files of Pyodide and no code cache.
fn pyodide_without_cache() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in std::fs::read_dir(PYODIDE).unwrap() {
        let path = name.unwrap().path();
        if path.is_file() {
            let link = directory.path().join(path.file_name().unwrap());
            std::os::unix::fs::symlink(&path, link).unwrap();
        }
    }
    directory
}

/// The one code cache in a directory.
fn cache_in(directory: &Path) -> PathBuf {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let path = paths.next().unwrap();
    assert!(paths.next().is_none(), "more than {}", path.display());
    path
}

/// Makes a file that nothing has used for 40 days.
fn make_old(directory: &Path, name: &str) -> PathBuf {
    std::fs::create_dir_all(directory).unwrap();
    let path = directory.join(name);
    let file = std::fs::File::create(&path).unwrap();
    let long_ago = SystemTime::now() - Duration::from_hours(24 * 40);
    file.set_modified(long_ago).unwrap();
    path
}

fn program(pyodide: &Path, arguments: &[&str], v8_flags: &str) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .env("FAAS_PYODIDE_DIR", pyodide)
        .env("FAAS_V8_FLAGS", v8_flags)
        .output()
        .unwrap()
}

/// Has one round run, which is enough for V8 to have something to write.
fn compile(pyodide: &Path) -> Output {
    program(pyodide, &["compile", "--rounds", "1"], "")
}

/// Runs a program, which has to work, and returns what the server had to say.
fn complaint_of_a_run(pyodide: &Path, v8_flags: &str) -> String {
    let path = pyodide.join("program.py");
    std::fs::write(&path, "print(6 * 7)").unwrap();
    let output = program(pyodide, &["run", path.to_str().unwrap()], v8_flags);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_boot_uses_the_code_cache_and_reports_one_that_does_not_fit() {
    let pyodide = pyodide_without_cache();
    let pyodide = pyodide.path();
    // A compile that was killed left it.
    make_old(&pyodide.join("compiled"), ".unfinished.x");
    let made = compile(pyodide);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(
        made.status.success() && said.starts_with("wrote "),
        "{made:?}"
    );
    let file = cache_in(&pyodide.join("compiled"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the server may run as another user");
    assert_eq!(complaint_of_a_run(pyodide, ""), "");
    let again = compile(pyodide);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("fits"),
        "{again:?}"
    );

    let complaint = complaint_of_a_run(pyodide, "--no-wasm-loop-peeling");
    assert!(complaint.contains("these flags"), "{complaint}");
    assert!(complaint.contains("faas-server compile"), "{complaint}");
}

/// The processes that this server started to compile, with their priorities (19 is the lowest).
fn compiling(server: &Server) -> Vec<i32> {
    let command_line = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
    let mut started = children(server.pid());
    started.retain(|&pid| command_line(pid).is_ok_and(|it| it.contains("\0compile\0")));
    let priorities = started.iter().map(|&pid| {
        // SAFETY: getpriority takes numbers only.
        unsafe { libc::getpriority(libc::PRIO_PROCESS, pid as libc::id_t) }
    });
    priorities.collect()
}

#[test]
fn a_server_without_a_code_cache_makes_it_while_it_answers_and_the_next_one_starts_with_it() {
    const MAKING: &str = "booted without machine code for Pyodide: making it in the background, for starts in half the time";
    const NOT_MADE: &str = "could not make machine code for Pyodide; starts stay slow";
    const MADE: &str = "made machine code for Pyodide: the next start uses it";
    let pyodide = pyodide_without_cache();
    let workspace = pyodide.path().join("workspace");
    let start = || {
        Server::start_python(&[
            ("FAAS_PYODIDE_DIR", pyodide.path().to_str().unwrap()),
            ("FAAS_WORKSPACE", workspace.to_str().unwrap()),
        ])
    };
    let server = start();
    eventually(
        "it does not make machine code, or not with the lowest priority",
        || compiling(&server) == [19],
    );
    assert_eq!(server.python("print(6 * 7)").stdout(), "42\n");
    assert_eq!(server.lines_with(MAKING).len(), 1, "{}", server.log());
    // It ends with one of two lines, however long a busy machine takes.
    while server.lines_with(MADE).is_empty() {
        assert!(server.lines_with(NOT_MADE).is_empty(), "{}", server.log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let file = cache_in(&workspace.join("compiled"));
    let mode = workspace.metadata().unwrap().permissions().mode();
    assert_eq!(
        mode & 0o777,
        0o700,
        "nobody else may write to {}",
        file.display()
    );
    assert!(!pyodide.path().join("compiled").exists());
    drop(server);

    // An earlier version left one, and another kind of CPU uses the other.
    let unused = make_old(
        &workspace.join("compiled"),
        "pyodide.asm.wasm.00000000.code",
    );
    let used = workspace.join("compiled/pyodide.asm.wasm.00000001.code");
    std::fs::write(&used, "").unwrap();
    let server = start();
    assert_eq!(server.python("print(6 * 7)").stdout(), "42\n");
    eventually("what is not used stays", || !unused.exists());
    assert!(used.exists() && file.exists());
    assert!(server.lines_with(MAKING).is_empty(), "{}", server.log());
    assert!(compiling(&server).is_empty());
    drop(server);

    // What others could have written is neither used nor written again.
    let others_may_write = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(workspace.join("compiled"), others_may_write).unwrap();
    let server = start();
    eventually("it does not say why", || {
        server.log().contains("can be written by other users")
    });
    assert_eq!(server.lines_with(NOT_MADE).len(), 1, "{}", server.log());
    assert_eq!(server.python("print(6 * 7)").stdout(), "42\n");
}

#[test]
fn a_server_that_ends_ends_what_it_compiles() {
    let pyodide = pyodide_without_cache();
    let workspace = pyodide.path().join("workspace");
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_DIR", pyodide.path().to_str().unwrap()),
        ("FAAS_WORKSPACE", workspace.to_str().unwrap()),
    ]);
    eventually("it does not make machine code", || {
        !compiling(&server).is_empty()
    });
    let started = children(server.pid());
    server.signal(libc::SIGKILL);
    eventually("something is left", || {
        let is_left = |pid: &i32| Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok();
        !started.iter().any(is_left)
    });
}

#[test]
fn compile_says_where_it_cannot_write() {
    let pyodide = pyodide_without_cache();
    std::fs::write(pyodide.path().join("compiled"), "in the way").unwrap();
    let output = compile(pyodide.path());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("cannot write"),
        "{said}"
    );
}
