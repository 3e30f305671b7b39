//! Every attack of the corpus under `tests/escape/` is run against a started server, and must fail
//! observably: nothing of this machine read, reached, made or changed; the server answers in time,
//! its next executions are right, and its processes and descriptors are as before.
//!
//! `FAAS_ESCAPE_ONLY=text` runs only the attacks whose name contains the text, and prints answers.

mod common;

use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use common::Server;
use common::corpus;
use common::corpus::Attack;
use common::corpus::Bait;
use common::eventually;
use common::figures::Census;

/// Attacks at once.
const SIDE_BY_SIDE: usize = 4;

/// How much later than its time limit an attack may be answered on a busy machine.
const LATE: Duration = Duration::from_secs(8);

/// Descriptors that come and go with the test's own idle connections.
const SLACK: usize = 12;

/// Sees whether an execution before it, or one beside it, left anything that it can notice.
const PYTHON_PROBE: &str = r#"
import builtins, json, math, os, random, re, sys, time, asyncio, traceback
import js
from pyodide.code import run_js
await asyncio.sleep(0.001)
assert json.loads(json.dumps({"a": [1, 2.5, None]})) == {"a": [1, 2.5, None]}
assert builtins.print is print and sys.modules["json"] is json and isinstance(1, int)
assert run_js("({}).polluted === undefined && [...[1, 2]].length === 2 && JSON.stringify([1]) === '[1]'")
assert run_js("typeof setTimeout === 'function' && new TextDecoder().decode(new TextEncoder().encode('é')) === 'é'")
assert not os.path.exists("/tmp/big") and os.listdir("/tmp") == [] and os.getcwd() == "/home/pyodide"
assert sys.getrecursionlimit() < 100_000 and not hasattr(sys, "escaped") and sys.gettrace() is None
try:
    1 / 0
except ZeroDivisionError:
    print("right", sum(range(1000)), re.sub("a", "b", "cat"), "".join(sorted("cab")))
return_val({"value": 42})
"#;

const JAVASCRIPT_PROBE: &str = r#"
await new Promise((resolve) => setTimeout(resolve, 1));
const fine = ({}).polluted === undefined && [...[1, 2]].length === 2 && JSON.stringify([1]) === "[1]" &&
  new TextDecoder().decode(new TextEncoder().encode("é")) === "é" && globalThis.escaped === undefined;
console.log("right", fine, [3, 1, 2].sort().join(""));
"#;

/// Sandboxes that each zygote keeps waiting.
const POOL_SIZE: usize = 6;

struct Arena {
    server: Server,
    bait: Bait,
    zygote: i32,
    has_javascript: bool,
    failures: Mutex<Vec<String>>,
}

impl Arena {
    fn open() -> Self {
        let bait = Bait::lay();
        let server = Server::start(&[
            (corpus::SECRET_VARIABLE, bait.secret.as_str()),
            ("FAAS_POOL_SIZE", &POOL_SIZE.to_string()),
        ]);
        let javascript = json!({ "language": "javascript", "code": "1" });
        Self {
            has_javascript: server.run(javascript).status == 200,
            zygote: server.zygote(),
            bait,
            server,
            failures: Mutex::default(),
        }
    }

    fn fail(&self, name: &str, what: &str) {
        eprintln!("{name}: {what}");
        self.failures
            .lock()
            .unwrap()
            .push(format!("{name}: {what}"));
    }

    fn run(&self, attack: &Attack, talk: bool) {
        let request = attack.request(&self.bait, self.server.pid(), self.zygote);
        let started = Instant::now();
        let answer = self.server.run(request);
        let took = started.elapsed();
        if talk {
            eprintln!("{} {took:?} {:#}", attack.name, answer.body);
        }
        for what in attack.judge(&answer, &self.bait) {
            self.fail(&attack.name, &what);
        }
        if took > Duration::from_millis(attack.timeout_ms) + LATE {
            self.fail(&attack.name, &format!("answered only after {took:?}"));
        }
        self.probe(&attack.name);
    }

    /// The next executions are clean and right, and what they know is their own.
    fn probe(&self, name: &str) {
        // A program that holds the secret, for attacks that look into memory.
        let holder = format!("secret = {:?}\nprint(len(secret))", self.bait.secret);
        let answer = self.server.python(&holder);
        if answer.stdout() != format!("{}\n", self.bait.secret.len()) {
            self.fail(name, &format!("a neighbour then answered {}", answer.body));
        }
        let answer = self.server.python(PYTHON_PROBE);
        if (answer.stdout(), answer.ret_val()) != ("right 499500 cbt abc\n", "{\"value\": 42}") {
            self.fail(name, &format!("Python was then {}", answer.body["output"]));
        }
        if self.has_javascript {
            let probe = json!({ "language": "javascript", "code": JAVASCRIPT_PROBE });
            let answer = self.server.run(probe);
            if answer.stdout() != "right true 123\n" {
                self.fail(
                    name,
                    &format!("JavaScript was then {}", answer.body["output"]),
                );
            }
        }
    }

    fn run_all(&self, attacks: &[Attack], talk: bool) {
        let next = Mutex::new(attacks.iter());
        std::thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE {
                scope.spawn(|| {
                    loop {
                        let attack = next.lock().unwrap().next();
                        let Some(attack) = attack else { break };
                        self.run(attack, talk);
                    }
                });
            }
        });
    }

    /// Waits until the pool is at rest: full, and nothing else there.
    fn census(&self) -> Census {
        let lanes = if self.has_javascript { 2 } else { 1 };
        eventually("the pool does not come to rest", || {
            let pool = self.server.get("/health").body["pool"].clone();
            pool["activeInstances"] == 0
                && pool["idleInstances"] == lanes * POOL_SIZE
                && self.server.children().len() == lanes * (POOL_SIZE + 1)
        });
        Census::take(&self.server)
    }
}

#[test]
fn every_attack_fails() {
    let mut attacks = corpus::load("python");
    let javascript = corpus::load("javascript");
    assert!(attacks.len() >= 80, "{} in Python", attacks.len());
    assert!(javascript.len() >= 40, "{} in JavaScript", javascript.len());
    let arena = Arena::open();
    if arena.has_javascript {
        attacks.extend(javascript);
    }
    let only = std::env::var("FAAS_ESCAPE_ONLY").ok();
    if let Some(only) = &only {
        attacks.retain(|attack| attack.name.contains(only.as_str()));
    }
    arena.probe("before the first attack");
    let before = arena.census();
    arena.run_all(&attacks, only.is_some());
    let after = arena.census();
    eprintln!(
        "{} attacks\nbefore: {before:?}\nafter:  {after:?}",
        attacks.len()
    );

    for damage in arena.bait.damage() {
        arena.fail("the bait", &damage);
    }
    let failures = arena.failures.lock().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let pids = |census: &Census| census.zygotes.keys().copied().collect::<Vec<_>>();
    assert_eq!(pids(&before), pids(&after), "a zygote was replaced");
    assert_eq!(before.children, after.children, "processes");
    for (pid, figures) in &before.zygotes {
        assert_eq!(
            figures.descriptors, after.zygotes[pid].descriptors,
            "descriptors of a zygote"
        );
        assert_eq!(after.zygotes[pid].threads, 1, "threads of a zygote");
    }
    let grown = after
        .supervisor
        .descriptors
        .saturating_sub(before.supervisor.descriptors);
    assert!(
        grown <= SLACK,
        "the supervisor has {grown} descriptors more"
    );
    assert_eq!(arena.server.get("/health").status, 200);
}
