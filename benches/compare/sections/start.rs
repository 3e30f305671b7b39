//! From the start of the server to its first answers.

use std::time::Instant;

use super::Bench;
use crate::Error;
use crate::alternatives::Resident;
use crate::contender::Contender;
use crate::contender::ServerClient;
use crate::programs::TRIVIAL;
use crate::report::Row;
use crate::report::Section;
use crate::stats::Summary;

pub fn measure(bench: &Bench) -> Result<Section, Error> {
    eprintln!("measuring: start");
    let mut healthy = Vec::new();
    let mut answered = Vec::new();
    let mut resident = Vec::new();
    for _ in 0..bench.plan.starts {
        let server = bench.start_server(&[])?;
        let mut client = ServerClient::new(&server)?;
        client.prepare(&TRIVIAL)?;
        client.call()?;
        healthy.push(server.healthy_after);
        answered.push(server.started.elapsed());
        drop(server);
        if !bench.alone {
            let started = Instant::now();
            let mut deno = Resident::start(&bench.tools)?;
            deno.prepare(&TRIVIAL)?;
            deno.call()?;
            resident.push(started.elapsed());
        }
    }
    let mut section = Section::new("start", "From start to first answer");
    for (contender, case, latencies) in [
        ("server", "healthy", healthy),
        ("server", "first answer", answered),
        ("deno_resident", "first answer", resident),
    ] {
        if let Some(latency) = Summary::of(&latencies) {
            section.push(
                Row::new(contender, case)
                    .with("samples", latency.samples as f64)
                    .with("p50_ms", latency.p50)
                    .with("max_ms", latency.max),
            );
        }
    }
    Ok(section)
}
