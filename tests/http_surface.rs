//! The HTTP surface under clients that are slow, many, huge or wrong.

mod common;

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::PROGRAM;
use common::Server;
use common::shared;

/// FAAS_CLIENT_TIMEOUT of servers that slow clients are tried on, in ms.
const CLIENT_TIMEOUT_MS: u64 = 600;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// Sends raw bytes and reads until the server hangs up.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may refuse the request and hang up while we still write.
    let _ = stream.write_all(bytes);
    read_all(stream)
}

fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(answer).expect("an answer is text")
}

fn post(body: &[u8], headers: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Whether it executes a program, in either language.
fn still_serves(server: &Server) {
    let answer = server.run(json!({ "code": "return_val(1)" }));
    assert_eq!((answer.outcome(), answer.ret_val()), ("success", "1"));
}

/// A server that slow clients are tried on.
fn impatient() -> &'static Server {
    static IMPATIENT: LazyLock<Server> = LazyLock::new(|| {
        let timeout = CLIENT_TIMEOUT_MS.to_string();
        Server::start_javascript(&[("FAAS_CLIENT_TIMEOUT", timeout.as_str())])
    });
    &IMPATIENT
}

/// A server that asks for a token.
fn guarded() -> &'static Server {
    static GUARDED: LazyLock<Server> =
        LazyLock::new(|| Server::start_javascript(&[("FAAS_API_TOKEN", TOKEN)]));
    &GUARDED
}

#[test]
fn a_client_that_sends_its_head_slowly_is_disconnected() {
    let server = impatient();
    for start in [
        "",
        "P",
        "POST /run_code HTTP/1.1\r\nHost: x\r\nX: ",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut stream = connect(server);
        stream.write_all(start.as_bytes()).unwrap();
        let started = Instant::now();
        // A byte now and then must not keep the connection alive.
        let mut stream_too = stream.try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            for _ in 0..60 {
                std::thread::sleep(Duration::from_millis(100));
                if start.len() > 1 && stream_too.write_all(b"a").is_err() {
                    break;
                }
            }
        });
        let answer = read_all(stream);
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{start:?} was waited for {:?}",
            started.elapsed()
        );
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
        dripping.join().unwrap();
    }
    still_serves(server);
}

