//! The pages are true: their examples run, their tables match, what they refer to exists.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use common::PROGRAM;
use common::Server;
use common::scratch::Scratch;
use common::shared;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MOST_LINES_OF_README: usize = 150;
const SETTINGS: &str = "docs/settings.md";

/// A page of the documentation.
struct Page {
    /// Relative to the project.
    path: String,
    text: String,
}

/// A fenced block.
struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

impl Page {
    fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
        let path = path.to_owned();
        Self { path, text }
    }

    /// README.md, SECURITY.md and the others beside them, and those in docs/.
    fn all() -> Vec<Self> {
        let mut paths: Vec<String> = ["", "docs/"]
            .into_iter()
            .flat_map(|folder| {
                let names = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
                let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
                names
                    .filter(|name| name.ends_with(".md"))
                    .map(move |name| format!("{folder}{name}"))
            })
            .collect();
        paths.sort();
        assert!(paths.len() > 12, "{paths:?}");
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let pieces = self.pieces().into_iter().skip(1).step_by(2);
        pieces
            .map(|piece| {
                let (language, text) = piece.split_once('\n').unwrap();
                Block { language, text }
            })
            .collect()
    }

    /// What is between fences, which may be indented: in turn, prose and blocks.
    fn pieces(&self) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut begin = 0;
        for (at, fence) in self.text.match_indices("```") {
            let line = self.text[..at].rsplit('\n').next().unwrap();
            if line.trim().is_empty() {
                pieces.push(&self.text[begin..at]);
                begin = at + fence.len();
            }
        }
        pieces.push(&self.text[begin..]);
        pieces
    }

    /// What is not in a fenced block.
    fn prose(&self) -> String {
        self.pieces().into_iter().step_by(2).collect()
    }

    /// Inline code.
    fn quotes(&self) -> Vec<String> {
        let prose = self.prose();
        let lines = prose.lines();
        lines.flat_map(quotes_in).map(str::to_owned).collect()
    }

    /// Rows of tables, without their heads.
    fn rows(&self) -> Vec<&str> {
        let mut rows = Vec::new();
        let mut after_rule = false;
        for line in self.text.lines() {
            after_rule &= line.starts_with('|');
            if after_rule {
                rows.push(line);
            }
            after_rule |= line.starts_with("|--");
        }
        rows
    }

    /// The row that begins with these words.
    fn row(&self, start: &str) -> &str {
        let found = self.rows().into_iter().find(|row| row.starts_with(start));
        found.unwrap_or_else(|| panic!("{} has no row «{start}»", self.path))
    }

    /// Addresses of links.
    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let ends = prose.split("](").skip(1);
        ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
            .collect()
    }

    /// Names that GitHub gives the headings, for links.
    fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|heading| {
                let heading = heading.trim_start_matches('#').trim().to_lowercase();
                let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
                heading.chars().filter(kept).collect::<String>()
            })
            .map(|heading| heading.replace(' ', "-"))
            .collect()
    }
}

/// Pieces of a line in code quotes.
fn quotes_in(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// All text in a folder, as far as it is text.
fn sources(folder: &str) -> String {
    fn add(folder: &Path, text: &mut String) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(&path, text);
            } else if let Ok(source) = std::fs::read_to_string(&path) {
                text.push_str(&source);
            }
        }
    }
    let mut text = String::new();
    add(&Path::new(ROOT).join(folder), &mut text);
    text
}

/// Whether `actual` has everything that `expected` has; "…" stands for anything.
fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(expected), _) if expected == "…" => true,
        (Value::String(expected), Value::String(actual)) => match expected.split_once('…') {
            Some((start, end)) => actual.starts_with(start) && actual.ends_with(end),
            None => expected == actual,
        },
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .all(|(key, value)| actual.get(key).is_some_and(|actual| matches(value, actual))),
        (Value::Array(expected), Value::Array(actual)) => {
            let mut pairs = expected.iter().zip(actual);
            expected.len() == actual.len()
                && pairs.all(|(expected, actual)| matches(expected, actual))
        }
        // A number in an example is a sample; its type is what counts, but for small codes.
        (Value::Number(expected), Value::Number(actual)) => {
            expected.is_f64() == actual.is_f64()
                && (expected.as_i64() > Some(1) || expected == actual)
        }
        _ => expected == actual,
    }
}

