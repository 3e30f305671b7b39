//! What a program shows, as a notebook would: results with a representation for each media type.

use deno_core::OpState;
use deno_core::op2;
use deno_error::JsErrorBox;
use faas_protocol::MAX_REPRESENTATIONS;
use faas_protocol::MAX_RESULT_NESTING;
use faas_protocol::MAX_RESULTS;
use faas_protocol::Representation;
use faas_protocol::is_file_name;
use faas_protocol::is_media_type;
use faas_protocol::nesting;

use super::host::HostState;

/// Adds a text, or the text of JSON, to the next result.
#[op2(fast)]
pub fn op_faas_represent(
    state: &mut OpState,
    #[string] media_type: &str,
    #[string] text: &str,
    is_json: bool,
) -> Result<(), JsErrorBox> {
    let content = if is_json {
        Representation::Json(text)
    } else {
        Representation::Text(text)
    };
    add(state, media_type, content)
}

/// Adds bytes to the next result.
#[op2(fast)]
pub fn op_faas_represent_bytes(
    state: &mut OpState,
    #[string] media_type: &str,
    #[buffer] bytes: &[u8],
) -> Result<(), JsErrorBox> {
    add(state, media_type, Representation::Bytes(bytes))
}

fn add(
    state: &mut OpState,
    media_type: &str,
    content: Representation<'_>,
) -> Result<(), JsErrorBox> {
    if !is_media_type(media_type) {
        return Err(JsErrorBox::type_error(format!(
            "\"{}\" is not a media type",
            media_type.escape_debug()
        )));
    }
    if let Representation::Json(text) = content
        && nesting(text) > MAX_RESULT_NESTING
    {
        return Err(JsErrorBox::range_error(format!(
            "at most {MAX_RESULT_NESTING} arrays and objects may be within each other"
        )));
    }
    let state = state.borrow_mut::<HostState>();
    if state.shown.results == MAX_RESULTS {
        return Err(JsErrorBox::range_error(format!(
            "at most {MAX_RESULTS} results can be shown"
        )));
    }
    if state.shown.representations == MAX_REPRESENTATIONS {
        return Err(JsErrorBox::range_error(format!(
            "a result has at most {MAX_REPRESENTATIONS} representations"
        )));
    }
    state.claim("this", content.len())?;
    state.shown.representations += 1;
    state.host.represent(media_type, content);
    Ok(())
}

/// Shows the result whose representations were added. Without any, there is nothing to show.
#[op2]
pub fn op_faas_show(state: &mut OpState, is_main: bool, #[string] artifact: Option<String>) {
    let state = state.borrow_mut::<HostState>();
    if std::mem::take(&mut state.shown.representations) == 0 {
        return;
    }
    state.shown.results += 1;
    let artifact = artifact.filter(|name| is_file_name(name));
    state.host.show(is_main, artifact.as_deref());
}
