//! Has wheels unpacked and compiled, once each, so that the next zygote which installs them need not.
//!
//! A zygote runs code of packages, so nothing that it made may reach another. What is made here comes from
//! an ordinary sandbox of a zygote without packages: it gets the verified wheel, runs a program of ours
//! (js/python/unpack.py) and none of the wheel's code. It may still lie, should the wheel have broken Python's
//! zip reader or compiler. So what it makes is kept under the wheel's digest, and only processes that
//! install this very wheel, and run its code then, are given it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use faas_packages::PackageError;
use faas_packages::Packages;
use faas_protocol::ByteSize;
use faas_protocol::Job;
use faas_protocol::JobFile;
use faas_protocol::Language;
use faas_protocol::Limits;
use faas_protocol::Status;
use tokio::sync::mpsc;

use super::admission::Admission;
use super::execution::Attached;
use super::execution::Execution;
use super::execution::Finished;
use super::report::Report;
use super::sandbox_error::SandboxError;
use super::shelf::NoSandbox;
use super::wheel::Wheel;
use super::zygote_pool::ZygotePool;

const PROGRAM: &str = include_str!("../../../js/python/unpack.py");

/// Wheels that wait to be unpacked, at most. Others are the next time.
pub const MOST_WAITING: usize = 128;
/// How long a wheel waits for a moment in which no program is executed, and how often that is looked for.
const IDLE_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time for one wheel.
const WITHIN: Duration = Duration::from_mins(2);
/// Most that may be made of a wheel, in as many files as a program may hand back: the pieces are of 1 MiB.
const LARGEST: ByteSize = ByteSize::mib(96);
/// Most wheels that are remembered as failed. Beyond it all are tried again.
const MAX_FAILED: usize = 1024;

/// Why a wheel was not unpacked.
#[derive(Debug, thiserror::Error)]
enum NotUnpacked {
    #[error("{0}")]
    Package(#[from] PackageError),
    #[error("there is no sandbox: {0:?}")]
    NoSandbox(NoSandbox),
    #[error("its sandbox broke: {0}")]
    Sandbox(#[from] SandboxError),
    #[error("the program ended as {0}: {1}")]
    Program(&'static str, String),
}

/// What unpacking takes.
pub struct Unpacker {
    pub packages: Packages,
    /// Python's, without packages.
    pub base: Arc<ZygotePool>,
    pub admission: Arc<Admission>,
    /// Memory for one wheel.
    pub memory: ByteSize,
}

impl Unpacker {
    /// Unpacks one wheel after the other until it is dropped.
    pub async fn run(self, mut wheels: mpsc::Receiver<Wheel>) {
        let mut failed = HashSet::new();
        while let Some(wheel) = wheels.recv().await {
            if failed.contains(&wheel.digest) {
                continue;
            }
            match self.unpack(&wheel).await {
                Ok(()) => {}
                // Another zygote may want it later.
                Err(NotUnpacked::NoSandbox(_)) => {}
                Err(error) => {
                    let file = &wheel.file;
                    tracing::info!(file, %error, "a wheel is not unpacked ahead");
                    if failed.len() >= MAX_FAILED {
                        failed.clear();
                    }
                    failed.insert(wheel.digest);
                }
            }
        }
    }

    async fn unpack(&self, wheel: &Wheel) -> Result<(), NotUnpacked> {
        if self.packages.unpacked(wheel.digest).await?.is_some() {
            return Ok(());
        }
        let contents = match &wheel.project {
            Some(project) => self.packages.file(project, &wheel.file).await?,
            None => self.packages.distribution_file(&wheel.file).await?,
        };
        // The source may have another file by now.
        if Packages::digest_of(contents.clone()).await? != wheel.digest {
            return Ok(());
        }
        let job = self.job(&wheel.file, contents.to_vec());
        drop(contents);
        self.until_idle().await;
        let sandbox = self.base.shelf.take().await;
        let execution = Execution::start(sandbox.map_err(NotUnpacked::NoSandbox)?, &job).await?;
        let finished = execution
            .finish(&Packages::none(), Attached::default(), None)
            .await;
        let pieces = match finished {
            Finished::Reported { report, .. } => pieces(*report)?,
            Finished::Lacks(_) => return Ok(()),
        };
        let bytes: usize = pieces.iter().map(Vec::len).sum();
        self.packages.keep_unpacked(wheel.digest, pieces).await?;
        tracing::info!(file = wheel.file, bytes, "unpacked a wheel ahead");
        Ok(())
    }

    /// Waits until no program is executed, but not for ever. It takes no worker from programs, only CPU time.
    async fn until_idle(&self) {
        let idle = async {
            while self.admission.executing() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // If the time is over, it is done beside them.
        let _ = tokio::time::timeout(IDLE_WITHIN, idle).await;
    }

    fn job(&self, file: &str, contents: Vec<u8>) -> Job {
        let limits = Limits {
            wall: WITHIN,
            cpu: WITHIN,
            memory: self.memory,
            output: ByteSize::kib(4),
            return_value: ByteSize::kib(4),
            files: LARGEST,
            storage: LARGEST,
        };
        Job {
            input: Some(serde_json::Value::from(file).to_string()),
            files: vec![JobFile {
                name: file.to_owned(),
                contents,
            }],
            ..Job::run(Language::Python, PROGRAM, limits)
        }
    }
}

/// What a sandbox handed back, whatever it is.
fn pieces(report: Report) -> Result<Vec<Vec<u8>>, NotUnpacked> {
    if report.status != Status::Success {
        let last = report.stderr.lines().last().unwrap_or_default();
        return Err(NotUnpacked::Program(report.status.name(), last.to_owned()));
    }
    Ok(report.files.into_iter().map(|file| file.contents).collect())
}
