//! Answers of a Simple API: JSON (PEP 691) and HTML (PEP 503), with the attributes of PEP 592,
//! 658 and 714.

use html5gum::DefaultEmitter;
use html5gum::HtmlString;
use html5gum::StartTag;
use html5gum::Token;
use html5gum::Tokenizer;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

use super::listing::Hashes;
use super::listing::Link;
use super::listing::Metadata;
use super::listing::Yanked;

/// The content types that are understood, the best one first.
pub const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
     application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// The links of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Links {
    pub links: Vec<Link>,
    /// What they are relative to.
    pub base: Url,
}

/// Reads an answer by its content type. The error says what is wrong with it.
pub fn parse(content_type: &str, body: &[u8], page: &Url) -> Result<Links, String> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type {
        "application/vnd.pypi.simple.v1+json"
        | "application/vnd.pypi.simple.latest+json"
        | "application/json" => parse_json(body, page),
        "application/vnd.pypi.simple.v1+html"
        | "application/vnd.pypi.simple.latest+html"
        | "text/html" => parse_html(body, page),
        _ => Err("it is neither JSON nor HTML of the Simple API".into()),
    }
}

#[derive(Deserialize)]
struct JsonAnswer {
    meta: JsonMeta,
    files: Vec<Link>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonMeta {
    api_version: String,
}

fn parse_json(body: &[u8], page: &Url) -> Result<Links, String> {
    let answer: JsonAnswer = serde_json::from_slice(body)
        // Only the place: serde's own message quotes the answer.
        .map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("it is not JSON of the Simple API (line {line}, column {column})")
        })?;
    check_version(&answer.meta.api_version)?;
    Ok(Links {
        links: answer.files,
        base: page.clone(),
    })
}

fn parse_html(body: &[u8], page: &Url) -> Result<Links, String> {
    let mut emitter = DefaultEmitter::default();
    // So that text in a script or a title that looks like a link does not count as one.
    emitter.naively_switch_states(true);
    let mut links = Vec::new();
    let mut base = None;
    for Ok(token) in Tokenizer::new_with_emitter(body, emitter) {
        let Token::StartTag(tag) = token else {
            continue;
        };
        match &**tag.name {
            b"a" => links.extend(anchor(&tag)),
            // Only the first one counts.
            b"base" if base.is_none() => {
                base = attribute(&tag, "href").and_then(|href| page.join(&href).ok());
            }
            b"meta" if attribute(&tag, "name").as_deref() == Some("pypi:repository-version") => {
                check_version(&attribute(&tag, "content").unwrap_or_default())?;
            }
            _ => {}
        }
    }
    Ok(Links {
        links,
        base: base.unwrap_or_else(|| page.clone()),
    })
}

/// The file that an `<a>` links to. Its name is the last part of the address's path.
fn anchor(tag: &StartTag<()>) -> Option<Link> {
    let href = attribute(tag, "href")?;
    let (url, fragment) = href.split_once('#').unwrap_or((&href, ""));
    let path = url.split('?').next().unwrap_or_default();
    let segment = path.rsplit('/').next().unwrap_or_default().trim();
    let sha256 = fragment
        .split('&')
        .find_map(|part| part.strip_prefix("sha256="));
    let metadata = ["data-core-metadata", "data-dist-info-metadata"]
        .iter()
        .find_map(|name| attribute(tag, name));
    Some(Link {
        filename: percent_decode_str(segment).decode_utf8_lossy().into_owned(),
        url: url.to_owned(),
        hashes: Hashes {
            sha256: sha256.map(str::to_owned),
        },
        requires_python: attribute(tag, "data-requires-python"),
        yanked: match attribute(tag, "data-yanked") {
            None => Yanked::Flag(false),
            Some(reason) if reason.is_empty() => Yanked::Flag(true),
            Some(reason) => Yanked::Reason(reason),
        },
        size: None,
        core_metadata: metadata.map(|value| match value.strip_prefix("sha256=") {
            Some(hex) => Metadata::Hashes(Hashes {
                sha256: Some(hex.to_owned()),
            }),
            None => Metadata::Flag(value != "false"),
        }),
        dist_info_metadata: None,
    })
}

