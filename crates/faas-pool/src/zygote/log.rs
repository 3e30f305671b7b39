//! What zygotes write to standard error. It may be anything, since packages run in some of them: each
//! line becomes the value of one field of one log line of the supervisor's, which names the zygote.

use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::Instant;

/// Longest line that is logged, in bytes. The rest of a longer one is dropped.
const LONGEST_LINE: usize = 1000;
/// Lines that are logged in a period; further ones are counted.
const LINES_IN_PERIOD: u64 = 100;
const PERIOD: Duration = Duration::from_secs(10);
/// How long a zygote that writes more than is logged is not read. A pipe holds 64 KiB.
const PAUSE: Duration = Duration::from_millis(20);

/// Logs what comes out of a zygote's standard error until all who have it are gone. To be called within a
/// tokio runtime.
pub fn follow(pipe: PipeReader, zygote: String) {
    match Receiver::from_owned_fd(OwnedFd::from(pipe)) {
        Ok(receiver) => drop(tokio::spawn(read(receiver, zygote))),
        Err(error) => tracing::error!(zygote, %error, "a zygote's standard error cannot be read"),
    }
}

async fn read(mut pipe: Receiver, zygote: String) {
    let mut lines = Lines::default();
    let mut period_ends = Instant::now() + PERIOD;
    let (mut logged, mut dropped) = (0u64, 0u64);
    let mut space = vec![0; 16 << 10];
    while let Ok(length @ 1..) = pipe.read(&mut space).await {
        if Instant::now() >= period_ends {
            period_ends = Instant::now() + PERIOD;
            tell_dropped(&zygote, dropped);
            (logged, dropped) = (0, 0);
        }
        for line in lines.take(space.get(..length).unwrap_or_default()) {
            if logged < LINES_IN_PERIOD {
                logged += 1;
                write(&zygote, &line);
            } else {
                dropped += 1;
            }
        }
        if dropped > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    if let Some(line) = lines.last() {
        write(&zygote, &line);
    }
    tell_dropped(&zygote, dropped);
}

fn tell_dropped(zygote: &str, dropped: u64) {
    if dropped > 0 {
        tracing::warn!(zygote, dropped, "a zygote wrote more lines than are logged");
    }
}

/// Logs a line at the level that it begins with; one without a level is not a zygote's own.
fn write(zygote: &str, line: &str) {
    let (level, rest) = line.trim_start().split_once(' ').unwrap_or_default();
    let rest = rest.trim_start();
    match level {
        "ERROR" => tracing::error!(zygote, line = rest, "a zygote wrote"),
        "INFO" => tracing::info!(zygote, line = rest, "a zygote wrote"),
        "DEBUG" | "TRACE" => tracing::debug!(zygote, line = rest, "a zygote wrote"),
        "WARN" => tracing::warn!(zygote, line = rest, "a zygote wrote"),
        _ => tracing::warn!(zygote, line, "a zygote wrote"),
    }
}

/// Bytes in pieces become lines.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose end has not come, as far as it will be logged.
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// The lines that end within `bytes`.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        let mut parts = bytes.split(|&byte| byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = LONGEST_LINE.saturating_sub(self.begun.len());
            self.is_too_long |= part.len() > room;
            self.begun.extend(part.iter().take(room));
            if parts.peek().is_some() {
                whole.extend(self.last());
            }
        }
        whole
    }

    /// The line that has begun; `None` for an empty one.
    fn last(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.begun);
        let mut line: String = String::from_utf8_lossy(&bytes)
            .chars()
            // Escape sequences would colour, move and erase in a terminal.
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        if std::mem::take(&mut self.is_too_long) {
            line.push('…');
        }
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_zygote_s_output_become_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\ntw"), ["one"]);
        assert_eq!(lines.take(b"o\n\nthree"), ["two"]);
        assert_eq!(lines.last().as_deref(), Some("three"));
        assert_eq!(lines.last(), None);
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_takes_no_more_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.take(&[b'x'; 5000]).is_empty());
        }
        assert!(lines.begun.capacity() <= 4 * LONGEST_LINE);
        let cut = lines.take(b"\nnext\n");
        assert_eq!(
            cut,
            [format!("{}…", "x".repeat(LONGEST_LINE)), "next".to_owned()]
        );
    }

    #[test]
    fn a_line_has_neither_control_characters_nor_broken_ones() {
        let mut lines = Lines::default();
        let line = lines.take(b"a\r\x1b[2K{\xff\x00}\n");
        assert_eq!(line, ["a\u{fffd}\u{fffd}[2K{\u{fffd}\u{fffd}}"]);
    }
}
