//! What there is to run programs with, and which of it a version means.

use faas_protocol::Language;
use serde::Serialize;

use crate::api::ApiError;
use crate::api::AppState;

/// A language, as Piston lists it.
#[derive(Clone, Debug, Serialize)]
pub struct Runtime {
    pub language: &'static str,
    pub version: String,
    aliases: &'static [&'static str],
    /// What runs it.
    runtime: &'static str,
    #[serde(skip)]
    pub is: Language,
}

/// Other names of a language, and what runs it.
const fn described(language: Language) -> (&'static [&'static str], &'static str) {
    match language {
        Language::Python => (&["py", "py3", "python3"], "pyodide"),
        Language::JavaScript => (
            &["js", "node", "nodejs", "node-js", "node-javascript"],
            "v8",
        ),
        Language::TypeScript => (&["ts", "node-ts"], "v8"),
    }
}

/// What there is.
pub fn all(state: &AppState) -> Vec<Runtime> {
    let zygotes = state.pool.zygotes();
    let served = Language::ALL
        .into_iter()
        .filter(|language| state.settings.serves(*language));
    let runtimes = served.map(|language| {
        let zygote = zygotes.get(&language.runtime());
        let booted = zygote.and_then(|zygote| zygote.booted());
        let version = booted.map(|booted| {
            let version = &booted.version;
            version.language.as_deref().unwrap_or(&version.engine)
        });
        let (aliases, runtime) = described(language);
        Runtime {
            language: language.name(),
            version: three_numbers(version.unwrap_or_default()),
            aliases,
            runtime,
            is: language,
        }
    });
    runtimes.collect()
}

/// Their names with their versions.
pub fn names(state: &AppState) -> String {
    let all = all(state).into_iter();
    let names: Vec<_> = all
        .map(
            |Runtime {
                 language, version, ..
             }| format!("{language}-{version}"),
        )
        .collect();
    names.join(", ")
}

/// The one that a request means.
///
/// # Errors
/// 400 with those that there are.
pub fn find(language: &str, version: &str, state: &AppState) -> Result<Runtime, ApiError> {
    let mut all = all(state).into_iter();
    let found = all.find(|runtime| {
        let is_named = runtime.language == language || runtime.aliases.contains(&language);
        is_named && matches(version, &runtime.version)
    });
    found.ok_or_else(|| {
        let wanted: String = format!("{language}-{version}").chars().take(64).collect();
        ApiError::bad_request(
            format!("{wanted} runtime is unknown"),
            format!("The runtimes are {}; version * means any", names(state)),
        )
    })
}

/// A version of three numbers, as semantic versioning has it: V8 has four.
fn three_numbers(version: &str) -> String {
    let mut numbers = numbers(version);
    numbers.resize(3, 0);
    let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
    numbers.join(".")
}

/// The numbers that a version begins with.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(['.', '-', '+']);
    parts.map_while(|part| part.parse().ok()).collect()
}

/// Whether a version is of a range: `*`, `3`, `3.x`, `3.14.2`, `^3.10.0`, `~3.14`, `>=3.10`.
fn matches(range: &str, version: &str) -> bool {
    let range = range.trim();
    let is_operator = |c: char| matches!(c, '^' | '~' | '>' | '=' | '<');
    let bare = range.trim_start_matches(is_operator);
    let operator = &range[..range.len() - bare.len()];
    let bare = bare.trim().trim_start_matches('v');
    let (wanted, has) = (numbers(bare), numbers(version));
    let agree = |parts: usize| {
        let parts = parts.min(wanted.len());
        wanted.get(..parts) == has.get(..parts)
    };
    let is_any = matches!(bare, "" | "*" | "x" | "X");
    if wanted.is_empty() {
        return is_any;
    }
    match operator {
        "" | "=" => agree(3),
        "^" => agree(1) && has >= wanted,
        "~" => agree(2) && has >= wanted,
        ">=" => has >= wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_matches_the_ranges_that_it_is_of() {
        for range in [
            "*",
            "x",
            "",
            "3",
            "3.x",
            "3.14",
            "3.14.2",
            "=3.14.2",
            "v3.14.2",
            "^3.10.0",
            "~3.14",
            "~3.14.1",
            ">=3.10",
            ">= 3.14.2",
        ] {
            assert!(matches(range, "3.14.2"), "{range}");
        }
        for range in [
            "2", "3.1", "3.10.0", "3.14.3", "^2.7", "^3.15", "~3.13", "~3.14.3", ">=3.15", "<4",
            "latest",
        ] {
            assert!(!matches(range, "3.14.2"), "{range}");
        }
    }

    #[test]
    fn a_version_has_three_numbers() {
        assert_eq!(three_numbers("15.0.245.2-rusty"), "15.0.245");
        assert_eq!(three_numbers("3.14.2"), "3.14.2");
        assert_eq!(three_numbers(""), "0.0.0");
    }
}