/// A server for the examples. Jobs are of one server of a workspace, and this one has them.
fn documented() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| {
        let workspace = concat!(env!("CARGO_TARGET_TMPDIR"), "/docs-workspace");
        Server::start(&[("FAAS_WORKSPACE", workspace)])
    });
    &SERVER
}

/// What a command of a page prints, against a server of this test.
fn output_of(command: &str) -> String {
    let server: &Server = documented();
    let command = command.replace("localhost:8000", &server.address);
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_curl_example_has_the_answer_that_follows_it() {
    let mut examples = 0;
    for page in Page::all() {
        let blocks = page.blocks();
        for (index, block) in blocks.iter().enumerate() {
            if block.language != "sh" {
                continue;
            }
            let (path, command) = (&page.path, block.text);
            let answer = blocks.get(index + 1);
            let answer = answer.filter(|block| block.language == "json");
            let answer = answer.unwrap_or_else(|| panic!("{path}: no answer after {command}"));
            let expected: Value = serde_json::from_str(answer.text)
                .unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text));
            let output = output_of(command);
            let actual: Value = serde_json::from_str(&output)
                .unwrap_or_else(|error| panic!("{path}: {error}: {command}: {output}"));
            assert!(
                matches(&expected, &actual),
                "{path}: {command}\n{expected:#}\n{actual:#}"
            );
            examples += 1;
        }
        let answers = blocks.iter().filter(|block| block.language == "json");
        let commands = blocks.iter().filter(|block| block.language == "sh");
        assert_eq!(answers.count(), commands.count(), "{}", page.path);
    }
    assert!(examples >= 12, "{examples}");
}

#[test]
fn every_console_example_prints_what_follows_its_command() {
    let mut examples = 0;
    for page in Page::all() {
        for block in page.blocks() {
            if block.language != "console" {
                continue;
            }
            let (command, expected) = block.text.split_once('\n').unwrap();
            let command = command.strip_prefix("$ ").unwrap();
            let output = output_of(command);
            let (start, end) = expected.split_once('…').unwrap_or((expected, ""));
            assert!(
                output.starts_with(start) && output.trim_end().ends_with(end.trim_end()),
                "{}: {command}\n{output}",
                page.path
            );
            examples += 1;
        }
    }
    assert!(examples >= 1, "{examples}");
}

