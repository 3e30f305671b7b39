//! The alternatives to this server.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::Error;
use crate::contender::Contender;
use crate::processes;
use crate::processes::Cpu;
use crate::programs::Program;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/compare/deno");

/// Where the alternatives are; see `scripts/setup-bench`.
#[derive(Clone, Debug)]
pub struct Tools {
    pub deno: PathBuf,
    /// The interpreter itself, not a version manager's wrapper, which would cost a shell per call.
    pub python: PathBuf,
    pub node: PathBuf,
    pub pyodide: PathBuf,
    /// Wheels of the package program, if they are there.
    pub wheels: Option<PathBuf>,
    /// Directory for temporary files.
    pub scratch: PathBuf,
}

impl Tools {
    pub fn find(directory: &Path) -> Result<Self, Error> {
        let deno = directory.join("deno/bin/deno");
        if !deno.exists() {
            return Err(format!("no {}: run scripts/setup-bench", deno.display()).into());
        }
        let wheels = directory.join("wheels");
        let scratch = directory.join("scratch");
        std::fs::create_dir_all(&scratch)?;
        Ok(Self {
            deno,
            python: print_of("python3", &["-c", "import sys; print(sys.executable)"])?.into(),
            node: print_of("node", &["-p", "process.execPath"])?.into(),
            pyodide: Path::new(env!("CARGO_MANIFEST_DIR")).join("pyodide-dist"),
            wheels: wheels.is_dir().then_some(wheels),
            scratch,
        })
    }

    fn deno(&self, script: &str) -> Command {
        let mut command = Command::new(&self.deno);
        command
            .args(["run", "--quiet", "--no-config", "--no-lock", "--allow-read"])
            .arg(Path::new(SCRIPTS).join(script))
            .arg(&self.pyodide)
            .env("DENO_DIR", self.scratch.join("deno"))
            .env("DENO_NO_UPDATE_CHECK", "1");
        command
    }
}

/// The first line that a command prints.
pub fn print_of(program: &str, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// How a process per call is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerCall {
    /// `deno run` of a script that boots Pyodide.
    DenoPyodide,
    /// `python3 -c`.
    Python,
    /// `deno run` of the program.
    Deno,
    /// `node` of the program.
    Node,
}

/// A process per call.
pub struct ProcessPerCall {
    kind: PerCall,
    tools: Tools,
    command: Option<Command>,
    peak_memory: f64,
}

impl ProcessPerCall {
    pub fn new(kind: PerCall, tools: &Tools) -> Self {
        Self {
            kind,
            tools: tools.clone(),
            command: None,
            peak_memory: 0.0,
        }
    }

    fn python(&self, program: &Program) -> Command {
        let mut command = Command::new(&self.tools.python);
        let code = match program.input {
            None => program.code.to_owned(),
            Some(_) => format!(
                "import json, sys; input_data = json.loads(sys.argv[1])\n{}",
                program.code
            ),
        };
        command.arg("-c").arg(code).args(program.input);
        command
    }

    fn deno_pyodide(&self, program: &Program) -> Result<Command, Error> {
        let request = self.tools.scratch.join("request.json");
        std::fs::write(&request, deno_request(program).to_string())?;
        let mut command = self.tools.deno("per_call.mjs");
        command.arg(request);
        if !program.packages.is_empty() {
            command.args(&self.tools.wheels);
        }
        Ok(command)
    }

    fn javascript(&self, program: &Program) -> Result<Command, Error> {
        let script = self.tools.scratch.join("program.mjs");
        std::fs::write(&script, program.code)?;
        let mut command = if self.kind == PerCall::Node {
            Command::new(&self.tools.node)
        } else {
            let mut command = Command::new(&self.tools.deno);
            command
                .args(["run", "--quiet", "--no-config", "--no-lock"])
                .env("DENO_DIR", self.tools.scratch.join("deno"))
                .env("DENO_NO_UPDATE_CHECK", "1");
            command
        };
        command.arg(script);
        Ok(command)
    }
}

impl Contender for ProcessPerCall {
    fn key(&self) -> &'static str {
        match self.kind {
            PerCall::DenoPyodide => "deno_per_call",
            PerCall::Python => "python",
            PerCall::Deno => "deno",
            PerCall::Node => "node",
        }
    }

    fn prepare(&mut self, program: &Program) -> Result<(), Error> {
        let mut command = match self.kind {
            PerCall::Python => self.python(program),
            PerCall::DenoPyodide => self.deno_pyodide(program)?,
            PerCall::Deno | PerCall::Node => self.javascript(program)?,
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        self.command = Some(command);
        self.peak_memory = 0.0;
        Ok(())
    }

    fn call(&mut self) -> Result<String, Error> {
        let command = self.command.as_mut().ok_or("not prepared")?;
        let mut child = command.spawn()?;
        let mut text = String::new();
        let stdout = child.stdout.as_mut().ok_or("no stdout")?;
        let read = stdout.read_to_string(&mut text);
        let peak = processes::reap(child.id() as i32);
        self.peak_memory = self.peak_memory.max(peak);
        read?;
        if self.kind == PerCall::DenoPyodide {
            return deno_answer(&serde_json::from_str(&text)?);
        }
        Ok(text)
    }

    fn cpu(&mut self) -> Result<Cpu, Error> {
        Ok(processes::reaped_cpu())
    }

    fn memory(&self) -> f64 {
        self.peak_memory
    }
}

/// One long-lived Deno process that reuses one Pyodide, without isolation.
pub struct Resident {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    line: String,
}

impl Resident {
    /// Starts it and waits until Pyodide is up.
    pub fn start(tools: &Tools) -> Result<Self, Error> {
        let mut command = tools.deno("resident.mjs");
        let mut child = command
            .args(&tools.wheels)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut resident = Self {
            child,
            requests,
            answers,
            line: String::new(),
        };
        let ready = resident.answer()?;
        if ready["status"] != "ready" {
            return Err(format!("the resident Deno says {ready}").into());
        }
        Ok(resident)
    }

    fn answer(&mut self) -> Result<Value, Error> {
        let mut text = String::new();
        self.answers.read_line(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }
}

impl Contender for Resident {
    fn key(&self) -> &'static str {
        "deno_resident"
    }

    fn prepare(&mut self, program: &Program) -> Result<(), Error> {
        self.line = format!("{}\n", deno_request(program));
        Ok(())
    }

    fn call(&mut self) -> Result<String, Error> {
        self.requests.write_all(self.line.as_bytes())?;
        deno_answer(&self.answer()?)
    }

    fn cpu(&mut self) -> Result<Cpu, Error> {
        Ok(processes::tree_cpu(self.child.id() as i32))
    }

    fn memory(&self) -> f64 {
        processes::memory(self.child.id() as i32).pss
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn deno_request(program: &Program) -> Value {
    json!({ "code": program.code, "input": program.parsed_input() })
}

fn deno_answer(answer: &Value) -> Result<String, Error> {
    match answer["stdout"].as_str() {
        Some(stdout) if answer["status"] == "success" => Ok(stdout.to_owned()),
        _ => Err(format!("Deno answered {answer}").into()),
    }
}
