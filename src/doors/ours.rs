//! What every door makes of what its protocol brought: a request as `POST /run_code` takes it, which is then parsed
//! by the same parser, with the same limits.

use std::sync::Arc;

use axum::extract::Request;
use faas_pool::Report;
use faas_pool::SessionInfo;
use faas_pool::SessionRequest;
use faas_pool::Start;
use faas_protocol::Job;
use faas_protocol::Language;
use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::api::Answer;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::bounded::Members;
use crate::api::caller::Caller;
use crate::api::execute;
use crate::api::request;
use crate::api::request::RunRequest;
use crate::api::sessions;

/// Most members of an object of texts.
pub const MOST_MEMBERS: usize = 64;
/// Longest of their names and values together, in bytes.
const LONGEST_MEMBERS: usize = 16 * 1024;

/// A program as `POST /run_code` takes it. Texts stay the JSON that they came as.
#[derive(Debug, Default, Serialize)]
pub struct Ours<'a> {
    pub language: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<OurFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collect: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a RawValue>,
    /// The id of the session that it is a cell of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// In ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    pub limits: OurLimits,
}

/// A JSON text as it came, or a text of ours.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Text<'a> {
    Sent(&'a RawValue),
    Made(String),
}

#[derive(Debug, Serialize)]
pub struct OurFile<'a> {
    pub name: String,
    #[serde(flatten)]
    pub contents: Contents<'a>,
}

#[derive(Debug, Serialize)]
pub enum Contents<'a> {
    #[serde(rename = "content")]
    Text(Text<'a>),
    #[serde(rename = "content_base64")]
    Base64(Text<'a>),
}

#[derive(Debug, Default, Serialize)]
pub struct OurLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_bytes: Option<u64>,
}

impl Ours<'_> {
    /// Checks it as any request. `share` is what the body that brought it holds.
    ///
    /// # Errors
    /// As [`request::parse`].
    pub fn parse(
        self,
        share: Share,
        caller: &Caller,
        state: &AppState,
    ) -> Result<RunRequest, ApiError> {
        let body = serde_json::to_vec(&self);
        let body = body.map_err(|error| ApiError::failed(error.to_string()))?;
        // Of a large request there are copies enough.
        drop(self);
        request::parse(request::Body::of(body, share, state)?, caller, state)
    }
}

/// The body of a request, and what it holds of FAAS_QUEUE_BYTES.
///
/// # Errors
/// As [`request::read_body`]; 503 while the service is shutting down.
pub async fn read(request: Request, state: &AppState) -> Result<(Vec<u8>, Share), ApiError> {
    state.refuse_if_draining()?;
    Ok(request::read_body(request, state).await?.into_parts())
}

/// Opens a session, with the longest life that there is.
///
/// # Errors
/// As `POST /sessions`.
pub async fn open_session(
    language: Language,
    caller: &Caller,
    state: &AppState,
) -> Result<SessionInfo, ApiError> {
    let settings = &state.settings;
    let job = Job::run(language, "", settings.limits(settings.timeout()));
    let session = SessionRequest {
        name: None,
        lifetime: settings.session_settings().lifetime,
        set_up: request::plain(job, Start::Fresh, caller),
    };
    sessions::open_one(session, state).await
}

/// Answers a request that brings a program: `parse` checks its body, and makes of it what is run and how what became
/// of that is worded.
///
/// # Errors
/// As [`read`], `parse` and [`execute::run`].
pub async fn run<A: Serialize, F: FnOnce(Report) -> A>(
    state: &Arc<AppState>,
    caller: &Caller,
    request: Request,
    parse: impl FnOnce(&[u8], Share, &Caller, &AppState) -> Result<(RunRequest, F), ApiError>,
) -> Result<Answer, ApiError> {
    let (body, share) = read(request, state).await?;
    let (program, answer) = parse(&body, share, caller, state)?;
    drop(body);
    let finished = execute::run(state, caller, program).await?;
    Answer::new(&answer(finished.report), state)
}

/// The language that a protocol knows by this name, if it is served.
pub fn served(name: &str, names: &[(&str, Language)], state: &AppState) -> Option<Language> {
    let mut known = names.iter();
    let (_, language) = known.find(|(known, _)| *known == name)?;
    state.settings.serves(*language).then_some(*language)
}

