//! Packages that programs have because they import them, and what is remembered of that: a program which was
//! seen before goes straight to a zygote that has them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use faas_packages::Digest;
use faas_packages::Packages;
use faas_protocol::Job;
use faas_protocol::Status;

use super::package_set::PackageSet;
use super::report::Report;
use super::request::ExecutionRequest;

/// Most programs that are remembered. All are forgotten together, which costs each one fork.
const MAX_PROGRAMS: usize = 4096;

/// How long a set that could not be installed is not tried again for programs that only import it: on a
/// machine without a way to the packages, each of them would pay for the attempt.
const FAILED_FOR: Duration = Duration::from_secs(20);
/// How long is looked for which package of a set is to blame.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Most sets that are remembered as failed.
const MAX_FAILED: usize = 256;

/// Packages by the sha256 of programs that import them, with the modules that came with them.
#[derive(Debug, Default)]
pub struct Imports {
    packages: Mutex<HashMap<Digest, Vec<String>>>,
    /// Sets that could not be installed, and when that was.
    failed: Mutex<HashMap<PackageSet, (Instant, NotHad)>>,
}

/// What a program cannot have of what it imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotHad {
    /// The packages that are to blame, for people.
    pub names: String,
    pub reason: String,
    /// The others, which it can have.
    pub rest: Vec<String>,
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
        packages.get(&digest_of(job)).cloned()
    }

    pub fn remember(&self, job: &Job, found: Vec<String>) {
        let mut packages = guard(&self.packages);
        if packages.len() >= MAX_PROGRAMS {
            packages.clear();
        }
        packages.insert(digest_of(job), found);
    }

    /// Why a set could not be installed a moment ago.
    fn failure_of(&self, set: &PackageSet) -> Option<NotHad> {
        let failed = guard(&self.failed);
        let (at, not_had) = failed.get(set)?;
        (at.elapsed() < FAILED_FOR).then(|| not_had.clone())
    }

    fn remember_failure(&self, set: &PackageSet, not_had: NotHad) {
        let mut failed = guard(&self.failed);
        failed.retain(|_, (at, _)| at.elapsed() < FAILED_FOR);
        if failed.len() < MAX_FAILED {
            failed.insert(set.clone(), (Instant::now(), not_had));
        }
    }
}

/// Packages that a program has without asking for them, because it imports them.
#[derive(Debug, Default)]
pub struct Automatic {
    /// What the request asked for itself, while there is more.
    asked: Option<PackageSet>,
    /// What there is more.
    added: Vec<String>,
    missing: Option<NotHad>,
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
        match imports.failure_of(&all) {
            None => {
                self.asked = Some(std::mem::replace(&mut request.packages, all));
                self.added = packages;
            }
            Some(not_had) => self.do_without(not_had, request),
        }
    }

    /// Has the program run without what cannot be installed of what was added: all of it, unless a source
    /// has not what some need. An optional import must not take the others with it.
    pub async fn take_back(
        &mut self,
        reason: String,
        request: &mut ExecutionRequest,
        imports: &Imports,
        packages: &Packages,
    ) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let added = std::mem::take(&mut self.added);
        // A source that hangs is to blame for all.
        let looking = tokio::time::timeout(LOOK_WITHIN, packages.lacking(&added));
        let mut lacking = looking.await.unwrap_or_default();
        if lacking.len() == added.len() {
            lacking.clear();
        }
        let (names, rest) = if lacking.is_empty() {
            (added, Vec::new())
        } else {
            added.into_iter().partition(|name| lacking.contains(name))
        };
        let not_had = NotHad {
            names: names.join(", "),
            reason,
            rest,
        };
        let all = std::mem::replace(&mut request.packages, asked);
        imports.remember_failure(&all, not_had.clone());
        self.do_without(not_had, request);
    }

    fn do_without(&mut self, mut not_had: NotHad, request: &mut ExecutionRequest) {
        if !not_had.rest.is_empty()
            && let Some(with_rest) = request.packages.with(&not_had.rest)
        {
            self.asked = Some(std::mem::replace(&mut request.packages, with_rest));
            self.added.clone_from(&not_had.rest);
        }
        if let Some(before) = self.missing.take() {
            not_had.names = format!("{}, {}", before.names, not_had.names);
            not_had.reason = format!("{}\n{}", before.reason.trim_end(), not_had.reason);
        }
        self.missing = Some(not_had);
    }

    /// Says below a program's own error why it did not find its packages.
    pub fn explain(self, report: &mut Report) {
        if report.status != Status::Error {
            return;
        }
        if let Some(NotHad { names, reason, .. }) = self.missing {
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

/// A program, with the files that it may import: other files do not change what it needs.
fn digest_of(job: &Job) -> Digest {
    let code = Digest::of(job.code.as_bytes());
    let modules = job.files.iter().filter(|file| file.name.ends_with(".py"));
    let named = modules.map(|file| format!("{} {}\n", Digest::of(&file.contents), file.name));
    let named: String = named.collect();
    if named.is_empty() {
        return code;
    }
    Digest::of(format!("{code}\n{named}").as_bytes())
}

/// Locks a mutex. Nothing here panics while it holds one, so poison would mean nothing.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use faas_protocol::JobFile;
    use faas_protocol::Language;
    use faas_protocol::Limits;

    use super::*;

    fn job(code: &str, auto_install: bool) -> Job {
        Job {
            auto_install,
            ..Job::run(Language::Python, code, Limits::default())
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
    fn a_program_with_other_modules_is_another_program() {
        let with = |name: &str, contents: &str| Job {
            files: vec![JobFile {
                name: name.to_owned(),
                contents: contents.as_bytes().to_vec(),
            }],
            ..job("import a", true)
        };
        let imports = Imports::default();
        imports.remember(&with("a.py", "import numpy"), vec!["numpy".to_owned()]);
        assert!(imports.of(&with("a.py", "import numpy")).is_some());
        assert_eq!(imports.of(&with("a.py", "import pandas")), None);
        assert_eq!(imports.of(&with("b.py", "import numpy")), None);
        assert_eq!(imports.of(&job("import a", true)), None);
        imports.remember(&job("import a", true), Vec::new());
        assert!(imports.of(&with("a.csv", "1")).is_some());
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
        let not_had = NotHad {
            names: "numpy".to_owned(),
            reason: "no connection".to_owned(),
            rest: Vec::new(),
        };
        imports.remember_failure(&numpy, not_had.clone());
        assert_eq!(imports.failure_of(&numpy), Some(not_had));
        assert_eq!(imports.failure_of(&pandas), None);
    }
}
