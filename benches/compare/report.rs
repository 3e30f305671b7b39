//! Results: their shape, the table on stdout, the file.

use std::path::Path;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::Error;
use crate::aims::Aim;
use crate::contender::Measured;
use crate::load::Outcome;
use crate::machine;
use crate::stats::Summary;

/// Readable names of contenders.
const CONTENDERS: &[(&str, &str)] = &[
    ("server", "faas-server"),
    ("snapshot", "faas-server, from a snapshot"),
    ("deno_per_call", "Deno + Pyodide, process per call"),
    ("deno_resident", "Deno + Pyodide, one process, no isolation"),
    ("python", "python3 -c per call, no sandbox"),
    ("deno", "deno run per call"),
    ("node", "node per call, no sandbox"),
];

/// Figures as columns, in the order of the table.
const FIGURES: &[(&str, &str)] = &[
    ("samples", "samples"),
    ("p50_ms", "p50 ms"),
    ("p95_ms", "p95 ms"),
    ("p99_ms", "p99 ms"),
    ("max_ms", "max ms"),
    ("per_second", "per second"),
    ("per_second_core", "per second and core"),
    ("cpu_s_per_1000", "CPU s per 1,000"),
    ("client_cpu_s_per_1000", "client CPU s per 1,000"),
    ("memory_mib", "memory MiB"),
    ("times_slower", "slower than faas-server"),
    ("ratio_to_resident", "faster than one Deno process"),
    ("cpu_ratio_to_resident", "by CPU time"),
    ("seconds", "seconds"),
    ("before", "before"),
    ("after", "after"),
    ("per_hour", "more per hour"),
    ("count", "processes"),
    ("pss_mib", "PSS MiB"),
    ("private_mib", "private MiB"),
    ("page_tables_mib", "page tables MiB"),
    ("machine_mib", "machine's memory MiB"),
    ("median_us", "median µs"),
];

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub mode: &'static str,
    pub taken: String,
    pub machine: Value,
    pub versions: Value,
    /// Settings of the server that are not its defaults.
    pub settings: Vec<(String, String)>,
    pub sections: Vec<Section>,
    pub aims: Vec<Aim>,
    /// Problems: outputs that differ, executions that failed.
    pub problems: Vec<String>,
    pub seconds: f64,
}

/// Figures that belong together.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    pub key: &'static str,
    pub title: String,
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
}

/// Figures of one contender and one case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub contender: &'static str,
    pub case: String,
    pub figures: Map<String, Value>,
}

impl Section {
    pub fn new(key: &'static str, title: impl Into<String>) -> Self {
        Self {
            key,
            title: title.into(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A figure of the first row of a contender and case.
    pub fn figure(&self, contender: &str, case: &str, figure: &str) -> Option<f64> {
        let row = self
            .rows
            .iter()
            .find(|row| row.contender == contender && row.case == case)?;
        row.figures.get(figure)?.as_f64()
    }
}

impl Row {
    pub fn new(contender: &'static str, case: impl Into<String>) -> Self {
        Self {
            contender,
            case: case.into(),
            figures: Map::new(),
        }
    }

    pub fn with(mut self, figure: &'static str, value: f64) -> Self {
        debug_assert!(FIGURES.iter().any(|(key, _)| *key == figure), "{figure}");
        // At least four significant digits, and no noise after them.
        let rounded = (value * 10_000.0).round() / 10_000.0;
        self.figures.insert(figure.to_owned(), json!(rounded));
        self
    }

    pub fn with_latency(self, latency: Summary) -> Self {
        self.with("samples", latency.samples as f64)
            .with("p50_ms", latency.p50)
            .with("p95_ms", latency.p95)
            .with("p99_ms", latency.p99)
            .with("max_ms", latency.max)
    }

    pub fn with_measured(self, measured: &Measured) -> Self {
        self.with_latency(measured.latency)
            .with("cpu_s_per_1000", measured.cpu_per_1000)
    }

    pub fn with_outcome(self, outcome: &Outcome) -> Self {
        let row = match Summary::of(&outcome.latencies) {
            Some(latency) => self.with_latency(latency),
            None => self,
        };
        let executions = outcome.latencies.len().max(1) as f64;
        let own = outcome.own_cpu.as_secs_f64() * 1000.0 / executions;
        row.with("per_second", outcome.per_second())
            .with(
                "per_second_core",
                outcome.per_second() / machine::cores() as f64,
            )
            .with("client_cpu_s_per_1000", own)
    }
}

impl Report {
    pub fn section(&self, key: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.key == key)
    }

    /// Prints everything for a person to read.
    pub fn print(&self) {
        println!(
            "{} on {} cores, {}, kernel {}, {:.0} s",
            self.mode,
            self.machine["cores"],
            self.machine["cpu"].as_str().unwrap_or_default(),
            self.machine["kernel"].as_str().unwrap_or_default(),
            self.seconds,
        );
        for section in &self.sections {
            println!("\n## {}", section.title);
            print_rows(&section.rows);
            for note in &section.notes {
                println!("  {note}");
            }
        }
        if !self.aims.is_empty() {
            println!("\n## Aims");
        }
        for aim in &self.aims {
            println!("  {aim}");
        }
        for problem in &self.problems {
            println!("PROBLEM: {problem}");
        }
    }

    /// Writes `result.json` and `result.svg`.
    pub fn write(&self, directory: &Path) -> Result<(), Error> {
        let mut json = serde_json::to_value(self)?;
        let order: Vec<&str> = FIGURES.iter().map(|(key, _)| *key).collect();
        json["labels"] = json!({
            "contenders": labels(CONTENDERS),
            "figures": labels(FIGURES),
            "order": order,
        });
        let file = directory.join("result.json");
        std::fs::write(&file, serde_json::to_string_pretty(&json)? + "\n")?;
        let chart = directory.join("result.svg");
        std::fs::write(&chart, crate::chart::draw(self))?;
        println!("\nwritten: {} and {}", file.display(), chart.display());
        Ok(())
    }
}

/// The readable name of a contender.
pub fn contender_name(key: &str) -> &str {
    let found = CONTENDERS.iter().find(|(known, _)| *known == key);
    found.map_or(key, |(_, name)| name)
}

fn labels(pairs: &[(&str, &str)]) -> Value {
    let pairs = pairs
        .iter()
        .map(|(key, name)| ((*key).to_owned(), json!(name)));
    Value::Object(pairs.collect())
}

fn print_rows(rows: &[Row]) {
    let used: Vec<_> = FIGURES
        .iter()
        .filter(|(key, _)| rows.iter().any(|row| row.figures.contains_key(*key)))
        .collect();
    let mut table = vec![vec![String::new(), String::new()]];
    table[0].extend(used.iter().map(|(_, name)| (*name).to_owned()));
    for row in rows {
        let mut cells = vec![row.case.clone(), contender_name(row.contender).to_owned()];
        cells.extend(used.iter().map(|(key, _)| {
            let value = row.figures.get(*key).and_then(Value::as_f64);
            value.map_or_else(String::new, readable)
        }));
        table.push(cells);
    }
    let width = |column: usize| {
        let cells = table.iter().map(|cells| cells[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..used.len() + 2).map(width).collect();
    for cells in &table {
        let mut line = String::from(" ");
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            line += &match column {
                0 | 1 => format!(" {cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        println!("{}", line.trim_end());
    }
}

/// A number with about three significant digits.
fn readable(value: f64) -> String {
    if value == value.trunc() || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
