//! `GET /openapi.json`: the API as an OpenAPI document. The shapes come from the types that answers are
//! written from and requests are read into; the routes are listed here.
//!
//! `docs/openapi.json` is a copy of it, from which the types of the page at `/` are made.

use std::sync::LazyLock;

use axum::Json;
use serde_json::Value;
use serde_json::json;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::AllOfBuilder;
use utoipa::openapi::Components;
use utoipa::openapi::ComponentsBuilder;
use utoipa::openapi::Content;
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::Header;
use utoipa::openapi::HttpMethod;
use utoipa::openapi::InfoBuilder;
use utoipa::openapi::LicenseBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::OneOfBuilder;
use utoipa::openapi::OpenApi;
use utoipa::openapi::OpenApiBuilder;
use utoipa::openapi::PathItem;
use utoipa::openapi::Paths;
use utoipa::openapi::PathsBuilder;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::Required;
use utoipa::openapi::Response;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::Server;
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::path::ParameterBuilder;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::Http;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::security::SecurityScheme;

use super::batch::BatchLine;
use super::batch::RawBatch;
use super::check_code::CheckResponse;
use super::error::ErrorBody;
use super::executions;
use super::executions::ExecutionBody;
use super::executions::ExecutionList;
use super::health::Health;
use super::idempotency;
use super::jobs;
use super::jobs::JobBody;
use super::jobs::JobList;
use super::jobs::JobOptions;
use super::jobs::JobRequest;
use super::jobs::JobResult;
use super::metrics::MetricsBody;
use super::ready::Ready;
use super::request;
use super::request::RawCheck;
use super::request::RawFork;
use super::request::RawRequest;
use super::request::RawSession;
use super::request::RawUndo;
use super::response::RunResponse;
use super::sessions::FilesBody;
use super::sessions::Interrupted;
use super::sessions::SessionBody;
use super::sessions::SessionList;
use super::sessions::VariablesBody;
use super::snapshots::SnapshotBody;
use super::snapshots::SnapshotList;
use super::tools::Accepted;
use super::tools::Described;
use super::tools::RawContinue;
use super::tools::RawDescribe;
use super::words::OutcomeWord;

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(document);

/// The security scheme, and the responses that several routes share.
const TOKEN: &str = "token";
const ERROR: &str = "Error";
const UNAUTHORIZED: &str = "Unauthorized";
const TRY_LATER: &str = "TryLater";

/// The route's handler.
pub async fn openapi() -> Json<&'static OpenApi> {
    Json(&DOCUMENT)
}

fn document() -> OpenApi {
    let license = LicenseBuilder::new()
        .name(env!("CARGO_PKG_LICENSE"))
        .identifier(Some(env!("CARGO_PKG_LICENSE")))
        .build();
    let info = InfoBuilder::new()
        .title("faas-server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Runs untrusted programs, each in a sandbox of its own.",
        ))
        .license(Some(license));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([Server::new(".")]))
        .paths(paths())
        .components(Some(components()))
        .security(Some([
            SecurityRequirement::default(),
            SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, []),
        ]))
        .build()
}

/// Route, method and code of each answer that is described.
pub fn answers() -> Vec<(String, &'static str, u16)> {
    let mut answers = Vec::new();
    for (route, item) in paths().paths {
        for (method, operation) in [
            ("GET", item.get),
            ("POST", item.post),
            ("PUT", item.put),
            ("DELETE", item.delete),
        ] {
            let responses = operation.map(|operation| operation.responses.responses);
            let codes = responses.unwrap_or_default().into_keys();
            let codes = codes.filter_map(|code| code.parse().ok());
            answers.extend(codes.map(|code| (route.clone(), method, code)));
        }
    }
    answers
}

