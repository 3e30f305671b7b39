//! Answers what sandboxes ask about packages.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use faas_packages::Digest;
use faas_packages::PackageError;
use faas_packages::Packages;
use faas_packages::is_package_file;
use faas_protocol::ByteSize;
use faas_protocol::PackageAnswer;
use faas_protocol::PackageRequest;

use super::job_socket::JobSocket;
use super::progress::Progress;
use super::sandbox_error::SandboxError;
use super::wheel::Wheel;

/// How the file names of wheels end.
const WHEEL: &str = ".whl";
/// Most questions of one program: an import of everything asks for a few hundred.
const MAX_QUESTIONS: u32 = 2000;
/// Most modules that packages are looked for without being asked for. More than a set has room for.
const MAX_IMPORTS: usize = 200;
/// Most names that the index does not know. Each reaches the index, so more would carry data out.
const MAX_UNKNOWN: u32 = 100;

/// Answers what one sandbox asks, and logs once what it was refused.
pub struct PackageBroker {
    packages: Packages,
    /// Of a zygote: where to say which files it is given.
    progress: Option<Progress>,
    questions: u32,
    unknown: u32,
    refused: u32,
    first_refusal: Option<PackageError>,
    /// The wheels that it was given packed, by their file names.
    given: HashMap<String, Wheel>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("the sandbox is gone: {0}")]
    Gone(SandboxError),
    #[error("the program asked about packages more than {MAX_QUESTIONS} times")]
    TooManyQuestions,
}

impl PackageBroker {
    /// For a program that may have so much memory.
    pub fn for_program(packages: &Packages, memory: ByteSize) -> Self {
        Self::new(packages.within(memory.get()), None)
    }

    /// For a zygote that installs packages.
    pub fn for_zygote(packages: &Packages, progress: Progress) -> Self {
        Self::new(packages.clone(), Some(progress))
    }

    fn new(packages: Packages, progress: Option<Progress>) -> Self {
        Self {
            packages,
            progress,
            questions: 0,
            unknown: 0,
            refused: 0,
            first_refusal: None,
            given: HashMap::new(),
        }
    }

    /// The wheels that it was given and had to unpack itself.
    pub fn wheels(&self) -> Vec<Wheel> {
        let packed = self.given.values().filter(|wheel| !wheel.was_unpacked);
        packed.cloned().collect()
    }

    /// Finds the answer and sends it.
    ///
    /// # Errors
    /// When the sandbox is gone, or asked too often.
    pub async fn answer(
        &mut self,
        request: PackageRequest<'_>,
        socket: &mut JobSocket,
    ) -> Result<(), BrokerError> {
        self.questions += 1;
        if self.questions > MAX_QUESTIONS {
            return Err(BrokerError::TooManyQuestions);
        }
        let sent = match self.find(request).await {
            Ok(Found::Contents(bytes)) => socket.send_contents(bytes).await,
            Ok(Found::InWheelhouse(there)) => {
                socket.send(&PackageAnswer::InWheelhouse(there)).await
            }
            Ok(Found::RunHere) => socket.send(&PackageAnswer::RunHere).await,
            Ok(Found::NotUnpacked) => socket.send(&PackageAnswer::NotUnpacked).await,
            Ok(Found::Provider(package)) => {
                let answer = PackageAnswer::Provider(package.as_deref());
                socket.send(&answer).await
            }
            Err(error) => {
                let reason = error.to_string();
                self.refused += 1;
                self.first_refusal.get_or_insert(error);
                socket.send(&PackageAnswer::Refused(&reason)).await
            }
        };
        sent.map_err(BrokerError::Gone)
    }

    /// Packages to be installed for a program without its asking: those of the operator's own sources that
    /// have these modules, one a line.
    pub async fn packages_for(&self, modules: &str) -> Vec<String> {
        let mut found = Vec::new();
        for module in modules.lines().take(MAX_IMPORTS) {
            // A source that fails has nothing; the program's own import says what is missing.
            if let Ok(Some(package)) = self.packages.own_provider(module).await {
                found.push(package);
            }
        }
        found
    }

    async fn find(&mut self, request: PackageRequest<'_>) -> Result<Found, PackageError> {
        let asks_index = match request {
            PackageRequest::Project { .. }
            | PackageRequest::File { .. }
            | PackageRequest::Provider { .. } => self.packages.has_index(),
            PackageRequest::DistributionFile { .. }
            | PackageRequest::UnpackedDistribution { .. }
            | PackageRequest::UnpackedFile { .. }
            | PackageRequest::InWheelhouse { .. }
            | PackageRequest::Imports { .. } => false,
        };
        if asks_index && self.unknown >= MAX_UNKNOWN {
            return Err(PackageError::TooManyUnknown(MAX_UNKNOWN));
        }
        let found = self.look_up(request).await;
        let is_unknown = matches!(
            found,
            Ok(Found::Provider(None)) | Err(PackageError::NotFound(_))
        );
        self.unknown += u32::from(asks_index && is_unknown);
        found
    }

