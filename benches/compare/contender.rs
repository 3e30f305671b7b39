//! What all contenders have in common: they run a program, and it costs CPU time.

use std::time::Duration;
use std::time::Instant;

use crate::Error;
use crate::http::Connection;
use crate::http::Request;
use crate::processes;
use crate::processes::Cpu;
use crate::programs::Program;
use crate::servers::Server;
use crate::stats::Summary;

/// Pause before a call that needs an idle machine: by then the work left by the call before it (a
/// sandbox to tear down, one to fork) is done.
pub const PAUSE: Duration = Duration::from_millis(20);

/// A service or command that runs programs.
pub trait Contender {
    /// A key in results.
    fn key(&self) -> &'static str;

    /// Preparation, once per program. Not measured.
    fn prepare(&mut self, program: &Program) -> Result<(), Error>;

    /// Runs the prepared program and returns what it printed.
    fn call(&mut self) -> Result<String, Error>;

    /// CPU time of all its processes so far.
    fn cpu(&mut self) -> Result<Cpu, Error>;

    /// Its memory in MiB: for a process per call, its highest resident memory; for long-lived
    /// processes their PSS now.
    fn memory(&self) -> f64;
}

/// The measured calls.
#[derive(Clone, Debug)]
pub struct Measured {
    pub latency: Summary,
    pub latencies: Vec<Duration>,
    /// CPU seconds per 1,000 calls.
    pub cpu_per_1000: f64,
    /// What the program printed, the same each time.
    pub stdout: String,
}

/// Calls `contender` with `program`: a warm-up, then `samples` calls, `pause` before each.
pub fn measure(
    contender: &mut dyn Contender,
    program: &Program,
    samples: usize,
    pause: Duration,
) -> Result<Measured, Error> {
    contender.prepare(program)?;
    let stdout = contender.call()?;
    for _ in 0..(samples / 10).min(20) {
        contender.call()?;
    }
    let before = contender.cpu()?;
    let mut latencies = Vec::with_capacity(samples);
    for _ in 0..samples {
        std::thread::sleep(pause);
        let started = Instant::now();
        let printed = contender.call()?;
        latencies.push(started.elapsed());
        if printed != stdout {
            return Err(format!(
                "{}: {} printed different things",
                contender.key(),
                program.name
            )
            .into());
        }
    }
    let cpu = contender.cpu()? - before;
    Ok(Measured {
        latency: Summary::of(&latencies).ok_or("no samples")?,
        latencies,
        cpu_per_1000: cpu.total() * 1000.0 / samples as f64,
        stdout,
    })
}

/// This project's server, through one kept-alive connection.
pub struct ServerClient<'a> {
    server: &'a Server,
    connection: Connection,
    request: Request,
}

impl<'a> ServerClient<'a> {
    pub fn new(server: &'a Server) -> Result<Self, Error> {
        Ok(Self {
            server,
            connection: server.connect()?,
            request: Request::get("/health"),
        })
    }

    /// Has each call send this to `/run_code`.
    pub fn send_from_now_on(&mut self, request: &serde_json::Value) {
        self.request = Request::post("/run_code", request);
    }
}

impl Contender for ServerClient<'_> {
    fn key(&self) -> &'static str {
        "server"
    }

    fn prepare(&mut self, program: &Program) -> Result<(), Error> {
        self.send_from_now_on(&program.request());
        Ok(())
    }

    fn call(&mut self) -> Result<String, Error> {
        let answer = self.connection.send(&self.request)?;
        let body = answer.json()?;
        let stdout = body["output"]["stdout"].as_str();
        match stdout {
            Some(stdout) if answer.is_success() => Ok(stdout.to_owned()),
            _ => Err(format!("status {}: {body}", answer.status).into()),
        }
    }

    fn cpu(&mut self) -> Result<Cpu, Error> {
        self.server.settle()?;
        Ok(self.server.cpu())
    }

    fn memory(&self) -> f64 {
        processes::memory_of(&processes::tree(self.server.pid())).pss
    }
}
