//! `GET /metrics`: what Prometheus reads is valid and true.

mod common;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::json;

use common::Server;

type Labels = BTreeMap<String, String>;

/// Metrics as Prometheus reads them.
#[derive(Debug, Default)]
struct Metrics {
    types: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Metrics {
    fn of(server: &Server, accept: &str) -> Self {
        let answer = server.send("GET", "/metrics", &[("accept", accept)], "");
        assert_eq!(answer.status, 200);
        Self::parse(answer.body.as_str().expect("text"))
    }

    fn now() -> Self {
        Self::of(server(), "text/plain")
    }

    /// Parses strictly: anything that is neither a comment nor a sample fails the test.
    fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(helped.insert(name.to_owned()), "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert!(helped.contains(name), "no help before {line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                metrics.types.insert(name.to_owned(), kind.to_owned());
            } else if line != "# EOF" {
                let (series, value) = sample(line);
                assert!(metrics.type_of(&series.0).is_some(), "no type for {line}");
                let earlier = metrics.samples.insert(series, value);
                assert!(earlier.is_none(), "twice: {line}");
            }
        }
        metrics.check_histograms();
        metrics
    }

    fn type_of(&self, sample: &str) -> Option<&str> {
        let ends = ["", "_total", "_bucket", "_sum", "_count"];
        let mut bases = ends.iter().filter_map(|end| sample.strip_suffix(end));
        bases.find_map(|base| self.types.get(base).map(String::as_str))
    }

    fn check_histograms(&self) {
        for (name, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let count_name = format!("{name}_count");
            let counts = self.series(&count_name);
            for (labels, count) in counts {
                let mut buckets: Vec<(f64, f64)> = self
                    .series(&format!("{name}_bucket"))
                    .filter_map(|(bucket, value)| {
                        let mut others = bucket.clone();
                        let bound = others.remove("le").expect("le");
                        let bound = match bound.as_str() {
                            "+Inf" => f64::INFINITY,
                            number => number.parse().expect("le"),
                        };
                        (others == *labels).then_some((bound, value))
                    })
                    .collect();
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.len() > 5, "{name} {labels:?}");
                assert!(
                    buckets.is_sorted_by(|a, b| a.1 <= b.1),
                    "{name} is not cumulative: {buckets:?}"
                );
                assert_eq!(buckets.last().unwrap(), &(f64::INFINITY, count), "{name}");
                let sum = self.samples[&(format!("{name}_sum"), labels.clone())];
                assert!(sum >= 0.0 && (count > 0.0 || sum == 0.0), "{name}");
            }
        }
    }

    fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Labels, f64)> {
        let matching = self.samples.iter().filter(move |((own, _), _)| own == name);
        matching.map(|((_, labels), value)| (labels, *value))
    }

    fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        self.samples.get(&key).copied()
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let value = self.get(name, labels);
        value.unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> ((String, Labels), f64) {
    let (series, value) = line.rsplit_once(' ').expect(line);
    let value: f64 = value
        .parse()
        .unwrap_or_else(|_| panic!("no number: {line}"));
    assert!(value.is_finite() && value >= 0.0, "{line}");
    let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| {
        (name, rest.strip_suffix('}').expect(line))
    });
    assert!(is_name(name), "{line}");
    let mut parsed = Labels::new();
    for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once("=\"").expect(line);
        let value = value.strip_suffix('"').unwrap_or(value);
        assert!(is_name(key) && !value.contains(['"', '\\']), "{line}");
        assert!(parsed.insert(key.to_owned(), value.to_owned()).is_none());
    }
    ((name.to_owned(), parsed), value)
}

/// Both runtimes are not needed here.
fn server() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| {
        Server::start_javascript(&[
            ("FAAS_MAX_CPU_TIME", "5000"),
            ("FAAS_MAX_CODE_BYTES", "10000"),
        ])
    });
    &SERVER
}

fn run(code: &str, more: serde_json::Value) -> common::Answer {
    let mut request = json!({ "language": "javascript", "code": code });
    let more = more.as_object().unwrap().clone();
    request.as_object_mut().unwrap().extend(more);
    server().run(request)
}

