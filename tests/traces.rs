//! Traces reach a collector, and a collector that is missing disturbs nothing.

mod common;

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use common::Server;
use common::eventually;
use common::scratch::Scratch;

/// Head and body of a request.
type Request = (String, Vec<u8>);

/// Stores what is posted to it.
struct Collector {
    address: String,
    received: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let collector = Self {
            address,
            received: received.clone(),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let received = received.clone();
                std::thread::spawn(move || while take(&stream, &received).is_some() {});
            }
        });
        collector
    }

    /// All bodies so far, one after the other.
    fn bytes(&self) -> Vec<u8> {
        let received = self.received.lock().unwrap();
        received.iter().flat_map(|(_, body)| body.clone()).collect()
    }

    fn has(&self, needle: &[u8]) -> bool {
        self.bytes()
            .windows(needle.len())
            .any(|bytes| bytes == needle)
    }
}

/// Takes one request and answers it.
fn take(mut stream: &TcpStream, received: &Mutex<Vec<Request>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    received.lock().unwrap().push((head, body));
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).ok()
}

/// A string as protobuf has it: its length before it.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[length], text.as_bytes()].concat()
}

/// An attribute whose value is a string.
fn attribute(key: &str, value: &str) -> Vec<u8> {
    let value = [&[0x0a][..], &text(value)].concat();
    let length = u8::try_from(value.len()).unwrap();
    [&text(key)[..], &[0x12, length], &value].concat()
}

fn traced(collector: &str, more: &[(&str, &str)]) -> Server {
    let mut environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    environment.extend(more);
    Server::start_javascript(&environment)
}

#[test]
fn a_request_is_a_trace_of_queue_fork_and_run() {
    let collector = Collector::start();
    // Traces do not depend on the log filter.
    let server = traced(
        &collector.address,
        &[("FAAS_LOG", "warn,faas_server::commands::serve=info")],
    );
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = json!({ "language": "ts", "code": "console.log('sec' + 'ret') // secret" });
    let headers = [("traceparent", trace), ("x-request-id", "mine")];
    let answer = server.send("POST", "/run_code", &headers, request.to_string());
    assert_eq!(answer.outcome(), "success");
    for name in ["POST /run_code", "queue", "fork", "run"] {
        eventually(name, || collector.has(&text(name)));
    }
    for (key, value) in [
        ("service.name", "faas-server"),
        ("execution.language", "typescript"),
        ("execution.status", "success"),
        ("http.route", "/run_code"),
        ("request.id", "mine"),
    ] {
        eventually(key, || collector.has(&attribute(key, value)));
    }
    // It belongs to the trace that the caller named, below the caller's span.
    let trace_id = 0x0af7651916cd43dd8448eb211c80319c_u128.to_be_bytes();
    let span_id = 0xb7ad6b7169203331_u64.to_be_bytes();
    assert!(collector.has(&trace_id) && collector.has(&span_id));
    assert!(!collector.has(b"secret"));
    let received = collector.received.lock().unwrap();
    for (head, _) in received.iter() {
        assert!(head.starts_with("post /v1/traces "), "{head}");
        assert!(
            head.contains("content-type: application/x-protobuf\r\n"),
            "{head}"
        );
    }
}

/// rotel, a receiver that writes what it gets; see scripts/fetch-trace-receiver.
struct Receiver {
    process: Child,
    address: String,
    text: Arc<Mutex<String>>,
    _files: Scratch,
}

