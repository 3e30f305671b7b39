//! envd's calls about files and directories, which are those of a sandbox's default context.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_protocol::FileEntry;
use faas_protocol::FileList;
use faas_protocol::JobFile;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Number;
use serde_json::json;
use serde_json::value::RawValue;

use super::access::Entered;
use super::connect;
use super::files::last_part;
use super::paths::file_name_of;
use super::paths::name_of;
use super::paths::path_of;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::no_room;
use crate::api::request;
use crate::api::sessions;
use crate::doors::ours;

/// The calls that are answered.
const CALLS: [&str; 5] = ["ListDir", "Stat", "MakeDir", "Remove", "Move"];

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    /// How many directories deep to look; 1 if it is left out.
    #[serde(borrow)]
    depth: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    destination: Option<&'a RawValue>,
}

/// A file or a directory.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Entry {
    name: String,
    r#type: &'static str,
    path: String,
    /// In bytes; as a text, which is how 64 bits are written.
    size: String,
    mode: u32,
    permissions: &'static str,
    owner: &'static str,
    group: &'static str,
}

impl Entry {
    fn of(name: &str, size: Option<u64>) -> Self {
        let (r#type, mode, permissions) = match size {
            Some(_) => ("FILE_TYPE_FILE", 0o644, "-rw-r--r--"),
            None => ("FILE_TYPE_DIRECTORY", 0o755, "drwxr-xr-x"),
        };
        Self {
            name: last_part(name).to_owned(),
            r#type,
            path: path_of(name),
            size: size.unwrap_or(0).to_string(),
            mode,
            permissions,
            owner: "user",
            group: "user",
        }
    }
}

/// Answers a call of this name.
///
/// # Errors
/// As the routes for files of sessions; 501 for calls that are not there.
pub async fn call(
    method: &str,
    state: &Arc<AppState>,
    entered: &Entered,
    request: Request,
) -> Result<Response, ApiError> {
    if !CALLS.contains(&method) {
        return Err(ApiError::not_here(
            "There is no such call",
            format!(
                "Those of filesystem.Filesystem are {}; directories cannot be watched",
                CALLS.join(", ")
            ),
        ));
    }
    let (body, _share) = connect::message(request, state).await?;
    let call: Call = request::parse_body(&body)?;
    let path = || ours::required_text("path", call.path);
    let (caller, id) = (&entered.caller, &entered.sandbox.id);
    match method {
        "ListDir" => {
            let directory = name_of(&path()?)?;
            let depth = parse_depth(call.depth)?;
            let list = sessions::entries_of(state, caller, id).await?;
            let entries = listed(&list.entries, &directory, depth);
            let entries = entries.ok_or_else(|| not_in(&list, &directory))?;
            Ok(Json(json!({ "entries": entries })).into_response())
        }
        "Stat" => {
            let name = name_of(&path()?)?;
            let list = sessions::entries_of(state, caller, id).await?;
            let entry = found(&list.entries, &name).ok_or_else(|| not_in(&list, &name))?;
            Ok(Json(json!({ "entry": entry })).into_response())
        }
        "MakeDir" => {
            let name = file_name_of(&path()?)?;
            if !sessions::make_directory(state, caller, id, &name).await? {
                return Err(ApiError::conflict(
                    "The path exists already",
                    path_of(&name),
                ));
            }
            Ok(Json(json!({ "entry": Entry::of(&name, None) })).into_response())
        }
        "Remove" => {
            let name = file_name_of(&path()?)?;
            let list = sessions::entries_of(state, caller, id).await?;
            match found(&list.entries, &name) {
                None => return Err(not_in(&list, &name)),
                Some(entry) if entry.r#type == "FILE_TYPE_DIRECTORY" => {
                    return Err(only_files(&name));
                }
                Some(_) => sessions::delete_one(state, caller, id, &name).await?,
            };
            Ok(Json(json!({})).into_response())
        }
        // Move.
        _ => {
            let source = file_name_of(&ours::required_text("source", call.source)?)?;
            let destination = ours::required_text("destination", call.destination)?;
            let destination = file_name_of(&destination)?;
            let list = sessions::entries_of(state, caller, id).await?;
            let size = match list.entries.iter().find(|entry| entry.name == source) {
                None => return Err(not_in(&list, &source)),
                Some(entry) => entry.size.ok_or_else(|| only_files(&source))?,
            };
            if source != destination {
                let contents = sessions::contents_of(state, caller, id, &source).await?;
                let mut share = state.answers.share();
                let grown = share.grow(contents.len() as u64);
                grown.map_err(|_| no_room(state))?;
                let file = JobFile {
                    name: destination.clone(),
                    contents,
                };
                sessions::put(state, caller, id, vec![file]).await?;
                sessions::delete_one(state, caller, id, &source).await?;
            }
            let entry = Entry::of(&destination, Some(size));
            Ok(Json(json!({ "entry": entry })).into_response())
        }
    }
}

