//! The service under a path, behind a proxy: nginx, which takes the path's prefix off.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use serde_json::json;

use common::Server;
use common::eventually;
use common::scratch::Scratch;

/// nginx in front of a server, with which it answers under `/faas/`.
struct Proxied {
    server: Server,
    nginx: Child,
    /// Its address.
    address: String,
    _files: Scratch,
}

impl Drop for Proxied {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

impl Proxied {
    /// `None`, with a word on the terminal, if there is no nginx.
    fn start(name: &str) -> Option<Self> {
        let nginx = std::env::var("NGINX").unwrap_or_else(|_| "nginx".to_owned());
        if Command::new(&nginx)
            .arg("-v")
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            let word = "\nproxy: SKIPPED, the service behind a proxy was not tested: there is no nginx.\n  \
                On Debian:  apt-get install --no-install-recommends nginx-light\n  \
                Elsewhere:  set NGINX to where it is\n\n";
            // Not with eprintln!, whose text cargo keeps back while tests pass.
            let _ = std::io::stderr().write_all(word.as_bytes());
            return None;
        }
        let server = Server::start_javascript(&[]);
        let files = Scratch::new(name);
        // Free a moment ago; nginx does not say which port it took.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let here = files.path();
        // As in docs/operations.md; one process, so that it ends with the test.
        let configuration = format!(
            "daemon off; master_process off; pid {here}/pid; error_log {here}/errors;
             events {{}}
             http {{
               access_log off; client_max_body_size 20m;
               client_body_temp_path {here}/1; proxy_temp_path {here}/2; fastcgi_temp_path {here}/3;
               uwsgi_temp_path {here}/4; scgi_temp_path {here}/5;
               server {{
                 listen {address};
                 location /faas/ {{
                   proxy_pass http://{}/;
                   proxy_set_header Host $http_host;
                 }}
               }}
             }}",
            server.address
        );
        let path = files.file("nginx.conf", &configuration);
        let nginx = Command::new(nginx)
            .args(["-c", &path, "-e", &format!("{here}/errors")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("nginx does not listen", || {
            TcpStream::connect(&address).is_ok()
        });
        Some(Self {
            server,
            nginx,
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