/// Blocks that no test runs as they are written: how they begin, and why.
const NOT_RUN: [(&str, &str, &str); 33] = [
    (
        "docs/clients.md",
        "from faas_client",
        "tests/clients does the same with this client",
    ),
    (
        "docs/clients.md",
        "import { Faas }",
        "tests/clients does the same with this client",
    ),
    (
        "docs/clients.md",
        "def half(",
        "tests/clients does the same with this client",
    ),
    (
        "docs/clients.md",
        "const half = tool(",
        "tests/clients does the same with this client",
    ),
    (
        "docs/coze-loop.md",
        "docker compose",
        "tests/deploy.py has Compose merge the same files",
    ),
    (
        "docs/coze-loop.md",
        "helm upgrade",
        "tests/deploy.py renders the same",
    ),
    (
        "docs/install.md",
        "tar -xf faas-server-1.0.0-linux-x86_64.tar.xz\ncd ",
        "wants Docker; scripts/test-image builds it with buildah",
    ),
    (
        "docs/mcp.md",
        "from mcp import",
        "tests/doors does the same with this client",
    ),
    (
        "docs/mcp.md",
        "from langchain_mcp_adapters",
        "tests/doors does the same with this client",
    ),
    (
        "docs/mcp.md",
        "{\"mcpServers\"",
        "tests/doors starts the program so",
    ),
    (
        "docs/langfuse.md",
        "LANGFUSE_CODE_EVAL_DISPATCHER",
        "is of Langfuse; tests/doors calls as it does",
    ),
    (
        "docs/sandbox-fusion.md",
        "import sandbox_fusion",
        "tests/doors does the same with this client",
    ),
    (
        "docs/sandbox-fusion.md",
        "reward.sandbox_fusion.url",
        "is of verl; tests/doors calls as it does",
    ),
    (
        "docs/e2b.md",
        "export E2B_API_URL",
        "tests/doors does the same with the clients",
    ),
    (
        "docs/e2b.md",
        "from e2b_code_interpreter",
        "tests/doors does the same with this client",
    ),
    (
        "docs/piston.md",
        "from ultra_piston",
        "tests/doors does the same with this client",
    ),
    (
        "docs/piston.md",
        "import piston from",
        "tests/doors does the same with this client",
    ),
    (
        "docs/jupyter.md",
        "jupyter lab --gateway-url",
        "tests/doors starts a Jupyter server so",
    ),
    (
        "docs/jupyter.md",
        "CODE_INTERPRETER_ENGINE",
        "tests/doors calls as Open WebUI does",
    ),
    (
        "docs/jupyter.md",
        "from jupyter_kernel_client",
        "tests/doors does the same with this client",
    ),
    (
        "README.md",
        "apt-get install ./",
        "tests/dist.py installs what it names, as root",
    ),
    (
        "docs/install.md",
        "apt-get install ./",
        "tests/dist.py does, as root",
    ),
    (
        "docs/install.md",
        "mkdir -p ~/.local",
        "tests/dist.py unpacks it elsewhere",
    ),
    (
        "docs/install.md",
        "pip install faas_server",
        "tests/dist.py does, in an environment",
    ),
    (
        "docs/install.md",
        "ok      lock-down",
        "is output of a machine; tests/doctor.rs",
    ),
    ("docs/install.md", "(cd /; set -a;", "wants systemd"),
    (
        "docs/api.md",
        "faas-server packages fetch",
        "the network; tests/cli.rs has a source of its own",
    ),
    (
        "docs/operations.md",
        "faas-server packages fetch",
        "as above",
    ),
    (
        "docs/upgrading.md",
        "scripts/upgrade-pyodide",
        "fetches another Pyodide",
    ),
    (
        "docs/operations.md",
        "location /faas/",
        "tests/proxy.rs reads and runs it",
    ),
    (
        "docs/jobs.md",
        "webhook-id",
        "tests/jobs.rs receives such a message",
    ),
    ("docs/architecture.md", "HTTP", "is a drawing"),
    ("docs/snapshots.md", "zygote ──fork", "is a drawing"),
];

#[test]
fn every_example_is_run_or_has_a_reason_not_to_be() {
    let mut left: BTreeSet<_> = NOT_RUN.map(|(page, start, _)| (page, start)).into();
    for page in Page::all() {
        for block in page.blocks() {
            // The tests above take those.
            if ["sh", "json", "console"].contains(&block.language) {
                continue;
            }
            let is_run = run_make(block.text) || run_file(block.text) || read_settings(&block);
            let known = left.iter().find(|(path, start)| {
                page.path == *path && block.text.trim_start().starts_with(start)
            });
            let known = known.copied();
            assert!(
                is_run || known.is_some(),
                "{}: no test runs {}",
                page.path,
                block.text
            );
            if let Some(known) = known {
                left.remove(&known);
            }
        }
    }
    assert!(left.is_empty(), "are no longer there: {left:?}");
}