#[test]
fn metrics_that_dashboards_and_alerts_name_exist_from_the_start() {
    let fresh = Server::start_javascript(&[]);
    let deploy = include_str!("deploy.py");
    let (_, rest) = deploy.split_once("HISTOGRAMS = {").unwrap();
    let (tables, _) = rest.split_once("# What Prometheus adds").unwrap();
    let metrics = Metrics::of(&fresh, "*/*");
    let mut checked = 0;
    for line in tables.lines() {
        let mut quoted = line.split('"').skip(1).step_by(2);
        let (Some(name), labels) = (quoted.next(), quoted.collect::<BTreeSet<_>>()) else {
            continue;
        };
        let is_name = name.starts_with("faas_") || name.starts_with("process_");
        if !is_name || name.contains('{') {
            continue;
        }
        checked += 1;
        assert!(metrics.types.contains_key(name), "{name}");
        let suffix = match metrics.types[name].as_str() {
            "histogram" => "_count",
            _ => "",
        };
        let sample = format!("{name}{suffix}");
        let mut series = metrics.series(&sample).peekable();
        assert!(series.peek().is_some(), "{name} has no series");
        for (own, _) in series {
            assert_eq!(
                own.keys().map(String::as_str).collect::<BTreeSet<_>>(),
                labels
            );
        }
    }
    assert_eq!(checked, 54);
    for language in ["javascript", "typescript"] {
        for status in ["success", "killed", "cancelled"] {
            let labels = [("language", language), ("status", status)];
            assert_eq!(metrics.value("faas_executions_total", &labels), 0.0);
        }
    }
    assert_eq!(
        metrics.value("faas_limits_hit_total", &[("limit", "memory")]),
        0.0
    );
    for (route, method, code) in [
        ("/run_code", "POST", "200"),
        ("/run_code", "POST", "401"),
        ("/run_code", "POST", "429"),
        ("/run_code", "POST", "499"),
        ("/run_code", "POST", "500"),
        ("/check_code", "POST", "503"),
        ("/executions/{task_id}", "GET", "401"),
        ("other", "other", "503"),
    ] {
        let labels = [("route", route), ("method", method), ("code", code)];
        assert_eq!(metrics.value("faas_http_requests_total", &labels), 0.0);
    }
    let runtime = [("runtime", "javascript")];
    assert_eq!(metrics.value("faas_zygote_up", &runtime), 1.0);
    assert_eq!(
        metrics.value("faas_zygote_boot_failures_total", &runtime),
        0.0
    );
    // A language that is not served has no series that an alert could find to be zero.
    let python = [("runtime", "python"), ("state", "idle")];
    assert_eq!(metrics.get("faas_pool_sandboxes", &python), None);
}

#[test]
fn executions_are_counted_by_status() {
    for (code, more, status, limit) in [
        ("console.log(1)", json!({}), "success", None),
        ("throw new Error('no')", json!({}), "error", None),
        (
            "for (;;);",
            json!({ "timeout": 200 }),
            "timeout",
            Some("wall_time"),
        ),
        (
            "for (;;);",
            json!({ "limits": { "cpu_ms": 100 } }),
            "cpu_limit",
            Some("cpu_time"),
        ),
        (
            "const all = []; for (;;) all.push(new Array(100000).fill(all.length));",
            json!({ "limits": { "memory_bytes": 16 << 20 } }),
            "memory_limit",
            Some("memory"),
        ),
        (
            "for (;;) console.log('x'.repeat(10000));",
            json!({ "limits": { "output_bytes": 1000 } }),
            "output_limit",
            Some("output"),
        ),
        (
            "console.log('x'.repeat(2000))",
            json!({ "limits": { "output_bytes": 1000 } }),
            "success",
            Some("output"),
        ),
        (
            "return_val('x'.repeat(2000))",
            json!({ "limits": { "return_bytes": 1000 } }),
            "return_limit",
            Some("return_value"),
        ),
    ] {
        let labels = [("language", "javascript"), ("status", status)];
        let before = Metrics::now();
        let answer = run(code, more);
        assert_eq!(answer.outcome(), status, "{code}: {}", answer.stderr());
        let after = Metrics::now();
        let grew = |name, labels: &[_]| after.value(name, labels) > before.value(name, labels);
        assert!(grew("faas_executions_total", &labels), "{status}");
        let language = [("language", "javascript")];
        assert!(grew("faas_execution_duration_seconds_count", &language));
        assert!(grew("faas_queue_wait_seconds_count", &[]));
        if let Some(limit) = limit {
            assert!(
                grew("faas_limits_hit_total", &[("limit", limit)]),
                "{limit}"
            );
        }
    }
    let metrics = Metrics::now();
    let runtime = [("runtime", "javascript")];
    assert!(metrics.value("faas_fork_seconds_count", &runtime) >= 8.0);
    assert_eq!(
        metrics.value("faas_zygote_boot_seconds_count", &runtime),
        1.0
    );
    common::eventually("no sandbox waits", || {
        let idle = [("runtime", "javascript"), ("state", "idle")];
        Metrics::now().value("faas_pool_sandboxes", &idle) == 10.0
    });
}