fn paths() -> Paths {
    let get = |operation: OperationBuilder| PathItem::new(HttpMethod::Get, operation);
    let post = |operation: OperationBuilder| PathItem::new(HttpMethod::Post, operation);
    PathsBuilder::new()
        .path("/run_code", post(run_code()))
        .path("/run_code/continue", post(continue_program()))
        .path("/tools/describe", post(describe_tools()))
        .path("/run_batch", post(run_batch()))
        .path("/check_code", post(check_code()))
        .path("/health", get(health()))
        .path("/ready", get(ready()))
        .path("/metrics", get(metrics()))
        .path("/executions", get(list_executions()))
        .path("/executions/{task_id}", get(find_execution()))
        .path("/snapshots", get(list_snapshots()))
        .path("/snapshots/{id}", one_snapshot())
        .path("/sessions", all_sessions())
        .path("/sessions/{id}", one_session())
        .path("/sessions/{id}/fork", post(fork_session()))
        .path("/sessions/{id}/undo", post(undo_session()))
        .path("/sessions/{id}/restart", post(restart_session()))
        .path("/sessions/{id}/interrupt", post(interrupt_session()))
        .path("/sessions/{id}/variables", get(session_variables()))
        .path("/sessions/{id}/files", get(session_files()))
        .path("/sessions/{id}/files/{path}", one_session_file())
        .path("/jobs", all_jobs())
        .path("/jobs/{id}", one_job())
        .path("/jobs/{id}/results", get(job_results()))
        .path("/openapi.json", get(this_document()))
        .build()
}

fn run_code() -> OperationBuilder {
    let answer = ResponseBuilder::new()
        .description("The program ran")
        .content(JSON, json_of::<RunResponse>())
        .content("text/event-stream", text());
    let operation = operation("runCode", "Run a program")
        .description(Some(
            "Answers 200 also when the program fails: `metadata.status` says how it ended. With \
             `Accept: text/event-stream` the output comes while the program runs, as the events \
             `stdout` and `stderr` with `{\"text\": …}`; the last event is `result` with the usual \
             answer, or `error`.",
        ))
        .parameter(idempotency_key())
        .request_body(Some(body_of::<RawRequest>(json!({
            "language": "python",
            "code": "print('Hello from Python!')",
        }))))
        .response("200", answer.build())
        .response("409", shared(ERROR));
    of_programs(operation)
}

fn continue_program() -> OperationBuilder {
    let accepted = "The program has the results; what comes of them is in its stream";
    let operation = operation(
        "continueProgram",
        "Bring a program the results of its calls of tools",
    )
    .description(Some(
        "Answers as `POST /run_code`, once the program waits again, or ends.",
    ))
    .parameter(idempotency_key())
    .request_body(Some(body_of::<RawContinue>(json!({
        "continuation": "cont-0123456789abcdef0123456789abcdef",
        "results": [{"id": "call-1", "result": 42}],
    }))))
    .response("200", answer_of::<RunResponse>("The program went on"))
    .response("202", answer_of::<Accepted>(accepted))
    .response("409", shared(ERROR));
    of_programs(operation)
}

fn describe_tools() -> OperationBuilder {
    let operation = operation("describeTools", "Say what tools look like to programs")
        .request_body(Some(body_of::<RawDescribe>(json!({
            "tools": [{"name": "half", "description": "Halves a number."}],
        }))))
        .response("200", answer_of::<Described>("For prompts of models"))
        .response("429", shared(TRY_LATER));
    with_body(with_usual(operation))
}

fn run_batch() -> OperationBuilder {
    let lines = ResponseBuilder::new()
        .description(
            "Lines of JSON: the set-up's if there is one, one for each row as it ends, a summary",
        )
        .content(NDJSON, json_of::<BatchLine>());
    let mut body = body_of::<RawBatch>(json!({
        "language": "python",
        "setup": "def double(x): return 2 * x",
        "program": "double(input_data)",
        "inputs": [1, 2, 3],
    }));
    let stream = json_of::<RawBatch>();
    body.content.insert(NDJSON.into(), stream.into());
    let operation = operation("runBatch", "Run many programs, or one over many inputs")
        .description(Some(
            "Answers 200 when the first row can run; each row's line says how it ended. With \
             `Content-Type: application/x-ndjson` the first line of the body has all fields but `inputs` and \
             `programs`, and each further one is an input, or a program if there is no `program`.",
        ))
        .request_body(Some(body))
        .response("200", lines.build());
    of_programs(operation)
}

