//! A control group whose memory is limited, as a container's is.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::PROGRAM;
use super::Server;

/// A control group with this limit of memory, in bytes; `None`, said aloud, where this user can make none.
pub fn memory_group(name: &str, limit: u64) -> Option<MemoryGroup> {
    // Of version 2, then of version 1.
    let trees = [
        ("/sys/fs/cgroup", "memory.max"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ];
    let made = trees.into_iter().find_map(|(tree, file)| {
        let group = Path::new(tree).join(format!("faas-test-{name}-{}", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        let group = MemoryGroup(group);
        // Without the controller it would be an ordinary file.
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(group.0.join(file));
        file.and_then(|mut file| file.write_all(limit.to_string().as_bytes()))
            .ok()?;
        Some(group)
    });
    if made.is_none() {
        eprintln!(
            "NOT TRIED: no control group of memory can be made here; it takes root and a writable tree"
        );
    }
    made
}

pub struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// A server with these settings whose memory is that of the group.
    pub fn server(&self, environment: &[(&str, &str)]) -> Server {
        let mut command = Command::new("sh");
        let enter = "echo $$ > \"$1/cgroup.procs\" && exec \"$2\"";
        command.args(["-c", enter, "sh"]).arg(&self.0).arg(PROGRAM);
        command.envs(environment.iter().copied());
        Server::start_command(command).until_ready()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Its processes are gone a moment after they ended.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
