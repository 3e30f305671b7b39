//! Three servers behind HAProxy and nginx, with the configurations of docker/: restarted one after the other, killed,
//! full. No request is lost that could be sent again, and all could.

mod common;

use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use common::balancers::Running;
use common::balancers::free_address;
use common::balancers::haproxy;
use common::balancers::nginx;
use common::balancers::nginx_configuration;
use common::balancers::with_addresses;
use common::batches::Upload;
use common::eventually;
use common::scratch::Scratch;
use common::send_request;

/// One of several servers, which keeps its port when it is started again.
struct Replica {
    name: &'static str,
    address: String,
    workspace: Scratch,
    process: Option<Running>,
}

impl Replica {
    fn start(name: &'static str, workspace: &str) -> Self {
        let mut replica = Self {
            name,
            address: free_address(),
            workspace: Scratch::new(workspace),
            process: None,
        };
        replica.start_again();
        replica
    }

    fn start_again(&mut self) {
        let (host, port) = self.address.split_once(':').unwrap();
        let process = Command::new(common::PROGRAM)
            .envs(common::NO_SOURCES)
            .env("FAAS_LANGUAGE", "javascript")
            .env("FAAS_REPLICA", self.name)
            .env("FAAS_WORKER_COUNT", "2")
            .env("FAAS_QUEUE_SIZE", "4")
            .env("FAAS_WORKSPACE", self.workspace.path())
            .args(["--host", host, "--port", port])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(Running(process));
        eventually("a replica does not listen", || {
            TcpStream::connect(&self.address).is_ok()
        });
    }

    /// Ends it by a signal and starts it again.
    fn restart(&mut self, signal: i32) {
        let mut process = self.process.take().unwrap();
        // SAFETY: it only sends a signal, to a child that was not waited for yet.
        unsafe { libc::kill(process.0.id() as i32, signal) };
        let ended = process.0.wait().unwrap();
        assert_eq!(ended.success(), signal == libc::SIGTERM, "{ended}");
        self.start_again();
    }

    /// How many requests wait for a turn.
    fn waiting(&self) -> u64 {
        let mut health = ureq::get(format!("http://{}/health", self.address)).call();
        let body = health.as_mut().unwrap().body_mut();
        let health: Value = body.read_json().unwrap();
        health["pool_status"]["pendingRequests"].as_u64().unwrap()
    }

    fn is_ready(&self) -> bool {
        ureq::get(format!("http://{}/ready", self.address))
            .call()
            .is_ok()
    }
}

/// Servers and what is before them.
struct Behind {
    replicas: [Replica; 3],
    _balancer: Running,
    address: String,
    /// Whether it finds the id of a session in a body, and not only in a path and a header.
    reads_bodies: bool,
    _files: Scratch,
}

