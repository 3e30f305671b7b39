//! Memory of a server at rest.

use super::Field;
use crate::Error;
use crate::contender::Contender;
use crate::contender::ServerClient;
use crate::processes;
use crate::processes::Memory;
use crate::programs::TRIVIAL;
use crate::report::Row;
use crate::report::Section;

pub fn measure(field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new("memory", "Memory at rest");
    let mut client = ServerClient::new(field.server)?;
    client.prepare(&TRIVIAL)?;
    for _ in 0..20 {
        client.call()?;
    }
    field.server.settle()?;
    let supervisor = field.server.pid();
    let row = |case: String, count: usize, memory: Memory| {
        Row::new("server", case)
            .with("count", count as f64)
            .with("pss_mib", memory.pss)
            .with("private_mib", memory.private)
            .with("page_tables_mib", memory.page_tables)
    };
    let all = processes::tree(supervisor);
    let everything = row("all".into(), all.len(), processes::memory_of(&all));
    section.push(everything);
    section.push(row("supervisor".into(), 1, processes::memory(supervisor)));
    for family in processes::families(supervisor) {
        let runtime = &family.runtime;
        let zygote = processes::memory(family.zygote);
        section.push(row(format!("{runtime} zygote"), 1, zygote));
        let count = family.sandboxes.len();
        if count > 0 {
            let sum = processes::memory_of(&family.sandboxes);
            let each = sum / count as f64;
            let case = if runtime == "python" {
                "each waiting sandbox".to_owned()
            } else {
                format!("each waiting {runtime} sandbox")
            };
            section.push(row(case, count, each));
        }
    }
    if let Some(resident) = &field.resident {
        section.push(
            Row::new("deno_resident", "all")
                .with("count", 1.0)
                .with("pss_mib", resident.memory()),
        );
    }
    section.note(
        "PSS divides shared pages among those who share them; page tables come on top of it.",
    );
    Ok(section)
}
