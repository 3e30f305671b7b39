//! The page at `/` and its files, which `scripts/build-web` makes of `web/` before this is compiled.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use uuid::Uuid;

use super::accept::takes;
use super::error::ApiError;

const PAGE: &str = include_str!("../../web/dist/index.html"); // `make setup` builds it
const VERSION: &str = include_str!("../../web/dist/version.txt");
const POLICY: &str = include_str!("../../web/csp.txt");
/// Of the frame in which the page shows HTML of programs: it runs the one script in it, asks nothing, has no origin.
const FRAME_POLICY: &str = include_str!("../../web/dist/frame-csp.txt");
/// What the page and its policy have where an answer has a nonce of its own.
const NONCE: &str = "{nonce}";

/// A file that the page loads.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    /// Its Content-Security-Policy, of what is shown as a page.
    policy: Option<&'static str>,
    plain: &'static [u8],
    gzip: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:literal, $policy:expr) => {
        Asset {
            name: $name,
            content_type: $content_type,
            policy: $policy,
            plain: include_bytes!(concat!("../../web/dist/", $name)),
            gzip: include_bytes!(concat!("../../web/dist/", $name, ".gz")),
        }
    };
}

static ASSETS: [Asset; 5] = [
    asset!("app.js", "text/javascript; charset=utf-8", None),
    asset!("style.css", "text/css; charset=utf-8", None),
    asset!("frame.html", "text/html; charset=utf-8", Some(FRAME_POLICY)),
    asset!("icon.svg", "image/svg+xml", None),
    asset!("licenses.txt", "text/plain; charset=utf-8", None),
];

/// The query with which the page names its files.
static VERSION_QUERY: LazyLock<String> = LazyLock::new(|| format!("v={VERSION}"));
/// Weak, since the packed and the plain form share it.
static ENTITY_TAG: LazyLock<String> = LazyLock::new(|| format!("W/\"{VERSION}\""));

/// The routes of the page.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(page))
        .route("/assets/{name}", get(asset))
}

/// The page, with a nonce for the styles that its editor adds.
async fn page() -> Response {
    let nonce = Uuid::new_v4().simple().to_string();
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            header::CONTENT_SECURITY_POLICY,
            POLICY.trim_end().replace(NONCE, &nonce),
        ),
        (header::X_FRAME_OPTIONS, "DENY".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin".to_owned(),
        ),
    ];
    (headers, PAGE.replace(NONCE, &nonce)).into_response()
}

/// A file of the page. Clients that ask for it by version may keep it for ever; others check every time.
async fn asset(
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return ApiError::no_route().into_response();
    };
    let caching = if query.as_ref() == Some(&VERSION_QUERY) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let common = [
        (header::CACHE_CONTROL, caching),
        (header::ETAG, ENTITY_TAG.as_str()),
        (header::VARY, "Accept-Encoding"),
    ];
    if takes(&request, &header::IF_NONE_MATCH, &ENTITY_TAG) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let mut own = HeaderMap::new();
    own.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(asset.content_type),
    );
    if let Some(policy) = asset.policy {
        own.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(policy),
        );
    }
    if takes(&request, &header::ACCEPT_ENCODING, "gzip") {
        own.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        (common, own, asset.gzip).into_response()
    } else {
        (common, own, asset.plain).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::body::to_bytes;
    use axum::http::Request;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD as BASE64;
    use sha2::Digest;
    use sha2::Sha256;
    use tower::ServiceExt;

    use super::*;

    async fn ask(
        address: &str,
        headers: &[(HeaderName, &str)],
    ) -> (HeaderMap, StatusCode, Vec<u8>) {
        let mut request = Request::get(address);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let response = routes::<()>()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.headers, parts.status, body.to_vec())
    }

    #[tokio::test]
    async fn each_page_has_a_nonce_of_its_own_and_names_files_that_exist() {
        let (headers, status, body) = ask("/", &[]).await;
        assert_eq!(status, StatusCode::OK);
        let body = String::from_utf8(body).unwrap();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let (_, rest) = policy.split_once("'nonce-").unwrap();
        let nonce = rest.split('\'').next().unwrap();
        assert!(body.contains(&format!("content=\"{nonce}\"")));
        assert!(!body.contains(NONCE) && !policy.contains(NONCE));
        assert!(!policy.contains("unsafe"));
        assert!(policy.contains("frame-src 'self';"), "{policy}");
        assert_ne!(ask("/", &[]).await.2, body.as_bytes());

        let files: Vec<&str> = body
            .split(['"', '\''])
            .filter(|text| text.starts_with("assets/"))
            .collect();
        assert!(files.len() >= 4);
        for file in files {
            // Relative to the page, which is at / here.
            let (headers, status, _) = ask(&format!("/{file}"), &[]).await;
            assert_eq!(status, StatusCode::OK, "{file}");
            let caching = headers[header::CACHE_CONTROL].to_str().unwrap();
            assert!(caching.ends_with("immutable"), "{file}: {caching}");
        }
    }

    #[tokio::test]
    async fn page_files_are_compressed_for_clients_that_accept_it() {
        let plain = ask("/assets/app.js", &[]).await;
        assert!(!plain.0.contains_key(header::CONTENT_ENCODING));
        assert_eq!(plain.0[header::CACHE_CONTROL], "no-cache");
        let packed = ask(
            "/assets/app.js",
            &[(header::ACCEPT_ENCODING, "br, gzip;q=0.8")],
        )
        .await;
        assert_eq!(packed.0[header::CONTENT_ENCODING], "gzip");
        assert_eq!(
            packed.0[header::CONTENT_TYPE],
            plain.0[header::CONTENT_TYPE]
        );
        assert!(packed.2.len() < plain.2.len());
        let refused = ask("/assets/app.js", &[(header::ACCEPT_ENCODING, "gzip;q=0")]).await;
        assert_eq!(refused.2, plain.2);
    }

    #[tokio::test]
    async fn a_page_file_that_the_client_has_is_not_sent_again() {
        let (headers, _, _) = ask("/assets/style.css", &[]).await;
        let tag = headers[header::ETAG].to_str().unwrap();
        let (_, status, body) = ask("/assets/style.css", &[(header::IF_NONE_MATCH, tag)]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    }

    #[tokio::test]
    async fn the_frame_for_html_of_programs_runs_its_own_script_only_and_has_no_origin() {
        let (headers, status, body) = ask("/assets/frame.html", &[]).await;
        assert_eq!(status, StatusCode::OK);
        let body = String::from_utf8(body).unwrap();
        let (_, rest) = body.split_once("<script>").unwrap();
        let (script, rest) = rest.split_once("</script>").unwrap();
        assert!(!script.is_empty() && !rest.contains("<script"), "{body}");
        let hash = BASE64.encode(Sha256::digest(script));
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert_eq!(
            policy,
            format!(
                "sandbox allow-scripts; default-src 'none'; script-src 'sha256-{hash}'; \
                 style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'self'"
            )
        );
        assert!(!headers.contains_key(header::X_FRAME_OPTIONS));
        // No other file is shown as a page.
        for asset in ASSETS.iter().filter(|asset| asset.name != "frame.html") {
            assert!(!asset.content_type.contains("html"), "{}", asset.name);
        }
    }

    #[tokio::test]
    async fn no_other_path_is_a_page_file() {
        for address in [
            "/assets/index.html",
            "/assets/..%2fcsp.txt",
            "/assets/frame-csp.txt",
            "/assets/app.js.gz",
        ] {
            assert_eq!(
                ask(address, &[]).await.1,
                StatusCode::NOT_FOUND,
                "{address}"
            );
        }
    }
}