/// The names of the languages that are served.
pub fn served_names(names: &[(&str, Language)], state: &AppState) -> String {
    let served = names.iter();
    let served = served.filter(|(_, language)| state.settings.serves(*language));
    let names: Vec<_> = served.map(|(name, _)| *name).collect();
    names.join(", ")
}

/// A field that must name a language.
///
/// # Errors
/// 400 with the names that there are.
pub fn language(
    name: &str,
    field: Option<&RawValue>,
    names: &[(&str, Language)],
    state: &AppState,
) -> Result<Language, ApiError> {
    let wanted = required_text(name, field)?;
    served(&wanted, names, state).ok_or_else(|| {
        let wanted: String = wanted.chars().take(64).collect();
        ApiError::bad_request(
            format!("Unsupported language: {wanted}"),
            format!("Supported languages: {}", served_names(names, state)),
        )
    })
}

/// The text of a program. Other services run an empty one.
pub fn program(text: &RawValue) -> Text<'_> {
    match text.get() {
        "\"\"" => Text::Made("\n".to_owned()),
        _ => Text::Sent(text),
    }
}

/// A field that may be a text.
///
/// # Errors
/// 400 for anything else.
pub fn text(name: &str, field: Option<&RawValue>) -> Result<Option<String>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let text = bounded::parse(raw, Kind::String)?;
    text.map(Some).ok_or_else(|| must_be(name, "a string"))
}

/// A field that must be there and must be a text.
///
/// # Errors
/// 400 for anything else.
pub fn required_text(name: &str, field: Option<&RawValue>) -> Result<String, ApiError> {
    text(name, field)?.ok_or_else(|| must_be(name, "a string"))
}

/// A field that must be a number if it is there. 0 and less mean that the request sets no limit, as absent does.
///
/// # Errors
/// 400 for anything else.
pub fn limit(name: &str, field: Option<&RawValue>) -> Result<Option<f64>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let number = bounded::parse::<Number>(raw, Kind::Number)?.and_then(|number| number.as_f64());
    let number = number.ok_or_else(|| must_be(name, "a number"))?;
    Ok((number > 0.0).then_some(number))
}

/// A time limit in ms, which is at least one.
pub fn milliseconds(seconds: f64) -> u64 {
    ((seconds * 1000.0) as u64).max(1)
}

/// A value as Python writes it: serde escapes nothing in texts that Python reads otherwise.
///
/// # Errors
/// 500 if it cannot be written.
pub fn in_python(value: &(impl Serialize + ?Sized)) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|error| ApiError::failed(error.to_string()))
}

/// Variables of an environment.
///
/// # Errors
/// 400 for anything but an object of texts, or what cannot be in an environment.
pub fn parse_environment(
    name: &str,
    field: Option<&RawValue>,
) -> Result<Vec<(String, String)>, ApiError> {
    let variables = texts(name, field)?;
    let is_sane = |(name, value): &(String, String)| {
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
    };
    if !variables.iter().all(is_sane) {
        return Err(must_be(
            name,
            "an object of names without = and texts without U+0000",
        ));
    }
    Ok(variables)
}

/// The members of an object of texts.
///
/// # Errors
/// 400 for anything else, and for too many.
pub fn texts(name: &str, field: Option<&RawValue>) -> Result<Vec<(String, String)>, ApiError> {
    let Some(raw) = field else {
        return Ok(Vec::new());
    };
    let refused = || {
        must_be(
            name,
            &format!(
                "an object of at most {MOST_MEMBERS} texts, of {LONGEST_MEMBERS} bytes together with their names"
            ),
        )
    };
    let members = bounded::parse::<Members<{ MOST_MEMBERS + 1 }>>(raw, Kind::Object)?;
    let Members(members) = members.ok_or_else(refused)?;
    let length: usize = members
        .iter()
        .map(|(name, raw)| name.len() + raw.get().len())
        .sum();
    if members.len() > MOST_MEMBERS || length > LONGEST_MEMBERS {
        return Err(refused());
    }
    let texts = members.into_iter().map(|(name, raw)| {
        let text = bounded::parse::<String>(raw, Kind::String)?;
        text.map(|text| (name, text)).ok_or_else(refused)
    });
    texts.collect()
}

/// 400: a field is not what it must be.
pub fn must_be(name: &str, what: &str) -> ApiError {
    ApiError::bad_request(
        format!("Parameter '{name}' must be {what}"),
        format!("Send `{name}` as {what}"),
    )
}
