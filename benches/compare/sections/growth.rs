//! Whether anything grows with the number of executions.

use super::Bench;
use super::Field;
use crate::Error;
use crate::http::Request;
use crate::load;
use crate::load::Until;
use crate::processes;
use crate::programs::TRIVIAL;
use crate::report::Row;
use crate::report::Section;

const CONNECTIONS: usize = 16;
/// Executions before the first measurement, so that buffers have their size.
const WARM_UP: usize = 300;

/// A figure, with its value.
type Look = Vec<(String, f64)>;

pub fn measure(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let executions = bench.plan.growth;
    let title = format!("Growth over {executions} executions");
    let mut section = Section::new("growth", title);
    let request = Request::post("/run_code", &TRIVIAL.request());
    let run = |count| {
        let until = Until::Requests(count);
        load::run(field.server.address, &request, CONNECTIONS, until)
    };
    run(WARM_UP)?;
    field.server.settle()?;
    let before = look(field);
    let cpu_before = field.server.cpu();
    let outcome = run(executions)?;
    field.server.settle()?;
    let cpu = field.server.cpu() - cpu_before;
    let after = look(field);
    let hours = outcome.elapsed.as_secs_f64() / 3600.0;
    for ((name, before), (_, after)) in before.into_iter().zip(after) {
        section.push(
            Row::new("server", name)
                .with("before", before)
                .with("after", after)
                .with("per_hour", (after - before) / hours),
        );
    }
    section.note(format!(
        "{:.0} executions per second over {CONNECTIONS} connections; per hour at that rate. \
         CPU per 1,000: {:.2} s user, {:.2} s system.",
        outcome.per_second(),
        cpu.user * 1000.0 / executions as f64,
        cpu.system * 1000.0 / executions as f64,
    ));
    field.expect_success("growth", &outcome);
    Ok(section)
}

fn look(field: &Field<'_>) -> Look {
    let supervisor = field.server.pid();
    let mut look = Look::new();
    let mut look_at = |name: &str, pid: i32| {
        let memory = processes::memory(pid);
        look.push((format!("{name} RSS MiB"), memory.rss));
        look.push((format!("{name} PSS MiB"), memory.pss));
        look.push((
            format!("{name} descriptors"),
            processes::descriptors(pid) as f64,
        ));
        look.push((format!("{name} threads"), processes::threads(pid) as f64));
    };
    look_at("supervisor", supervisor);
    for family in processes::families(supervisor) {
        look_at(&format!("{} zygote", family.runtime), family.zygote);
    }
    let all = processes::tree(supervisor);
    let memory = processes::memory_of(&all);
    look.push(("all processes PSS MiB".to_owned(), memory.pss));
    look.push(("processes".to_owned(), all.len() as f64));
    look
}
