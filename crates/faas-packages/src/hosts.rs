//! Which hosts this server asks for packages, or sends messages to, and at which addresses.
//!
//! An answer of an index names files by address, and any server may redirect. Those who write such
//! answers must not send this server to hosts that the operator did not mean, and least of all to
//! neighbours on the inside of its network.
//!
//! The hosts that are asked are those of the configured addresses, those that FAAS_PACKAGE_HOSTS names, and
//! those that the index itself keeps its files on. The last ones are learned (see `index`), and only ever
//! asked at public addresses, whatever their names resolve to at that moment.

use std::collections::HashSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;
use url::Host;
use url::Url;

use super::error::OpenError;
use super::remote;
use super::threads::guard;

/// Ports of the web, which a host may be asked at unless another one is named.
const WEB_PORTS: [u16; 2] = [80, 443];
/// Variables that name proxies. Who sets them is the operator.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];
/// Most hosts that an index may keep its files on.
const MAX_LEARNED: usize = 8;

/// The hosts that may be asked.
#[derive(Debug)]
pub struct Hosts {
    /// The setting that names hosts.
    setting: &'static str,
    /// Those of the operator: of the configured addresses, and of the setting.
    trusted: Vec<Place>,
    /// Whether all others may be asked, too: in https, and at public addresses.
    all_public: bool,
    /// Names of proxies. They are connected to, but not asked.
    proxies: Vec<String>,
    learned: Mutex<HashSet<(String, u16)>>,
}

/// A host, and a port if it is not one of the web's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: Option<u16>,
}

impl Hosts {
    /// `bases`: the configured addresses; `named`: what FAAS_PACKAGE_HOSTS names.
    ///
    /// # Errors
    /// When a name is not one.
    pub fn new<'a>(
        bases: impl IntoIterator<Item = &'a Url>,
        named: &[String],
    ) -> Result<Self, OpenError> {
        Self::of_setting("FAAS_PACKAGE_HOSTS", bases, named)
    }

    /// What a setting names, where `*` stands for all hosts at public addresses.
    ///
    /// # Errors
    /// When a name is not one.
    pub fn named(setting: &'static str, named: &[String]) -> Result<Self, OpenError> {
        let (all, named): (Vec<String>, Vec<String>) =
            named.iter().cloned().partition(|name| name.trim() == "*");
        Ok(Self {
            all_public: !all.is_empty(),
            ..Self::of_setting(setting, [], &named)?
        })
    }

    fn of_setting<'a>(
        setting: &'static str,
        bases: impl IntoIterator<Item = &'a Url>,
        named: &[String],
    ) -> Result<Self, OpenError> {
        let mut trusted = Vec::new();
        for base in bases {
            trusted.extend(host_and_port(base).map(|(host, port)| Place {
                host,
                port: Some(port),
            }));
        }
        for name in named {
            trusted.push(Place::parse(name).ok_or_else(|| OpenError::Setting {
                setting,
                problem: "must be hosts or hosts with ports, separated by commas".into(),
            })?);
        }
        let proxies = PROXY_VARIABLES.iter().filter_map(|name| {
            let address = std::env::var(name).ok()?;
            let url = Url::parse(&address).or_else(|_| Url::parse(&format!("http://{address}")));
            host_and_port(&url.ok()?).map(|(host, _)| host)
        });
        Ok(Self {
            setting,
            trusted,
            all_public: false,
            proxies: proxies.collect(),
            learned: Mutex::default(),
        })
    }

    /// Whether an address may be asked.
    pub fn allow(&self, url: &Url) -> bool {
        let Some((host, port)) = host_and_port(url) else {
            return false;
        };
        let is_meant = |place: &Place| {
            place.host == host && (place.port == Some(port) || WEB_PORTS.contains(&port))
        };
        self.trusted.iter().any(is_meant)
            || guard(&self.learned).contains(&(host, port))
            || self.all_public && may_be_public(url)
    }

    /// Allows the hosts of these addresses, as far as a stranger may name them: by name and in https.
    /// Returns those that are new.
    pub fn learn<'a>(&self, urls: impl IntoIterator<Item = &'a Url>) -> Vec<String> {
        let mut learned = guard(&self.learned);
        let mut new = Vec::new();
        for url in urls {
            let is_named = matches!(url.host(), Some(Host::Domain(_)));
            if url.scheme() == "https"
                && is_named
                && learned.len() < MAX_LEARNED
                && let Some(place) = host_and_port(url)
                && learned.insert(place)
            {
                new.push(remote::host(url));
            }
        }
        new
    }

    /// Whether a name may lead to any address: what the operator named may be on the inside.
    fn may_be_inside(&self, name: &str) -> bool {
        let name = normal(name);
        self.proxies.contains(&name) || self.trusted.iter().any(|place| place.host == name)
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(&format!("https://{}/", text.trim())).ok()?;
        let is_plain = url.path() == "/"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let (host, _) = host_and_port(&url).filter(|_| is_plain)?;
        let port = url.port();
        Some(Self { host, port })
    }
}

