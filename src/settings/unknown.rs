//! Variables of the environment that look like settings but are not.

use clap::Args;
use clap::Command;

use super::Settings;

const PREFIX: &str = "FAAS_";

/// How the names end that Kubernetes gives to addresses of a service called `faas-…`.
const OF_SERVICES: [&str; 3] = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];

/// Their names, in order: mistakes, mostly.
pub fn unknown_variables() -> Vec<String> {
    let command = Settings::augment_args(Command::default());
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(|it| it.get_env())
        .collect();
    let mut unknown: Vec<String> = std::env::vars_os()
        .filter(|(name, _)| !known.contains(&name.as_os_str()))
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !is_of_service(name))
        .collect();
    unknown.sort_unstable();
    unknown
}

fn is_of_service(name: &str) -> bool {
    let by_port = name.contains("_SERVICE_PORT_") || name.contains("_PORT_");
    by_port || OF_SERVICES.iter().any(|end| name.ends_with(end))
}
