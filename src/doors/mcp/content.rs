//! What a model gets of an execution: text, pictures, files, and the same as structured content.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_pool::Content;
use faas_pool::OutputFile;
use faas_pool::Report;
use faas_protocol::Status;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use rmcp::model::ResourceContents;
use serde_json::json;

use crate::api::ApiError;

/// The answer to a program that ran.
pub fn of_report(task_id: &str, report: Report) -> CallToolResult {
    let files: Vec<_> = report
        .files
        .iter()
        .map(|file| json!({ "name": file.name, "size": file.contents.len() }))
        .collect();
    let mut structured = json!({
        "status": report.status.name(),
        "exit_code": report.exit_code,
        "stdout": report.stdout,
        "stderr": report.stderr,
        "result": report.return_value.as_deref().unwrap_or_default(),
        "files": files,
        "truncated": report.truncated,
        "duration_ms": report.usage.wall.as_millis() as u64,
        "task_id": task_id,
    });
    if let Some(cell) = &report.cell {
        structured["session"] = cell.session.id.as_str().into();
        if let Err(reason) = &cell.kept {
            structured["session_unchanged"] = reason.as_str().into();
        }
    }
    let mut content = vec![ContentBlock::text(text(&report))];
    let representations = report
        .results
        .iter()
        .flat_map(|result| &result.representations);
    content.extend(representations.filter_map(|(media_type, representation)| {
        let Content::Bytes(bytes) = representation else {
            return None;
        };
        let is_picture = media_type.starts_with("image/");
        is_picture.then(|| ContentBlock::image(BASE64.encode(bytes), media_type))
    }));
    let mut result = match report.status {
        Status::Success => CallToolResult::success(content),
        _ => CallToolResult::error(content),
    };
    result
        .content
        .extend(report.files.into_iter().map(resource));
    result.structured_content = Some(structured);
    result
}

/// The answer to one that did not. A model reads it, and may do better.
pub fn of_error(error: &ApiError) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(error.sentence())])
}

/// All that a program wrote and returned, as one text.
fn text(report: &Report) -> String {
    let mut text = report.stdout.clone();
    let mut add = |head: &str, part: &str| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(head);
        text.push_str(part);
    };
    if !report.stderr.is_empty() {
        add("[stderr]\n", &report.stderr);
    }
    if let Some(value) = report
        .return_value
        .as_deref()
        .filter(|value| !value.is_empty())
    {
        add("[result]\n", value);
    }
    if report.truncated {
        add("[there was more output than is kept]", "");
    }
    if report.status != Status::Success {
        let status = report.status.name();
        add(
            &format!("[status] {status}, exit code {}", report.exit_code),
            "",
        );
    }
    if let Some(cell) = &report.cell {
        let mut said = cell.session.id.to_string();
        if let Err(reason) = &cell.kept {
            said = format!("{said} was not changed by this call: {reason}");
        }
        add("[session] ", &said);
    }
    if text.is_empty() {
        "(no output)".clone_into(&mut text);
    }
    text
}

fn resource(file: OutputFile) -> ContentBlock {
    let uri = format!("file:///{}", file.name);
    ContentBlock::resource(match String::from_utf8(file.contents) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(error) => ResourceContents::blob(BASE64.encode(error.as_bytes()), uri),
    })
}
