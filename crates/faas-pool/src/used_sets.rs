//! How often package sets are used, kept in a file: those that were used most are prepared again after a
//! restart.
//!
//! The file only says what to install, from the sources of the settings and under the limits of any
//! installation. So one that is missing, damaged or out of date does no harm.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::package_set::PackageSet;

/// Most sets that are counted. Of more, those that were used least are forgotten.
const MAX_SETS: usize = 64;
/// Longest file that is read: more than the largest sets take.
const MAX_BYTES: u64 = 1 << 20;
/// How often what changed is written.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Counts of uses, and the file where they are kept.
#[derive(Debug)]
pub struct UsedSets {
    path: PathBuf,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    uses: HashMap<PackageSet, f64>,
    changed: bool,
}

/// An entry of the file.
#[derive(Serialize, Deserialize)]
struct Entry {
    packages: Vec<String>,
    uses: f64,
}

impl UsedSets {
    /// Reads what earlier runs wrote. Uses count half as much in each run after theirs, so that sets which
    /// are used no longer make room.
    pub fn read(path: PathBuf) -> Self {
        let entries = read(&path).unwrap_or_else(|error| {
            let path = path.display();
            tracing::warn!(%path, %error, "cannot read which package sets were used; none is prepared");
            Vec::new()
        });
        let valid = entries.into_iter().take(MAX_SETS).filter_map(|entry| {
            let set = PackageSet::new(&entry.packages).ok()?;
            (!set.is_empty()).then_some((set, entry.uses / 2.0))
        });
        let uses = valid.collect();
        let changed = false;
        Self {
            path,
            counts: Mutex::new(Counts { uses, changed }),
        }
    }

    /// A program has got a sandbox with these packages.
    pub fn count(&self, set: &PackageSet) {
        let mut counts = self.lock();
        counts.changed = true;
        if let Some(uses) = counts.uses.get_mut(set) {
            *uses += 1.0;
            return;
        }
        if counts.uses.len() >= MAX_SETS
            && let Some(least) = counts
                .uses
                .iter()
                .min_by(|one, other| one.1.total_cmp(other.1))
        {
            let least = least.0.clone();
            counts.uses.remove(&least);
        }
        counts.uses.insert(set.clone(), 1.0);
    }

    /// So many sets at most, the most used first.
    pub fn most_used(&self, most: usize) -> Vec<PackageSet> {
        let sorted = self.sorted().into_iter();
        sorted.take(most).map(|(set, _)| set).collect()
    }

    /// Writes what changes, until `stop` and once more then.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut is_last = false;
        while !is_last {
            tokio::select! {
                () = stop.cancelled() => is_last = true,
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
            if std::mem::take(&mut self.lock().changed) {
                let this = self.clone();
                let saved = tokio::task::spawn_blocking(move || this.save()).await;
                if let Ok(Err(error)) = saved {
                    let path = self.path.display();
                    tracing::warn!(%path, %error, "cannot write which package sets are used");
                }
            }
        }
    }

    /// Replaces the file, so that a crash leaves the one before or the new one.
    fn save(&self) -> io::Result<()> {
        let entries = self.sorted().into_iter().map(|(set, uses)| Entry {
            packages: set.requirements().to_vec(),
            uses,
        });
        let text = serde_json::to_vec(&entries.collect::<Vec<_>>())?;
        let new = self.path.with_extension("new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, &self.path)
    }

    fn sorted(&self) -> Vec<(PackageSet, f64)> {
        let uses = self.lock().uses.clone();
        let mut sorted: Vec<_> = uses.into_iter().collect();
        sorted.sort_by(|(one, its), (other, theirs)| {
            theirs
                .total_cmp(its)
                .then_with(|| one.requirements().cmp(other.requirements()))
        });
        sorted
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &PathBuf) -> io::Result<Vec<Entry>> {
    let mut text = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?.take(MAX_BYTES).read_to_end(&mut text)?,
    };
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(name: &str) -> PackageSet {
        PackageSet::new(&[name]).unwrap()
    }

    #[test]
    fn the_most_used_sets_are_found_again_and_uses_fade() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sets.json");
        let sets = UsedSets::read(path.clone());
        for (name, uses) in [("numpy", 2), ("pandas", 5), ("six", 1)] {
            (0..uses).for_each(|_| sets.count(&set(name)));
        }
        sets.save().unwrap();
        let again = UsedSets::read(path);
        assert_eq!(again.most_used(2), [set("pandas"), set("numpy")]);
        (0..3).for_each(|_| again.count(&set("numpy")));
        assert_eq!(again.most_used(1), [set("numpy")], "4 and half of 5");
    }

    #[test]
    fn only_so_many_sets_are_counted() {
        let sets = UsedSets::read("/nowhere/sets.json".into());
        (0..2).for_each(|_| sets.count(&set("often")));
        for number in 0..2 * MAX_SETS {
            sets.count(&set(&format!("p{number}")));
        }
        let all = sets.most_used(usize::MAX);
        assert_eq!((all.len(), &all[0]), (MAX_SETS, &set("often")));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_as_good_as_none(text in ".{0,60}|\\[\\{\"packages\":\\[\".{0,9}\"\\],\"uses\":[0-9]{0,25}\\}\\]") {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            prop_assert!(UsedSets::read(file.path().to_owned()).most_used(9).len() <= 1);
        }
    }
}
