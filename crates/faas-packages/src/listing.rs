//! A project's files: from the links of an index answer to what sandboxes get to see.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use url::Url;

use super::digest::Digest;
use super::hosts::Hosts;
use super::names::ProjectName;
use super::names::WheelName;
use super::remote;

/// What the addresses of files begin with in the answers for sandboxes; then come the project
/// and the file name, `…/<project>/<file>`.
///
/// It stands for no real address. micropip 0.11 downloads only from `http`, `https`, `file` and
/// `emfs`; of these, `emfs` is never on the network and leaves errors as they are.
pub const FILE_URL_PREFIX: &str = "emfs:/faas-packages/";

/// A link of an index answer, as PEP 691 writes it. Nothing in it is checked yet.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Link {
    pub filename: String,
    pub url: String,
    #[serde(default)]
    pub hashes: Hashes,
    pub requires_python: Option<String>,
    #[serde(default)]
    pub yanked: Yanked,
    pub size: Option<u64>,
    pub core_metadata: Option<Metadata>,
    /// The older name of `core-metadata`.
    pub dist_info_metadata: Option<Metadata>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
pub struct Hashes {
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Yanked {
    Flag(bool),
    Reason(String),
}

impl Default for Yanked {
    fn default() -> Self {
        Self::Flag(false)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Metadata {
    Flag(bool),
    Hashes(Hashes),
}

/// A wheel that an index offers and that can run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    pub url: Url,
    pub sha256: Option<Digest>,
    pub metadata_sha256: Option<Digest>,
    pub size: Option<u64>,
}

/// What an index said about a project.
#[derive(Debug)]
pub struct Project {
    /// The answer for sandboxes.
    pub json: Arc<str>,
    pub files: HashMap<String, IndexFile>,
    /// Where wheels are that were left out because their host is not asked.
    pub foreign: Vec<Url>,
    /// Whether there were files of any kind.
    pub any_links: bool,
}

impl Project {
    /// Takes the wheels of this project that can run here. `page` is where the answer came from
    /// and `base` what its links are relative to.
    ///
    /// Those on hosts that are not asked are left out.
    pub fn new(name: &ProjectName, links: &[Link], page: &Url, base: &Url, hosts: &Hosts) -> Self {
        let mut files = HashMap::new();
        let mut foreign = Vec::new();
        let mut listed = Vec::new();
        for link in links {
            let wheel = WheelName::parse(&link.filename)
                .filter(|wheel| wheel.runs_here && wheel.project == *name);
            let (Some(wheel), Some(url)) = (wheel, resolve(link, page, base)) else {
                continue;
            };
            if !hosts.allow(&url) {
                foreign.push(url);
                continue;
            }
            let metadata = link
                .core_metadata
                .as_ref()
                .or(link.dist_info_metadata.as_ref());
            let file = IndexFile {
                url,
                sha256: link.hashes.digest(),
                metadata_sha256: match metadata {
                    Some(Metadata::Hashes(hashes)) => hashes.digest(),
                    // Without a hash it could not be checked.
                    Some(Metadata::Flag(_)) | None => None,
                },
                size: link.size,
            };
            listed.push(ListedFile {
                requires_python: link.requires_python.as_deref(),
                yanked: Cow::Borrowed(&link.yanked),
                ..ListedFile::new(
                    name,
                    &link.filename,
                    file.sha256,
                    file.size,
                    file.metadata_sha256,
                )
            });
            files.insert(wheel.file, file);
        }
        Self {
            json: render(name, &listed),
            files,
            foreign,
            any_links: !links.is_empty(),
        }
    }
}

impl Hashes {
    fn digest(&self) -> Option<Digest> {
        self.sha256.as_deref().and_then(Digest::parse)
    }
}

/// The address of a link, if it may be fetched. Credentials that an index writes into links are not
/// used.
fn resolve(link: &Link, page: &Url, base: &Url) -> Option<Url> {
    let mut url = base.join(&link.url).ok()?;
    url.set_fragment(None);
    remote::strip_credentials(&mut url);
    remote::may_lead(page, &url).then_some(url)
}

/// One file in the answer for sandboxes.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListedFile<'a> {
    filename: &'a str,
    url: String,
    hashes: HashMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_python: Option<&'a str>,
    yanked: Cow<'a, Yanked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    core_metadata: Option<HashMap<&'static str, String>>,
}

impl<'a> ListedFile<'a> {
    pub fn new(
        project: &ProjectName,
        filename: &'a str,
        sha256: Option<Digest>,
        size: Option<u64>,
        metadata_sha256: Option<Digest>,
    ) -> Self {
        let hashes = |digest: Digest| HashMap::from([("sha256", digest.to_string())]);
        Self {
            filename,
            url: format!("{FILE_URL_PREFIX}{project}/{filename}"),
            hashes: sha256.map(hashes).unwrap_or_default(),
            requires_python: None,
            yanked: Cow::Owned(Yanked::default()),
            size,
            core_metadata: metadata_sha256.map(hashes),
        }
    }
}

/// Writes the PEP 691 answer for a project.
pub fn render(name: &ProjectName, files: &[ListedFile<'_>]) -> Arc<str> {
    serde_json::json!({
        "meta": { "api-version": "1.0" },
        "name": name.as_str(),
        "files": files,
    })
    .to_string()
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(links: &[Link], page: &str) -> Project {
        let page = Url::parse(page).unwrap();
        let hosts = Hosts::new([&page], &[]).unwrap();
        let name = ProjectName::parse("six").unwrap();
        Project::new(&name, links, &page, &page, &hosts)
    }

    fn link(filename: &str, url: &str) -> Link {
        Link {
            filename: filename.into(),
            url: url.into(),
            ..Link::default()
        }
    }

    #[test]
    fn sandboxes_see_symbolic_addresses_only() {
        let hash = Digest::of(b"").to_string();
        let six = Link {
            hashes: Hashes {
                sha256: Some(hash.clone()),
            },
            requires_python: Some(">=3.8".into()),
            core_metadata: Some(Metadata::Hashes(Hashes {
                sha256: Some(hash.clone()),
            })),
            size: Some(5),
            ..link("six-1.0-py3-none-any.whl", "../../f/six.whl?x=1#y")
        };
        let project = project(&[six], "https://u:p@host/simple/six/");
        let json: serde_json::Value = serde_json::from_str(&project.json).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "meta": {"api-version": "1.0"},
                "name": "six",
                "files": [{
                    "filename": "six-1.0-py3-none-any.whl",
                    "url": "emfs:/faas-packages/six/six-1.0-py3-none-any.whl",
                    "hashes": {"sha256": hash},
                    "requires-python": ">=3.8",
                    "yanked": false,
                    "size": 5,
                    "core-metadata": {"sha256": hash},
                }],
            })
        );
        let file = &project.files["six-1.0-py3-none-any.whl"];
        assert_eq!(file.url.as_str(), "https://host/f/six.whl?x=1");
    }

    #[test]
    fn files_that_must_not_or_cannot_be_used_are_left_out() {
        let links = [
            link("six-1.0.tar.gz", "six-1.0.tar.gz"),
            link("six-1.0-cp314-cp314-win_amd64.whl", "six.whl"),
            link("other-1.0-py3-none-any.whl", "other.whl"),
            link("six-1.0-py3-none-any.whl", "http://host/downgraded.whl"),
            link("six-1.0-py3-none-any.whl", "https://other/six.whl"),
            link("six-1.0-py3-none-any.whl", "https://host:6379/six.whl"),
            link("six-1.0-py3-none-any.whl", "file:///etc/passwd"),
            link("../six-1.0-py3-none-any.whl", "six.whl"),
        ];
        let project = project(&links, "https://host/simple/six/");
        assert!(project.files.is_empty());
        assert!(project.any_links);
    }
}
