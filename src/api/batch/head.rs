//! What a batch says of all its rows: the body but `programs` and `inputs`, or the first line of one that is a stream.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use faas_pool::SnapshotId;
use faas_pool::Start;
use faas_protocol::Priority;
use faas_protocol::Randomness;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::schema::Type;

use super::rows::Listed;
use super::rows::MOST_LISTED;
use crate::api::bounded;
use crate::api::bounded::AtMost;
use crate::api::bounded::Kind;
use crate::api::budget::Share;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::files;
use crate::api::limits::RequestedLimits;
use crate::api::request;
use crate::api::request::RawRequest;
use crate::api::request::RunRequest;
use crate::api::state::AppState;
use crate::settings::Settings;

/// A text of JSON that outlives the body that it came in.
type Field = Option<Box<RawValue>>;

/// Many programs, or one over many inputs. Fields that `POST /run_code` has, too, are those of each row. Unknown
/// fields are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = BatchRequest)]
pub struct RawBatch {
    #[schema(schema_with = request::language_schema)]
    language: Field,
    /// A program that is run once, before the rows: each starts from what it left. `packages` and `files` are its.
    #[schema(value_type = Option<String>)]
    setup: Field,
    /// The program that each of `inputs` is given to.
    #[schema(value_type = Option<String>)]
    program: Field,
    /// Inputs of `program`: any JSON, which it finds as `input_data`.
    #[schema(value_type = Option<Vec<Value>>, max_items = 100_000)]
    inputs: Field,
    /// Instead of `program` and `inputs`: programs, each as its text, or as an object with `code` and, if it is given
    /// some, `input`, `stdin`, `args`.
    #[schema(value_type = Option<Vec<Value>>, max_items = 100_000)]
    programs: Field,
    /// How rows are kept apart: `process` (the default) has each run in a process of its own; `shared` has inputs of
    /// `program` run one after the other in processes that they share.
    #[schema(schema_with = isolation_schema)]
    isolation: Field,
    /// Most rows that run at once; cut to FAAS_BATCH_CONCURRENCY, which is also the default, but with `shared` as many
    /// as there are processors.
    #[schema(value_type = Option<u64>, minimum = 1)]
    concurrency: Field,
    /// Ends the batch at the first row with the status `error` (`error`), or with any but `success` (`failure`).
    #[schema(schema_with = stop_on_schema)]
    stop_on: Field,
    /// Limit on the time of the whole batch in ms; cut to FAAS_BATCH_TIMEOUT.
    #[schema(value_type = Option<f64>, minimum = 1)]
    total_timeout: Field,
    #[schema(schema_with = request::timeout_schema)]
    timeout: Field,
    #[schema(schema_with = priority_schema)]
    priority: Field,
    /// Text that each program reads from its standard input.
    #[schema(value_type = Option<String>)]
    stdin: Field,
    #[schema(schema_with = request::args_schema)]
    args: Field,
    #[schema(schema_with = request::collect_schema)]
    collect: Field,
    /// For the caller's own use.
    #[schema(value_type = Option<HashMap<String, String>>)]
    ext: Field,
    #[schema(schema_with = request::packages_schema)]
    packages: Field,
    #[schema(schema_with = files::schema)]
    files: Field,
    #[schema(value_type = Option<RequestedLimits>)]
    limits: Field,
    /// Instead of `setup`: the id of the snapshot that each row starts from.
    #[schema(value_type = Option<String>)]
    from: Field,
    /// As in `POST /run_code`, but `fresh` unless it says `continue`.
    #[schema(schema_with = request::randomness_schema)]
    random: Field,
    /// Whether `metadata.timings` is to say where the time went, in µs.
    #[schema(value_type = Option<bool>)]
    timings: Field,
    // Refused: what rows leave stays nowhere.
    #[schema(ignore)]
    session: Field,
    #[schema(ignore)]
    keep: Field,
    #[schema(ignore)]
    tools: Field,
}

/// How rows are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each runs in a process of its own.
    Process,
    /// Many run one after the other in one process.
    Shared,
}

impl Isolation {
    const ALL: [Self; 2] = [Self::Process, Self::Shared];

