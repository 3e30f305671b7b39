//! Parsers of single values. What they say of a wrong one is for the operator.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use faas_pool::Replica;
use faas_protocol::ByteSize;
use faas_protocol::RUNTIMES;
use faas_protocol::Runtime;
use faas_telemetry::LogFormat;

/// A day: no execution and no pause of this service is longer.
const MAX_MILLISECONDS: u64 = 86_400_000;

/// A parser for integers in a range, whose error says what is allowed.
pub fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.trim().parse().ok();
        number
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                format!(
                    "must be an integer between {} and {}",
                    range.start(),
                    range.end()
                )
            })
    }
}

/// The name of this server among several.
///
/// # Errors
/// What such a name is.
pub fn parse_replica(text: &str) -> Result<Replica, String> {
    Replica::parse(text.trim()).ok_or_else(|| {
        format!(
            "must be a name of small letters, digits and dashes in between, of at most {} bytes",
            Replica::MAX_BYTES
        )
    })
}

/// A parser for times of at least so many ms.
pub fn milliseconds(
    least: u64,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    let whole = whole(least..=MAX_MILLISECONDS);
    move |text| whole(text).map(Duration::from_millis)
}

/// A parser for times of at least so many ms that may be longer than any execution: up to thirty days.
pub fn long_milliseconds(
    least: u64,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    let whole = whole(least..=30 * MAX_MILLISECONDS);
    move |text| whole(text).map(Duration::from_millis)
}

/// A parser for sizes in bytes.
pub fn bytes(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<ByteSize, String> + Clone + Send + Sync + 'static {
    let whole = whole(range);
    move |text| whole(text).map(ByteSize::bytes)
}

/// A parser for sizes in MiB.
pub fn mebibytes(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<ByteSize, String> + Clone + Send + Sync + 'static {
    let whole = whole(range);
    move |text| whole(text).map(ByteSize::mib)
}

/// A parser for the names of runtimes.
pub fn runtime_parser() -> impl TypedValueParser<Value = Runtime> {
    let names = RUNTIMES.iter().map(|spec| {
        let name = PossibleValue::new(spec.name);
        match spec.help {
            Some(help) => name.help(help),
            None => name,
        }
    });
    PossibleValuesParser::new(names)
        .try_map(|name| Runtime::from_name(&name).ok_or("no runtime has that name"))
}

pub fn log_format_parser() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(["human", "json"]).map(|name| match name.as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Human,
    })
}

pub fn parse_host(text: &str) -> Result<String, String> {
    let host = text.trim();
    if host.contains(['/', ':', '@', '*', ' ']) {
        return Err("must be names of hosts, without a scheme, port or path".to_owned());
    }
    Ok(host.to_owned())
}

pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" | "on" => Ok(true),
        "0" | "false" | "off" | "" => Ok(false),
        _ => Err("must be 1 or 0".to_owned()),
    }
}
