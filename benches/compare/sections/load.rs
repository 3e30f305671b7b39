//! Many executions at once.

use std::time::Duration;
use std::time::Instant;

use super::Bench;
use super::Field;
use crate::Error;
use crate::alternatives::PerCall;
use crate::alternatives::ProcessPerCall;
use crate::contender::Contender;
use crate::http::Request;
use crate::load;
use crate::load::Outcome;
use crate::load::Until;
use crate::programs::Program;
use crate::programs::SLEEP;
use crate::programs::TRIVIAL;
use crate::report::Row;
use crate::report::Section;

const CONNECTIONS: [usize; 4] = [1, 4, 16, 64];
const SLEEPERS: usize = 50;
const BURST: usize = 200;

/// `print('hi')` over 1 to 64 connections, each busy all the time.
pub fn connections(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("load", "print('hi') over several connections");
    let request = Request::post("/run_code", &TRIVIAL.request());
    for connections in CONNECTIONS {
        let case = match connections {
            1 => "1 connection".to_owned(),
            _ => format!("{connections} connections"),
        };
        let warm_up = Until::Elapsed(bench.plan.load / 10);
        load::run(field.server.address, &request, connections, warm_up)?;
        field.server.settle()?;
        let before = field.server.cpu();
        let until = Until::Elapsed(bench.plan.load);
        let outcome = load::run(field.server.address, &request, connections, until)?;
        field.server.settle()?;
        let cpu = field.server.cpu() - before;
        field.expect_success(&case, &outcome);
        let executions = outcome.latencies.len().max(1) as f64;
        section.push(
            Row::new("server", case)
                .with_outcome(&outcome)
                .with("cpu_s_per_1000", cpu.total() * 1000.0 / executions),
        );
    }
    section.note("The load generator runs on the same cores.");
    Ok(section)
}

/// 50 executions of `time.sleep(1)` at once.
pub fn sleeps(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("sleep", "50 × time.sleep(1) at once, on an idle server");
    let outcomes = at_once(field, &SLEEP, SLEEPERS, bench.plan.sleeps)?;
    section.push(row_at_once("server", SLEEPERS, &outcomes));
    Ok(section)
}

/// 200 executions at once.
pub fn bursts(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("burst", "A burst of 200 × print('hi') on an idle server");
    let outcomes = at_once(field, &TRIVIAL, BURST, bench.plan.bursts.0)?;
    section.push(row_at_once("server", BURST, &outcomes));
    if !bench.alone {
        let mut outcomes = Vec::new();
        for _ in 0..bench.plan.bursts.1 {
            outcomes.push(processes_at_once(bench, BURST)?);
        }
        section.push(row_at_once("python", BURST, &outcomes));
    }
    section.note("Seconds: from the first request to the last answer, the slowest round.");
    Ok(section)
}

fn at_once(
    field: &mut Field<'_>,
    program: &Program,
    count: usize,
    rounds: usize,
) -> Result<Vec<Outcome>, Error> {
    let request = Request::post("/run_code", &program.request());
    let mut outcomes = Vec::new();
    for _ in 0..rounds {
        field.server.settle()?;
        let until = Until::Requests(count);
        let outcome = load::run(field.server.address, &request, count, until)?;
        field.expect_success(program.name, &outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// As many processes of native Python at once.
fn processes_at_once(bench: &Bench, count: usize) -> Result<Outcome, Error> {
    let started = Instant::now();
    let latencies: Result<Vec<Duration>, Error> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| -> Result<Duration, Error> {
                    let mut python = ProcessPerCall::new(PerCall::Python, &bench.tools);
                    python.prepare(&TRIVIAL)?;
                    python.call()?;
                    Ok(started.elapsed())
                })
            })
            .collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended
            .map(|result| result.unwrap_or_else(|_| Err("a thread panicked".into())))
            .collect()
    });
    Ok(Outcome {
        latencies: latencies?,
        elapsed: started.elapsed(),
        ..Outcome::default()
    })
}

/// All rounds together.
pub fn row_at_once(contender: &'static str, count: usize, outcomes: &[Outcome]) -> Row {
    let slowest = outcomes.iter().map(|outcome| outcome.elapsed).max();
    let together = Outcome {
        latencies: outcomes
            .iter()
            .flat_map(|outcome| outcome.latencies.iter().copied())
            .collect(),
        elapsed: outcomes.iter().map(|outcome| outcome.elapsed).sum(),
        own_cpu: outcomes.iter().map(|outcome| outcome.own_cpu).sum(),
        failures: 0,
    };
    Row::new(contender, format!("{count} at once"))
        .with_outcome(&together)
        .with("seconds", slowest.unwrap_or_default().as_secs_f64())
}

impl Field<'_> {
    pub fn expect_success(&mut self, case: &str, outcome: &Outcome) {
        if outcome.failures > 0 {
            let all = outcome.latencies.len();
            let failures = outcome.failures;
            let problem = format!("{case}: {failures} of {all} executions failed");
            self.problems.push(problem);
        }
    }
}
