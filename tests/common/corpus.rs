//! The attacks under `tests/escape/`, and the bait on this machine that they try to reach.

use std::io::Read;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;

use super::Answer;

/// Default time limit of an attack, in ms.
const TIMEOUT_MS: u64 = 4000;

/// Name of an environment variable of the server that holds the secret.
pub const SECRET_VARIABLE: &str = "FAAS_ESCAPE_SECRET";

/// One attack: a program with a header of comments.
#[derive(Clone, Debug)]
pub struct Attack {
    pub name: String,
    pub language: String,
    pub code: String,
    /// Allowed statuses of the answer; empty if any is allowed.
    pub expect: Vec<String>,
    pub timeout_ms: u64,
}

/// Reads the attacks in one folder of `tests/escape/`.
pub fn load(folder: &str) -> Vec<Attack> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/escape")
        .join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let code = std::fs::read_to_string(path).unwrap();
            parse(&format!("{folder}/{name}"), folder, code)
        })
        .collect()
}

fn parse(name: &str, language: &str, code: String) -> Attack {
    let header: Vec<&str> = code
        .lines()
        .map_while(|line| line.strip_prefix("# ").or(line.strip_prefix("// ")))
        .collect();
    assert!(
        header.iter().any(|line| line.starts_with("Known from: ")),
        "{name} does not say where it is known from"
    );
    let field = |key: &str| {
        let line = header.iter().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim().to_owned())
    };
    let expect = field("expect: ").unwrap_or_default();
    let timeout = field("timeout: ").map(|text| text.parse().unwrap());
    let language = field("language: ").unwrap_or_else(|| language.to_owned());
    let repeat = field("repeat: ").map_or(1, |text| text.parse().unwrap());
    let mut attack = Attack {
        name: name.to_owned(),
        language,
        expect: expect
            .split(", ")
            .filter(|status| !status.is_empty())
            .map(str::to_owned)
            .collect(),
        timeout_ms: timeout.unwrap_or(TIMEOUT_MS),
        code,
    };
    if repeat > 1 {
        let code = attack.code.trim_end();
        let (start, last) = code.rsplit_once('\n').unwrap();
        attack.code = format!("{start}\n{}", last.repeat(repeat));
    }
    attack
}

impl Attack {
    /// The attack as a request against this bait.
    pub fn request(&self, bait: &Bait, supervisor: i32, zygote: i32) -> Value {
        let code = self
            .code
            .replace("{{WITNESS}}", bait.witness.to_str().unwrap())
            .replace("{{MARK}}", bait.mark.to_str().unwrap())
            .replace("{{PORT}}", &bait.port.to_string())
            .replace("{{SOCKET_PATH}}", bait.socket.to_str().unwrap())
            .replace("{{SECRET_VARIABLE}}", SECRET_VARIABLE)
            .replace("{{SUPERVISOR_PID}}", &supervisor.to_string())
            .replace("{{ZYGOTE_PID}}", &zygote.to_string());
        json!({ "language": self.language, "code": code, "timeout": self.timeout_ms })
    }

    /// What is wrong with an answer; empty if the attack failed as it should.
    pub fn judge(&self, answer: &Answer, bait: &Bait) -> Vec<String> {
        let mut wrong = Vec::new();
        if answer.status != 200 {
            wrong.push(format!("answered with {}: {}", answer.status, answer.body));
            return wrong;
        }
        if answer.body.to_string().contains(&bait.secret) {
            wrong.push("the secret is in the answer".to_owned());
        }
        if answer.body.to_string().contains(env!("CARGO_MANIFEST_DIR")) {
            wrong.push("a path of the host is in the answer".to_owned());
        }
        for line in answer.stdout().lines() {
            if line.starts_with("ESCAPED") {
                wrong.push(format!(
                    "it says {:?}",
                    line.chars().take(200).collect::<String>()
                ));
            }
        }
        let status = answer.outcome();
        if !self.expect.is_empty() && !self.expect.iter().any(|expected| expected == status) {
            let tail: String = answer.stderr().chars().rev().take(600).collect();
            let tail: String = tail.chars().rev().collect();
            wrong.push(format!(
                "ended with {status}, not {:?}: {tail}",
                self.expect
            ));
        }
        wrong
    }
}

