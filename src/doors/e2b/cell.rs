//! `/execute`: runs a cell and tells of it, line by line, as it goes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_protocol::Language;
use futures_util::stream;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::Entered;
use super::contexts;
use super::contexts::no_context;
use super::lines::Line;
use super::lines::ResultFields;
use super::sandboxes::Context;
use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::client::Client;
use crate::api::follow::Following;
use crate::api::follow::Told;
use crate::api::follow::follow;
use crate::api::request;
use crate::api::request::RunRequest;
use crate::api::stream::X_ACCEL_BUFFERING;
use crate::doors::cell_error::CellError;
use crate::doors::ours;
use crate::doors::ours::Ours;
use crate::doors::ours::Text;

#[derive(Deserialize)]
struct Execute<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    context_id: Option<&'a RawValue>,
    #[serde(borrow)]
    language: Option<&'a RawValue>,
    #[serde(borrow)]
    env_vars: Option<&'a RawValue>,
}

/// Runs a cell.
///
/// # Errors
/// As `POST /run_code`; 404 if there is no such context.
pub async fn execute(
    State(state): State<Arc<AppState>>,
    entered: Entered,
    Extension(client): Extension<Arc<Client>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (body, share) = ours::read(request, &state).await?;
    let request = parse(&body, share, &entered, &state).await?;
    drop(body);
    let lines = Lines {
        following: follow(state, entered.caller, Some(client), request).await?,
        has_error: false,
    };
    let lines = stream::unfold(lines, async |mut lines| {
        let line = lines.next().await?;
        Some((Ok::<_, Infallible>(line), lines))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        // nginx would otherwise keep lines back until it has a page of them.
        (X_ACCEL_BUFFERING, "no"),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

async fn parse(
    body: &[u8],
    share: Share,
    entered: &Entered,
    state: &AppState,
) -> Result<RunRequest, ApiError> {
    let raw: Execute = request::parse_body(body)?;
    let environment = ours::parse_environment("env_vars", raw.env_vars)?;
    let language = contexts::language(raw.language, state)?;
    let context = ours::text("context_id", raw.context_id)?;
    let (context, language) = match (context, language) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request(
                "Only one of context_id and language can be given",
                "A context has its language",
            ));
        }
        (Some(id), None) => {
            let context = contexts::find(&id, &entered.sandbox)?;
            let language = context.language;
            (context, language)
        }
        (None, language) => {
            let language = language.unwrap_or_else(|| contexts::default_language(state));
            let context = contexts::default_context(language, entered, state).await?;
            (context, language)
        }
    };
    let code = raw.code.map(ours::program);
    cell_of(code, environment, language, &context, share, entered, state)
}

/// A cell of a context, with as much time as there is: clients hang up when they do not want to wait.
///
/// # Errors
/// As `POST /run_code`; 404 if the context is gone.
pub fn cell_of(
    code: Option<Text<'_>>,
    environment: Vec<(String, String)>,
    language: Language,
    context: &Context,
    share: Share,
    entered: &Entered,
    state: &AppState,
) -> Result<RunRequest, ApiError> {
    let session = state.pool.session(&context.session, &entered.sandbox.owner);
    session.map_err(|_| no_context())?;
    let ours = Ours {
        language: language.name(),
        code,
        session: Some(context.session.as_str()),
        timeout: Some(ours::milliseconds(
            state.settings.max_execution_time.as_secs_f64(),
        )),
        ..Ours::default()
    };
    let mut request = ours.parse(share, &entered.caller, state)?;
    let invocation = &mut request.execution.job.invocation;
    invocation.shows_errors = true;
    // The later of two of a name counts.
    invocation.environment = entered.sandbox.wanted.environment.clone();
    invocation.environment.extend(environment);
    Ok(request)
}

/// What is told of a cell, as lines.
struct Lines {
    following: Following,
    /// Whether the cell showed the error that ended it.
    has_error: bool,
}

impl Lines {
    /// The next lines, `None` after the last.
    async fn next(&mut self) -> Option<String> {
        let mut line = match self.following.next().await? {
            Told::Output(stream, text) => Line::output(stream, &text).to_json(),
            Told::Shown(result) => match CellError::shown(&result) {
                Some(error) if !self.has_error => {
                    self.has_error = true;
                    Line::Error(error).to_json()
                }
                _ => Line::Result(ResultFields(&result)).to_json(),
            },
            Told::Installing(_) | Told::Calls { .. } | Told::Nothing => Line::Keepalive.to_json(),
            Told::Ended(ending) => {
                let (error, number) = match &ending {
                    Ok(finished) => {
                        let report = &finished.report;
                        let error = CellError::of_report(report).filter(|_| !self.has_error);
                        (error, report.cell.as_ref().map(|cell| cell.number))
                    }
                    Err(error) => (Some(CellError::of_service(error)), None),
                };
                let number =
                    number.map(|execution_count| Line::NumberOfExecutions { execution_count });
                let lines = [error.map(Line::Error), number, Some(Line::EndOfExecution)];
                let lines: Vec<_> = lines.iter().flatten().map(Line::to_json).collect();
                lines.join("\n")
            }
        };
        line.push('\n');
        Some(line)
    }
}
