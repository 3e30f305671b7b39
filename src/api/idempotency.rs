//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that is sent again, since its answer was
//! lost on the way, gets the same answer, and its program does not run again.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use axum::http::HeaderMap;
use axum::http::HeaderName;
use faas_packages::Digest;
use faas_protocol::Owner;

use super::budget::Budget;
use super::budget::Share;
use super::error::ApiError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// In bytes, without quotes.
const MAX_KEY_BYTES: usize = 255;
/// What is accepted, for the API's description.
pub const PATTERN: &str = r#"^("[ -~]{1,255}"|[!#-~][ -~]{0,254})$"#;
/// How long an answer is kept: longer than clients and proxies try again.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Most answers kept.
const MOST_ANSWERS: usize = 10_000;
/// Which part of FAAS_ANSWER_BYTES they take at most.
const PART_OF_BYTES: u64 = 8;

/// A key as it was sent. That of another caller is another key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    owner: Owner,
    text: Arc<str>,
}

/// The answers that are kept, and the keys whose programs run.
#[derive(Debug)]
pub struct KeptAnswers {
    /// Of all answers.
    budget: Arc<Budget>,
    /// Of those that are kept.
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Those that are kept, the oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    /// Of the request's body.
    digest: Digest,
    /// `None` while the program runs.
    answer: Option<KeptAnswer>,
}

#[derive(Debug)]
struct KeptAnswer {
    json: Arc<str>,
    since: Instant,
    _share: Share,
}

/// What becomes of a request with a key.
#[derive(Debug)]
pub enum Begun {
    /// It is the first one.
    First(Claim),
    /// This was its answer.
    Again(Arc<str>),
}

/// A key whose program runs. Dropping it gives the key free: the request was refused, or its caller hung up.
#[derive(Debug)]
pub struct Claim {
    kept: Arc<KeptAnswers>,
    key: Key,
    is_kept: bool,
}

/// The key of a request, if it has one.
///
/// # Errors
/// 400 for several, or one that is too long or has other characters than visible ASCII and spaces.
pub fn key_of(headers: &HeaderMap, owner: &Owner) -> Result<Option<Key>, ApiError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (key, more) = (keys.next(), keys.next());
    let Some(key) = key else {
        return Ok(None);
    };
    // A String of RFC 8941 has quotes, which many clients leave out.
    let text = key.to_str().ok().map(|text| {
        let quoted = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        quoted.unwrap_or(text)
    });
    let text = text.filter(|text| (1..=MAX_KEY_BYTES).contains(&text.len()) && more.is_none());
    let text = text.ok_or_else(|| {
        ApiError::bad_request(
            "Invalid header Idempotency-Key",
            format!("Send one, of 1 to {MAX_KEY_BYTES} ASCII characters, such as a UUID"),
        )
    })?;
    Ok(Some(Key {
        owner: owner.clone(),
        text: text.into(),
    }))
}

