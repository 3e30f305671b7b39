//! The routes that open, list and end sandboxes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use axum::Json;
use axum::extract::RawQuery;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_pool::SessionInfo;
use faas_telemetry::rfc3339;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::access::Client;
use super::access::Id;
use super::contexts;
use super::sandboxes::Context;
use super::sandboxes::Sandbox;
use super::sandboxes::Wanted;
use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::request;
use crate::doors::ours;
use crate::doors::ours::MOST_MEMBERS;
use crate::doors::ours::must_be;

/// What clients go by to know what a sandbox can do: with this one, files come as they are, and may be streams.
const ENVD_VERSION: &str = "0.5.7";
/// How long a sandbox lives if its request says nothing, as its clients say.
const TIMEOUT: Duration = Duration::from_mins(5);
/// A timeout that is longer is this; sessions do not live so long.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24 * 366);
/// Most forks of one request, as its clients have it.
const MOST_FORKS: u64 = 100;
/// Most sandboxes of a page.
const LARGEST_PAGE: usize = 100;
/// Names the last sandbox of a page, if there are more.
const NEXT_TOKEN: HeaderName = HeaderName::from_static("x-next-token");

#[derive(Deserialize)]
struct NewSandbox<'a> {
    #[serde(borrow, rename = "templateID")]
    template: Option<&'a RawValue>,
    #[serde(borrow)]
    timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, rename = "envVars")]
    env_vars: Option<&'a RawValue>,
    #[serde(borrow, rename = "autoPause")]
    auto_pause: Option<&'a RawValue>,
    #[serde(borrow)]
    network: Option<&'a RawValue>,
    #[serde(borrow, rename = "volumeMounts")]
    volume_mounts: Option<&'a RawValue>,
    #[serde(borrow)]
    mcp: Option<&'a RawValue>,
    #[serde(borrow)]
    iam: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WithTimeout<'a> {
    #[serde(borrow)]
    timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    count: Option<&'a RawValue>,
}

/// A sandbox, as who opens it or connects to it needs it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxBody {
    #[serde(rename = "templateID")]
    template: String,
    #[serde(rename = "sandboxID")]
    id: String,
    #[serde(rename = "clientID")]
    client: &'static str,
    envd_version: &'static str,
    envd_access_token: String,
    traffic_access_token: String,
}

impl From<&Sandbox> for SandboxBody {
    fn from(sandbox: &Sandbox) -> Self {
        Self {
            template: sandbox.wanted.template.clone(),
            id: sandbox.id.to_string(),
            client: env!("CARGO_PKG_NAME"),
            envd_version: ENVD_VERSION,
            envd_access_token: sandbox.access_token.clone(),
            traffic_access_token: sandbox.access_token.clone(),
        }
    }
}

/// What is told of a sandbox.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxInfo {
    #[serde(rename = "templateID")]
    template: String,
    alias: String,
    #[serde(rename = "sandboxID")]
    id: String,
    #[serde(rename = "clientID")]
    client: &'static str,
    started_at: String,
    end_at: String,
    envd_version: &'static str,
    #[serde(rename = "cpuCount")]
    cpus: u32,
    #[serde(rename = "memoryMB")]
    memory: u64,
    #[serde(rename = "diskSizeMB")]
    disk_size: u64,
    metadata: BTreeMap<String, String>,
    state: &'static str,
    allow_internet_access: bool,
}

/// One fork of several.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Forked {
    Sandbox(SandboxBody),
    Error { code: u16, message: String },
}

fn state_of(sandbox: &Sandbox) -> &'static str {
    match sandbox.is_paused() {
        true => "paused",
        false => "running",
    }
}

fn info_of(sandbox: &Sandbox, session: &SessionInfo, state: &AppState) -> SandboxInfo {
    let limits = state.settings.limits(state.settings.timeout());
    SandboxInfo {
        template: sandbox.wanted.template.clone(),
        alias: sandbox.wanted.template.clone(),
        id: sandbox.id.to_string(),
        client: env!("CARGO_PKG_NAME"),
        started_at: rfc3339(session.created),
        end_at: rfc3339(session.ends),
        envd_version: ENVD_VERSION,
        cpus: 1,
        memory: limits.memory.get() >> 20,
        disk_size: limits.storage.get() >> 20,
        metadata: sandbox.wanted.metadata.clone(),
        state: state_of(sandbox),
        allow_internet_access: false,
    }
}

