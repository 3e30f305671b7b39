//! The programs that are measured, in `programs/`.

/// A program and its input.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    pub code: &'static str,
    /// JSON text, which the program reads as `input_data`.
    pub input: Option<&'static str>,
    /// Packages that it needs.
    pub packages: &'static [&'static str],
    pub language: &'static str,
}

const fn python(name: &'static str, code: &'static str) -> Program {
    Program {
        name,
        code,
        input: None,
        packages: &[],
        language: "python",
    }
}

const fn javascript(name: &'static str, code: &'static str) -> Program {
    Program {
        language: "javascript",
        ..python(name, code)
    }
}

const fn evaluator(name: &'static str, code: &'static str, input: &'static str) -> Program {
    Program {
        input: Some(input),
        ..python(name, code)
    }
}

macro_rules! evaluators {
    ($($name:literal),*) => {
        &[$(evaluator(
            $name,
            include_str!(concat!("programs/evaluators/", $name, ".py")),
            include_str!(concat!("programs/evaluators/", $name, ".json")),
        )),*]
    };
}

macro_rules! cpu_bound {
    ($($name:literal),*) => {
        &[$(python($name, include_str!(concat!("programs/cpu/", $name, ".py")))),*]
    };
}

pub const TRIVIAL: Program = python("print('hi')", include_str!("programs/trivial.py"));
pub const SLEEP: Program = python("time.sleep(1)", include_str!("programs/sleep.py"));
pub const IMPORTS: Program = python("40 imports", include_str!("programs/imports.py"));
pub const PACKAGE: Program = Program {
    packages: &["pydantic"],
    ..python("pydantic", include_str!("programs/pydantic_package.py"))
};

/// What evaluators of model outputs do: JSON in, strings, regular expressions, statistics, JSON out.
pub const EVALUATORS: &[Program] = evaluators!(
    "exact_match",
    "schema_check",
    "extract_fields",
    "token_f1",
    "edit_distance",
    "statistics_report",
    "ngram_score",
    "table_report",
    "schedule_check",
    "diff_review"
);

/// From public benchmark families, rewritten.
pub const CPU_BOUND: &[Program] = cpu_bound!(
    "nbody",
    "fannkuch",
    "spectral_norm",
    "json_roundtrip",
    "regex_scan",
    "string_building"
);

pub const JAVASCRIPT: &[Program] = &[
    javascript("console.log('hi')", include_str!("programs/js/trivial.js")),
    javascript("evaluator", include_str!("programs/js/evaluator.js")),
    javascript("fannkuch", include_str!("programs/js/fannkuch.js")),
];

impl Program {
    /// The request of the server's API.
    pub fn request(&self) -> serde_json::Value {
        let mut request = serde_json::json!({ "language": self.language, "code": self.code });
        if let Some(input) = self.parsed_input() {
            request["input"] = input;
        }
        if !self.packages.is_empty() {
            request["packages"] = self.packages.into();
        }
        request
    }

    pub fn parsed_input(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.input?).ok()
    }
}
