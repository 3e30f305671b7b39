//! The sections of the benchmark, and the run through all of them.

mod growth;
mod latency;
mod load;
mod memory;
mod packages;
mod snapshots;
mod stages;
mod start;
mod waiting;

use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use crate::Args;
use crate::Error;
use crate::aims;
use crate::alternatives::PerCall;
use crate::alternatives::ProcessPerCall;
use crate::alternatives::Resident;
use crate::alternatives::Tools;
use crate::machine;
use crate::plan::Plan;
use crate::report::Report;
use crate::report::Section;
use crate::servers::Server;

type Settings = Vec<(String, String)>;

/// Sections in their order. The last ones start their own servers.
const SECTIONS: &[&str] = &[
    "start",
    "memory",
    "trivial",
    "load",
    "sleep",
    "burst",
    "evaluators",
    "imports",
    "cpu",
    "package",
    "javascript",
    "snapshots",
    "stages",
    "growth",
    "waiting",
];

/// A run of the benchmark.
pub struct Bench {
    plan: Plan,
    program: PathBuf,
    directory: PathBuf,
    settings: Settings,
    only: Vec<String>,
    tools: Tools,
    alone: bool,
}

/// The contenders, started once for all sections.
struct Field<'a> {
    server: &'a Server,
    python: ProcessPerCall,
    deno_per_call: ProcessPerCall,
    deno: ProcessPerCall,
    node: ProcessPerCall,
    /// `None` when the server is measured alone.
    resident: Option<Resident>,
    problems: Vec<String>,
}

impl Bench {
    pub fn new(args: &Args, plan: Plan, settings: Settings) -> Result<Self, Error> {
        if let Some(unknown) = args
            .only
            .iter()
            .find(|name| !SECTIONS.contains(&name.as_str()))
        {
            let known = SECTIONS.join(", ");
            return Err(format!("no section {unknown}; there are {known}").into());
        }
        Ok(Self {
            plan,
            program: args.server.clone(),
            directory: args.directory.clone(),
            settings,
            only: args.only.clone(),
            tools: Tools::find(&args.directory)?,
            alone: args.alone,
        })
    }

    /// Measures everything.
    pub fn run(&self) -> Result<Report, Error> {
        let started = Instant::now();
        let mut report = Report {
            mode: self.plan.name,
            taken: format!("{:.0}", jiff::Timestamp::now()),
            machine: machine::facts(),
            versions: serde_json::Value::Null,
            settings: self.settings.clone(),
            sections: Vec::new(),
            aims: Vec::new(),
            problems: Vec::new(),
            seconds: 0.0,
        };
        if self.wants("start") {
            report.sections.push(start::measure(self)?);
        }
        {
            let server = self.start_server(&[])?;
            report.versions = machine::versions(&self.tools, &server.health()?)?;
            let mut field = Field::new(&server, self)?;
            for name in SECTIONS.iter().filter(|name| self.wants(name)) {
                report.sections.extend(self.section(name, &mut field)?);
            }
            report.problems = field.problems;
        }
        if self.wants("waiting") && self.plan.waiting > 0 {
            report.sections.push(waiting::measure(self)?);
        }
        report.aims = aims::judge(&report);
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// A section on the server that all share.
    fn section(&self, name: &str, field: &mut Field<'_>) -> Result<Option<Section>, Error> {
        if !matches!(name, "start" | "waiting") {
            eprintln!("measuring: {name}");
            field.server.settle()?;
        }
        Ok(Some(match name {
            "memory" => memory::measure(field)?,
            "trivial" => latency::trivial(self, field)?,
            "load" => load::connections(self, field)?,
            "sleep" => load::sleeps(self, field)?,
            "burst" => load::bursts(self, field)?,
            "evaluators" => latency::evaluators(self, field)?,
            "imports" => latency::imports(self, field)?,
            "cpu" => latency::cpu_bound(self, field)?,
            "package" => packages::measure(self, field)?,
            "javascript" => latency::javascript(self, field)?,
            "snapshots" => snapshots::measure(self, field)?,
            "stages" => stages::measure(self, field)?,
            "growth" => growth::measure(self, field)?,
            _ => return Ok(None),
        }))
    }

    fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == section)
    }

    /// Starts the server with the settings of this run, the wheels of the package program, and `more`.
    fn start_server(&self, more: &[(&str, &str)]) -> Result<Server, Error> {
        let mut settings = Vec::new();
        if let Some(wheels) = &self.tools.wheels {
            settings.push(own("FAAS_WHEELHOUSE", &wheels.to_string_lossy()));
        }
        settings.extend(self.settings.iter().cloned());
        settings.extend(more.iter().map(|(name, value)| own(name, value)));
        Server::start(&self.program, &settings, &self.log())
    }

    fn log(&self) -> PathBuf {
        Path::new(&self.directory).join("server.log")
    }
}

fn own(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

impl<'a> Field<'a> {
    fn new(server: &'a Server, bench: &Bench) -> Result<Self, Error> {
        let tools = &bench.tools;
        let resident = if bench.alone {
            None
        } else {
            Some(Resident::start(tools)?)
        };
        Ok(Self {
            server,
            python: ProcessPerCall::new(PerCall::Python, tools),
            deno_per_call: ProcessPerCall::new(PerCall::DenoPyodide, tools),
            deno: ProcessPerCall::new(PerCall::Deno, tools),
            node: ProcessPerCall::new(PerCall::Node, tools),
            resident,
            problems: Vec::new(),
        })
    }
}