fn idempotency_key() -> ParameterBuilder {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(idempotency::PATTERN));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "A new one for each request, such as a UUID. A request that is sent again with it and the same body gets \
             the answer of the first, for ten minutes, and its program does not run again",
        ))
        .schema(Some(text))
}

fn check_code() -> OperationBuilder {
    operation("checkCode", "Look at a program without running it")
        .request_body(Some(body_of::<RawCheck>(json!({
            "language": "python",
            "code": "import json\nprint(1)",
        }))))
        .response("200", answer_of::<CheckResponse>("What was found"))
        .response("400", shared(ERROR))
        .response("401", shared(UNAUTHORIZED))
        .response("403", shared(ERROR))
        .response("408", shared(ERROR))
        .response("413", shared(ERROR))
        .response("415", shared(ERROR))
        .response("429", shared(TRY_LATER))
        .response("500", shared(ERROR))
        .response("503", shared(TRY_LATER))
}

fn health() -> OperationBuilder {
    let up = "Every runtime serves";
    let down = "A runtime is not up; `reason` says which and why";
    operation("health", "Say whether the service can serve")
        // Open to all, with a token or without.
        .securities(Some([]))
        .response("200", answer_of::<Health>(up))
        .response("400", shared(ERROR))
        .response("403", shared(ERROR))
        .response("503", answer_of::<Health>(down))
}

fn ready() -> OperationBuilder {
    let taken = "A request that came now would be taken";
    let not_taken = "It would not, or should go elsewhere; `reason` says why";
    operation("ready", "Say whether requests should be sent here")
        .securities(Some([]))
        .parameter(query("language", request::language_names()))
        .response("200", answer_of::<Ready>(taken))
        .response("400", shared(ERROR))
        .response("403", shared(ERROR))
        .response("503", answer_of::<Ready>(not_taken))
}

fn metrics() -> OperationBuilder {
    let answer = ResponseBuilder::new()
        .description("Counters, gauges and histograms")
        .content("text/plain", text())
        .content("application/openmetrics-text", text())
        .content(JSON, json_of::<MetricsBody>());
    operation("metrics", "Numbers of the service")
        .description(Some(
            "In the format that the `Accept` header prefers; without one, Prometheus text format \
             0.0.4.",
        ))
        .response("200", answer.build())
        .response("400", shared(ERROR))
        .response("401", shared(UNAUTHORIZED))
        .response("403", shared(ERROR))
}

fn list_executions() -> OperationBuilder {
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(executions::MAX_LIMIT))
        .default(Some(executions::DEFAULT_LIMIT.into()));
    let since = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(executions::SINCE));
    let since = query("since", since)
        .description(Some(
            "Started then or later: a time as in RFC 3339, one without a zone or a date (both in UTC), or \
             milliseconds since 1970",
        ))
        .example(Some("2026-01-31T12:00:00Z".into()));
    operation("listExecutions", "What ran lately, newest first")
        .parameter(query("status", reference::<OutcomeWord>()))
        .parameter(query("language", request::language_names()))
        .parameter(since)
        .parameter(
            query("request_id", ObjectBuilder::new().schema_type(Type::String))
                .description(Some("Those of the request with this `X-Request-Id`")),
        )
        .parameter(
            query("before", ObjectBuilder::new().schema_type(Type::String)).description(Some(
                "`next` of the list before, or any task_id: the executions that come after it",
            )),
        )
        .parameter(query("limit", limit))
        .response(
            "200",
            answer_of::<ExecutionList>("Executions, without their programs"),
        )
        .response("400", shared(ERROR))
        .response("401", shared(UNAUTHORIZED))
        .response("403", shared(ERROR))
        .response("404", shared(ERROR))
        .response("503", shared(TRY_LATER))
}

fn find_execution() -> OperationBuilder {
    let task_id = in_path("task_id", "`metadata.task_id` of an answer");
    operation("findExecution", "One execution")
        .description(Some(
            "With the program and its output if the service was started with FAAS_HISTORY_BODIES=1.",
        ))
        .parameter(task_id)
        .response("200", answer_of::<ExecutionBody>("The execution"))
        .response("400", shared(ERROR))
        .response("401", shared(UNAUTHORIZED))
        .response("403", shared(ERROR))
        .response("404", shared(ERROR))
        .response("503", shared(TRY_LATER))
}

