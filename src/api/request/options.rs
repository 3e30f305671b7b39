//! The fields that say how to run it: `timeout`, `priority`, `packages`, `ext`, `timings`.

use faas_pool::MAX_PACKAGES;
use faas_pool::MAX_REQUIREMENT_BYTES;
use faas_pool::PackageSet;
use faas_pool::SessionId;
use faas_pool::SnapshotId;
use faas_pool::Start;
use faas_protocol::Language;
use faas_protocol::Priority;
use faas_protocol::Randomness;
use serde_json::Number;
use serde_json::value::RawValue;
use std::time::Duration;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::schema::Type;

use crate::api::bounded;
use crate::api::bounded::AtMost;
use crate::api::bounded::Kind;
use crate::api::bounded::Strings;
use crate::api::error::ApiError;
use crate::api::files::or_null;
use crate::settings::Settings;

/// Longest string that may be a number or a priority, in bytes of JSON.
const LONGEST_WORD: usize = 64;

/// What [`parse_timeout`] accepts. Numbers in strings are left out: new callers have no use for them.
pub fn timeout_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(or_null(Type::Number))
        .minimum(Some(1))
        .description(Some(
            "Limit on wall time in ms; cut to FAAS_MAX_EXECUTION_TIME",
        ))
        .into()
}

pub fn parse_timeout(field: Option<&RawValue>, settings: &Settings) -> Result<Duration, ApiError> {
    let Some(raw) = field else {
        return Ok(settings.timeout());
    };
    // As `setTimeout`, which the replaced services gave it to: numbers in strings and fractions count.
    let milliseconds = match bounded::kind(raw) {
        Kind::String if raw.get().len() <= LONGEST_WORD => {
            let text = bounded::parse::<String>(raw, Kind::String)?;
            text.and_then(|text| text.trim().parse::<f64>().ok())
        }
        _ => bounded::parse::<Number>(raw, Kind::Number)?.and_then(|number| number.as_f64()),
    };
    let most = (settings.max_execution_time, "FAAS_MAX_EXECUTION_TIME");
    time_of("timeout", milliseconds, most)
}

/// A time in ms; `most`, if it is absent or more: a limit, and the setting that has it.
///
/// # Errors
/// 400.
pub fn parse_milliseconds(
    name: &str,
    field: Option<&RawValue>,
    most: (Duration, &str),
) -> Result<Duration, ApiError> {
    let Some(raw) = field else {
        return Ok(most.0);
    };
    let number = bounded::parse::<Number>(raw, Kind::Number)?;
    let milliseconds = number.and_then(|number| number.as_f64());
    Ok(time_of(name, milliseconds, most)?.min(most.0))
}

fn time_of(
    name: &str,
    milliseconds: Option<f64>,
    (most, setting): (Duration, &str),
) -> Result<Duration, ApiError> {
    match milliseconds {
        Some(milliseconds) if (1.0..=u64::MAX as f64).contains(&milliseconds) => {
            Ok(Duration::from_millis(milliseconds as u64))
        }
        _ => Err(ApiError::bad_request(
            format!("Parameter '{name}' must be a positive integer"),
            format!(
                "Send milliseconds, at least 1; values above {} ({setting}) are reduced to it",
                most.as_millis()
            ),
        )),
    }
}

/// What [`parse_priority`] accepts: anything.
pub fn priority_schema() -> Schema {
    let names: Vec<&str> = Priority::ALL.map(Priority::name).to_vec();
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .examples(names)
        .description(Some(
            "Who runs first when all workers are busy: urgent, high, normal or low; anything else counts \
             as normal",
        ))
        .into()
}

pub fn parse_priority(field: Option<&RawValue>) -> Result<Priority, ApiError> {
    let Some(raw) = field else {
        return Ok(Priority::Normal);
    };
    // As in the replaced services: what they did not know counted as normal.
    if raw.get().len() > LONGEST_WORD {
        return Ok(Priority::Normal);
    }
    let name = bounded::parse::<String>(raw, Kind::String)?;
    let priority = name.and_then(|name| Priority::from_name(&name));
    Ok(priority.unwrap_or(Priority::Normal))
}

/// What [`parse_packages`] accepts, without the blanks that it also allows.
pub fn packages_schema() -> Schema {
    let name = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?";
    let version = "(===?|~=|!=|<=?|>=?)[A-Za-z0-9._+!*-]+";
    let requirement = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(MAX_REQUIREMENT_BYTES))
        .pattern(Some(format!(
            r"^{name}(\[{name}(,{name})*\])?({version}(,{version})*)?$"
        )));
    let mut list = ArrayBuilder::new()
        .items(requirement)
        .max_items(Some(MAX_PACKAGES))
        .description(Some(
            "Python packages to install first, such as msgpack==1.2.4; must be empty for other \
             languages",
        ))
        .build();
    list.schema_type = or_null(Type::Array);
    Schema::Array(list)
}

