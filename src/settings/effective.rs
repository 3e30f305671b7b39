//! Which value each setting has, and where it came from.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Arg;
use clap::ArgMatches;
use clap::Command;
use clap::parser::ValueSource;
use toml::Value;
use url::Url;

use super::Settings;
use super::default_sources::DefaultSources;
use super::file::SettingsFile;
use super::file::is_for_file;

/// A setting as it is in force; shown as a line of a file of settings.
#[derive(Debug)]
pub struct Effective {
    /// The name of its option.
    name: String,
    value: Shown,
    origin: Origin,
}

/// What is shown of a value.
#[derive(Debug)]
enum Shown {
    Value(Value),
    Secret,
    NotSet,
}

/// Where a value came from.
#[derive(Debug)]
enum Origin {
    Option,
    Variable(String),
    File(PathBuf),
    Default,
}

impl Effective {
    /// All settings, in the order of `--help`. `matches` are those of `command`, with the values of `file`.
    pub fn all(command: &Command, matches: &ArgMatches, file: Option<&SettingsFile>) -> Vec<Self> {
        let arguments = command.get_arguments();
        let settings = arguments.filter(|argument| is_for_file(argument));
        let of = |argument| Self::of(argument, matches, file);
        settings.filter_map(of).collect()
    }

    fn of(argument: &Arg, matches: &ArgMatches, file: Option<&SettingsFile>) -> Option<Self> {
        let name = argument.get_long()?;
        let id = argument.get_id().as_str();
        let origin = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => Origin::Option,
            Some(ValueSource::EnvVariable) => {
                let variable = argument.get_env().unwrap_or_default();
                Origin::Variable(variable.to_string_lossy().into_owned())
            }
            _ => match file.filter(|file| file.sets(name)) {
                Some(file) => Origin::File(file.path().to_owned()),
                None => Origin::Default,
            },
        };
        let texts = matches.get_raw(id).map(|values| {
            let texts = values.map(|text| text.to_string_lossy().into_owned());
            texts.collect::<Vec<_>>()
        });
        let is_list = argument.get_value_delimiter().is_some();
        let value = match texts {
            None => Shown::NotSet,
            Some(_) if argument.is_hide_env_values_set() => Shown::Secret,
            Some(texts) if is_list => {
                let texts = texts.into_iter().map(Value::String);
                Shown::Value(Value::Array(texts.collect()))
            }
            Some(texts) => Shown::of(texts.concat()),
        };
        Some(Self {
            name: name.to_owned(),
            value,
            origin,
        })
    }

    /// Fills in what a setting that is not set adapts to.
    pub fn adapt(&mut self, settings: &Settings) {
        if matches!(self.value, Shown::NotSet)
            && let Some(text) = settings.adapted(&self.name)
        {
            self.value = Shown::of(text);
        }
    }
}

impl Shown {
    /// As one would write it in the file.
    fn of(text: String) -> Self {
        let has_credentials = Url::parse(&text)
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        match text.parse() {
            _ if has_credentials => Self::Secret,
            Ok(number) if i64::to_string(&number) == text => Self::Value(Value::Integer(number)),
            _ => Self::Value(Value::String(text)),
        }
    }
}

impl Settings {
    /// The value of a setting that is not set, if it adapts to others or to what is found.
    fn adapted(&self, name: &str) -> Option<String> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let sources = || {
            let pyodide = self.pyodide_directory().ok()?;
            DefaultSources::read(&pyodide).ok()
        };
        match name {
            "timeout" => Some(milliseconds(self.timeout())),
            "max-cpu-time" => Some(milliseconds(self.limits(self.timeout()).cpu)),
            "max-code-bytes" => Some(self.max_code_bytes().get().to_string()),
            "pool-size" => Some(self.pool_size().to_string()),
            "pool-min-size" => Some(self.pool_min_size().to_string()),
            "pool-max-size" => Some(self.pool_max_size().to_string()),
            "batch-concurrency" => Some(self.batch_concurrency().to_string()),
            "jobs-per-caller" => Some(self.jobs_per_caller().to_string()),
            "tool-programs" => Some(self.tool_programs().to_string()),
            "worker-count" => Some(self.worker_count().to_string()),
            "pyodide-dir" => Some(self.pyodide_directory().ok()?.display().to_string()),
            "pyodide-packages" => sources()?.distribution,
            "package-index" => sources()?.index,
            _ => None,
        }
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, origin, .. } = self;
        match &self.value {
            Shown::Value(value) => write!(f, "{name} = {value}  # {origin}"),
            Shown::Secret => write!(f, "# {name} is a secret  # {origin}"),
            Shown::NotSet => write!(f, "# {name} is not set"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option => f.write_str("command line"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}
