//! What a program wrote, kept within a budget.

use crate::engine::Stream;

/// A program that writes this many times its budget is flooding and is stopped.
const FLOOD_FACTOR: u64 = 16;
/// But not before it wrote this much, in bytes.
const FLOOD_FLOOR: u64 = 32 << 20;

/// Both streams of one execution.
#[derive(Debug, Default)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Whether something was cut off.
    pub truncated: bool,
    budget: u64,
    written: u64,
}

impl Output {
    /// Keeps up to `budget` bytes, of both streams together.
    pub fn with_budget(budget: u64) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    /// Takes what was written; returns the part that is kept.
    pub fn take<'a>(&mut self, stream: Stream, bytes: &'a [u8]) -> &'a [u8] {
        self.written = self.written.saturating_add(bytes.len() as u64);
        let used = (self.stdout.len() + self.stderr.len()) as u64;
        let room = usize::try_from(self.budget.saturating_sub(used)).unwrap_or(usize::MAX);
        let mut kept = bytes;
        if self.truncated || bytes.len() > room {
            let cut = if self.truncated {
                0
            } else {
                character_boundary(bytes, room)
            };
            kept = &bytes[..cut];
            self.truncated = true;
        }
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(kept),
            Stream::Stderr => self.stderr.extend_from_slice(kept),
        }
        kept
    }

    /// Whether the program writes far more than is kept.
    pub fn is_flood(&self) -> bool {
        self.written > FLOOD_FLOOR.max(self.budget.saturating_mul(FLOOD_FACTOR))
    }
}

/// The last place at or before `at` where no UTF-8 character is cut.
fn character_boundary(bytes: &[u8], at: usize) -> usize {
    let is_continuation = |index: usize| bytes.get(index).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut cut = at;
    while cut > 0 && at - cut < 3 && is_continuation(cut) {
        cut -= 1;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_falls_between_characters() {
        let mut output = Output::with_budget(5);
        assert_eq!(
            output.take(Stream::Stdout, "aé".as_bytes()),
            "aé".as_bytes()
        );
        assert_eq!(output.take(Stream::Stderr, "€x".as_bytes()), b"");
        assert!(output.truncated);
        assert_eq!(
            output.take(Stream::Stdout, b"z"),
            b"",
            "nothing follows a cut"
        );
        assert_eq!(output.stdout, "aé".as_bytes());
    }

    #[test]
    fn output_of_just_the_budget_is_whole() {
        let mut output = Output::with_budget(3);
        output.take(Stream::Stdout, b"abc");
        assert!(!output.truncated);
        assert_eq!(output.stdout, b"abc");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_cut_all_the_same() {
        let mut output = Output::with_budget(4);
        output.take(Stream::Stdout, &[0x80; 10]);
        assert!(output.truncated);
        assert!(output.stdout.len() <= 4);
    }

    #[test]
    fn a_flood_is_many_times_the_budget() {
        let mut output = Output::with_budget(1 << 20);
        for _ in 0..32 {
            output.take(Stream::Stdout, &vec![b'x'; 1 << 20]);
        }
        assert!(!output.is_flood());
        output.take(Stream::Stdout, b"x");
        assert!(output.is_flood());
    }
}
