//! Names of projects and files. They come from sandboxes and from indexes: hostile until parsed.

use std::fmt;

use super::error::PackageError;

const MAX_PROJECT: usize = 128;
const MAX_FILE: usize = 255;

/// A project's name, normalised as PEP 503 says: lower case, runs of `-_.` are one `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectName(String);

impl ProjectName {
    /// Checks a name by PEP 508 (ASCII letters, digits, `.`, `_`, `-`; letter or digit at both
    /// ends), at most 128 bytes, and normalises it.
    ///
    /// # Errors
    /// [`PackageError::InvalidName`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let valid = bytes.len() <= MAX_PROJECT
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || is_separator(*byte as char));
        if !valid {
            return Err(invalid("package", text));
        }
        let words = text.split(is_separator).filter(|word| !word.is_empty());
        let normalised = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
        Ok(Self(normalised))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A wheel's file name, `name-version(-build)-python-abi-platform.whl`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WheelName {
    pub file: String,
    pub project: ProjectName,
    /// Whether its tags may suit Pyodide. micropip checks exactly; this spares sandboxes the
    /// hundreds of wheels for other platforms.
    pub runs_here: bool,
}

impl WheelName {
    pub fn parse(file: &str) -> Option<Self> {
        let stem = file.strip_suffix(".whl")?;
        let parts: Vec<&str> = stem.split('-').collect();
        if !is_package_file(file)
            || !matches!(parts.len(), 5 | 6)
            || parts.iter().any(|part| part.is_empty())
        {
            return None;
        }
        let tag = |back: usize| parts[parts.len() - back].split('.');
        let python3 = tag(3).any(|tag| tag.starts_with("py3") || tag.starts_with("cp3"));
        let platform = tag(1).any(|tag| tag == "any" || tag.ends_with("_wasm32"));
        Some(Self {
            file: file.to_owned(),
            project: ProjectName::parse(parts[0]).ok()?,
            runs_here: python3 && platform,
        })
    }
}

/// What a sandbox may request of a project: a wheel, or its metadata (PEP 658).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub wheel: WheelName,
    pub metadata: bool,
}

impl Wanted {
    /// Takes `….whl` or `….whl.metadata` of this project, at most 255 bytes.
    pub fn parse(project: &ProjectName, file: &str) -> Result<Self, PackageError> {
        let (name, metadata) = match file.strip_suffix(".metadata") {
            Some(name) => (name, true),
            None => (file, false),
        };
        WheelName::parse(name)
            .filter(|wheel| is_package_file(file) && wheel.project == *project)
            .map(|wheel| Self { wheel, metadata })
            .ok_or_else(|| invalid("file", file))
    }

    /// The file's name.
    pub fn file(&self) -> String {
        let suffix = if self.metadata { ".metadata" } else { "" };
        format!("{}{suffix}", self.wheel.file)
    }
}

/// Whether a source of packages may have a file of this name: safe in a path, in an address and in a log line.
pub fn is_package_file(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+!-".contains(&byte);
    !name.is_empty()
        && name.len() <= MAX_FILE
        && !name.starts_with('.')
        && name.bytes().all(allowed)
}

pub fn invalid(what: &'static str, name: &str) -> PackageError {
    PackageError::InvalidName {
        what,
        name: name.chars().take(MAX_FILE).collect(),
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn project_names_are_normalised() {
        for (given, normal) in [
            ("Jinja2", "jinja2"),
            ("ruamel.yaml", "ruamel-yaml"),
            ("a-_.b__c", "a-b-c"),
        ] {
            assert_eq!(ProjectName::parse(given).unwrap().as_str(), normal);
        }
    }

    #[test]
    fn bad_project_names_are_refused() {
        let long = "a".repeat(MAX_PROJECT + 1);
        for bad in [
            "", "-a", "a-", "_a", "a/b", "..", "a b", "é", "a\0", "a%2fb", &long,
        ] {
            assert!(ProjectName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn wheel_tags_decide_what_runs_here() {
        let runs = |file| WheelName::parse(file).unwrap().runs_here;
        assert!(runs("six-1.0-py2.py3-none-any.whl"));
        assert!(runs("jiter-0.1-cp314-cp314-pyemscripten_2026_0_wasm32.whl"));
        assert!(runs("x-1!2+local.1-1-py3-none-any.whl"));
        assert!(!runs("old-1.0-py2-none-any.whl"));
        assert!(!runs("jiter-0.1-cp314-cp314-manylinux_2_17_x86_64.whl"));
    }

    #[test]
    fn paths_are_not_file_names() {
        let project = ProjectName::parse("six").unwrap();
        for bad in [
            "../six-1.0-py3-none-any.whl",
            "six-1.0-py3-none-any.whl/..",
            "six-1.0-py3-none-any.whl.metadata.metadata",
            "six-1.0-py3-none-any.tar.gz",
            "six-1.0-py3-none-any.whl\0",
            "six-1.0-py3-none-a%2fy.whl",
            "other-1.0-py3-none-any.whl",
            "https://host/six-1.0-py3-none-any.whl",
            "six-1.0.whl",
            ".whl",
        ] {
            assert!(Wanted::parse(&project, bad).is_err(), "{bad:?}");
        }
        let wanted = Wanted::parse(&project, "SIX-1.0-py3-none-any.whl.metadata").unwrap();
        assert!(wanted.metadata);
    }

    proptest! {
        #[test]
        fn normalising_is_idempotent_and_safe(text in ".*") {
            if let Ok(name) = ProjectName::parse(&text) {
                prop_assert_eq!(&ProjectName::parse(name.as_str()).unwrap(), &name);
                prop_assert!(name.as_str().bytes().all(
                    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
                ));
            }
        }

        #[test]
        fn accepted_files_stay_in_their_directory(text in "[a-z./\\\\%0-9-]{0,40}(\\.whl)?") {
            if let Some(wheel) = WheelName::parse(&text) {
                prop_assert_eq!(std::path::Path::new(&wheel.file).components().count(), 1);
                prop_assert!(!wheel.file.contains(['/', '\\', '%']));
            }
        }

        #[test]
        fn messages_hold_no_control_characters(text in ".{0,300}") {
            let sentence = invalid("file", &text).to_string();
            prop_assert!(!sentence.chars().any(char::is_control));
        }
    }
}
