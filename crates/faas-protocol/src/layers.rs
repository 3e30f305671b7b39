//! The lock-down layers by name.

use serde::Deserialize;
use serde::Serialize;

/// One layer of a sandbox's lock-down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layer {
    NoNewPrivs,
    Descriptors,
    Rlimits,
    Capabilities,
    Seccomp,
    Landlock,
}

impl Layer {
    /// Its name in `/health` and log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoNewPrivs => "no_new_privs",
            Self::Descriptors => "descriptors",
            Self::Rlimits => "rlimits",
            Self::Capabilities => "capabilities",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
        }
    }
}

/// The layers of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Those that are in force in every sandbox.
    pub present: Vec<Layer>,
    /// Those that this machine does not offer.
    pub missing: Vec<Layer>,
}

impl Layers {
    pub fn have(&self, layer: Layer) -> bool {
        self.present.contains(&layer)
    }

    /// Checks that nothing is missing if `required`.
    ///
    /// # Errors
    /// Names what is missing and what to do.
    pub fn require(&self, required: bool) -> Result<(), String> {
        if !required || self.missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<&str> = self.missing.iter().map(|layer| layer.name()).collect();
        Err(format!(
            "this machine lacks these lock-down layers: {}; use a kernel that has them (a container runtime may hide them), or set FAAS_REQUIRE_SANDBOX=0 to do without",
            missing.join(", ")
        ))
    }
}