/// What is in a directory; `None` if there is no such directory.
fn listed(all: &[FileEntry], directory: &str, depth: usize) -> Option<Vec<Entry>> {
    let is_there = directory.is_empty()
        || all
            .iter()
            .any(|entry| entry.name == directory && entry.size.is_none());
    let below = |entry: &&FileEntry| {
        let below = match directory {
            "" => Some(entry.name.as_str()),
            directory => entry
                .name
                .strip_prefix(directory)
                .and_then(|below| below.strip_prefix('/')),
        };
        below.is_some_and(|below| below.split('/').count() <= depth)
    };
    let entries = all.iter().filter(below);
    is_there.then(|| {
        entries
            .map(|entry| Entry::of(&entry.name, entry.size))
            .collect()
    })
}

fn found(all: &[FileEntry], name: &str) -> Option<Entry> {
    if name.is_empty() {
        return Some(Entry::of("", None));
    }
    let entry = all.iter().find(|entry| entry.name == name)?;
    Some(Entry::of(name, entry.size))
}

fn parse_depth(field: Option<&RawValue>) -> Result<usize, ApiError> {
    let Some(raw) = field else {
        return Ok(1);
    };
    let number = bounded::parse::<Number>(raw, Kind::Number)?.and_then(|number| number.as_u64());
    let depth = number.ok_or_else(|| ours::must_be("depth", "an integer, 0 or more"))?;
    Ok(usize::try_from(depth).unwrap_or(usize::MAX).max(1))
}

/// There is no such path among those that are listed.
fn not_in(list: &FileList, name: &str) -> ApiError {
    match list.more {
        0 => no_path(name),
        more => ApiError::refused(
            "The path may be there",
            format!("The sandbox has {more} files more than are listed; have a cell look"),
        ),
    }
}

fn no_path(name: &str) -> ApiError {
    let path: String = path_of(name).chars().take(64).collect();
    ApiError::not_found(
        "No such file or directory",
        format!("There is no \"{path}\""),
    )
}

fn only_files(name: &str) -> ApiError {
    let path: String = path_of(name).chars().take(64).collect();
    ApiError::not_here(
        "Only files can be moved and removed",
        format!("\"{path}\" is a directory; have a cell call shutil.move or shutil.rmtree"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<FileEntry> {
        let entry = |name: &str, size| FileEntry {
            name: name.to_owned(),
            size,
        };
        vec![
            entry("a", Some(1)),
            entry("dir", None),
            entry("dir/b", Some(2)),
            entry("dir/deep", None),
            entry("dir/deep/c", Some(3)),
            entry("dirt", Some(4)),
        ]
    }

    #[test]
    fn a_directory_is_listed_to_a_depth() {
        let names = |directory, depth| {
            let listed = listed(&entries(), directory, depth)?;
            Some(
                listed
                    .into_iter()
                    .map(|entry| entry.path)
                    .collect::<Vec<_>>(),
            )
        };
        let path = |name: &str| path_of(name);
        assert_eq!(names("", 1).unwrap(), ["a", "dir", "dirt"].map(path));
        assert_eq!(names("dir", 1).unwrap(), ["dir/b", "dir/deep"].map(path));
        assert_eq!(names("dir", 2).unwrap().len(), 3);
        assert_eq!(names("a", 1), None);
        assert_eq!(names("none", 1), None);
        assert_eq!(
            found(&entries(), "dir").unwrap().r#type,
            "FILE_TYPE_DIRECTORY"
        );
        assert_eq!(found(&entries(), "dir/deep/c").unwrap().size, "3");
        assert_eq!(found(&entries(), "dir/none"), None);
    }
}
