//! Asking a running service how it is.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::settings::Settings;

/// Less than the five seconds that docker/ gives the `healthcheck` command.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Where to ask a service that listens there.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// Asks the service that runs with these settings how it is.
///
/// # Errors
/// Why the service that runs with these settings is not healthy.
pub async fn ask_for_health(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    let address = SocketAddr::new(reachable(settings.host), settings.port);
    // The proxy that packages come through has no business here.
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_WITHIN)
        .build()?;
    let answer = client.get(format!("http://{address}/health")).send().await;
    let answer = answer.map_err(|error| {
        let reason = if error.is_timeout() {
            format!("no answer within {} s", ANSWER_WITHIN.as_secs())
        } else {
            faas_packages::innermost(&error).to_string()
        };
        format!(
            "the service at {address} cannot be reached: {reason}; FAAS_HOST and FAAS_PORT must be \
             those that it was started with"
        )
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let body = answer.bytes().await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reason = body["reason"].as_str().unwrap_or("no reason given");
    Err(format!("the service at {address} is not healthy ({status}): {reason}").into())
}