    /// Whether it is given wheels unpacked. They take more memory, and what a program may have must not
    /// depend on what was unpacked before.
    fn takes_unpacked(&self) -> bool {
        self.progress.is_some()
    }

    /// Gets a file, and says so to those who wait for it.
    async fn get(
        &self,
        file: &str,
        contents: impl Future<Output = Result<Bytes, PackageError>>,
    ) -> Result<Bytes, PackageError> {
        let Some(progress) = self.progress.as_ref().filter(|_| is_package_file(file)) else {
            return contents.await;
        };
        progress.fetch(file);
        let contents = contents.await;
        progress.fetched(contents.as_ref().ok().map(|bytes| bytes.len() as u64));
        contents
    }

    async fn look_up(&mut self, request: PackageRequest<'_>) -> Result<Found, PackageError> {
        let packages = &self.packages;
        Ok(match request {
            PackageRequest::Project { name } => {
                let answer: Arc<[u8]> = packages.project(name).await?.into();
                Found::Contents(Bytes::from_owner(answer))
            }
            PackageRequest::File { project, file } => {
                let contents = self.get(file, packages.file(project, file)).await?;
                if self.takes_unpacked() && file.ends_with(WHEEL) {
                    let digest = Packages::digest_of(contents.clone()).await?;
                    self.give(file, Some(project), digest);
                }
                Found::Contents(contents)
            }
            PackageRequest::DistributionFile { file } => {
                let contents = self.get(file, packages.distribution_file(file)).await?;
                if self.takes_unpacked() && file.ends_with(WHEEL) {
                    let digest = packages.distribution_digest(file)?;
                    self.give(file, None, digest);
                }
                Found::Contents(contents)
            }
            PackageRequest::UnpackedDistribution { .. } if !self.takes_unpacked() => {
                Found::NotUnpacked
            }
            PackageRequest::UnpackedDistribution { file } => {
                let wheel = packages.distribution_digest(file)?;
                let unpacked = unpacked(packages, wheel).await;
                if let (Some(progress), Some(bytes)) = (&self.progress, &unpacked) {
                    progress.fetch(file);
                    progress.fetched(Some(bytes.len() as u64));
                }
                unpacked.into()
            }
            PackageRequest::UnpackedFile { file } => match self.given.get_mut(file) {
                Some(wheel) => {
                    let unpacked = unpacked(packages, wheel.digest).await;
                    wheel.was_unpacked = unpacked.is_some();
                    unpacked.into()
                }
                None => Found::NotUnpacked,
            },
            PackageRequest::InWheelhouse { name } => {
                Found::InWheelhouse(packages.in_wheelhouse(name).await?)
            }
            PackageRequest::Provider { module } => {
                Found::Provider(packages.provider(module).await?)
            }
            // Those that lead elsewhere are not answered (see `execution`).
            PackageRequest::Imports { .. } => Found::RunHere,
        })
    }
}

/// What was made ahead of a wheel. A cache that fails has nothing.
async fn unpacked(packages: &Packages, wheel: Digest) -> Option<Bytes> {
    let unpacked = packages.unpacked(wheel).await;
    unpacked.unwrap_or_else(|error| {
        tracing::warn!(%wheel, error = error.in_full(), "cannot read an unpacked wheel");
        None
    })
}

impl PackageBroker {
    fn give(&mut self, file: &str, project: Option<&str>, digest: Digest) {
        let wheel = Wheel {
            file: file.to_owned(),
            project: project.map(str::to_owned),
            digest,
            was_unpacked: false,
        };
        self.given.insert(file.to_owned(), wheel);
    }
}

impl Drop for PackageBroker {
    fn drop(&mut self) {
        if let Some(first) = &self.first_refusal {
            tracing::info!(
                refused = self.refused,
                kind = first.kind(),
                first = first.in_full(),
                "refused packages"
            );
        }
    }
}

/// A [`PackageAnswer`] that owns what it says.
enum Found {
    Contents(Bytes),
    InWheelhouse(bool),
    Provider(Option<String>),
    RunHere,
    NotUnpacked,
}

impl From<Option<Bytes>> for Found {
    fn from(unpacked: Option<Bytes>) -> Self {
        unpacked.map_or(Self::NotUnpacked, Self::Contents)
    }
}
