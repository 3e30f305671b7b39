//! Why a cell ended, as a notebook shows it.

use faas_pool::Content;
use faas_pool::Report;
use faas_pool::ShownResult;
use faas_protocol::Limit;
use faas_protocol::SHOWN_ERROR;
use faas_protocol::Status;
use serde::Deserialize;
use serde::Serialize;

use crate::api::ApiError;

/// An error that ended a cell.
#[derive(Debug, Deserialize, Serialize)]
pub struct CellError {
    pub name: String,
    pub value: String,
    pub traceback: String,
}

impl CellError {
    /// The error that a result shows, if it does.
    pub fn shown(result: &ShownResult) -> Option<Self> {
        match result.content(SHOWN_ERROR)? {
            Content::Json(json) => serde_json::from_str(json.get()).ok(),
            Content::Text(_) | Content::Bytes(_) => None,
        }
    }

    /// Why a cell ended that showed no error; `None` if it ended well.
    pub fn of_report(report: &Report) -> Option<Self> {
        let name = match report.status {
            Status::Success => return None,
            // Packages were not installed, or a program ended with an exit code.
            Status::Error if report.exit_code == 1 => "Error",
            Status::Error => "SystemExit",
            Status::Exceeded(Limit::WallTime | Limit::CpuTime) => "TimeoutError",
            Status::Exceeded(Limit::Memory) => "MemoryError",
            Status::Exceeded(_) | Status::Killed | Status::Violation => "ExecutionError",
        };
        let mut value = match name {
            "SystemExit" => report.exit_code.to_string(),
            _ => report.last_line_of_stderr().to_owned(),
        };
        if let Some(Err(reason)) = report.cell.as_ref().map(|cell| &cell.kept) {
            value = format!("{value} ({reason})");
        }
        Some(Self {
            name: name.to_owned(),
            value,
            traceback: report.stderr.clone(),
        })
    }

    /// A cell that was not run to its end by the service's fault.
    pub fn of_service(error: &ApiError) -> Self {
        Self {
            name: "ExecutionError".to_owned(),
            value: error.sentence(),
            traceback: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn shown(media_type: &str, content: Content) -> ShownResult {
        let mut shown = ShownResult::default();
        shown.representations.push((media_type.to_owned(), content));
        shown
    }

    fn json(text: &str) -> Content {
        Content::Json(RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn only_an_error_with_all_its_fields_is_one() {
        let error = CellError::shown(&shown(
            SHOWN_ERROR,
            json(r#"{"name":"ValueError","value":"x","traceback":"…"}"#),
        ));
        assert_eq!(error.unwrap().name, "ValueError");
        for wrong in [json("{}"), json("1"), Content::Text("{}".to_owned())] {
            assert!(CellError::shown(&shown(SHOWN_ERROR, wrong)).is_none());
        }
    }
}
