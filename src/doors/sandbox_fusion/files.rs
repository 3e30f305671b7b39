//! Files of a program: what comes as an object of names and base64, and goes back as one.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_pool::OutputFile;
use faas_protocol::Language;
use serde_json::value::RawValue;

use crate::api::ApiError;
use crate::api::bounded;
use crate::api::bounded::AtMost;
use crate::api::bounded::Kind;
use crate::api::bounded::Members;
use crate::api::files::MAX_FILES;
use crate::api::files::too_many_files;
use crate::api::request::MAX_PATTERNS;
use crate::doors::ours::Contents;
use crate::doors::ours::OurFile;
use crate::doors::ours::Text;
use crate::doors::ours::must_be;

/// One more than a request may have, which shows that there are too many.
const MOST_FILES: usize = MAX_FILES + 1;
/// As [`MOST_FILES`].
const MOST_NAMES: usize = MAX_PATTERNS + 1;

/// What `files` brings. One that is null is left out.
///
/// # Errors
/// 400 for anything but an object, and for more members than a request may have files.
pub fn given(field: Option<&RawValue>) -> Result<Vec<OurFile<'_>>, ApiError> {
    let Some(raw) = field else {
        return Ok(Vec::new());
    };
    let members = bounded::parse::<Members<MOST_FILES>>(raw, Kind::Object)?;
    let Members(members) =
        members.ok_or_else(|| must_be("files", "an object of names and base64"))?;
    // Those behind these were not read, whatever they are.
    if members.len() > MAX_FILES {
        return Err(too_many_files());
    }
    let files = members.into_iter();
    let files = files.filter(|(_, contents)| bounded::kind(contents) != Kind::Null);
    Ok(files
        .map(|(name, contents)| OurFile {
            name: relative(&name).to_owned(),
            contents: Contents::Base64(Text::Sent(contents)),
        })
        .collect())
}

/// Names of files that are to go back.
#[derive(Debug)]
pub struct Wanted(Vec<String>);

impl Wanted {
    /// What `fetch_files` names.
    ///
    /// # Errors
    /// 400 for anything but an array of texts.
    pub fn parse(field: Option<&RawValue>) -> Result<Self, ApiError> {
        let Some(raw) = field else {
            return Ok(Self(Vec::new()));
        };
        let names = bounded::parse::<AtMost<String, MOST_NAMES>>(raw, Kind::Array)?;
        let AtMost(names) = names.ok_or_else(|| must_be("fetch_files", "an array of strings"))?;
        Ok(Self(names))
    }

    /// What the program is asked for. JavaScript programs hand files back by themselves.
    pub fn patterns(&self, language: Language) -> Vec<String> {
        let names = self
            .0
            .iter()
            .filter(|_| language.runtime().spec().has_file_system);
        names.map(|name| relative(name).to_owned()).collect()
    }

    /// Those that there are, in base64, by the names that they were asked for by.
    pub fn of(&self, files: &[OutputFile]) -> BTreeMap<String, String> {
        let found = self.0.iter().filter_map(|name| {
            let file = files.iter().find(|file| file.name == relative(name))?;
            Some((name.clone(), BASE64.encode(&file.contents)))
        });
        found.collect()
    }
}

fn relative(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}
