//! The memory of a large pool of waiting sandboxes.

use std::time::Duration;
use std::time::Instant;

use super::Bench;
use crate::Error;
use crate::processes;
use crate::report::Row;
use crate::report::Section;

const FULL_WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

pub fn measure(bench: &Bench) -> Result<Section, Error> {
    eprintln!("measuring: waiting");
    let waiting = bench.plan.waiting;
    let mut section = Section::new("waiting", format!("A pool of {waiting} waiting sandboxes"));
    let before = processes::available_memory();
    let server = bench.start_server(&[
        ("FAAS_POOL_SIZE", &waiting.to_string()),
        ("FAAS_MAX_INSTANCES", &(waiting + waiting / 10).to_string()),
        ("FAAS_LANGUAGE", "python"),
    ])?;
    let healthy = Instant::now();
    while server.pool()?.idle < waiting as u64 {
        if healthy.elapsed() > FULL_WITHIN {
            section.note(format!("only {:?} after {FULL_WITHIN:?}", server.pool()?));
            break;
        }
        std::thread::sleep(POLL);
    }
    let filled = healthy.elapsed();
    let after = processes::available_memory();
    let all = processes::tree(server.pid());
    let memory = processes::memory_of(&all);
    section.push(
        Row::new("server", format!("{waiting} waiting"))
            .with("seconds", filled.as_secs_f64())
            .with("count", all.len() as f64)
            .with("pss_mib", memory.pss)
            .with("private_mib", memory.private)
            .with("page_tables_mib", memory.page_tables)
            .with("machine_mib", before - after),
    );
    section.note("Seconds: from healthy to a full pool. The machine's memory: by how much MemAvailable fell.");
    Ok(section)
}
