//! Languages and the runtimes that execute them: all that differs between them, apart from the
//! engines (faas-engine). A third runtime is an entry here and an engine there.

use serde::Deserialize;
use serde::Serialize;

/// The language of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    Python,
    JavaScript,
    TypeScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Python, Self::JavaScript, Self::TypeScript];

    /// What is meant where no language is named: the first of the table.
    pub const DEFAULT: Self = RUNTIMES[0].languages[0];

    /// The language that a request means by `name`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let means = |language: &Self| {
            let names = language.names();
            names.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        Self::ALL.into_iter().find(means)
    }

    /// Its names in requests, the one of answers and metrics first.
    pub const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Python => ["python", "py"],
            Self::JavaScript => ["javascript", "js"],
            Self::TypeScript => ["typescript", "ts"],
        }
    }

    /// Its name in answers and metrics.
    pub const fn name(self) -> &'static str {
        self.names()[0]
    }

    /// The runtime that executes it.
    pub const fn runtime(self) -> Runtime {
        match self {
            Self::Python => Runtime::Python,
            Self::JavaScript | Self::TypeScript => Runtime::JavaScript,
        }
    }
}

/// What executes programs: one kind of zygote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Runtime {
    Python,
    JavaScript,
}

/// What is known of a runtime outside its own processes.
#[derive(Debug)]
pub struct RuntimeSpec {
    pub runtime: Runtime,
    /// Its name in settings, errors, metrics and `/health`.
    pub name: &'static str,
    /// Its name in sentences.
    pub title: &'static str,
    /// What the value of FAAS_LANGUAGE means besides its name, for `--help`.
    pub help: Option<&'static str>,
    /// `metadata.runtime` of answers, as callers of the replaced services know it.
    pub answers_as: &'static str,
    pub languages: &'static [Language],
    /// Whether it boots from Pyodide's files.
    pub needs_pyodide: bool,
    /// If it takes packages: what metrics call its sandboxes that have some.
    pub with_packages: Option<&'static str>,
    /// A program in the first of its languages that prints 42: shows that the runtime works.
    pub prints_42: &'static str,
    /// Whether programs have a file system, from which files can be collected.
    pub has_file_system: bool,
    /// Most arrays and objects within each other in the input, if its parser would run out of stack.
    pub max_input_nesting: Option<usize>,
    /// Whether a last line of JSON on stdout is the return value, as the replaced services had it.
    pub returns_last_line_of_json: bool,
}

/// All runtimes, in the order of [`Runtime`].
pub const RUNTIMES: [RuntimeSpec; 2] = [
    RuntimeSpec {
        runtime: Runtime::Python,
        name: "python",
        title: "Python",
        help: None,
        answers_as: "pyodide-webassembly",
        languages: &[Language::Python],
        needs_pyodide: true,
        with_packages: Some("python-packages"),
        prints_42: "print(6 * 7)",
        has_file_system: true,
        max_input_nesting: Some(10_000),
        returns_last_line_of_json: false,
    },
    RuntimeSpec {
        runtime: Runtime::JavaScript,
        name: "javascript",
        title: "JavaScript",
        help: Some("And TypeScript"),
        answers_as: "v8",
        languages: &[Language::JavaScript, Language::TypeScript],
        needs_pyodide: false,
        with_packages: None,
        prints_42: "console.log(6 * 7)",
        has_file_system: false,
        max_input_nesting: None,
        returns_last_line_of_json: true,
    },
];

impl Runtime {
    pub const ALL: [Self; RUNTIMES.len()] = {
        let mut all = [Self::Python; RUNTIMES.len()];
        let mut index = 0;
        while index < RUNTIMES.len() {
            assert!(
                RUNTIMES[index].runtime as usize == index,
                "the order of Runtime"
            );
            all[index] = RUNTIMES[index].runtime;
            index += 1;
        }
        all
    };

    /// The one that takes packages: wheels, from which no other could be served.
    pub const OF_PACKAGES: Self = {
        let mut index = 0;
        while RUNTIMES[index].with_packages.is_none() {
            index += 1;
        }
        RUNTIMES[index].runtime
    };

    /// Its entry in [`RUNTIMES`].
    pub const fn spec(self) -> &'static RuntimeSpec {
        const TABLE: &[RuntimeSpec; RUNTIMES.len()] = &RUNTIMES;
        &TABLE[self as usize]
    }

    /// The first of its languages.
    pub const fn language(self) -> Language {
        self.spec().languages[0]
    }

    /// Its name in settings, errors, metrics and `/health`.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The runtime of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|runtime| runtime.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_belongs_to_the_runtime_that_lists_it() {
        for language in Language::ALL {
            let owners: Vec<Runtime> = RUNTIMES
                .iter()
                .filter(|spec| spec.languages.contains(&language))
                .map(|spec| spec.runtime)
                .collect();
            assert_eq!(owners, [language.runtime()], "{}", language.name());
        }
    }

    #[test]
    fn names_of_languages_are_known_in_any_case_and_no_others() {
        assert_eq!(
            Language::from_name("TypeScript"),
            Some(Language::TypeScript)
        );
        assert_eq!(Language::from_name("JS"), Some(Language::JavaScript));
        for unknown in ["", "python3", "pyt", "rust"] {
            assert_eq!(Language::from_name(unknown), None);
        }
    }
}
