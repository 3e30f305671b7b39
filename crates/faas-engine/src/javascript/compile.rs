//! From source text to something that runs: as the body of an async function, so that `await` and
//! `return` work at the top level, or as a module if it has `import` or `export`.

use std::borrow::Cow;

use deno_core::v8;
use deno_core::v8::script_compiler;
use faas_protocol::Language;

use super::source::Map;
use super::source::Source;
use crate::loader;
use crate::place::Place;
use crate::typescript;

/// The text before and after a program that is not a module. The program's text starts on a new
/// line, which counts as the first, so that lines and columns are those of the program.
const PREFIX: &str = "(async () => {\n";
const SUFFIX: &str = "\n})";

/// A second wrapping, which is compiled but never run: text that closes the braces of one wrapping
/// is not valid in the other. Behind its `}` an arrow function in parentheses must be followed by
/// `)` or `,`; the declaration of a function must not.
const PREFIX_OF_PROOF: &str = "async function program() {\n";
const SUFFIX_OF_PROOF: &str = "\n}";

/// What V8 says of a text that ends too early.
const UNEXPECTED_END: &str = "SyntaxError: Unexpected end of input";

/// A compiled program.
pub enum Compiled<'s> {
    /// An async function without parameters.
    Function(v8::Local<'s, v8::Function>),
    /// A module without imports, instantiated.
    Module(v8::Local<'s, v8::Module>),
}

/// Why a program did not compile.
#[derive(Debug)]
pub struct Rejected {
    /// Where it is, as lines for a report; may be empty.
    excerpt: String,
    /// Where it is in the source that was sent, if that is known.
    pub place: Option<Place>,
    pub message: String,
}

impl Rejected {
    pub fn new(source: &Source, place: Option<Place>, width: usize, message: String) -> Self {
        let excerpt = place.map(|place| source.excerpt(place, width));
        Self {
            excerpt: excerpt.unwrap_or_default(),
            place,
            message,
        }
    }

    /// Text for stderr.
    pub fn report(&self) -> String {
        let Self {
            excerpt, message, ..
        } = self;
        let gap = if excerpt.is_empty() { "" } else { "\n" };
        format!("{excerpt}{gap}{message}\n")
    }
}

/// A syntax error.
struct Failure {
    message: String,
    place: Place,
    width: usize,
}

/// What kind of program a text is.
enum Parsed<'s, T> {
    Script(T),
    Module(v8::Local<'s, v8::Module>),
}

/// The JavaScript of a program, and its source.
///
/// # Errors
/// [`Rejected`] for TypeScript that cannot be translated.
pub fn prepare(name: String, language: Language, text: &str) -> Result<(String, Source), Rejected> {
    let source = Source::new(name, text.to_owned());
    if language != Language::TypeScript {
        return Ok((text.to_owned(), source));
    }
    match typescript::translate(text) {
        Ok(translated) => Ok((
            translated.code,
            source.mapped(Map::json(translated.map_json)),
        )),
        Err(failure) => Err(Rejected::new(
            &source,
            failure.place,
            failure.width,
            failure.message,
        )),
    }
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
    let name = source.name();
    let parsed = parse(scope, name, code, |scope, wrapped| {
        compile_function(scope, name, wrapped)
    });
    match parsed.map_err(|failure| failure.reject(source))? {
        Parsed::Script(function) => Ok(Compiled::Function(function)),
        Parsed::Module(module) => instantiate(scope, module, source).map(Compiled::Module),
    }
}

/// Whether V8 accepts `code`, as in [`compile`]; none of it runs, and imports are allowed.
///
/// # Errors
/// [`Rejected`] for a syntax error.
pub fn check(
    scope: &mut v8::PinScope<'_, '_>,
    code: &str,
    source: &Source,
) -> Result<(), Rejected> {
    let name = source.name();
    let parsed = parse(scope, name, code, |scope, wrapped| {
        check_script(scope, name, wrapped)
    });
    parsed.map(|_| ()).map_err(|failure| failure.reject(source))
}

/// Finds out what kind of program a text is; `finish` completes a wrapped script.
fn parse<'s, T>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    code: &str,
    finish: impl FnOnce(&mut v8::PinScope<'s, '_>, &str) -> Result<T, Failure>,
) -> Result<Parsed<'s, T>, Failure> {
    let code = code.strip_prefix('\u{feff}').unwrap_or(code);
    // A line that names an interpreter is a comment, but only at the very start of a script.
    let plain = match code.strip_prefix("#!") {
        Some(rest) => Cow::Owned(["//", rest].concat()),
        None => Cow::Borrowed(code),
    };
    let proof = [PREFIX_OF_PROOF, &plain, SUFFIX_OF_PROOF].concat();
    let wrapped = [PREFIX, &plain, SUFFIX].concat();
    let finished = check_script(scope, name, &proof).and_then(|()| finish(scope, &wrapped));
    let failure = match finished {
        Ok(finished) => return Ok(Parsed::Script(finished)),
        Err(failure) => failure,
    };
    if failure.is_for_modules() {
        return compile_module(scope, name, &plain).map(Parsed::Module);
    }
    if failure.is_within(&plain) {
        return Err(failure);
    }
    let opinion = second_opinion(scope, name, &plain);
    Err(match opinion {
        Some(opinion) if opinion.message != UNEXPECTED_END => opinion,
        _ => failure.at_end_of(&plain),
    })
}