#[test]
fn executions_of_callers_that_hang_up_are_counted_as_cancelled() {
    let labels = [("language", "typescript"), ("status", "cancelled")];
    let request = json!({ "language": "ts", "code": "for (;;);", "timeout": 20_000 });
    let stream = server().begin("", &request);
    common::eventually("it does not begin", || {
        let active = [("runtime", "javascript"), ("state", "active")];
        Metrics::now().value("faas_pool_sandboxes", &active) > 0.0
    });
    drop(stream);
    common::eventually("it is not counted", || {
        Metrics::now().value("faas_executions_total", &labels) > 0.0
    });
    let hung_up = [("route", "/run_code"), ("method", "POST"), ("code", "499")];
    assert_eq!(
        Metrics::now().value("faas_http_requests_total", &hung_up),
        1.0
    );
}

#[test]
fn text_that_a_caller_sends_never_becomes_a_metric_label() {
    let server = server();
    for (method, path) in [
        ("GET", "/secret-path"),
        ("DELETE", "/run_code"),
        ("TRACE", "/health"),
        ("GET", "/assets/secret"),
        ("GET", "/health?secret=1"),
    ] {
        server.send(method, path, &[("x-request-id", "secret")], "");
    }
    server.run(json!({ "language": "secret", "code": "1" }));
    server.run(json!({ "code": "x".repeat(20_000) }));
    let text = server.get("/metrics").body.to_string();
    assert!(!text.contains("secret"), "{text}");
    let metrics = Metrics::now();
    let count = |route, method, code| {
        let labels = [("route", route), ("method", method), ("code", code)];
        metrics.value("faas_http_requests_total", &labels)
    };
    assert!(count("other", "GET", "404") >= 1.0);
    assert!(count("/run_code", "DELETE", "405") >= 1.0);
    assert!(count("/health", "other", "405") >= 1.0);
    assert!(count("/assets/{name}", "GET", "404") >= 1.0);
    assert!(count("/health", "GET", "200") >= 1.0);
    assert!(count("/run_code", "POST", "400") >= 1.0);
    assert!(count("/run_code", "POST", "413") >= 1.0);
    let route = [("route", "other")];
    assert!(metrics.value("faas_http_request_duration_seconds_count", &route) >= 1.0);
}

#[test]
fn a_full_queue_and_a_dead_zygote_are_counted() {
    let server = Server::start_javascript(&[("FAAS_WORKER_COUNT", "1"), ("FAAS_QUEUE_SIZE", "0")]);
    std::thread::scope(|scope| {
        let slow = || server.run(json!({ "code": "for (;;);", "timeout": 1000 }));
        let both = [scope.spawn(slow), scope.spawn(slow)];
        let mut statuses = both.map(|thread| thread.join().unwrap().status);
        statuses.sort();
        assert_eq!(statuses, [200, 429]);
    });
    let runtime = [("runtime", "javascript")];
    let metrics = Metrics::of(&server, "*/*");
    assert!(metrics.value("faas_limits_hit_total", &[("limit", "queue")]) >= 1.0);
    assert_eq!(metrics.value("faas_zygote_restarts_total", &runtime), 0.0);
    // SAFETY: kill takes two numbers; the process is a child of our own child.
    unsafe { libc::kill(server.zygote(), libc::SIGKILL) };
    common::eventually("the restart is not counted", || {
        let metrics = Metrics::of(&server, "*/*");
        metrics.value("faas_zygote_restarts_total", &runtime) == 1.0
            && metrics.value("faas_zygote_boot_seconds_count", &runtime) == 2.0
    });
}

#[test]
fn a_runtime_that_cannot_boot_is_not_up_and_its_failures_are_counted() {
    let server = Server::start_unready(&[
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_V8_FLAGS", "--no-such-flag"),
    ])
    .until_listening();
    let metrics = Metrics::of(&server, "*/*");
    let runtime = [("runtime", "javascript")];
    assert_eq!(metrics.value("faas_zygote_up", &runtime), 0.0);
    assert!(metrics.value("faas_zygote_boot_failures_total", &runtime) >= 3.0);
    assert_eq!(metrics.value("faas_zygote_restarts_total", &runtime), 0.0);
}

#[test]
fn the_format_of_metrics_is_negotiated() {
    let ask = |accept| server().send("GET", "/metrics", &[("accept", accept)], "");
    let plain = ask("*/*");
    let content_type = &plain.headers["content-type"];
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(!plain.body.as_str().unwrap().contains("# EOF"));
    let open = ask("application/openmetrics-text; version=1.0.0,text/plain;q=0.2");
    let content_type = &open.headers["content-type"];
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = open.body.as_str().unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# TYPE faas_executions counter\n"), "{text}");
    Metrics::parse(text);
    let json = ask("application/json").body;
    assert!(json["execution_count"].is_u64());
    assert!(json["uptime_seconds"].is_u64());
    assert_eq!(json["runtime"], "pyodide-webassembly");
    assert!(json["pool_metrics"]["totalInstances"].is_u64());
    assert!(json["pool_metrics"]["runtimes"]["javascript"]["idle"].is_u64());
    assert!(json["executions"]["javascript"]["success"].is_u64());
}

