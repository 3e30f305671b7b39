//! `POST /jobs`: takes in what `POST /run_code` or `POST /run_batch` takes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_jobs::IdempotencyKey;
use faas_jobs::JobKind;
use faas_jobs::NewJob;
use faas_jobs::Submitted;
use faas_packages::Digest;
use faas_pool::new_id;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Digest as _;
use sha2::Sha256;
use url::Url;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::AllOfBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::schema::Schema;

use super::PREFIX;
use super::body::JobBody;
use super::store_error::jobs_of;
use crate::api::batch;
use crate::api::batch::Head;
use crate::api::batch::MOST_LISTED;
use crate::api::batch::RawBatch;
use crate::api::batch::read_first_line;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::budget::Share;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::idempotency::key_of;
use crate::api::ndjson::is_ndjson;
use crate::api::request;
use crate::api::request::RawRequest;
use crate::api::state::AppState;

/// Longest address of a webhook, in bytes.
const LONGEST_URL: usize = 2048;

/// What a job has that a program or a batch has not.
#[derive(Deserialize, ToSchema)]
pub struct JobOptions<'a> {
    /// An http(s) address that hears of the job's end, on a host of FAAS_WEBHOOK_HOSTS.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    webhook: Option<&'a RawValue>,
    /// How long the job may wait and run, and how long it is kept after its end, in ms; cut to FAAS_JOBS_EXPIRY, which
    /// is also the default.
    #[serde(borrow)]
    #[schema(value_type = Option<f64>, minimum = 1)]
    expires_after: Option<&'a RawValue>,
}

/// What `POST /jobs` takes, for the API's description.
pub struct JobRequest;

impl PartialSchema for JobRequest {
    fn schema() -> RefOr<Schema> {
        let reference = |name| Ref::from_schema_name(name);
        let either = AnyOfBuilder::new()
            .item(reference(RawRequest::name()))
            .item(reference(RawBatch::name()));
        let options = ObjectBuilder::new().property("job", reference(JobOptions::name()));
        let both = AllOfBuilder::new()
            .item(Schema::AnyOf(either.build()))
            .item(options)
            .description(Some(
                "What `POST /run_code` or `POST /run_batch` takes, without `tools`, `session`, `keep` and `from`",
            ));
        Schema::AllOf(both.build()).into()
    }
}

impl ToSchema for JobRequest {
    fn name() -> Cow<'static, str> {
        "JobRequest".into()
    }
}

/// The fields by which a program is told from a batch, those that a job cannot have, and its own.
#[derive(Deserialize)]
struct RawJob<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    entry_point: Option<&'a RawValue>,
    #[serde(borrow)]
    setup: Option<&'a RawValue>,
    #[serde(borrow)]
    program: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<&'a RawValue>,
    #[serde(borrow)]
    programs: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    keep: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    job: Option<JobOptions<'a>>,
}

/// A job that was checked.
struct Checked {
    kind: JobKind,
    head: String,
    rows: Vec<String>,
    webhook: Option<String>,
    keep_for: Duration,
    /// Of the body.
    digest: Digest,
    /// What the body holds of FAAS_QUEUE_BYTES.
    _shares: Vec<Share>,
}

/// Takes a job in, and answers once it is on the disk.
///
/// # Errors
/// [`ApiError`] for one that could not be run, or that there is no room for.
pub async fn submit(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    state.refuse_if_draining()?;
    let jobs = jobs_of(&state)?;
    let key = key_of(request.headers(), caller.owner())?;
    let checked = match is_ndjson(request.headers()) {
        true => read_lines(request, &caller, &state).await?,
        false => read_whole(request, &caller, &state).await?,
    };
    let id = new_id(PREFIX, state.settings.replica.as_ref());
    let id = id.map_err(|error| ApiError::failed(error.to_string()))?;
    let submitted = jobs.submit(NewJob {
        id,
        owner: caller.owner().clone(),
        weight: caller.weight(),
        address: caller.address,
        request_id: caller.request_id().to_owned(),
        kind: checked.kind,
        head: checked.head,
        rows: checked.rows,
        key: key.map(|key| IdempotencyKey {
            text: key.text().to_owned(),
            digest: checked.digest,
        }),
        webhook: checked.webhook,
        keep_for: checked.keep_for,
    });
    let (Submitted::New(job) | Submitted::Known(job)) = submitted.await?;
    let location = [(header::LOCATION, format!("/jobs/{}", job.id))];
    Ok((StatusCode::ACCEPTED, location, Json(JobBody::from(job))).into_response())
}

/// Reads a body that is one object.
async fn read_whole(
    request: Request,
    caller: &Caller,
    state: &AppState,
) -> Result<Checked, ApiError> {
    let body = request::read_body(request, state).await?;
    let digest = Digest::of(body.bytes());
    let text = str::from_utf8(body.bytes());
    let text = text.map_err(|_| ApiError::not_json("The body is not UTF-8"))?;
    let raw: RawJob = request::parse_body(body.bytes())?;
    let kind = kind_of(&raw)?;
    refuse_what_cannot_wait(&raw)?;
    let (webhook, keep_for) = check_options(&raw, state)?;
    let (head, rows, share) = match kind {
        JobKind::Run => {
            let head = text.to_owned();
            let request = request::parse(body, caller, state)?;
            state.pool.can_start(&request.execution)?;
            (head, vec![String::new()], request.share)
        }
        JobKind::Batch => {
            let head = without_rows(body.bytes())?;
            let (bytes, share) = body.into_parts();
            let of_rows = share.of_nothing();
            let (_, rows) = Head::with_rows(&bytes, of_rows, caller, state)?;
            let rows = rows.iter().map(|row| row.get().to_owned()).collect();
            (head, rows, share)
        }
    };
    Ok(Checked {
        kind,
        head,
        rows,
        webhook,
        keep_for,
        digest,
        _shares: vec![share],
    })
}

