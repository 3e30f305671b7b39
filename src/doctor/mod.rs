//! Looks at what the service needs of its machine, and says what holds, what does not and what to do. The
//! quick part runs at each start: the log, `/health` and `faas-server doctor` say the same sentences.

mod health;
mod machine;
mod service;

pub use health::ask_for_health;
pub use machine::look_at_machine;
pub use service::look_at_service;

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    /// The service works, with less.
    Warning,
    /// The service does not start, or runs no program.
    Failure,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "ok",
            Self::Warning => "warning",
            Self::Failure => "FAILURE",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub subject: &'static str,
    pub verdict: Verdict,
    /// A fixed sentence: what does not hold and what to do. Empty if it holds.
    pub sentence: &'static str,
    /// What was seen. Not for callers: it may have paths and addresses.
    pub seen: String,
}

impl Finding {
    fn holds(subject: &'static str, seen: impl Into<String>) -> Self {
        Self {
            subject,
            verdict: Verdict::Holds,
            sentence: "",
            seen: seen.into(),
        }
    }

    fn warning(subject: &'static str, sentence: &'static str, seen: impl Into<String>) -> Self {
        Self {
            subject,
            verdict: Verdict::Warning,
            sentence,
            seen: seen.into(),
        }
    }

    fn failure(subject: &'static str, sentence: &'static str, seen: impl Into<String>) -> Self {
        Self {
            subject,
            verdict: Verdict::Failure,
            sentence,
            seen: seen.into(),
        }
    }

    /// A warning unless it holds.
    fn warning_unless(
        holds: bool,
        subject: &'static str,
        sentence: &'static str,
        seen: impl Into<String>,
    ) -> Self {
        match holds {
            true => Self::holds(subject, seen),
            false => Self::warning(subject, sentence, seen),
        }
    }
}
