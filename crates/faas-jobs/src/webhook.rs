//! Messages about ends of jobs, signed as Standard Webhooks has it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_packages::Hosts;
use faas_packages::Resolver;
use faas_packages::innermost;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use reqwest::Client;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect;
use sha2::Sha256;
use url::Url;

/// Time that a receiver has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Pauses between attempts; after the last one the message is given up. The first is short: most receivers that fail
/// once are just starting again.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(6),
];
/// What secrets begin with.
const PREFIX: &str = "whsec_";
/// How long a secret may be, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What messages are signed with.
#[derive(Clone)]
pub struct WebhookSecret(Arc<[u8]>);

impl WebhookSecret {
    /// Parses the setting.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = text
            .trim_end_matches(['\r', '\n'])
            .strip_prefix(PREFIX)
            .and_then(|base64| BASE64.decode(base64).ok());
        let bytes = bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
        bytes.map(|bytes| Self(bytes.into())).ok_or_else(|| {
            format!(
                "must be {PREFIX} and {} to {} bytes in base64, as `echo {PREFIX}$(openssl rand -base64 32)` prints; \
                 unset it to send none",
                SECRET_BYTES.start(),
                SECRET_BYTES.end()
            )
        })
    }

    /// The signature of a message.
    fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret(…)")
    }
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    Delivered,
    /// It is to be sent again after this pause.
    Again {
        error: String,
        after: Duration,
    },
    GivenUp {
        error: String,
    },
}

/// Sends messages.
#[derive(Debug)]
pub struct Webhooks {
    client: Client,
    hosts: Arc<Hosts>,
    secret: WebhookSecret,
}

impl Webhooks {
    /// # Errors
    /// When the client cannot be set up.
    pub fn new(hosts: Hosts, secret: WebhookSecret) -> Result<Self, reqwest::Error> {
        let hosts = Arc::new(hosts);
        let client = Client::builder()
            .user_agent(concat!("faas-server/", env!("CARGO_PKG_VERSION")))
            .timeout(ANSWER_WITHIN)
            // To wherever it leads, the operator did not name it.
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(Resolver(hosts.clone())))
            .referer(false)
            .build()?;
        Ok(Self {
            client,
            hosts,
            secret,
        })
    }

    /// Whether messages may go there.
    pub fn allow(&self, url: &Url) -> bool {
        self.hosts.allow(url)
    }

    /// Sends a message that has this id in each attempt. `attempts`: how often it was sent before.
    pub async fn send(&self, url: &str, id: &str, body: String, attempts: u32) -> Delivery {
        let failed = |error: String| match PAUSES.get(attempts as usize) {
            Some(after) => Delivery::Again {
                error,
                after: *after,
            },
            None => Delivery::GivenUp { error },
        };
        let Some(url) = Url::parse(url).ok().filter(|url| self.hosts.allow(url)) else {
            return Delivery::GivenUp {
                error: "FAAS_WEBHOOK_HOSTS does not name its host any more".to_owned(),
            };
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = since.unwrap_or_default().as_secs();
        let signature = self.secret.sign(id, timestamp, &body);
        let sent = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
            .send();
        match sent.await.map(|response| response.status()) {
            Ok(status) if status.is_success() => Delivery::Delivered,
            // The receiver wants no more.
            Ok(StatusCode::GONE) => Delivery::GivenUp {
                error: "the receiver answered with 410".to_owned(),
            },
            Ok(status) => failed(format!("the receiver answered with {}", status.as_u16())),
            Err(error) if error.is_timeout() => failed(format!(
                "the receiver did not answer within {} s",
                ANSWER_WITHIN.as_secs()
            )),
            // Without the address, which reqwest's own words have.
            Err(error) => failed(innermost(&error).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_signature_that_the_specification_gives() {
        // The example of the specification and of its libraries.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_long_and_is_not_printed() {
        for wrong in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(WebhookSecret::parse(wrong).is_err(), "{wrong}");
        }
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
