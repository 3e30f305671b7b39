//! What a program wrote, kept within a budget.

use faas_protocol::ByteSize;
use faas_protocol::Stream;

use super::live::Live;
use super::live::LiveEvent;

/// A program that writes this many times its budget is flooding and is stopped.
const FLOOD_FACTOR: u64 = 16;
/// But not before it wrote this much, in bytes.
const FLOOD_FLOOR: u64 = 32 << 20;
/// What a frame counts for at least, in bytes.
const LEAST_COUNTED: u64 = 256;

/// Both streams of one execution.
#[derive(Debug, Default)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Whether something was cut off.
    pub truncated: bool,
    budget: ByteSize,
    written: u64,
    live: Option<Live>,
}

impl Output {
    /// Keeps up to `budget`, of both streams together, and sends them on to `live`.
    pub fn new(budget: ByteSize, live: Option<Live>) -> Self {
        let output = Self {
            budget,
            live,
            ..Self::default()
        };
        output.tell(LiveEvent::Started);
        output
    }

    /// Tells those who follow the program.
    pub fn tell(&self, event: LiveEvent) {
        if let Some(live) = &self.live {
            // Nobody listens any more: the execution is about to be dropped.
            let _ = live.send(event);
        }
    }

    /// Counts a frame of this length, in bytes, for what it costs if it carries next to nothing.
    pub fn count_frame(&mut self, length: usize) {
        self.count(LEAST_COUNTED.saturating_sub(length as u64));
    }

    /// Counts bytes that are not kept as written.
    pub fn count(&mut self, bytes: u64) {
        self.written = self.written.saturating_add(bytes);
    }

    /// Takes what was written.
    pub fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.count(bytes.len() as u64);
        let used = self.length() as u64;
        let room = usize::try_from(self.budget.get().saturating_sub(used)).unwrap_or(usize::MAX);
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
        if self.live.is_some() && !kept.is_empty() {
            self.tell(LiveEvent::Output(stream, kept.to_vec()));
        }
    }

    /// What is kept, in bytes.
    pub fn length(&self) -> usize {
        self.stdout.len() + self.stderr.len()
    }

    /// Whether the program writes far more than is kept.
    pub fn is_flood(&self) -> bool {
        self.written > FLOOD_FLOOR.max(self.budget.get().saturating_mul(FLOOD_FACTOR))
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
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn a_cut_falls_between_characters() {
        let (live, mut events) = mpsc::unbounded_channel();
        let mut output = Output::new(ByteSize::bytes(5), Some(live));
        output.take(Stream::Stdout, "aé".as_bytes());
        output.take(Stream::Stderr, "€x".as_bytes());
        assert!(output.truncated);
        output.take(Stream::Stdout, b"z");
        assert_eq!(output.stdout, "aé".as_bytes(), "nothing follows a cut");
        assert!(output.stderr.is_empty());
        assert!(matches!(events.try_recv().unwrap(), LiveEvent::Started));
        let LiveEvent::Output(Stream::Stdout, kept) = events.try_recv().unwrap() else {
            panic!("no output came");
        };
        assert_eq!(kept, "aé".as_bytes());
        assert!(events.try_recv().is_err(), "nothing else was sent on");
    }

    #[test]
    fn output_of_just_the_budget_is_whole() {
        let mut output = Output::new(ByteSize::bytes(3), None);
        output.take(Stream::Stdout, b"abc");
        assert!(!output.truncated);
        assert_eq!(output.stdout, b"abc");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_cut_all_the_same() {
        let mut output = Output::new(ByteSize::bytes(4), None);
        output.take(Stream::Stdout, &[0x80; 10]);
        assert!(output.truncated);
        assert!(output.stdout.len() <= 4);
    }

    #[test]
    fn a_flood_is_many_times_the_budget() {
        let mut output = Output::new(ByteSize::mib(1), None);
        for _ in 0..32 {
            output.take(Stream::Stdout, &vec![b'x'; 1 << 20]);
        }
        assert!(!output.is_flood());
        output.take(Stream::Stdout, b"x");
        assert!(output.is_flood());
    }
}