fn list_snapshots() -> OperationBuilder {
    let list = operation("listSnapshots", "What the caller's programs left").response(
        "200",
        answer_of::<SnapshotList>("Snapshots, the oldest first"),
    );
    with_usual(list)
}

fn one_snapshot() -> PathItem {
    let of_one = |operation: OperationBuilder| {
        with_usual(operation.parameter(in_path("id", "`metadata.snapshot.id` of an answer")))
            .response("404", shared(ERROR))
            .response("410", shared(ERROR))
    };
    let find = of_one(operation("findSnapshot", "One snapshot"))
        .response("200", answer_of::<SnapshotBody>("The snapshot"));
    let deleted = ResponseBuilder::new().description("It is gone").build();
    let delete = of_one(operation("deleteSnapshot", "Delete a snapshot"))
        .description(Some("Programs that started from it go on."))
        .response("204", deleted);
    let mut item = PathItem::new(HttpMethod::Get, find);
    item.merge_operations(PathItem::new(HttpMethod::Delete, delete));
    item
}

/// Answers that every route has whose callers need the token.
fn with_usual(operation: OperationBuilder) -> OperationBuilder {
    operation
        .response("400", shared(ERROR))
        .response("401", shared(UNAUTHORIZED))
        .response("403", shared(ERROR))
}

/// Those that every route about one session has.
fn of_session(operation: OperationBuilder) -> OperationBuilder {
    with_usual(operation.parameter(in_path("id", "`id` of a session")))
        .response("404", shared(ERROR))
        .response("410", shared(ERROR))
}

/// Those of routes that run programs.
fn of_programs(operation: OperationBuilder) -> OperationBuilder {
    in_sandbox(with_body(with_usual(operation)))
        .response("404", shared(ERROR))
        .response("410", shared(ERROR))
        .response("501", shared(ERROR))
}

/// Those of routes that have a sandbox do something.
fn in_sandbox(operation: OperationBuilder) -> OperationBuilder {
    operation
        .response("422", shared(ERROR))
        .response("429", shared(TRY_LATER))
        .response("500", shared(ERROR))
        .response("503", shared(TRY_LATER))
}

/// Those of routes that read a body.
fn with_body(operation: OperationBuilder) -> OperationBuilder {
    operation
        .response("408", shared(ERROR))
        .response("413", shared(ERROR))
        .response("415", shared(ERROR))
}

fn in_path(name: &str, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
}

fn all_sessions() -> PathItem {
    let name = query("name", ObjectBuilder::new().schema_type(Type::String));
    let name = name.description(Some("The session of this name only"));
    let list = with_usual(operation("listSessions", "The caller's sessions"))
        .parameter(name)
        .response(
            "200",
            answer_of::<SessionList>("Sessions, the oldest first"),
        );
    let open = of_programs(operation("openSession", "Open a session"))
        .description(Some(
            "Its cells are sent to `POST /run_code` with its id as `session`: each goes on from what the one before \
             left.",
        ))
        .request_body(Some(body_of::<RawSession>(json!({ "language": "python" }))))
        .response("201", answer_of::<SessionBody>("The session"))
        .response("409", shared(ERROR));
    let mut item = PathItem::new(HttpMethod::Get, list);
    item.merge_operations(PathItem::new(HttpMethod::Post, open));
    item
}

fn one_session() -> PathItem {
    let find = of_session(operation("findSession", "One session"))
        .response("200", answer_of::<SessionBody>("The session"));
    let over = ResponseBuilder::new().description("It is over").build();
    let delete = of_session(operation("deleteSession", "End a session"))
        .description(Some("The cell that runs is given up."))
        .response("204", over);
    let mut item = PathItem::new(HttpMethod::Get, find);
    item.merge_operations(PathItem::new(HttpMethod::Delete, delete));
    item
}

fn fork_session() -> OperationBuilder {
    let fork = operation(
        "forkSession",
        "Open sessions that go on from the state of this one",
    );
    with_body(of_session(fork))
        .request_body(Some(body_of::<RawFork>(json!({ "count": 2 }))))
        .response(
            "201",
            answer_of::<SessionList>("The sessions that were opened"),
        )
        .response("429", shared(TRY_LATER))
        .response("503", shared(TRY_LATER))
}

