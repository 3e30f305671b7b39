//! Requests about sessions: `POST /sessions`, `/fork`, `/undo`.

use faas_pool::ExecutionRequest;
use faas_pool::Lifetime;
use faas_pool::SessionName;
use faas_pool::SessionRequest;
use faas_pool::Start;
use faas_protocol::Job;
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::Body;
use super::body::parse_body;
use super::options::packages_schema;
use super::options::parse_from;
use super::options::parse_milliseconds;
use super::options::parse_packages;
use super::plain;
use super::program::language_schema;
use super::program::parse_language;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::budget::Share;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::files;
use crate::settings::Settings;

/// Most sessions that one request opens.
const MOST_FORKS: u64 = 100;

/// A session to open. All fields may be left out. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SessionRequest)]
pub struct RawSession<'a> {
    #[serde(borrow)]
    #[schema(schema_with = language_schema)]
    language: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = packages_schema)]
    packages: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = files::schema)]
    files: Option<&'a RawValue>,
    /// The id of the snapshot that it begins with.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    from: Option<&'a RawValue>,
    /// By which `GET /sessions?name=` finds it; no other of the caller's sessions may have it.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    name: Option<&'a RawValue>,
    /// How long it lives while nobody uses it, in ms; cut to FAAS_SESSION_TIMEOUT.
    #[serde(borrow)]
    #[schema(value_type = Option<u64>, minimum = 1)]
    idle_timeout: Option<&'a RawValue>,
    /// How long it lives in any case, in ms; cut to FAAS_SESSION_LIFETIME.
    #[serde(borrow)]
    #[schema(value_type = Option<u64>, minimum = 1)]
    lifetime: Option<&'a RawValue>,
}

/// How many sessions to open that go on from the state of one.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ForkRequest)]
pub struct RawFork<'a> {
    /// 1 if it is left out.
    #[serde(borrow)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 100)]
    count: Option<&'a RawValue>,
}

/// How far to go back.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UndoRequest)]
pub struct RawUndo<'a> {
    /// 1 if it is left out; at most FAAS_SESSION_UNDO.
    #[serde(borrow)]
    #[schema(value_type = Option<u64>, minimum = 1)]
    steps: Option<&'a RawValue>,
}

/// Checks a request for a session. Returns what its body holds of FAAS_QUEUE_BYTES, too.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
pub fn parse_new_session(
    body: Body,
    caller: &Caller,
    settings: &Settings,
) -> Result<(SessionRequest, Share), ApiError> {
    let raw: RawSession = parse_body(or_empty(&body))?;
    let language = parse_language(raw.language, settings)?;
    let packages = parse_packages(raw.packages, language)?;
    let from = parse_from(raw.from, &packages)?;
    let limits = settings.limits(settings.timeout());
    let mut job = Job::run(language, "", limits);
    job.files = files::parse(raw.files)?;
    let longest = settings.session_settings().lifetime;
    let lifetime = Lifetime {
        idle: parse_milliseconds(
            "idle_timeout",
            raw.idle_timeout,
            (longest.idle, "FAAS_SESSION_TIMEOUT"),
        )?,
        longest: parse_milliseconds(
            "lifetime",
            raw.lifetime,
            (longest.longest, "FAAS_SESSION_LIFETIME"),
        )?,
    };
    let request = SessionRequest {
        name: parse_name(raw.name)?,
        lifetime,
        set_up: ExecutionRequest {
            packages,
            ..plain(job, from.map_or(Start::Fresh, Start::Snapshot), caller)
        },
    };
    Ok((request, body.share))
}

/// How many forks are wanted.
///
/// # Errors
/// 400.
pub fn parse_fork(body: &Body) -> Result<usize, ApiError> {
    let raw: RawFork = parse_body(or_empty(body))?;
    let count = parse_count("count", raw.count, MOST_FORKS)?;
    Ok(count.unwrap_or(1))
}

/// How many steps are to be undone.
///
/// # Errors
/// 400.
pub fn parse_undo(body: &Body) -> Result<usize, ApiError> {
    let raw: RawUndo = parse_body(or_empty(body))?;
    Ok(parse_count("steps", raw.steps, u64::MAX)?.unwrap_or(1))
}

/// A request without a body wants what is usual.
fn or_empty(body: &Body) -> &[u8] {
    match body.bytes.trim_ascii() {
        b"" => b"{}",
        _ => &body.bytes,
    }
}

fn parse_name(field: Option<&RawValue>) -> Result<Option<SessionName>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let text = bounded::parse::<String>(raw, Kind::String)?;
    let name = text.as_deref().and_then(SessionName::parse);
    name.map(Some).ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'name' must be a name",
            format!(
                "Send a string of 1 to {} bytes without control characters, or leave it out",
                SessionName::MAX_BYTES
            ),
        )
    })
}

fn parse_count(name: &str, field: Option<&RawValue>, most: u64) -> Result<Option<usize>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    match parse_integer(raw)? {
        Some(count) if (1..=most).contains(&count) => {
            Ok(Some(usize::try_from(count).unwrap_or(usize::MAX)))
        }
        _ => Err(ApiError::bad_request(
            format!("Parameter '{name}' must be a positive integer"),
            match most {
                u64::MAX => "Send at least 1".to_owned(),
                most => format!("Send a number from 1 to {most}"),
            },
        )),
    }
}

fn parse_integer(raw: &RawValue) -> Result<Option<u64>, ApiError> {
    let number = bounded::parse::<Number>(raw, Kind::Number)?;
    Ok(number.and_then(|number| number.as_u64()))
}
