//! Fetching over HTTP: timeouts, limits, retries, and redirects within https.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::Client;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use reqwest::header::ACCEPT_ENCODING;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::error::OpenError;
use super::error::PackageError;
use super::hosts::Hosts;
use super::hosts::Resolver;
use super::remote;
use super::remote::Remote;
use super::retry;
use super::threads::guard;

/// Less than the time that a request has by default: a program is to be told, not stopped.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a source that could not be reached is not tried again: those who ask next should not wait
/// for it, too.
const UNREACHABLE_FOR: Duration = Duration::from_secs(20);
/// Most sources that are remembered as such. There are few: those of the settings, and where their files are.
const MAX_UNREACHABLE: usize = 64;
/// Longest pause of a source in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Why a source counts as one that cannot be reached.
const NO_CONNECTION: &str = "no connection";
const MAX_REDIRECTS: usize = 5;
/// Most requests at once; more wait, so that no program can flood a source through this server.
const MAX_REQUESTS: usize = 16;

/// A client with the limits that all package requests share.
pub struct Http {
    client: Client,
    timeout: Duration,
    retries: u32,
    permits: Semaphore,
    /// Hosts with ports that could not be reached, until when they are not tried again, and what was wrong.
    unreachable: Mutex<HashMap<String, (Instant, &'static str)>>,
    pub hosts: Arc<Hosts>,
}

/// What to fetch.
pub struct Request<'a> {
    pub url: &'a Url,
    /// Whose credentials to use, if the address has the same origin.
    pub remote: &'a Remote,
    /// Content types to ask for; `None` for files, which must come as they are.
    pub accept: Option<&'static str>,
    /// Most bytes to take.
    pub limit: u64,
    /// What it is, for messages.
    pub what: &'a str,
}

/// How a successful answer began.
pub struct Head {
    /// Its address after redirects.
    pub url: Url,
    pub content_type: String,
}

/// Where the body of an answer goes.
pub trait Sink: Send {
    /// Discards what has arrived so far: another attempt begins.
    fn restart(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    fn write(&mut self, chunk: &Bytes) -> impl Future<Output = io::Result<()>> + Send;
}

impl Sink for Vec<u8> {
    async fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }

    async fn write(&mut self, chunk: &Bytes) -> io::Result<()> {
        self.extend_from_slice(chunk);
        Ok(())
    }
}

/// A failed attempt, and whether a retry may succeed.
struct Failure {
    error: PackageError,
    again: Again,
}

enum Again {
    Never,
    Soon,
    After(Duration),
}

