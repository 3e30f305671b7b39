//! The command line.

mod common;

use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use common::NO_SOURCES;
use common::PROGRAM;
use common::Server;
use common::index::Index;
use common::index::Trouble;
use common::index::wheel_of;
use common::scratch::Scratch;

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).envs(NO_SOURCES);
    command.envs(environment.iter().copied());
    command.output().unwrap()
}

fn file(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("faas-cli-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn run_executes_a_file_and_exits_as_the_program_does() {
    let path = file(
        "a.py",
        "import sys\nprint(input_data['n'] + 1)\nprint('oops', file=sys.stderr)\nsys.exit(3)",
    );
    let output = run(&["run", &path, "--input", "{\"n\": 41}"], &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "oops\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn run_gives_the_program_its_arguments_and_what_is_piped_in() {
    let path = file(
        "args.py",
        "import sys\nprint(sys.argv[1:], repr(sys.stdin.read()))",
    );
    let output = run(
        &["run", &path, "one", "--timeout", "20000", "--", "--two"],
        &[],
    );
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(stdout, "['one', '--two'] ''\n");
    let mut piped = Command::new(PROGRAM)
        .args(["run", &path])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = piped.stdin.take().unwrap();
    stdin.write_all("é\n".as_bytes()).unwrap();
    drop(stdin);
    let output = piped.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[] 'é\\n'\n");
}

#[test]
fn run_keeps_a_time_limit() {
    let path = file("b.py", "while True: pass");
    let output = run(&["run", &path, "--timeout", "300"], &[]);
    assert_eq!(output.status.code(), Some(124));
    assert!(String::from_utf8_lossy(&output.stderr).contains("time limit of 300 ms"));
}

#[test]
fn run_explains_a_missing_file_and_an_unknown_language() {
    let output = run(&["run", "/nonexistent.py"], &[]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read /nonexistent.py"));
    let path = file("c.py", "1");
    let output = run(&["run", &path, "--language", "ruby"], &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown language ruby"));
}

#[test]
fn version_and_help_are_printed() {
    let version = run(&["--version"], &[]);
    let expected = concat!("faas-server ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
    let help = run(&["--help"], &[]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for name in [
        "FAAS_PORT",
        "FAAS_TIMEOUT",
        "FAAS_POOL_SIZE",
        "FAAS_MEMORY_LIMIT",
        "FAAS_QUEUE_SIZE",
    ] {
        assert!(help.contains(name), "{name}");
    }
    assert!(!help.contains("\n  zygote"));
}

/// What `faas-server config` prints with a file of settings, these options and variables.
fn config(settings: &str, options: &[&str], environment: &[(&str, &str)]) -> Output {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let scratch = Scratch::new(&format!("settings-{call}"));
    let path = scratch.file("settings.toml", settings);
    let mut arguments = vec!["--config", path.as_str()];
    arguments.extend(options);
    arguments.push("config");
    run(&arguments, environment)
}

#[test]
fn config_tells_each_setting_and_whether_an_option_a_variable_or_the_file_set_it() {
    let output = config(
        "memory-limit = 512\nqueue-size = 7\nport = 1\npackages = false\nfonts = \"\"\n\
         package-deny = [\"one\", \"two\"]\npreload-timeout = \"9000\"",
        &["--port", "8123"],
        &[
            ("FAAS_QUEUE_SIZE", "8"),
            ("FAAS_PORT", "2"),
            ("FAAS_LOG", ""),
        ],
    );
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let file = |line: &str| {
        let found = shown.lines().find(|it| it.starts_with(line));
        found
            .unwrap_or_else(|| panic!("{line}: {shown}"))
            .ends_with("/settings.toml")
    };
    for line in [
        "memory-limit = 512  # ",
        "packages = 0  # ",
        "package-deny = [\"one\", \"two\"]  # ",
        "preload-timeout = 9000  # ",
    ] {
        assert!(file(line), "{line}: {shown}");
    }
    for line in [
        "port = 8123  # command line",
        "queue-size = 8  # FAAS_QUEUE_SIZE",
        "log = \"info\"  # default",
        "# fonts is not set",
        // They adapt to others.
        "timeout = 30000  # default",
        "pool-max-size = 10  # default",
    ] {
        assert!(shown.lines().any(|it| it == line), "{line}: {shown}");
    }
    // What it prints is such a file itself.
    let again = config(&shown, &[], &[]);
    let again = String::from_utf8(again.stdout).unwrap();
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("config = "));
        let value = |line: &str| line.rsplit_once("  # ").map_or(line, |it| it.0).to_owned();
        lines.map(value).collect()
    };
    assert_eq!(values(&again), values(&shown));
}

#[test]
fn a_mistake_in_a_file_of_settings_stops_the_start_and_names_the_file() {
    for (settings, problem) in [
        ("memroy-limit = 512", "`memroy-limit`"),
        ("config = \"other.toml\"", "`config`"),
        ("help = true", "`help`"),
        ("memory-limit = 1.5", "a text, an integer"),
        ("package-allow = []", "may not be empty"),
        ("[memory-limit]\nMiB = 512", "a text, an integer"),
        ("port = 1\nmemory-limit = ", "line 2 of the settings"),
        ("memory-limit = \"lots\"", "between 16 and 65536"),
        ("memory-limit = [16, 17]", "`memory-limit`"),
        ("log-format = \"xml\"", "human, json"),
    ] {
        let output = config(settings, &[], &[]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{settings}");
        for part in [problem, "/settings.toml"] {
            assert!(stderr.contains(part), "{settings}: {stderr}");
        }
    }
    let missing = run(&["--config", "/nonexistent.toml", "config"], &[]);
    let stderr = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        stderr.contains("cannot read the settings in /nonexistent.toml"),
        "{stderr}"
    );
    // Nobody is let in because a token got lost.
    let lost = config("api-token = \"\"", &[], &[]);
    assert!(!lost.status.success());
}

#[test]
fn a_secret_in_a_setting_is_never_shown_by_config() {
    let secret = "0123456789-secret";
    let settings =
        format!("api-token = \"{secret}\"\npackage-index = \"https://me:{secret}@index.test/\"");
    // An empty variable counts as not set: the tests' own would go before the file.
    let output = config(&settings, &[], &[("FAAS_PACKAGE_INDEX", "")]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains(secret), "{shown}");
    for line in ["# api-token is a secret", "# package-index is a secret"] {
        assert!(shown.contains(line), "{shown}");
    }
    for broken in [
        format!("api-token = \"{secret} \""),
        format!("api-token = \"{secret}"),
        format!("api-token = {secret}"),
        format!("api-token = [[\"{secret}\"]]"),
        format!("port = 1\n\"{secret}\""),
    ] {
        let refused = config(&broken, &[], &[]);
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success(), "{broken}");
        assert!(!stderr.contains(secret), "{stderr}");
    }
}

#[test]
fn a_token_in_a_file_of_its_own_is_asked_for() {
    let scratch = Scratch::new("token");
    let file = scratch.file("token", "0123456789-secret\n");
    let server = Server::start_javascript(&[("FAAS_API_TOKEN_FILE", &file)]);
    let ask = |headers: &[(&str, &str)]| {
        let answer = server.send("GET", "/executions", headers, String::new());
        answer.status
    };
    assert_eq!(ask(&[]), 401);
    assert_eq!(ask(&[("authorization", "Bearer 0123456789-secret")]), 200);
    let empty = scratch.file("empty", "\n");
    for (variables, problem) in [
        (
            vec![("FAAS_API_TOKEN_FILE", empty.as_str())],
            "at least one",
        ),
        (
            vec![("FAAS_API_TOKEN_FILE", "/nonexistent")],
            "No such file",
        ),
        (
            vec![
                ("FAAS_API_TOKEN_FILE", file.as_str()),
                ("FAAS_API_TOKEN", "0123456789-other"),
            ],
            "both set",
        ),
    ] {
        let output = run(&[], &variables);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{variables:?}");
        for part in [problem, "FAAS_API_TOKEN_FILE"] {
            assert!(stderr.contains(part), "{stderr}");
        }
    }
}

#[test]
fn settings_that_have_no_effect_together_stop_the_start_with_both_names() {
    let body = ("FAAS_MAX_BODY_BYTES", "1000");
    for (variables, others) in [
        (
            [("FAAS_MAX_CODE_BYTES", "1001"), body],
            "FAAS_MAX_BODY_BYTES, which is 1000",
        ),
        (
            [("FAAS_HISTORY_BODIES", "1"), ("FAAS_HISTORY", "off")],
            "FAAS_HISTORY=off",
        ),
        (
            [("FAAS_PRELOAD", "numpy"), ("FAAS_PACKAGES", "0")],
            "FAAS_PACKAGES=0",
        ),
        (
            [("FAAS_PRELOAD", "numpy"), ("FAAS_LANGUAGE", "javascript")],
            "FAAS_LANGUAGE=javascript",
        ),
        (
            [("FAAS_PRELOAD", "a;b"), ("FAAS_PACKAGE_ZYGOTES", "1")],
            "FAAS_PACKAGE_ZYGOTES=1",
        ),
    ] {
        let output = run(&[], &variables);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{variables:?}");
        for part in [variables[0].0, others] {
            assert!(stderr.contains(part), "{variables:?}: {stderr}");
        }
    }
    // One that is not set adapts.
    let output = run(&["config"], &[body]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("max-code-bytes = 1000  # default"),
        "{shown}"
    );
}

#[test]
fn an_invalid_setting_stops_the_start() {
    for (name, value, allowed) in [
        ("FAAS_PORT", "99999", "between 0 and 65535"),
        ("FAAS_PORT", "http", "between 0 and 65535"),
        ("FAAS_TIMEOUT", "0", "between 1 and 86400000"),
        ("FAAS_TIMEOUT", "-1", "between 1 and 86400000"),
        // No runtime boots in less than a second everywhere.
        ("FAAS_PRELOAD_TIMEOUT", "999", "between 1000 and 86400000"),
        ("FAAS_POOL_SIZE", "0", "between 1 and 10000"),
        ("FAAS_MEMORY_LIMIT", "lots", "between 16 and 65536"),
        ("FAAS_HOST", "nowhere", "IP address"),
        ("FAAS_LOG_FORMAT", "xml", "human, json"),
        (
            "FAAS_ALLOWED_HOSTS",
            "https://faas.example",
            "without a scheme",
        ),
        (
            "FAAS_ALLOWED_HOSTS",
            "faas.example:8000",
            "without a scheme",
        ),
        ("FAAS_DOORS", "mcp,telnet", "or off for none"),
        ("FAAS_MAX_CONNECTIONS", "0", "between 1 and 1000000"),
        ("FAAS_QUEUE_BYTES", "0", "between 1 and"),
        ("FAAS_REQUIRE_SANDBOX", "maybe", "1 or 0"),
        ("FAAS_POOL_SIZE", "51", "FAAS_MAX_INSTANCES, which is 50"),
        ("FAAS_WORKER_COUNT", "60", "FAAS_MAX_INSTANCES, which is 50"),
        ("FAAS_BATCH_TIMEOUT", "0", "between 1 and 86400000"),
        (
            "FAAS_BATCH_CONCURRENCY",
            "60",
            "FAAS_WORKER_COUNT, which is 50",
        ),
        (
            "FAAS_TIMEOUT",
            "60001",
            "FAAS_MAX_EXECUTION_TIME, which is 60000",
        ),
        ("FAAS_JOBS_PER_CALLER", "1001", "FAAS_JOBS, which is 1000"),
        ("FAAS_JOBS_EXPIRY", "0", "between 1 and 2592000000"),
        ("FAAS_WEBHOOK_HOSTS", "hooks.example", "FAAS_WEBHOOK_SECRET"),
        ("FAAS_PYODIDE_DIR", "/nonexistent", "make setup"),
        ("SCIPY_VERSION", "latest", "a range of versions"),
    ] {
        let output = run(&[], &[(name, value)]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}={value}");
        for part in [name, value, allowed] {
            assert!(stderr.contains(part), "{name}={value}: {stderr}");
        }
    }
}

/// Variables that must not be empty.
const SECRETS: [&str; 3] = [
    "FAAS_API_TOKEN",
    "FAAS_LANGFUSE_KEYS",
    "FAAS_WEBHOOK_SECRET",
];

#[test]
fn an_empty_variable_counts_as_unset() {
    let help = run(&["--help"], &[]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let of_help = help.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let names: BTreeSet<&str> = of_help
        .filter(|word| word.starts_with("FAAS_") && !SECRETS.contains(word))
        .collect();
    assert!(names.len() > 40, "{names:?}");
    let scratch = Scratch::new("empty-variables");
    let mut empty: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
    // So that no other server's workspace matters.
    empty.retain(|(name, _)| *name != "FAAS_WORKSPACE");
    empty.push(("FAAS_WORKSPACE", scratch.path()));
    empty.push(("FAAS_LOG_FORMAT", "json"));
    let server = Server::start(&empty);
    assert_eq!(server.python("print(1)").stdout(), "1\n");
    // A service whose secret got lost must not be open to all.
    for secret in SECRETS {
        let output = run(&[], &[(secret, "")]);
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("unset it to "), "{error}");
    }
}

#[test]
fn a_server_started_by_hand_listens_on_this_machine_only() {
    let server = Server::start_javascript(&[]);
    assert!(
        server.address.starts_with("127.0.0.1:"),
        "{}",
        server.address
    );
}

#[test]
fn a_taken_port_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&[], &[("FAAS_HOST", "127.0.0.1"), ("FAAS_PORT", &port)]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("cannot listen on 127.0.0.1") && stderr.contains("FAAS_PORT"),
        "{stderr}"
    );
}

#[test]
fn the_exit_code_of_healthcheck_is_the_health_of_the_service() {
    let check = |address: &str| {
        let (host, port) = address.rsplit_once(':').unwrap();
        let environment = [("FAAS_HOST", host), ("FAAS_PORT", port)];
        let output = run(&["healthcheck"], &environment);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), error)
    };
    let server = Server::start_javascript(&[
        // /health needs no token.
        ("FAAS_API_TOKEN", "secret"),
    ]);
    assert_eq!(check(&server.address), (Some(0), String::new()));
    // As in a container, which listens on all addresses.
    let everywhere = server.address.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(check(&everywhere), (Some(0), String::new()));
    let address = server.address.clone();
    drop(server);
    let (code, error) = check(&address);
    assert_eq!(code, Some(1));
    assert!(error.contains("cannot be reached"), "{error}");

    let ill = Server::start_unready(&[
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_V8_FLAGS", "--no-such-flag"),
    ])
    .until_listening();
    let (code, error) = check(&ill.address);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("503") && error.contains("javascript: "),
        "{error}"
    );
}

