//! How long to wait before asking a source again.

use std::time::Duration;

use jiff::Timestamp;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

/// The pause after the attempt numbered `tried` (from 0): doubling, and spread by half so that
/// servers which failed together do not come back together.
pub fn backoff(tried: u32) -> Duration {
    let pause = FIRST
        .saturating_mul(2_u32.saturating_pow(tried))
        .min(LONGEST);
    // Without random numbers from the kernel, all wait equally long.
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + random / 2.0)
}

/// Reads a `Retry-After` header: seconds, or a date.
pub fn parse_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    // The dates of HTTP (RFC 9110, 5.6.7) are dates of mail.
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let pause = date.duration_since(Timestamp::now());
    Some(Duration::try_from(pause).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert!(backoff(0) <= FIRST);
        assert!(backoff(2) > FIRST);
        assert!(backoff(u32::MAX) <= LONGEST);
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        assert_eq!(parse_after("3"), Some(Duration::from_secs(3)));
        assert_eq!(
            parse_after("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(parse_after("-1"), None);
        assert_eq!(parse_after(""), None);
    }
}
