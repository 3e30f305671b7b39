//! Many thousand executions over 32 connections, a third of them hostile: attacks by programs, by callers and by
//! packages. Afterwards the server must hold no more than after the first few, and must have answered every
//! honest program right.
//!
//! `FAAS_SOAK` is how many executions: 1,200 in the suite, 20,000 with `make soak`.

mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::corpus;
use common::corpus::Attack;
use common::corpus::Bait;
use common::eventually;
use common::figures::Census;
use common::figures::Figures;
use common::made_wheel::make_wheel;

const CONNECTIONS: usize = 32;
const EXECUTIONS: usize = 1_200;
/// Executions before the first census, which the last one is compared with.
const FIRST: usize = 2_000;
/// An attack takes part if it ends on its own within this time.
const QUICK: Duration = Duration::from_millis(1000);
/// Attacks that are tried at the same time for that.
const SIDE_BY_SIDE: usize = 4;

/// Every so many hostile executions one is a caller's or a package's attack, not a program's.
const ABUSE_EVERY: usize = 8;
/// How long a caller who does not read keeps its connection.
const UNREAD_FOR: Duration = Duration::from_millis(200);

/// How much more memory the supervisor may have at the end, in KiB: what an allocator keeps.
const SUPERVISOR_SLACK_KIB: u64 = 24 << 10;
/// The same of a zygote, which executes nothing.
const ZYGOTE_SLACK_KIB: u64 = 2 << 10;

/// One of the connections.
struct Connection {
    agent: ureq::Agent,
    url: String,
}

impl Connection {
    fn to(server: &Server) -> Self {
        Self {
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(120)))
                .build()
                .into(),
            url: format!("http://{}/run_code", server.address),
        }
    }

    /// The answer, or why there is none.
    fn run(&self, request: &Value) -> Result<Answer, String> {
        let mut response = self
            .agent
            .post(&self.url)
            .send(request.to_string())
            .map_err(|error| error.to_string())?;
        let text = response.body_mut().with_config().limit(1 << 30);
        let text = text.read_to_string().map_err(|error| error.to_string())?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).map_err(|error| error.to_string())?,
        })
    }
}

/// What a hostile caller does, or has a hostile package do.
#[derive(Clone, Copy, Debug)]
enum Abuse {
    /// A body that is small and becomes large when it is parsed.
    WideBody,
    /// What a web page of another origin sends.
    ForeignOrigin,
    /// An answer of a MiB that is not read.
    Unread,
    /// Nobody waits for the answer.
    HangUp,
    /// A set of packages that takes more memory than it may.
    GreedyPackage,
}

impl Abuse {
    /// Number `number`. Each greedy package takes a second of CPU time, so they are few.
    fn pick(number: usize) -> Self {
        match number % 40 {
            0 => Self::GreedyPackage,
            rest => match rest % 4 {
                0 => Self::WideBody,
                1 => Self::ForeignOrigin,
                2 => Self::Unread,
                _ => Self::HangUp,
            },
        }
    }
}

/// An honest program whose answer is known, different for each number.
fn honest(number: usize) -> (Value, String, String) {
    let (language, code) = match number % 4 {
        0 => (
            "python",
            "n = input_data['n']\nprint('sum', sum(range(n)))\nreturn_val({'n': n})",
        ),
        1 => (
            "javascript",
            "const n = input_data.n;\nconsole.log('sum', (n * (n - 1)) / 2);\nreturn { n };",
        ),
        2 => (
            "python",
            "import json, re, math\nn = input_data['n']\nwords = re.findall(r'[0-9]+', f'{n} {n * n}')\nprint('sum', n * (n - 1) // 2)\nreturn_val(json.loads('{\"n\": %s}' % words[0]))",
        ),
        _ => (
            "typescript",
            "interface In { n: number }\nconst { n } = input_data as In;\nawait new Promise((r) => setTimeout(r, 1));\nconsole.log('sum', n * (n - 1) / 2);\nreturn { n };",
        ),
    };
    let request = json!({ "language": language, "code": code, "input": { "n": number } });
    let sum = number * number.saturating_sub(1) / 2;
    (
        request,
        format!("sum {sum}\n"),
        if language == "python" {
            format!("{{\"n\": {number}}}")
        } else {
            format!("{{\"n\":{number}}}")
        },
    )
}

struct Soak {
    server: Server,
    _wheelhouse: tempfile::TempDir,
    bait: Bait,
    zygote: i32,
    attacks: Vec<Attack>,
    failures: Mutex<Vec<String>>,
    statuses: Mutex<BTreeMap<String, usize>>,
}

