//! What zygotes are given to install.

use faas_packages::Digest;

/// A wheel that a zygote was given.
#[derive(Clone, Debug)]
pub struct Wheel {
    /// Its file name.
    pub file: String,
    /// Its project, unless it is of the distribution.
    pub project: Option<String>,
    pub digest: Digest,
    /// Whether what had been made of it ahead was used.
    pub was_unpacked: bool,
}