/// The text of a file of docker/.
fn configuration(path: &str) -> String {
    let path = format!("{}/docker/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

impl Behind {
    /// Three servers whose balancer `start` starts with the addresses that its file has, and those of this test, and in
    /// a directory of its own.
    fn start(
        name: &str,
        (word, port): (&str, &str),
        start: impl FnOnce(&[(&str, &str)], &str, &Scratch) -> Command,
    ) -> Self {
        let replicas = ["one", "two", "three"];
        let replicas = replicas.map(|one| Replica::start(one, &format!("{name}-{one}")));
        let files = Scratch::new(name);
        let address = free_address();
        let (listens, here) = (format!("{word} {port}"), format!("{word} {address}"));
        let addresses = [
            ("faas-1:8000", replicas[0].address.as_str()),
            ("faas-2:8000", &replicas[1].address),
            ("faas-3:8000", &replicas[2].address),
            (&listens, &here),
        ];
        let mut balancer = start(&addresses, files.path(), &files);
        let balancer = Running(balancer.stderr(Stdio::null()).spawn().unwrap());
        eventually("the balancer does not listen", || {
            TcpStream::connect(&address).is_ok()
        });
        Self {
            replicas,
            _balancer: balancer,
            address,
            reads_bodies: word == "bind",
            _files: files,
        }
    }

    /// `None`, with a word on the terminal, if there is no nginx.
    fn nginx(name: &str) -> Option<Self> {
        let mut nginx = nginx()?;
        Some(Self::start(
            name,
            ("listen", "80"),
            |addresses, here, files| {
                let of_http = with_addresses(&configuration("nginx/faas.conf"), addresses);
                let path = files.file("nginx.conf", &nginx_configuration(here, &of_http));
                nginx.args(["-c", &path, "-e", &format!("{here}/errors")]);
                nginx
            },
        ))
    }

    /// `None`, with a word on the terminal, if there is no HAProxy.
    fn haproxy(name: &str) -> Option<Self> {
        let mut haproxy = haproxy()?;
        Some(Self::start(name, ("bind", ":80"), |addresses, _, files| {
            let text = with_addresses(&configuration("haproxy/haproxy.cfg"), addresses);
            let path = files.file("haproxy.cfg", &text);
            haproxy.args(["-db", "-q", "-f", &path]);
            haproxy
        }))
    }

    /// Ends each server twice and starts it again, while clients send programs through the balancer.
    /// Each is sent so many times at most, until it is answered.
    fn restart_one_after_the_other(&mut self, signal: i32, tries: u32) {
        let stop = AtomicBool::new(false);
        let address = self.address.clone();
        let counts = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|client| {
                    let (stop, address) = (&stop, &address);
                    scope.spawn(move || send_until(stop, address, client % 2 == 0, tries))
                })
                .collect();
            // The clients end whatever becomes of the restarts.
            let ending = Ending(&stop);
            for _ in 0..2 {
                for replica in &mut self.replicas {
                    std::thread::sleep(Duration::from_millis(300));
                    replica.restart(signal);
                }
            }
            drop(ending);
            let counts = clients.into_iter().map(|client| client.join().unwrap());
            counts.collect::<Vec<u32>>()
        });
        assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    }

    /// Fills a server with so many programs; they end when what is returned is dropped.
    fn fill_first(&self, programs: usize) -> Vec<TcpStream> {
        let slow = json!({
            "code": "await new Promise((done) => setTimeout(done, 60_000))", "timeout": 60_000,
        });
        let first = &self.replicas[0];
        let sent = (0..programs)
            .map(|_| send_request(TcpStream::connect(&first.address).unwrap(), "", &slow));
        let sent = sent.collect();
        eventually("a full server is ready", || !first.is_ready());
        sent
    }

    /// Opens a session on one of the servers; returns its id.
    fn open_session(&self) -> String {
        let url = format!("http://{}/sessions", self.address);
        let mut answer = ureq::post(&url).send("{}").unwrap();
        let opened: Value = answer.body_mut().read_json().unwrap();
        opened["id"].as_str().unwrap().to_owned()
    }

    /// Sends a program that needs what has this id.
    fn send(&self, id: &str, request: Value) -> Value {
        let url = format!("http://{}/run_code", self.address);
        let post = match self.reads_bodies {
            true => ureq::post(&url),
            false => ureq::post(&url).header("x-session", id),
        };
        let answer = post.send(request.to_string());
        answer.unwrap().body_mut().read_json().unwrap()
    }

    /// Whether programs through the balancer are answered at once, many in a row.
    fn answers(&self) -> bool {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        let url = format!("http://{}/run_code", self.address);
        let request = json!({ "code": "console.log(6 * 7)" }).to_string();
        (0..30).all(|_| agent.post(&url).send(&request).is_ok())
    }
}

/// Sends programs until it is to stop; each has to be answered. Returns how many were.
fn send_until(stop: &AtomicBool, address: &str, keeps_connections: bool, tries: u32) -> u32 {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_idle_connections(if keeps_connections { 4 } else { 0 })
        .build()
        .into();
    let code = "await new Promise((done) => setTimeout(done, 30)); console.log(6 * 7)";
    let request = json!({ "code": code }).to_string();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let url = format!("http://{address}/run_code");
        let send = || {
            let mut answer = agent.post(&url).send(&request)?;
            let text = answer.body_mut().read_to_string()?;
            Ok::<_, ureq::Error>(format!("{}: {text}", answer.status()))
        };
        let is_right = |answer: &Result<String, ureq::Error>| {
            let text = answer.as_deref().unwrap_or_default();
            text.starts_with("200") && text.contains(r#""stdout":"42\n""#)
        };
        let mut answer = send();
        for _ in 1..tries {
            if !is_right(&answer) {
                answer = send();
            }
        }
        assert!(is_right(&answer), "{answer:?}");
        count += 1;
    }
    count
}

/// Sets a flag when it is dropped.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_rolling_restart_behind_nginx_loses_no_request() {
    if let Some(mut behind) = Behind::nginx("rolling-nginx") {
        behind.restart_one_after_the_other(libc::SIGTERM, 1);
    }
}

