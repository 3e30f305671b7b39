//! What `/proc/PID/status` says about a process (proc_pid_status(5)).

/// Sizes of a process's memory, in bytes, and its threads; 0 for a process that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessStatus {
    /// Addresses in use (`VmSize`): what RLIMIT_AS counts.
    pub address_bytes: u64,
    /// Private writable memory, used or not (`VmData`): what RLIMIT_DATA counts.
    pub data_bytes: u64,
    /// Resident memory (`VmRSS`), with pages that other processes share.
    pub resident_bytes: u64,
    /// Highest resident memory so far (`VmHWM`), with pages that other processes share.
    pub peak_resident_bytes: u64,
    /// Resident memory that is not of files (`RssAnon`).
    pub anonymous_bytes: u64,
    /// Such memory that the kernel moved to swap (`VmSwap`).
    pub swapped_bytes: u64,
    /// The kernel's tables for all of it (`VmPTE`).
    pub page_table_bytes: u64,
    /// `Threads`.
    pub threads: u64,
}

impl ProcessStatus {
    /// Reads that of a process.
    ///
    /// # Errors
    /// The system's error, when there is no such process or access is denied.
    pub fn of(pid: i32) -> std::io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string(format!(
            "/proc/{pid}/status"
        ))?))
    }

    /// What the process takes from the machine: memory that is not of files, in use or in swap, and
    /// page tables. A fork begins with its parent's pages, and a page that it writes counts no more
    /// than before.
    pub fn held_bytes(&self) -> u64 {
        self.anonymous_bytes + self.swapped_bytes + self.page_table_bytes
    }

    /// Reads that of this process.
    ///
    /// # Errors
    /// The system's error, when `/proc` is missing.
    pub fn own() -> std::io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string("/proc/self/status")?))
    }

    /// Understands the text of such a file. What is missing or odd is 0.
    pub fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let field = match name {
                "VmSize" => &mut status.address_bytes,
                "VmData" => &mut status.data_bytes,
                "VmRSS" => &mut status.resident_bytes,
                "VmHWM" => &mut status.peak_resident_bytes,
                "RssAnon" => &mut status.anonymous_bytes,
                "VmSwap" => &mut status.swapped_bytes,
                "VmPTE" => &mut status.page_table_bytes,
                "Threads" => &mut status.threads,
                _ => continue,
            };
            let (number, unit) = match value.trim().strip_suffix(" kB") {
                Some(number) => (number, 1024),
                None => (value, 1),
            };
            let number = number.trim().parse::<u64>().unwrap_or_default();
            *field = number.saturating_mul(unit);
        }
        status
    }
}

/// How often a process touched a page for the first time, or wrote one that it shared with another: its minor
/// faults since its fork (proc_pid_stat(5), `minflt`).
///
/// # Errors
/// The system's error, when there is no such process or access is denied.
pub fn minor_faults(pid: i32) -> std::io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(faults_in(&text))
}

/// Whether a process keeps a signal back (proc_pid_status(5), `SigBlk`).
///
/// # Errors
/// The system's error, when there is no such process or access is denied.
pub fn blocks_signal(pid: i32, signal: i32) -> std::io::Result<bool> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mask = text.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(mask & (1 << (signal - 1)) != 0)
}

/// The tenth field. The second, the program's name, is in parentheses and may have spaces and parentheses.
fn faults_in(stat: &str) -> u64 {
    let (_, behind_name) = stat.rsplit_once(')').unwrap_or_default();
    let field = behind_name.split_ascii_whitespace().nth(7);
    field.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Size of a page, in bytes.
pub fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_a_status_file_are_read_in_bytes() {
        let status = "Name:\tx\nVmSize:\t      12 kB\nVmHWM:\t 3 kB\nVmRSS:\t 1 kB\nRssAnon:\t2 kB\nThreads:\t5\n\
                      VmData:\t 7 kB\nVmPTE:\t 4 kB\nVmSwap:\t 8 kB\n";
        let expected = ProcessStatus {
            address_bytes: 12 << 10,
            data_bytes: 7 << 10,
            resident_bytes: 1 << 10,
            peak_resident_bytes: 3 << 10,
            anonymous_bytes: 2 << 10,
            swapped_bytes: 8 << 10,
            page_table_bytes: 4 << 10,
            threads: 5,
        };
        assert_eq!(ProcessStatus::parse(status), expected);
        assert_eq!(expected.held_bytes(), 14 << 10);
    }

    #[test]
    fn faults_are_counted_whatever_the_process_is_called() {
        let stat = "7 (a b) S) R 1 2 3 4 5 6 1234 8 9 10 11";
        assert_eq!(faults_in(stat), 1234);
        assert_eq!(faults_in(""), 0);
        let own = i32::try_from(std::process::id()).unwrap();
        let before = minor_faults(own).unwrap();
        let pages = 1000;
        let touched = vec![1u8; pages * page_bytes() as usize];
        std::hint::black_box(&touched);
        assert!(minor_faults(own).unwrap() >= before + pages as u64 / 2);
    }

    #[test]
    fn a_process_without_memory_or_with_odd_lines_has_zeros() {
        assert_eq!(
            ProcessStatus::parse("State:\tZ (zombie)\nVmSize: much\n:\n"),
            ProcessStatus::default()
        );
    }

    #[test]
    fn this_process_has_memory() {
        let own = ProcessStatus::own().unwrap();
        assert!(own.anonymous_bytes > 0 && own.peak_resident_bytes >= own.anonymous_bytes);
        assert!(own.threads >= 1);
        assert!(own.address_bytes >= own.data_bytes);
        assert!(ProcessStatus::of(i32::MAX).is_err());
    }
}
