//! A real server for a test, and the ways to talk to it.

#![allow(dead_code, reason = "each test file uses its part of this")]

pub mod balancers;
pub mod batches;
pub mod children;
pub mod corpus;
pub mod figures;
pub mod index;
pub mod made_wheel;
pub mod memory_group;
pub mod missing_calls;
pub mod named_tokens;
pub mod pinned;
pub mod public_copy;
pub mod scratch;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

/// Path of the program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_faas-server");

/// Settings that keep a server from looking for packages outside of this machine, and from preparing those
/// that another test used.
pub const NO_SOURCES: [(&str, &str); 3] = [
    ("FAAS_PYODIDE_PACKAGES", "off"),
    ("FAAS_PACKAGE_INDEX", "off"),
    ("FAAS_PREPARED_SETS", "0"),
];

/// A started `faas-server`. Stopped when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    agent: ureq::Agent,
    /// What `get`, `post` and what builds on them send as `Authorization`.
    token: Option<String>,
    /// What it wrote to stderr so far.
    pub log: Arc<Mutex<String>>,
}

/// An answer: its status and its body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn stdout(&self) -> &str {
        self.text(&["output", "stdout"])
    }
    pub fn stderr(&self) -> &str {
        self.text(&["output", "stderr"])
    }
    pub fn ret_val(&self) -> &str {
        self.text(&["output", "ret_val"])
    }
    pub fn outcome(&self) -> &str {
        self.text(&["metadata", "status"])
    }
    pub fn exit_code(&self) -> i64 {
        self.body["metadata"]["exit_code"].as_i64().unwrap()
    }
    pub fn error(&self) -> &str {
        self.text(&["error"])
    }
    pub fn last_stderr_line(&self) -> &str {
        self.stderr().lines().last().unwrap_or_default()
    }

    fn text(&self, path: &[&str]) -> &str {
        let value = path.iter().fold(&self.body, |value, key| &value[*key]);
        value
            .as_str()
            .unwrap_or_else(|| panic!("no string at {path:?} in {}", self.body))
    }
}

/// One server for all tests of a file, with default settings and both runtimes.
pub fn shared() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(&[]));
    &SHARED
}

/// The same with Python only.
pub fn shared_python() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start_python(&[]));
    &SHARED
}

