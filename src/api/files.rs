//! Files that come with a request: `"files": [{"name", "content" | "content_base64"}]`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_protocol::JobFile;
use faas_protocol::is_file_name;
use serde::Deserialize;
use serde_json::Value;

use super::error::ApiError;

/// Most files of one request. The limit of the request body bounds their size.
const MAX_FILES: usize = 100;

#[derive(Deserialize)]
struct RawFile {
    name: String,
    content: Option<String>,
    content_base64: Option<String>,
}

/// Checks the files of a request.
///
/// # Errors
/// 400 that says which file is wrong and why.
pub fn parse(value: Option<Value>) -> Result<Vec<JobFile>, ApiError> {
    let refused = |details: String| {
        let error = "Parameter 'files' must be an array of files";
        Err(ApiError::bad_request(error, details))
    };
    let files: Vec<RawFile> = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => match serde_json::from_value(value) {
            Ok(files) => files,
            Err(error) => {
                let shape = "send [{\"name\": …, \"content\" or \"content_base64\": …}]";
                return refused(format!("{error}; {shape}"));
            }
        },
    };
    if files.len() > MAX_FILES {
        return refused(format!("At most {MAX_FILES} files are accepted"));
    }
    let mut parsed = Vec::with_capacity(files.len());
    for file in files {
        if !is_file_name(&file.name) {
            let name: String = file.name.chars().take(64).collect();
            return refused(format!(
                "\"{name}\" is not a name within the working directory"
            ));
        }
        let contents = match (file.content, file.content_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(encoded)) => match BASE64.decode(encoded.as_bytes()) {
                Ok(contents) => contents,
                Err(error) => return refused(format!("{}: {error}", file.name)),
            },
            _ => {
                return refused(format!(
                    "{}: send either content or content_base64",
                    file.name
                ));
            }
        };
        parsed.push(JobFile {
            name: file.name,
            contents,
        });
    }
    Ok(parsed)
}
