//! Versions of packages, by the variables of the services that this one replaces.

use faas_packages::VersionRange;
use faas_packages::WantedVersion;

// A doc comment here would become the program's own description.
#[derive(Clone, Debug, clap::Args)]
pub struct PackageVersions {
    /// Versions of numpy that will do, such as >=2,<3; a warning at the start says if the distribution has
    /// another, which is used all the same
    #[arg(long, env = "NUMPY_VERSION", value_name = "NUMPY_VERSION")]
    pub numpy_version: Option<VersionRange>,

    /// Versions of pandas that will do, such as >=2,<3
    #[arg(long, env = "PANDAS_VERSION", value_name = "PANDAS_VERSION")]
    pub pandas_version: Option<VersionRange>,

    /// Versions of jsonschema that will do, such as >=2,<3
    #[arg(long, env = "JSONSCHEMA_VERSION", value_name = "JSONSCHEMA_VERSION")]
    pub jsonschema_version: Option<VersionRange>,

    /// Versions of scipy that will do, such as >=2,<3
    #[arg(long, env = "SCIPY_VERSION", value_name = "SCIPY_VERSION")]
    pub scipy_version: Option<VersionRange>,

    /// Versions of scikit-learn that will do, such as >=2,<3
    #[arg(long, env = "SKLEARN_VERSION", value_name = "SKLEARN_VERSION")]
    pub sklearn_version: Option<VersionRange>,
}

impl PackageVersions {
    /// Those that are set.
    pub fn wanted(&self) -> Vec<WantedVersion> {
        let all = [
            ("NUMPY_VERSION", "numpy", &self.numpy_version),
            ("PANDAS_VERSION", "pandas", &self.pandas_version),
            ("JSONSCHEMA_VERSION", "jsonschema", &self.jsonschema_version),
            ("SCIPY_VERSION", "scipy", &self.scipy_version),
            ("SKLEARN_VERSION", "scikit-learn", &self.sklearn_version),
        ];
        let wanted = all.into_iter().filter_map(|(setting, project, range)| {
            let range = range.clone()?;
            Some(WantedVersion {
                setting,
                project,
                range,
            })
        });
        wanted.collect()
    }
}
