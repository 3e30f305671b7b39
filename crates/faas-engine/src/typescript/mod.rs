//! TypeScript to JavaScript: removes types, and writes out what TypeScript adds at run time (enums,
//! namespaces, parameter properties, decorators). swc does this in the sandbox: its parser is
//! recursive, and a source made to overflow the stack must not hit the supervisor.
//!
//! What swc gets wrong is mended before it writes anything: see the modules.

mod decorators;
mod enums;
mod legacy_classes;
mod namespaces;
mod patterns;

use std::panic::UnwindSafe;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use deno_ast::DecoratorsTranspileOption;
use deno_ast::EmitOptions;
use deno_ast::Globals;
use deno_ast::MediaType;
use deno_ast::ModuleKind;
use deno_ast::ModuleSpecifier;
use deno_ast::ParseDiagnostic;
use deno_ast::ParseParams;
use deno_ast::ParsedSource;
use deno_ast::SourceMapOption;
use deno_ast::SourcePos;
use deno_ast::StartSourcePos;
use deno_ast::TranspileError;
use deno_ast::TranspileModuleOptions;
use deno_ast::TranspileOptions;
use deno_ast::diagnostics::Diagnostic;
use deno_ast::swc::ast::Program;
use deno_ast::swc::common::SyntaxContext;
use deno_ast::swc::parser::error::SyntaxError;
use deno_ast::swc::transforms::resolver;
use faas_protocol::Language;

use super::place::Place;

/// Whether the translator is running.
static TRANSLATING: AtomicBool = AtomicBool::new(false);

/// The message for a source that is nested too deeply for the stack.
const TOO_DEEP: &str = "RangeError: the program is nested too deeply for the TypeScript compiler\n";

/// JavaScript translated from TypeScript.
#[derive(Debug)]
pub struct Translated {
    pub code: String,
    /// JSON text of the source map back to the TypeScript.
    pub map_json: String,
}

/// Why a source is not valid TypeScript.
#[derive(Debug)]
pub struct Failure {
    pub message: String,
    /// The place, if it is known, and its length in characters.
    pub place: Option<Place>,
    pub width: usize,
}

/// The report for a stack overflow while the translator was running; `None` for any other fault.
/// Async-signal-safe.
pub fn overflow() -> Option<&'static str> {
    TRANSLATING.load(Ordering::Relaxed).then_some(TOO_DEEP)
}

/// Translates a program. Its types are not checked.
///
/// # Errors
/// [`Failure`] for a syntax error.
pub fn translate(text: &str) -> Result<Translated, Failure> {
    guarded(|| translate_unguarded(text))
}

/// Runs swc on a program.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure> + UnwindSafe) -> Result<T, Failure> {
    TRANSLATING.store(true, Ordering::Relaxed);
    // swc panics on some malformed programs; that is the program's failure, not this process's.
    let result = std::panic::catch_unwind(work);
    TRANSLATING.store(false, Ordering::Relaxed);
    result.unwrap_or_else(|_| {
        Err(Failure::without_place(
            "SyntaxError: the TypeScript compiler failed on this program".to_owned(),
        ))
    })
}

/// Parses a program.
///
/// # Errors
/// [`Failure`] for a syntax error.
pub fn parse(language: Language, text: &str) -> Result<ParsedSource, Failure> {
    guarded(|| parse_unguarded(language, text))
}

/// Parses a program in JavaScript and looks at it, all of it guarded.
///
/// # Errors
/// As [`parse`].
pub fn look_at_javascript<T>(
    text: &str,
    look: impl FnOnce(&Program) -> T + UnwindSafe,
) -> Result<T, Failure> {
    guarded(|| parse_unguarded(Language::JavaScript, text).map(|parsed| look(&parsed.program())))
}

fn parse_unguarded(language: Language, text: &str) -> Result<ParsedSource, Failure> {
    if language != Language::TypeScript {
        return parse_as(MediaType::JavaScript, text, |program, _| program);
    }
    parse_typescript(text, |program, _| program)
}

/// Parses a program, as TSX if it is not TypeScript otherwise: what JSX looks like means something else
/// without it (`<T>x` is a type assertion).
fn parse_typescript(
    text: &str,
    mend: fn(Program, &Globals) -> Program,
) -> Result<ParsedSource, Failure> {
    parse_mended(MediaType::TypeScript, text, mend).or_else(|failure| {
        let parsed = parse_mended(MediaType::Tsx, text, mend);
        parsed.map_err(|failure_as_tsx| failure.or_later(failure_as_tsx))
    })
}

fn parse_mended(
    media_type: MediaType,
    text: &str,
    mend: fn(Program, &Globals) -> Program,
) -> Result<ParsedSource, Failure> {
    let mut parsed = parse_as(media_type, text, mend)?;
    // Targets within targets show one by one; each round takes something out.
    while let Some(text) = patterns::without_types(&parsed) {
        parsed = parse_as(media_type, &text, mend)?;
    }
    match parsed.diagnostics().iter().find(|found| !is_allowed(found)) {
        Some(diagnostic) => Err(Failure::from_diagnostic(diagnostic, text)),
        None => Ok(parsed),
    }
}

/// Whether something that swc complains of is fine here.
fn is_allowed(diagnostic: &ParseDiagnostic) -> bool {
    matches!(diagnostic.kind(), SyntaxError::ReturnNotAllowed)
}

