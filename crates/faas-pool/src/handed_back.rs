//! What a program hands back: files, and results as a notebook would show them.

use std::sync::Arc;

use faas_protocol::ByteSize;
use faas_protocol::MAX_REPRESENTATIONS;
use faas_protocol::MAX_RESULT_NESTING;
use faas_protocol::MAX_RESULTS;
use faas_protocol::Representation;
use faas_protocol::is_file_name;
use faas_protocol::is_media_type;
use faas_protocol::nesting;
use serde_json::value::RawValue;

/// Most files of one execution.
const MAX_FILES: usize = 100;

/// A file that a program handed back.
#[derive(Debug, PartialEq, Eq)]
pub struct OutputFile {
    pub name: String,
    pub contents: Vec<u8>,
}

/// A result: what a program displayed, or the value that it ended with.
#[derive(Debug, Default)]
pub struct ShownResult {
    /// Whether it is the value that the program ended with.
    pub is_main: bool,
    /// The name of the file that its picture is handed back as, too.
    artifact: Option<String>,
    /// By media type, each once.
    pub representations: Vec<(String, Content)>,
}

/// One way to show a result.
#[derive(Debug)]
pub enum Content {
    Text(String),
    Json(Box<RawValue>),
    Bytes(Vec<u8>),
}

/// The media type of what is handed back as a file, too. A sandbox cannot pass anything else off as a
/// picture, such as what a browser would run.
pub const ARTIFACT_MEDIA_TYPE: &str = "image/png";

impl ShownResult {
    /// How it looks in this media type.
    pub fn content(&self, media_type: &str) -> Option<&Content> {
        let mut found = self.representations.iter();
        let (_, content) = found.find(|(name, _)| name == media_type)?;
        Some(content)
    }

    /// The name and the bytes of the picture that is handed back as a file, too.
    pub fn artifact(&self) -> Option<(&str, &[u8])> {
        match (&self.artifact, self.content(ARTIFACT_MEDIA_TYPE)) {
            (Some(name), Some(Content::Bytes(bytes))) => Some((name, bytes)),
            _ => None,
        }
    }
}

/// What comes from a sandbox, within limits. What is oversized or badly named is dropped: an honest sandbox
/// never sends it.
pub struct HandedBack {
    pub files: Vec<OutputFile>,
    pub results: Vec<Arc<ShownResult>>,
    /// The representations of the next result.
    next: Vec<(String, Content)>,
    /// In bytes.
    left: u64,
}

impl HandedBack {
    /// Room that is left, in bytes.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// With room for so many bytes of files and results, together.
    pub fn new(budget: ByteSize) -> Self {
        Self {
            files: Vec::new(),
            results: Vec::new(),
            next: Vec::new(),
            left: budget.get(),
        }
    }

    /// Whether the file was taken.
    pub fn take_file(&mut self, name: &str, contents: &[u8]) -> bool {
        let may_take = self.files.len() < MAX_FILES && is_file_name(name);
        if !may_take || !self.claim(contents.len()) {
            return false;
        }
        self.files.push(OutputFile {
            name: name.to_owned(),
            contents: contents.to_vec(),
        });
        true
    }

    /// Whether the representation was taken, for the next result.
    pub fn take_representation(&mut self, media_type: &str, content: Representation<'_>) -> bool {
        let may_take = self.results.len() < MAX_RESULTS
            && self.next.len() < MAX_REPRESENTATIONS
            && is_media_type(media_type)
            && self.next.iter().all(|(taken, _)| taken != media_type);
        if !may_take || !self.claim(content.len()) {
            return false;
        }
        let content = match content {
            Representation::Text(text) => Content::Text(text.to_owned()),
            Representation::Json(text) if nesting(text) <= MAX_RESULT_NESTING => {
                // Line breaks are between its parts only, and those who send lines of JSON send it as it is.
                match RawValue::from_string(text.replace(['\n', '\r'], " ")) {
                    Ok(json) => Content::Json(json),
                    Err(_) => return false,
                }
            }
            Representation::Json(_) => return false,
            Representation::Bytes(bytes) => Content::Bytes(bytes.to_vec()),
        };
        self.next.push((media_type.to_owned(), content));
        true
    }

    /// The result that the last representations show, if there were any.
    pub fn take_result(
        &mut self,
        is_main: bool,
        artifact: Option<&str>,
    ) -> Option<Arc<ShownResult>> {
        if self.next.is_empty() {
            return None;
        }
        let artifact = artifact.filter(|name| is_file_name(name));
        let result = Arc::new(ShownResult {
            is_main,
            artifact: artifact.map(str::to_owned),
            representations: std::mem::take(&mut self.next),
        });
        self.results.push(result.clone());
        Some(result)
    }

    fn claim(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_each_media_type_once_and_only_json_that_is_some() {
        let mut handed_back = HandedBack::new(ByteSize::mib(1));
        let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
        assert!(handed_back.take_representation("text/plain", Representation::Text("a")));
        for (media_type, content) in [
            ("text/plain", Representation::Text("b")),
            ("application/json", Representation::Json("{")),
            ("application/json", Representation::Json(&deep)),
            ("no type", Representation::Text("c")),
        ] {
            assert!(
                !handed_back.take_representation(media_type, content),
                "{content:?}"
            );
        }
        assert!(
            handed_back.take_representation("application/json", Representation::Json("[1,\n\r2]"))
        );
        let result = handed_back.take_result(true, None).unwrap();
        assert!(matches!(result.content("text/plain"), Some(Content::Text(text)) if text == "a"));
        assert!(
            matches!(result.content("application/json"), Some(Content::Json(json)) if json.get() == "[1,  2]")
        );
        assert!(
            handed_back.take_result(true, None).is_none(),
            "it shows nothing"
        );
    }

    #[test]
    fn files_and_results_have_one_budget() {
        let mut handed_back = HandedBack::new(ByteSize::bytes(10));
        assert!(handed_back.take_file("a", &[0; 4]));
        assert!(handed_back.take_representation("image/png", Representation::Bytes(&[0; 4])));
        assert!(!handed_back.take_file("b", &[0; 3]));
        assert!(!handed_back.take_representation("text/plain", Representation::Text("abc")));
        assert!(handed_back.take_file("b", &[0; 2]));
    }

    #[test]
    fn results_and_their_representations_are_limited_in_number() {
        let mut handed_back = HandedBack::new(ByteSize::mib(1));
        for _ in 0..=MAX_RESULTS {
            for number in 0..=MAX_REPRESENTATIONS {
                handed_back
                    .take_representation(&format!("text/x{number}"), Representation::Text("a"));
            }
            handed_back.take_result(false, None);
        }
        assert_eq!(handed_back.results.len(), MAX_RESULTS);
        assert_eq!(
            handed_back.results[0].representations.len(),
            MAX_REPRESENTATIONS
        );
    }
}