#[test]
fn sandboxes_with_packages_are_counted_as_a_runtime_of_their_own() {
    let server = Server::start_python(&[]);
    let idle = [("runtime", "python-packages"), ("state", "idle")];
    assert_eq!(
        Metrics::of(&server, "*/*").get("faas_pool_sandboxes", &idle),
        None
    );
    server.run(json!({ "code": "1", "packages": ["not-to-be-had"] }));
    let metrics = Metrics::of(&server, "*/*");
    assert_eq!(metrics.value("faas_pool_sandboxes", &idle), 0.0);
    let labels = [("language", "python"), ("status", "error")];
    assert_eq!(metrics.value("faas_executions_total", &labels), 1.0);
    assert_eq!(
        metrics.value("faas_package_install_failures_total", &[]),
        1.0
    );
}

#[test]
fn the_process_and_its_capacity_are_told() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let server = Server::start_javascript(&[
        ("FAAS_WORKER_COUNT", "3"),
        ("FAAS_QUEUE_SIZE", "7"),
        ("FAAS_MAX_INSTANCES", "20"),
        ("FAAS_QUEUE_BYTES", "30000000"),
    ]);
    let metrics = Metrics::of(&server, "*/*");
    let of_process = |name| metrics.value(&format!("process_{name}"), &[]);
    let started = of_process("start_time_seconds");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(
        started >= before.as_secs_f64() && started <= now.as_secs_f64(),
        "{started}"
    );
    assert!(of_process("resident_memory_bytes") > 1e6);
    assert!(of_process("open_fds") > 10.0);
    assert!(of_process("open_fds") < of_process("max_fds"));
    assert_eq!(metrics.value("faas_worker_count", &[]), 3.0);
    assert_eq!(metrics.value("faas_queue_size", &[]), 7.0);
    assert_eq!(metrics.value("faas_max_instances", &[]), 20.0);
    let requests = [("holder", "requests")];
    assert_eq!(metrics.value("faas_kept_bytes_max", &requests), 30e6);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(metrics.value("faas_build_info", &version), 1.0);
    let later = Metrics::of(&server, "application/openmetrics-text");
    assert_eq!(later.value("process_start_time_seconds", &[]), started);
}

#[test]
fn bytes_of_requests_count_as_kept_while_they_are_executed() {
    let server = Server::start_javascript(&[]);
    let kept = || {
        let metrics = Metrics::of(&server, "*/*");
        metrics.value("faas_kept_bytes", &[("holder", "requests")])
    };
    let code = format!("for (;;); //{}", "x".repeat(50_000));
    let stream = server.begin("", &json!({ "code": code, "timeout": 20_000 }));
    common::eventually("it is not kept", || kept() >= 50_000.0);
    drop(stream);
    common::eventually("it is kept still", || kept() == 0.0);
}

#[test]
fn a_sandbox_that_somebody_kills_is_counted_by_its_signal() {
    let server = Server::start_javascript(&[("FAAS_POOL_SIZE", "1"), ("FAAS_MAX_INSTANCES", "1")]);
    let killed = |signal| {
        let metrics = Metrics::of(&server, "*/*");
        metrics.value("faas_sandboxes_killed_total", &[("signal", signal)])
    };
    let endless = |timeout: u32| server.run(json!({ "code": "for (;;);", "timeout": timeout }));
    assert_eq!(endless(200).outcome(), "timeout");
    assert_eq!(killed("SIGKILL"), 0.0, "that was the server");
    let zygote = server.zygote();
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| endless(20_000));
        common::eventually("it does not run", || {
            let active = [("runtime", "javascript"), ("state", "active")];
            Metrics::of(&server, "*/*").value("faas_pool_sandboxes", &active) > 0.0
        });
        for pid in server.children() {
            if pid != zygote {
                // SAFETY: kill takes two numbers; the process is a child of our own child.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
        assert_eq!(answer.join().unwrap().outcome(), "killed");
    });
    assert_eq!(killed("SIGKILL"), 1.0);
    let cpu = [("language", "javascript")];
    let metrics = Metrics::of(&server, "*/*");
    assert!(metrics.value("faas_execution_cpu_seconds_total", &cpu) > 0.0);
}
