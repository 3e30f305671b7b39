//! Keeps web pages in somebody's browser from using a server that the browser can reach: pages of another
//! origin that send requests, and pages whose own name was made to point here (DNS rebinding). Callers
//! that are not browsers send neither `Origin` nor `Sec-Fetch-Site`, and notice nothing of the former.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::Version;
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use super::error::ApiError;
use super::state::AppState;
use crate::settings::Settings;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Where a link on another site may lead: the page runs nothing by itself.
const PAGE: &str = "/";

/// Refuses what a browser sends on behalf of a page of another origin, before any of the body is read.
/// Every answer gets the headers that keep such a page from making use of it.
pub async fn refuse_strangers(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match check(&request, &state.settings) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn check(request: &Request, settings: &Settings) -> Result<(), ApiError> {
    let host = host_of(request)?;
    // With a token, a page that got here under a name of its own can do nothing: it does not have it.
    if !settings.needs_token()
        && let Some(host) = &host
        && !is_own_name(host.host())
        && !settings.allows_host(host.host())
    {
        let name: String = host.host().chars().take(64).collect();
        return Err(ApiError::forbidden(
            "Unknown host",
            format!(
                "This service has no token and is not known as {name}: ask for it by its IP address, \
                 as localhost or by a name without dots, or name the host in FAAS_ALLOWED_HOSTS"
            ),
        ));
    }
    let origins = request.headers().get_all(header::ORIGIN);
    for origin in origins {
        if !is_own_origin(origin, host.as_ref(), settings) {
            return Err(foreign_page());
        }
    }
    let is_foreign = |site: &HeaderValue| site == "cross-site" || site == "same-site";
    let mut sites = request.headers().get_all(FETCH_SITE).iter();
    if sites.any(is_foreign) && !follows_link(request) {
        return Err(foreign_page());
    }
    Ok(())
}

fn foreign_page() -> ApiError {
    ApiError::forbidden(
        "Request of another site",
        "A web page of another origin may not use this service; behind a proxy that changes the Host \
         header, name the host that browsers see in FAAS_ALLOWED_HOSTS",
    )
}

/// The host and port that the request is for, in lower case; `None` if it may leave them out.
///
/// # Errors
/// 400 for anything but one host (RFC 9112, 3.2).
fn host_of(request: &Request) -> Result<Option<Authority>, ApiError> {
    let wrong = |details: &str| ApiError::bad_request("Invalid Host header", details);
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => return Ok(None),
        (None, _) => return Err(wrong("Send the header Host")),
        (Some(_), Some(_)) => return Err(wrong("Send one header Host")),
        (Some(host), None) => host.to_str().ok(),
    };
    // A target with a host of its own takes the header's place.
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => host,
    };
    host.filter(|host| !host.contains('@'))
        .and_then(|host| host.to_ascii_lowercase().parse().ok())
        .map(Some)
        .ok_or_else(|| wrong("Send the name or address of this service, and its port"))
}

/// Whether nobody else can make this name point here: an address, this machine, or a name without dots,
/// which only its own network resolves, such as a container's.
fn is_own_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last_label = host.rsplit('.').next().unwrap_or_default();
    let is_v6 = || {
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
    };
    let is_v4 = || host.parse::<Ipv4Addr>().is_ok();
    last_label == "localhost" || !host.contains(['.', ':']) || is_v4() || is_v6()
}

/// Whether a page of this origin was loaded from here: its authority is the request's, or its host one
/// of FAAS_ALLOWED_HOSTS.
fn is_own_origin(origin: &HeaderValue, host: Option<&Authority>, settings: &Settings) -> bool {
    let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    let (origin, default_port) = if let Some(rest) = origin.strip_prefix("https://") {
        (rest, 443)
    } else if let Some(rest) = origin.strip_prefix("http://") {
        (rest, 80)
    } else {
        return false;
    };
    let origin = Some(origin).filter(|origin| !origin.contains('@'));
    let Some(Ok(origin)) = origin.map(str::parse::<Authority>) else {
        return false;
    };
    let place = |authority: &Authority| {
        let port = authority.port_u16().unwrap_or(default_port);
        (authority.host().to_owned(), port)
    };
    host.is_some_and(|host| place(host) == place(&origin)) || settings.allows_host(origin.host())
}

