//! Speed, measured side by side: this server and what one would use instead, in the same run.
//!
//! `make bench` (under 15 minutes on 2 cores) or `make bench-quick` (under 2). Prints a table and
//! writes `result.json` and `result.svg` to `target/bench`. Load goes to the loopback only.

mod aims;
mod alternatives;
mod chart;
mod contender;
mod http;
mod load;
mod machine;
mod plan;
mod processes;
mod programs;
mod report;
mod sections;
mod servers;
mod stats;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use plan::Plan;
use report::Report;
use sections::Bench;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Compares faas-server with the alternatives.
#[derive(Debug, Parser)]
struct Args {
    /// Fewer samples: under 2 minutes instead of under 15
    #[arg(long)]
    quick: bool,
    /// Measure only these sections, such as trivial,cpu
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the alternatives out
    #[arg(long)]
    alone: bool,
    /// A setting for the server, such as FAAS_V8_FLAGS=--max-lazy; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// The server to measure
    #[arg(long, default_value = env!("CARGO_BIN_EXE_faas-server"))]
    server: PathBuf,
    /// Where the alternatives are and the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"))]
    directory: PathBuf,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(report) if report.problems.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Report, Error> {
    std::fs::create_dir_all(&args.directory)?;
    let plan = if args.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    let mut settings = Vec::new();
    for setting in &args.settings {
        let pair = setting.split_once('=').ok_or("--set takes NAME=VALUE")?;
        settings.push((pair.0.to_owned(), pair.1.to_owned()));
    }
    let bench = Bench::new(args, plan, settings)?;
    let report = bench.run()?;
    report.print();
    report.write(&args.directory)?;
    Ok(report)
}
