//! Signatures of AWS clients: version 4, of a request's head and body.

use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::key_pair::KeyPair;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
/// How far the client's clock may be from ours: as AWS has it.
const MOST_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Why a signature is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the request is not signed with {ALGORITHM}")]
    NotSigned,
    #[error("the access key id is not that of FAAS_LANGFUSE_KEYS")]
    OtherKey,
    #[error("the signature must cover the headers host and {DATE}")]
    Uncovered,
    #[error("the request was signed more than 15 minutes ago, or the clocks differ")]
    Late,
    #[error(
        "the signature is not that of this request with the secret of FAAS_LANGFUSE_KEYS; a proxy must leave the \
         path and the header Host as they are"
    )]
    Wrong,
}

/// The header `Authorization` of a signed request.
#[derive(Clone, Copy)]
struct Authorization<'a> {
    key_id: &'a str,
    /// Date, region, service and what ends it.
    scope: &'a str,
    /// Names of headers, with semicolons.
    signed_headers: &'a str,
    signature: &'a str,
}

/// Checks the signature of a request, as far as that can be without its body.
///
/// # Errors
/// Why it is refused.
pub fn check_head<'a>(
    head: &'a Parts,
    keys: &'a KeyPair,
    now: Timestamp,
) -> Result<Signature<'a>, Refused> {
    let authorization = head.headers.get(header::AUTHORIZATION);
    let text = authorization.and_then(|value| value.to_str().ok());
    let sent = text.and_then(parse).ok_or(Refused::NotSigned)?;
    if sent.key_id != keys.id {
        return Err(Refused::OtherKey);
    }
    let covers = |name| sent.signed_headers.split(';').any(|signed| signed == name);
    if !covers("host") || !covers(DATE) {
        return Err(Refused::Uncovered);
    }
    let signed_at = values_of(&head.headers, DATE);
    let time = time_of(&signed_at).ok_or(Refused::Late)?;
    let date = sent.scope.split('/').next();
    let is_of_date = date.is_some_and(|date| date.len() == 8 && signed_at.starts_with(date));
    if !is_of_date || now.duration_since(time).abs() > MOST_SKEW {
        return Err(Refused::Late);
    }
    Ok(Signature {
        head,
        keys,
        sent,
        signed_at,
    })
}

/// A signature that is new, and said to be made with the right key.
pub struct Signature<'a> {
    head: &'a Parts,
    keys: &'a KeyPair,
    sent: Authorization<'a>,
    signed_at: String,
}

impl Signature<'_> {
    /// Checks that it is that of the request with this body.
    ///
    /// # Errors
    /// [`Refused::Wrong`] if it is not.
    pub fn check(&self, body: &[u8]) -> Result<(), Refused> {
        let Authorization {
            scope,
            signed_headers,
            signature,
            ..
        } = self.sent;
        let request = canonical(self.head, signed_headers, body);
        let digest = sha256(request.as_bytes());
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{digest}", self.signed_at);
        let mut key = format!("AWS4{}", self.keys.secret).into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part);
        }
        let expected = hex(&mac(&key, &to_sign));
        // In the same time wherever they differ.
        if bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
            Ok(())
        } else {
            Err(Refused::Wrong)
        }
    }
}

fn parse(text: &str) -> Option<Authorization<'_>> {
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in text.strip_prefix(ALGORITHM)?.split(',') {
        let (name, value) = field.trim().split_once('=')?;
        match name {
            "Credential" => credential = Some(value),
            "SignedHeaders" => signed_headers = Some(value),
            "Signature" => signature = Some(value),
            _ => return None,
        }
    }
    let (key_id, scope) = credential?.split_once('/')?;
    let is_scope = scope.split('/').count() == 4 && scope.ends_with("/lambda/aws4_request");
    is_scope.then_some(Authorization {
        key_id,
        scope,
        signed_headers: signed_headers?,
        signature: signature?,
    })
}

fn time_of(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

/// The request as its signer wrote it down.
fn canonical(head: &Parts, signed_headers: &str, body: &[u8]) -> String {
    let headers: String = signed_headers
        .split(';')
        .map(|name| format!("{name}:{}\n", values_of(&head.headers, name)))
        .collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{signed_headers}\n{}",
        head.method,
        canonical_path(head.uri.path()),
        canonical_query(head.uri.query().unwrap_or_default()),
        sha256(body)
    )
}

