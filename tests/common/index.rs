//! A package index on loopback: the Simple API over a directory of wheels, with faults on demand.

use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use sha2::Digest;

use super::Server;
use super::scratch::Scratch;

/// What is wrong with the index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// HTML answers instead of JSON.
    Html,
    /// The sha256 in answers is not that of the files.
    WrongHash,
    /// Files are never sent.
    Hangs,
    /// Files end in the middle.
    Cuts,
    /// Files are elsewhere on this server.
    Redirects,
}

pub struct Index {
    pub address: String,
    /// How often each path was asked for.
    pub hits: Arc<Mutex<HashMap<String, usize>>>,
}

/// The wheels that `make test` fetched.
pub fn wheels() -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-wheels"));
    assert!(
        path.join(".complete").exists(),
        "run scripts/fetch-test-wheels first"
    );
    path
}

/// The file name of a project's wheel among them.
pub fn wheel_of(project: &str) -> String {
    let mut names = std::fs::read_dir(wheels())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.find(|name| name.split('-').next() == Some(project));
    name.unwrap_or_else(|| panic!("no wheel of {project}"))
}

pub fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The project of a wheel, as PEP 503 normalises it.
fn project(file: &str) -> String {
    file.split('-')
        .next()
        .unwrap()
        .to_lowercase()
        .replace(['_', '.'], "-")
}

impl Index {
    pub fn start(trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/simple/", listener.local_addr().unwrap());
        let hits = Arc::new(Mutex::new(HashMap::new()));
        std::thread::spawn({
            let hits = hits.clone();
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let hits = hits.clone();
                    std::thread::spawn(move || serve(stream, trouble, &hits));
                }
            }
        });
        Self { address, hits }
    }

    /// A server that installs from here, with its cache in the workspace.
    pub fn server(&self, workspace: &Scratch) -> Server {
        Server::start_python(&[
            ("FAAS_PACKAGE_INDEX", &self.address),
            ("FAAS_WORKSPACE", workspace.path()),
        ])
    }

    pub fn hits_of(&self, part: &str) -> usize {
        let hits = self.hits.lock().unwrap();
        hits.iter()
            .filter(|(path, _)| path.contains(part))
            .map(|(_, count)| count)
            .sum()
    }
}

fn serve(
    mut stream: TcpStream,
    trouble: Trouble,
    hits: &Mutex<HashMap<String, usize>>,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    while !lines.next()?.ok()?.is_empty() {}
    *hits.lock().unwrap().entry(path.clone()).or_default() += 1;
    let mut answer = |head: &str, body: &[u8]| {
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        stream.write_all(body).ok()
    };
    if let Some(file) = path
        .strip_prefix("/files/")
        .or_else(|| path.strip_prefix("/moved/"))
    {
        let bytes = std::fs::read(wheels().join(file)).ok()?;
        return match trouble {
            Trouble::Hangs => {
                std::thread::sleep(Duration::from_secs(60));
                None
            }
            Trouble::Cuts => {
                let length = bytes.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
                )
                .ok()?;
                stream.write_all(&bytes[..length / 2]).ok()
            }
            Trouble::Redirects if path.starts_with("/files/") => {
                answer(&format!("302 Found\r\nLocation: /moved/{file}"), b"")
            }
            _ => answer("200 OK", &bytes),
        };
    }
    let name = path
        .strip_prefix("/simple/")?
        .trim_end_matches('/')
        .to_owned();
    let files = std::fs::read_dir(wheels()).ok()?.flatten();
    let files = files.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let files: Vec<String> = files.filter(|file| project(file) == name).collect();
    if files.is_empty() {
        return answer("404 Not Found", b"");
    }
    let hash = |file: &String| match trouble {
        Trouble::WrongHash => "0".repeat(64),
        _ => sha256(&std::fs::read(wheels().join(file)).unwrap()),
    };
    if trouble == Trouble::Html {
        let links = files.iter().map(|file| {
            format!(
                "<a href=\"../../files/{file}#sha256={}\">{file}</a><br>",
                hash(file)
            )
        });
        let page = format!(
            "<!DOCTYPE html><html><body>{}</body></html>",
            links.collect::<String>()
        );
        return answer("200 OK\r\nContent-Type: text/html", page.as_bytes());
    }
    let files: Vec<_> = files
        .iter()
        .map(|file| {
            serde_json::json!({
                "filename": file,
                "url": format!("../../files/{file}"),
                "hashes": { "sha256": hash(file) },
            })
        })
        .collect();
    let page =
        serde_json::json!({ "meta": { "api-version": "1.0" }, "name": name, "files": files });
    answer(
        "200 OK\r\nContent-Type: application/vnd.pypi.simple.v1+json",
        page.to_string().as_bytes(),
    )
}