/// Asks for the page over a connection that is kept, and reads the answer's head.
fn ask_and_keep(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

#[test]
fn a_kept_connection_may_be_idle_for_longer_than_a_request_may_take_to_come() {
    let server = impatient();
    let mut stream = connect(server);
    for _ in 0..2 {
        let head = ask_and_keep(&mut stream).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        std::thread::sleep(Duration::from_millis(2 * CLIENT_TIMEOUT_MS));
    }
    // What has begun must come to its end, as on a new connection.
    stream.write_all(b"GET /health HTTP/1.1\r\nX: ").unwrap();
    let started = Instant::now();
    assert_eq!(read_all(stream), "");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_client_that_sends_its_body_slowly_gets_408() {
    let server = impatient();
    let mut stream = connect(server);
    let head = "POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream_too = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        while stream_too.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let started = Instant::now();
    let answer = read_all(stream);
    assert!(started.elapsed() < Duration::from_secs(5), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("FAAS_CLIENT_TIMEOUT"), "{answer}");
    still_serves(server);
}

#[test]
fn a_client_that_does_not_read_its_stream_delays_no_time_limit() {
    let server = Server::start_javascript(&[]);
    // More than the system keeps for a connection, since each character becomes six.
    let code = "console.log('\\u0001'.repeat(2_000_000)); for (;;);";
    let body = json!({ "language": "js", "code": code, "timeout": 500 }).to_string();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = connect(&server);
            let request = post(body.as_bytes(), "Accept: text/event-stream\r\n");
            stream.write_all(&request).unwrap();
            stream
        })
        .collect();
    let active = || server.get("/health").body["pool"]["activeInstances"].clone();
    common::eventually("no program starts", || active() == 3);
    common::eventually("programs run on", || active() == 0);
    drop(clients);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_slow_program_is_not_a_slow_client() {
    let server = impatient();
    let code = "await new Promise((done) => setTimeout(done, 1500)); console.log('done')";
    assert_eq!(server.run(json!({ "code": code })).stdout(), "done\n");
}

#[test]
fn a_chunked_body_is_accepted_and_limited_like_any_other() {
    let server = Server::start_javascript(&[("FAAS_MAX_BODY_BYTES", "1000")]);
    let body = json!({ "code": "console.log(7)" }).to_string();
    let chunked = |body: &str| {
        let (start, end) = body.split_at(5);
        format!(
            "POST /run_code HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{start}\r\n{:x}\r\n{end}\r\n0\r\n\r\n",
            start.len(),
            end.len(),
        )
    };
    let answer = raw(&server, chunked(&body).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let long = json!({ "code": "#".repeat(2000) }).to_string();
    let answer = raw(&server, chunked(&long).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    still_serves(&server);
}

#[test]
fn huge_request_heads_are_refused() {
    let server = impatient();
    let huge = "x".repeat(1 << 20);
    let many: String = (0..5000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    for head in [
        format!("GET /health HTTP/1.1\r\nHost: x\r\nX-Huge: {huge}\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        format!("GET /{huge} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /health?{huge} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("{huge} /health HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let answer = raw(server, head.as_bytes());
        // The server may hang up before all was sent, and then the answer may be lost.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    still_serves(server);
}

#[test]
fn huge_request_bodies_are_refused_without_being_read() {
    let server = shared();
    let head = "POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n";
    let started = Instant::now();
    let answer = raw(server, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let body = vec![b' '; 11 << 20];
    let answer = raw(server, &post(&body, ""));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    still_serves(server);
}

#[test]
fn a_client_is_told_when_its_connection_ends_with_the_answer() {
    let server = shared();
    let closes = |request: &str, body: &[u8]| {
        let mut stream = connect(server);
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
        (answer.contains("\r\nconnection: close\r\n"), answer)
    };
    let program = json!({ "language": "javascript", "code": "1" }).to_string();
    let length = program.len();
    for (request, body, expected) in [
        (
            "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "",
            false,
        ),
        (
            format!("POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"),
            &*program,
            false,
        ),
        // Refused for what stands in the head.
        (
            "POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
            "{",
            true,
        ),
        (
            "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n".to_owned(),
            "{",
            true,
        ),
        (
            "POST /run_code HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\nContent-Length: 50\r\n\r\n"
                .to_owned(),
            "",
            true,
        ),
    ] {
        let (closed, answer) = closes(&request, body.as_bytes());
        assert_eq!(closed, expected, "{request}\n{answer}");
    }
}

#[test]
fn clients_that_send_all_of_a_refused_body_get_the_refusal() {
    const URLLIB: &str = "
import sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], data=b' ' * (11 << 20))
except urllib.error.HTTPError as error:
    print(error.code)
";
    const FETCH: &str = "
const body = ' '.repeat(11 << 20);
fetch(process.argv[1], { method: 'POST', body }).then((answer) => console.log(answer.status));
";
    // The last has no place for a connection but that which the test keeps.
    let full = Server::start_javascript(&[("FAAS_MAX_CONNECTIONS", "1")]);
    let _kept = loop {
        let stream = connect(&full);
        let mut stream_too = stream.try_clone().unwrap();
        stream_too
            .write_all(b"GET /executions HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut answer = [0; 12];
        stream_too.read_exact(&mut answer).unwrap();
        if &answer == b"HTTP/1.1 200" {
            break stream;
        }
    };
    for (server, path, status) in [
        (shared(), "/run_code", "413\n"),
        (shared(), "/nowhere", "404\n"),
        (shared(), "/health", "405\n"),
        (guarded(), "/run_code", "401\n"),
        (&full, "/run_code", "503\n"),
    ] {
        let url = format!("http://{}{path}", server.address);
        for _ in 0..3 {
            for (client, option, code) in [("python3", "-c", URLLIB), ("node", "-e", FETCH)] {
                let mut command = Command::new(client);
                // Loopback is not for a proxy that the machine may have.
                command.args([option, code, &url]).env("no_proxy", "*");
                let output = command.output();
                let output = output.unwrap_or_else(|error| panic!("{client} is needed: {error}"));
                let error = String::from_utf8_lossy(&output.stderr);
                let seen = String::from_utf8_lossy(&output.stdout);
                assert_eq!(seen, status, "{client}: {error}");
            }
        }
    }
    still_serves(shared());
}

#[test]
fn a_client_that_sends_all_of_its_body_to_a_server_that_stops_gets_503() {
    let mut server = Server::start_javascript(&[]);
    // A request that has begun when the stop comes.
    let mut stream = connect(&server);
    stream.write_all(b"POST /run_code HTTP/1.1\r\n").unwrap();
    let running = server.begin("", &json!({ "code": SLEEP }));
    let active = || server.get("/health").body["pool"]["activeInstances"] == 1;
    common::eventually("it does not start", active);
    server.signal(libc::SIGTERM);
    common::eventually("it does not drain", || {
        !server.lines_with("draining").is_empty()
    });
    let length = 11 << 20;
    let rest = format!("Host: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(rest.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; length]).unwrap();
    let answer = read_all(stream);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("shutting down"), "{answer}");
    drop(running);
    assert!(server.wait().success());
}

/// A program that runs until it is ended.
const SLEEP: &str = "console.log('begin'); await new Promise((done) => setTimeout(done, 60_000))";

#[test]
fn a_client_that_hangs_up_ends_its_program_whatever_it_sent_after_it() {
    let server = Server::start_javascript(&[]);
    let active = || server.get("/health").body["pool"]["activeInstances"].clone();
    let body = json!({ "code": SLEEP, "timeout": 60_000 }).to_string();
    let length = body.len();
    for (version, accept) in [("1.1", "*/*"), ("1.0", "*/*"), ("1.1", "text/event-stream")] {
        for more in [
            "",
            "\r\n",
            "\r\n\r\n",
            "G",
            "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
            &"x".repeat(20_000),
        ] {
            let mut stream = connect(&server);
            let head = format!(
                "POST /run_code HTTP/{version}\r\nHost: x\r\nAccept: {accept}\r\n\
                 Content-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            stream.write_all(more.as_bytes()).unwrap();
            common::eventually("it does not start", || active() == 1);
            drop(stream);
            common::eventually("it runs on", || active() == 0);
        }
    }
}

#[test]
fn a_client_that_ends_only_its_own_side_gets_its_answer() {
    let server = shared();
    for accept in ["application/json", "text/event-stream"] {
        for pause in [0, 500] {
            let code = format!(
                "await new Promise((done) => setTimeout(done, {pause})); console.log('done')"
            );
            let request = json!({ "language": "js", "code": code });
            let headers = format!("Accept: {accept}\r\n");
            let stream = server.begin(&headers, &request);
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let answer = read_all(stream);
            // What may come before the answer, any number of times (RFC 9110, 15.2).
            let mut rest = answer.as_str();
            while let Some(after) = rest.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n") {
                rest = after;
            }
            assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(rest.contains(r#""stdout":"done\n""#), "{answer}");
        }
    }
}

#[test]
fn a_program_that_is_cut_off_at_a_stop_says_so() {
    let mut server = Server::start_javascript(&[("FAAS_SHUTDOWN_GRACE", "300")]);
    let request = json!({ "code": SLEEP, "timeout": 60_000 });
    let plain = server.begin("", &request);
    let streamed = server.begin("Accept: text/event-stream\r\n", &request);
    let active = || server.get("/health").body["pool"]["activeInstances"] == 2;
    common::eventually("they do not start", active);
    server.signal(libc::SIGTERM);
    let answer = read_all(plain);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.to_lowercase().contains("\r\nretry-after: "),
        "{answer}"
    );
    let sentence = "shutting down and ended the program before it was done (FAAS_SHUTDOWN_GRACE)";
    assert!(answer.contains(sentence), "{answer}");
    let events = read_all(streamed);
    assert!(events.contains(r#"{"text":"begin\n"}"#), "{events}");
    let (_, last) = events.split_once("event: error\ndata: ").unwrap();
    assert!(last.contains(sentence), "{events}");
    assert!(server.wait().success());
}

#[test]
fn bytes_that_are_not_http_are_refused() {
    let server = impatient();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\0\0\0\0",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /run_code HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /run_code HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = raw(server, bytes);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{bytes:?}: {answer}"
        );
    }
    still_serves(server);
}

#[test]
fn a_length_and_chunks_together_cannot_smuggle_a_request() {
    let smuggled = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!(
        "POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    let answer = raw(impatient(), request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[test]
fn bodies_that_are_not_one_json_object_are_400() {
    let server = shared();
    for body in [
        &b"\xff\xfe\xfd"[..],
        b"{\"code\": \"\xff\"}",
        b"{\"code\": \"\xed\xa0\x80\"}",
        b"{\"code\": \"\\ud800\"}",
        b"{\"code\": \"1\", \"code\": \"2\"}",
        b"{\"code\": \"a\tb\"}",
        b"",
        b"null",
        b"[]",
        b"\"code\"",
        b"{\"code\": \"1\"} trailing",
    ] {
        let answer = server.post("/run_code", body);
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.body);
        assert!(answer.body["error"].is_string(), "{}", answer.body);
        assert!(answer.body["details"].is_string(), "{}", answer.body);
    }
}

/// A program that needs no particular language.
const ONE: &str = r#"{"code": "return_val(1)"}"#;

#[test]
fn a_body_that_is_json_but_no_object_is_refused_as_that() {
    let server = shared();
    for body in [
        "null",
        "[]",
        " \n[1]",
        "7",
        "true",
        "\"code\"",
        r#"["javascript", "return 1", null, null, null]"#,
    ] {
        for path in ["/run_code", "/check_code"] {
            let answer = server.post(path, body);
            let seen = (answer.status, answer.error());
            assert_eq!(seen, (400, "Invalid JSON format"), "{path}: {body}");
            let details = answer.body["details"].as_str().unwrap();
            assert!(details.contains("must be a JSON object"), "{details}");
        }
    }
    for (field, value) in [
        ("limits", json!([1000, null, null, null, null, null])),
        ("limits", json!("cpu_ms")),
        ("files", json!([["a", "hello", null]])),
        ("files", json!([null])),
        ("files", json!({ "name": "a", "content": "" })),
        ("ext", json!([])),
    ] {
        let answer = server.run(json!({ "code": "1", field: value }));
        assert_eq!(answer.status, 400, "{field}: {value}");
        let error = answer.error();
        assert!(error.contains(&format!("'{field}' must be an")), "{error}");
        assert!(
            !answer.body.to_string().contains("struct"),
            "{}",
            answer.body
        );
    }
}

#[test]
fn a_byte_order_mark_of_utf8_is_read_over_and_other_encodings_are_named() {
    let server = shared();
    for path in ["/run_code", "/check_code"] {
        let marked = format!("\u{feff}{ONE}");
        assert_eq!(server.post(path, marked).status, 200, "{path}");
    }
    let utf16: Vec<u16> = ONE.encode_utf16().collect();
    let bytes = |order: fn(u16) -> [u8; 2]| utf16.iter().copied().flat_map(order).collect();
    let little: Vec<u8> = bytes(u16::to_le_bytes);
    let big: Vec<u8> = bytes(u16::to_be_bytes);
    let utf32: Vec<u8> = ONE.chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    for (body, named) in [
        ([b"\xff\xfe", &little[..]].concat(), "UTF-16"),
        ([b"\xfe\xff", &big[..]].concat(), "UTF-16"),
        (little, "UTF-16"),
        (big, "UTF-16"),
        ([b"\xff\xfe\0\0", &utf32[..]].concat(), "UTF-32"),
        (utf32, "UTF-32"),
        (gzip(ONE), "gzip"),
        (b"{\"code\": \"\xe9\"}".to_vec(), "byte 11 of it is not"),
    ] {
        let answer = server.post("/run_code", &body);
        let seen = (answer.status, answer.error());
        assert_eq!(seen, (400, "Invalid JSON format"), "{body:?}");
        let details = answer.body["details"].as_str().unwrap();
        assert!(details.contains("must be JSON in UTF-8"), "{details}");
        assert!(details.contains(named), "{details}");
    }
}

/// A text as gzip writes it that does not compress it.
fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is installed");
    gzip.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    gzip.wait_with_output().unwrap().stdout
}

#[test]
fn a_body_in_a_content_coding_is_415_and_says_what_to_do() {
    let server = shared();
    let packed = gzip(ONE);
    for coding in [
        "gzip",
        "GZIP",
        "br",
        "deflate, gzip",
        "identity, zstd",
        "x-unknown",
    ] {
        for path in ["/run_code", "/check_code"] {
            let headers = [("content-encoding", coding)];
            let answer = server.send("POST", path, &headers, &packed);
            let seen = (answer.status, answer.error());
            assert_eq!(seen, (415, "Unsupported content coding"), "{coding}");
            assert_eq!(answer.headers["accept-encoding"], "identity");
            let details = answer.body["details"].as_str().unwrap();
            assert!(details.contains("without the header Content-Encoding"));
        }
    }
    for coding in ["identity", "Identity", ""] {
        let headers = [("content-encoding", coding)];
        let answer = server.send("POST", "/run_code", &headers, ONE);
        assert_eq!(answer.status, 200, "{coding:?}");
    }
}

#[test]
fn input_that_is_nested_too_deep_for_python_is_400_and_names_the_depth() {
    let server = shared();
    let run = |language: &str, input: &str| {
        let code = "return_val(7)";
        let body = format!(r#"{{"language": "{language}", "code": "{code}", "input": {input}}}"#);
        server.post("/run_code", body)
    };
    let arrays = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth);
    for deep in [
        arrays(10_001),
        arrays(20_000),
        arrays(1_000_000),
        objects(10_001),
        objects(300_000),
        format!("[\"]\", {}]", arrays(10_000)),
        format!("[\"\\\"]\", {}]", arrays(10_000)),
    ] {
        let answer = run("python", &deep);
        let seen = (answer.status, answer.error());
        assert_eq!(seen, (400, "Parameter 'input' is nested too deep"));
        let details = answer.body["details"].as_str().unwrap();
        assert!(details.contains("at most 10000"), "{details}");
        assert_eq!(run("javascript", &deep).ret_val(), "7");
    }
    // Brackets in strings and side by side are not depth.
    let brackets = format!("[\"{}\"]", "[".repeat(20_000));
    let side_by_side = format!("[{}0]", "[],".repeat(20_000));
    for fine in [arrays(10_000), objects(10_000), brackets, side_by_side] {
        assert_eq!(run("python", &fine).ret_val(), "7");
    }
}

#[test]
fn deeply_nested_json_does_not_overflow_the_stack() {
    let server = shared();
    for depth in [200, 100_000, 1_000_000] {
        for field in ["input", "ext", "language", "unknown"] {
            let nested = "[".repeat(depth) + &"]".repeat(depth);
            let body = format!("{{\"code\": \"print(1)\", \"{field}\": {nested}}}");
            let answer = server.post("/run_code", body);
            assert!(
                [200, 400].contains(&answer.status),
                "{field}: {}",
                answer.status
            );
        }
    }
    still_serves(server);
}

#[test]
fn a_thousand_idle_connections_delay_no_request() {
    let server = Server::start_javascript(&[]);
    let mut idle: Vec<TcpStream> = (0..1000).map(|_| connect(&server)).collect();
    for stream in idle.iter_mut().step_by(2) {
        stream.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    }
    let started = Instant::now();
    for _ in 0..20 {
        still_serves(&server);
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    drop(idle);
    common::eventually("connections are left open", || {
        common::figures::Figures::of(server.pid()).descriptors < 200
    });
}

#[test]
fn thousands_of_short_connections_leak_no_descriptors() {
    // Sandboxes have descriptors, too: with a pool of one, it does not matter whether it is full.
    let server = Server::start_javascript(&[("FAAS_POOL_SIZE", "1")]);
    still_serves(&server);
    let before = common::figures::Figures::of(server.pid());
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..400 {
                    match (worker + round) % 4 {
                        0 => drop(connect(server)),
                        1 => {
                            let _ =
                                connect(server).write_all(b"POST /run_code HTTP/1.1\r\nContent-L");
                        }
                        2 => {
                            let answer = raw(
                                server,
                                b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                            );
                            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                        }
                        _ => {
                            let answer = raw(server, &post(b"{", ""));
                            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
                        }
                    }
                }
            });
        }
    });
    still_serves(&server);
    common::eventually("descriptors are left open", || {
        common::figures::Figures::of(server.pid()).descriptors <= before.descriptors + 12
    });
}

#[test]
fn pipelined_requests_on_one_connection_are_all_answered() {
    let request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(49)
        + "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = raw(shared(), request.as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 50);
}

#[test]
fn openapi_json_names_every_route_and_no_other() {
    let server = shared();
    let answer = server.get("/openapi.json");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let description = &answer.body;
    assert_eq!(description["openapi"], "3.1.0");
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "delete"] {
            let status = server.method(&method.to_uppercase(), path).status;
            let described = methods.get(method).is_some();
            assert_eq!(status != 405, described, "{method} {path} is {status}");
        }
    }
    assert_eq!(
        description["info"]["version"].as_str(),
        Some(env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn answers_match_their_schemas_in_openapi_json() {
    let workspace = tempfile::tempdir().unwrap();
    let audit_log = workspace.path().join("audit.log");
    let server = Server::start(&[
        ("FAAS_WORKSPACE", workspace.path().to_str().unwrap()),
        ("FAAS_AUDIT_LOG", audit_log.to_str().unwrap()),
        ("FAAS_HISTORY_BODIES", "1"),
    ]);
    let run = |body: Value| server.run(body).body;
    let plain = run(
        json!({ "code": "import os\nos.makedirs('output', exist_ok=True)\nopen('output/a', 'w').write('x')", "timings": true }),
    );
    let task_id = plain["metadata"]["task_id"].as_str().unwrap().to_owned();
    let streamed = {
        let body = json!({ "code": "print(1)" }).to_string();
        let answer = raw(
            &server,
            &post(body.as_bytes(), "Accept: text/event-stream\r\n"),
        );
        let (_, event) = answer.split_once("event: result\ndata: ").unwrap();
        serde_json::from_str(event.lines().next().unwrap()).unwrap()
    };
    let check = |code: &str| {
        let body = json!({ "language": "ts", "code": code }).to_string();
        server.post("/check_code", body).body
    };
    let metrics = server.send("GET", "/metrics", &[("accept", "application/json")], "");
    let long = "for (;;);";
    let batch =
        json!({ "setup": "1", "programs": ["1", 7, "2"], "stop_on": "failure", "concurrency": 1 });
    let asked = server.post("/jobs", batch.to_string()).body;
    let job_path = format!("/jobs/{}", asked["id"].as_str().unwrap());
    common::eventually("the job does not end", || {
        server.get(&job_path).body["status"] == "failed"
    });
    let answers = [
        ("RunResponse", plain),
        ("RunResponse", streamed),
        ("RunResponse", run(json!({ "code": "1/0" }))),
        (
            "RunResponse",
            run(json!({ "language": "js", "code": long, "timeout": 200 })),
        ),
        (
            "RunResponse",
            run(json!({ "language": "js", "code": long, "limits": { "cpu_ms": 100 } })),
        ),
        (
            "CheckResponse",
            check("import 'lodash'; for (const x of [1]) { if (x) { x } }"),
        ),
        ("CheckResponse", check("let x = 1; let x = 2;")),
        ("Health", server.get("/health").body),
        ("Metrics", metrics.body),
        ("ExecutionList", server.get("/executions?limit=5").body),
        (
            "Execution",
            server.get(&format!("/executions/{task_id}")).body,
        ),
        ("Job", asked),
        ("Job", server.get(&job_path).body),
        ("JobList", server.get("/jobs").body),
        ("Error", server.get("/nowhere").body),
        ("Error", run(json!({}))),
    ];
    let described = json!({
        "document": server.get("/openapi.json").body,
        "answers": answers.map(|(schema, answer)| json!({ "schema": schema, "answer": answer })),
    });
    let report = validate(&described);
    assert!(report.is_empty(), "{report}");
    // The validator sees a field of a wrong type, one that is missing, and one that is not described.
    for wrong in [
        json!({ "error": 1, "details": "" }),
        json!({ "error": "" }),
        json!({ "error": "", "details": "", "more": 1 }),
    ] {
        let mut described = described.clone();
        described["answers"] = json!([{ "schema": "Error", "answer": wrong }]);
        assert!(validate(&described).contains("Error"), "{wrong}");
    }
}

/// What in answers is not as the document says: nothing, if all is well. By a validator of JSON Schema
/// in Node, which the page is built with: those in Rust ask other features of crates that V8's are built
/// with, and tests would build all of these a second time.
fn validate(described: &Value) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/web/validate-answers.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js is installed");
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(described.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "did `make setup` run?");
    String::from_utf8(output.stdout).unwrap()
}

const TOKEN: &str = "correct-horse-battery-staple";

fn with_token(server: &Server, path: &str, authorization: Option<&str>) -> String {
    let body = json!({ "code": "console.log(1)" }).to_string();
    let header = authorization
        .map(|value| format!("Authorization: {value}\r\n"))
        .unwrap_or_default();
    if path == "/run_code" {
        raw(server, &post(body.as_bytes(), &header))
    } else {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
        raw(server, request.as_bytes())
    }
}

#[test]
fn every_route_but_health_and_the_page_needs_the_api_token() {
    let server = guarded();
    let right = format!("Bearer {TOKEN}");
    for path in [
        "/run_code",
        "/openapi.json",
        "/sessions",
        "/nowhere",
        "/health/",
        "//health",
        "/HEALTH",
    ] {
        for wrong in [
            None,
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer wrong"),
            Some(TOKEN),
            Some("Basic Y29ycmVjdA=="),
            Some("Bearer correct-horse-battery-stapl"),
            Some("Bearer correct-horse-battery-staple2"),
        ] {
            let answer = with_token(server, path, wrong);
            assert!(
                answer.starts_with("HTTP/1.1 401 "),
                "{path} {wrong:?}: {answer}"
            );
            assert!(
                answer
                    .to_lowercase()
                    .contains("\r\nwww-authenticate: bearer\r\n"),
                "{answer}"
            );
            assert!(answer.contains(r#"{"error":"Unauthorized","#), "{answer}");
        }
        let answer = with_token(server, path, Some(&right));
        assert!(!answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
    let answer = with_token(server, "/run_code", Some(&right));
    assert!(answer.contains(r#""stdout":"1\n""#), "{answer}");
    // A person types the token into the page.
    for path in ["/", "/assets/app.js"] {
        let answer = with_token(server, path, None);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        assert!(!answer.contains(TOKEN), "the token is in {path}");
    }
    let answer = with_token(server, "/health", None);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!server.log().contains(TOKEN), "the token is in the log");
    assert!(!answer.contains(TOKEN), "the token is in /health");
}

#[test]
fn only_callers_with_the_token_see_the_package_zygotes() {
    let server = guarded();
    for (header, sees) in [
        (format!("Bearer {TOKEN}"), true),
        ("Bearer wrong".to_owned(), false),
        (String::new(), false),
    ] {
        let answer = server.send("GET", "/health", &[("authorization", &header)], "");
        assert_eq!(
            (answer.status, &answer.body["package_zygote_count"]),
            (200, &json!(0))
        );
        assert_eq!(
            answer.body.get("package_zygotes").is_some(),
            sees,
            "{header}"
        );
    }
    // Where there is no token, everybody is a stranger.
    let health = shared().get("/health").body;
    assert_eq!(health.get("package_zygotes"), None);
}

#[test]
fn a_short_api_token_is_warned_of_at_the_start() {
    let warned = |token: &str| {
        let server = Server::start_javascript(&[("FAAS_API_TOKEN", token)]);
        assert!(!server.log().contains(token));
        server
            .log()
            .contains("FAAS_API_TOKEN has fewer than 16 characters")
    };
    assert!(warned("short-secret"));
    assert!(!warned("long-enough-secret"));
}

#[test]
fn the_body_of_an_unauthorized_request_is_not_read() {
    let server = guarded();
    let head = "POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\nConnection: close\r\n\r\n";
    let mut stream = connect(server);
    stream.write_all(head.as_bytes()).unwrap();
    let answer = read_all(stream);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[test]
fn an_invalid_api_token_stops_the_start_without_being_shown() {
    for token in ["", "with space", "tab\there"] {
        let output = Command::new(PROGRAM)
            .env("FAAS_API_TOKEN", token)
            .args(["--port", "0"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{token:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("visible ASCII"), "{error}");
    }
    let help = Command::new(PROGRAM)
        .arg("--help")
        .env("FAAS_API_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains(TOKEN));
}

/// Found by schemathesis (4.32) with /openapi.json: requests beyond the description of that time.
#[test]
fn faults_that_schemathesis_found_stay_fixed() {
    // A time limit that is far too long is reduced, not refused.
    for timeout in [
        json!(9_000_000_000_000_001_u64),
        json!(u64::MAX),
        json!(96_429_806_579_697.0),
    ] {
        let answer = shared().run(json!({ "code": "print(1)", "timeout": timeout }));
        assert_eq!(answer.status, 200, "{timeout}");
    }
    // An unknown language, in letters of many alphabets, is 400 and is named.
    let answer =
        shared().run(json!({ "code": "\u{96}", "language": "æœÆŒﬀʤʨß", "": null, "𐷎è": [{}] }));
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("æœÆŒﬀʤʨß"), "{}", answer.error());
    // A field of a file that is null counts as missing.
    let file = json!({ "name": "0", "content": "", "content_base64": null });
    let answer = shared().run(json!({ "code": "print(open('0').read())", "files": [file] }));
    assert_eq!((answer.status, answer.stdout()), (200, "\n"));
    // Invalid names of packages and files are refused, and the parameter is named.
    let answer = shared().run(json!({ "code": "1", "packages": ["\u{15}\u{17}𐷎"] }));
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("packages"), "{}", answer.error());
    let file = json!({ "name": "\u{6}ì", "content": "x" });
    let answer = shared().run(json!({ "code": "1", "files": [file] }));
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("files"), "{}", answer.error());
}

#[test]
fn a_wrong_method_is_refused_on_the_page_as_on_every_route() {
    for path in ["/", "/run_batch"] {
        let answer = shared().method("DELETE", path);
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.error(), "Method not allowed", "{path}");
    }
}
