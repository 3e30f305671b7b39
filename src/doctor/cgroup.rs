//! The limits of the control groups that this process is in, and of those above them: of version 2, of version 1,
//! where each controller has a tree of its own, and of both.

use std::path::Path;
use std::path::PathBuf;

/// What version 1 has where no limit is set is the largest number of whole pages; nothing that large is a limit.
const NO_LIMIT: u64 = 1 << 62;

/// Limits that are set; `None` where there is none, or where it cannot be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// In bytes.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
}

/// What a controller limits, and the file that has it in each version.
struct Controller {
    name: &'static str,
    file_1: &'static str,
    file_2: &'static str,
}

const MEMORY: Controller = Controller {
    name: "memory",
    file_1: "memory.limit_in_bytes",
    file_2: "memory.max",
};
const PIDS: Controller = Controller {
    name: "pids",
    file_1: "pids.max",
    file_2: "pids.max",
};

impl Cgroup {
    pub fn of_this_process() -> Self {
        Self::below(Path::new("/"))
    }

    /// From `proc` and `sys` in this directory.
    fn below(root: &Path) -> Self {
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
        let groups = read("proc/self/cgroup");
        let mounts = read("proc/self/mountinfo");
        let lowest = |controller: &Controller| {
            let mounts = mounts.lines().filter_map(Mount::parse);
            let limits = mounts.filter_map(|mount| mount.limit(root, &groups, controller));
            limits.min()
        };
        Self {
            memory: lowest(&MEMORY),
            tasks: lowest(&PIDS),
        }
    }
}

/// A tree of control groups that is mounted.
struct Mount<'a> {
    /// The group that is seen at `point`; in a container, often its own.
    group: &'a str,
    point: &'a str,
    /// Of version 1; `None` for version 2.
    controllers: Option<&'a str>,
}

impl<'a> Mount<'a> {
    /// From a line of mountinfo; see proc_pid_mountinfo(5).
    fn parse(line: &'a str) -> Option<Self> {
        let (place, source) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let mut source = source.split(' ');
        let controllers = match source.next()? {
            "cgroup2" => None,
            "cgroup" => Some(source.nth(1)?),
            _ => return None,
        };
        Some(Self {
            group: place.next()?,
            point: place.next()?,
            controllers,
        })
    }

    /// The lowest limit of the group that this process is in and those above it.
    fn limit(&self, root: &Path, groups: &str, controller: &Controller) -> Option<u64> {
        let has = |list: &str| list.split(',').any(|name| name == controller.name);
        let file = match self.controllers {
            None => controller.file_2,
            Some(list) if has(list) => controller.file_1,
            Some(_) => return None,
        };
        let own = groups.lines().find_map(|line| {
            let (list, path) = line.split_once(':')?.1.split_once(':')?;
            match self.controllers {
                None => list.is_empty(),
                Some(_) => has(list),
            }
            .then_some(Path::new(path))
        })?;
        let own = own.strip_prefix(self.group).unwrap_or(own);
        let top = root.join(self.point.trim_start_matches('/'));
        let own: PathBuf = top.join(own.strip_prefix("/").unwrap_or(own));
        // What is outside of what a container sees is not there; the group that it sees is.
        let groups = own.ancestors().take_while(|group| group.starts_with(&top));
        let limits = groups.filter_map(|group| {
            let text = std::fs::read_to_string(group.join(file)).ok()?;
            // Without a limit, version 2 says `max`.
            text.trim().parse().ok()
        });
        limits.filter(|limit| *limit < NO_LIMIT).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits that are found among these files.
    fn found(files: &[(&str, &str)]) -> Cgroup {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Cgroup::below(root.path())
    }

    const VERSION_2: (&str, &str) = (
        "proc/self/mountinfo",
        "22 1 0:20 / /proc rw - proc proc rw\n30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
    );
    const VERSION_1: (&str, &str) = (
        "proc/self/mountinfo",
        "33 32 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         34 32 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
         35 32 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
    );

    #[test]
    fn the_lowest_limit_of_a_group_and_those_above_it_counts() {
        let files = [
            VERSION_2,
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/inner/memory.max", "max\n"),
            ("sys/fs/cgroup/outer/memory.max", "1048576\n"),
            ("sys/fs/cgroup/outer/inner/pids.max", "100\n"),
            ("sys/fs/cgroup/outer/pids.max", "200\n"),
        ];
        let expected = Cgroup {
            memory: Some(1 << 20),
            tasks: Some(100),
        };
        assert_eq!(found(&files), expected);
        assert_eq!(found(&files[..2]), Cgroup::default());
        assert_eq!(found(&[]), Cgroup::default());
    }

    #[test]
    fn limits_of_version_1_are_in_a_tree_for_each_controller() {
        let expected = Cgroup {
            memory: Some(1 << 30),
            tasks: Some(300),
        };
        let files = [
            VERSION_1,
            (
                "proc/self/cgroup",
                "9:memory:/unit\n8:cpu,cpuacct:/other\n7:pids:/unit/inner\n0::/unit\n",
            ),
            (
                "sys/fs/cgroup/memory/unit/memory.limit_in_bytes",
                "1073741824\n",
            ),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/pids/unit/inner/pids.max", "max\n"),
            ("sys/fs/cgroup/pids/unit/pids.max", "300\n"),
            // No controller that is asked for.
            ("sys/fs/cgroup/cpu,cpuacct/other/pids.max", "1\n"),
        ];
        assert_eq!(found(&files), expected);
    }

    #[test]
    fn version_1_without_a_limit_has_none() {
        let files = [
            VERSION_1,
            ("proc/self/cgroup", "9:memory:/\n7:pids:/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        assert_eq!(found(&files), Cgroup::default());
    }

    #[test]
    fn the_group_that_a_container_sees_as_the_first_counts() {
        // Without a namespace of groups, the path is the machine's, of which the container sees the last part.
        let mount = (
            "proc/self/mountinfo",
            "33 32 0:29 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        );
        let limit = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
        for path in ["/docker/1f", "/docker/1f/inner", "/elsewhere"] {
            let groups = format!("9:memory:{path}\n");
            let seen = found(&[mount, ("proc/self/cgroup", &groups), limit]);
            assert_eq!(seen.memory, Some(512 << 20), "{path}");
        }
    }

    #[test]
    fn with_both_versions_the_lowest_limit_counts() {
        let mounts = format!(
            "{}40 32 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            VERSION_1.1
        );
        let files = [
            ("proc/self/mountinfo", mounts.as_str()),
            ("proc/self/cgroup", "7:pids:/a\n0::/a\n"),
            ("sys/fs/cgroup/pids/a/pids.max", "500\n"),
            ("sys/fs/cgroup/unified/a/pids.max", "400\n"),
        ];
        assert_eq!(found(&files).tasks, Some(400));
    }
}
