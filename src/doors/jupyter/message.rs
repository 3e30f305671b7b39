//! Messages of clients, in both forms.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::ApiError;

/// Name of the subprotocol with the newer form.
pub const V1: &str = "v1.kernel.websocket.jupyter.org";
/// Longest header, in bytes. Answers have it.
const LONGEST_HEADER: usize = 4096;
/// Longest type, in bytes.
const LONGEST_TYPE: usize = 128;
/// Most parts of a message: its channel, four of JSON, and buffers, which nothing here takes.
const MOST_PARTS: usize = 64;

/// How messages are written into the frames of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One object as text: the form without a name.
    Text,
    /// Binary, with offsets of the parts.
    V1,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Shell,
    Control,
    Stdin,
    /// What is told to all who are connected.
    Iopub,
}

impl Channel {
    const ALL: [Self; 4] = [Self::Shell, Self::Control, Self::Stdin, Self::Iopub];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Control => "control",
            Self::Stdin => "stdin",
            Self::Iopub => "iopub",
        }
    }
}

/// A message of a client. Its content is still to be parsed.
#[derive(Debug)]
pub struct Incoming {
    pub channel: Channel,
    pub kind: String,
    /// As it came, for the answers.
    pub header: Arc<str>,
    pub content: Box<RawValue>,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(default)]
    channel: Option<&'a str>,
    #[serde(borrow)]
    header: &'a RawValue,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Header {
    msg_id: String,
    msg_type: String,
}

impl Incoming {
    /// How much it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.kind.len() + self.header.len() + self.content.get().len() + size_of::<Self>()
    }

    /// Parses a frame in the older form.
    ///
    /// # Errors
    /// 400 with what a message has to be.
    pub fn of_text(text: &str) -> Result<Self, ApiError> {
        let whole: Whole = serde_json::from_str(text)
            .map_err(|_| no_message("it has no `channel`, `header` and `content`"))?;
        // Older clients name none.
        let channel = whole.channel.unwrap_or(Channel::Shell.name());
        Self::of_parts(channel, whole.header, whole.content)
    }

    /// Parses a frame in the form of [`V1`].
    ///
    /// # Errors
    /// As [`Self::of_text`].
    pub fn of_v1(bytes: &[u8]) -> Result<Self, ApiError> {
        let parts = parts_of(bytes).ok_or_else(|| no_message("its offsets are wrong"))?;
        let [channel, header, _parent, _metadata, content, ..] = parts.as_slice() else {
            return Err(no_message("it has too few parts"));
        };
        let channel = str::from_utf8(channel).unwrap_or_default();
        let not_json = |_| no_message("a part is not JSON");
        let header = serde_json::from_slice(header).map_err(not_json)?;
        let content = serde_json::from_slice(content).map_err(not_json)?;
        Self::of_parts(channel, header, content)
    }

    fn of_parts(channel: &str, header: &RawValue, content: &RawValue) -> Result<Self, ApiError> {
        let mut channels = Channel::ALL.into_iter();
        let channel = channels.find(|known| known.name() == channel);
        let channel = channel.ok_or_else(|| no_message("its channel is none of Jupyter's"))?;
        if header.get().len() > LONGEST_HEADER {
            return Err(no_message("its header is longer than 4,096 bytes"));
        }
        let parsed: Header = serde_json::from_str(header.get())
            .map_err(|_| no_message("its header has no texts `msg_id` and `msg_type`"))?;
        if parsed.msg_id.is_empty() {
            return Err(no_message("its `msg_id` is empty"));
        }
        if parsed.msg_type.len() > LONGEST_TYPE {
            return Err(no_message("its `msg_type` is longer than 128 bytes"));
        }
        Ok(Self {
            channel,
            kind: parsed.msg_type,
            header: header.get().into(),
            content: content.to_owned(),
        })
    }
}

/// The parts that the offsets at the beginning tell.
fn parts_of(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let number_at = |index: usize| {
        let number = bytes.get(8 * index..8 * (index + 1))?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(number)).ok()
    };
    let count = number_at(0)?;
    if !(2..=MOST_PARTS + 1).contains(&count) {
        return None;
    }
    let part = |index| bytes.get(number_at(index)?..number_at(index + 1)?);
    (1..count).map(part).collect()
}

fn no_message(why: &str) -> ApiError {
    ApiError::bad_request("Not a message", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"msg_id":"1","msg_type":"kernel_info_request"}"#;

    fn v1(parts: &[&[u8]]) -> Vec<u8> {
        let mut offset = 8 * (parts.len() + 2);
        let mut numbers = vec![parts.len() + 1, offset];
        for part in parts {
            offset += part.len();
            numbers.push(offset);
        }
        let numbers = numbers
            .iter()
            .flat_map(|number| (*number as u64).to_le_bytes());
        numbers.chain(parts.concat()).collect()
    }

    #[test]
    fn both_forms_are_read_as_the_same_message() {
        let text =
            format!(r#"{{"channel":"shell","header":{HEADER},"content":{{}},"buffers":[]}}"#);
        let binary = v1(&[b"shell", HEADER.as_bytes(), b"{}", b"{}", b"{}"]);
        for message in [Incoming::of_text(&text), Incoming::of_v1(&binary)] {
            let message = message.unwrap();
            assert_eq!(message.channel, Channel::Shell);
            assert_eq!(message.kind, "kernel_info_request");
            assert_eq!(&*message.header, HEADER);
            assert_eq!(message.content.get(), "{}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let long = format!(r#"{{"msg_id":"{}","msg_type":"a"}}"#, "x".repeat(5000));
        for text in [
            "",
            "[]",
            "{}",
            r#"{"channel":"shell","header":{"msg_id":"1"},"content":{}}"#,
            r#"{"channel":"other","header":{"msg_id":"1","msg_type":"a"},"content":{}}"#,
            r#"{"channel":"shell","header":{"msg_id":"","msg_type":"a"},"content":{}}"#,
            &format!(r#"{{"channel":"shell","header":{long},"content":{{}}}}"#),
        ] {
            assert!(Incoming::of_text(text).is_err(), "{text}");
        }
        for bytes in [
            v1(&[b"shell", HEADER.as_bytes()]),
            v1(&[b"shell", b"{", b"{}", b"{}", b"{}"]),
            u64::MAX.to_le_bytes().to_vec(),
            [6, u64::MAX, 0, 0, 0, 0, 0]
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect(),
        ] {
            assert!(Incoming::of_v1(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_message_that_is_cut_off_anywhere_is_refused() {
        let whole = v1(&[b"shell", HEADER.as_bytes(), b"{}", b"{}", b"{}"]);
        for length in 0..whole.len() {
            assert!(Incoming::of_v1(&whole[..length]).is_err(), "{length}");
        }
    }
}
