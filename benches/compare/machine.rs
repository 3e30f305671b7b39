//! Facts about this machine and the programs compared, for the result file.

use serde_json::Value;
use serde_json::json;

use crate::Error;
use crate::alternatives::Tools;
use crate::alternatives::print_of;

pub fn facts() -> Value {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let line_of = |text: String, name: &str| {
        let line = text.lines().find_map(|line| {
            Some(
                line.strip_prefix(name)?
                    .trim_start_matches([' ', '\t', ':']),
            )
        });
        line.unwrap_or_default().to_owned()
    };
    let memory = line_of(read("/proc/meminfo"), "MemTotal");
    let kibibytes = memory.trim_end_matches(" kB").parse::<f64>();
    json!({
        "cores": cores(),
        "cpu": line_of(read("/proc/cpuinfo"), "model name"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "memory_gib": kibibytes.map_or(0.0, |kibibytes| (kibibytes / (1 << 20) as f64).round()),
        "load_average_before": read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    })
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Versions of all contenders.
pub fn versions(tools: &Tools, health: &Value) -> Result<Value, Error> {
    let version = |program: &std::path::Path| print_of(&program.to_string_lossy(), &["--version"]);
    Ok(json!({
        "server": health["version"],
        "pyodide": health["pyodide"]["version"],
        "pyodide_python": health["python_version"],
        "deno": version(&tools.deno)?,
        "node": version(&tools.node)?,
        "python": version(&tools.python)?,
    }))
}
