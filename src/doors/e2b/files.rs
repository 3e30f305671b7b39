//! `/files`: files of a sandbox, which are those of its default context.

use std::sync::Arc;

use axum::Json;
use axum::extract::RawQuery;
use axum::extract::Request;
use axum::extract::State;
use axum::http::header;
use axum::response::Response;
use faas_protocol::JobFile;
use serde::Serialize;
use url::form_urlencoded;

use super::access::Entered;
use super::multipart;
use super::paths::file_name_of;
use super::paths::path_of;
use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::files::MAX_FILES;
use crate::api::sessions;
use crate::doors::ours;

/// A file that was written.
#[derive(Debug, Serialize)]
pub struct Written {
    name: String,
    path: String,
    r#type: &'static str,
}

/// The last part of a path.
pub fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The bytes of a file.
///
/// # Errors
/// As `GET /sessions/{id}/files/{path}`.
pub async fn read(
    State(state): State<Arc<AppState>>,
    entered: Entered,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let path = path_in(query).ok_or_else(|| ours::must_be("path", "the path of a file"))?;
    let name = file_name_of(&path)?;
    let (caller, id) = (&entered.caller, &entered.sandbox.id);
    let contents = sessions::contents_of(&state, caller, id, &name).await?;
    Ok(sessions::hand_out(contents, &state)?)
}

/// Writes files, all or none.
///
/// # Errors
/// As `PUT /sessions/{id}/files/{path}`; 400 for a form that cannot be read.
pub async fn write(
    State(state): State<Arc<AppState>>,
    entered: Entered,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Json<Vec<Written>>, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|kind| kind.to_str().ok());
    let boundary = content_type
        .and_then(multipart::boundary_of)
        .map(str::to_owned);
    let is_plain = content_type == Some("application/octet-stream");
    let path = path_in(query);
    let (body, _share) = ours::read(request, &state).await?;
    let files = match (boundary, path) {
        (Some(boundary), path) => {
            let parts = multipart::files(&body, &boundary, MAX_FILES)?;
            let path = path.filter(|_| parts.len() == 1);
            let files = parts.into_iter().map(|part| {
                let name = file_name_of(path.as_deref().unwrap_or(&part.file_name))?;
                let contents = part.contents.to_vec();
                Ok(JobFile { name, contents })
            });
            let files = files.collect::<Result<Vec<_>, ApiError>>()?;
            // What was read counts once.
            drop(body);
            files
        }
        (None, Some(path)) if is_plain => vec![JobFile {
            name: file_name_of(&path)?,
            contents: body,
        }],
        _ => {
            return Err(Refusal::from(ApiError::bad_request(
                "There is no file in the request",
                "Send files as multipart/form-data, or one as application/octet-stream with its `path`",
            )));
        }
    };
    let written: Vec<_> = files
        .iter()
        .map(|file| Written {
            name: last_part(&file.name).to_owned(),
            path: path_of(&file.name),
            r#type: "file",
        })
        .collect();
    if !files.is_empty() {
        sessions::put(&state, &entered.caller, &entered.sandbox.id, files).await?;
    }
    Ok(Json(written))
}

fn path_in(query: Option<String>) -> Option<String> {
    let query = query?;
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let (_, path) = parameters.find(|(name, _)| name == "path")?;
    Some(path.into_owned())
}
