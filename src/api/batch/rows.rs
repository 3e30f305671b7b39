//! Where rows come from: a body that has them all, a stream, of which no more is read than can be run, or a job.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::body::BodyDataStream;
use bytes::BytesMut;
use faas_jobs::JobId;
use faas_jobs::Jobs;
use faas_jobs::KeptRow;
use faas_jobs::MOST_ATTEMPTS;
use futures_util::StreamExt;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::api::budget::Exhausted;
use crate::api::budget::Share;
use crate::api::error::ApiError;
use crate::api::error::ErrorBody;
use crate::api::request;
use crate::api::state::AppState;

/// Most rows of a body that has them all: each takes some 50 bytes beside its text.
pub const MOST_LISTED: usize = 100_000;

/// The rows of a body that has them all, as they came.
pub type Listed = Vec<Box<RawValue>>;

/// A row that was read.
pub struct Row {
    pub index: u64,
    /// A program or an input, or why it is neither.
    pub text: Result<Box<RawValue>, ErrorBody>,
    /// Whether it was begun before, and the service stopped while it ran.
    pub is_again: bool,
    /// What it holds of FAAS_QUEUE_BYTES until it has been answered.
    _share: Share,
}

impl Row {
    /// How many bytes its text has.
    pub fn length(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.get().len())
    }
}

/// The rows of a batch that have not been read.
pub struct Rows {
    next_index: u64,
    source: Source,
}

enum Source {
    Listed {
        rows: std::vec::IntoIter<Box<RawValue>>,
        /// Of which all rows are a part.
        share: Share,
    },
    Lines(Lines),
    Kept(KeptRows),
}

/// Rows that are kept with their job.
struct KeptRows {
    jobs: Arc<Jobs>,
    job: JobId,
    /// The last that was read.
    after: Option<u64>,
    read: VecDeque<KeptRow>,
}

/// Rows of a job that are read at a time, and bytes of them.
const READ_AT_ONCE: (usize, usize) = (2048, 1 << 20);

impl KeptRows {
    /// The next row and what it holds. Until it is there, nothing is taken.
    async fn next(&mut self, state: &AppState) -> Result<Option<(KeptRow, Share)>, ApiError> {
        if self.read.is_empty() {
            let rows = Box::pin(self.jobs.rows(&self.job, self.after, READ_AT_ONCE)).await;
            let rows = rows.map_err(|error| ApiError::unavailable(error.to_string()))?;
            self.after = rows.last().map(|row| row.index).or(self.after);
            self.read = rows.into();
        }
        let mut share = state.requests.share();
        if let Some(row) = self.read.front() {
            share.wait_to_grow_to(row.text.len() as u64).await;
        }
        Ok(self.read.pop_front().map(|row| (row, share)))
    }
}

/// The program or input of a row of a job, or why it is not run any more.
pub fn text_of(row: &KeptRow) -> Result<&str, ApiError> {
    match row.attempts < MOST_ATTEMPTS {
        true => Ok(&row.text),
        false => Err(ApiError::failed(format!(
            "It was running when the service stopped, {} times, and is not run again; if it was the reason, it needs \
             less, else send it again",
            row.attempts
        ))),
    }
}

impl Rows {
    /// Those of a body that was read, which holds `share`.
    pub fn listed(rows: Listed, share: Share) -> Self {
        let rows = rows.into_iter();
        Self::from(Source::Listed { rows, share })
    }

    /// The lines that follow the first.
    pub fn lines(lines: Lines) -> Self {
        Self::from(Source::Lines(lines))
    }

    /// Those of a job that have no result.
    pub fn kept(jobs: Arc<Jobs>, job: JobId) -> Self {
        Self::from(Source::Kept(KeptRows {
            jobs,
            job,
            after: None,
            read: VecDeque::new(),
        }))
    }

    fn from(source: Source) -> Self {
        Self {
            next_index: 0,
            source,
        }
    }

