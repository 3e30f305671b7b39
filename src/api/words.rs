//! Words of closed lists: written into answers, and listed in the API's description. A new value of
//! one of these enums appears in both by itself.

use std::borrow::Cow;

use faas_protocol::Language;
use faas_protocol::Priority;
use faas_protocol::Runtime;
use faas_protocol::Status;
use faas_telemetry::Fate;
use serde::Serialize;
use serde::Serializer;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::Type;

/// An enum whose values the API knows by a word.
pub trait Word: Copy + 'static {
    /// The list's name in the API's description.
    const LIST: &'static str;
    /// What the list's words say.
    const MEANING: &'static str;

    fn all() -> impl Iterator<Item = Self>;

    fn word(self) -> &'static str;
}

/// A value that is written as its word.
#[derive(Clone, Copy, Debug)]
pub struct Named<T>(pub T);

// The derived schemas do not follow a generic argument; they follow these.
pub type AnswerWord = Named<AnswerStatus>;
pub type OutcomeWord = Named<Fate>;
pub type LanguageWord = Named<Language>;
pub type PriorityWord = Named<Priority>;
pub type RuntimeWord = Named<Runtime>;

impl<T: Word> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<T: Word> PartialSchema for Named<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(T::MEANING))
            .enum_values(Some(T::all().map(T::word)))
            .into()
    }
}

impl<T: Word> ToSchema for Named<T> {
    fn name() -> Cow<'static, str> {
        T::LIST.into()
    }
}

impl Word for Status {
    const LIST: &'static str = "Status";
    const MEANING: &'static str = "How a program ended";

    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

/// How far a program is that a request is answered about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerStatus {
    Ended(Status),
    /// It waits for results of its caller's tools.
    ToolCalls,
}

impl Word for AnswerStatus {
    const LIST: &'static str = "AnswerStatus";
    const MEANING: &'static str =
        "How a program ended, `tool_calls` if it waits for results of its caller's tools";

    fn all() -> impl Iterator<Item = Self> {
        let ended = Status::ALL.into_iter().map(Self::Ended);
        ended.chain([Self::ToolCalls])
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ended(status) => status.name(),
            Self::ToolCalls => "tool_calls",
        }
    }
}

impl Word for Fate {
    const LIST: &'static str = "Outcome";
    const MEANING: &'static str = "How a program ended, `cancelled` if the caller hung up before that, `cut_off` if the service ended before";

    fn all() -> impl Iterator<Item = Self> {
        Self::OF_BEGUN.into_iter()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Word for Language {
    const LIST: &'static str = "Language";
    const MEANING: &'static str = "The language of a program";

    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Word for Priority {
    const LIST: &'static str = "Priority";
    const MEANING: &'static str = "Which requests run first when all workers are busy";

    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Word for Runtime {
    const LIST: &'static str = "Runtime";
    const MEANING: &'static str = "What runs programs of a language";

    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    fn word(self) -> &'static str {
        self.spec().answers_as
    }
}
