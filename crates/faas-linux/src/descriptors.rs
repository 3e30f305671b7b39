//! How many descriptors this process has, and may have.

use rustix::process::Resource;

/// Descriptors that are open, the one that looks among them.
///
/// # Errors
/// The system's error, when `/proc` is missing or no descriptor is left to look with.
pub fn open_descriptors() -> std::io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// The soft limit; `None` if there is none.
pub fn most_descriptors() -> Option<u64> {
    rustix::process::getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_counted_and_the_limit_is_higher() {
        // Other tests of this process open files, too, so the difference of two counts says nothing.
        let files: Vec<_> = (0..100)
            .map(|_| std::fs::File::open("/proc/self/status").unwrap())
            .collect();
        let open = open_descriptors().unwrap();
        assert!(open > files.len(), "{open}");
        assert!(most_descriptors().is_none_or(|most| most >= open as u64));
    }
}
