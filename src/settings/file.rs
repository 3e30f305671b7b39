//! A file of settings, in TOML: each is named as its option, without the dashes in front.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use clap::Arg;
use clap::Command;
use toml::Value;

use super::SECRETS;
use super::lines::line_at;

/// What a file sets, by the names of options.
#[derive(Debug)]
pub struct SettingsFile {
    path: PathBuf,
    values: BTreeMap<String, Vec<String>>,
}

/// Why a file of settings is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFileError {
    #[error("cannot read the settings in {}: {source}; FAAS_CONFIG (--config) names the file", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Without the line itself, which may hold a secret.
    #[error("line {line} of the settings in {} is not valid TOML: {reason}", path.display())]
    NotToml {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error(
        "`{name}` in {} is not a setting; settings are named as the options of `faas-server --help`, such as \
         memory-limit",
        path.display()
    )]
    Unknown { path: PathBuf, name: String },
    #[error(
        "`{name}` in {} must be a text, an integer, true or false; a list, which may not be empty, where the \
         environment has one",
        path.display()
    )]
    WrongType { path: PathBuf, name: String },
}

impl SettingsFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or has something else than values in it.
    pub fn read(path: &Path) -> Result<Self, SettingsFileError> {
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(SettingsFileError::Unreadable { path, source }),
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let error: toml::de::Error = error;
                return Err(SettingsFileError::NotToml {
                    path,
                    line: line_at(&text, error.span().unwrap_or_default().start),
                    reason: error.message().to_owned(),
                });
            }
        };
        let mut values = BTreeMap::new();
        for (name, value) in table {
            let Some(texts) = texts(value) else {
                return Err(SettingsFileError::WrongType { path, name });
            };
            values.insert(name, texts);
        }
        Ok(Self { path, values })
    }

    /// Has the options of a command take the file's values instead of their defaults: the command line and
    /// the environment go first.
    ///
    /// # Errors
    /// If no setting has one of the names, or one gets a list that takes one value.
    pub fn apply(&self, mut command: Command) -> Result<Command, SettingsFileError> {
        for (name, values) in &self.values {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_long() == Some(name))
                .filter(|argument| is_for_file(argument));
            let argument = argument.ok_or_else(|| SettingsFileError::Unknown {
                path: self.path.clone(),
                name: name.clone(),
            })?;
            if values.len() > 1 && argument.get_value_delimiter().is_none() {
                return Err(SettingsFileError::WrongType {
                    path: self.path.clone(),
                    name: name.clone(),
                });
            }
            // As in the environment, an empty text counts as not set.
            let is_empty = values.iter().all(String::is_empty);
            let is_secret = SECRETS
                .map(OsStr::new)
                .map(Some)
                .contains(&argument.get_env());
            if is_empty && !is_secret {
                continue;
            }
            let id = argument.get_id().clone();
            command = command.mut_arg(id, |argument| argument.default_values(values.clone()));
        }
        Ok(command)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it sets the option of this name.
    pub fn sets(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

/// Whether an option is a setting that may be in the file. Where the file is cannot be said in it.
pub fn is_for_file(argument: &Arg) -> bool {
    argument.get_id() != "config"
}

/// What would stand in the environment.
fn texts(value: Value) -> Option<Vec<String>> {
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(switch) => Some(u8::from(switch).to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) if values.is_empty() => None,
        Value::Array(values) => values.into_iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}
