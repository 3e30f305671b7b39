//! The hidden `generate` command: what packages ship that the command line and the settings determine.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Arg;
use clap::Command;
use clap_complete::Shell;

use super::Error;

/// Arguments of the `generate` command.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// Directory that gets `share/`, as below /usr
    prefix: PathBuf,
}

const NAME: &str = "faas-server";

/// Where each shell looks for completions, below a prefix.
const COMPLETIONS: [(Shell, &str, &str); 3] = [
    (
        Shell::Bash,
        "share/bash-completion/completions",
        "faas-server",
    ),
    (Shell::Zsh, "share/zsh/site-functions", "_faas-server"),
    (
        Shell::Fish,
        "share/fish/vendor_completions.d",
        "faas-server.fish",
    ),
];

const DEFAULTS_HEAD: &str = "\
# Settings of faas-server. Each is shown with its default, as a comment; take the # away to change one, then
# run `systemctl restart faas-server`. An empty value counts as not set.
#
# The service of systemd is started with other values of FAAS_WORKSPACE, FAAS_REQUIRE_SANDBOX, FAAS_WORKER_COUNT and
# FAAS_MEMORY_LIMIT: `systemctl cat faas-server` shows them. These have an effect, too:
#
#   HTTPS_PROXY, HTTP_PROXY, NO_PROXY   how the server reaches package sources
#   OTEL_EXPORTER_OTLP_ENDPOINT         where traces go
";

/// Writes man pages, completions, and a file with all settings: those of `command`, the whole program.
///
/// # Errors
/// When a file cannot be written.
pub fn run(arguments: &GenerateArgs, command: &Command) -> Result<ExitCode, Error> {
    let manual = directory(&arguments.prefix, "share/man/man1")?;
    clap_mangen::generate_to(command.clone(), manual)?;
    for (shell, place, name) in COMPLETIONS {
        let mut file = File::create(directory(&arguments.prefix, place)?.join(name))?;
        clap_complete::generate(shell, &mut command.clone(), NAME, &mut file);
    }
    let examples = directory(&arguments.prefix, "share/doc/faas-server")?;
    std::fs::write(examples.join("faas-server.default"), defaults(command)?)?;
    Ok(ExitCode::SUCCESS)
}

fn directory(prefix: &Path, place: &str) -> std::io::Result<PathBuf> {
    let directory = prefix.join(place);
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// The settings as a file for systemd's `EnvironmentFile`, all of them comments.
fn defaults(command: &Command) -> Result<String, std::fmt::Error> {
    let mut text = DEFAULTS_HEAD.to_owned();
    for argument in command.get_arguments() {
        let Some(name) = argument.get_env().and_then(|name| name.to_str()) else {
            continue;
        };
        let help = argument.get_help().map(ToString::to_string);
        writeln!(text)?;
        for line in wrapped(&help.unwrap_or_default()) {
            writeln!(text, "# {line}")?;
        }
        writeln!(text, "#{name}={}", default_of(argument))?;
    }
    Ok(text)
}

fn default_of(argument: &Arg) -> String {
    let values = argument.get_default_values().iter();
    let values = values.map(|value| value.to_string_lossy().into_owned());
    values.collect::<Vec<_>>().join(",")
}

/// Lines of at most 100 characters, unless a word is longer.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
