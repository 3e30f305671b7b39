//! Times as answers and records have them.

use std::time::SystemTime;

use jiff::Timestamp;

/// RFC 3339 in UTC, with milliseconds. Times beyond the year 9999, which no clock shows, become
/// 1970.
pub fn rfc3339(time: SystemTime) -> String {
    format!("{:.3}", Timestamp::try_from(time).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_have_three_digits_of_a_second_and_a_z() {
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_767_268_800_123_999);
        assert_eq!(rfc3339(time), "2026-01-01T12:00:00.123Z");
    }
}