impl Soak {
    fn begin() -> Self {
        let bait = Bait::lay();
        let wheelhouse = tempfile::tempdir().unwrap();
        let greedy = "kept = []\nwhile True:\n    kept.append(bytearray(64 << 10))";
        make_wheel(wheelhouse.path(), "greedy", greedy, 0);
        let server = Server::start(&[
            (corpus::SECRET_VARIABLE, bait.secret.as_str()),
            ("FAAS_LOG", "warn,faas_server=info"),
            ("FAAS_WHEELHOUSE", wheelhouse.path().to_str().unwrap()),
            ("FAAS_PACKAGE_MEMORY", "64"),
        ]);
        Self {
            zygote: server.zygote(),
            server,
            _wheelhouse: wheelhouse,
            bait,
            attacks: Vec::new(),
            failures: Mutex::default(),
            statuses: Mutex::default(),
        }
    }

    /// Picks the attacks that are over quickly, since a soak of time limits would take days.
    fn choose_attacks(&mut self) {
        let all: Vec<_> = ["python", "javascript"]
            .map(corpus::load)
            .into_iter()
            .flatten()
            .collect();
        let next = AtomicUsize::new(0);
        let chosen = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE {
                scope.spawn(|| {
                    while let Some(attack) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let started = Instant::now();
                        let answer = self.server.run(self.request(attack));
                        let ended = matches!(answer.outcome(), "success" | "error" | "killed");
                        if ended && started.elapsed() < QUICK {
                            chosen.lock().unwrap().push(attack.clone());
                        }
                    }
                });
            }
        });
        self.attacks = chosen.into_inner().unwrap();
    }

    fn request(&self, attack: &Attack) -> Value {
        attack.request(&self.bait, self.server.pid(), self.zygote)
    }

    fn fail(&self, what: String) {
        eprintln!("{what}");
        self.failures.lock().unwrap().push(what);
    }

    /// Execution `number`.
    fn execute(&self, number: usize, connection: &Connection) {
        let hostile = number / 3;
        let status = if number.is_multiple_of(3) && hostile.is_multiple_of(ABUSE_EVERY) {
            self.abuse(Abuse::pick(hostile / ABUSE_EVERY), connection)
        } else if number.is_multiple_of(3) {
            let attack = &self.attacks[hostile % self.attacks.len()];
            match connection.run(&self.request(attack)) {
                Ok(answer) => {
                    // Its status is judged in tests/escape.rs, where the machine is less busy.
                    let wrong = attack.judge(&answer, &self.bait);
                    for what in wrong.iter().filter(|what| !what.starts_with("ended with")) {
                        self.fail(format!("{}: {what}", attack.name));
                    }
                    format!("attack: {}", answer.outcome())
                }
                Err(error) => {
                    self.fail(format!("{}: no answer: {error}", attack.name));
                    "attack: no answer".to_owned()
                }
            }
        } else {
            let (request, stdout, value) = honest(number);
            match connection.run(&request) {
                Ok(answer) if answer.status == 200 => {
                    if (answer.stdout(), answer.ret_val()) != (&*stdout, &*value) {
                        self.fail(format!("execution {number} answered {}", answer.body));
                    }
                    format!("honest: {}", answer.outcome())
                }
                Ok(answer) => {
                    self.fail(format!("execution {number} was refused: {}", answer.body));
                    format!("honest: {}", answer.status)
                }
                Err(error) => {
                    self.fail(format!("execution {number} got no answer: {error}"));
                    "honest: no answer".to_owned()
                }
            }
        };
        *self.statuses.lock().unwrap().entry(status).or_default() += 1;
    }

    /// What a hostile caller does; tells how it went.
    fn abuse(&self, abuse: Abuse, connection: &Connection) -> String {
        let print = json!({ "code": "print('x' * (1 << 20))" });
        let answer = match abuse {
            Abuse::WideBody => {
                let wide = json!({ "code": "1", "ext": vec![0; 200_000] });
                Some((connection.run(&wide), 400))
            }
            Abuse::ForeignOrigin => {
                let foreign = [("Origin", "http://another.example")];
                let body = print.to_string();
                let answer = self
                    .server
                    .send("POST", "/run_code", &foreign, body.as_bytes());
                Some((Ok(answer), 403))
            }
            Abuse::GreedyPackage => {
                let greedy = json!({ "code": "print(1)", "packages": ["greedy"] });
                Some((connection.run(&greedy), 200))
            }
            Abuse::Unread => {
                let unread = self.server.begin("", &print);
                std::thread::sleep(UNREAD_FOR);
                drop(unread);
                None
            }
            Abuse::HangUp => {
                drop(self.server.begin("", &print));
                None
            }
        };
        match answer {
            Some((Ok(answer), expected)) if answer.status == expected => {}
            Some((answer, expected)) => self.fail(format!("{abuse:?}: {answer:?}, not {expected}")),
            None => {}
        }
        format!("abuse: {abuse:?}")
    }

    fn run(&self, connections: &[Connection], numbers: std::ops::Range<usize>) {
        let next = AtomicUsize::new(numbers.start);
        std::thread::scope(|scope| {
            for connection in connections {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= numbers.end {
                            break;
                        }
                        self.execute(number, connection);
                    }
                });
            }
        });
    }

    /// The census of the server once it is idle.
    fn census(&self) -> Census {
        eventually("the pool does not come to rest", || {
            let pool = self.server.get("/health").body["pool"].clone();
            let expected = pool["totalInstances"].as_u64().unwrap() as usize + 2;
            pool["activeInstances"] == 0
                && pool["idleInstances"] == pool["totalInstances"]
                && self.server.children().len() == expected
        });
        // Memory that was just freed goes back to the system.
        std::thread::sleep(Duration::from_secs(2));
        Census::take(&self.server)
    }
}

