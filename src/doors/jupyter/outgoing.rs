//! Messages to clients, in the form that each wants.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::ws::Message as Frame;
use faas_telemetry::rfc3339;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::message::Channel;
use super::message::Form;
use crate::api::Share;

/// The version of the messaging protocol.
pub const PROTOCOL: &str = "5.3";
/// Of all messages.
const METADATA: &str = "{}";

/// A message, written but for its form.
#[derive(Debug)]
pub struct Outgoing {
    channel: Channel,
    kind: &'static str,
    id: String,
    header: String,
    /// The header of the message that it answers, as that came; an empty object if it answers none.
    parent: Arc<str>,
    content: String,
    /// What it holds of FAAS_ANSWER_BYTES, until all who get it have read it.
    share: Option<Share>,
}

impl Outgoing {
    /// `session` names its kernel.
    pub fn new(
        channel: Channel,
        kind: &'static str,
        session: &str,
        parent: Arc<str>,
        content: &impl Serialize,
    ) -> Self {
        let id = Uuid::new_v4().to_string();
        let header = json!({
            "msg_id": id,
            "msg_type": kind,
            "username": "faas-server",
            "session": session,
            "date": rfc3339(SystemTime::now()),
            "version": PROTOCOL,
        });
        Self {
            channel,
            kind,
            id,
            header: header.to_string(),
            parent,
            // It has no maps with keys other than strings, the one thing that JSON cannot express.
            content: serde_json::to_string(content).unwrap_or_default(),
            share: None,
        }
    }

    /// How long it is, in bytes.
    pub fn bytes(&self) -> usize {
        self.header.len() + self.parent.len() + self.content.len()
    }

    /// Takes room for it, once others have read enough.
    pub async fn hold(mut self, mut share: Share) -> Self {
        share.wait_to_grow_to(self.bytes() as u64).await;
        self.share = Some(share);
        self
    }

    /// As a frame of a WebSocket.
    pub fn frame(&self, form: Form) -> Frame {
        match form {
            Form::Text => Frame::text(self.in_text()),
            Form::V1 => Frame::binary(self.in_v1()),
        }
    }

    /// The older form: one object.
    fn in_text(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            channel: &'a str,
            msg_id: &'a str,
            msg_type: &'a str,
            header: Option<&'a RawValue>,
            parent_header: Option<&'a RawValue>,
            metadata: Option<&'a RawValue>,
            content: Option<&'a RawValue>,
            buffers: [(); 0],
        }
        let raw = |json| serde_json::from_str::<&RawValue>(json).ok();
        let whole = Whole {
            channel: self.channel.name(),
            msg_id: &self.id,
            msg_type: self.kind,
            header: raw(&self.header),
            parent_header: raw(&self.parent),
            metadata: raw(METADATA),
            content: raw(&self.content),
            buffers: [],
        };
        serde_json::to_string(&whole).unwrap_or_default()
    }

    /// `v1.kernel.websocket.jupyter.org`: how many offsets there are, the offsets, and the parts that begin there, all
    /// numbers as 64 bits with the lowest byte first.
    fn in_v1(&self) -> Vec<u8> {
        let parts = [
            self.channel.name(),
            &self.header,
            &self.parent,
            METADATA,
            &self.content,
        ];
        let count = parts.len() + 1;
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut offset = 8 * (1 + count);
        let mut bytes = Vec::with_capacity(offset + length);
        bytes.extend_from_slice(&(count as u64).to_le_bytes());
        bytes.extend_from_slice(&(offset as u64).to_le_bytes());
        for part in parts {
            offset += part.len();
            bytes.extend_from_slice(&(offset as u64).to_le_bytes());
        }
        for part in parts {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}
