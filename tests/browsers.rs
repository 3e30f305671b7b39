//! What a web page in somebody's browser can do with a server that the browser reaches: nothing.
//! `web/test/strangers.test.mjs` tries the same with Chromium.

mod common;

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::sync::LazyLock;

use serde_json::json;

use common::Server;

const TOKEN: &str = "correct-horse-battery-staple";

/// A server without a token, as on a developer's machine.
fn open() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start_javascript(&[]));
    &SERVER
}

/// The whole answer to a request that has these lines after its first.
fn ask(server: &Server, first_line: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let length = body.len();
    let request = format!(
        "{first_line}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn status(answer: &str) -> u16 {
    let code = answer.split(' ').nth(1).unwrap_or_default();
    code.parse().unwrap_or_else(|_| panic!("{answer:?}"))
}

#[test]
fn a_page_of_another_origin_executes_nothing() {
    let server = Server::start_javascript(&[]);
    let body = json!({ "code": "1" }).to_string();
    for headers in [
        "Host: localhost\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain\r\n",
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: localhost\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\n",
        // A name of its own, made to point here.
        "Host: evil.example:8000\r\nOrigin: http://evil.example:8000\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: evil.example:8000\r\n",
    ] {
        let answer = ask(&server, "POST /run_code HTTP/1.1", headers, &body);
        assert_eq!(status(&answer), 403, "{headers}{answer}");
        assert!(answer.contains(r#"{"error":""#), "{answer}");
    }
    assert_eq!(server.get("/health").body["execution_count"], 0);
    let own =
        "Host: localhost:8000\r\nOrigin: http://localhost:8000\r\nSec-Fetch-Site: same-origin\r\n";
    let answer = ask(&server, "POST /run_code HTTP/1.1", own, &body);
    assert_eq!(status(&answer), 200, "{answer}");
}

#[test]
fn the_body_of_a_page_of_another_origin_is_not_read() {
    let mut stream = TcpStream::connect(&open().address).unwrap();
    let head = "POST /run_code HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: 5000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
}

#[test]
fn a_page_with_a_name_of_its_own_reads_nothing() {
    for path in ["/", "/executions", "/health", "/metrics", "/openapi.json"] {
        let line = format!("GET {path} HTTP/1.1");
        let answer = ask(open(), &line, "Host: evil.example\r\n", "");
        assert_eq!(status(&answer), 403, "{path}: {answer}");
        assert!(answer.contains("FAAS_ALLOWED_HOSTS"), "{answer}");
        let named = ask(open(), &line, "Host: coze-loop-faas:8000\r\n", "");
        assert_eq!(status(&named), 200, "{path}: {named}");
    }
    let allowing = Server::start_javascript(&[("FAAS_ALLOWED_HOSTS", "faas.example")]);
    let answer = ask(
        &allowing,
        "GET /executions HTTP/1.1",
        "Host: faas.example\r\n",
        "",
    );
    assert_eq!(status(&answer), 200, "{answer}");
    // With a token, names do not matter.
    let guarded = Server::start_javascript(&[("FAAS_API_TOKEN", TOKEN)]);
    let headers = format!("Host: faas.default.svc\r\nAuthorization: Bearer {TOKEN}\r\n");
    let answer = ask(&guarded, "GET /executions HTTP/1.1", &headers, "");
    assert_eq!(status(&answer), 200, "{answer}");
}

#[test]
fn a_request_without_exactly_one_host_is_400() {
    for headers in [
        "",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: a b\r\n",
    ] {
        let answer = ask(open(), "GET /health HTTP/1.1", headers, "");
        assert_eq!(status(&answer), 400, "{headers}: {answer}");
    }
    assert_eq!(status(&ask(open(), "GET /health HTTP/1.0", "", "")), 200);
}

#[test]
fn a_link_on_another_site_leads_to_the_page() {
    let headers = "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
    let answer = ask(open(), "GET / HTTP/1.1", headers, "");
    assert_eq!(status(&answer), 200, "{answer}");
    let answer = ask(open(), "GET /executions HTTP/1.1", headers, "");
    assert_eq!(status(&answer), 403, "{answer}");
}

#[test]
fn the_frame_for_html_of_programs_is_served_to_the_own_page_and_to_no_other() {
    let frame = |site: &str| {
        let headers = format!(
            "Host: localhost\r\nSec-Fetch-Site: {site}\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"
        );
        ask(open(), "GET /assets/frame.html HTTP/1.1", &headers, "")
    };
    let own = frame("same-origin");
    assert_eq!(status(&own), 200, "{own}");
    let policy = own
        .lines()
        .find(|line| line.starts_with("content-security-policy: "))
        .unwrap();
    for directive in [
        "sandbox allow-scripts;",
        "default-src 'none';",
        "frame-ancestors 'self'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("allow-same-origin"), "{policy}");
    for site in ["cross-site", "same-site"] {
        let answer = frame(site);
        assert_eq!(status(&answer), 403, "{site}: {answer}");
    }
}

#[test]
fn every_answer_keeps_other_pages_from_making_use_of_it() {
    let guarded = Server::start_javascript(&[("FAAS_API_TOKEN", TOKEN)]);
    let asks = [
        (open(), "GET / HTTP/1.1", 200),
        (open(), "GET /assets/app.js HTTP/1.1", 200),
        (open(), "GET /assets/frame.html HTTP/1.1", 200),
        (open(), "GET /health HTTP/1.1", 200),
        (open(), "GET /nowhere HTTP/1.1", 404),
        (open(), "DELETE /run_code HTTP/1.1", 405),
        (open(), "POST /run_code HTTP/1.1", 400),
        (&guarded, "GET /metrics HTTP/1.1", 401),
    ];
    let refused = "Host: localhost\r\nOrigin: https://evil.example\r\n";
    let asks = asks
        .into_iter()
        .map(|(server, line, code)| (server, line, "Host: localhost\r\n", code))
        .chain([(open(), "GET /health HTTP/1.1", refused, 403)]);
    for (server, line, headers, code) in asks {
        let answer = ask(server, line, headers, "");
        assert_eq!(status(&answer), code, "{line}: {answer}");
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        for header in [
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert_eq!(head.matches(header).count(), 1, "{line}: {head}");
        }
    }
}
