//! Headers in which a client lists what it takes, each with a quality (RFC 9110, 12.4.2): `Accept`,
//! `Accept-Encoding`; and lists without qualities such as `If-None-Match`.

use axum::http::HeaderMap;
use axum::http::HeaderName;

/// The entries of all headers of that name, with their qualities: 1 if none is given, 0 for what the
/// client does not take. An entry whose quality is no number is left out.
pub fn entries<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'a str, f32)> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let listed = parts.next()?;
            let quality = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
            });
            let quality = match quality {
                Some(text) => text
                    .parse::<f32>()
                    .ok()
                    .filter(|q| (0.0..=1.0).contains(q))?,
                None => 1.0,
            };
            (!listed.is_empty()).then_some((listed, quality))
        })
}

/// How much the client likes `token`, the best if it lists that more than once, in any case; `None` if it
/// does not list it itself.
pub fn quality_of(headers: &HeaderMap, name: &HeaderName, token: &str) -> Option<f32> {
    entries(headers, name)
        .filter(|(listed, _)| listed.eq_ignore_ascii_case(token))
        .map(|(_, quality)| quality)
        .reduce(f32::max)
}

/// Whether the client lists `token` itself, in any case, and takes it.
pub fn takes(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    quality_of(headers, name, token).is_some_and(|quality| quality > 0.0)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT;

    use super::*;

    fn takes_events(accept: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        takes(&headers, &ACCEPT, "text/event-stream")
    }

    #[test]
    fn a_media_type_with_a_quality_of_zero_is_not_taken() {
        for accept in [
            "text/event-stream",
            "application/json, TEXT/Event-Stream ; q=0.5",
            "text/event-stream;charset=utf-8;Q=1.0",
        ] {
            assert!(takes_events(accept), "{accept}");
        }
        for accept in [
            "text/event-stream;q=0",
            "text/event-stream; q = 0.000",
            "text/event-stream;q=x",
            "text/event-stream;q=7",
            "text/*",
            "*/*",
            "",
            ";;,,",
        ] {
            assert!(!takes_events(accept), "{accept}");
        }
    }
}
