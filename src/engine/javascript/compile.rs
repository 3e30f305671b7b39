//! From source text to something that runs: as the body of an async function, so that `await` and
//! `return` work at the top level, or as a module if it has `import` or `export`.

use deno_core::v8;
use deno_core::v8::script_compiler;

use super::source::FILE_NAME;
use super::source::Place;
use super::source::Source;
use crate::engine::loader;

/// What comes before and after a program that is no module. The program's own text starts on a line
/// of its own, which is counted as the first, so that lines and columns are its own.
const PREFIX: &str = "(async () => {\n";
const SUFFIX: &str = "\n})";

/// Another wrapping, which is compiled but never run: a text that closes the braces of the one leaves
/// no valid program in the other. Behind its `}` an arrow function in parentheses must be followed by
/// `)` or `,`; the declaration of a function must not.
const PREFIX_OF_PROOF: &str = "async function program() {\n";
const SUFFIX_OF_PROOF: &str = "\n}";

/// A compiled program.
pub enum Compiled<'s> {
    /// An async function without parameters.
    Function(v8::Local<'s, v8::Function>),
    /// A module without imports, instantiated.
    Module(v8::Local<'s, v8::Module>),
}

/// Why a program did not compile: text for stderr.
#[derive(Debug)]
pub struct Rejected(pub String);

impl Rejected {
    /// From where it is (may be empty) and what it is.
    pub fn new(excerpt: &str, message: &str) -> Self {
        let gap = if excerpt.is_empty() { "" } else { "\n" };
        Self(format!("{excerpt}{gap}{message}\n"))
    }
}

/// A syntax error.
struct Failure {
    message: String,
    place: Place,
    width: usize,
}

/// Compiles `code`, which is the text of `source` or was made from it.
///
/// # Errors
/// [`Rejected`] for a syntax error or an import.
pub fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    code: &str,
    source: &Source,
) -> Result<Compiled<'s>, Rejected> {
    let code = code.strip_prefix('\u{feff}').unwrap_or(code);
    // A line that names an interpreter is a comment, but only at the very start of a script.
    let (marker, rest) = match code.strip_prefix("#!") {
        Some(rest) => ("//", rest),
        None => ("", code),
    };
    let proof = [PREFIX_OF_PROOF, marker, rest, SUFFIX_OF_PROOF].concat();
    let wrapped = [PREFIX, marker, rest, SUFFIX].concat();
    let compiled = match check(scope, &proof) {
        Ok(()) => compile_function(scope, &wrapped),
        Err(failure) => Err(failure),
    };
    let failure = match compiled {
        Ok(function) => return Ok(Compiled::Function(function)),
        Err(failure) => failure,
    };
    let plain = [marker, rest].concat();
    if failure.is_for_modules() {
        let module = compile_module(scope, &plain).map_err(|failure| failure.report(source))?;
        return instantiate(scope, module, source).map(Compiled::Module);
    }
    let failure = if failure.is_within(&plain) {
        failure
    } else {
        second_opinion(scope, &plain).unwrap_or_else(|| failure.at_end_of(&plain))
    };
    Err(failure.report(source))
}

/// What is wrong with a program whose error shows only behind the end of its own text, in ours: a
/// brace too many or too few. Without text of ours around it there is another way to look at it, but
/// then it must not have a `return` (a module) or an `await` (a function).
fn second_opinion(scope: &mut v8::PinScope<'_, '_>, code: &str) -> Option<Failure> {
    let is_telling = |failure: &Failure| {
        !["Illegal return", "await is"]
            .iter()
            .any(|beside| failure.message.contains(beside))
    };
    compile_module(scope, code)
        .err()
        .filter(is_telling)
        .or_else(|| compile_body(scope, code).err().filter(is_telling))
}

impl Failure {
    /// Whether V8 stumbled over syntax that only modules have.
    fn is_for_modules(&self) -> bool {
        matches!(
            self.message.as_str(),
            "SyntaxError: Cannot use import statement outside a module"
                | "SyntaxError: Cannot use 'import.meta' outside a module"
                | "SyntaxError: Unexpected token 'export'"
        )
    }

    fn is_within(&self, code: &str) -> bool {
        self.place.line as usize <= code.split('\n').count()
    }

    fn at_end_of(self, code: &str) -> Self {
        let last = code.split('\n').next_back().unwrap_or_default();
        Self {
            message: "SyntaxError: Unexpected end of input".to_owned(),
            place: Place {
                line: u32::try_from(code.split('\n').count()).unwrap_or(u32::MAX),
                column: u32::try_from(last.encode_utf16().count() + 1).unwrap_or(u32::MAX),
            },
            width: self.width.min(1),
        }
    }

    fn report(&self, source: &Source) -> Rejected {
        let place = source.original(self.place).unwrap_or(self.place);
        Rejected::new(&source.excerpt(place, self.width), &self.message)
    }
}

