//! What a check finds in a program. Made in a sandbox, where sources are parsed; passed on as JSON.

use serde::Deserialize;
use serde::Serialize;

/// What was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Findings {
    /// Whether the program compiles.
    pub valid: bool,
    /// Why not.
    pub errors: Vec<Fault>,
    /// What it imports, in the order of the source.
    pub imports: Vec<Import>,
    /// Absent if the program does not compile, or is beyond the parser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complexity: Option<Complexity>,
}

impl Findings {
    /// Those of a program that does not compile, for a fault at a line and column.
    pub fn invalid(place: Option<(u32, u32)>, message: String) -> Self {
        let (line, column) = place.unwrap_or_default();
        Self {
            errors: vec![Fault {
                line,
                column,
                message,
            }],
            ..Self::default()
        }
    }
}

/// A syntax error.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Counted from 1; 0 if unknown.
    pub line: u32,
    pub column: u32,
    pub message: String,
}

/// A module that the program imports somewhere.
#[derive(Debug, Serialize, Deserialize)]
pub struct Import {
    pub module: String,
    pub line: u32,
    /// Whether the import works without installing anything.
    pub available: bool,
    /// If it does not: the package to ask for, as far as a source has one.
    pub package: Option<String>,
}

/// How complex a program is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Complexity {
    pub statements: u32,
    /// Deepest nesting of `if`, loops, `try`, `with`, `match` and the like.
    pub max_nesting: u32,
    /// Highest cyclomatic complexity (McCabe's: 1 and one more for each way to branch) of its
    /// functions and of its top level.
    pub max_cyclomatic: u32,
    /// The top level first, as `<module>`.
    pub functions: Vec<FunctionFigures>,
    pub loops: Loops,
}

/// Figures of one function, without those inside it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FunctionFigures {
    pub name: String,
    pub line: u32,
    pub statements: u32,
    pub nesting: u32,
    pub cyclomatic: u32,
}

/// Loops and comprehensions.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Loops {
    pub count: u32,
    /// How deep they are nested within a function.
    pub max_depth: u32,
    /// What that suggests: `O(1)`, `O(n)`, `O(n^2)`. It knows nothing of how often each runs. Filled
    /// in when the findings come out of the sandbox.
    #[serde(default)]
    pub estimate: String,
}

impl Loops {
    /// Fills in the estimate that goes with the depth.
    pub fn estimate(&mut self) {
        self.estimate = match self.max_depth {
            0 => "O(1)".to_owned(),
            1 => "O(n)".to_owned(),
            depth => format!("O(n^{depth})"),
        };
    }
}