    const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Shared => "shared",
        }
    }
}

/// Which rows end the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOn {
    Error,
    Failure,
}

impl StopOn {
    const ALL: [Self; 2] = [Self::Error, Self::Failure];

    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
        }
    }
}

fn words_schema(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
}

fn isolation_schema() -> Schema {
    let words = words_schema(Isolation::ALL.map(Isolation::name));
    words.into()
}

fn stop_on_schema() -> Schema {
    let words = words_schema(StopOn::ALL.map(StopOn::name));
    words.into()
}

fn priority_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .examples(Priority::ALL.map(Priority::name))
        .description(Some(
            "As in POST /run_code, but `low` unless it says otherwise: single requests of the caller go first",
        ))
        .into()
}

/// What is asked for, but the rows.
pub struct Head {
    raw: RawBatch,
    pub concurrency: usize,
    pub total: Duration,
    pub stop_on: Option<StopOn>,
    pub isolation: Isolation,
    /// What it holds of FAAS_QUEUE_BYTES.
    _share: Share,
}

impl Head {
    /// Checks the body of a batch, which has its rows, and which `share` is of.
    ///
    /// # Errors
    /// As [`request::parse`].
    pub fn with_rows(
        body: &[u8],
        share: Share,
        caller: &Caller,
        state: &AppState,
    ) -> Result<(Self, Listed), ApiError> {
        let mut raw: RawBatch = request::parse_body(body)?;
        let (name, field) = match (raw.inputs.take(), raw.programs.take(), &raw.program) {
            (Some(inputs), None, Some(_)) => ("inputs", inputs),
            (None, Some(programs), None) => ("programs", programs),
            _ => {
                return Err(ApiError::bad_request(
                    "A batch needs its programs",
                    "Send either `programs`, or `program` and `inputs`",
                ));
            }
        };
        /// One more than allowed shows that there are too many.
        type Rows = AtMost<Box<RawValue>, { MOST_LISTED + 1 }>;
        let Some(AtMost(rows)) = bounded::parse::<Rows>(&field, Kind::Array)? else {
            return Err(ApiError::bad_request(
                format!("Parameter '{name}' must be an array"),
                "Send one element for each row",
            ));
        };
        drop(field);
        if rows.len() > MOST_LISTED {
            return Err(ApiError::too_large(
                "Too many rows",
                format!(
                    "At most {MOST_LISTED} are accepted in one JSON body; send them as a stream \
                     (Content-Type: application/x-ndjson), which has no limit"
                ),
            ));
        }
        Ok((Self::check(raw, share, caller, state)?, rows))
    }

    /// Checks the first line of a batch whose rows follow it.
    ///
    /// # Errors
    /// As [`Self::with_rows`].
    pub fn of_stream(
        line: &[u8],
        share: Share,
        caller: &Caller,
        state: &AppState,
    ) -> Result<Self, ApiError> {
        let raw: RawBatch = request::parse_body(line)?;
        if raw.inputs.is_some() || raw.programs.is_some() {
            return Err(ApiError::bad_request(
                "The rows of a stream are its lines",
                "Leave `inputs` and `programs` out of the first line, and send each in a line of its own: inputs if \
                 the first line has `program`, else programs",
            ));
        }
        Self::check(raw, share, caller, state)
    }

