//! What programs import, so that one which was seen before goes straight to a zygote that has it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use faas_packages::Digest;
use faas_protocol::Job;

use super::package_set::PackageSet;

/// Most programs that are remembered. All are forgotten together, which costs each one fork.
const MAX_PROGRAMS: usize = 4096;

/// How long a set that could not be installed is not tried again for programs that only import it: on a
/// machine without a way to the packages, each of them would pay for the attempt.
const FAILED_FOR: Duration = Duration::from_secs(20);
/// Most sets that are remembered as failed.
const MAX_FAILED: usize = 256;

/// Packages by the sha256 of programs that import them.
#[derive(Debug, Default)]
pub struct Imports {
    packages: Mutex<HashMap<Digest, Vec<String>>>,
    /// Sets that could not be installed, when, and why.
    failed: Mutex<HashMap<PackageSet, (Instant, String)>>,
}

impl Imports {
    /// What a program was seen to import. `None` if it is new, imports nothing that has to be installed, or
    /// is not to have packages that it does not ask for.
    pub fn of(&self, job: &Job) -> Option<Vec<String>> {
        // Most programs import nothing, and need no digest.
        if !job.auto_install || !job.code.contains("import") {
            return None;
        }
        let packages = guard(&self.packages);
        if packages.is_empty() {
            return None;
        }
        packages.get(&Digest::of(job.code.as_bytes())).cloned()
    }

    pub fn remember(&self, job: &Job, found: Vec<String>) {
        let mut packages = guard(&self.packages);
        if packages.len() >= MAX_PROGRAMS {
            packages.clear();
        }
        packages.insert(Digest::of(job.code.as_bytes()), found);
    }

    /// Why a set could not be installed a moment ago.
    pub fn failure_of(&self, set: &PackageSet) -> Option<String> {
        let failed = guard(&self.failed);
        let (at, reason) = failed.get(set)?;
        (at.elapsed() < FAILED_FOR).then(|| reason.clone())
    }

    pub fn remember_failure(&self, set: &PackageSet, reason: &str) {
        let mut failed = guard(&self.failed);
        failed.retain(|_, (at, _)| at.elapsed() < FAILED_FOR);
        if failed.len() < MAX_FAILED {
            failed.insert(set.clone(), (Instant::now(), reason.to_owned()));
        }
    }
}

/// Locks a mutex. Nothing here panics while it holds one, so poison would mean nothing.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use faas_protocol::Invocation;
    use faas_protocol::Language;
    use faas_protocol::Limits;
    use faas_protocol::Task;

    use super::*;

    fn job(code: &str, auto_install: bool) -> Job {
        Job {
            task: Task::Run,
            language: Language::Python,
            code: code.to_owned(),
            input: None,
            invocation: Invocation::default(),
            auto_install,
            files: Vec::new(),
            limits: Limits::default(),
        }
    }

    #[test]
    fn what_a_program_imports_is_known_by_its_text() {
        let imports = Imports::default();
        imports.remember(&job("import numpy", true), vec!["numpy".to_owned()]);
        let found = imports.of(&job("import numpy", true));
        assert_eq!(found, Some(vec!["numpy".to_owned()]));
        assert_eq!(imports.of(&job("import numpy as np", true)), None);
        assert_eq!(imports.of(&job("import numpy", false)), None);
    }

    #[test]
    fn what_is_remembered_of_programs_has_an_end() {
        let imports = Imports::default();
        for number in 0..=MAX_PROGRAMS {
            imports.remember(&job(&format!("import a{number}"), true), Vec::new());
        }
        assert!(guard(&imports.packages).len() <= MAX_PROGRAMS);
    }

    #[test]
    fn a_set_that_failed_is_known_with_its_reason() {
        let imports = Imports::default();
        let [numpy, pandas] = ["numpy", "pandas"].map(|name| PackageSet::new(&[name]).unwrap());
        imports.remember_failure(&numpy, "no connection");
        assert_eq!(imports.failure_of(&numpy).as_deref(), Some("no connection"));
        assert_eq!(imports.failure_of(&pandas), None);
    }
}