/// Whether an address may be one that a stranger names: in https, and not at a number on the inside. Names are looked at
/// when they are resolved.
fn may_be_public(url: &Url) -> bool {
    let is_public = match url.host() {
        Some(Host::Domain(_)) => true,
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        None => false,
    };
    is_public && url.scheme() == "https"
}

fn host_and_port(url: &Url) -> Option<(String, u16)> {
    Some((normal(url.host_str()?), url.port_or_known_default()?))
}

/// A name without the dot that may end it.
fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Resolves names, and leaves out the addresses that a name must not lead to. What is connected to is
/// what was checked, so it does not help to have a name resolve differently the next time.
pub struct Resolver(pub Arc<Hosts>);

/// Why a name was not resolved.
#[derive(Debug, thiserror::Error)]
#[error("the name '{name}' leads to no public address; {setting} names hosts that may have others")]
struct NoPublicAddress {
    name: String,
    setting: &'static str,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let may_be_inside = self.0.may_be_inside(name.as_str());
        let setting = self.0.setting;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let usable = |address: &SocketAddr| may_be_inside || is_public(address.ip());
            let usable: Vec<SocketAddr> = found.filter(usable).collect();
            if usable.is_empty() {
                let name = name.as_str().to_owned();
                return Err(NoPublicAddress { name, setting }.into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(embedded) => is_public_v4(embedded),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // "This network", shared address space, protocol assignments, benchmarks, reserved.
        || a == 0
        || (a == 100 && b & 0xc0 == 64)
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && b & 0xfe == 18)
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Only 2000::/3 is given out; of it, 2001:db8::/32 is for documentation.
    first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0x0db8)
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (64:ff9b::/96) or 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(v4(high, low))
        }
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn hosts(named: &[&str]) -> Hosts {
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        Hosts::new([&url("https://index.example:3141/simple/")], &named).unwrap()
    }

    #[test]
    fn only_the_operators_hosts_and_ports_are_asked() {
        let hosts = hosts(&["Files.example.", "mirror.example:8080"]);
        for allowed in [
            "https://index.example:3141/x",
            "https://INDEX.example/x",
            "https://files.example/x",
            "https://mirror.example:8080/x",
        ] {
            assert!(hosts.allow(&url(allowed)), "{allowed}");
        }
        for refused in [
            "https://index.example:6379/x",
            "https://sub.index.example/x",
            "https://index.example.evil/x",
            "https://files.example:8080/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://169.254.169.254/x",
        ] {
            assert!(!hosts.allow(&url(refused)), "{refused}");
        }
    }

    #[test]
    fn hosts_that_are_none_stop_the_start() {
        for bad in ["", "a b", "https://host", "host/path", "me@host", "host:x"] {
            let named = [bad.to_owned()];
            assert!(Hosts::new([], &named).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_learned_by_name_and_in_https_only() {
        let hosts = hosts(&[]);
        let named = [
            url("https://files.example/x"),
            url("http://plain.example/x"),
            url("https://10.0.0.1/x"),
            url("https://[fd00::1]/x"),
        ];
        assert_eq!(hosts.learn(&named), ["files.example"]);
        assert!(hosts.allow(&named[0]));
        assert!(!hosts.allow(&url("https://files.example:8443/x")));
        assert!(!hosts.allow(&named[1]) && !hosts.allow(&named[2]));
        assert!(!hosts.may_be_inside("files.example"));
        assert!(hosts.may_be_inside("index.example"));
    }

    #[test]
    fn a_star_stands_for_all_hosts_at_public_addresses() {
        let named = ["*", "inside.example:8080"].map(str::to_owned);
        let hosts = Hosts::named("FAAS_WEBHOOK_HOSTS", &named).unwrap();
        for allowed in [
            "https://anywhere.example:8443/x",
            "https://1.1.1.1/x",
            "http://inside.example:8080/x",
        ] {
            assert!(hosts.allow(&url(allowed)), "{allowed}");
        }
        for refused in [
            "http://anywhere.example/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://169.254.169.254/x",
            "http://inside.example:8081/x",
        ] {
            assert!(!hosts.allow(&url(refused)), "{refused}");
        }
        assert!(!hosts.may_be_inside("anywhere.example") && hosts.may_be_inside("inside.example"));
        let none = Hosts::named("FAAS_WEBHOOK_HOSTS", &[]).unwrap();
        assert!(!none.allow(&url("https://anywhere.example/x")));
    }

    #[test]
    fn addresses_on_the_inside_are_not_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::7f00:1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for public in ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn a_learned_name_that_leads_inside_is_not_resolved() {
        let hosts = Arc::new(hosts(&[]));
        hosts.learn([&url("https://localhost/x")]);
        let resolver = Resolver(hosts);
        let resolved = resolver.resolve("localhost".parse().unwrap()).await;
        let error = resolved.err().unwrap().to_string();
        assert!(error.contains("FAAS_PACKAGE_HOSTS"), "{error}");
        let named = Hosts::new([], &["localhost".to_owned()]).unwrap();
        let resolver = Resolver(Arc::new(named));
        assert!(resolver.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