fn undo_session() -> OperationBuilder {
    let undo = operation(
        "undoSession",
        "Go back to what the session was before its last cells",
    );
    with_body(of_session(undo))
        .request_body(Some(body_of::<RawUndo>(json!({ "steps": 1 }))))
        .response("200", answer_of::<SessionBody>("The session"))
        .response("409", shared(ERROR))
        .response("429", shared(TRY_LATER))
}

fn restart_session() -> OperationBuilder {
    of_session(operation(
        "restartSession",
        "Go back to where the session began",
    ))
    .response("200", answer_of::<SessionBody>("The session"))
    .response("429", shared(TRY_LATER))
}

fn interrupt_session() -> OperationBuilder {
    of_session(operation("interruptSession", "Interrupt the cell that runs"))
        .description(Some(
            "Python raises KeyboardInterrupt where the cell is, JavaScript ends; the session has what the cell left.",
        ))
        .response("200", answer_of::<Interrupted>("Whether a cell ran"))
}

fn session_variables() -> OperationBuilder {
    in_sandbox(of_session(operation(
        "sessionVariables",
        "The variables that cells left",
    )))
    .response("200", answer_of::<VariablesBody>("The variables"))
}

fn session_files() -> OperationBuilder {
    in_sandbox(of_session(operation(
        "sessionFiles",
        "The files in the working directory",
    )))
    .response("200", answer_of::<FilesBody>("The files"))
}

fn one_session_file() -> PathItem {
    let of_file = |operation: OperationBuilder| {
        let path = in_path("path", "The file's name, relative to the working directory");
        in_sandbox(of_session(operation).parameter(path))
    };
    let bytes = || Content::new(Some(ObjectBuilder::new().schema_type(Type::String)));
    let contents = ResponseBuilder::new()
        .description("The file's bytes")
        .content(BYTES, bytes());
    let read = of_file(operation("readSessionFile", "A file"))
        .response("200", contents.build())
        .response("413", shared(ERROR));
    let body = RequestBodyBuilder::new().content(BYTES, bytes()).build();
    let put = with_body(of_file(operation("putSessionFile", "Write a file")))
        .description(Some("That can be undone, as a cell can."))
        .request_body(Some(body))
        .response("200", answer_of::<SessionBody>("The session"));
    let delete = of_file(operation("deleteSessionFile", "Delete a file"))
        .description(Some("That can be undone, as a cell can."))
        .response("200", answer_of::<SessionBody>("The session"));
    let mut item = PathItem::new(HttpMethod::Get, read);
    item.merge_operations(PathItem::new(HttpMethod::Put, put));
    item.merge_operations(PathItem::new(HttpMethod::Delete, delete));
    item
}

fn all_jobs() -> PathItem {
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(jobs::MAX_LIMIT))
        .default(Some(jobs::DEFAULT_LIMIT.into()));
    let before = query("before", ObjectBuilder::new().schema_type(Type::String)).description(Some(
        "`next` of the list before, or any id: the jobs that come after it",
    ));
    let list = of_jobs(operation("listJobs", "The caller's jobs, newest first"))
        .parameter(before)
        .parameter(query("limit", limit))
        .response("200", answer_of::<JobList>("Jobs"));
    let mut body = body_of::<JobRequest>(json!({
        "program": "input_data * 2",
        "inputs": [1, 2, 3],
    }));
    body.content
        .insert(NDJSON.into(), json_of::<JobRequest>().into());
    let accepted = ResponseBuilder::new()
        .description("The job is kept, and will run whatever becomes of the service")
        .header(
            "Location",
            Header::new(ObjectBuilder::new().schema_type(Type::String)),
        )
        .content(JSON, json_of::<JobBody>());
    let submit = of_programs(operation("submitJob", "Have a program or a batch run later"))
        .description(Some(
            "Takes what `POST /run_code` or `POST /run_batch` takes, lines included. A body with `programs`, `program`, \
             `inputs` or `setup` is a batch, any other a program.",
        ))
        .parameter(idempotency_key().description(Some(
            "A new one for each request, such as a UUID. A request that is sent again with it and the same body gets \
             the job of the first, as long as that is kept",
        )))
        .request_body(Some(body))
        .response("202", accepted.build())
        .response("507", shared(TRY_LATER));
    let mut item = PathItem::new(HttpMethod::Get, list);
    item.merge_operations(PathItem::new(HttpMethod::Post, submit));
    item
}