impl Server {
    /// Starts a server with both runtimes on a free port and waits until it is ready.
    pub fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_unready(environment).until_ready()
    }

    /// The same with Python only.
    pub fn start_python(environment: &[(&str, &str)]) -> Self {
        Self::start(&[environment, &[("FAAS_LANGUAGE", "python")]].concat())
    }

    /// The same with JavaScript only, which boots several times as fast as Python.
    pub fn start_javascript(environment: &[(&str, &str)]) -> Self {
        Self::start(&[environment, &[("FAAS_LANGUAGE", "javascript")]].concat())
    }

    /// Waits until the server says in its log, in JSON, that it is ready.
    pub fn until_ready(self) -> Self {
        self.until("ready", |server| !server.lines_with("ready").is_empty())
    }

    /// Waits until the server takes connections: each runtime is up then, or will not be.
    pub fn until_listening(self) -> Self {
        self.until("listening", |server| {
            TcpStream::connect(&server.address).is_ok()
        })
    }

    fn until(mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Self {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so(&self) {
            assert!(Instant::now() < deadline, "not {what}: {}", self.log());
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    /// Starts a server and waits only until it has its address.
    pub fn start_unready(environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.envs(environment.iter().copied());
        Self::start_command(command)
    }

    /// Starts a server by a prepared command and waits only until it has its address. It writes its log in
    /// JSON unless the command says otherwise.
    pub fn start_command(mut command: Command) -> Self {
        if !command
            .get_envs()
            .any(|(name, _)| name == "FAAS_LOG_FORMAT")
        {
            command.env("FAAS_LOG_FORMAT", "json");
        }
        for (name, value) in NO_SOURCES {
            if !command.get_envs().any(|(known, _)| known == name) {
                command.env(name, value);
            }
        }
        // For all of that file; a module of it has these in a module of its own.
        if module_path!().starts_with("below_a_listener::") {
            missing_calls::listened_to(&mut command);
        }
        command
            .env_remove("FAAS_PORT")
            .env_remove("FAAS_HOST")
            .args(["--port", "0"])
            .stderr(Stdio::piped());
        let mut child = spawn_on_lasting_thread(command);
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (found, address) = mpsc::channel();
        std::thread::spawn({
            let log = log.clone();
            move || {
                for line in lines.map_while(Result::ok) {
                    if let Some(address) = listening_address(&line) {
                        let _ = found.send(address);
                    }
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        let address = address.recv_timeout(Duration::from_secs(10));
        let address = address.unwrap_or_else(|_| panic!("no address: {}", log.lock().unwrap()));
        Self {
            child,
            address,
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(120)))
                .build()
                .into(),
            token: None,
            log,
        }
    }

    /// Sends FAAS_API_TOKEN with each request from now on.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(format!("Bearer {token}"));
        self
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The lines of its log that are in JSON.
    pub fn log_lines(&self) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Those that have this message.
    pub fn lines_with(&self, message: &str) -> Vec<Value> {
        let mut lines = self.log_lines();
        lines.retain(|line| line["fields"]["message"] == message);
        lines
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers; the process is our own child and not reaped yet.
        unsafe { libc::kill(self.pid(), signal) };
    }

    /// Waits for the server's end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        let mut request = self.agent.get(self.url(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        self.answer(request.call())
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        let mut request = self.agent.post(self.url(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        self.answer(request.send(body.as_ref()))
    }

    /// Sends a request with these headers.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.as_ref();
        self.answer(if body.is_empty() {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        })
    }

    pub fn method(&self, method: &str, path: &str) -> Answer {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path))
            .body(())
            .unwrap();
        self.answer(self.agent.run(request))
    }

    /// `POST /run_code` with any JSON.
    pub fn run(&self, request: Value) -> Answer {
        self.post("/run_code", request.to_string())
    }

    /// The same with these fields added to the request.
    pub fn run_with(&self, mut request: Value, fields: &Value) -> Answer {
        let fields = fields.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(fields);
        self.run(request)
    }

    /// The value of a series of `/metrics`: what follows `line`, its name with all labels.
    pub fn metric(&self, line: &str) -> f64 {
        let answer = self.get("/metrics");
        let text = answer.body.as_str().unwrap();
        let value = text.lines().find_map(|one| one.strip_prefix(line));
        let value = value.unwrap_or_else(|| panic!("no {line}: {text}"));
        value.trim().parse().unwrap()
    }

    /// Sends a program to `POST /run_code`, with these lines among the headers, and does not read
    /// the answer. Dropping the connection hangs up.
    pub fn begin(&self, headers: &str, request: &Value) -> TcpStream {
        send_request(TcpStream::connect(&self.address).unwrap(), headers, request)
    }

    /// Runs Python with default settings.
    pub fn python(&self, code: &str) -> Answer {
        self.run(json!({ "code": code }))
    }

    /// Process ids of this server's children: zygotes and sandboxes.
    pub fn children(&self) -> Vec<i32> {
        children::children(self.pid())
    }

    /// Process id of the zygote. Its forks share its command line, and are younger. A process that has ended
    /// has none, and may be older than a zygote that replaced another.
    pub fn zygote(&self) -> i32 {
        let is_zygote = |pid: &i32| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains("\0zygote\0")
        };
        let start_time = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let (_, after_name) = stat.rsplit_once(')')?;
            after_name.split_whitespace().nth(19)?.parse::<u64>().ok()
        };
        let zygotes = self.children().into_iter().filter(is_zygote);
        let oldest = zygotes.min_by_key(|pid| start_time(pid).unwrap_or(u64::MAX));
        oldest.expect("no zygote")
    }

    /// Process ids of all zygotes, those of package sets, too. A zygote has put one filter on
    /// itself, a sandbox a second one; to be called while no sandbox is just being made.
    pub fn zygotes(&self) -> Vec<i32> {
        let filters = |pid: &str| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("Seccomp_filters:"));
            line.and_then(|count| count.trim().parse::<u32>().ok())
        };
        let own = filters("self").unwrap_or(0);
        let mut zygotes = self.children();
        zygotes.retain(|pid| filters(&pid.to_string()) == Some(own + 1));
        zygotes
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn answer(&self, result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let mut response = result.unwrap_or_else(|error| panic!("{error}; {}", self.log()));
        let text = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request to run a program, and gives back the connection that the answer will come on.
pub fn send_request(mut stream: TcpStream, headers: &str, request: &Value) -> TcpStream {
    let body = request.to_string();
    let length = body.len();
    write!(
        stream,
        "POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    stream
}

/// The address in the line of a log, in JSON or for people, that says that the server listens.
fn listening_address(line: &str) -> Option<String> {
    let url = match serde_json::from_str::<Value>(line) {
        Ok(line) if line["fields"]["message"] == "booting" => {
            line["fields"]["address"].as_str()?.to_owned()
        }
        Ok(_) => return None,
        Err(_) => {
            let line = without_colours(line);
            let (_, rest) = line.split_once(" booting address=")?;
            rest.split_whitespace().next()?.to_owned()
        }
    };
    Some(url.strip_prefix("http://")?.to_owned())
}

/// Waits until `condition` holds; fails the test with `what` if it does not within 20 s.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The kernel kills a child with the parent-death signal when the *thread* that started it ends;
/// test threads end before the tests of other threads do.
fn spawn_on_lasting_thread(mut command: Command) -> Child {
    type Order = (Command, mpsc::Sender<Child>);
    static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn().unwrap());
            }
        });
        Mutex::new(orders)
    });
    // SAFETY: the closure makes one system call, which is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    let (reply, child) = mpsc::channel();
    SPAWNER.lock().unwrap().send((command, reply)).unwrap();
    child.recv().unwrap()
}

/// A line without the escape sequences that colour it for people.
pub fn without_colours(line: &str) -> String {
    let mut text = String::new();
    let mut parts = line.split('\u{1b}');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    text
}
