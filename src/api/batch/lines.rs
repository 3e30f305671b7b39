//! The lines of an answer: one for the set-up if there is one, one for each row, and a summary.

use std::collections::BTreeMap;
use std::time::Duration;

use faas_protocol::Status;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::api::error::ErrorBody;
use crate::api::response::RunResponse;

/// A line of the answer to a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchLine {
    Setup(SetupLine),
    Row(RowLine),
    Refused(RefusedLine),
    Summary(SummaryLine),
}

/// The first line, if there is a set-up: the usual answer.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchSetup)]
pub struct SetupLine {
    pub setup: RunResponse,
}

/// A row that ran: the usual answer, with the row's index from 0.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchRow)]
pub struct RowLine {
    pub index: u64,
    #[serde(flatten)]
    pub answer: RunResponse,
}

/// A row that was not executed, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchRefused)]
pub struct RefusedLine {
    pub index: u64,
    #[serde(flatten)]
    pub error: ErrorBody,
}

/// The last line.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchEnd)]
pub struct SummaryLine {
    summary: Summary,
}

/// How a batch ended.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = BatchSummary)]
pub struct Summary {
    /// Rows that were answered.
    rows: u64,
    /// Those with the status `success`.
    succeeded: u64,
    /// How many rows ended how: a status, or `refused` for those that were not executed.
    by_status: BTreeMap<&'static str, u64>,
    duration_ms: u64,
    /// Why rows are left; absent if all were answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stopped: Option<Stopped>,
}

/// Why a batch stopped before its last row was answered.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BatchStopped)]
pub struct Stopped {
    reason: StopReason,
    /// A sentence, with what to do about it.
    details: String,
}

/// Why a batch stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BatchStopReason)]
pub enum StopReason {
    /// Its set-up did not succeed, or what it left could not be kept.
    Setup,
    /// A row ended as `stop_on` says.
    StopOn,
    /// `total_timeout` was over.
    TotalTimeout,
    /// Its rows broke off.
    Input,
    ShuttingDown,
}

impl Stopped {
    pub fn reason(&self) -> StopReason {
        self.reason
    }

    pub fn details(&self) -> &str {
        &self.details
    }
}

impl StopReason {
    pub fn because(self, details: impl Into<String>) -> Stopped {
        Stopped {
            reason: self,
            details: details.into(),
        }
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEnd {
    Ran(Status),
    Refused,
}

impl RowEnd {
    /// That of its program, if it was executed.
    pub const fn status(self) -> Option<Status> {
        match self {
            Self::Ran(status) => Some(status),
            Self::Refused => None,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ran(status) => status.name(),
            Self::Refused => "refused",
        }
    }
}

impl Summary {
    pub fn count(&mut self, end: RowEnd) {
        self.rows += 1;
        self.succeeded += u64::from(end == RowEnd::Ran(Status::Success));
        *self.by_status.entry(end.name()).or_default() += 1;
    }

    pub fn end(mut self, duration: Duration, stopped: Option<Stopped>) -> BatchLine {
        self.duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.stopped = stopped;
        BatchLine::Summary(SummaryLine { summary: self })
    }
}

impl BatchLine {
    /// Its text, with the end of the line.
    ///
    /// # Errors
    /// 500 if it cannot be JSON, which it always can.
    pub fn text(&self) -> Result<String, ApiError> {
        let json = serde_json::to_string(self);
        let json =
            json.map_err(|error| ApiError::failed(format!("The answer cannot be JSON: {error}")))?;
        Ok(json + "\n")
    }
}