fn show(name: &str, before: &Figures, after: &Figures) {
    let row = |what: &str, before: u64, after: u64| {
        eprintln!("{name:12} {what:14} {before:>9} {after:>9}");
    };
    row(
        "descriptors",
        before.descriptors as u64,
        after.descriptors as u64,
    );
    row("threads", before.threads as u64, after.threads as u64);
    row("private KiB", before.memory_kib, after.memory_kib);
    row("PSS KiB", before.pss_kib, after.pss_kib);
    row("RSS KiB", before.rss_kib, after.rss_kib);
}

#[test]
fn thousands_of_executions_leave_nothing_behind_and_lose_no_answer() {
    let executions = std::env::var("FAAS_SOAK").map_or(EXECUTIONS, |text| text.parse().unwrap());
    let first = FIRST.min(executions / 2);
    let mut soak = Soak::begin();
    soak.choose_attacks();
    eprintln!("{} attacks are quick enough", soak.attacks.len());
    assert!(soak.attacks.len() > 60);
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| Connection::to(&soak.server))
        .collect();
    let started = Instant::now();
    soak.run(&connections, 0..first);
    let before = soak.census();
    soak.run(&connections, first..executions);
    let took = started.elapsed();
    let after = soak.census();

    eprintln!(
        "{executions} executions in {took:?}, {:.0} a second",
        executions as f64 / took.as_secs_f64()
    );
    for (status, count) in soak.statuses.lock().unwrap().iter() {
        eprintln!("  {count:>6} {status}");
    }
    eprintln!("{:12} {:14} {:>9} {:>9}", "", "", "mark", "end");
    eprintln!(
        "{:12} {:14} {:>9} {:>9}",
        "server", "processes", before.children, after.children
    );
    show("supervisor", &before.supervisor, &after.supervisor);
    for (pid, figures) in &before.zygotes {
        if let Some(after) = after.zygotes.get(pid) {
            show(&format!("zygote {pid}"), figures, after);
        }
    }

    for damage in soak.bait.damage() {
        soak.fail(format!("the bait: {damage}"));
    }
    let failures = soak.failures.lock().unwrap();
    assert!(failures.is_empty(), "{} failures", failures.len());
    let done: usize = soak.statuses.lock().unwrap().values().sum();
    assert_eq!(done, executions);
    assert_eq!(before.children, after.children, "processes");
    let pids = |census: &Census| census.zygotes.keys().copied().collect::<Vec<_>>();
    assert_eq!(pids(&before), pids(&after), "a zygote was replaced");
    let (mark, end) = (&before.supervisor, &after.supervisor);
    assert!(end.descriptors <= mark.descriptors + 2, "descriptors");
    assert!(end.threads <= mark.threads, "threads");
    assert!(
        end.memory_kib <= mark.memory_kib + SUPERVISOR_SLACK_KIB,
        "memory of the supervisor"
    );
    for (pid, mark) in &before.zygotes {
        let end = &after.zygotes[pid];
        assert_eq!(mark.descriptors, end.descriptors, "descriptors of a zygote");
        assert_eq!(end.threads, 1, "threads of a zygote");
        assert!(
            end.pss_kib <= mark.pss_kib + ZYGOTE_SLACK_KIB,
            "memory of a zygote"
        );
    }
}
