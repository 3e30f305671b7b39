//! Removes machine code that nothing uses any more. Each version and each kind of CPU leaves a file of some MiB.

use std::fs::Metadata;
use std::path::Path;
use std::time::Duration;

use crate::code_cache::SOURCE;

/// Each boot with a file says that it was used, so that kinds of CPU that share a directory keep theirs.
const UNUSED_FOR: Duration = Duration::from_hours(30 * 24);
/// Longer than it takes to make machine code. What is older was left by a process that was killed.
const UNFINISHED_FOR: Duration = Duration::from_hours(1);

/// How the names of unfinished files begin.
pub const UNFINISHED: &str = ".unfinished.";

/// Removes what no boot has used for 30 days. Only for a directory whose user the server is: another user cannot
/// note the use of a file.
pub fn remove_unused(directory: &Path) {
    remove(directory, UNUSED_FOR, |name| {
        name.strip_prefix(SOURCE)
            .is_some_and(|rest| rest.ends_with(".code"))
    });
}

/// Removes what a killed `faas-server compile` has left.
pub fn remove_unfinished(directory: &Path) {
    remove(directory, UNFINISHED_FOR, |name| {
        name.starts_with(UNFINISHED)
    });
}

/// What cannot be removed stays: the next start tries again.
fn remove(directory: &Path, after: Duration, is_meant: impl Fn(&str) -> bool) {
    // A file from the future is of a machine whose clock is ahead.
    let is_old = |file: &Metadata| {
        let age = file.modified().ok().and_then(|time| time.elapsed().ok());
        file.is_file() && age.is_some_and(|age| age > after)
    };
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let is_meant = entry.file_name().to_str().is_some_and(&is_meant);
        if is_meant && entry.metadata().is_ok_and(|file| is_old(&file)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    /// Makes files of an age, and says which of them are left.
    fn left_of(files: &[(&str, Duration)], clean: fn(&Path)) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, age) in files {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - *age).unwrap();
        }
        clean(directory.path());
        let entries = directory.path().read_dir().unwrap();
        let mut left: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        left
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn machine_code_that_no_boot_used_for_a_month_is_removed_and_nothing_else() {
        let files = [
            ("pyodide.asm.wasm.00000001.code", DAY * 31),
            ("pyodide.asm.wasm.00000002.code", DAY * 29),
            ("pyodide.asm.wasm", DAY * 31),
            ("other.code", DAY * 31),
            (".unfinished.x", DAY * 31),
        ];
        let expected = [
            ".unfinished.x",
            "other.code",
            "pyodide.asm.wasm",
            "pyodide.asm.wasm.00000002.code",
        ];
        assert_eq!(left_of(&files, remove_unused), expected);
    }

    #[test]
    fn an_unfinished_file_is_removed_when_nothing_can_be_writing_it() {
        let files = [
            (".unfinished.old", DAY),
            (".unfinished.new", Duration::ZERO),
            ("pyodide.asm.wasm.00000001.code", DAY * 31),
        ];
        let expected = [".unfinished.new", "pyodide.asm.wasm.00000001.code"];
        assert_eq!(left_of(&files, remove_unfinished), expected);
    }

    #[test]
    fn a_directory_that_is_not_there_is_no_error() {
        remove_unused(Path::new("/nowhere/compiled"));
    }
}