    /// The next row; `None` after the last. May be given up and called again.
    ///
    /// # Errors
    /// When the stream broke off.
    pub async fn next(&mut self, state: &AppState) -> Result<Option<Row>, ApiError> {
        let (text, share) = match &mut self.source {
            Source::Kept(kept) => {
                let Some((row, share)) = kept.next(state).await? else {
                    return Ok(None);
                };
                let text = text_of(&row).and_then(|text| parse(text.as_bytes()));
                return Ok(Some(Row {
                    index: row.index,
                    text: text.map_err(ApiError::into_body),
                    is_again: row.attempts > 0,
                    _share: share,
                }));
            }
            Source::Listed { rows, share } => match rows.next() {
                Some(text) => (Ok(text), share.of_nothing()),
                None => return Ok(None),
            },
            Source::Lines(lines) => match lines.next(state).await? {
                Some((line, share)) => (parse(&line).map_err(ApiError::into_body), share),
                None => return Ok(None),
            },
        };
        let index = self.next_index;
        self.next_index += 1;
        Ok(Some(Row {
            index,
            text,
            is_again: false,
            _share: share,
        }))
    }
}

/// The program or input in a line.
///
/// # Errors
/// 400 if it is not JSON.
pub fn parse(line: &[u8]) -> Result<Box<RawValue>, ApiError> {
    let text = str::from_utf8(line).map_err(|_| {
        ApiError::not_json("Each line must be JSON in UTF-8, and this one is not UTF-8")
    })?;
    RawValue::from_string(text.to_owned()).map_err(|error| ApiError::not_json(error.to_string()))
}

/// A body of lines, of which those without text mean nothing.
pub struct Lines {
    pieces: BodyDataStream,
    /// What has come of the lines that were not taken yet.
    buffer: BytesMut,
    /// So many bytes of it have no end of a line.
    searched: usize,
    has_ended: bool,
    /// The most that the buffer has held.
    share: Share,
    longest: usize,
    patience: Duration,
}

impl Lines {
    pub fn of(body: Body, state: &AppState) -> Self {
        Self {
            pieces: body.into_data_stream(),
            buffer: BytesMut::new(),
            searched: 0,
            has_ended: false,
            share: state.requests.share(),
            longest: state.settings.max_body_bytes.as_usize(),
            patience: state.settings.client_timeout,
        }
    }

    /// The next line, and what it holds of FAAS_QUEUE_BYTES. May be given up and called again.
    ///
    /// # Errors
    /// When there is none in time, or it is too long, or the client is gone.
    pub async fn next(&mut self, state: &AppState) -> Result<Option<(BytesMut, Share)>, ApiError> {
        // What is taken out of the buffer below is not taken before there is room for it.
        let mut share = state.requests.share();
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let end = match unsearched.iter().position(|byte| *byte == b'\n') {
                Some(at) => self.searched + at + 1,
                None if self.has_ended && self.buffer.is_empty() => return Ok(None),
                None if self.has_ended => self.buffer.len(),
                None => {
                    self.searched = self.buffer.len();
                    self.read_on(state).await?;
                    continue;
                }
            };
            let is_blank = self.buffer[..end].trim_ascii().is_empty();
            if !is_blank {
                room_for(&mut share, end as u64, self.patience, state).await?;
            }
            let line = self.buffer.split_to(end);
            self.searched = 0;
            if !is_blank {
                return Ok(Some((line, share)));
            }
        }
    }

    async fn read_on(&mut self, state: &AppState) -> Result<(), ApiError> {
        if self.buffer.len() > self.longest {
            return Err(ApiError::too_large(
                "A line is too long",
                format!(
                    "At most {} bytes are accepted (FAAS_MAX_BODY_BYTES)",
                    self.longest
                ),
            ));
        }
        match timeout(self.patience, self.pieces.next()).await {
            Ok(Some(Ok(piece))) => self.buffer.extend_from_slice(&piece),
            Ok(Some(Err(error))) => {
                return Err(ApiError::bad_request(
                    "The request body broke off",
                    format!("{error}; send the rows again that were not answered"),
                ));
            }
            Ok(None) => self.has_ended = true,
            Err(_) => {
                return Err(ApiError::too_slow(format!(
                    "No further line arrived within {} ms, while another row could have run (FAAS_CLIENT_TIMEOUT); a \
                     blank one now and then keeps the batch alive",
                    self.patience.as_millis()
                )));
            }
        }
        let held = self.buffer.len() as u64;
        match self.share.grow_to(held) {
            Ok(()) => Ok(()),
            Err(Exhausted) => room_for(&mut self.share, held, self.patience, state).await,
        }
    }
}

/// Waits until a share may hold so much.
async fn room_for(
    share: &mut Share,
    bytes: u64,
    patience: Duration,
    state: &AppState,
) -> Result<(), ApiError> {
    let waited = timeout(patience, share.wait_to_grow_to(bytes)).await;
    waited.map_err(|_| request::no_room(state))
}