    fn check(
        raw: RawBatch,
        share: Share,
        caller: &Caller,
        state: &AppState,
    ) -> Result<Self, ApiError> {
        let settings = &state.settings;
        refuse_what_would_stay(raw.session.as_deref(), raw.keep.as_deref())?;
        refuse_tools(raw.tools.as_deref())?;
        if raw.setup.is_some() && raw.from.is_some() {
            return Err(ApiError::bad_request(
                "Parameters 'setup' and 'from' exclude each other",
                "Rows start from what `setup` left, or from the snapshot that `from` names",
            ));
        }
        let isolation = parse_word(
            "isolation",
            raw.isolation.as_deref(),
            Isolation::ALL,
            Isolation::name,
        )?;
        if isolation == Some(Isolation::Shared) && raw.program.is_none() {
            return Err(ApiError::bad_request(
                "Programs cannot share a process",
                "Send one `program` and its inputs, or leave `isolation` out",
            ));
        }
        let isolation = isolation.unwrap_or(Isolation::Process);
        let most = settings.batch_concurrency() as usize;
        let usual = match isolation {
            Isolation::Process => most,
            // They only wait for each other's processor: there is nothing to do between rows.
            Isolation::Shared => available_parallelism().map_or(1, NonZero::get),
        };
        let head = Self {
            concurrency: parse_concurrency(raw.concurrency.as_deref())?
                .unwrap_or(usual)
                .min(most),
            total: request::parse_milliseconds(
                "total_timeout",
                raw.total_timeout.as_deref(),
                (settings.batch_timeout, "FAAS_BATCH_TIMEOUT"),
            )?,
            stop_on: parse_word("stop_on", raw.stop_on.as_deref(), StopOn::ALL, StopOn::name)?,
            isolation,
            raw,
            _share: share,
        };
        head.check_rows(caller, state)?;
        Ok(head)
    }

    /// Says at once what is wrong with every row, or with the set-up.
    fn check_rows(&self, caller: &Caller, state: &AppState) -> Result<(), ApiError> {
        let any = serde_json::value::to_raw_value(" ")
            .map_err(|error| ApiError::failed(error.to_string()))?;
        let nothing = self.share_of_nothing();
        let row = self.row(&any, None, nothing, caller, &state.settings)?;
        state.pool.can_start(&row.execution)?;
        if self.has_setup() {
            self.setup(self.share_of_nothing(), caller, &state.settings)?;
        }
        Ok(())
    }

    fn share_of_nothing(&self) -> Share {
        self._share.of_nothing()
    }

    pub fn has_setup(&self) -> bool {
        self.raw.setup.is_some()
    }

    /// The program that runs before the rows, and is kept.
    ///
    /// # Errors
    /// As [`request::parse`].
    pub fn setup(
        &self,
        share: Share,
        caller: &Caller,
        settings: &Settings,
    ) -> Result<RunRequest, ApiError> {
        let raw = RawRequest {
            language: self.raw.language.as_deref(),
            code: self.raw.setup.as_deref(),
            packages: self.raw.packages.as_deref(),
            files: self.raw.files.as_deref(),
            priority: self.raw.priority.as_deref(),
            timings: self.raw.timings.as_deref(),
            ..RawRequest::default()
        };
        let mut request = request::check(raw, share, caller, settings)?;
        let job = &mut request.execution.job;
        // `timeout` is that of a row.
        job.limits.wall = settings.max_execution_time.min(self.total);
        job.keep = true;
        self.go_behind(&mut request);
        Ok(request)
    }

    /// The request of a row, which starts from a snapshot if there was a set-up.
    ///
    /// # Errors
    /// As [`request::parse`].
    pub fn row(
        &self,
        row: &RawValue,
        snapshot: Option<&SnapshotId>,
        share: Share,
        caller: &Caller,
        settings: &Settings,
    ) -> Result<RunRequest, ApiError> {
        let (packages, files) = match self.has_setup() {
            true => (None, None),
            false => (self.raw.packages.as_deref(), self.raw.files.as_deref()),
        };
        let own = match &self.raw.program {
            Some(program) => RawRow {
                code: Some(program),
                input: Some(row),
                ..RawRow::default()
            },
            None => RawRow::parse(row)?,
        };
        let raw = RawRequest {
            language: self.raw.language.as_deref(),
            code: own.code,
            input: own.input,
            stdin: own.stdin.or(self.raw.stdin.as_deref()),
            args: own.args.or(self.raw.args.as_deref()),
            timeout: self.raw.timeout.as_deref(),
            priority: self.raw.priority.as_deref(),
            collect: self.raw.collect.as_deref(),
            ext: self.raw.ext.as_deref(),
            packages,
            files,
            limits: self.raw.limits.as_deref(),
            from: self.raw.from.as_deref(),
            random: self.raw.random.as_deref(),
            timings: self.raw.timings.as_deref(),
            ..RawRequest::default()
        };
        let mut request = request::check(raw, share, caller, settings)?;
        let execution = &mut request.execution;
        if self.raw.random.is_none() {
            execution.job.randomness = Randomness::Fresh;
        }
        if let Some(snapshot) = snapshot {
            execution.start = Start::Snapshot(snapshot.clone());
            execution.job.auto_install = false;
        }
        self.go_behind(&mut request);
        Ok(request)
    }