pub async fn create(
    client: Client,
    request: Request,
) -> Result<(StatusCode, Json<SandboxBody>), Refusal> {
    let (body, _share) = ours::read(request, &client.state).await?;
    let raw: NewSandbox = request::parse_body(&body)?;
    let timeout = parse_timeout(raw.timeout)?.unwrap_or(TIMEOUT);
    let wanted = Wanted {
        template: parse_template(raw.template)?,
        metadata: ours::texts("metadata", raw.metadata)?.into_iter().collect(),
        environment: ours::parse_environment("envVars", raw.env_vars)?,
    };
    for (name, field) in [
        ("autoPause", raw.auto_pause),
        ("network", raw.network),
        ("volumeMounts", raw.volume_mounts),
        ("mcp", raw.mcp),
        ("iam", raw.iam),
    ] {
        if field.is_some_and(|field| !matches!(field.get(), "false" | "{}" | "[]")) {
            return Err(Refusal::from(ApiError::bad_request(
                format!("There is no '{name}' here"),
                "Leave it out: sandboxes have no network, no volumes and no other programs, and end with their \
                 timeout",
            )));
        }
    }
    let language = contexts::default_language(&client.state);
    let session = ours::open_session(language, &client.caller, &client.state).await?;
    let context = Context {
        session: session.id,
        language,
        is_default: true,
    };
    let sandbox = add(vec![context], wanted, timeout, &client)?;
    Ok((StatusCode::CREATED, Json(SandboxBody::from(&*sandbox))))
}

/// A sandbox of these contexts, which ends after `timeout`.
fn add(
    contexts: Vec<Context>,
    wanted: Wanted,
    timeout: Duration,
    client: &Client,
) -> Result<Arc<Sandbox>, ApiError> {
    let (caller, pool) = (&client.caller, &client.state.pool);
    let sandbox = Sandbox::new(caller.owner().clone(), caller.weight(), wanted, contexts);
    let sandbox = sandbox.ok_or_else(|| ApiError::failed("The sandbox has no context"))?;
    sandbox.end_after(timeout, pool);
    Ok(client.sandboxes.add(sandbox, pool))
}

pub async fn find(client: Client, Id(id): Id) -> Result<Json<SandboxInfo>, Refusal> {
    let (sandbox, session) = client.find(&id)?;
    Ok(Json(info_of(&sandbox, &session, &client.state)))
}

/// Lists the caller's sandboxes, the youngest first, a page at a time.
pub async fn list(client: Client, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let query = Query::parse(&query.unwrap_or_default())?;
    let state = &client.state;
    let all = client
        .sandboxes
        .of(client.caller.owner(), &state.pool)
        .into_iter();
    let wanted = all.filter(|(sandbox, _)| query.wants(sandbox));
    let mut wanted: Vec<_> = wanted
        .map(|(sandbox, session)| (Place::of(&session), sandbox, session))
        .filter(|(place, ..)| {
            query
                .after
                .as_ref()
                .is_none_or(|after| match query.oldest_first {
                    true => place > after,
                    false => place < after,
                })
        })
        .collect();
    wanted.sort_by(|(one, ..), (other, ..)| other.cmp(one));
    if query.oldest_first {
        wanted.reverse();
    }
    let has_more = wanted.len() > query.limit;
    wanted.truncate(query.limit);
    let last = wanted.last().filter(|_| has_more);
    let next = last.map(|(place, ..)| [(NEXT_TOKEN, place.to_string())]);
    let page: Vec<_> = wanted
        .iter()
        .map(|(_, sandbox, session)| info_of(sandbox, session, state))
        .collect();
    Ok((next, Json(page)).into_response())
}

/// Where a sandbox is in the list, also when it is gone: when it was created, in ns, and its id.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place(u128, String);

