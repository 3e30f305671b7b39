//! Who sent a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;

use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use faas_jobs::ClaimedJob;
use faas_protocol::Owner;
use faas_protocol::Weight;
use faas_telemetry::Fate;
use uuid::Uuid;

use super::error::ApiError;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids are not taken over, in bytes.
const MAX_ID_BYTES: usize = 128;

/// Address of the other end of a connection; an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who sent a request; an extension of it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Visible ASCII, at most 128 bytes.
    pub request_id: HeaderValue,
    /// Of the connection: the last proxy's, if there is one.
    pub address: Option<SocketAddr>,
    known: Arc<Known>,
}

/// What becomes known of a caller later, for all who have it.
#[derive(Debug, Default)]
struct Known {
    /// Whose token it is, and with which weight; set when it sent a right one.
    owner: OnceLock<(Owner, Weight)>,
    /// Set when a program that it sent has ended, or will not run.
    executed: OnceLock<Executed>,
}

/// A program that a caller sent, for log and trace of its request.
#[derive(Debug)]
pub struct Executed {
    pub task_id: String,
    pub fate: Fate,
}

impl Caller {
    /// Who sent this request, before anybody looked at its token.
    pub fn of(request: &Request) -> Self {
        let peer = request.extensions().get::<Peer>();
        Self {
            request_id: sent_id(request.headers()).unwrap_or_else(new_id),
            address: peer.map(|Peer(address)| *address),
            known: Arc::default(),
        }
    }

    /// The one who started this program, over its standard input. Nobody has more rights.
    pub fn local() -> Self {
        let caller = Self {
            request_id: new_id(),
            address: None,
            known: Arc::default(),
        };
        caller.showed_token_of(Owner::Token, Weight::default());
        caller
    }

    /// The one who sent a job, when it is run.
    pub fn of_job(job: &ClaimedJob) -> Self {
        let id = HeaderValue::from_str(&job.request_id);
        let caller = Self {
            request_id: id.unwrap_or_else(|_| new_id()),
            address: job.address,
            known: Arc::default(),
        };
        caller.showed_token_of(job.owner.clone(), job.weight);
        caller
    }

    /// The same for a program of several in one request, of each of which it is told by itself.
    pub fn of_one_program(&self) -> Self {
        let caller = Self {
            known: Arc::default(),
            ..self.clone()
        };
        if let Some((owner, weight)) = self.known.owner.get() {
            caller.showed_token_of(owner.clone(), *weight);
        }
        caller
    }

    /// Notes whose token it sent.
    pub fn showed_token_of(&self, owner: Owner, weight: Weight) {
        // A request has one token.
        let _ = self.known.owner.set((owner, weight));
    }

    /// Whose its programs are.
    pub fn owner(&self) -> &Owner {
        let known = self.known.owner.get();
        known.map_or(&Owner::Everybody, |(owner, _)| owner)
    }

    /// What share of the workers its owner has.
    pub fn weight(&self) -> Weight {
        let known = self.known.owner.get();
        known.map_or_else(Weight::default, |(_, weight)| *weight)
    }

    /// Whether it sent a right token.
    pub fn by_token(&self) -> bool {
        *self.owner() != Owner::Everybody
    }

    /// Notes what became of a program that it sent.
    pub fn tell(&self, executed: Executed) {
        // It was not told before: a request has one program.
        let _ = self.known.executed.set(executed);
    }

    /// What became of the program that it sent.
    pub fn executed(&self) -> Option<&Executed> {
        self.known.executed.get()
    }

    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// For handlers: the caller that `observe` found and `authorize` may have recognised.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // It is there unless `router` lost its layers.
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| ApiError::failed("The request was not observed; report this fault"))
    }
}

/// The id that came with a request, if it can stand in a log line.
fn sent_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(&REQUEST_ID)?;
    let is_sane =
        (1..=MAX_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    is_sane.then(|| id.clone())
}

fn new_id() -> HeaderValue {
    let id = Uuid::new_v4().to_string();
    // Hexadecimal digits and dashes always fit.
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_over(id: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        sent_id(&headers).is_some()
    }

    #[test]
    fn only_request_ids_that_are_safe_in_a_log_line_are_accepted() {
        assert!(taken_over(b"a"));
        assert!(taken_over(b"7f3c/x=1:\"~"));
        assert!(taken_over(&[b'x'; 128]));
        assert!(!taken_over(&[b'x'; 129]));
        for wrong in [&b""[..], b"a b", b"a\tb", b"\xff", "é".as_bytes()] {
            assert!(!taken_over(wrong), "{wrong:?}");
        }
    }
}
