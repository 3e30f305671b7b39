//! What every door makes of what its protocol brought: a request as `POST /run_code` takes it, which is then parsed
//! by the same parser, with the same limits.

use faas_protocol::Language;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::request;
use crate::api::request::RunRequest;

/// A program as `POST /run_code` takes it. Texts stay the JSON that they came as.
#[derive(Debug, Default, Serialize)]
pub struct Ours<'a> {
    pub language: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a RawValue>,
    /// In ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    pub limits: OurLimits,
}

#[derive(Debug, Default, Serialize)]
pub struct OurLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_bytes: Option<u64>,
}

impl Ours<'_> {
    /// Checks it as any request. `share` is what the body that brought it holds.
    ///
    /// # Errors
    /// As [`request::parse`].
    pub fn parse(self, share: Share, state: &AppState) -> Result<RunRequest, ApiError> {
        let body = serde_json::to_vec(&self);
        let body = body.map_err(|error| ApiError::failed(error.to_string()))?;
        request::parse(request::Body::of(body, share, state)?, &state.settings)
    }
}

/// The language of this name, if it is served.
pub fn served(name: &str, names: &[(&str, Language)], state: &AppState) -> Option<Language> {
    let mut known = names.iter();
    let (_, language) = known.find(|(known, _)| *known == name)?;
    state.settings.serves(*language).then_some(*language)
}

/// A field that must be a text and must be there.
///
/// # Errors
/// 400 for anything else.
pub fn required_text(name: &str, field: Option<&RawValue>) -> Result<String, ApiError> {
    let text = match field {
        Some(raw) => bounded::parse(raw, Kind::String)?,
        None => None,
    };
    text.ok_or_else(|| must_be(name, "a string"))
}

/// 400: a field is not what it must be.
pub fn must_be(name: &str, what: &str) -> ApiError {
    ApiError::bad_request(
        format!("Parameter '{name}' must be {what}"),
        format!("Send `{name}` as {what}"),
    )
}
