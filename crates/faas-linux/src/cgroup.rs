//! The limits of the control groups that this process is in, and of those above them: of version 2, of version 1,
//! where each controller has a tree of its own, and of both. And how much memory they have left.

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

/// Memory that may be used, by this process among others, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRoom {
    pub most: u64,
    /// What is not used, or can be had back at once: files that the kernel has read and does not need.
    pub left: u64,
}

impl MemoryRoom {
    /// The machine's, and that of each control group above this process that has a limit.
    pub fn of_all() -> Vec<Self> {
        Self::below(Path::new("/"))
    }

    /// The machine's; `None` where it cannot be read.
    pub fn of_the_machine() -> Option<Self> {
        Self::of_meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }

    /// From `proc` and `sys` in this directory.
    fn below(root: &Path) -> Vec<Self> {
        let machine = std::fs::read_to_string(root.join("proc/meminfo"));
        let machine = machine.ok().and_then(|text| Self::of_meminfo(&text));
        let of_groups = groups(root, &MEMORY);
        let of_groups = of_groups.iter().filter_map(Group::memory_room);
        machine.into_iter().chain(of_groups).collect()
    }

    fn of_meminfo(text: &str) -> Option<Self> {
        Some(Self {
            most: field(text, "MemTotal:")?.saturating_mul(1024),
            left: field(text, "MemAvailable:")?.saturating_mul(1024),
        })
    }
}

/// The number behind a name, in a text with a name and a number in each line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| (words.next()? == name).then(|| words.next()?.parse().ok())?)
}

/// A control group that limits something for this process.
struct Group {
    directory: PathBuf,
    is_version_1: bool,
}

impl Group {
    /// The number in one of its files; none where there is no limit.
    fn number(&self, file_1: &str, file_2: &str) -> Option<u64> {
        let file = if self.is_version_1 { file_1 } else { file_2 };
        let text = std::fs::read_to_string(self.directory.join(file)).ok()?;
        // Without a limit, version 2 says `max`.
        let number = text.trim().parse().ok()?;
        (number < NO_LIMIT).then_some(number)
    }

    fn limit(&self, controller: &Controller) -> Option<u64> {
        self.number(controller.file_1, controller.file_2)
    }

    fn memory_room(&self) -> Option<MemoryRoom> {
        let most = self.limit(&MEMORY)?;
        let used = self.number("memory.usage_in_bytes", "memory.current")?;
        let details = std::fs::read_to_string(self.directory.join("memory.stat"));
        let unused_files = match self.is_version_1 {
            true => "total_inactive_file",
            false => "inactive_file",
        };
        let unused_files = field(&details.unwrap_or_default(), unused_files).unwrap_or_default();
        let needed = used.saturating_sub(unused_files);
        let left = most.saturating_sub(needed);
        Some(MemoryRoom { most, left })
    }
}

/// The control groups of this process that a controller has, from `proc` and `sys` in this directory.
fn groups(root: &Path, controller: &Controller) -> Vec<Group> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
    let groups = read("proc/self/cgroup");
    let mounts = read("proc/self/mountinfo");
    let mounts = mounts.lines().filter_map(Mount::parse);
    mounts
        .flat_map(|mount| mount.groups(root, &groups, controller))
        .collect()
}

impl Cgroup {
    pub fn of_this_process() -> Self {
        Self::below(Path::new("/"))
    }

    /// From `proc` and `sys` in this directory.
    fn below(root: &Path) -> Self {
        let lowest = |controller: &Controller| {
            let groups = groups(root, controller);
            groups
                .iter()
                .filter_map(|group| group.limit(controller))
                .min()
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

    /// The group that this process is in and those above it, as far as they are seen here.
    fn groups(&self, root: &Path, groups: &str, controller: &Controller) -> Vec<Group> {
        let has = |list: &str| list.split(',').any(|name| name == controller.name);
        let own = groups.lines().find_map(|line| {
            let (list, path) = line.split_once(':')?.1.split_once(':')?;
            match self.controllers {
                None => list.is_empty(),
                Some(of_mount) => has(list) && has(of_mount),
            }
            .then_some(Path::new(path))
        });
        let Some(own) = own else {
            return Vec::new();
        };
        let own = own.strip_prefix(self.group).unwrap_or(own);
        let top = root.join(self.point.trim_start_matches('/'));
        let own: PathBuf = top.join(own.strip_prefix("/").unwrap_or(own));
        // What is outside of what a container sees is not there; the group that it sees is.
        let groups = own.ancestors().take_while(|group| group.starts_with(&top));
        let group = |directory: &Path| Group {
            directory: directory.to_owned(),
            is_version_1: self.controllers.is_some(),
        };
        groups.map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits that are found among these files.
    fn found(files: &[(&str, &str)]) -> Cgroup {
        Cgroup::below(written(files).path())
    }

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
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
    #[test]
    fn memory_that_is_left_is_what_a_limit_leaves_and_files_that_are_not_needed() {
        let meminfo = (
            "proc/meminfo",
            "MemTotal: 4096 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n",
        );
        let machine = MemoryRoom {
            most: 4 << 20,
            left: 1 << 20,
        };
        let group = MemoryRoom {
            most: 1000,
            left: 300,
        };
        let version_2 = [
            meminfo,
            VERSION_2,
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/inner/memory.max", "max\n"),
            ("sys/fs/cgroup/outer/inner/memory.current", "600\n"),
            ("sys/fs/cgroup/outer/memory.max", "1000\n"),
            ("sys/fs/cgroup/outer/memory.current", "900\n"),
            (
                "sys/fs/cgroup/outer/memory.stat",
                "anon 1\ninactive_file 200\n",
            ),
        ];
        let rooms = MemoryRoom::below(written(&version_2).path());
        assert_eq!(rooms, [machine, group]);
        let version_1 = [
            meminfo,
            VERSION_1,
            ("proc/self/cgroup", "9:memory:/unit\n"),
            ("sys/fs/cgroup/memory/unit/memory.limit_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/unit/memory.usage_in_bytes", "900\n"),
            (
                "sys/fs/cgroup/memory/unit/memory.stat",
                "inactive_file 1\ntotal_inactive_file 200\n",
            ),
        ];
        let rooms = MemoryRoom::below(written(&version_1).path());
        assert_eq!(rooms, [machine, group]);
        assert_eq!(MemoryRoom::below(written(&[]).path()), []);
    }
}