/// What is wrong with a program whose error shows only after the end of its own text, in ours: a
/// brace too many or too few. It can be compiled without our text around it, but then it must not
/// have a `return` (a module) or an `await` (a function).
fn second_opinion(scope: &mut v8::PinScope<'_, '_>, name: &str, code: &str) -> Option<Failure> {
    let is_telling = |failure: &Failure| {
        !["Illegal return", "await is"]
            .iter()
            .any(|beside| failure.message.contains(beside))
    };
    compile_module(scope, name, code)
        .err()
        .filter(is_telling)
        .or_else(|| compile_body(scope, name, code).err().filter(is_telling))
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

    /// Of a text that ends too early: behind its last word, where there is something to show.
    fn at_end_of(self, code: &str) -> Self {
        let code = code.trim_end();
        let last = code.split('\n').next_back().unwrap_or_default();
        Self {
            message: UNEXPECTED_END.to_owned(),
            place: Place {
                line: u32::try_from(code.split('\n').count()).unwrap_or(u32::MAX),
                column: u32::try_from(last.encode_utf16().count() + 1).unwrap_or(u32::MAX),
            },
            width: self.width.min(1),
        }
    }

    fn reject(self, source: &Source) -> Rejected {
        let place = source.original(self.place).unwrap_or(self.place);
        Rejected::new(source, Some(place), self.width, self.message)
    }
}

/// Whether a wrapped program is a valid script, without running any of it.
fn check_script(
    scope: &mut v8::PinScope<'_, '_>,
    name: &str,
    wrapped: &str,
) -> Result<(), Failure> {
    v8::tc_scope!(let scope, scope);
    let script = script_source(scope, name, wrapped, -1, false).and_then(|mut source| {
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
    name: &str,
    wrapped: &str,
) -> Result<v8::Local<'s, v8::Function>, Failure> {
    v8::tc_scope!(let scope, scope);
    let function = script_source(scope, name, wrapped, -1, false)
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
    name: &str,
    code: &str,
) -> Result<v8::Local<'s, v8::Module>, Failure> {
    v8::tc_scope!(let scope, scope);
    let module = script_source(scope, name, code, 0, true)
        .and_then(|mut source| script_compiler::compile_module(scope, &mut source));
    match module {
        Some(module) => Ok(module),
        None => Err(failure_of(scope)),
    }
}

/// Compiles `code` as the body of a function that is not async.
fn compile_body(scope: &mut v8::PinScope<'_, '_>, name: &str, code: &str) -> Result<(), Failure> {
    v8::tc_scope!(let scope, scope);
    let function = script_source(scope, name, code, 0, false).and_then(|mut source| {
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
    name: &str,
    code: &str,
    line_offset: i32,
    is_module: bool,
) -> Option<script_compiler::Source> {
    let code = v8::String::new(scope, code)?;
    let name = v8::String::new(scope, name)?;
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
            // A message without a place has V8's -1 here, which has become the largest number.
            column: u32::try_from(column.wrapping_add(1)).unwrap_or(u32::MAX),
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
        return Err(failure.reject(source));
    }
    v8::tc_scope!(let scope, scope);
    match module.instantiate_module(scope, resolve_nothing) {
        Some(true) => Ok(module),
        // For instance an export of a name that is declared nowhere.
        _ => Err(failure_of(scope).reject(source)),
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
