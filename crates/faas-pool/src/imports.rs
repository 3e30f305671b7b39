//! What programs import, so that one which was seen before goes straight to a zygote that has it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use faas_packages::Digest;
use faas_protocol::Job;

/// Most programs that are remembered. All are forgotten together, which costs each one fork.
const MAX_PROGRAMS: usize = 4096;

/// Packages by the sha256 of programs that import them.
#[derive(Debug, Default)]
pub struct Imports {
    packages: Mutex<HashMap<Digest, Vec<String>>>,
}

impl Imports {
    /// What a program was seen to import. `None` if it is new, imports nothing that has to be installed, or
    /// is not to have packages that it does not ask for.
    pub fn of(&self, job: &Job) -> Option<Vec<String>> {
        // Most programs import nothing, and need no digest.
        if !job.auto_install || !job.code.contains("import") {
            return None;
        }
        let packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        if packages.is_empty() {
            return None;
        }
        packages.get(&Digest::of(job.code.as_bytes())).cloned()
    }

    pub fn remember(&self, job: &Job, found: Vec<String>) {
        let mut packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        if packages.len() >= MAX_PROGRAMS {
            packages.clear();
        }
        packages.insert(Digest::of(job.code.as_bytes()), found);
    }
}
