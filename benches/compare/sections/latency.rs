//! Programs one at a time: how long a caller waits, and what it costs.

use std::time::Duration;

use super::Bench;
use super::Field;
use crate::Error;
use crate::contender::Contender;
use crate::contender::Measured;
use crate::contender::PAUSE;
use crate::contender::ServerClient;
use crate::contender::measure;
use crate::http::Request;
use crate::load;
use crate::load::Until;
use crate::plan::Samples;
use crate::programs::CPU_BOUND;
use crate::programs::EVALUATORS;
use crate::programs::IMPORTS;
use crate::programs::JAVASCRIPT;
use crate::programs::Program;
use crate::programs::TRIVIAL;
use crate::report::Row;
use crate::report::Section;
use crate::stats::Summary;
use crate::stats::geometric_mean;

/// The measured times of a contender for a program.
type Result_ = (&'static str, Measured);

impl Field<'_> {
    /// Runs a Python program with every contender; those without samples are left out.
    fn python_program(
        &mut self,
        bench: &Bench,
        program: &Program,
        samples: Samples,
        pause: Duration,
    ) -> Result<Vec<Result_>, Error> {
        let mut server = ServerClient::new(self.server)?;
        let mut contenders: Vec<(&mut dyn Contender, usize)> = vec![(&mut server, samples.server)];
        if let Some(resident) = &mut self.resident {
            contenders.push((resident, samples.resident));
        }
        if !bench.alone {
            contenders.push((&mut self.python, samples.process));
            contenders.push((&mut self.deno_per_call, samples.deno));
        }
        run_all(program, contenders, pause, &mut self.problems)
    }

    fn javascript_program(
        &mut self,
        bench: &Bench,
        program: &Program,
        samples: Samples,
    ) -> Result<Vec<Result_>, Error> {
        let mut server = ServerClient::new(self.server)?;
        let mut contenders: Vec<(&mut dyn Contender, usize)> = vec![(&mut server, samples.server)];
        if !bench.alone {
            contenders.push((&mut self.deno, samples.process));
            contenders.push((&mut self.node, samples.process));
        }
        run_all(program, contenders, PAUSE, &mut self.problems)
    }
}

/// Measures a program with each contender, and compares what they printed.
fn run_all(
    program: &Program,
    contenders: Vec<(&mut dyn Contender, usize)>,
    pause: Duration,
    problems: &mut Vec<String>,
) -> Result<Vec<Result_>, Error> {
    let mut results = Vec::<Result_>::new();
    for (contender, samples) in contenders {
        if samples == 0 {
            continue;
        }
        let key = contender.key();
        match measure(contender, program, samples, pause) {
            Ok(measured) => {
                if let Some((first, reference)) = results.first()
                    && reference.stdout != measured.stdout
                {
                    problems.push(format!(
                        "{}: {key} printed other than {first}",
                        program.name
                    ));
                }
                results.push((key, measured));
            }
            Err(error) => problems.push(format!("{}: {key}: {error}", program.name)),
        }
    }
    Ok(results)
}

/// `print('hi')`.
pub fn trivial(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("trivial", "print('hi')");
    let results = field.python_program(bench, &TRIVIAL, bench.plan.trivial, PAUSE)?;
    let own = results.first().map(|(_, measured)| measured.latency.p50);
    for (contender, measured) in &results {
        let memory = match *contender {
            "deno_per_call" => field.deno_per_call.memory(),
            "deno_resident" => field.resident.as_ref().map_or(0.0, Contender::memory),
            "python" => field.python.memory(),
            _ => ServerClient::new(field.server)?.memory(),
        };
        section.push(
            Row::new(contender, "one at a time")
                .with_measured(measured)
                .with("memory_mib", memory)
                .with(
                    "times_slower",
                    measured.latency.p50 / own.unwrap_or(f64::NAN),
                ),
        );
    }
    let back_to_back = Samples {
        process: 0,
        deno: 0,
        ..bench.plan.trivial
    };
    for (contender, measured) in
        field.python_program(bench, &TRIVIAL, back_to_back, Duration::ZERO)?
    {
        section.push(Row::new(contender, "back to back").with_measured(&measured));
    }
    section.note(format!(
        "One at a time: {} ms between an answer and the next call. Memory: PSS of all processes with \
         the waiting sandboxes; of a process per call, its peak.",
        PAUSE.as_millis()
    ));
    Ok(section)
}