/// Something to steal, somewhere to send it, somewhere to write: all watched.
pub struct Bait {
    directory: PathBuf,
    pub witness: PathBuf,
    pub mark: PathBuf,
    pub socket: PathBuf,
    pub port: u16,
    /// Content of the witness file.
    pub secret: String,
    modified: SystemTime,
    /// What was reached, if anything.
    pub contacts: Arc<Mutex<Vec<String>>>,
}

impl Bait {
    pub fn lay() -> Self {
        let random = std::fs::read("/proc/sys/kernel/random/uuid").unwrap();
        let random = String::from_utf8(random).unwrap().trim().to_owned();
        let directory = std::env::temp_dir().join(format!("faas-bait-{random}"));
        std::fs::create_dir_all(&directory).unwrap();
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&directory, everybody).unwrap();
        let secret = format!("faas-secret-{random}");
        let witness = directory.join("witness.txt");
        std::fs::write(&witness, &secret).unwrap();
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        let bait = Self {
            mark: directory.join("mark"),
            socket: directory.join("socket"),
            port,
            modified: std::fs::metadata(&witness).unwrap().modified().unwrap(),
            witness,
            secret,
            contacts: Arc::default(),
            directory,
        };
        bait.listen(tcp);
        bait
    }

    fn listen(&self, tcp: TcpListener) {
        let udp = UdpSocket::bind(("127.0.0.1", self.port)).unwrap();
        let path = UnixListener::bind(&self.socket).unwrap();
        let name = SocketAddr::from_abstract_name(self.socket.to_str().unwrap()).unwrap();
        let hidden = UnixListener::bind_addr(&name).unwrap();
        let note = |what: &'static str| {
            let contacts = self.contacts.clone();
            move |text: String| contacts.lock().unwrap().push(format!("{what}: {text}"))
        };
        let (on_tcp, on_udp) = (note("TCP"), note("UDP"));
        std::thread::spawn(move || {
            for connection in tcp.incoming().flatten() {
                on_tcp(first_bytes(connection));
            }
        });
        std::thread::spawn(move || {
            let mut bytes = [0; 2000];
            while let Ok(length) = udp.recv(&mut bytes) {
                on_udp(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
        });
        for (listener, on_unix) in [(path, note("Unix")), (hidden, note("abstract Unix"))] {
            std::thread::spawn(move || {
                for connection in listener.incoming().flatten() {
                    on_unix(first_bytes(connection));
                }
            });
        }
    }

    /// What happened to the bait; empty if no attack reached it.
    pub fn damage(&self) -> Vec<String> {
        let mut wrong = self.contacts.lock().unwrap().clone();
        let content = std::fs::read_to_string(&self.witness);
        if !content.is_ok_and(|content| content == self.secret) {
            wrong.push("the witness was changed".to_owned());
        }
        let metadata = std::fs::metadata(&self.witness);
        if !metadata.is_ok_and(|metadata| metadata.modified().unwrap() == self.modified) {
            wrong.push("the witness was touched".to_owned());
        }
        for entry in std::fs::read_dir(&self.directory).unwrap() {
            let name = entry.unwrap().file_name();
            if !["witness.txt", "socket"].contains(&name.to_str().unwrap()) {
                wrong.push(format!("{name:?} was created"));
            }
        }
        wrong
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn first_bytes(mut connection: impl Read + AsRawFd) -> String {
    let mut bytes = [0; 2000];
    let wait = libc::timeval {
        tv_sec: 1,
        tv_usec: 0,
    };
    // SAFETY: the kernel reads one timeval from a live local; the descriptor is open.
    unsafe {
        libc::setsockopt(
            connection.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const wait).cast(),
            size_of::<libc::timeval>() as u32,
        );
    }
    let length = connection.read(&mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}
