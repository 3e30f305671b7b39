//! Paths of files as E2B's clients send them.

use faas_protocol::is_file_name;

use crate::api::ApiError;

/// The working directory of all contexts.
pub const HOME: &str = "/home/user";
/// What Python programs see as it.
const OWN_HOME: &str = "/home/pyodide";

/// The name below the working directory that a path stands for; "" is that directory.
///
/// # Errors
/// 400 for a path that leads elsewhere.
pub fn name_of(path: &str) -> Result<String, ApiError> {
    let homes = [HOME, OWN_HOME, "~"];
    let below = homes.iter().find_map(|home| path.strip_prefix(home));
    let below = match below {
        Some(below) if below.is_empty() || below.starts_with('/') => below,
        _ if path.starts_with('/') || path.starts_with("~") => return Err(elsewhere(path)),
        _ => path,
    };
    let parts = below.split('/').filter(|part| !matches!(*part, "" | "."));
    let name = parts.collect::<Vec<_>>().join("/");
    if !name.is_empty() && !is_file_name(&name) {
        return Err(elsewhere(path));
    }
    Ok(name)
}

/// The name of a file, which the working directory is not.
///
/// # Errors
/// As [`name_of`].
pub fn file_name_of(path: &str) -> Result<String, ApiError> {
    match name_of(path)?.as_str() {
        "" => Err(elsewhere(path)),
        name => Ok(name.to_owned()),
    }
}

/// The whole path of a name below the working directory.
pub fn path_of(name: &str) -> String {
    match name {
        "" => HOME.to_owned(),
        name => format!("{HOME}/{name}"),
    }
}

fn elsewhere(path: &str) -> ApiError {
    let path: String = path.chars().take(64).collect();
    ApiError::bad_request(
        format!("\"{path}\" is no path of a file here"),
        format!("Files are below {HOME}: send a path there without .., of at most 255 bytes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_below_the_working_directory_or_nowhere() {
        for (path, name) in [
            ("a.txt", "a.txt"),
            ("./a/b.txt", "a/b.txt"),
            ("/home/user/a.txt", "a.txt"),
            ("/home/pyodide//a.txt", "a.txt"),
            ("~/a.txt", "a.txt"),
            ("/home/user/", ""),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(name_of(path).unwrap(), name, "{path}");
        }
        let long = "x".repeat(300);
        for path in [
            "/etc/passwd",
            "/home/user2/a",
            "/home/user/../a",
            "../a",
            "a/../../b",
            "~root/a",
            "a\0",
            &long,
        ] {
            assert!(name_of(path).is_err(), "{path}");
        }
        assert!(file_name_of("/home/user").is_err());
    }
}