impl Receiver {
    /// None if it is not there, which is said.
    fn start() -> Option<Self> {
        let program = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/target/trace-receiver/rotel-agent"
        );
        if !Path::new(program).exists() {
            eprintln!("SKIPPED: no receiver of traces: scripts/fetch-trace-receiver");
            return None;
        }
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
        };
        let (http, grpc) = (free().to_string(), free().to_string());
        let files = Scratch::new("receiver");
        let mut process = Command::new(program)
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc])
            .args(["--pid-file", &format!("{}/pid", files.path())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let text = Arc::new(Mutex::new(String::new()));
        let (mut stdout, kept) = (process.stdout.take().unwrap(), text.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut piece) {
                kept.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        eventually("the receiver does not listen", || {
            TcpStream::connect(&http).is_ok()
        });
        Some(Self {
            process,
            address: format!("http://{http}"),
            text,
            _files: files,
        })
    }

    /// What it has got, a text for each span.
    fn spans(&self) -> Vec<String> {
        let text = self.text.lock().unwrap();
        text.split("Span #").skip(1).map(str::to_owned).collect()
    }

    /// The span with all of these lines, once it is there.
    fn span(&self, lines: &[&str]) -> String {
        let has_all = |span: &String| lines.iter().all(|line| span.contains(line));
        eventually(&format!("no span with {lines:?}"), || {
            self.spans().iter().any(has_all)
        });
        self.spans().into_iter().find(has_all).unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What stands behind a name in a span's text.
fn field<'a>(span: &'a str, name: &str) -> &'a str {
    let line = span
        .lines()
        .find(|line| line.trim_start().starts_with(name));
    line.unwrap().split_once(": ").unwrap().1.trim()
}

#[test]
fn a_real_receiver_gets_spans_by_the_conventions_for_http_servers() {
    let Some(receiver) = Receiver::start() else {
        return;
    };
    let server = traced(&receiver.address, &[("FAAS_POOL_SIZE", "1")]);
    let request = json!({ "code": "console.log(1)" }).to_string();
    let headers = [("user-agent", "a test"), ("x-request-id", "mine")];
    let answer = server.send("POST", "/run_code", &headers, request);
    let task_id = answer.body["metadata"]["task_id"].as_str().unwrap();
    let span = receiver.span(&[
        "Name           : POST /run_code",
        "Kind           : SPAN_KIND_SERVER",
        "STATUS_CODE_UNSET",
        "http.request.method: Str(POST)",
        "http.response.status_code: Int(200)",
        "http.route: Str(/run_code)",
        "url.path: Str(/run_code)",
        "url.scheme: Str(http)",
        "client.address: Str(127.0.0.1)",
        "server.address: Str(127.0.0.1)",
        "network.protocol.version: Str(1.1)",
        "user_agent.original: Str(a test)",
        "request.id: Str(mine)",
        "execution.status: Str(success)",
        &format!("execution.task_id: Str({task_id})"),
    ]);
    // What it waited for is below it, and its log line names the trace.
    for name in ["queue", "fork", "run"] {
        let child = receiver.span(&[&format!("Name           : {name}\n"), "SPAN_KIND_INTERNAL"]);
        assert_eq!(field(&child, "Parent ID"), field(&span, "ID "), "{name}");
    }
    let line = server.lines_with("answered").remove(0);
    assert_eq!(line["spans"][0]["trace_id"], field(&span, "Trace ID"));
    assert_eq!(line["fields"]["task_id"], task_id);
    assert_eq!(line["fields"]["program"], "success");
    assert_eq!(line["fields"]["caller"], "127.0.0.1");

    // What a caller has wrong is no error of the service; a path that nobody made is not told.
    server.get("/made-up");
    let unknown = receiver.span(&["Name           : GET\n", "Int(404)", "STATUS_CODE_UNSET"]);
    assert!(!unknown.contains("made-up"), "{unknown}");
    // SAFETY: kill takes two numbers; this is the zygote of our own server.
    unsafe { libc::kill(server.zygote(), libc::SIGSTOP) };
    let request = json!({ "code": "1", "timeout": 300 });
    eventually("sandboxes do not run out", || {
        server.run(request.clone()).status == 503
    });
    receiver.span(&[
        "POST /run_code",
        "STATUS_CODE_ERROR",
        "error.type: Str(503)",
    ]);
    // Probes would be most of all traces.
    for probe in ["/health", "/ready", "/metrics"] {
        assert!(
            receiver.spans().iter().all(|span| !span.contains(probe)),
            "{probe}"
        );
    }
}

#[test]
fn the_last_spans_are_sent_before_a_stop_under_the_service_name() {
    let collector = Collector::start();
    let later = [
        ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
        ("OTEL_SERVICE_NAME", "classroom-7"),
    ];
    let mut server = traced(&collector.address, &later);
    server.run(json!({ "code": "throw 1" }));
    server.signal(libc::SIGTERM);
    assert!(server.wait().success());
    assert!(collector.has(&attribute("execution.status", "error")));
    assert!(collector.has(&attribute("service.name", "classroom-7")));
}

#[test]
fn a_trace_collector_that_does_not_answer_delays_nothing() {
    // Accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for address in ["http://127.0.0.1:1", silent.as_str()] {
        let mut server = traced(address, &[]);
        for _ in 0..50 {
            let answer = server.run(json!({ "code": "console.log(1)", "timeout": 5000 }));
            assert_eq!(answer.stdout(), "1\n");
        }
        if address.ends_with(":1") {
            let complaint = "trace export failed";
            eventually("it is not said", || {
                !server.lines_with(complaint).is_empty()
            });
            assert_eq!(server.lines_with(complaint).len(), 1);
        }
        let began = Instant::now();
        server.signal(libc::SIGTERM);
        assert!(server.wait().success());
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{:?}",
            began.elapsed()
        );
    }
}

#[test]
fn an_invalid_trace_collector_address_stops_the_start() {
    let output = Command::new(common::PROGRAM)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "not an address")
        .args(["--port", "0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{error}");
}
