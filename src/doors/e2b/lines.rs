//! What becomes of a cell, as lines of JSON.

use std::collections::BTreeMap;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_pool::Content;
use faas_pool::ShownResult;
use faas_protocol::Stream;
use serde::Deserialize;
use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;
use serde_json::value::RawValue;

use crate::api::bounded::AtMost;
use crate::doors::cell_error::CellError;

/// A line of the answer to `/execute`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line<'a> {
    Stdout {
        text: &'a str,
        /// In ns since 1970.
        timestamp: u64,
    },
    Stderr {
        text: &'a str,
        timestamp: u64,
    },
    Result(ResultFields<'a>),
    Error(CellError),
    NumberOfExecutions {
        execution_count: u64,
    },
    EndOfExecution,
    /// Clients read over it. If one is gone, it makes its system say so.
    Keepalive,
}

impl<'a> Line<'a> {
    pub fn output(stream: Stream, text: &'a str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        match stream {
            Stream::Stdout => Self::Stdout { text, timestamp },
            Stream::Stderr => Self::Stderr { text, timestamp },
        }
    }

    pub fn to_json(&self) -> String {
        // It has no maps with keys other than strings, the one thing that JSON cannot express.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Fields of results by the media types that they are for.
const FIELDS: [(&str, &str); 12] = [
    ("text/plain", "text"),
    ("text/html", "html"),
    ("text/markdown", "markdown"),
    ("image/svg+xml", "svg"),
    ("image/png", "png"),
    ("image/jpeg", "jpeg"),
    ("application/pdf", "pdf"),
    ("text/latex", "latex"),
    ("application/json", "json"),
    ("application/javascript", "javascript"),
    ("e2b/data", "data"),
    ("e2b/chart", "chart"),
];
/// What a table is shown as; E2B has its columns.
const TABLE: &str = "application/vnd.dataresource+json";
/// Most rows and columns of a table.
const MOST_ROWS: usize = 1000;

/// A result, in the fields that clients have for it.
#[derive(Debug)]
pub struct ResultFields<'a>(pub &'a ShownResult);

impl Serialize for ResultFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("is_main_result", &self.0.is_main)?;
        let mut extra = BTreeMap::new();
        for (media_type, content) in &self.0.representations {
            let field = FIELDS.iter().find(|(known, _)| known == media_type);
            match field {
                Some((_, field)) => map.serialize_entry(field, &Shown(content))?,
                None => {
                    extra.insert(media_type, Shown(content));
                }
            }
        }
        if self.0.content("e2b/data").is_none()
            && let Some(Content::Json(table)) = self.0.content(TABLE)
            && let Some(columns) = columns_of(table)
        {
            map.serialize_entry("data", &columns)?;
        }
        if !extra.is_empty() {
            map.serialize_entry("extra", &extra)?;
        }
        map.end()
    }
}

struct Shown<'a>(&'a Content);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Content::Text(text) => text.serialize(serializer),
            Content::Json(json) => json.serialize(serializer),
            Content::Bytes(bytes) => BASE64.encode(bytes).serialize(serializer),
        }
    }
}

#[derive(Deserialize)]
struct Table<'a> {
    schema: Schema,
    #[serde(borrow)]
    data: AtMost<BTreeMap<String, &'a RawValue>, MOST_ROWS>,
}

#[derive(Deserialize)]
struct Schema {
    fields: AtMost<Field, MOST_ROWS>,
    #[serde(default, rename = "primaryKey")]
    primary_key: AtMost<String, MOST_ROWS>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
}

/// The columns of a table, without its index.
fn columns_of(table: &RawValue) -> Option<BTreeMap<String, Vec<&RawValue>>> {
    let Table { schema, data } = serde_json::from_str(table.get()).ok()?;
    let Schema {
        fields: AtMost(fields),
        primary_key: AtMost(index),
    } = schema;
    let columns = fields
        .into_iter()
        .filter(|field| !index.contains(&field.name));
    let columns = columns.map(|Field { name }| {
        let cells = data.0.iter().filter_map(|row| row.get(&name).copied());
        let cells = cells.collect();
        (name, cells)
    });
    Some(columns.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(media_type: &str, content: Content) -> ShownResult {
        let mut shown = ShownResult::default();
        shown.representations.push((media_type.to_owned(), content));
        shown
    }

    fn json(text: &str) -> Content {
        Content::Json(RawValue::from_string(text.to_owned()).unwrap())
    }

    fn line(result: &ShownResult) -> String {
        Line::Result(ResultFields(result)).to_json()
    }

    #[test]
    fn results_have_the_fields_of_their_media_types() {
        assert_eq!(
            line(&shown("text/html", Content::Text("<b>".to_owned()))),
            r#"{"type":"result","is_main_result":false,"html":"<b>"}"#
        );
        assert_eq!(
            line(&shown("image/png", Content::Bytes(vec![1, 2]))),
            r#"{"type":"result","is_main_result":false,"png":"AQI="}"#
        );
        assert_eq!(
            line(&shown("application/x+json", json("[1]"))),
            r#"{"type":"result","is_main_result":false,"extra":{"application/x+json":[1]}}"#
        );
        let table = r#"{"schema":{"fields":[{"name":"index"},{"name":"a"}],"primaryKey":["index"]},
            "data":[{"index":0,"a":1.5},{"index":1,"a":null}]}"#;
        assert!(line(&shown(TABLE, json(table))).contains(r#""data":{"a":[1.5,null]}"#));
        assert!(!line(&shown(TABLE, json("[]"))).contains(r#""data":"#));
    }
}