#[test]
fn a_token_that_is_refused_is_not_repeated_and_one_from_a_file_may_end_in_a_line_break() {
    for name in SECRETS {
        let output = run(&[], &[(name, "my secret words")]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(said.contains(name), "{said}");
        assert!(!said.contains("secret words"), "{said}");
    }
    let server = Server::start_javascript(&[("FAAS_API_TOKEN", "a-token-from-a-file\n")])
        .with_token("a-token-from-a-file");
    assert_eq!(server.run(serde_json::json!({ "code": "1" })).status, 200);
}

#[test]
fn a_log_filter_that_would_silence_everything_by_mistake_is_refused() {
    for filter in ["verbose", "info,loud", "faas_pool=loud"] {
        let output = run(&[], &[("FAAS_LOG", filter)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{filter}");
        assert!(said.contains("FAAS_LOG"), "{said}");
    }
    Server::start_javascript(&[("FAAS_LOG", "info,faas_pool=debug")]);
}

#[test]
fn a_variable_that_is_nearly_a_setting_is_warned_of() {
    let server = Server::start_javascript(&[
        ("FAAS_POOLSIZE", "3"),
        ("FAAS_SERVER_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
    ]);
    let warned = server.lines_with("a variable that is not a setting: see `faas-server --help`");
    let names: Vec<_> = warned.iter().map(|line| &line["fields"]["name"]).collect();
    assert_eq!(names, ["FAAS_POOLSIZE"]);
}

/// A part of a distribution, served on loopback.
fn mirror(directory: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/full/", listener.local_addr().unwrap());
    let directory = std::path::PathBuf::from(directory);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = std::io::BufReader::new(&stream).lines();
            let first = head.next().unwrap().unwrap();
            head.find(|line| line.as_ref().unwrap().is_empty());
            let name = first
                .split(' ')
                .nth(1)
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned();
            let (status, body) = match std::fs::read(directory.join(name)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            // A client that hangs up takes no harm.
            let _ = stream.write_all(&[head.into_bytes(), body].concat());
        }
    });
    address
}

#[test]
fn packages_fetch_fills_a_directory_that_a_cut_off_machine_can_use() {
    let distribution = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-distribution");
    assert!(
        std::fs::exists(distribution).unwrap(),
        "run scripts/fetch-test-distribution first"
    );
    // A mirror serves files; what they must be says the lock file of the Pyodide that is run.
    let pyodide = Scratch::new("fetch-pyodide");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pyodide-dist")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::os::unix::fs::symlink(&path, pyodide.0.join(path.file_name().unwrap())).unwrap();
        }
    }
    let lock = pyodide.0.join("pyodide-lock.json");
    std::fs::remove_file(&lock).unwrap();
    std::fs::copy(format!("{distribution}/pyodide-lock.json"), &lock).unwrap();
    let to = Scratch::new("fetched");
    let source = mirror(distribution);
    let environment = [
        ("FAAS_PYODIDE_DIR", pyodide.path()),
        ("FAAS_PYODIDE_PACKAGES", source.as_str()),
    ];
    let fetch = ["packages", "fetch", "Pandas", "--to", to.path()];
    let output = run(&fetch, &environment);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let names = [
        "1/5 numpy",
        "2/5 pandas",
        "3/5 python-dateutil",
        "4/5 pytz",
        "5/5 six",
    ];
    assert_eq!(lines, names);
    let path = file(
        "fetched.py",
        "import pandas\nprint(pandas.Series([1, 2]).sum())",
    );
    let output = run(
        &["run", &path, "--timeout", "60000"],
        &[("FAAS_PYODIDE_PACKAGES", to.path())],
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "3\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let output = run(
        &["packages", "fetch", "no-such-thing", "--to", to.path()],
        &environment,
    );
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("has no package 'no-such-thing'"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let left: Vec<_> = std::fs::read_dir(&to.0).unwrap().collect();
    assert_eq!(left.len(), 6, "five wheels and the lock file: {left:?}");
}

#[test]
fn packages_fetch_gets_from_an_index_what_the_distribution_lacks_and_what_that_needs() {
    let index = Index::start(Trouble::None);
    let distribution = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-distribution");
    let to = Scratch::new("fetched-both");
    let output = run(
        &[
            "packages",
            "fetch",
            "numpy",
            "markdown-it-py>=4",
            "--to",
            to.path(),
        ],
        &[
            ("FAAS_PYODIDE_PACKAGES", distribution),
            ("FAAS_PACKAGE_INDEX", &index.address),
        ],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let lines: BTreeSet<String> = said.lines().map(str::to_owned).collect();
    let wheels = [wheel_of("markdown_it_py"), wheel_of("mdurl")];
    assert!(lines.contains("1/1 numpy"), "{said}");
    // A file that comes at once may be passed over: it is progress that is shown.
    let is_expected = |line: &String| line == "1/1 numpy" || wheels.contains(line);
    assert!(lines.iter().all(is_expected), "{said}");
    let names_in = |directory: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    };
    assert_eq!(names_in(&to.0.join("wheels")), BTreeSet::from(wheels));
    let kept = names_in(&to.0);
    assert_eq!(kept.len(), 3, "numpy, the lock file and wheels/: {kept:?}");

    // The sentence at the end says how to use it.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let settings: Vec<(&str, &str)> = said
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .collect();
    let path = file(
        "cut-off.py",
        "import numpy, markdown_it\nprint(numpy.arange(3).sum(), markdown_it.MarkdownIt().render('*a*'))",
    );
    let packages = ["--packages", "numpy,markdown-it-py", "--timeout", "60000"];
    let output = run(&[&["run", &path], &packages[..]].concat(), &settings);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "3 <p><em>a</em></p>\n\n",
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let unknown = run(
        &["packages", "fetch", "no-such-thing", "--to", to.path()],
        &[("FAAS_PACKAGE_INDEX", &index.address)],
    );
    assert!(!unknown.status.success());
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("no-such-thing"), "{said}");
}

#[test]
fn packages_fetch_says_what_to_set_when_the_source_cannot_be_reached() {
    let to = Scratch::new("unreachable");
    // Nothing listens on that port.
    let nowhere = [("FAAS_PYODIDE_PACKAGES", "http://user:s3cret@127.0.0.1:1/")];
    let output = run(&["packages", "fetch", "numpy", "--to", to.path()], &nowhere);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains("set FAAS_PYODIDE_PACKAGES to a mirror"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
    assert!(!to.0.join("pyodide-lock.json").exists());
}
