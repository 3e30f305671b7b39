//! Answers what sandboxes ask about packages.

use bytes::Bytes;
use faas_packages::PackageError;
use faas_packages::Packages;
use faas_protocol::PackageAnswer;
use faas_protocol::PackageRequest;

use super::job_socket::JobSocket;
use super::sandbox::SandboxError;

/// Most questions of one program: an import of everything asks for a few hundred.
const MAX_QUESTIONS: u32 = 2000;

/// Answers what one sandbox asks.
pub struct PackageBroker<'a> {
    packages: &'a Packages,
    questions: u32,
}

impl<'a> PackageBroker<'a> {
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
        let answered = self.find(request).await;
        let answer = match &answered {
            Ok(Found::Contents(bytes)) => PackageAnswer::Contents(bytes),
            Ok(Found::InWheelhouse(there)) => PackageAnswer::InWheelhouse(*there),
            Ok(Found::Provider(package)) => PackageAnswer::Provider(package.as_deref()),
            Err(error) => {
                tracing::info!(kind = error.kind(), %error, "refused a package");
                let reason = error.to_string();
                return socket.send(&PackageAnswer::Refused(&reason)).await;
            }
        };
        socket.send(&answer).await
    }

    async fn find(&self, request: PackageRequest<'_>) -> Result<Found, PackageError> {
        Ok(match request {
            PackageRequest::Project { name } => {
                let answer = self.packages.project(name).await?;
                Found::Contents(Bytes::copy_from_slice(answer.as_bytes()))
            }
            PackageRequest::File { project, file } => {
                Found::Contents(self.packages.file(project, file).await?)
            }
            PackageRequest::DistributionFile { file } => {
                Found::Contents(self.packages.distribution_file(file).await?)
            }
            PackageRequest::InWheelhouse { name } => {
                Found::InWheelhouse(self.packages.in_wheelhouse(name).await?)
            }
            PackageRequest::Provider { module } => {
                Found::Provider(self.packages.provider(module).await?)
            }
        })
    }
}

/// A [`PackageAnswer`] that owns what it says.
enum Found {
    Contents(Bytes),
    InWheelhouse(bool),
    Provider(Option<String>),
}
