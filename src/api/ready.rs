//! `GET /ready`: whether a request that came now would be taken, for what sends requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_pool::Load;
use faas_protocol::Language;
use faas_protocol::Runtime;
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::error::ApiError;
use super::error::set_retry_after;
use super::state::AppState;

/// Of the queue, in quarters: from this on others should get the requests.
const FULL_QUARTERS: usize = 3;

/// Whether requests should be sent here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    status: Readiness,
    /// Why not; empty if ready.
    reason: String,
    /// Of each that is served: whether it is up.
    runtimes: BTreeMap<&'static str, RuntimeBody>,
    queue: QueueBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Readiness {
    Ready,
    NotReady,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuntimeState)]
struct RuntimeBody {
    up: bool,
    /// Why it is not; empty if it is.
    reason: String,
}

/// Requests that wait.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Queue)]
struct QueueBody {
    waiting: usize,
    /// FAAS_QUEUE_SIZE.
    size: usize,
    /// How long a request that came now would wait for its turn, in ms, by how long the last ones took.
    expected_wait_ms: u64,
}

/// Answers with 200 if a request would be taken, else with 503 and the reason.
///
/// # Errors
/// 400 if the query names no language that is served.
pub async fn ready(
    State(state): State<Arc<AppState>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let wanted = parse(query.as_deref().unwrap_or_default(), &state)?;
    let zygotes = state.pool.zygotes();
    let load = state.pool.load();
    let down = zygotes.iter().filter_map(|(runtime, zygote)| {
        let reason = zygote.reason()?;
        Some((*runtime, reason))
    });
    let down: BTreeMap<Runtime, &str> = down.collect();
    let reason = if state.draining.is_cancelled() {
        Some("the service is shutting down".to_owned())
    } else {
        reason_of_runtimes(wanted, &down, zygotes.len()).or_else(|| reason_of_load(&load))
    };
    let runtimes = zygotes.keys().map(|runtime| {
        let reason = down.get(runtime).copied();
        let body = RuntimeBody {
            up: reason.is_none(),
            reason: reason.unwrap_or_default().to_owned(),
        };
        (runtime.name(), body)
    });
    let body = Ready {
        status: match &reason {
            None => Readiness::Ready,
            Some(_) => Readiness::NotReady,
        },
        runtimes: runtimes.collect(),
        queue: QueueBody {
            waiting: load.waiting,
            size: load.queue,
            expected_wait_ms: load.expected_wait.as_millis() as u64,
        },
        reason: reason.unwrap_or_default(),
    };
    if body.status == Readiness::Ready {
        return Ok(Json(body).into_response());
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    set_retry_after(response.headers_mut(), load.expected_wait);
    Ok(response)
}

/// One runtime is enough, unless the caller wants a certain one.
fn reason_of_runtimes(
    wanted: Option<Runtime>,
    down: &BTreeMap<Runtime, &str>,
    all: usize,
) -> Option<String> {
    let sentence = |(runtime, reason): (&Runtime, &&str)| {
        let name = runtime.name();
        format!("{name}: {reason}")
    };
    match wanted {
        Some(wanted) => down.get_key_value(&wanted).map(sentence),
        None if down.len() < all => None,
        None => Some(down.iter().map(sentence).collect::<Vec<_>>().join("; ")),
    }
}

fn reason_of_load(load: &Load) -> Option<String> {
    let mark = (load.queue * FULL_QUARTERS).div_ceil(4);
    (load.is_busy() && load.waiting >= mark).then(|| {
        format!(
            "all workers are busy, and {} requests wait; from {mark} on others should get them",
            load.waiting
        )
    })
}

/// The runtime that `?language=` asks for.
fn parse(query: &str, state: &AppState) -> Result<Option<Runtime>, ApiError> {
    let mut wanted = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "language" {
            return Err(ApiError::bad_request(
                format!("Unknown parameter '{name}'"),
                "The only one is language",
            ));
        }
        let language = Language::from_name(&value);
        let language = language.filter(|language| state.settings.serves(*language));
        let language = language.ok_or_else(|| {
            ApiError::bad_request(
                "Invalid parameter 'language'",
                "Send a language that this service runs, such as python",
            )
        })?;
        wanted = Some(language.runtime());
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_service_is_ready_while_less_than_three_quarters_of_its_queue_are_full() {
        let full = |queue, waiting, is_busy| {
            let expected_wait = Duration::ZERO;
            let load = Load {
                waiting,
                queue,
                executing: usize::from(is_busy),
                workers: 1,
                expected_wait,
            };
            reason_of_load(&load).is_some()
        };
        assert!(!full(1000, 749, true));
        assert!(full(1000, 750, true));
        assert!(!full(1, 0, true));
        assert!(full(1, 1, true));
        assert!(full(0, 0, true), "the next one would be refused");
        assert!(!full(0, 0, false));
    }

    #[test]
    fn a_service_is_ready_with_one_runtime_unless_another_is_asked_for() {
        let down = BTreeMap::from([(Runtime::Python, "it is booting")]);
        assert_eq!(reason_of_runtimes(None, &down, 2), None);
        assert_eq!(
            reason_of_runtimes(Some(Runtime::JavaScript), &down, 2),
            None
        );
        let reason = Some("python: it is booting".to_owned());
        assert_eq!(reason_of_runtimes(Some(Runtime::Python), &down, 2), reason);
        assert_eq!(reason_of_runtimes(None, &down, 1), reason);
    }
}
