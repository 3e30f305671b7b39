//! Answers what sandboxes ask about packages.

use bytes::Bytes;

use super::job_socket::JobSocket;
use super::sandbox::SandboxError;
use crate::packages::PackageError;
use crate::packages::Packages;
use crate::protocol::PackageAnswer;
use crate::protocol::PackageRequest;

/// Most questions of one program: an import of everything asks for a few hundred.
const MAX_QUESTIONS: u32 = 2000;

/// The desk that one sandbox asks at.
pub struct Desk<'a> {
    packages: &'a Packages,
    questions: u32,
}

impl<'a> Desk<'a> {
    pub fn new(packages: &'a Packages) -> Self {
        Self {
            packages,
            questions: 0,
        }
    }

    /// Finds the answer and sends it.
    ///
    /// # Errors
    /// When the sandbox is gone.
    pub async fn answer(
        &mut self,
        request: PackageRequest<'_>,
        socket: &mut JobSocket,
    ) -> Result<(), SandboxError> {
        self.questions += 1;
        if self.questions > MAX_QUESTIONS {
            let answer = PackageAnswer::Refused("this program asked for too many packages");
            return socket.send(&answer).await;
        }
        match self.find(request).await {
            Ok(bytes) => socket.send(&PackageAnswer::Found(&bytes)).await,
            Err(error) => {
                tracing::info!(kind = error.kind(), %error, "refused a package");
                let reason = error.to_string();
                socket.send(&PackageAnswer::Refused(&reason)).await
            }
        }
    }

    async fn find(&self, request: PackageRequest<'_>) -> Result<Bytes, PackageError> {
        match request {
            PackageRequest::Project { name } => {
                let answer = self.packages.project(name).await?;
                Ok(Bytes::copy_from_slice(answer.as_bytes()))
            }
            PackageRequest::File { project, file } => self.packages.file(project, file).await,
            PackageRequest::DistributionFile { file } => {
                self.packages.distribution_file(file).await
            }
            PackageRequest::InWheelhouse { name } => {
                let there = self.packages.in_wheelhouse(name).await?;
                Ok(Bytes::from_static(if there { b"1" } else { b"0" }))
            }
            PackageRequest::Provider { module } => {
                let found = self.packages.availability(module).await?;
                Ok(found.map_or_else(Bytes::new, |found| found.package.into()))
            }
        }
    }
}