impl Key {
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// 422: a key names one request.
pub fn of_other_request() -> ApiError {
    ApiError::refused(
        "Idempotency-Key was used before",
        "It came with another request body; send a new key with each new request",
    )
}

impl KeptAnswers {
    pub fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            budget: budget.clone(),
            most_bytes: (budget.limit() / PART_OF_BYTES) as usize,
            state: Mutex::default(),
        })
    }

    /// To be called when the body was read.
    ///
    /// # Errors
    /// 409 while the program of this key runs, 422 if the key was sent with another body.
    pub fn begin(self: &Arc<Self>, key: Key, body: &[u8]) -> Result<Begun, ApiError> {
        let digest = Digest::of(body);
        let mut state = self.lock();
        state.forget_old(Instant::now());
        match state.entries.entry(key.clone()) {
            hash_map::Entry::Vacant(vacant) => {
                let answer = None;
                vacant.insert(Entry { digest, answer });
                Ok(Begun::First(Claim {
                    kept: self.clone(),
                    key,
                    is_kept: false,
                }))
            }
            hash_map::Entry::Occupied(entry) if entry.get().digest != digest => {
                Err(of_other_request())
            }
            hash_map::Entry::Occupied(entry) => match &entry.get().answer {
                Some(answer) => Ok(Begun::Again(answer.json.clone())),
                None => Err(ApiError::conflict(
                    "The program of this Idempotency-Key is running",
                    "Send the request again when it is over, to have its answer",
                )),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Keeps the answer, if there is room for it.
    pub fn keep(mut self, json: &str) {
        let mut share = self.kept.budget.share();
        if json.len() > self.kept.most_bytes || share.grow(json.len() as u64).is_err() {
            return;
        }
        let bytes = json.len();
        // Copied while others use the keys.
        let json = json.into();
        let mut state = self.kept.lock();
        if let Some(entry) = state.entries.get_mut(&self.key) {
            entry.answer = Some(KeptAnswer {
                json,
                since: Instant::now(),
                _share: share,
            });
            state.bytes += bytes;
            state.order.push_back(self.key.clone());
            while state.order.len() > MOST_ANSWERS || state.bytes > self.kept.most_bytes {
                state.forget_oldest();
            }
        }
        drop(state);
        self.is_kept = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_kept {
            self.kept.lock().entries.remove(&self.key);
        }
    }
}

impl State {
    fn forget_old(&mut self, now: Instant) {
        loop {
            let oldest = self.order.front();
            let oldest = oldest.and_then(|key| self.entries.get(key)?.answer.as_ref());
            match oldest {
                Some(answer) if now.saturating_duration_since(answer.since) > KEPT_FOR => {
                    self.forget_oldest();
                }
                _ => return,
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(key) = self.order.pop_front()
            && let Some(Entry { answer, .. }) = self.entries.remove(&key)
        {
            self.bytes -= answer.map_or(0, |answer| answer.json.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::StatusCode;
    use faas_protocol::ByteSize;

    use super::*;

    const MOST_BYTES: usize = 100_000;

    fn kept_answers() -> Arc<KeptAnswers> {
        let bytes = MOST_BYTES as u64 * PART_OF_BYTES;
        KeptAnswers::new(&Budget::new(ByteSize::bytes(bytes)))
    }

    fn key(text: &str) -> Key {
        Key {
            owner: Owner::Everybody,
            text: text.into(),
        }
    }

    fn first(kept: &Arc<KeptAnswers>, text: &str) -> Claim {
        match kept.begin(key(text), b"body") {
            Ok(Begun::First(claim)) => claim,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn again(kept: &Arc<KeptAnswers>, text: &str) -> Option<Arc<str>> {
        match kept.begin(key(text), b"body") {
            Ok(Begun::Again(json)) => Some(json),
            Ok(Begun::First(_)) => None,
            Err(error) => panic!("{text}: {error:?}"),
        }
    }

    #[test]
    fn a_key_is_a_string_with_or_without_quotes() {
        let parsed = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value).unwrap();
                headers.append(IDEMPOTENCY_KEY, value);
            }
            let key = key_of(&headers, &Owner::Everybody);
            key.map(|key| key.map(|key| key.text.to_string()))
        };
        assert_eq!(parsed(&[]).unwrap(), None);
        for same in [&b"8e03-1"[..], b"\"8e03-1\""] {
            assert_eq!(parsed(&[same]).unwrap().as_deref(), Some("8e03-1"));
        }
        assert!(parsed(&[&[b'x'; 255]]).is_ok());
        for wrong in [
            &[&b""[..]][..],
            &[b"\"\""],
            &[&[b'x'; 256]],
            &[b"\xff"],
            &[b"a", b"b"],
        ] {
            let status = parsed(wrong).unwrap_err().status();
            assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong:?}");
        }
    }

    #[test]
    fn answers_are_kept_for_a_time_in_number_and_in_bytes() {
        let kept = kept_answers();
        first(&kept, "old").keep("{}");
        assert_eq!(again(&kept, "old").as_deref(), Some("{}"));
        kept.lock().forget_old(Instant::now() + KEPT_FOR / 2);
        assert_eq!(again(&kept, "old").as_deref(), Some("{}"));
        kept.lock().forget_old(Instant::now() + 2 * KEPT_FOR);
        assert_eq!(again(&kept, "old"), None);
        for number in 0..=MOST_ANSWERS {
            first(&kept, &number.to_string()).keep("{}");
        }
        assert_eq!(again(&kept, "0"), None);
        assert!(again(&kept, "1").is_some());
        let half = "x".repeat(MOST_BYTES / 2);
        first(&kept, "half").keep(&half);
        first(&kept, "other half").keep(&half);
        assert!(again(&kept, "1").is_none() && again(&kept, "half").is_some());
        first(&kept, "more").keep("x");
        assert!(again(&kept, "half").is_none() && again(&kept, "other half").is_some());
        first(&kept, "too long").keep(&"x".repeat(MOST_BYTES + 1));
        assert!(again(&kept, "too long").is_none() && again(&kept, "more").is_some());
        let state = kept.lock();
        assert_eq!(state.bytes, MOST_BYTES / 2 + 1);
        assert_eq!(kept.budget.held(), state.bytes as u64);
        assert_eq!((state.entries.len(), state.order.len()), (2, 2));
    }

    #[test]
    fn the_key_of_a_request_that_came_to_nothing_is_free_again() {
        let kept = kept_answers();
        let claim = first(&kept, "key");
        let running = kept.begin(key("key"), b"body").unwrap_err();
        assert_eq!(running.status(), StatusCode::CONFLICT);
        drop(claim);
        let claim = first(&kept, "key");
        claim.keep("{}");
        let other = kept.begin(key("key"), b"other").unwrap_err();
        assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let of_other_owner = Key {
            owner: Owner::Token,
            ..key("key")
        };
        let begun = kept.begin(of_other_owner, b"other").unwrap();
        assert!(matches!(begun, Begun::First(_)), "{begun:?}");
    }
}