impl Place {
    fn of(session: &SessionInfo) -> Self {
        let created = session.created.duration_since(SystemTime::UNIX_EPOCH);
        Self(
            created.unwrap_or_default().as_nanos(),
            session.id.to_string(),
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let (created, id) = text.split_once('_')?;
        Some(Self(created.parse().ok()?, id.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.0, self.1)
    }
}

/// Which sandboxes are wanted.
struct Query {
    metadata: Vec<(String, String)>,
    /// Words of `state`; empty for all.
    states: Vec<String>,
    oldest_first: bool,
    limit: usize,
    after: Option<Place>,
}

impl Query {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut parsed = Self {
            metadata: Vec::new(),
            states: Vec::new(),
            oldest_first: false,
            limit: LARGEST_PAGE,
            after: None,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                // A query within the query, whose names and values are encoded once more.
                "metadata" => {
                    let pairs = form_urlencoded::parse(value.as_bytes());
                    let decoded = |text: &str| {
                        let text = percent_encoding::percent_decode_str(text);
                        text.decode_utf8_lossy().into_owned()
                    };
                    let pairs = pairs.map(|(name, value)| (decoded(&name), decoded(&value)));
                    parsed.metadata = pairs.take(MOST_MEMBERS).collect();
                }
                "state" => {
                    let words = value.split(',').take(MOST_MEMBERS);
                    parsed.states.extend(words.map(str::to_owned));
                }
                "order" => parsed.oldest_first = value == "asc",
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| *limit > 0);
                    let limit: usize =
                        limit.ok_or_else(|| must_be("limit", "a positive integer"))?;
                    parsed.limit = limit.min(LARGEST_PAGE);
                }
                "nextToken" => {
                    let after = Place::parse(&value);
                    let after =
                        after.ok_or_else(|| must_be("nextToken", "what a page ended with"))?;
                    parsed.after = Some(after);
                }
                _ => {
                    let name: String = name.chars().take(64).collect();
                    return Err(ApiError::bad_request(
                        format!("Sandboxes cannot be found by '{name}' here"),
                        "They can be found by metadata and state",
                    ));
                }
            }
        }
        Ok(parsed)
    }

    fn wants(&self, sandbox: &Sandbox) -> bool {
        let metadata = &sandbox.wanted.metadata;
        let state = state_of(sandbox);
        let mut wanted = self.metadata.iter();
        wanted.all(|(name, value)| metadata.get(name) == Some(value))
            && (self.states.is_empty() || self.states.iter().any(|one| one == state))
    }
}

pub async fn remove(client: Client, Id(id): Id) -> Result<StatusCode, Refusal> {
    let (sandbox, _) = client.find(&id)?;
    sandbox.end(&client.state.pool);
    Ok(StatusCode::NO_CONTENT)
}

/// Has a sandbox end after so much time from now.
pub async fn set_timeout(
    client: Client,
    Id(id): Id,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (body, _share) = ours::read(request, &client.state).await?;
    let raw: WithTimeout = request::parse_body(&body)?;
    let timeout = parse_timeout(raw.timeout)?;
    let timeout = timeout.ok_or_else(|| must_be("timeout", "a number of seconds"))?;
    let (sandbox, _) = client.find(&id)?;
    sandbox.end_after(timeout, &client.state.pool);
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a paused sandbox go on. The timeout of one that runs is only ever put off.
pub async fn connect(
    client: Client,
    Id(id): Id,
    request: Request,
) -> Result<(StatusCode, Json<SandboxBody>), Refusal> {
    let (body, _share) = ours::read(request, &client.state).await?;
    let timeout = parse_optional(&body)?.0.unwrap_or(TIMEOUT);
    let (sandbox, session) = client.find(&id)?;
    let is_resumed = sandbox.set_paused(false);
    if is_resumed || session.ends < SystemTime::now() + timeout {
        sandbox.end_after(timeout, &client.state.pool);
    }
    let status = if is_resumed {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(SandboxBody::from(&*sandbox))))
}

