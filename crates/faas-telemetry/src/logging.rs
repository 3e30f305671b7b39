//! Log lines, and the same spans as traces for a collector.

use tracing::Level;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::traces::TRACES_ONLY;
use super::traces::Traces;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// Parses a filter in the syntax of the tracing crate. There, a word that is not a level names a target, and
/// silences all others: here that is taken for a mistake.
///
/// # Errors
/// Says what is allowed.
pub fn parse_log_filter(text: &str) -> Result<String, String> {
    let is_meant = |directive: &str| {
        let directive = directive.trim();
        directive.contains(['=', '[']) || directive.parse::<LevelFilter>().is_ok()
    };
    if !text.split(',').all(is_meant) || EnvFilter::try_new(text).is_err() {
        return Err(
            "must be error, warn, info, debug, trace or off, or such as info,faas_pool=debug"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// Sends log lines to stderr, and spans to a collector if there is one. `filter` is in the syntax of
/// the tracing crate; an invalid one becomes `info`.
pub fn start_logging(format: LogFormat, filter: &str, traces: Option<&Traces>) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let for_lines = filter_fn(|metadata| {
        let target = metadata.target();
        // The SDK's lines have messages in them, and so programs.
        let is_of_sdk = target.starts_with("rmcp") && *metadata.level() > Level::WARN;
        target != TRACES_ONLY && !is_of_sdk
    });
    tracing_subscriber::registry()
        .with(lines(format).with_filter(filter.and(for_lines)))
        .with(traces.map(Traces::layer))
        .init();
}

/// Writes the lines of a zygote: each begins with its level. The supervisor reads them and words its own.
pub fn start_zygote_logging(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("error"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .with_target(false);
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Human => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    }
}