fn one_job() -> PathItem {
    let find =
        of_job(operation("findJob", "One job")).response("200", answer_of::<JobBody>("The job"));
    let forgotten = ResponseBuilder::new()
        .description("It had ended, and is forgotten with its results")
        .build();
    let delete = of_job(operation("deleteJob", "Cancel or forget a job"))
        .description(Some(
            "One that has not ended is cancelled: what runs of it is ended, its results so far are kept. One that has \
             is forgotten.",
        ))
        .response("200", answer_of::<JobBody>("It had not ended, and is cancelled"))
        .response("204", forgotten)
        .response("507", shared(TRY_LATER));
    let mut item = PathItem::new(HttpMethod::Get, find);
    item.merge_operations(PathItem::new(HttpMethod::Delete, delete));
    item
}

fn job_results() -> OperationBuilder {
    let from = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .default(Some(0.into()));
    let from = query("from", from).description(Some(
        "How many results the caller has: those behind them are sent",
    ));
    let follow = query("follow", ObjectBuilder::new().schema_type(Type::Boolean)).description(
        Some("Whether to wait for those that are still to come, until the job's end"),
    );
    let lines = ResponseBuilder::new()
        .description("Lines of JSON, one for each row, in the order in which they ended")
        .content(NDJSON, json_of::<JobResult>());
    of_job(operation("jobResults", "Results of a job"))
        .parameter(from)
        .parameter(follow)
        .response("200", lines.build())
}

/// Those that every route of jobs has.
fn of_jobs(operation: OperationBuilder) -> OperationBuilder {
    with_usual(operation)
        .response("404", shared(ERROR))
        .response("503", shared(TRY_LATER))
}

/// Those that every route about one job has.
fn of_job(operation: OperationBuilder) -> OperationBuilder {
    of_jobs(operation.parameter(in_path("id", "`id` of a job"))).response("410", shared(ERROR))
}

fn this_document() -> OperationBuilder {
    let any = Content::new(Some(ObjectBuilder::new()));
    let answer = ResponseBuilder::new()
        .description("An OpenAPI document")
        .content(JSON, any);
    operation("openapi", "This description")
        .response("200", answer.build())
        .response("400", shared(ERROR))
        .response("401", shared(UNAUTHORIZED))
        .response("403", shared(ERROR))
}

fn components() -> Components {
    let token = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "Needed if the service was started with FAAS_API_TOKEN or FAAS_API_TOKENS_FILE",
        ))
        .build();
    let header = |schema_type: Type| Header::new(ObjectBuilder::new().schema_type(schema_type));
    let error = |description: &str| {
        ResponseBuilder::new()
            .description(description)
            .content(JSON, json_of::<ErrorBody>())
    };
    let refused = error("The request was not carried out; `details` says what to do about it");
    let unauthorized =
        error("The token is missing or wrong").header("WWW-Authenticate", header(Type::String));
    let try_later = error("The service is full, starting or shutting down")
        .header("Retry-After", header(Type::Integer));
    let mut schemas = Vec::new();
    add::<RawRequest>(&mut schemas);
    say_what_a_program_is(&mut schemas);
    add::<RunResponse>(&mut schemas);
    add::<RawContinue>(&mut schemas);
    add::<Accepted>(&mut schemas);
    add::<RawDescribe>(&mut schemas);
    add::<Described>(&mut schemas);
    add::<RawBatch>(&mut schemas);
    add::<BatchLine>(&mut schemas);
    add::<RawCheck>(&mut schemas);
    add::<CheckResponse>(&mut schemas);
    add::<Health>(&mut schemas);
    add::<Ready>(&mut schemas);
    add::<MetricsBody>(&mut schemas);
    add::<ExecutionList>(&mut schemas);
    add::<SnapshotList>(&mut schemas);
    add::<RawSession>(&mut schemas);
    add::<RawFork>(&mut schemas);
    add::<RawUndo>(&mut schemas);
    add::<SessionList>(&mut schemas);
    add::<Interrupted>(&mut schemas);
    add::<VariablesBody>(&mut schemas);
    add::<FilesBody>(&mut schemas);
    add::<JobRequest>(&mut schemas);
    add::<JobOptions>(&mut schemas);
    add::<JobList>(&mut schemas);
    add::<JobResult>(&mut schemas);
    add::<ErrorBody>(&mut schemas);
    ComponentsBuilder::new()
        .security_scheme(TOKEN, SecurityScheme::Http(token))
        .response(ERROR, refused.build())
        .response(UNAUTHORIZED, unauthorized.build())
        .response(TRY_LATER, try_later.build())
        .schemas_from_iter(schemas)
        .build()
}