/// Whether a wrapped program is a valid script, without running anything of it.
fn check(scope: &mut v8::PinScope<'_, '_>, wrapped: &str) -> Result<(), Failure> {
    v8::tc_scope!(let scope, scope);
    let script = script_source(scope, wrapped, -1, false).and_then(|mut source| {
        script_compiler::compile_unbound_script(
            scope,
            &mut source,
            script_compiler::CompileOptions::NoCompileOptions,
            script_compiler::NoCacheReason::NoReason,
        )
    });
    match script {
        Some(_) => Ok(()),
        None => Err(failure_of(scope)),
    }
}

fn compile_function<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    wrapped: &str,
) -> Result<v8::Local<'s, v8::Function>, Failure> {
    v8::tc_scope!(let scope, scope);
    let function = script_source(scope, wrapped, -1, false)
        .and_then(|mut source| {
            script_compiler::compile(
                scope,
                &mut source,
                script_compiler::CompileOptions::NoCompileOptions,
                script_compiler::NoCacheReason::NoReason,
            )
        })
        .and_then(|script| script.run(scope))
        .and_then(|value| v8::Local::<v8::Function>::try_from(value).ok());
    match function {
        Some(function) => Ok(function),
        None => Err(failure_of(scope)),
    }
}

fn compile_module<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    code: &str,
) -> Result<v8::Local<'s, v8::Module>, Failure> {
    v8::tc_scope!(let scope, scope);
    let module = script_source(scope, code, 0, true)
        .and_then(|mut source| script_compiler::compile_module(scope, &mut source));
    match module {
        Some(module) => Ok(module),
        None => Err(failure_of(scope)),
    }
}

/// Compiles `code` as the body of a function that is not async.
fn compile_body(scope: &mut v8::PinScope<'_, '_>, code: &str) -> Result<(), Failure> {
    v8::tc_scope!(let scope, scope);
    let function = script_source(scope, code, 0, false).and_then(|mut source| {
        script_compiler::compile_function(
            scope,
            &mut source,
            &[],
            &[],
            script_compiler::CompileOptions::NoCompileOptions,
            script_compiler::NoCacheReason::NoReason,
        )
    });
    match function {
        Some(_) => Ok(()),
        None => Err(failure_of(scope)),
    }
}

fn script_source(
    scope: &mut v8::PinScope<'_, '_>,
    code: &str,
    line_offset: i32,
    is_module: bool,
) -> Option<script_compiler::Source> {
    let code = v8::String::new(scope, code)?;
    let name = v8::String::new(scope, FILE_NAME)?;
    let origin = v8::ScriptOrigin::new(
        scope,
        name.into(),
        line_offset,
        0,
        false,
        -1,
        None,
        false,
        false,
        is_module,
        None,
    );
    Some(script_compiler::Source::new(code, Some(&origin)))
}

/// What the caught exception says.
fn failure_of(scope: &mut v8::PinnedRef<'_, v8::TryCatch<'_, '_, v8::HandleScope<'_>>>) -> Failure {
    let Some(message) = scope.message() else {
        return Failure {
            message: "SyntaxError: the program is too long or too deeply nested".to_owned(),
            place: Place { line: 0, column: 0 },
            width: 1,
        };
    };
    let text = message.get(scope).to_rust_string_lossy(scope);
    let column = message.get_start_column();
    Failure {
        message: text.strip_prefix("Uncaught ").unwrap_or(&text).to_owned(),
        place: Place {
            line: u32::try_from(message.get_line_number(scope).unwrap_or(0)).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        },
        width: message.get_end_column().saturating_sub(column),
    }
}

fn instantiate<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    module: v8::Local<'s, v8::Module>,
    source: &Source,
) -> Result<v8::Local<'s, v8::Module>, Rejected> {
    let requests = module.get_module_requests();
    if let Some(request) = requests
        .get(scope, 0)
        .and_then(|data| v8::Local::<v8::ModuleRequest>::try_from(data).ok())
    {
        let specifier = request.get_specifier().to_rust_string_lossy(scope);
        let location = module.source_offset_to_location(request.get_source_offset());
        let failure = Failure {
            message: format!("TypeError: {}", loader::no_modules(&specifier)),
            place: Place {
                line: u32::try_from(location.get_line_number() + 1).unwrap_or(0),
                column: u32::try_from(location.get_column_number() + 1).unwrap_or(1),
            },
            width: specifier.chars().count() + 2,
        };
        return Err(failure.report(source));
    }
    v8::tc_scope!(let scope, scope);
    match module.instantiate_module(scope, resolve_nothing) {
        Some(true) => Ok(module),
        // For instance an export of a name that is declared nowhere.
        _ => Err(failure_of(scope).report(source)),
    }
}

/// Never called: a module with imports is not instantiated.
fn resolve_nothing<'s>(
    _context: v8::Local<'s, v8::Context>,
    _specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
    _referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Module>> {
    None
}