fn parse_as(
    media_type: MediaType,
    text: &str,
    mend: fn(Program, &Globals) -> Program,
) -> Result<ParsedSource, Failure> {
    let name = match media_type {
        MediaType::TypeScript => "file:///code.ts",
        MediaType::Tsx => "file:///code.tsx",
        _ => "file:///code.js",
    };
    let specifier =
        ModuleSpecifier::parse(name).map_err(|error| Failure::without_place(error.to_string()))?;
    let parameters = ParseParams {
        specifier,
        text: text.into(),
        media_type,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    };
    deno_ast::parse_program_with_post_process(parameters, mend)
        .map_err(|diagnostic| Failure::from_diagnostic(&diagnostic, text))
}

/// Rewrites what swc would translate differently from the TypeScript compiler.
fn mend(program: Program, globals: &Globals) -> Program {
    let kind = decorators::kind_of(&program);
    globals.with(|marks| {
        let mut program = program.apply(&mut resolver(marks.unresolved, marks.top_level, true));
        namespaces::merge(&mut program);
        enums::evaluate(
            &mut program,
            SyntaxContext::empty().apply_mark(marks.unresolved),
        );
        if kind == Some(decorators::Kind::Legacy) {
            legacy_classes::prepare(&mut program);
        }
        program
    })
}

fn translate_unguarded(text: &str) -> Result<Translated, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = parse_typescript(text, mend)?;
    let options = TranspileOptions {
        decorators: match decorators::kind_of(&parsed.program()) {
            None => DecoratorsTranspileOption::None,
            Some(decorators::Kind::Standard) => DecoratorsTranspileOption::Ecma,
            Some(decorators::Kind::Legacy) => DecoratorsTranspileOption::LegacyTypeScript {
                emit_metadata: false,
            },
        },
        ..TranspileOptions::default()
    };
    // `import fs = require("fs")` then becomes a call of `require`, whose absence explains itself.
    let is_commonjs = text.contains("= require(");
    let module = TranspileModuleOptions {
        module_kind: is_commonjs.then_some(ModuleKind::Cjs),
    };
    let emit = EmitOptions {
        source_map: SourceMapOption::Separate,
        inline_sources: false,
        ..EmitOptions::default()
    };
    let emitted = parsed
        .transpile(&options, &module, &emit)
        .map_err(|error| match &error {
            TranspileError::ParseErrors(errors) if !errors.0.is_empty() => {
                Failure::from_diagnostic(&errors.0[0], text)
            }
            _ => Failure::without_place(format!("SyntaxError: {error}")),
        })?
        .into_source();
    Ok(Translated {
        code: without_metadata(emitted.text),
        map_json: emitted.source_map.unwrap_or_default(),
    })
}

/// The helper of decorators gives each class metadata, which fails for one that a decorator sealed. As in
/// tsc's, there is none where JavaScript has no `Symbol.metadata`.
fn without_metadata(code: String) -> String {
    const HELPER: &str = "function defineMetadata(Class, metadata) {";
    if !code.contains(HELPER) {
        return code;
    }
    let with_condition = format!("{HELPER} if (!Symbol.metadata) return Class;");
    code.replacen(HELPER, &with_condition, 1)
}

impl Failure {
    fn from_diagnostic(diagnostic: &ParseDiagnostic, text: &str) -> Self {
        let range = diagnostic.range();
        let index = |position: SourcePos| {
            let index = position.as_byte_index(StartSourcePos::START_SOURCE_POS);
            text.floor_char_boundary(index)
        };
        // What is missing at the end is missing behind the last word, where there is something to show.
        let last = text.trim_end().len();
        let (start, end) = (index(range.start).min(last), index(range.end));
        let marked = text.get(start..end).unwrap_or_default();
        Self {
            message: format!("SyntaxError: {}", diagnostic.message()),
            place: Some(Place::of(text, start)),
            width: marked.lines().next().map_or(1, |line| line.chars().count()),
        }
    }

    /// Of two readings of a program, the one that got farther is the one that was meant.
    fn or_later(self, other: Self) -> Self {
        let place = |failure: &Self| failure.place.map(|Place { line, column }| (line, column));
        if place(&other) > place(&self) {
            other
        } else {
            self
        }
    }

    fn without_place(message: String) -> Self {
        Self {
            message,
            place: None,
            width: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn javascript_of(text: &str) -> String {
        translate(text).unwrap().code
    }

    #[test]
    fn types_are_removed_and_the_rest_stays() {
        let code = javascript_of("const x: number = 1 satisfies number; return x as any;");
        assert_eq!(code, "const x = 1;\nreturn x;\n");
    }

    #[test]
    fn await_at_the_top_level_is_fine() {
        assert!(javascript_of("await 1; return 2;").contains("await 1"));
    }

    #[test]
    fn a_typescript_syntax_error_has_a_place() {
        let failure = translate("let a = 1;\n\tlet b: = 2;\n").unwrap_err();
        assert_eq!(failure.place, Some(Place { line: 2, column: 9 }));
        assert!(failure.message.starts_with("SyntaxError: "));
    }

    #[test]
    fn both_kinds_of_decorators_are_told_apart() {
        let old = "function d(target: any, key: string) {}\nclass A { @d x = 1 }";
        assert!(javascript_of(old).contains("_ts_decorate"));
        let new = "function d(_: undefined, context: ClassFieldDecoratorContext) {}\nclass A { @d x = 1 }";
        assert!(javascript_of(new).contains("_apply_decs"));
        // Else a class that a decorator sealed fails.
        assert!(javascript_of(new).contains("{ if (!Symbol.metadata) return Class;"));
    }
}
