//! An address from the configuration: where to ask, and with which credentials.

use std::fmt;

use percent_encoding::percent_decode_str;
use reqwest::RequestBuilder;
use url::Url;

use super::error::OpenError;

/// A base address, its credentials taken out: they go to its own origin and nowhere else.
pub struct Remote {
    base: Url,
    credentials: Option<Credentials>,
    /// Which setting names it.
    setting: &'static str,
}

struct Credentials {
    user: String,
    password: Option<String>,
}

impl Remote {
    pub fn parse(setting: &'static str, address: &str) -> Result<Self, OpenError> {
        let wrong = || OpenError::Setting {
            setting,
            problem: "must be an http:// or https:// address".into(),
        };
        let mut base = Url::parse(address.trim()).map_err(|_| wrong())?;
        if !is_web(&base) {
            return Err(wrong());
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials =
            (!base.username().is_empty() || base.password().is_some()).then(|| Credentials {
                user: decoded(base.username()),
                password: base.password().map(decoded),
            });
        strip(&mut base);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self {
            base,
            credentials,
            setting,
        })
    }

    /// The address of something below the base. `path` must be made of checked names.
    pub fn below(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    pub fn base(&self) -> &Url {
        &self.base
    }

    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// Whether what comes from there passes a network unprotected.
    pub fn is_open_to_others(&self) -> bool {
        let is_loopback = match self.base.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.base.scheme() == "http" && !is_loopback
    }

    pub fn host(&self) -> String {
        host(&self.base)
    }

    /// Adds the credentials if this request goes to the origin they are for.
    pub fn authorise(&self, url: &Url, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Some(Credentials { user, password }) if url.origin() == self.base.origin() => {
                request.basic_auth(user, password.as_deref())
            }
            _ => request,
        }
    }
}

/// Shows no credentials.
impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.base.as_str())
    }
}

pub fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Whether something at `from` may send us to `to`: the web only, and never out of https.
pub fn may_lead(from: &Url, to: &Url) -> bool {
    is_web(to) && (to.scheme() == "https" || from.scheme() == "http")
}

/// Takes out what an address must not carry on: credentials, query and fragment.
fn strip(url: &mut Url) {
    strip_credentials(url);
    url.set_query(None);
    url.set_fragment(None);
}

pub fn strip_credentials(url: &mut Url) {
    // These fail only for addresses without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// Host and port, all that messages show of an address.
pub fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_out_of_the_address() {
        let remote = Remote::parse("X", "https://me%40x:s3cret@host:8080/simple?token=t").unwrap();
        assert_eq!(
            remote.below("six/").as_str(),
            "https://host:8080/simple/six/"
        );
        assert_eq!(remote.host(), "host:8080");
        let credentials = remote.credentials.as_ref().unwrap();
        assert_eq!(credentials.user, "me@x");
        assert!(!format!("{remote:?}").contains("s3cret"));
    }

    #[test]
    fn only_http_addresses_are_accepted_and_errors_do_not_repeat_them() {
        for bad in [
            "ftp://u:s3cret@host/",
            "s3cret",
            "file:///s3cret",
            "https://",
        ] {
            let error = Remote::parse("FAAS_PACKAGE_INDEX", bad).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn an_http_address_on_another_machine_is_open_to_others() {
        let is_open = |address| Remote::parse("X", address).unwrap().is_open_to_others();
        assert!(is_open("http://index.example/simple"));
        for closed in [
            "https://index.example",
            "http://127.0.0.1:1",
            "http://[::1]",
            "http://localhost",
        ] {
            assert!(!is_open(closed), "{closed}");
        }
    }

    #[test]
    fn https_never_redirects_to_http() {
        let url = |text| Url::parse(text).unwrap();
        assert!(may_lead(&url("http://a/"), &url("http://b/")));
        assert!(may_lead(&url("http://a/"), &url("https://b/")));
        assert!(may_lead(&url("https://a/"), &url("https://b/")));
        assert!(!may_lead(&url("https://a/"), &url("http://b/")));
        assert!(!may_lead(&url("http://a/"), &url("file:///etc/passwd")));
    }
}
