//! A program that needs a package: the first call, the second, and all after it.

use std::time::Instant;

use super::Bench;
use super::Field;
use crate::Error;
use crate::contender::Contender;
use crate::contender::PAUSE;
use crate::contender::ServerClient;
use crate::contender::measure as measure_calls;
use crate::programs::PACKAGE;
use crate::report::Row;
use crate::report::Section;

fn calls(
    contender: &mut dyn Contender,
    samples: usize,
    section: &mut Section,
) -> Result<String, Error> {
    contender.prepare(&PACKAGE)?;
    let key = contender.key();
    for case in ["first call", "second call"] {
        let started = Instant::now();
        contender.call()?;
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        section.push(Row::new(key, case).with("p50_ms", milliseconds));
    }
    let measured = measure_calls(contender, &PACKAGE, samples, PAUSE)?;
    section.push(Row::new(key, "later calls").with_measured(&measured));
    Ok(measured.stdout)
}

pub fn measure(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("package", "A program that uses pydantic");
    let samples = bench.plan.package;
    let mut server = ServerClient::new(field.server)?;
    let printed = match calls(&mut server, samples.server, &mut section) {
        Ok(printed) => printed,
        Err(error) => {
            let reason: String = error.to_string().chars().take(160).collect();
            section.note(format!("skipped: the server does not run it ({reason})"));
            return Ok(section);
        }
    };
    let Some(resident) = field
        .resident
        .as_mut()
        .filter(|_| bench.tools.wheels.is_some())
    else {
        return Ok(section);
    };
    let alternatives: [(&mut dyn Contender, usize); 2] = [
        (resident, samples.resident),
        (&mut field.deno_per_call, samples.deno),
    ];
    for (contender, samples) in alternatives {
        if samples == 0 {
            continue;
        }
        let key = contender.key();
        match calls(contender, samples, &mut section) {
            Ok(other) if other == printed => {}
            Ok(_) => field
                .problems
                .push(format!("pydantic: {key} printed something else")),
            Err(error) => field.problems.push(format!("pydantic: {key}: {error}")),
        }
    }
    section.note("Deno gets the wheels unpacked at its start; it installs nothing.");
    Ok(section)
}
