//! What callers can have the supervisor hold: requests, answers and connections, bounded in bytes and in
//! number.

mod common;

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use common::Server;
use common::eventually;
use common::figures::peak_memory;

/// A program whose answer is more than the system keeps for a connection of [`begin_unread`]: each
/// character becomes six.
const LONG_ANSWER: &str = "console.log('\\u0001'.repeat(2_000_000));";

/// What the system keeps for a client that does not read, in bytes. Left to itself it may take more than
/// the whole answer (tcp_rmem, 32 MB here).
const RECEIVED_UNREAD: usize = 64 << 10;

/// Just below the default of FAAS_MAX_BODY_BYTES.
const BODY: usize = 10_480_000;

/// A request with a field that is `open`, then `item` as often as there is room, then `close`.
fn filled(field: &str, open: &str, item: &str, close: &str) -> String {
    let start = format!("{{\"language\": \"js\", \"{field}\": {open}");
    let end = format!("{close}, \"code\": \"1\"}}");
    let room = BODY - start.len() - end.len();
    start + &item.repeat(room / item.len()) + &end
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// Sends the head of a request whose body is still to come, and reads the first line of what comes back:
/// `100 Continue` means that the server holds bytes for the body and reads it now.
fn announce_body(server: &Server, length: usize) -> (TcpStream, String) {
    let mut stream = connect(server);
    let head = format!(
        "POST /run_code HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    (stream, String::from_utf8_lossy(&status).into_owned())
}

/// Sends a request whose answer will not be read.
fn begin_unread(server: &Server, headers: &str, request: &serde_json::Value) -> TcpStream {
    let stream = connect(server);
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, RECEIVED_UNREAD).unwrap();
    common::send_request(stream, headers, request)
}

fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Whether the other end has closed the connection: it answers what we write with a reset.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.write_all(b"x").is_err()
}

fn active(server: &Server) -> u64 {
    let health = server.get("/health").body;
    health["pool"]["activeInstances"].as_u64().unwrap()
}

#[test]
fn bodies_that_are_built_to_grow_take_less_than_four_times_their_size() {
    let server = Server::start_javascript(&[]);
    let before = peak_memory(server.pid());
    let numbers = "0".to_owned() + &",0".repeat(1000);
    let attacks = [
        filled("ext", "[0", ",0", "]"),
        filled("ext", "{\"\": \"\"", ",\"a\":0", "}"),
        filled("packages", "[0", ",0", "]"),
        filled("packages", "[\"\"", ",\"\"", "]"),
        filled("files", "[0", ",0", "]"),
        filled("files", "[{}", ",{}", "]"),
        filled("files", "\"", "x", "\""),
        filled("limits", "[0", ",0", "]"),
        filled("limits", "{\"a\": 0", ",\"b\":0", "}"),
        filled("limits", "{\"", "a", "\": 0}"),
        filled("language", "[[]", ",[]", "]"),
        filled("language", "\"", "x", "\""),
        filled("timeout", "[0", ",0", "]"),
        filled("timeout", "\"", "x", "\""),
        filled("timings", &format!("[{numbers}"), ",0", "]"),
        filled("ext", "", "[", ""),
        filled("args", "[0", ",0", "]"),
        filled("args", "[\"\"", ",\"\"", "]"),
        filled("stdin", "[0", ",0", "]"),
        filled("entry_point", "\"", "x", "\""),
    ];
    for attack in attacks {
        let shown: String = attack.chars().take(60).collect();
        let answer = server.post("/run_code", &attack);
        assert_eq!(answer.status, 400, "{shown}: {}", answer.body);
        let grown = peak_memory(server.pid()) - before;
        assert!(grown < 4 * BODY as u64, "{shown}…: grew by {grown} bytes");
    }
    // What is read over, and what is right.
    for request in [
        filled("unknown", "[0", ",0", "]"),
        filled("priority", "{\"\": 0", ",\"\":0", "}"),
        filled("priority", "\"", "x", "\""),
        filled("ext", "{\"\": \"\"", ",\"a\":\"\"", "}"),
    ] {
        assert_eq!(server.post("/run_code", &request).status, 200);
        assert_eq!(server.post("/check_code", &request).status, 200);
        let grown = peak_memory(server.pid()) - before;
        assert!(grown < 4 * BODY as u64, "grew by {grown} bytes");
    }
}

#[test]
fn requests_beyond_the_bytes_of_the_queue_are_refused_at_once() {
    let server = Server::start_javascript(&[
        ("FAAS_QUEUE_BYTES", "1000000"),
        ("FAAS_MAX_CODE_BYTES", "2000000"),
    ]);
    let program = |start: &str, bytes: usize| {
        let code = format!("{start}//{}", "x".repeat(bytes));
        json!({ "code": code, "timeout": 60_000 })
    };
    let refused = |answer: &str| {
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.contains("FAAS_QUEUE_BYTES"), "{answer}");
        assert!(
            answer.to_lowercase().contains("\r\nretry-after: 1\r\n"),
            "{answer}"
        );
    };
    // Announced and on its way, and refused without being read.
    let (on_its_way, status) = announce_body(&server, 900_000);
    assert_eq!(status, "HTTP/1.1 100");
    assert_eq!(server.run(program("", 200_000)).status, 429);
    let (_, status) = announce_body(&server, 200_000);
    assert_eq!(status, "HTTP/1.1 429");
    // In chunks, whose length nobody announces.
    let mut chunked = connect(&server);
    let head = "POST /run_code HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    chunked.write_all(head.as_bytes()).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 50_000, " ".repeat(50_000));
    for _ in 0..4 {
        // It may be refused while we still write.
        let _ = chunked.write_all(chunk.as_bytes());
    }
    refused(&read_all(chunked));
    assert_eq!(server.run(program("", 10)).status, 200);
    drop(on_its_way);
    eventually("a request that went holds its bytes", || {
        server.run(program("", 200_000)).status == 200
    });
    // Executing.
    let running = server.begin("", &program("for (;;);", 900_000));
    eventually("the program does not run", || active(&server) == 1);
    assert_eq!(server.run(program("", 200_000)).status, 429);
    drop(running);
    eventually("an execution that is over holds its bytes", || {
        server.run(program("", 200_000)).status == 200
    });
}

