//! What the kernel reports about processes: CPU time, memory, descriptors, threads.

#[path = "../../tests/common/children.rs"]
mod children;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use children::children;

/// CPU time, split as the kernel splits it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
}

impl Cpu {
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

impl std::ops::Sub for Cpu {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
        }
    }
}

impl std::ops::Add for Cpu {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            user: self.user + other.user,
            system: self.system + other.system,
        }
    }
}

/// CPU seconds of a process, of its children that were reaped, and of its living descendants.
pub fn tree_cpu(pid: i32) -> Cpu {
    let own = stat(pid).map_or(Cpu::default(), |stat| stat.cpu);
    children(pid)
        .into_iter()
        .fold(own, |sum, child| sum + tree_cpu(child))
}

/// CPU seconds of the children of this process that it reaped.
pub fn reaped_cpu() -> Cpu {
    usage(libc::RUSAGE_CHILDREN)
}

/// CPU time of this process.
pub fn own_cpu() -> Duration {
    Duration::from_secs_f64(usage(libc::RUSAGE_SELF).total())
}

fn usage(who: libc::c_int) -> Cpu {
    // SAFETY: all-zero is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one rusage to a live local.
    unsafe { libc::getrusage(who, &raw mut usage) };
    Cpu {
        user: seconds(usage.ru_utime),
        system: seconds(usage.ru_stime),
    }
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

/// Waits for a child and returns its peak resident memory in MiB.
pub fn reap(pid: i32) -> f64 {
    let mut status = 0;
    // SAFETY: all-zero is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals; the process is a child that nobody else reaps.
    unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    usage.ru_maxrss as f64 / 1024.0
}

struct Stat {
    cpu: Cpu,
    threads: u64,
    started: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain spaces; fields count from behind it, the third of proc(5) being 0 here.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // SAFETY: sysconf takes a number and has no effect.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    Some(Stat {
        cpu: Cpu {
            user: (number(11)? + number(13)?) as f64 / ticks,
            system: (number(12)? + number(14)?) as f64 / ticks,
        },
        threads: number(17)?,
        started: number(19)?,
    })
}

/// A process and all that descends from it.
pub fn tree(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    all.extend(children(pid).into_iter().flat_map(tree));
    all
}

/// A zygote and its forks. A fork has the command line of its zygote, and the zygote is the oldest
/// that has it.
#[derive(Clone, Debug)]
pub struct Family {
    /// The runtime that the zygote booted.
    pub runtime: String,
    pub zygote: i32,
    pub sandboxes: Vec<i32>,
}

/// The children of a server.
pub fn families(supervisor: i32) -> Vec<Family> {
    let mut groups = BTreeMap::<String, BTreeSet<(u64, i32)>>::new();
    for child in children(supervisor) {
        let command = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        let started = stat(child).map_or(u64::MAX, |stat| stat.started);
        groups.entry(command).or_default().insert((started, child));
    }
    let families = groups.into_iter().filter_map(|(command, group)| {
        let mut arguments = command.split('\0').skip_while(|word| *word != "--runtime");
        let mut group = group.into_iter().map(|(_, pid)| pid);
        Some(Family {
            runtime: arguments.nth(1).unwrap_or("unknown").to_owned(),
            zygote: group.next()?,
            sandboxes: group.collect(),
        })
    });
    families.collect()
}

/// Memory of a process in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident, with shared memory counted in full.
    pub rss: f64,
    /// Resident, with shared memory divided by the number of processes that share it.
    pub pss: f64,
    /// Resident and not shared.
    pub private: f64,
    /// The kernel's page tables for it, which none of the others counts.
    pub page_tables: f64,
}

impl std::ops::Add for Memory {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            rss: self.rss + other.rss,
            pss: self.pss + other.pss,
            private: self.private + other.private,
            page_tables: self.page_tables + other.page_tables,
        }
    }
}

impl std::ops::Div<f64> for Memory {
    type Output = Self;
    fn div(self, parts: f64) -> Self {
        Self {
            rss: self.rss / parts,
            pss: self.pss / parts,
            private: self.private / parts,
            page_tables: self.page_tables / parts,
        }
    }
}

pub fn memory(pid: i32) -> Memory {
    let rollup = fields(format!("/proc/{pid}/smaps_rollup").as_ref());
    let status = fields(format!("/proc/{pid}/status").as_ref());
    let mebibytes = |fields: &BTreeMap<String, f64>, name: &str| {
        fields.get(name).copied().unwrap_or_default() / 1024.0
    };
    Memory {
        rss: mebibytes(&rollup, "Rss"),
        pss: mebibytes(&rollup, "Pss"),
        private: mebibytes(&rollup, "Private_Clean") + mebibytes(&rollup, "Private_Dirty"),
        page_tables: mebibytes(&status, "VmPTE"),
    }
}

/// Memory of several processes together.
pub fn memory_of(pids: &[i32]) -> Memory {
    pids.iter()
        .fold(Memory::default(), |sum, pid| sum + memory(*pid))
}

/// Available memory of the machine, in MiB.
pub fn available_memory() -> f64 {
    let fields = fields("/proc/meminfo".as_ref());
    fields.get("MemAvailable").copied().unwrap_or_default() / 1024.0
}

/// The numbers of a `/proc` file made of lines like `Name:   123 kB`.
fn fields(path: &Path) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some((name.to_owned(), value))
    });
    lines.collect()
}

/// Open descriptors.
pub fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

pub fn threads(pid: i32) -> u64 {
    stat(pid).map_or(0, |stat| stat.threads)
}