/// The path as it was sent, escaped once more.
fn canonical_path(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn canonical_query(query: &str) -> String {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let mut parts: Vec<_> = parts
        .map(|part| match part.split_once('=') {
            Some(pair) => pair,
            None => (part, ""),
        })
        .collect();
    parts.sort_unstable();
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join("&")
}

/// What a header says, all of it, with single spaces.
fn values_of(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values = values.map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A key may have any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const PATH: &str = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af/invocations?Qualifier=a%20b%24";
    const BODY: &[u8] = br#"{"a":1}"#;
    /// A request of `@aws-sdk/client-lambda` 3.1163, as it came.
    const HEADERS: [(&str, &str); 11] = [
        ("x-amz-invocation-type", "RequestResponse"),
        ("x-amz-tenant-id", "org:proj"),
        ("content-type", "application/octet-stream"),
        ("content-length", "7"),
        ("x-amz-user-agent", "aws-sdk-js/3.1163.0"),
        ("host", "127.0.0.1:38611"),
        (
            "amz-sdk-invocation-id",
            "978da653-b075-4f7b-875e-e2ef94a7bbd8",
        ),
        ("amz-sdk-request", "attempt=1; max=3"),
        ("x-amz-date", "20261129T210258Z"),
        (
            "x-amz-content-sha256",
            "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
        ),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/us-east-1/lambda/aws4_request, \
             SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;\
             x-amz-content-sha256;x-amz-date;x-amz-invocation-type;x-amz-tenant-id;x-amz-user-agent, \
             Signature=804e84e52110f95725538fb58fbe245e84e21ce1e9541dde03169f3efc83fbc5",
        ),
    ];

    /// That request, with one header changed.
    fn head(path: &str, changed: &str, from: &str, to: &str) -> Parts {
        let mut request = Request::post(path);
        for (name, value) in HEADERS {
            let value = match name == changed {
                true => value.replace(from, to),
                false => value.to_owned(),
            };
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check(head: &Parts, body: &[u8], keys: &KeyPair, now: Timestamp) -> Result<(), Refused> {
        check_head(head, keys, now)?.check(body)
    }

    fn keys(id: &str, secret_begins: &str) -> KeyPair {
        let pair = format!("{id}:{secret_begins}alrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        KeyPair::parse(&pair).unwrap()
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_request_that_was_changed_or_signed_by_another_or_long_ago_is_refused() {
        let (own, now) = (keys("AKIDEXAMPLE", "wJ"), at("2026-11-29T21:17:00Z"));
        let sent = || head(PATH, "", "", "");
        assert_eq!(check(&sent(), BODY, &own, now), Ok(()));
        let change = |name, from, to| check(&head(PATH, name, from, to), BODY, &own, now);
        for (refused, why) in [
            (check(&sent(), b"{}", &own, now), Refused::Wrong),
            (
                check(&sent(), BODY, &keys("AKIDEXAMPLE", "xJ"), now),
                Refused::Wrong,
            ),
            (
                check(&sent(), BODY, &keys("AKIDOTHER", "wJ"), now),
                Refused::OtherKey,
            ),
            (
                check(&sent(), BODY, &own, at("2026-11-29T21:18:00Z")),
                Refused::Late,
            ),
            (
                check(&sent(), BODY, &own, at("2026-11-29T20:47:00Z")),
                Refused::Late,
            ),
            (change("x-amz-tenant-id", "proj", "other"), Refused::Wrong),
            (change("host", "127.0.0.1", "localhost"), Refused::Wrong),
            (change("x-amz-date", "58Z", "59Z"), Refused::Wrong),
            (change("x-amz-date", "20261129", "20261128"), Refused::Late),
            (
                change("authorization", "us-east-1", "us-east-2"),
                Refused::Wrong,
            ),
            (change("authorization", ";host", ""), Refused::Uncovered),
            (
                change("authorization", ";x-amz-date", ""),
                Refused::Uncovered,
            ),
            (
                change("authorization", "Signature=8", "Signature=9"),
                Refused::Wrong,
            ),
            (
                change("authorization", "/lambda/", "/s3/"),
                Refused::NotSigned,
            ),
            (
                change("authorization", "Credential=AKIDEXAMPLE/", "Credential="),
                Refused::NotSigned,
            ),
            (
                change("authorization", ", Signature", ", Other"),
                Refused::NotSigned,
            ),
            (
                change("authorization", "AWS4-HMAC-SHA256", "Bearer"),
                Refused::NotSigned,
            ),
            (
                check(
                    &head("/2015-03-31/functions/g/invocations", "", "", ""),
                    BODY,
                    &own,
                    now,
                ),
                Refused::Wrong,
            ),
        ] {
            assert_eq!(refused, Err(why));
        }
    }
}