/// Whether a block calls make and scripts of ours. They are only looked for: what they do is what runs these tests.
fn run_make(block: &str) -> bool {
    let makefile = std::fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let has_target = |target: &str| {
        makefile
            .lines()
            .any(|line| line.starts_with(&format!("{target}:")))
    };
    block.lines().all(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("make"), Some(target)) => {
                assert!(has_target(target), "the Makefile has no {target}");
                true
            }
            (Some(script), _) if script.starts_with("scripts/") => {
                assert!(
                    Path::new(ROOT).join(script).exists(),
                    "there is no {script}"
                );
                true
            }
            _ => false,
        }
    })
}

/// Has the program take a block as its file of settings, or of tokens.
fn read_settings(block: &Block<'_>) -> bool {
    if block.language != "toml" {
        return false;
    }
    let files = Scratch::new("docs-settings");
    let path = files.file("settings.toml", block.text);
    let option = match block.text.contains("sha256") {
        true => "--api-tokens-file",
        false => "--config",
    };
    let output = Command::new(PROGRAM)
        .args([option, &path, "config"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    true
}

/// Runs a block that calls the program with a file.
fn run_file(block: &str) -> bool {
    let Some(arguments) = block.strip_prefix("./target/release/faas-server run program.py ") else {
        return false;
    };
    let files = Scratch::new("docs-run");
    let program = files.file("program.py", "print(6 * 7)");
    let output = Command::new(PROGRAM)
        .args(["run", &program])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "42\n",
        "{output:?}"
    );
    true
}

#[test]
fn the_readme_is_short_and_names_all_that_setup_asks_for() {
    let readme = Page::read("README.md");
    let lines = readme.text.lines().count();
    assert!(lines <= MOST_LINES_OF_README, "{lines} lines");
    let setup = std::fs::read_to_string(Path::new(ROOT).join("scripts/setup")).unwrap();
    let needs = setup
        .lines()
        .filter_map(|line| line.trim().strip_prefix("need "));
    let needs: BTreeSet<&str> = needs
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    let quotes = readme.quotes();
    for need in &needs {
        assert!(quotes.iter().any(|quote| quote == need), "no `{need}`");
    }
    assert!(needs.len() >= 6, "{needs:?}");
    assert!(readme.text.contains("pip"));
}

#[test]
fn the_readme_counts_the_attacks() {
    let count = ["python", "javascript"]
        .into_iter()
        .map(|folder| {
            let folder = Path::new(ROOT).join("tests/escape").join(folder);
            std::fs::read_dir(folder).unwrap().count()
        })
        .sum::<usize>();
    let expected = format!("{count} attack programs");
    assert!(Page::read("README.md").text.contains(&expected), "{count}");
}

#[test]
fn every_message_that_troubleshooting_quotes_is_in_the_source() {
    // As the compiler joins a text that goes on in the next line.
    let mut joined = String::new();
    for piece in ["src", "crates", "js"].map(sources).concat().split("\\\n") {
        joined.push_str(if joined.is_empty() {
            piece
        } else {
            piece.trim_start()
        });
    }
    let page = Page::read("docs/troubleshooting.md");
    let mut quotes = 0;
    for row in page.rows() {
        let column = row.split(" | ").next().unwrap();
        for quote in quotes_in(column) {
            let pieces = quote.split('…').map(str::trim);
            for piece in pieces.filter(|piece| piece.len() > 8) {
                quotes += 1;
                assert!(joined.contains(piece), "nothing says «{piece}»");
            }
        }
    }
    assert!(quotes > 25, "{quotes}");
}

/// Paths in quotes are those that begin with a folder of the project, without a blank in them.
fn path_of(quote: &str) -> Option<PathBuf> {
    const FOLDERS: [&str; 13] = [
        "benches",
        "clients",
        "crates",
        "docker",
        "docs",
        "js",
        "licenses",
        "pyodide-dist",
        "scripts",
        "src",
        "tests",
        "v8-dist",
        "web",
    ];
    let (folder, _) = quote.split_once('/')?;
    // The rest of `scripts/x ARGUMENT` is no part of the path.
    let path = quote.split(' ').next().unwrap_or(quote);
    let in_path = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    (FOLDERS.contains(&folder) && path.chars().all(in_path)).then(|| path.into())
}

/// Files that setup makes, so that they are in no clone.
const MADE: [&str; 2] = ["pyodide-dist/compiled", "web/dist"];

#[test]
fn every_path_that_a_page_quotes_exists() {
    let mut missing = BTreeSet::new();
    let mut paths = 0;
    for page in Page::all() {
        // What it tells of is past.
        if page.path == "CHANGELOG.md" {
            continue;
        }
        for path in page.quotes().iter().filter_map(|quote| path_of(quote)) {
            paths += 1;
            let is_made = MADE.iter().any(|made| path.starts_with(made));
            if !is_made && !Path::new(ROOT).join(&path).exists() {
                missing.insert(format!("{}: {}", page.path, path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(paths > 100, "{paths}");
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    let pages = Page::all();
    let mut broken = Vec::new();
    let mut links = 0;
    for page in &pages {
        let folder = Path::new(&page.path).parent().unwrap();
        for link in page.links() {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match target {
                "" => page.path.clone(),
                // docs/../README.md
                target => match target.strip_prefix("../") {
                    Some(target) => target.to_owned(),
                    None => folder.join(target).to_str().unwrap().to_owned(),
                },
            };
            let leads_there = match pages.iter().find(|page| page.path == target) {
                Some(page) => anchor.is_empty() || page.anchors().contains(anchor),
                None => anchor.is_empty() && Path::new(ROOT).join(&target).exists(),
            };
            if !leads_there {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(links > 50, "{links}");
}

#[test]
fn every_test_that_the_specification_names_exists() {
    let tests = ["src", "crates", "tests"].map(sources).concat();
    let page = Page::read("SPECIFICATION.md");
    let quotes = page.quotes();
    let is_test = |quote: &&String| {
        quote.matches('_').count() > 1 && quote.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let named: Vec<_> = quotes.iter().filter(is_test).collect();
    for test in &named {
        assert!(tests.contains(&format!("fn {test}(")), "no test {test}");
    }
    assert!(named.len() > 25, "{}", named.len());
}

/// Whether a line of Rust declares something that all of a process shares; its name.
fn global_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let declared = line.strip_prefix("static ")?;
    let (name, kind) = declared
        .strip_prefix("mut ")
        .unwrap_or(declared)
        .split_once(':')?;
    // Arrays and texts that are computed once never change.
    let is_constant = kind.trim_start().starts_with('[') || kind.contains("LazyLock<String>");
    (!is_constant).then_some(name)
}

#[test]
fn the_table_of_process_global_state_is_complete() {
    let quotes = Page::read("docs/architecture.md").quotes();
    let sources = ["src", "crates"].map(sources).concat();
    let globals: BTreeSet<_> = sources.lines().filter_map(global_of).collect();
    for name in &globals {
        let is_listed = quotes.iter().any(|quote| quote == name);
        assert!(is_listed, "{name} is not in docs/architecture.md");
    }
    assert!(globals.len() > 10, "{globals:?}");
}

/// Names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("faas_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_table_of_metrics_is_that_of_the_server() {
    let page = Page::read("docs/operations.md");
    let rows = page.rows();
    let is_of_metrics = |row: &&str| row.starts_with("| `faas_") || row.starts_with("| `process_");
    let rows = rows.into_iter().filter(is_of_metrics);
    let columns = rows.map(|row| row.split(" | ").next().unwrap());
    let listed = metrics_in(&columns.collect::<Vec<_>>().concat());
    let exposed = output_of("curl -s localhost:8000/metrics");
    let types = exposed
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let exposed = metrics_in(&types.collect::<Vec<_>>().join("\n"));
    assert_eq!(listed, exposed);
}

/// The table of settings, as the program's own help gives them.
fn settings_table() -> String {
    let help = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let mut table = "| setting | default | what it is |\n|---|---|---|\n".to_owned();
    for entry in help.split("\n      --").skip(1) {
        let Some((text, after)) = entry.split_once("[env: ") else {
            continue;
        };
        let name = after.split(['=', ']']).next().unwrap();
        let default = after.split("\n          [default: ").nth(1);
        let default = default.map_or("", |rest| rest.split(']').next().unwrap());
        let text = text.split_once('\n').unwrap().1.split_whitespace();
        let text = text.collect::<Vec<_>>().join(" ");
        table.push_str(&format!("| `{name}` | {default} | {text} |\n"));
    }
    table
}

/// Run with UPDATE_DOCS=1 to write the table instead.
#[test]
fn the_settings_table_is_that_of_the_program() {
    const BEGIN: &str =
        "<!-- settings: written by UPDATE_DOCS=1 cargo test --release --test docs -->\n";
    const END: &str = "<!-- end of settings -->\n";
    let page = Page::read(SETTINGS);
    let (before, rest) = page.text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let expected = settings_table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let text = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(Path::new(ROOT).join(SETTINGS), text).unwrap();
    } else {
        assert_eq!(table, expected, "write it with UPDATE_DOCS=1");
    }
}

#[test]
fn the_python_version_in_the_docs_is_that_of_the_server() {
    let health = shared().get("/health").body;
    let version = health["python_version"].as_str().unwrap();
    let (minor, _) = version.rsplit_once('.').unwrap();
    for path in ["README.md", "docs/api.md"] {
        let page = Page::read(path);
        let (_, after) = page.text.split_once("Python 3.").unwrap();
        let written = after.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        assert_eq!(format!("3.{written}"), minor, "{path}");
    }
}

/// Modules of the standard library that do not import, as docs/api.md lists them.
#[test]
fn the_standard_library_table_is_that_of_the_server() {
    let code = r#"
import contextlib, importlib, io, sys
def imports(name):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(name)
        return True
    except BaseException:
        return False
names = sorted(name for name in sys.stdlib_module_names if not name.startswith("_"))
missing = [name for name in names if not imports(name)]
{"all": len(names), "missing": missing}"#;
    let answer = shared().python(code);
    let result: Value = serde_json::from_str(answer.ret_val()).unwrap();
    let missing = result["missing"].as_array().unwrap();
    let missing: Vec<&str> = missing.iter().map(|name| name.as_str().unwrap()).collect();
    let page = Page::read("docs/api.md");
    let listed: Vec<&str> = quotes_in(page.row("| not there |")).collect();
    assert_eq!(listed, missing);
    let all = result["all"].as_u64().unwrap();
    let counted = format!("{} of {all} ", all - missing.len() as u64);
    for page in [page, Page::read("SPECIFICATION.md")] {
        assert!(page.text.contains(&counted), "{}: {counted}", page.path);
    }
}

/// Those that import but cannot do their work here, as docs/api.md lists them.
#[test]
fn modules_that_import_but_cannot_work_raise_a_python_exception() {
    let page = Page::read("docs/api.md");
    let row = page.row("| imports, cannot work |");
    for (module, code) in [
        (
            "threading",
            "import threading\nthreading.Thread(target=print).start()",
        ),
        (
            "multiprocessing",
            "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        ),
        ("subprocess", "import subprocess\nsubprocess.run(['ls'])"),
        (
            "socket",
            "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        ),
    ] {
        let answer = shared().python(code);
        assert_eq!(answer.outcome(), "error", "{module}");
        let stderr = answer.stderr();
        assert!(stderr.contains("Error"), "{module}: {stderr}");
        assert!(quotes_in(row).any(|quote| quote == module), "{module}");
    }
}