#[test]
fn a_rolling_restart_behind_haproxy_loses_no_request() {
    if let Some(mut behind) = Behind::haproxy("rolling-haproxy") {
        behind.restart_one_after_the_other(libc::SIGTERM, 1);
    }
}

#[test]
fn a_server_that_is_killed_behind_nginx_loses_no_request() {
    if let Some(mut behind) = Behind::nginx("killed-nginx") {
        behind.restart_one_after_the_other(libc::SIGKILL, 1);
    }
}

#[test]
fn a_request_that_a_killed_server_behind_haproxy_had_is_answered_when_it_is_sent_again() {
    if let Some(mut behind) = Behind::haproxy("killed-haproxy") {
        behind.restart_one_after_the_other(libc::SIGKILL, 2);
    }
}

#[test]
fn haproxy_sends_nothing_to_a_server_that_says_that_it_is_nearly_full() {
    if let Some(behind) = Behind::haproxy("full-haproxy") {
        // Two run and three wait: a further one would wait for them.
        let _slow = behind.fill_first(5);
        eventually("programs go to the full server", || behind.answers());
    }
}

#[test]
fn nginx_passes_what_a_full_server_refuses_on_to_another() {
    if let Some(behind) = Behind::nginx("full-nginx") {
        let _slow = behind.fill_first(6);
        eventually("the server is not full", || {
            behind.replicas[0].waiting() == 4
        });
        assert!(behind.answers());
    }
}

#[test]
fn a_stream_of_rows_goes_through_both_as_it_comes() {
    let behind = [
        Behind::nginx("batch-nginx"),
        Behind::haproxy("batch-haproxy"),
    ];
    for behind in behind.into_iter().flatten() {
        let head = json!({ "program": "return_val(input_data + 1)" });
        let mut upload = Upload::begin(&behind.address, &head);
        let mut answered = upload.answered();
        for n in [1, 10, 100] {
            upload.send(&format!("{n}\n"));
            let row = answered.next().unwrap();
            assert_eq!(row["output"]["ret_val"], (n + 1).to_string());
        }
        upload.end();
        assert_eq!(answered.next().unwrap()["summary"]["succeeded"], 3);
    }
}

#[test]
fn cells_and_programs_from_snapshots_go_to_the_server_that_their_ids_tell() {
    let behind = [
        Behind::nginx("sessions-nginx"),
        Behind::haproxy("sessions-haproxy"),
    ];
    for behind in behind.into_iter().flatten() {
        let sessions: Vec<String> = (0..6).map(|_| behind.open_session()).collect();
        for name in ["one", "two", "three"] {
            let is_there = |id: &String| id.starts_with(&format!("sess-{name}-"));
            assert!(sessions.iter().any(is_there), "{sessions:?}");
        }
        for (number, id) in sessions.iter().enumerate() {
            let begun = json!({ "session": id, "code": format!("var x = {number}"), "keep": true });
            let begun = behind.send(id, begun);
            let snapshot = begun["metadata"]["snapshot"]["id"].as_str().unwrap();
            let from = json!({ "from": snapshot, "code": "return_val(x)" });
            assert_eq!(
                behind.send(snapshot, from)["output"]["ret_val"],
                number.to_string()
            );
        }
        for (number, id) in sessions.iter().enumerate() {
            let cell = json!({ "session": id, "code": "return_val(x)" });
            assert_eq!(
                behind.send(id, cell)["output"]["ret_val"],
                number.to_string()
            );
            let url = format!("http://{}/sessions/{id}", behind.address);
            assert_eq!(ureq::delete(&url).call().unwrap().status(), 204);
        }
    }
}

#[test]
fn a_server_that_is_asked_for_a_session_of_another_says_whose_it_is() {
    let server = common::Server::start_javascript(&[("FAAS_REPLICA", "faas-1")]);
    let digits = "0".repeat(32);
    for (id, is_elsewhere) in [
        (format!("sess-faas-2-{digits}"), true),
        (format!("sess-faas-1-{digits}"), false),
        (format!("sess-{digits}"), false),
    ] {
        let answer = server.run(json!({ "session": id, "code": "1" }));
        assert_eq!((answer.status, answer.error()), (404, "No such session"));
        let details = answer.body["details"].as_str().unwrap();
        assert_eq!(
            details.contains("on the server faas-2"),
            is_elsewhere,
            "{details}"
        );
    }
    let from = json!({ "from": format!("snap-faas-2-{digits}"), "code": "1" });
    let details = server.run(from).body["details"].to_string();
    assert!(details.contains("on the server faas-2"), "{details}");
}