#[test]
fn a_client_that_does_not_read_its_answer_is_disconnected() {
    let server = Server::start_javascript(&[("FAAS_CLIENT_TIMEOUT", "600")]);
    let mut clients: Vec<_> = (0..3)
        .map(|_| begin_unread(&server, "", &json!({ "code": LONG_ANSWER })))
        .collect();
    eventually("a client that reads nothing stays connected", || {
        clients.iter_mut().all(is_closed)
    });
    let answer = server.run(json!({ "code": LONG_ANSWER }));
    assert_eq!(answer.stdout().len(), 2_000_001);
}

#[test]
fn the_program_of_a_client_that_does_not_read_its_events_is_ended() {
    let server = Server::start_javascript(&[("FAAS_CLIENT_TIMEOUT", "600")]);
    let code = format!("{LONG_ANSWER} await new Promise((done) => setTimeout(done, 50_000));");
    let request = json!({ "code": code, "timeout": 60_000 });
    let mut client = begin_unread(&server, "Accept: text/event-stream\r\n", &request);
    eventually("the program does not start", || active(&server) == 1);
    eventually("the program runs on", || active(&server) == 0);
    eventually("the client stays connected", || is_closed(&mut client));
}

#[test]
fn answers_beyond_their_bytes_are_refused_until_others_were_read() {
    // Room for one answer of 12 MB, and not for the 2 MiB beside it that events may take: so it does not
    // matter whether the first execution's answer is made before or after the second's.
    let room = "14000000";
    for headers in ["", "Accept: text/event-stream\r\n"] {
        let server = Server::start_javascript(&[("FAAS_ANSWER_BYTES", room)]);
        let executed = || {
            let count = server.get("/health").body["execution_count"].clone();
            count.as_u64().unwrap()
        };
        let before = executed();
        let mut unread = begin_unread(&server, headers, &json!({ "code": LONG_ANSWER }));
        eventually("it is not executed", || executed() > before);
        let mut start = [0; 12];
        unread.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        let mut refused = None;
        eventually("an answer that is not read does not count", || {
            let answer = server.run(json!({ "code": LONG_ANSWER }));
            if answer.status == 200 {
                assert_eq!(answer.stdout().len(), 2_000_001);
                return false;
            }
            refused = Some(answer);
            true
        });
        let refused = refused.unwrap();
        assert_eq!(refused.status, 503);
        assert_eq!(refused.headers["retry-after"], "1");
        let details = refused.body["details"].as_str().unwrap();
        assert!(details.contains("FAAS_ANSWER_BYTES"), "{details}");
        assert_eq!(
            server.run(json!({ "code": "console.log(1)" })).stdout(),
            "1\n"
        );
        drop(unread);
        eventually("an answer that nobody waits for holds its bytes", || {
            server.run(json!({ "code": LONG_ANSWER })).status == 200
        });
    }
}

#[test]
fn a_connection_beyond_the_limit_is_told_so() {
    let server = Server::start_javascript(&[("FAAS_MAX_CONNECTIONS", "2")]);
    let idle = [connect(&server), connect(&server)];
    let mut third = connect(&server);
    third
        .write_all(b"GET /executions HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let answer = read_all(third);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    for part in [
        "Retry-After: 1",
        "Connection: close",
        "nosniff",
        "FAAS_MAX_CONNECTIONS",
    ] {
        assert!(answer.contains(part), "{answer}");
    }
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(body).is_ok(),
        "{body}"
    );
    drop(idle);
    eventually("a place is not given back", || {
        let mut stream = connect(&server);
        let request = b"GET /executions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        read_all(stream).starts_with("HTTP/1.1 200 ")
    });
    let said = "refusing connections (FAAS_MAX_CONNECTIONS)";
    eventually("it is not logged", || !server.lines_with(said).is_empty());
}

#[test]
fn connections_that_are_kept_but_not_used_make_room_for_others() {
    let server = Server::start_javascript(&[
        ("FAAS_MAX_CONNECTIONS", "4"),
        ("FAAS_CLIENT_TIMEOUT", "600"),
    ]);
    let ask = |stream: &mut TcpStream| {
        let request = b"HEAD /executions HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).is_ok() && start == *b"HTTP/1.1 200"
    };
    // FAAS_KEEP_ALIVE lets each of them be idle for minutes.
    let mut kept: Vec<TcpStream> = (0..4).map(|_| connect(&server)).collect();
    assert!(kept.iter_mut().all(ask));
    eventually("none makes room", || ask(&mut connect(&server)));
}

#[test]
fn a_connection_that_is_kept_but_not_used_is_closed() {
    let server = Server::start_javascript(&[("FAAS_KEEP_ALIVE", "600")]);
    let mut stream = connect(&server);
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let started = Instant::now();
    let answer = read_all(stream);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}