/// Keeps a sandbox beyond its timeout, for as long as sessions are kept that nobody uses.
pub async fn pause(client: Client, Id(id): Id) -> Result<StatusCode, Refusal> {
    client.state.refuse_if_draining()?;
    let (sandbox, _) = client.find(&id)?;
    if !sandbox.set_paused(true) {
        return Err(Refusal::from(ApiError::conflict(
            "The sandbox is paused already",
            "Connect to it, which resumes it",
        )));
    }
    sandbox.end_after(Duration::MAX, &client.state.pool);
    Ok(StatusCode::NO_CONTENT)
}

/// Opens sandboxes that go on from where this one is.
pub async fn fork(
    client: Client,
    Id(id): Id,
    request: Request,
) -> Result<(StatusCode, Json<Vec<Forked>>), Refusal> {
    let (body, _share) = ours::read(request, &client.state).await?;
    let (timeout, count) = parse_optional(&body)?;
    let timeout = timeout.unwrap_or(TIMEOUT);
    let (sandbox, _) = client.find(&id)?;
    let forks = (0..count.unwrap_or(1)).map(|_| {
        let forked = fork_contexts(&sandbox, &client.state).and_then(|contexts| {
            let wanted = sandbox.wanted.clone();
            add(contexts, wanted, timeout, &client)
        });
        match forked {
            Ok(fork) => Forked::Sandbox(SandboxBody::from(&*fork)),
            Err(error) => Forked::Error {
                code: error.status().as_u16(),
                message: error.sentence(),
            },
        }
    });
    Ok((StatusCode::CREATED, Json(forks.collect())))
}

/// Forks all contexts of a sandbox, or none.
fn fork_contexts(sandbox: &Sandbox, state: &AppState) -> Result<Vec<Context>, ApiError> {
    let mut forks = Vec::new();
    for context in sandbox.contexts() {
        let forked = state.pool.fork_session(&context.session, &sandbox.owner, 1);
        let is_default = context.session == sandbox.id;
        match forked {
            Ok(forked) => forks.extend(forked.into_iter().map(|session| Context {
                session: session.id,
                ..context
            })),
            // One that nobody used for too long is no loss.
            Err(_)
                if !is_default
                    && state
                        .pool
                        .session(&context.session, &sandbox.owner)
                        .is_err() => {}
            Err(error) => {
                for fork in forks {
                    let _ = state.pool.delete_session(&fork.session, &sandbox.owner);
                }
                return Err(error.into());
            }
        }
    }
    Ok(forks)
}

/// `timeout` and `count` of a body that may be empty.
fn parse_optional(body: &[u8]) -> Result<(Option<Duration>, Option<u64>), ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok((None, None));
    }
    let raw: WithTimeout = request::parse_body(body)?;
    let count = raw
        .count
        .map(|count| bounded::parse::<Number>(count, Kind::Number));
    let count =
        match count.transpose()? {
            None => None,
            Some(number) => {
                let count = number.and_then(|number| number.as_u64());
                let count = count.filter(|count| (1..=MOST_FORKS).contains(count));
                Some(count.ok_or_else(|| {
                    must_be("count", &format!("an integer from 1 to {MOST_FORKS}"))
                })?)
            }
        };
    Ok((parse_timeout(raw.timeout)?, count))
}

/// A time in s, which may be 0.
fn parse_timeout(field: Option<&RawValue>) -> Result<Option<Duration>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let number = bounded::parse::<Number>(raw, Kind::Number)?.and_then(|number| number.as_f64());
    let timeout = number.filter(|seconds| *seconds >= 0.0);
    let timeout = timeout.ok_or_else(|| must_be("timeout", "a number of seconds, 0 or more"))?;
    let timeout = Duration::try_from_secs_f64(timeout).unwrap_or(Duration::MAX);
    Ok(Some(timeout.min(LONGEST_TIMEOUT)))
}

fn parse_template(field: Option<&RawValue>) -> Result<String, ApiError> {
    let template = ours::required_text("templateID", field)?;
    if template.is_empty() || template.len() > 128 || template.contains(char::is_control) {
        return Err(must_be("templateID", "a name of 1 to 128 bytes"));
    }
    Ok(template)
}
