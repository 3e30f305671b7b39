//! What every way of executing a program goes through, whatever the request looked like: the limits of
//! complexity, the pool, the record.

use std::sync::Arc;

use faas_pool::ExecutionRequest;
use faas_pool::PoolStats;
use faas_pool::Report;
use faas_protocol::Complexity;
use faas_protocol::Findings;
use faas_protocol::Language;
use faas_protocol::Status;

use super::answer::Answer;
use super::budget::Share;
use super::caller::Caller;
use super::error::ApiError;
use super::record::Record;
use super::request;
use super::request::RunRequest;
use super::response::RunResponse;
use super::state::AppState;

/// A program that was executed.
#[derive(Debug)]
pub struct Finished {
    pub task_id: String,
    pub report: Report,
    language: Language,
    timings: bool,
    stats: PoolStats,
    /// Its part of FAAS_QUEUE_BYTES, until it is answered.
    share: Share,
}

impl Finished {
    /// The usual answer, and what the request holds of FAAS_QUEUE_BYTES.
    pub fn answer(self) -> (RunResponse, Share) {
        let Self {
            task_id,
            report,
            language,
            timings,
            stats,
            share,
        } = self;
        let response = RunResponse::new(task_id, language, report, stats, timings);
        (response, share)
    }
}

/// Has a program executed and words the answer.
///
/// # Errors
/// [`ApiError`] for a program that was not executed, or an answer that there is no room for.
pub async fn execute(
    state: &Arc<AppState>,
    caller: &Caller,
    request: RunRequest,
) -> Result<Answer, ApiError> {
    let finished = run(state, caller, request).await?;
    let (response, _request) = finished.answer();
    Answer::new(&response, state)
}

/// Has a program executed.
///
/// # Errors
/// [`ApiError`] for one that was not.
pub async fn run(
    state: &Arc<AppState>,
    caller: &Caller,
    request: RunRequest,
) -> Result<Finished, ApiError> {
    let RunRequest {
        task_id,
        execution,
        written,
        timings,
        share,
        // Who follows a program lends it its tools.
        tools: _,
    } = request;
    let language = execution.job.language;
    let written = written.as_deref().unwrap_or(&execution.job.code);
    let mut record = Record::begin(state, caller, &execution, written, task_id);
    let passed = enforce_complexity(state, caller, &execution, written).await;
    passed.inspect_err(|error| record.refuse(error))?;
    let result = tokio::select! {
        biased;
        result = state.pool.execute(execution) => result,
        () = state.cut_off.cancelled() => {
            record.cut_off();
            return Err(ApiError::cut_off());
        }
    };
    record.end(&result);
    let (report, stats) = result?;
    Ok(Finished {
        task_id: record.task_id.clone(),
        report,
        language,
        timings,
        stats,
        share,
    })
}

/// Refuses a program that is more complex than the settings allow. One that does not compile
/// passes: running it says why better.
///
/// # Errors
/// 422 with the figure and the limit.
async fn enforce_complexity(
    state: &AppState,
    caller: &Caller,
    execution: &ExecutionRequest,
    written: &str,
) -> Result<(), ApiError> {
    let settings = &state.settings;
    if settings.max_complexity.is_none() && settings.max_nesting.is_none() {
        return Ok(());
    }
    let (language, priority) = (execution.job.language, execution.priority);
    let check = request::check_request(language, written.to_owned(), caller, priority, settings);
    let Some(complexity) = analyse(state, check).await?.complexity else {
        return Ok(());
    };
    let Complexity {
        max_cyclomatic,
        max_nesting,
        ..
    } = complexity;
    for (figure, value, limit, name) in [
        (
            "cyclomatic complexity",
            max_cyclomatic,
            settings.max_complexity,
            "FAAS_MAX_COMPLEXITY",
        ),
        (
            "nesting",
            max_nesting,
            settings.max_nesting,
            "FAAS_MAX_NESTING",
        ),
    ] {
        if let Some(limit) = limit
            && value > limit
        {
            return Err(ApiError::refused(
                "Program too complex",
                format!(
                    "Its {figure} is {value}, more than the {limit} allowed ({name}); \
                     split its functions up (POST /check_code tells the figures of each)"
                ),
            ));
        }
    }
    Ok(())
}

/// Has a program analysed in a sandbox of its own, without running any of it.
///
/// # Errors
/// [`ApiError`] if that was not possible.
pub async fn analyse(state: &AppState, request: ExecutionRequest) -> Result<Findings, ApiError> {
    let (report, _) = state.pool.execute(request).await?;
    let findings = report
        .return_value
        .filter(|_| report.status == Status::Success);
    // It comes from a sandbox: whatever it is, it must have the right shape.
    let findings = findings.and_then(|json| serde_json::from_str::<Findings>(&json).ok());
    let mut findings = findings.ok_or_else(|| {
        ApiError::failed(format!(
            "The program could not be analysed ({}); it may be too long or too deeply nested",
            report.status.name()
        ))
    })?;
    if let Some(complexity) = &mut findings.complexity {
        complexity.loops.estimate();
    }
    Ok(findings)
}
