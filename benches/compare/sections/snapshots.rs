//! Programs that start from a snapshot, beside the same programs that start from nothing.

use super::Bench;
use super::Field;
use super::load::row_at_once;
use crate::Error;
use crate::contender::Contender;
use crate::contender::PAUSE;
use crate::contender::ServerClient;
use crate::contender::measure as measure_calls;
use crate::http::Request;
use crate::load;
use crate::load::Until;
use crate::processes;
use crate::processes::Cpu;
use crate::programs::JAVASCRIPT;
use crate::programs::Program;
use crate::programs::TRIVIAL;
use crate::report::Row;
use crate::report::Section;
use crate::servers::Server;

/// Forks of one snapshot at once.
const BURST: usize = 200;

/// A snapshot of a megabyte of data.
const DATA: &str = "data = list(range(30_000))";

/// What a caller does who has a snapshot: its programs start from it.
struct FromSnapshot<'a> {
    client: ServerClient<'a>,
    server: &'a Server,
    set_up: &'static str,
}

impl Contender for FromSnapshot<'_> {
    fn key(&self) -> &'static str {
        "snapshot"
    }

    fn prepare(&mut self, program: &Program) -> Result<(), Error> {
        let id = keep(self.server, program.language, self.set_up)?;
        let mut request = program.request();
        request["from"] = id.into();
        self.client.send_from_now_on(&request);
        Ok(())
    }

    fn call(&mut self) -> Result<String, Error> {
        self.client.call()
    }

    fn cpu(&mut self) -> Result<Cpu, Error> {
        self.client.cpu()
    }

    fn memory(&self) -> f64 {
        self.client.memory()
    }
}

/// Keeps what a program leaves; returns the snapshot's id.
fn keep(server: &Server, language: &str, code: &str) -> Result<String, Error> {
    let body = serde_json::json!({ "language": language, "code": code, "keep": true });
    let request = Request::post("/run_code", &body);
    let answer = server.connect()?.send(&request)?.json()?;
    let id = answer["metadata"]["snapshot"]["id"].as_str();
    Ok(id
        .ok_or_else(|| format!("no snapshot: {answer}"))?
        .to_owned())
}

pub fn measure(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("snapshots", "Programs that start from a snapshot");
    let samples = bench.plan.snapshots;
    let server = field.server;
    for (program, set_up) in [(TRIVIAL, DATA), (JAVASCRIPT[0], "const data = [1, 2, 3]")] {
        let mut from_nothing = ServerClient::new(server)?;
        let mut from_snapshot = FromSnapshot {
            client: ServerClient::new(server)?,
            server,
            set_up,
        };
        let contenders: [&mut dyn Contender; 2] = [&mut from_nothing, &mut from_snapshot];
        for contender in contenders {
            let measured = measure_calls(contender, &program, samples, PAUSE)?;
            let case = format!("{}, one at a time", program.language);
            section.push(Row::new(contender.key(), case).with_measured(&measured));
        }
    }
    let id = keep(server, "python", DATA)?;
    let mut request = TRIVIAL.request();
    request["from"] = id.into();
    let request = Request::post("/run_code", &request);
    server.settle()?;
    let outcome = load::run(server.address, &request, BURST, Until::Requests(BURST))?;
    field.expect_success("forks of a snapshot", &outcome);
    section.push(row_at_once("snapshot", BURST, &[outcome]));
    server.settle()?;
    let before = processes::memory_of(&processes::tree(server.pid())).pss;
    let kept = bench.plan.kept;
    for _ in 0..kept {
        keep(server, "python", DATA)?;
    }
    server.settle()?;
    let after = processes::memory_of(&processes::tree(server.pid())).pss;
    section.push(Row::new("snapshot", format!("{kept} kept")).with("pss_mib", after - before));
    section.note(format!(
        "From nothing: a fresh sandbox. {kept} kept: what so many snapshots of a list of 30,000 numbers take."
    ));
    Ok(section)
}
