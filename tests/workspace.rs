//! Directories that the server takes as its own: the workspace, and where Pyodide is looked for.

mod common;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::PROGRAM;
use common::Server;
use common::eventually;

#[test]
fn a_workspace_that_others_can_write_stops_the_start() {
    for (language, mode) in [
        ("javascript", 0o777),
        ("python", 0o1777),
        ("javascript", 0o775),
    ] {
        let workspace = tempfile::tempdir().unwrap();
        std::fs::set_permissions(workspace.path(), Permissions::from_mode(mode)).unwrap();
        let output = Command::new(PROGRAM)
            .env("FAAS_WORKSPACE", workspace.path())
            .env("FAAS_LANGUAGE", language)
            .args(["--port", "0"])
            .output()
            .unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("can be written by other users"), "{error}");
        assert!(error.contains("FAAS_WORKSPACE"), "{error}");
        assert_eq!(std::fs::read_dir(workspace.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_new_workspace_can_be_entered_by_its_owner_only() {
    let parent = tempfile::tempdir().unwrap();
    let workspace = parent.path().join("new");
    let path = workspace.to_str().unwrap();
    let _server = Server::start_javascript(&[("FAAS_WORKSPACE", path)]);
    let mode = workspace.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn a_server_that_waits_for_the_package_cache_says_so() {
    let workspace = tempfile::tempdir().unwrap();
    let packages = workspace.path().join("packages");
    std::fs::create_dir(&packages).unwrap();
    let lock = std::fs::File::create(packages.join("lock")).unwrap();
    lock.lock().unwrap();
    let path = workspace.path().to_str().unwrap();
    let server = Server::start_unready(&[("FAAS_WORKSPACE", path), ("FAAS_LANGUAGE", "python")]);
    eventually("it waits without a word", || {
        let lines = server.lines_with("waiting for another process to give the package cache free");
        lines.iter().any(|line| {
            let named = line["fields"]["lock_file"].as_str().unwrap();
            named.ends_with("packages/lock")
        })
    });
    lock.unlock().unwrap();
    server.until_ready();
}

#[test]
fn the_pyodide_of_the_current_directory_is_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let planted = directory.path().join("pyodide-dist");
    std::fs::create_dir(&planted).unwrap();
    for name in [
        "pyodide.mjs",
        "pyodide.asm.mjs",
        "pyodide.asm.wasm",
        "python_stdlib.zip",
        "pyodide-lock.json",
    ] {
        std::fs::write(planted.join(name), "throw new Error('planted')").unwrap();
    }
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(directory.path())
        .env("FAAS_LANGUAGE", "python");
    let server = Server::start_command(command).until_ready();
    assert_eq!(server.python("print(1)").stdout(), "1\n");
}
