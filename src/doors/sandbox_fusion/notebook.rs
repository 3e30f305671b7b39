//! `run_jupyter`: the cells of a notebook, run by one program (`js/python/cells.py`), which marks in its output where
//! each ends.

use std::collections::BTreeMap;

use faas_pool::Content;
use faas_pool::Report;
use faas_pool::ShownResult;
use faas_protocol::Language;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::files;
use super::files::Wanted;
use super::outcome::CommandResult;
use super::outcome::RunStatus;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::bounded;
use crate::api::bounded::AtMost;
use crate::api::bounded::Kind;
use crate::api::caller::Caller;
use crate::api::request;
use crate::api::request::RunRequest;
use crate::api::response::Representations;
use crate::doors::ours;
use crate::doors::ours::Ours;
use crate::doors::ours::must_be;

/// Most cells of a notebook.
const MOST_CELLS: usize = 256;
/// In s, if the request says nothing: that of SandboxFusion.
const TOTAL_TIMEOUT: f64 = 45.0;
/// The representation that says which cell showed a result (`js/python/cells.py`).
const OF_CELL: &str = "application/vnd.faas.cell+json";

// Clients also send `cell_timeout`, which SandboxFusion's own server does not look at.
#[derive(Deserialize)]
struct RunJupyter<'a> {
    #[serde(borrow)]
    cells: Option<&'a RawValue>,
    #[serde(borrow)]
    total_timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    kernel: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
    #[serde(borrow)]
    fetch_files: Option<&'a RawValue>,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct RunJupyterResponse {
    status: RunStatus,
    message: &'static str,
    driver: CommandResult,
    cells: Vec<Cell>,
    /// Always none.
    executor_pod_name: Option<&'static str>,
    files: BTreeMap<String, String>,
}

/// What became of a cell.
#[derive(Debug, Serialize)]
struct Cell {
    stdout: String,
    stderr: String,
    display: Vec<Representations>,
    /// One at most.
    error: Vec<Box<RawValue>>,
}

/// Checks a request; the program of its notebook, and how what becomes of that is worded.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
pub fn parse(
    body: &[u8],
    share: Share,
    caller: &Caller,
    state: &AppState,
) -> Result<
    (
        RunRequest,
        impl FnOnce(Report) -> RunJupyterResponse + use<>,
    ),
    ApiError,
> {
    let raw: RunJupyter = request::parse_body(body)?;
    let kernel = ours::text("kernel", raw.kernel)?;
    if kernel.is_some_and(|kernel| kernel != "python3") || !state.settings.serves(Language::Python)
    {
        return Err(must_be(
            "kernel",
            "python3, if this service runs Python (FAAS_LANGUAGE)",
        ));
    }
    let cells = cells_of(raw.cells, state)?;
    let wanted = Wanted::parse(raw.fetch_files)?;
    let timeout = ours::limit("total_timeout", raw.total_timeout)?.unwrap_or(TOTAL_TIMEOUT);
    // Nobody who wrote a cell can know it.
    let mark = format!("\u{1e}{}\u{1e}", Uuid::new_v4());
    let (texts, mark_text) = (ours::in_python(&cells)?, ours::in_python(&mark)?);
    let ours = Ours {
        language: Language::Python.name(),
        code: Some(ours::Text::Made(format!(
            "import _faas_cells\n_faas_cells.run({texts}, {mark_text})"
        ))),
        files: files::given(raw.files)?,
        collect: wanted.patterns(Language::Python),
        timeout: Some(ours::milliseconds(timeout)),
        ..Ours::default()
    };
    let mut request = ours.parse(share, caller, state)?;
    request.written = Some(cells.join("\n"));
    let most = cells.len();
    let answer = move |mut report: Report| {
        let cells = cells_in(&mut report, &mark, most);
        let driver = CommandResult::of(&mut report);
        RunJupyterResponse {
            status: driver.run_status(),
            message: "",
            driver,
            cells,
            executor_pod_name: None,
            files: wanted.of(&report.files),
        }
    };
    Ok((request, answer))
}

fn cells_of(field: Option<&RawValue>, state: &AppState) -> Result<Vec<String>, ApiError> {
    let refused = || {
        must_be(
            "cells",
            &format!("an array of at most {MOST_CELLS} strings"),
        )
    };
    let raw = field.ok_or_else(refused)?;
    let cells = bounded::parse::<AtMost<String, { MOST_CELLS + 1 }>>(raw, Kind::Array)?;
    let AtMost(cells) = cells.ok_or_else(refused)?;
    if cells.len() > MOST_CELLS {
        return Err(refused());
    }
    // Before a program is made of them.
    let longest = state.settings.max_code_bytes().get();
    let length: usize = cells.iter().map(String::len).sum();
    if length as u64 > longest {
        return Err(ApiError::too_large(
            "Parameter 'cells' is too long",
            format!("At most {longest} bytes are accepted (FAAS_MAX_CODE_BYTES)"),
        ));
    }
    Ok(cells)
}

/// The cells that ended and, if the program was stopped, the one that did not. What is left of the program's output
/// is that of no cell.
fn cells_in(report: &mut Report, mark: &str, most: usize) -> Vec<Cell> {
    let (stdout, stderr) = (
        std::mem::take(&mut report.stdout),
        std::mem::take(&mut report.stderr),
    );
    let mut printed = stdout.split(mark);
    // On stderr each cell has two parts: what it wrote, and its errors.
    let mut written = stderr.split(mark);
    let mut cells = Vec::new();
    while cells.len() < most {
        let (stdout, stderr) = (printed.next(), written.next());
        if stdout.is_none() && stderr.is_none() {
            break;
        }
        let errors = written.next();
        let has_ended = errors.is_some();
        let errors = errors.and_then(|json| serde_json::from_str(json).ok());
        let AtMost::<_, 1>(error) = errors.unwrap_or_default();
        cells.push(Cell {
            stdout: stdout.unwrap_or_default().to_owned(),
            stderr: stderr.unwrap_or_default().to_owned(),
            display: Vec::new(),
            error,
        });
        if !has_ended {
            break;
        }
    }
    report.stdout = printed.collect();
    report.stderr = written.collect();
    for result in &report.results {
        if let Some(cell) = cells.get_mut(cell_of(result)) {
            cell.display.push(Representations {
                result: result.clone(),
                without: Some(OF_CELL),
            });
        }
    }
    cells
}

/// The number of the cell that showed a result.
fn cell_of(result: &ShownResult) -> usize {
    match result.content(OF_CELL) {
        Some(Content::Json(number)) => number.get().parse().unwrap_or(usize::MAX),
        _ => usize::MAX,
    }
}