    /// Checks an input of a row that shares its process.
    ///
    /// # Errors
    /// As [`request::parse`].
    pub fn check_input(&self, row: &RawValue, settings: &Settings) -> Result<(), ApiError> {
        let language = request::parse_language(self.raw.language.as_deref(), settings)?;
        request::parse_input(Some(row), language).map(drop)
    }

    /// Has single requests of the same caller go first, unless the batch says otherwise.
    fn go_behind(&self, request: &mut RunRequest) {
        if self.raw.priority.is_none() {
            request.execution.priority = Priority::Low;
        }
    }
}

/// A row that is a program.
#[derive(Default, Deserialize)]
struct RawRow<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    stdin: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    keep: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

impl<'a> RawRow<'a> {
    fn parse(row: &'a RawValue) -> Result<Self, ApiError> {
        match bounded::kind(row) {
            Kind::String => Ok(Self {
                code: Some(row),
                ..Self::default()
            }),
            Kind::Object => {
                let own: Self = serde_json::from_str(row.get())
                    .map_err(|error| ApiError::not_json(error.to_string()))?;
                refuse_what_would_stay(own.session, own.keep)?;
                refuse_tools(own.tools)?;
                Ok(own)
            }
            _ => Err(ApiError::bad_request(
                "A program must be a string or an object",
                "Send its text, or an object such as {\"code\": \"print(input())\", \"stdin\": \"3\"}",
            )),
        }
    }
}

/// # Errors
/// 400: rows are no cells of a session, and what they leave is not kept.
fn refuse_what_would_stay(
    session: Option<&RawValue>,
    keep: Option<&RawValue>,
) -> Result<(), ApiError> {
    if session.is_some() {
        return Err(ApiError::bad_request(
            "A batch has no session",
            "Leave `session` out, and send cells to POST /run_code; rows can start from a snapshot (`from`), which \
             a cell with \"keep\": true leaves",
        ));
    }
    if keep.is_some_and(|keep| keep.get() != "false") {
        return Err(ApiError::bad_request(
            "Rows are not kept",
            "Leave `keep` out, or send the program whose state is to stay to POST /run_code",
        ));
    }
    Ok(())
}

/// # Errors
/// 400: who sends a batch does not wait for the calls of its rows.
fn refuse_tools(tools: Option<&RawValue>) -> Result<(), ApiError> {
    if tools.is_some() {
        return Err(ApiError::bad_request(
            "A batch has no tools",
            "Leave `tools` out, and send programs that call tools to POST /run_code, one by one",
        ));
    }
    Ok(())
}

fn parse_concurrency(field: Option<&RawValue>) -> Result<Option<usize>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    match bounded::parse::<u64>(raw, Kind::Number)? {
        Some(wanted @ 1..) => Ok(Some(usize::try_from(wanted).unwrap_or(usize::MAX))),
        _ => Err(ApiError::bad_request(
            "Parameter 'concurrency' must be a positive integer",
            "Send how many rows may run at once; more than FAAS_BATCH_CONCURRENCY are reduced to it",
        )),
    }
}

fn parse_word<T: Copy, const N: usize>(
    name: &str,
    field: Option<&RawValue>,
    all: [T; N],
    word: fn(T) -> &'static str,
) -> Result<Option<T>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let sent = bounded::parse::<String>(raw, Kind::String)?;
    let found = all
        .into_iter()
        .find(|one| Some(word(*one)) == sent.as_deref());
    found.map(Some).ok_or_else(|| {
        let words = all.map(word).join(" or ");
        ApiError::bad_request(
            format!("Parameter '{name}' must be {words}"),
            format!("Send `{name}` as one of these strings, or leave it out"),
        )
    })
}
