//! The service behind proxies: under a path, whose prefix nginx takes off; and several servers behind nginx and
//! HAProxy, restarted one after the other.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use common::Server;
use common::eventually;
use common::scratch::Scratch;

/// The program, unless it is missing: then it says so on the terminal, with the package that has it.
fn proxy(variable: &str, program: &str, package: &str) -> Option<Command> {
    let program = std::env::var(variable).unwrap_or_else(|_| program.to_owned());
    let version = Command::new(&program)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if version.is_err() {
        let word = format!(
            "\nproxy: SKIPPED, the service behind {program} was not tested: it is not there.\n  \
             On Debian:  apt-get install --no-install-recommends {package}\n  \
             Elsewhere:  set {variable} to where it is\n\n"
        );
        // Not with eprintln!, whose text cargo keeps back while tests pass.
        let _ = std::io::stderr().write_all(word.as_bytes());
        return None;
    }
    Some(Command::new(program))
}

fn nginx() -> Option<Command> {
    proxy("NGINX", "nginx", "nginx-light")
}

/// An address that was free a moment ago; proxies do not say which they took.
fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

/// An example of docs/operations.md, counted among those of its language, with addresses of this test.
fn example(language: &str, index: usize, addresses: &[(&str, &str)]) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let fence = format!("\n```{language}\n");
    let mut blocks = page.split(&fence).skip(1);
    let (example, _) = blocks.nth(index).unwrap().split_once("```").unwrap();
    let mut example = example.to_owned();
    for (from, to) in addresses {
        assert!(example.contains(from), "no {from} in {example}");
        example = example.replace(from, to);
    }
    example
}

/// What nginx needs besides its servers; one process, so that it ends with the test.
fn nginx_configuration(here: &str, of_http: &str) -> String {
    format!(
        "daemon off; master_process off; pid {here}/pid; error_log {here}/errors;
         events {{}}
         http {{
           access_log off; client_max_body_size 20m;
           client_body_temp_path {here}/1; proxy_temp_path {here}/2; fastcgi_temp_path {here}/3;
           uwsgi_temp_path {here}/4; scgi_temp_path {here}/5;
           {of_http}
         }}"
    )
}

/// A child process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// nginx in front of a server, with which it answers under `/faas/`.
struct Proxied {
    server: Server,
    _nginx: Running,
    /// Its address.
    address: String,
    _files: Scratch,
}

impl Proxied {
    /// `None`, with a word on the terminal, if there is no nginx.
    fn start(name: &str) -> Option<Self> {
        let mut nginx = nginx()?;
        let server = Server::start_javascript(&[]);
        let files = Scratch::new(name);
        let address = free_address();
        let location = example("nginx", 0, &[("faas:8000", &server.address)]);
        let of_http = format!("server {{ listen {address}; {location} }}");
        let here = files.path();
        let path = files.file("nginx.conf", &nginx_configuration(here, &of_http));
        nginx.args(["-c", &path, "-e", &format!("{here}/errors")]);
        let nginx = Running(nginx.stderr(Stdio::null()).spawn().unwrap());
        eventually("nginx does not listen", || {
            TcpStream::connect(&address).is_ok()
        });
        Some(Self {
            server,
            _nginx: nginx,
            address,
            _files: files,
        })
    }

    fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

fn text_of(url: &url::Url) -> String {
    let mut response = ureq::get(url.as_str()).call().unwrap();
    response.body_mut().read_to_string().unwrap()
}

#[test]
fn the_page_behind_a_proxy_finds_its_files_and_the_service() {
    let Some(proxied) = Proxied::start("proxied-page") else {
        return;
    };
    let page = proxied.url("/faas/");
    let html = text_of(&page);
    let mut found = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in html.split(attribute).skip(1) {
            let reference = rest.split('"').next().unwrap();
            if reference.starts_with('#') || reference.contains("://") {
                continue;
            }
            let address = page.join(reference).unwrap();
            assert!(address.path().starts_with("/faas/"), "{reference}");
            assert!(!text_of(&address).is_empty(), "{reference}");
            found += 1;
        }
    }
    assert!(found >= 4, "{html}");
    // What the script asks for is relative, too.
    let script = text_of(&proxied.url("/faas/assets/app.js"));
    for path in ["run_code", "health"] {
        for quote in ['"', '`', '\''] {
            let absolute = format!("{quote}/{path}{quote}");
            assert!(!script.contains(&absolute), "{absolute}");
        }
        assert!(script.contains(path), "{path}");
    }
    let request = json!({ "code": "console.log(1)" }).to_string();
    let mut response = ureq::post(page.join("run_code").unwrap().as_str())
        .header("Origin", format!("http://{}", proxied.address))
        .send(request)
        .unwrap();
    let answer = response.body_mut().read_to_string().unwrap();
    assert!(answer.contains(r#""stdout":"1\n""#), "{answer}");
}

#[test]
fn the_description_behind_a_proxy_names_the_address_that_it_came_from() {
    let Some(proxied) = Proxied::start("proxied-description") else {
        return;
    };
    let address = proxied.url("/faas/openapi.json");
    let description: serde_json::Value = serde_json::from_str(&text_of(&address)).unwrap();
    let server = description["servers"][0]["url"].as_str().unwrap();
    // Relative to the document's own address (OpenAPI 3.1, 4.8.5).
    let base = address.join(server).unwrap();
    let health = base.join("health").unwrap();
    assert_eq!(health.path(), "/faas/health");
    assert!(text_of(&health).contains("\"status\":\"healthy\""));
}

#[test]
fn a_proxy_passes_events_on_as_they_come_and_a_hang_up_too() {
    let Some(proxied) = Proxied::start("proxied-events") else {
        return;
    };
    let active = || proxied.server.get("/health").body["pool"]["activeInstances"].clone();
    let code = "console.log('begin'); await new Promise((done) => setTimeout(done, 60_000))";
    let request = json!({ "code": code, "timeout": 60_000 }).to_string();
    let response = ureq::post(proxied.url("/faas/run_code").as_str())
        .header("Accept", "text/event-stream")
        .send(&request)
        .unwrap();
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    // It comes while the program runs, or this would wait until it is over.
    let data = lines.find_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned));
    assert_eq!(data.as_deref(), Some(r#"{"text":"begin\n"}"#));
    assert_eq!(active(), 1);
    drop(lines);
    eventually("the streamed program runs on", || active() == 0);

    let mut stream = TcpStream::connect(&proxied.address).unwrap();
    let length = request.len();
    let head =
        format!("POST /faas/run_code HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + &request).as_bytes()).unwrap();
    eventually("it does not start", || active() == 1);
    drop(stream);
    eventually("the program runs on", || active() == 0);
}

/// One of several servers, which keeps its port when it is started again.
struct Replica {
    address: String,
    workspace: Scratch,
    process: Option<Running>,
}

impl Replica {
    fn start(name: &str) -> Self {
        let mut replica = Self {
            address: free_address(),
            workspace: Scratch::new(name),
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

    /// As a deployment does it.
    fn restart(&mut self) {
        let mut process = self.process.take().unwrap();
        // SAFETY: it only sends a signal, to a child that was not waited for yet.
        unsafe { libc::kill(process.0.id() as i32, libc::SIGTERM) };
        assert!(process.0.wait().unwrap().success());
        self.start_again();
    }
}

/// Sets a flag when it is dropped.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Restarts each of two servers twice while clients send programs through the proxy at this address.
fn restart_one_after_the_other(replicas: &mut [Replica; 2], address: &str) {
    let stop = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let stop = &stop;
                scope.spawn(move || {
                    let agent: ureq::Agent = ureq::Agent::config_builder()
                        .http_status_as_error(false)
                        // Half of them over connections that they keep.
                        .max_idle_connections(if client % 2 == 0 { 0 } else { 4 })
                        .build()
                        .into();
                    let code =
                        "await new Promise((done) => setTimeout(done, 30)); console.log(6 * 7)";
                    let request = json!({ "code": code }).to_string();
                    let mut count = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let url = format!("http://{address}/run_code");
                        let mut answer = agent.post(&url).send(&request).unwrap();
                        let status = answer.status();
                        let text = answer.body_mut().read_to_string().unwrap();
                        assert!(
                            status == 200 && text.contains(r#""stdout":"42\n""#),
                            "{status}: {text}"
                        );
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        // The clients end whatever becomes of the restarts.
        let ending = Ending(&stop);
        for _ in 0..2 {
            for replica in &mut *replicas {
                std::thread::sleep(Duration::from_millis(300));
                replica.restart();
            }
        }
        drop(ending);
        let counts = clients.into_iter().map(|client| client.join().unwrap());
        counts.collect::<Vec<u32>>()
    });
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

#[test]
fn a_rolling_restart_behind_nginx_loses_no_request() {
    let Some(mut nginx) = nginx() else {
        return;
    };
    let mut replicas = ["behind-nginx-1", "behind-nginx-2"].map(Replica::start);
    let files = Scratch::new("rolling-nginx");
    let address = free_address();
    let of_http = example(
        "nginx",
        1,
        &[
            ("faas-1:8000", &replicas[0].address),
            ("faas-2:8000", &replicas[1].address),
            ("server {", &format!("server {{ listen {address};")),
        ],
    );
    let here = files.path();
    let path = files.file("nginx.conf", &nginx_configuration(here, &of_http));
    nginx.args(["-c", &path, "-e", &format!("{here}/errors")]);
    let _nginx = Running(nginx.stderr(Stdio::null()).spawn().unwrap());
    eventually("nginx does not listen", || {
        TcpStream::connect(&address).is_ok()
    });
    restart_one_after_the_other(&mut replicas, &address);
}

#[test]
fn a_rolling_restart_behind_haproxy_loses_no_request() {
    let Some(mut haproxy) = proxy("HAPROXY", "haproxy", "haproxy") else {
        return;
    };
    let mut replicas = ["behind-haproxy-1", "behind-haproxy-2"].map(Replica::start);
    let files = Scratch::new("rolling-haproxy");
    let address = free_address();
    let backend = example(
        "haproxy",
        0,
        &[
            ("faas-1:8000", &replicas[0].address),
            ("faas-2:8000", &replicas[1].address),
        ],
    );
    let configuration = format!(
        "defaults
  mode http
  timeout connect 1s
  timeout client 120s
  timeout server 120s
frontend callers
  bind {address}
  default_backend faas
{backend}"
    );
    let path = files.file("haproxy.cfg", &configuration);
    let haproxy = haproxy.args(["-db", "-q", "-f", &path]);
    let _haproxy = Running(haproxy.stderr(Stdio::null()).spawn().unwrap());
    eventually("HAProxy does not listen", || {
        TcpStream::connect(&address).is_ok()
    });
    restart_one_after_the_other(&mut replicas, &address);
}
