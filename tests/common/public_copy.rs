//! The program where every user may run it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use super::PROGRAM;
use super::Server;

/// The user and the group called nobody.
pub const NOBODY: u32 = 65534;

/// A copy of the program and of Pyodide that every user may read; the project's directory may be
/// closed to other users.
pub struct PublicCopy(PathBuf);

impl PublicCopy {
    pub fn make(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("faas-{name}-{}", std::process::id()));
        let copy = Self(directory);
        std::fs::create_dir_all(copy.pyodide()).unwrap();
        std::fs::copy(PROGRAM, copy.program()).unwrap();
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("pyodide-dist");
        for entry in std::fs::read_dir(&original).unwrap().flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), copy.pyodide().join(entry.file_name())).unwrap();
            }
        }
        // With the machine code, so that the server does not make it meanwhile.
        std::fs::create_dir_all(copy.pyodide().join("compiled")).unwrap();
        for entry in std::fs::read_dir(original.join("compiled"))
            .unwrap()
            .flatten()
        {
            std::fs::copy(
                entry.path(),
                copy.pyodide().join("compiled").join(entry.file_name()),
            )
            .unwrap();
        }
        for directory in [&copy.0, &copy.pyodide(), &copy.pyodide().join("compiled")] {
            let everybody = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(directory, everybody).unwrap();
        }
        copy
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn program(&self) -> PathBuf {
        self.0.join("faas-server")
    }

    pub fn pyodide(&self) -> PathBuf {
        self.0.join("pyodide-dist")
    }

    /// The program, to be run by nobody.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/")
            .env("FAAS_PYODIDE_DIR", self.pyodide());
        command
    }
}

impl Drop for PublicCopy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server as a service should be started: by an ordinary user, for whom the kernel's own bars hold, too.
pub fn unprivileged_server(name: &str, environment: &[(&str, &str)]) -> Server {
    let copy = PublicCopy::make(name);
    let workspace = format!("faas-workspace-of-{name}-{}", std::process::id());
    // SAFETY: the call takes nothing and cannot fail.
    let is_root = unsafe { libc::geteuid() == 0 };
    let mut command = match is_root {
        true => copy.command(),
        false => Command::new(PROGRAM),
    };
    command.env("FAAS_WORKSPACE", std::env::temp_dir().join(workspace));
    command.envs(environment.iter().copied());
    // It has booted then, and reads nothing of the copy again.
    Server::start_command(command).until_ready()
}