/// An attribute's value, character references resolved.
fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let name = HtmlString(name.as_bytes().to_vec());
    let value = tag.attributes.get(&name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Later minor versions only add fields; another major version may change everything.
fn check_version(version: &str) -> Result<(), String> {
    match version.split('.').next() {
        Some("1") => Ok(()),
        _ => Err("it is not in version 1 of the Simple API".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page() -> Url {
        Url::parse("https://host/simple/six/").unwrap()
    }

    #[test]
    fn html_listings_give_the_same_as_json_listings() {
        let html = br#"<!DOCTYPE html><html><head>
            <meta name="pypi:repository-version" content="1.1">
            <title><a href="no.whl"></title><base href="/files/"><base href="/other/">
            <script>"<a href='no.whl'>"</script></head><body><!-- <a href="no.whl"> -->
            <A HREF="six-1.0%2Bl-py3-none-any.whl?a=1&amp;b=2#sha256=abc&x=y"
               data-requires-python="&gt;=3.8,&lt;4" data-yanked=""
               data-dist-info-metadata="sha256=123">six</a>
            <a href="old.whl" data-yanked="broken &amp; bad" data-core-metadata="true">x</a>
            <a name="no-link">x</a>"#;
        let found = parse("text/html; charset=utf-8", html, &page()).unwrap();
        assert_eq!(found.base.as_str(), "https://host/files/");
        let hashes = |hex: &str| Hashes {
            sha256: Some(hex.into()),
        };
        let six = Link {
            filename: "six-1.0+l-py3-none-any.whl".into(),
            url: "six-1.0%2Bl-py3-none-any.whl?a=1&b=2".into(),
            hashes: hashes("abc"),
            requires_python: Some(">=3.8,<4".into()),
            yanked: Yanked::Flag(true),
            core_metadata: Some(Metadata::Hashes(hashes("123"))),
            ..Link::default()
        };
        let old = Link {
            filename: "old.whl".into(),
            url: "old.whl".into(),
            yanked: Yanked::Reason("broken & bad".into()),
            core_metadata: Some(Metadata::Flag(true)),
            ..Link::default()
        };
        assert_eq!(found.links, [six, old]);
    }

    #[test]
    fn json_listings_may_have_old_or_missing_keys() {
        let json = br#"{"meta": {"api-version": "1.3", "x": 1}, "name": "six", "files": [
            {"filename": "a", "url": "b", "hashes": {"md5": "0"}, "requires-python": null},
            {"filename": "a", "url": "b", "hashes": {"sha256": "1"}, "yanked": "why", "size": 3,
             "dist-info-metadata": {"sha256": "2"}, "core-metadata": false}]}"#;
        let found = parse("application/vnd.pypi.simple.v1+json", json, &page()).unwrap();
        assert_eq!(found.links[0].hashes, Hashes::default());
        assert_eq!(found.links[1].yanked, Yanked::Reason("why".into()));
        assert_eq!(found.links[1].core_metadata, Some(Metadata::Flag(false)));
    }

    #[test]
    fn listings_of_other_types_and_versions_are_refused() {
        let json = br#"{"meta": {"api-version": "2.0"}, "files": []}"#;
        let html = br#"<meta name="pypi:repository-version" content="2.0">"#;
        assert!(parse("application/json", json, &page()).is_err());
        assert!(parse("text/html", html, &page()).is_err());
        assert!(parse("text/plain", b"", &page()).is_err());
        assert!(parse("application/json", b"{", &page()).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body: Vec<u8>) {
            let _ = parse("application/json", &body, &page());
            let _ = parse("text/html", &body, &page());
        }

        #[test]
        fn arbitrary_links_never_panic(href in ".*", attribute in ".*") {
            let html = format!(
                "<base href='{attribute}'><a href='{href}' data-core-metadata='{attribute}'>"
            );
            if let Ok(found) = parse("text/html", html.as_bytes(), &page()) {
                let name = super::super::names::ProjectName::parse("six").unwrap();
                let hosts = super::super::hosts::Hosts::new([], &[]).unwrap();
                super::super::listing::Project::new(&name, &found.links, &page(), &found.base, &hosts);
            }
        }
    }
}
