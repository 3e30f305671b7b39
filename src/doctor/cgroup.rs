//! The limits of the control group (version 2) that this process is in, and of those above it.

use std::path::Path;
use std::path::PathBuf;

const ROOT: &str = "/sys/fs/cgroup";

/// Limits that are set; `None` where there is none, or where it cannot be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// In bytes.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
}

impl Cgroup {
    pub fn of_this_process() -> Self {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let path = own.lines().find_map(|line| line.strip_prefix("0::"));
        path.map_or_else(Self::default, |path| Self::below(Path::new(ROOT), path))
    }

    fn below(root: &Path, path: &str) -> Self {
        let own = root.join(path.trim_start_matches('/'));
        let groups: Vec<PathBuf> = own
            .ancestors()
            .take_while(|group| group.starts_with(root))
            .map(Path::to_owned)
            .collect();
        let lowest = |file: &str| {
            let limits = groups.iter().filter_map(|group| {
                let text = std::fs::read_to_string(group.join(file)).ok()?;
                // Without a limit it says `max`.
                text.trim().parse().ok()
            });
            limits.min()
        };
        Self {
            memory: lowest("memory.max"),
            tasks: lowest("pids.max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_a_group_and_those_above_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("outer/inner");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("memory.max"), "max\n").unwrap();
        std::fs::write(root.path().join("outer/memory.max"), "1048576\n").unwrap();
        std::fs::write(inner.join("pids.max"), "100\n").unwrap();
        std::fs::write(root.path().join("outer/pids.max"), "200\n").unwrap();
        let expected = Cgroup {
            memory: Some(1 << 20),
            tasks: Some(100),
        };
        assert_eq!(Cgroup::below(root.path(), "/outer/inner"), expected);
        assert_eq!(Cgroup::below(root.path(), "/"), Cgroup::default());
    }
}
