//! The service behind a proxy: under a path, whose prefix nginx takes off.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::json;

use common::Server;
use common::balancers::Running;
use common::balancers::free_address;
use common::balancers::nginx;
use common::balancers::nginx_configuration;
use common::balancers::with_addresses;
use common::eventually;
use common::scratch::Scratch;

/// The example of docs/operations.md, with the address of a server of this test.
fn example(address: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("\n```nginx\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    with_addresses(example, &[("faas:8000", address)])
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
        let location = example(&server.address);
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
