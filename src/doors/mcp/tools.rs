//! The tools: their names, what a model is told of them, and the shapes of arguments and results.

use faas_pool::MAX_PACKAGES;
use faas_protocol::Language;
use rmcp::model::JsonObject;
use rmcp::model::Tool;
use rmcp::model::ToolAnnotations;
use serde_json::Value;
use serde_json::json;

use crate::settings::Settings;

/// What a model sends in place of a handle to begin a session.
pub const BEGIN: &str = "new";

/// What a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    RunPython,
    RunJavaScript,
    CheckCode,
}

impl Kind {
    const ALL: [Self; 3] = [Self::RunPython, Self::RunJavaScript, Self::CheckCode];

    /// Those of which the settings serve a language.
    fn served(settings: &Settings) -> impl Iterator<Item = Self> {
        let languages: Vec<_> = settings.languages().collect();
        Self::ALL
            .into_iter()
            .filter(move |kind| match kind.language() {
                Some(language) => languages.contains(&language),
                None => true,
            })
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::RunPython => "run_python",
            Self::RunJavaScript => "run_javascript",
            Self::CheckCode => "check_code",
        }
    }

    /// The language of its programs, unless an argument says which.
    pub const fn language(self) -> Option<Language> {
        match self {
            Self::RunPython => Some(Language::Python),
            Self::RunJavaScript => Some(Language::JavaScript),
            Self::CheckCode => None,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::RunPython => "Run Python",
            Self::RunJavaScript => "Run JavaScript or TypeScript",
            Self::CheckCode => "Check code without running it",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::RunPython => {
                "Run a Python 3 program in a fresh sandbox and get what it printed, the value of its last expression, \
                 figures of matplotlib as pictures, and the files that it wrote to the working directory if `collect` \
                 asks for them. numpy, pandas, matplotlib and other packages of Pyodide work by importing them; name \
                 others in `packages` (pure Python only). There is no network (no requests, no urllib to other hosts), \
                 no shell, no subprocess, no threads. Without `session` nothing is kept between calls: send everything \
                 that the program needs. To keep variables, functions, imports and files for later calls, send \
                 `session`: \"new\", and in those calls the handle that its answer has. Errors come as a traceback in stderr."
            }
            Self::RunJavaScript => {
                "Run a JavaScript or TypeScript program in a fresh sandbox and get what it printed with console.log and \
                 what it passed to return_val(value). Top-level await works. It has the usual globals of the web \
                 (URL, TextEncoder, crypto, structuredClone, timers), but no network (no fetch), no Node.js modules \
                 (no require, no fs), no DOM and no npm packages. Without `session` nothing is kept between calls; to keep \
                 variables and functions for later calls, send `session`: \"new\", and in those calls the handle that \
                 its answer has."
            }
            Self::CheckCode => {
                "Look at a program without running it: whether it compiles (with line and column of the error), what it \
                 imports and whether that is available, and how complex it is."
            }
        }
    }

    /// The arguments, besides `code`.
    fn properties(self) -> Value {
        let timeout = json!({
            "type": "integer", "minimum": 1,
            "description": "Time limit of the program in ms; the server has a limit of its own",
        });
        let stdin = json!({ "type": "string", "description": "What the program reads from its standard input" });
        let arguments = json!({
            "type": "array", "items": { "type": "string" },
            "description": match self {
                Self::RunPython => "Arguments of the program: sys.argv[1:]",
                _ => "Arguments of the program: the array `args`",
            },
        });
        let files = json!({
            "type": "array",
            "description": "Files to put into the working directory first",
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {
                    "name": { "type": "string", "description": "Relative, such as data.csv" },
                    "content": { "type": "string", "description": "Its text" },
                    "content_base64": { "type": "string", "description": "Its bytes in base64, instead of content" },
                },
            },
        });
        let session = json!({
            "type": "string",
            "description": format!(
                "\"{BEGIN}\" begins a session, in which this program is run; the answer has its handle (sess-…). A handle \
                 goes on in its session, with all that the calls before left. Leave it out for a sandbox of its own"
            ),
        });
        match self {
            Self::RunPython => json!({
                "session": session,
                "packages": {
                    "type": "array", "items": { "type": "string" }, "maxItems": MAX_PACKAGES,
                    "description": "Packages to install first, such as pydantic or msgpack==1.2.4",
                },
                "files": files,
                "collect": {
                    "type": "array", "items": { "type": "string" },
                    "description": "Patterns of files to hand back, such as *.csv or plots/**",
                },
                "stdin": stdin, "args": arguments, "timeout": timeout,
            }),
            Self::RunJavaScript => json!({
                "session": session,
                "language": {
                    "type": "string", "enum": ["javascript", "typescript"],
                    "description": "javascript if absent",
                },
                "stdin": stdin, "args": arguments, "timeout": timeout,
            }),
            Self::CheckCode => json!({
                "language": { "type": "string", "description": "python, javascript or typescript" },
            }),
        }
    }

    /// What it takes.
    fn input(self) -> JsonObject {
        let mut properties =
            json!({ "code": { "type": "string", "description": "The program's text" } });
        if let (Some(all), Value::Object(more)) = (properties.as_object_mut(), self.properties()) {
            all.extend(more);
        }
        let required: &[&str] = match self {
            Self::CheckCode => &["code", "language"],
            _ => &["code"],
        };
        object(json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }))
    }

    /// What it answers with, as structured content.
    fn output(self) -> JsonObject {
        let text = |description: &str| json!({ "type": "string", "description": description });
        let number = |description: &str| json!({ "type": "integer", "description": description });
        object(match self {
            Self::CheckCode => json!({
                "type": "object",
                "properties": { "valid": { "type": "boolean" } },
                "required": ["valid"],
            }),
            _ => json!({
                "type": "object",
                "properties": {
                    "status": text("success, error, timeout, memory_limit or another limit that it ran into"),
                    "exit_code": number("0 if it succeeded"),
                    "stdout": text("What it printed"),
                    "stderr": text("What it wrote to its standard error, with the traceback of an error"),
                    "result": text("Its value, as JSON, or text if it is a text; empty if it has none"),
                    "files": {
                        "type": "array",
                        "description": "Files that it handed back; their contents are resources of the answer",
                        "items": {
                            "type": "object",
                            "properties": { "name": text("Its name"), "size": number("In bytes") },
                            "required": ["name", "size"],
                        },
                    },
                    "truncated": { "type": "boolean", "description": "Whether it printed more than is kept" },
                    "duration_ms": number("How long it ran"),
                    "task_id": text("Its name in the service's history"),
                    "session": text("The handle of its session, for the next call; only if it ran in one"),
                    "session_unchanged": text(
                        "Why the session is as it was before this call, without what it did; only then"
                    ),
                },
                "required": [
                    "status", "exit_code", "stdout", "stderr", "result", "files", "truncated", "duration_ms", "task_id"
                ],
            }),
        })
    }

    fn tool(self) -> Tool {
        // A program has no effects: what it does is gone with its sandbox, or its session.
        let annotations = ToolAnnotations::with_title(self.title())
            .read_only(true)
            .destructive(false)
            .open_world(false);
        Tool::new(self.name(), self.description(), self.input())
            .with_title(self.title())
            .with_raw_output_schema(self.output().into())
            .with_annotations(annotations)
    }
}

/// All of them, in their order.
pub fn all(settings: &Settings) -> Vec<Tool> {
    Kind::served(settings).map(Kind::tool).collect()
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