impl Http {
    /// `timeout` is the longest whole time for one answer or file, retries included.
    pub fn new(timeout: Duration, retries: u32, hosts: Arc<Hosts>) -> Result<Self, OpenError> {
        let asked = hosts.clone();
        // Proxies come from the environment, reqwest's default. They resolve names themselves, so then
        // only the rule about hosts holds.
        let client = Client::builder()
            .user_agent(concat!("faas-server/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .read_timeout(READ_TIMEOUT.min(timeout))
            .redirect(redirect::Policy::custom(move |attempt| {
                follow(attempt, &asked)
            }))
            .dns_resolver(Arc::new(Resolver(hosts.clone())))
            .referer(false)
            .build()?;
        Ok(Self {
            client,
            timeout,
            retries,
            permits: Semaphore::new(MAX_REQUESTS),
            unreachable: Mutex::default(),
            hosts,
        })
    }

    /// Fetches into `sink`, and retries after temporary failures.
    pub async fn get(
        &self,
        request: &Request<'_>,
        sink: &mut impl Sink,
    ) -> Result<Head, PackageError> {
        if let Some(error) = self.known_unreachable(request) {
            return Err(error);
        }
        let got = tokio::time::timeout(self.timeout, self.attempts(request, sink))
            .await
            .unwrap_or_else(|_| Err(self.timed_out(request.url)));
        if let Err(PackageError::Unreachable { host, reason, .. }) = &got {
            self.remember_unreachable(host, reason);
        }
        got
    }

    /// The error of a source that could not be reached a moment ago.
    fn known_unreachable(&self, request: &Request<'_>) -> Option<PackageError> {
        let host = remote::host(request.url);
        let (until, reason) = *guard(&self.unreachable).get(&host)?;
        (Instant::now() < until).then(|| PackageError::Unreachable {
            setting: request.remote.setting(),
            host,
            reason,
        })
    }

    /// A connection that was there and broke says nothing of the next one.
    fn remember_unreachable(&self, host: &str, reason: &'static str) {
        if reason != NO_CONNECTION {
            return;
        }
        let now = Instant::now();
        let mut unreachable = guard(&self.unreachable);
        unreachable.retain(|_, (until, _)| now < *until);
        if unreachable.len() < MAX_UNREACHABLE {
            unreachable.insert(host.to_owned(), (now + UNREACHABLE_FOR, reason));
        }
    }

    async fn attempts(
        &self,
        request: &Request<'_>,
        sink: &mut impl Sink,
    ) -> Result<Head, PackageError> {
        let start = Instant::now();
        let mut tried = 0;
        loop {
            let failure = match self.attempt(request, sink).await {
                Ok(head) => return Ok(head),
                Err(failure) => failure,
            };
            let pause = match failure.again {
                Again::Never => return Err(failure.error),
                Again::Soon => retry::backoff(tried),
                Again::After(asked) => asked.max(retry::backoff(tried)),
            };
            // A server may ask us to wait, but not beyond the time allowed.
            let left = self.timeout.saturating_sub(start.elapsed());
            if tried >= self.retries || pause >= left {
                return Err(failure.error);
            }
            tried += 1;
            tracing::debug!(host = %remote::host(request.url), error = failure.error.in_full(), tried,
                "package request failed, trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, request: &Request<'_>, sink: &mut impl Sink) -> Result<Head, Failure> {
        if !self.hosts.allow(request.url) {
            return Err(never(PackageError::ForeignHost(request.what.to_owned())));
        }
        let io_failed = |error: io::Error| never(PackageError::store("writing a download", &error));
        let _permit = self.permits.acquire().await;
        sink.restart().await.map_err(io_failed)?;

        let get = self.client.get(request.url.clone());
        let get = match request.accept {
            Some(types) => get.header(ACCEPT, types),
            None => get.header(ACCEPT_ENCODING, "identity"),
        };
        let get = request.remote.authorise(request.url, get);
        let response = get
            .send()
            .await
            .map_err(|error| self.broken(request.url, request.remote, &error))?;
        check_status(&response)?;
        if response
            .content_length()
            .is_some_and(|length| length > request.limit)
        {
            return Err(too_large(request));
        }
        let head = Head {
            url: response.url().clone(),
            content_type: header(&response, &CONTENT_TYPE).to_ascii_lowercase(),
        };

        let mut body = response.bytes_stream();
        let mut taken = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| self.broken(&head.url, request.remote, &error))?;
            taken += chunk.len() as u64;
            if taken > request.limit {
                return Err(too_large(request));
            }
            sink.write(&chunk).await.map_err(io_failed)?;
        }
        Ok(head)
    }

    /// Describes what went wrong with a connection, without the address that reqwest's error
    /// carries.
    fn broken(&self, url: &Url, remote: &Remote, error: &reqwest::Error) -> Failure {
        let host = remote::host(url);
        let cause = innermost(error);
        if error.is_redirect() {
            let reason = cause.to_string();
            return never(PackageError::BadAnswer { host, reason });
        }
        tracing::warn!(host, %cause, "a connection to a package source failed");
        if error.is_timeout() && !error.is_connect() {
            let after = READ_TIMEOUT.min(self.timeout);
            return soon(PackageError::Timeout { host, after });
        }
        let reason = if error.is_connect() {
            NO_CONNECTION
        } else {
            "the connection broke"
        };
        let setting = remote.setting();
        let unreachable = PackageError::Unreachable {
            setting,
            host,
            reason,
        };
        // Another attempt would take as long, and the program waits.
        if error.is_connect() && error.is_timeout() {
            return never(unreachable);
        }
        soon(unreachable)
    }

    fn timed_out(&self, url: &Url) -> PackageError {
        PackageError::Timeout {
            host: remote::host(url),
            after: self.timeout,
        }
    }
}

/// The innermost cause of an error; the outer ones repeat the address.
pub fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, innermost)
}

fn follow(attempt: redirect::Attempt<'_>, hosts: &Hosts) -> redirect::Action {
    let previous = attempt.previous();
    // `previous` begins with the address that was asked for.
    if previous.len() > MAX_REDIRECTS {
        attempt.error("it redirects too often")
    } else if previous
        .last()
        .is_some_and(|from| !remote::may_lead(from, attempt.url()))
    {
        attempt.error("it redirects from https to http, or to an address that is not http(s)")
    } else if !hosts.allow(attempt.url()) {
        let host = remote::host(attempt.url());
        tracing::warn!(
            host,
            "a package source redirects to a host that FAAS_PACKAGE_HOSTS does not name"
        );
        attempt.error(
            "it redirects to another host; the operator of this server allows hosts with \
             FAAS_PACKAGE_HOSTS",
        )
    } else {
        attempt.follow()
    }
}

fn check_status(response: &Response) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let host = remote::host(response.url());
    if status.is_redirection() {
        // One that was followed never gets here.
        let reason = "it redirects to an address that cannot be followed".into();
        return Err(never(PackageError::BadAnswer { host, reason }));
    }
    let error = PackageError::Status {
        host,
        status: status.as_u16(),
    };
    let passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
    let again = match retry::parse_after(header(response, &RETRY_AFTER)) {
        _ if !passing => Again::Never,
        Some(pause) => Again::After(pause),
        None => Again::Soon,
    };
    Err(Failure { error, again })
}

fn header<'a>(response: &'a Response, name: &reqwest::header::HeaderName) -> &'a str {
    let value = response.headers().get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn too_large(request: &Request<'_>) -> Failure {
    never(PackageError::TooLarge {
        what: request.what.to_owned(),
        limit: request.limit,
    })
}

fn never(error: PackageError) -> Failure {
    Failure {
        error,
        again: Again::Never,
    }
}

fn soon(error: PackageError) -> Failure {
    Failure {
        error,
        again: Again::Soon,
    }
}
