//! What stands behind the `?` of routes of jobs.

use std::collections::HashMap;

use url::form_urlencoded;

use crate::api::error::ApiError;

pub const DEFAULT_LIMIT: u32 = 100;
pub const MAX_LIMIT: u32 = 1000;

/// The parameters of a request.
pub struct Query(HashMap<String, String>);

impl Query {
    /// # Errors
    /// 400 if one has another name than these.
    pub fn parse(text: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let pairs = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        let pairs: HashMap<String, String> = pairs.into_owned().collect();
        match pairs.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Self(pairs)),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                Err(ApiError::bad_request(
                    format!("Unknown parameter: {name}"),
                    format!("The parameters are {}", known.join(" and ")),
                ))
            }
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// # Errors
    /// 400 with what is allowed.
    pub fn limit(&self) -> Result<u32, ApiError> {
        self.parsed(
            "limit",
            &format!("an integer between 1 and {MAX_LIMIT}"),
            |text| {
                let limit = text.parse().ok();
                limit.filter(|limit| (1..=MAX_LIMIT).contains(limit))
            },
        )
        .map(|limit| limit.unwrap_or(DEFAULT_LIMIT))
    }

    /// # Errors
    /// 400 with what is allowed.
    pub fn from(&self) -> Result<u64, ApiError> {
        let allowed = "how many results you have, or 0";
        let from = self.parsed("from", allowed, |text| text.parse().ok());
        from.map(Option::unwrap_or_default)
    }

    /// # Errors
    /// 400 with what is allowed.
    pub fn follow(&self) -> Result<bool, ApiError> {
        let follow = self.parsed("follow", "true or false", |text| text.parse().ok());
        follow.map(Option::unwrap_or_default)
    }

    fn parsed<T>(
        &self,
        name: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let parsed = parse(text).ok_or_else(|| {
            ApiError::bad_request(
                format!("Invalid value for parameter '{name}'"),
                format!("Send {allowed}"),
            )
        });
        parsed.map(Some)
    }
}
