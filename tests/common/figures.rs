//! Descriptors, threads and memory of a server's processes, to see whether something is left
//! behind.

use std::collections::BTreeMap;

use super::Server;

/// The figures of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub descriptors: usize,
    pub threads: usize,
    /// Private memory, in KiB.
    pub memory_kib: u64,
    /// Resident memory, in KiB, with what is shared counted in parts (PSS) and in full (RSS).
    pub pss_kib: u64,
    pub rss_kib: u64,
}

impl Figures {
    pub fn of(pid: i32) -> Self {
        let count = |what: &str| {
            std::fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count)
        };
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
        let rollup = rollup.unwrap_or_default();
        let kib = |name: &str| {
            rollup
                .lines()
                .filter(|line| line.starts_with(name))
                .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                .sum()
        };
        Self {
            descriptors: count("fd"),
            threads: count("task"),
            memory_kib: kib("Private_"),
            pss_kib: kib("Pss:"),
            rss_kib: kib("Rss:"),
        }
    }
}

/// Highest resident memory of a process so far, in bytes.
pub fn peak_memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.unwrap().parse::<u64>().unwrap() << 10
}

/// The supervisor, and each of its children by process id, zygotes and waiting sandboxes alike.
#[derive(Debug)]
pub struct Census {
    pub supervisor: Figures,
    pub zygotes: BTreeMap<i32, Figures>,
    pub children: usize,
}

impl Census {
    pub fn take(server: &Server) -> Self {
        let zygotes = server.zygotes();
        Self {
            supervisor: Figures::of(server.pid()),
            zygotes: zygotes
                .into_iter()
                .map(|pid| (pid, Figures::of(pid)))
                .collect(),
            children: server.children().len(),
        }
    }
}
