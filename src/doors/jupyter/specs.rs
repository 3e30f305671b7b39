//! Kernel specifications: which kernels there are.

use faas_protocol::Language;
use serde_json::Value;
use serde_json::json;

use crate::api::ApiError;
use crate::api::AppState;

/// A kind of kernel.
#[derive(Debug)]
pub struct Spec {
    /// By which clients ask for it.
    pub name: &'static str,
    /// Notebooks that were written with another kernel of the language have its name.
    others: &'static [&'static str],
    display_name: &'static str,
    pub language: Language,
    pub media_type: &'static str,
    pub file_extension: &'static str,
    /// What clients highlight it as.
    pub mode: &'static str,
}

const ALL: [Spec; 3] = [
    Spec {
        name: "python3",
        others: &["python"],
        display_name: "Python 3",
        language: Language::Python,
        media_type: "text/x-python",
        file_extension: ".py",
        mode: "ipython",
    },
    Spec {
        name: "javascript",
        others: &["jslab"],
        display_name: "JavaScript",
        language: Language::JavaScript,
        media_type: "text/javascript",
        file_extension: ".js",
        mode: "javascript",
    },
    Spec {
        name: "typescript",
        others: &["deno", "tslab"],
        display_name: "TypeScript",
        language: Language::TypeScript,
        media_type: "text/x.typescript",
        file_extension: ".ts",
        mode: "typescript",
    },
];

impl Spec {
    /// Those whose language is served.
    fn served(state: &AppState) -> impl Iterator<Item = &'static Self> {
        ALL.iter()
            .filter(|spec| state.settings.serves(spec.language))
    }

    /// The one that a client means by a name; the default without one.
    ///
    /// # Errors
    /// 404 with those that there are.
    pub fn find(name: Option<&str>, state: &AppState) -> Result<&'static Self, ApiError> {
        let mut served = Self::served(state);
        let found = match name {
            None => served.next(),
            Some(name) => served.find(|spec| spec.name == name || spec.others.contains(&name)),
        };
        found.ok_or_else(|| {
            let names: Vec<_> = Self::served(state).map(|spec| spec.name).collect();
            ApiError::not_found(
                "There is no such kernel specification",
                format!("Those that there are: {}", names.join(", ")),
            )
        })
    }

    /// As clients read it.
    pub fn body(&self) -> Value {
        json!({
            "name": self.name,
            "spec": {
                "argv": [],
                "env": {},
                "display_name": self.display_name,
                "language": self.language.name(),
                "interrupt_mode": "message",
                "metadata": {},
            },
            "resources": {},
        })
    }
}

/// All of them, as clients read them.
pub fn all(state: &AppState) -> Value {
    let specs = Spec::served(state).map(|spec| (spec.name.to_owned(), spec.body()));
    let specs: serde_json::Map<_, _> = specs.collect();
    let default = Spec::find(None, state).map_or("", |spec| spec.name);
    json!({ "default": default, "kernelspecs": specs })
}
