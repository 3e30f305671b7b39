//! The code cache: what `faas-server compile` makes and zygotes start with.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use common::PROGRAM;

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

fn cache_in(pyodide: &Path) -> PathBuf {
    pyodide.join("compiled/pyodide.asm.wasm.code")
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
    let made = compile(pyodide);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(
        made.status.success() && said.starts_with("wrote "),
        "{made:?}"
    );
    let file = cache_in(pyodide);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the server may run as another user");
    assert_eq!(complaint_of_a_run(pyodide, ""), "");
    let again = compile(pyodide);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("fits"),
        "{again:?}"
    );

    let complaint = complaint_of_a_run(pyodide, "--no-wasm-loop-peeling");
    assert!(complaint.contains("other flags"), "{complaint}");
    assert!(complaint.contains("faas-server compile"), "{complaint}");
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