/// Whether a person followed a link to the page.
fn follows_link(request: &Request) -> bool {
    let mut modes = request.headers().get_all(FETCH_MODE).iter();
    request.method() == Method::GET
        && request.uri().path() == PAGE
        && modes.any(|mode| mode == "navigate")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    const HOST: (&str, &str) = ("host", "127.0.0.1:8000");

    /// The status that a request gets; 200 if it is passed on.
    fn status(settings: &[&str], target: &str, headers: &[(&str, &str)]) -> u16 {
        let arguments = [&["faas-server"], settings].concat();
        let settings = Cli::parse_from(arguments).settings;
        let method = if target == "/" { "GET" } else { "POST" };
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = check(&request.body(Body::empty()).unwrap(), &settings);
        checked.map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn without_a_token_only_names_that_nobody_else_can_give_are_served() {
        let asked = |settings: &[&str], host| status(settings, "/run_code", &[("host", host)]);
        for host in [
            "127.0.0.1",
            "10.1.2.3:8000",
            "[::1]:8000",
            "LOCALHOST:8000",
            "localhost.",
            "faas.localhost",
            "coze-loop-faas:8000",
            "coze_loop_faas",
        ] {
            assert_eq!(asked(&[], host), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8000",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost.example",
        ] {
            assert_eq!(asked(&[], host), 403, "{host}");
            assert_eq!(asked(&["--api-token", "0123456789abcdef"], host), 200);
        }
        let allowed = ["--allowed-hosts", "faas.example,Other.Example"];
        assert_eq!(asked(&allowed, "faas.example:8000"), 200);
        assert_eq!(asked(&allowed, "other.example"), 200);
        assert_eq!(asked(&allowed, "evil.example"), 403);
        assert_eq!(asked(&allowed, "evil.faas.example"), 403);
    }

    #[test]
    fn a_request_has_one_host() {
        for headers in [
            &[][..],
            &[HOST, HOST],
            &[("host", "a b")],
            &[("host", "user@localhost")],
            &[("host", "")],
            &[("host", "é")],
        ] {
            assert_eq!(status(&[], "/run_code", headers), 400, "{headers:?}");
        }
        let absolute = "http://evil.example/run_code";
        assert_eq!(status(&[], absolute, &[HOST]), 403);
    }

    #[test]
    fn a_page_of_another_origin_is_refused_and_the_own_page_is_served() {
        let from = |host, origin| {
            let headers = [("host", host), ("origin", origin)];
            status(&["--api-token", "0123456789abcdef"], "/run_code", &headers)
        };
        for (host, origin) in [
            ("localhost:8000", "http://localhost:8000"),
            ("LocalHost:8000", "http://localhost:8000"),
            // Behind a proxy that has the certificate.
            ("faas.example", "https://faas.example"),
            ("faas.example:443", "https://faas.example"),
            ("faas.example", "http://faas.example:80"),
        ] {
            assert_eq!(from(host, origin), 200, "{origin}");
        }
        for (host, origin) in [
            ("localhost:8000", "http://localhost:3000"),
            ("localhost:8000", "http://evil.example"),
            ("localhost:8000", "http://localhost:8000.evil.example"),
            ("localhost:8000", "http://evil.example@localhost:8000"),
            ("localhost:8000", "null"),
            ("localhost:8000", ""),
            ("localhost:8000", "file://"),
            ("localhost:8000", "chrome-extension://localhost:8000"),
            ("faas.example", "https://faas.example:8443"),
        ] {
            assert_eq!(from(host, origin), 403, "{origin}");
        }
        // Behind a proxy that changes the host.
        let headers = [("host", "faas:8000"), ("origin", "https://faas.example")];
        assert_eq!(status(&[], "/run_code", &headers), 403);
        let allowed = ["--allowed-hosts", "faas.example"];
        assert_eq!(status(&allowed, "/run_code", &headers), 200);
    }

    #[test]
    fn a_link_on_another_site_leads_to_the_page_and_to_nothing_else() {
        let asked = |target, site, mode| {
            let headers = [HOST, ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
            status(&[], target, &headers)
        };
        for site in ["cross-site", "same-site"] {
            assert_eq!(asked("/", site, "navigate"), 200);
            assert_eq!(asked("/", site, "no-cors"), 403);
            assert_eq!(asked("/run_code", site, "navigate"), 403);
            assert_eq!(asked("/run_code", site, "no-cors"), 403);
        }
        for site in ["same-origin", "none"] {
            assert_eq!(asked("/run_code", site, "cors"), 200);
            assert_eq!(asked("/", site, "navigate"), 200);
        }
    }
}