/// Adds a type and those that it is made of.
fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// Adds to a request to run a program that it has either the program's text or the name of its file.
fn say_what_a_program_is(schemas: &mut [(String, RefOr<Schema>)]) {
    let string = || ObjectBuilder::new().schema_type(Type::String);
    let null = || ObjectBuilder::new().schema_type(Type::Null);
    let text = ObjectBuilder::new()
        .property("code", string().min_length(Some(1)))
        .property("entry_point", null())
        .required("code");
    let file = ObjectBuilder::new()
        .property("code", null())
        .property("entry_point", string())
        .required("entry_point")
        .required("files");
    let either = Schema::OneOf(OneOfBuilder::new().item(text).item(file).build());
    let name = RawRequest::name();
    for (_, schema) in schemas.iter_mut().filter(|(known, _)| *known == name) {
        let both = AllOfBuilder::new()
            .item(schema.clone())
            .item(either.clone());
        *schema = Schema::AllOf(both.build()).into();
    }
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const BYTES: &str = "application/octet-stream";

fn operation(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
}

/// A type of the components.
fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

/// A response of the components.
fn shared(name: &str) -> RefOr<Response> {
    Ref::from_response_name(name).into()
}

fn json_of<T: ToSchema>() -> Content {
    Content::new(Some(reference::<T>()))
}

fn text() -> Content {
    Content::new(Some(String::schema()))
}

fn answer_of<T: ToSchema>(description: &str) -> Response {
    ResponseBuilder::new()
        .description(description)
        .content(JSON, json_of::<T>())
        .build()
}

fn body_of<T: ToSchema>(example: Value) -> RequestBody {
    let content = ContentBuilder::new()
        .schema(Some(reference::<T>()))
        .example(Some(example));
    RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(JSON, content.build())
        .build()
}

fn query(name: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .schema(Some(schema))
}

#[cfg(test)]
mod tests {
    use faas_protocol::Status;

    use super::*;

    #[test]
    fn the_committed_copy_is_this_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let document = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap() == document,
            "docs/openapi.json is stale: run this test with UPDATE_DOCS=1, then npm --prefix web run schema"
        );
    }

    #[test]
    fn the_document_lists_every_status() {
        let document = serde_json::to_value(document()).unwrap();
        let schemas = &document["components"]["schemas"];
        let statuses = Status::ALL.map(Status::name);
        let of_answers = [&statuses[..], &["tool_calls"]].concat();
        assert_eq!(schemas["AnswerStatus"]["enum"], json!(of_answers));
        let outcomes = [&statuses[..], &["cancelled", "cut_off"]].concat();
        assert_eq!(schemas["Outcome"]["enum"], json!(outcomes));
    }

    #[test]
    fn a_request_needs_a_program_and_no_other_field() {
        let document = serde_json::to_value(document()).unwrap();
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["CheckRequest"]["required"], json!(["code"]));
        let [fields, program] = [0, 1].map(|part| &schemas["RunRequest"]["allOf"][part]);
        assert_eq!(fields["required"], json!(null));
        let needed = [0, 1].map(|one| &program["oneOf"][one]["required"]);
        assert_eq!(needed, [&json!(["code"]), &json!(["entry_point", "files"])]);
    }
}
