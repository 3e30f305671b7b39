//! Versions of packages, by the variables of the services that this one replaces.

use faas_packages::VersionRange;
use faas_packages::WantedVersion;

// A doc comment here would become the program's own description.
#[derive(Clone, Debug, clap::Args)]
pub struct PackageVersions {
    /// Versions of numpy that will do, such as >=2,<3; a warning at the start says if the distribution has
    /// another, which is used all the same
    #[arg(
        long = "numpy-version",
        env = "NUMPY_VERSION",
        value_name = "NUMPY_VERSION",
        allow_hyphen_values = true
    )]
    pub numpy: Option<VersionRange>,

    /// Versions of pandas that will do, such as >=2,<3
    #[arg(
        long = "pandas-version",
        env = "PANDAS_VERSION",
        value_name = "PANDAS_VERSION",
        allow_hyphen_values = true
    )]
    pub pandas: Option<VersionRange>,

    /// Versions of jsonschema that will do, such as >=2,<3
    #[arg(
        long = "jsonschema-version",
        env = "JSONSCHEMA_VERSION",
        value_name = "JSONSCHEMA_VERSION",
        allow_hyphen_values = true
    )]
    pub jsonschema: Option<VersionRange>,

    /// Versions of scipy that will do, such as >=2,<3
    #[arg(
        long = "scipy-version",
        env = "SCIPY_VERSION",
        value_name = "SCIPY_VERSION",
        allow_hyphen_values = true
    )]
    pub scipy: Option<VersionRange>,

    /// Versions of scikit-learn that will do, such as >=2,<3
    #[arg(
        long = "sklearn-version",
        env = "SKLEARN_VERSION",
        value_name = "SKLEARN_VERSION",
        allow_hyphen_values = true
    )]
    pub sklearn: Option<VersionRange>,
}

impl PackageVersions {
    /// Those that are set.
    pub fn wanted(&self) -> Vec<WantedVersion> {
        let all = [
            ("NUMPY_VERSION", "numpy", &self.numpy),
            ("PANDAS_VERSION", "pandas", &self.pandas),
            ("JSONSCHEMA_VERSION", "jsonschema", &self.jsonschema),
            ("SCIPY_VERSION", "scipy", &self.scipy),
            ("SKLEARN_VERSION", "scikit-learn", &self.sklearn),
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