/// Reads a batch whose rows are lines.
async fn read_lines(
    request: Request,
    caller: &Caller,
    state: &AppState,
) -> Result<Checked, ApiError> {
    let (line, share, mut lines) = read_first_line(request, state).await?;
    let mut hasher = Sha256::new();
    hasher.update(&line);
    let raw: RawJob = request::parse_body(&line)?;
    if raw.code.is_some() || raw.entry_point.is_some() {
        return Err(ApiError::bad_request(
            "The first line is a program",
            "Lines are a batch, whose first line has `program`, or neither `program` nor `code`; send one program as \
             application/json",
        ));
    }
    refuse_what_cannot_wait(&raw)?;
    let (webhook, keep_for) = check_options(&raw, state)?;
    let head = without_rows(&line)?;
    let nothing = share.of_nothing();
    Head::of_stream(&line, nothing, caller, state)?;
    let mut shares = vec![share];
    let mut rows = Vec::new();
    while let Some((line, share)) = lines.next(state).await? {
        if rows.len() == MOST_LISTED {
            return Err(ApiError::too_large(
                "Too many rows",
                format!("A job may have {MOST_LISTED}; send the others as further jobs"),
            ));
        }
        hasher.update(&line);
        let row = batch::parse(&line).map_err(|error| {
            ApiError::not_json(format!("Row {}: {}", rows.len(), error.details()))
        })?;
        rows.push(row.get().to_owned());
        shares.push(share);
    }
    Ok(Checked {
        kind: JobKind::Batch,
        head,
        rows,
        webhook,
        keep_for,
        digest: Digest::finish(hasher),
        _shares: shares,
    })
}

/// Whether it is a program or a batch.
fn kind_of(raw: &RawJob<'_>) -> Result<JobKind, ApiError> {
    let is_program = raw.code.is_some() || raw.entry_point.is_some();
    let of_batch = [raw.setup, raw.program, raw.inputs, raw.programs];
    match (is_program, of_batch.iter().any(Option::is_some)) {
        (true, true) => Err(ApiError::bad_request(
            "A job is one program or a batch",
            "Send `code`, as to POST /run_code, or `programs`, or `program` and `inputs`, as to POST /run_batch",
        )),
        (false, true) => Ok(JobKind::Batch),
        // What it lacks is said when it is checked.
        (_, false) => Ok(JobKind::Run),
    }
}

/// # Errors
/// 400: nobody waits for a job, and it outlives what processes hold.
fn refuse_what_cannot_wait(raw: &RawJob<'_>) -> Result<(), ApiError> {
    let refused = |error: &str, details: &str| Err(ApiError::bad_request(error, details));
    if raw.tools.is_some() {
        return refused(
            "A job has no tools",
            "Nobody waits who could answer its calls; leave `tools` out, or send the program to POST /run_code",
        );
    }
    if raw.session.is_some() {
        return refused(
            "A job has no session",
            "A session is gone when the service starts again, and a job is not; send cells to POST /run_code",
        );
    }
    if raw.keep.is_some_and(|keep| keep.get() != "false") {
        return refused(
            "What a job leaves is not kept",
            "It would be gone before anybody asks for it; leave `keep` out, or send the program to POST /run_code",
        );
    }
    if raw.from.is_some() {
        return refused(
            "A job starts from no snapshot",
            "A snapshot is gone when the service starts again, and a job is not; send a batch whose `setup` makes what \
             rows start from",
        );
    }
    Ok(())
}

/// Where a job's end is told, and how long it is kept.
fn check_options(
    raw: &RawJob<'_>,
    state: &AppState,
) -> Result<(Option<String>, Duration), ApiError> {
    let longest = (state.settings.jobs_expiry, "FAAS_JOBS_EXPIRY");
    let Some(options) = &raw.job else {
        return Ok((None, longest.0));
    };
    let keep_for = request::parse_milliseconds("expires_after", options.expires_after, longest)?;
    let webhook = match options.webhook {
        None => None,
        Some(raw) => Some(check_webhook(raw, state)?),
    };
    Ok((webhook, keep_for))
}

fn check_webhook(raw: &RawValue, state: &AppState) -> Result<String, ApiError> {
    let url = bounded::parse::<String>(raw, Kind::String)?;
    let url = url.filter(|url| url.len() <= LONGEST_URL);
    let url = url.and_then(|url| Url::parse(&url).ok());
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
    };
    let url = url.filter(is_plain).ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'webhook' must be an address",
            format!("Send an http(s) address without a name and password, of at most {LONGEST_URL} bytes"),
        )
    })?;
    let Some(webhooks) = &jobs_of(state)?.webhooks else {
        return Err(ApiError::bad_request(
            "There are no webhooks here",
            "The operator of this server allows hosts with FAAS_WEBHOOK_HOSTS; leave `webhook` out, and ask \
             GET /jobs/{id}",
        ));
    };
    match webhooks.allow(&url) {
        true => Ok(url.into()),
        false => Err(ApiError::bad_request(
            "The webhook's host is not allowed",
            "The operator of this server allows hosts with FAAS_WEBHOOK_HOSTS",
        )),
    }
}

/// The fields of a batch but its rows, as the first line of a stream has them.
fn without_rows(body: &[u8]) -> Result<String, ApiError> {
    let mut fields: BTreeMap<String, &RawValue> = request::parse_body(body)?;
    for field in ["inputs", "programs", "job"] {
        fields.remove(field);
    }
    serde_json::to_string(&fields).map_err(|error| ApiError::failed(error.to_string()))
}
