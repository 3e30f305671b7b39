//! Packages that programs have because they import them, and what is remembered of that: a program which was
//! seen before goes straight to a zygote that has them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use faas_packages::Digest;
use faas_protocol::Job;
use faas_protocol::Status;

use super::ExecutionRequest;
use super::package_set::PackageSet;
use super::report::Report;

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

/// Packages that a program has without asking for them, because it imports them.
#[derive(Debug, Default)]
pub struct Automatic {
    /// What the request asked for itself, while there is more.
    asked: Option<PackageSet>,
    /// Which packages could not be installed, and why.
    missing: Option<(String, String)>,
}

impl Automatic {
    pub fn is_added(&self) -> bool {
        self.asked.is_some()
    }

    /// Has the program run with these packages, too. It is not asked again what it imports.
    pub fn add(
        &mut self,
        packages: Vec<String>,
        request: &mut ExecutionRequest,
        imports: &Imports,
    ) {
        request.job.auto_install = false;
        // More packages than a set may have: the program runs with those that it asked for.
        let Some(all) = request.packages.with(&packages) else {
            return;
        };
        if let Some(reason) = imports.failure_of(&all) {
            self.missing = Some((all.to_string(), reason));
            return;
        }
        self.asked = Some(std::mem::replace(&mut request.packages, all));
    }

    /// Has the program run without them, since they cannot be installed.
    pub fn take_back(&mut self, reason: String, request: &mut ExecutionRequest) {
        if let Some(asked) = self.asked.take() {
            let names = request.packages.to_string();
            request.packages = asked;
            self.missing = Some((names, reason));
        }
    }

    /// Says below a program's own error why it did not find its packages.
    pub fn explain(self, report: &mut Report) {
        if report.status != Status::Error {
            return;
        }
        if let Some((names, reason)) = self.missing {
            if !report.stderr.is_empty() && !report.stderr.ends_with('\n') {
                report.stderr.push('\n');
            }
            let reason = reason.trim_end();
            let line =
                format!("{reason}\nWhat the program imports could not be installed: {names}\n");
            report.stderr.push_str(&line);
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