/// The ten evaluator programs, together and one by one.
pub fn evaluators(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let title = "Ten evaluator programs (JSON in, strings, regex, statistics, JSON out)";
    let mut section = Section::new("evaluators", title);
    let mut all = Vec::<Result_>::new();
    for program in EVALUATORS {
        let results = field.python_program(bench, program, bench.plan.evaluators, PAUSE)?;
        for (contender, measured) in &results {
            section.push(Row::new(contender, program.name).with_measured(measured));
        }
        all.extend(results);
    }
    let mut together = Vec::new();
    for contender in ["server", "deno_resident", "python", "deno_per_call"] {
        let of_it: Vec<_> = all.iter().filter(|(key, _)| *key == contender).collect();
        let latencies: Vec<Duration> = of_it
            .iter()
            .flat_map(|(_, measured)| measured.latencies.iter().copied())
            .collect();
        if let Some(latency) = Summary::of(&latencies) {
            let cpu: f64 = of_it
                .iter()
                .map(|(_, measured)| measured.cpu_per_1000)
                .sum();
            together.push(
                Row::new(contender, "all ten")
                    .with_latency(latency)
                    .with("cpu_s_per_1000", cpu / of_it.len() as f64),
            );
        }
    }
    section.rows.splice(0..0, together);
    Ok(section)
}

/// A program that imports much.
pub fn imports(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("imports", "A program with 40 imports");
    for (contender, measured) in field.python_program(bench, &IMPORTS, bench.plan.imports, PAUSE)? {
        section.push(Row::new(contender, IMPORTS.name).with_measured(&measured));
    }
    section.note("The one Deno process imports only the first time; the others start fresh.");
    Ok(section)
}

/// Programs that compute.
pub fn cpu_bound(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("cpu", "CPU-bound programs");
    let mut ratios = Vec::new();
    let mut cpu_ratios = Vec::new();
    for program in CPU_BOUND {
        let results = field.python_program(bench, program, bench.plan.cpu, PAUSE)?;
        let of = |key| results.iter().find(|(contender, _)| *contender == key);
        let resident = of("deno_resident").map(|(_, measured)| measured);
        for (contender, measured) in &results {
            let row = Row::new(contender, program.name).with_measured(measured);
            section.push(match resident {
                Some(resident) if *contender == "server" => {
                    let ratio = resident.latency.p50 / measured.latency.p50;
                    let cpu_ratio = resident.cpu_per_1000 / measured.cpu_per_1000;
                    ratios.push(ratio);
                    cpu_ratios.push(cpu_ratio);
                    row.with("ratio_to_resident", ratio)
                        .with("cpu_ratio_to_resident", cpu_ratio)
                }
                _ => row,
            });
        }
    }
    if let Some((mean, cpu_mean)) = geometric_mean(&ratios).zip(geometric_mean(&cpu_ratios)) {
        section.push(
            Row::new("server", "geometric mean")
                .with("ratio_to_resident", mean)
                .with("cpu_ratio_to_resident", cpu_mean),
        );
    }
    Ok(section)
}

/// JavaScript, if the server serves it.
pub fn javascript(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("javascript", "JavaScript");
    let request = Request::post("/run_code", &JAVASCRIPT[0].request());
    let status = field.server.connect()?.send(&request)?.status;
    if status == 400 {
        section.note("skipped: this server does not run JavaScript");
        return Ok(section);
    }
    for program in JAVASCRIPT {
        for (contender, measured) in
            field.javascript_program(bench, program, bench.plan.javascript)?
        {
            section.push(Row::new(contender, program.name).with_measured(&measured));
        }
    }
    let until = Until::Elapsed(bench.plan.load);
    let outcome = load::run(field.server.address, &request, 16, until)?;
    if outcome.failures > 0 {
        let failures = outcome.failures;
        let problem = format!("JavaScript, 16 connections: {failures} failures");
        field.problems.push(problem);
    }
    section.push(Row::new("server", "16 connections").with_outcome(&outcome));
    Ok(section)
}