pub fn parse_packages(
    field: Option<&RawValue>,
    language: Language,
) -> Result<PackageSet, ApiError> {
    /// One more than allowed shows that there are too many.
    type Names = AtMost<String, { MAX_PACKAGES + 1 }>;
    let refused = |details: &str| {
        ApiError::bad_request(
            "Parameter 'packages' must be an array of package names",
            details,
        )
    };
    let names = match field {
        None => Vec::new(),
        Some(raw) if bounded::kind(raw) != Kind::Array => {
            return Err(refused(
                "Send an array such as [\"pydantic\", \"msgpack==1.2.4\"]",
            ));
        }
        Some(raw) => match bounded::parse::<Names>(raw, Kind::Array)? {
            Some(AtMost(names)) => names,
            None => return Err(refused("Each package must be a string")),
        },
    };
    let packages = PackageSet::new(&names).map_err(|error| refused(&error.to_string()))?;
    if !packages.is_empty() && language.runtime().spec().with_packages.is_none() {
        return Err(refused("`packages` is supported for Python only"));
    }
    Ok(packages)
}

/// `ext` is for the caller's own use; it only has to have the right shape.
pub fn check_ext(field: Option<&RawValue>) -> Result<(), ApiError> {
    let Some(raw) = field else {
        return Ok(());
    };
    match bounded::parse::<Strings>(raw, Kind::Object)? {
        Some(Strings) => Ok(()),
        None => Err(ApiError::bad_request(
            "Parameter 'ext' must be an object of strings",
            "Send {\"name\": \"value\", …} or leave it out",
        )),
    }
}

/// Whether what the program leaves is to be kept as a snapshot.
///
/// # Errors
/// 400.
pub fn parse_keep(field: Option<&RawValue>) -> Result<bool, ApiError> {
    let Some(raw) = field else {
        return Ok(false);
    };
    bounded::parse::<bool>(raw, Kind::Bool)?.ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'keep' must be true or false",
            "Send true to have what the program leaves kept as a snapshot, or leave it out",
        )
    })
}

/// The session that the program is a cell of.
///
/// # Errors
/// 400.
pub fn parse_session(field: Option<&RawValue>) -> Result<Option<SessionId>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let text = bounded::parse::<String>(raw, Kind::String)?;
    let id = text.as_deref().and_then(SessionId::parse);
    id.map(Some).ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'session' must be the id of a session",
            "It is `id` in the answer to POST /sessions; GET /sessions?name= finds it by its name",
        )
    })
}

/// The snapshot that a program or a session starts from.
///
/// # Errors
/// 400, also if packages are asked for, which a snapshot has or has not.
pub fn parse_from(
    field: Option<&RawValue>,
    packages: &PackageSet,
) -> Result<Option<SnapshotId>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let text = bounded::parse::<String>(raw, Kind::String)?;
    let id = text.as_deref().and_then(SnapshotId::parse);
    let id = id.ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'from' must be the id of a snapshot",
            "It is in metadata.snapshot.id of the answer to a request with \"keep\": true",
        )
    })?;
    if !packages.is_empty() {
        return Err(ApiError::bad_request(
            "Parameters 'from' and 'packages' exclude each other",
            "A snapshot has the packages of the program that left it: name them in the request that has \
             \"keep\": true, or install more with micropip",
        ));
    }
    Ok(Some(id))
}

/// What the program starts from.
///
/// # Errors
/// 400, also for fields that exclude each other.
pub fn parse_start(
    session: Option<SessionId>,
    from: Option<&RawValue>,
    packages: &PackageSet,
) -> Result<Start, ApiError> {
    let Some(session) = session else {
        let from = parse_from(from, packages)?;
        return Ok(from.map_or(Start::Fresh, Start::Snapshot));
    };
    if from.is_some() {
        return Err(ApiError::bad_request(
            "Parameters 'session' and 'from' exclude each other",
            "A cell starts from what the cells before it left; POST /sessions with 'from' opens a session that \
             begins with a snapshot",
        ));
    }
    if !packages.is_empty() {
        return Err(ApiError::bad_request(
            "Parameters 'session' and 'packages' exclude each other",
            "Name the packages in POST /sessions, or have a cell install them: %pip install NAME",
        ));
    }
    Ok(Start::Session(session))
}

/// What [`parse_randomness`] accepts.
pub fn randomness_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["continue", "fresh"]))
        .description(Some(
            "Random numbers in a program that starts from a snapshot: `continue` (the default) where the snapshot was, so that \
             all that start from it draw the same ones, or `fresh` ones. Those for secrets are always fresh",
        ))
        .into()
}

/// What random numbers a program draws that starts from a snapshot.
///
/// # Errors
/// 400.
pub fn parse_randomness(field: Option<&RawValue>) -> Result<Randomness, ApiError> {
    let Some(raw) = field else {
        return Ok(Randomness::default());
    };
    match bounded::parse::<String>(raw, Kind::String)?.as_deref() {
        Some("continue") => Ok(Randomness::Continue),
        Some("fresh") => Ok(Randomness::Fresh),
        _ => Err(ApiError::bad_request(
            "Parameter 'random' must be continue or fresh",
            "Send fresh for other random numbers in each program that starts from a snapshot, or leave it out",
        )),
    }
}

pub fn parse_timings(field: Option<&RawValue>) -> Result<bool, ApiError> {
    let Some(raw) = field else {
        return Ok(false);
    };
    bounded::parse::<bool>(raw, Kind::Bool)?.ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'timings' must be true or false",
            "Send true to get the time of each step, or leave it out",
        )
    })
}
