//! The beginning of a program: its text becomes something that runs, and its first turn is run.

use deno_core::JsRuntime;
use deno_core::v8;
use faas_linux::monotonic_us;
use faas_protocol::Stream;

use super::Functions;
use super::JavaScriptEngine;
use super::compile;
use super::compile::Compiled;
use super::compile::Rejected;
use super::rejections;
use super::source::Map;
use super::source::Source;
use super::state::Realm;
use crate::EngineError;
use crate::Outcome;
use crate::Program;
use crate::globals;
use crate::host::HostState;
use crate::interrupt;

impl JavaScriptEngine {
    /// Compiles and starts the program. If it does not compile, reports that and returns false.
    pub(super) fn start(&mut self, program: Program<'_>) -> Result<bool, EngineError> {
        let name = self.realm.begin(program.goes_on, program.cell);
        let (code, source) = match compile::prepare(name, program.language, program.code) {
            Ok(prepared) => prepared,
            Err(rejected) => {
                self.reject(&rejected);
                return Ok(false);
            }
        };
        let rejected = {
            deno_core::scope!(scope, &mut self.runtime);
            v8::tc_scope!(let scope, scope);
            begin(scope, &self.functions, program)?;
            let stays = program.keep || program.goes_on;
            let mut names = Vec::new();
            let compiled = match stays {
                true => compile_to_stay(scope, &code, source, &mut names),
                false => {
                    let compiled = compile::compile(scope, &code, &source);
                    compiled.map(|compiled| (compiled, source))
                }
            };
            match compiled {
                Ok((compiled, source)) => {
                    self.realm.add(source);
                    declare(scope, &self.functions, &names)?;
                    let state = JsRuntime::op_state_from(scope);
                    state.borrow_mut().borrow_mut::<HostState>().compiled_at_us =
                        Some(monotonic_us());
                    interrupt::begin_interruptible();
                    let undefined = v8::undefined(scope).into();
                    let promise = match compiled {
                        Compiled::Function(main) => main.call(scope, undefined, &[]),
                        Compiled::Module(module) => module.evaluate(scope),
                    };
                    let thrown = scope.exception().filter(|_| !scope.has_terminated());
                    scope.reset();
                    if let Some(promise) = promise.and_then(|value| value.try_cast().ok()) {
                        self.main = Some(begin_to_watch(scope, &self.realm, promise));
                    } else if let Some(error) = thrown {
                        rejections::fail(scope, &self.realm, error, None);
                    }
                    None
                }
                Err(rejected) => Some(rejected),
            }
        };
        if let Some(rejected) = &rejected {
            self.reject(rejected);
        }
        Ok(rejected.is_none())
    }

    /// Reports a program that does not compile.
    fn reject(&mut self, rejected: &Rejected) {
        let state = self.runtime.op_state();
        let mut state = state.borrow_mut();
        let state = state.borrow_mut::<HostState>();
        let report = rejected.report();
        state.host.write(Stream::Stderr, report.as_bytes());
        state.outcome = Some(Outcome::failed(None));
    }
}

/// Compiles a program whose declarations others are to find; adds their names to `names`. What is wrong with
/// it is found in the program as it was sent.
fn compile_to_stay<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    code: &str,
    source: Source,
    names: &mut Vec<String>,
) -> Result<(Compiled<'s>, Source), Rejected> {
    compile::check(scope, code, &source)?;
    if let Some(rewritten) = globals::rewrite(code)
        && let Ok(compiled) = compile::compile(scope, rewritten.moves.text(), &source)
    {
        *names = rewritten.names;
        return Ok((compiled, source.mapped(Map::Moves(rewritten.moves))));
    }
    let compiled = compile::compile(scope, code, &source)?;
    Ok((compiled, source))
}

/// Records the result of the program's top level. If it has failed already, the program is over and
/// no more of it runs.
fn begin_to_watch(
    scope: &mut v8::PinScope<'_, '_>,
    realm: &Realm,
    promise: v8::Local<'_, v8::Promise>,
) -> v8::Global<v8::Promise> {
    let main = v8::Global::new(scope, promise);
    if let Some(rejection) = realm.rejections.take_of(&main) {
        rejections::report_one(scope, realm, &rejection);
    }
    main
}

/// Gives the program its input, and the realm its state at a program's beginning.
fn begin(
    scope: &mut v8::PinScope<'_, '_>,
    functions: &Functions,
    program: Program<'_>,
) -> Result<(), EngineError> {
    let undefined: v8::Local<v8::Value> = v8::undefined(scope).into();
    let input = match program.input {
        Some(input) => v8::String::new(scope, input)
            .ok_or_else(|| EngineError::Runner("the input is too long".into()))?
            .into(),
        None => undefined,
    };
    let keep = v8::Boolean::new(scope, program.keep).into();
    let goes_on = v8::Boolean::new(scope, program.goes_on).into();
    let begin = v8::Local::new(scope, &functions.begin);
    match begin.call(scope, undefined, &[input, keep, goes_on]) {
        Some(_) => Ok(()),
        None => Err(EngineError::Runner("the program could not start".into())),
    }
}

/// Makes sure that the global object has properties of these names.
fn declare(
    scope: &mut v8::PinScope<'_, '_>,
    functions: &Functions,
    names: &[String],
) -> Result<(), EngineError> {
    if names.is_empty() {
        return Ok(());
    }
    let names: Option<Vec<v8::Local<v8::Value>>> = names
        .iter()
        .map(|name| v8::String::new(scope, name).map(Into::into))
        .collect();
    let declared = names.and_then(|names| {
        let names = v8::Array::new_with_elements(scope, &names).into();
        let undefined = v8::undefined(scope).into();
        let declare = v8::Local::new(scope, &functions.declare);
        declare.call(scope, undefined, &[names])
    });
    match declared {
        Some(_) => Ok(()),
        None => Err(EngineError::Runner(
            "the program's names could not be declared".into(),
        )),
    }
}
