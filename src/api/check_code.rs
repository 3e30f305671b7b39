//! `POST /check_code`: what can be said of a program without running it.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use faas_protocol::Complexity;
use faas_protocol::Fault;
use faas_protocol::Findings;
use faas_protocol::FunctionFigures;
use faas_protocol::Import;
use faas_protocol::Language;
use faas_protocol::Loops;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::ApiError;
use super::execute::analyse;
use super::request;
use super::state::AppState;
use super::words::LanguageWord;
use super::words::Named;

/// What was found in a program.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckResponse {
    language: LanguageWord,
    /// Whether the program compiles.
    valid: bool,
    /// Why it does not.
    errors: Vec<FaultBody>,
    /// What it imports, in the order of the source.
    imports: Vec<ImportBody>,
    /// Absent if the program does not compile, or is too deeply nested to be parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    complexity: Option<ComplexityBody>,
}

/// A syntax error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SyntaxError)]
struct FaultBody {
    /// Counted from 1; 0 if unknown.
    line: u32,
    /// Counted from 1; 0 if unknown.
    column: u32,
    message: String,
}

/// A module that the program imports somewhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Import)]
struct ImportBody {
    module: String,
    line: u32,
    /// Whether the import works without installing anything.
    available: bool,
    /// If it does not: the package to ask for, if a source has one.
    #[schema(required)]
    package: Option<String>,
}

/// How complex a program is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Complexity)]
struct ComplexityBody {
    statements: u32,
    /// Deepest nesting of `if`, loops, `try`, `with`, `match` and the like.
    max_nesting: u32,
    /// Highest cyclomatic complexity (McCabe) of its functions and of its top level.
    max_cyclomatic: u32,
    /// The top level first, as `<module>`.
    functions: Vec<FunctionBody>,
    loops: LoopsBody,
}

/// One function, without those inside it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FunctionFigures)]
struct FunctionBody {
    name: String,
    line: u32,
    statements: u32,
    nesting: u32,
    cyclomatic: u32,
}

/// Loops and comprehensions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Loops)]
struct LoopsBody {
    count: u32,
    /// How deep they are nested within a function.
    max_depth: u32,
    /// What that suggests, such as `O(n^2)`; how often each loop runs is not known.
    estimate: String,
}

impl CheckResponse {
    fn new(language: Language, findings: Findings) -> Self {
        let Findings {
            valid,
            errors,
            imports,
            complexity,
        } = findings;
        Self {
            language: Named(language),
            valid,
            errors: errors.into_iter().map(Into::into).collect(),
            imports: imports.into_iter().map(Into::into).collect(),
            complexity: complexity.map(Into::into),
        }
    }
}

impl From<Fault> for FaultBody {
    fn from(fault: Fault) -> Self {
        let Fault {
            line,
            column,
            message,
        } = fault;
        Self {
            line,
            column,
            message,
        }
    }
}

impl From<Import> for ImportBody {
    fn from(import: Import) -> Self {
        let Import {
            module,
            line,
            available,
            package,
        } = import;
        Self {
            module,
            line,
            available,
            package,
        }
    }
}

impl From<Complexity> for ComplexityBody {
    fn from(complexity: Complexity) -> Self {
        let Complexity {
            statements,
            max_nesting,
            max_cyclomatic,
            functions,
            loops,
        } = complexity;
        Self {
            statements,
            max_nesting,
            max_cyclomatic,
            functions: functions.into_iter().map(Into::into).collect(),
            loops: loops.into(),
        }
    }
}

impl From<FunctionFigures> for FunctionBody {
    fn from(figures: FunctionFigures) -> Self {
        let FunctionFigures {
            name,
            line,
            statements,
            nesting,
            cyclomatic,
        } = figures;
        Self {
            name,
            line,
            statements,
            nesting,
            cyclomatic,
        }
    }
}

impl From<Loops> for LoopsBody {
    fn from(loops: Loops) -> Self {
        let Loops {
            count,
            max_depth,
            estimate,
        } = loops;
        Self {
            count,
            max_depth,
            estimate,
        }
    }
}

/// Analyses a program.
///
/// # Errors
/// [`ApiError`] for a request that is wrong, or a program that could not be analysed.
pub async fn check_code(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Json<CheckResponse>, ApiError> {
    state.refuse_if_draining()?;
    let body = request::read_body(request, &state).await?;
    Ok(Json(check(&state, &caller, body).await?))
}

/// Analyses the program of a body.
///
/// # Errors
/// As [`check_code`].
pub async fn check(
    state: &AppState,
    caller: &Caller,
    body: request::Body,
) -> Result<CheckResponse, ApiError> {
    let (request, _share) = request::parse_check(body, caller, &state.settings)?;
    let language = request.job.language;
    let findings = analyse(state, request).await?;
    Ok(CheckResponse::new(language, findings))
}
