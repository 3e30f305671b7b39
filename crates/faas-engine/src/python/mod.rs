//! Python: the official Pyodide, booted in a bare V8.

mod memory;
mod realm;

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use deno_core::JsRuntime;
use deno_core::v8;
use faas_linux::stack_limit;
use faas_protocol::ByteSize;
use faas_protocol::Language;
use faas_protocol::RuntimeVersion;
use faas_protocol::Tending;

use super::BootOptions;
use super::Engine;
use super::EngineError;
use super::Host;
use super::NotInstalled;
use super::Outcome;
use super::Program;
use super::code_cache::CodeCacheFile;
use super::code_cache::Compiled;
use super::heap;
use super::host::HostState;
use super::interrupt;
use super::platform;
use super::tend;
use realm::Functions;

/// A booted Pyodide.
pub struct PythonEngine {
    runtime: JsRuntime,
    functions: Functions,
    version: RuntimeVersion,
    pyodide: Compiled,
    /// What Python's memory had, in bytes, when what forks share was there.
    shared: usize,
}

impl PythonEngine {
    /// Boots Pyodide. Blocks for seconds. Call it once per process, on its only thread.
    ///
    /// # Errors
    /// [`EngineError::Boot`] with the reason: mostly files missing from the distribution.
    pub fn boot(options: &BootOptions) -> Result<Self, EngineError> {
        platform::initialize(realm::stack_kib(stack_limit()), "", &options.v8_flags)?;
        // No I/O driver: an epoll descriptor would be shared with every fork.
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| EngineError::Boot(error.to_string()))?;
        let booted = reactor.block_on(realm::boot(options));
        let booted = booted.map_err(|error| EngineError::Boot(error.to_string()))?;
        Ok(Self {
            runtime: booted.runtime,
            functions: booted.functions,
            version: booted.version,
            pyodide: booted.pyodide,
            shared: 0,
        })
    }

    /// A file for one of [`BootOptions::code_caches`], with which later boots start with the machine code
    /// compiled so far. `directory` is that of Pyodide.
    ///
    /// # Errors
    /// [`EngineError::Runner`] if V8 cannot provide it.
    pub fn code_cache(&mut self, directory: &Path) -> Result<CodeCacheFile, EngineError> {
        let contents = self.pyodide.to_file(&mut self.runtime, directory);
        let contents = contents.map_err(|error| EngineError::Runner(error.to_string()))?;
        Ok(CodeCacheFile {
            name: self.pyodide.file_name.clone(),
            contents,
        })
    }
}

impl PythonEngine {
    /// How what ran last said that it ended.
    fn take_outcome(&mut self) -> Option<Outcome> {
        let state = self.runtime.op_state();
        let mut state = state.borrow_mut();
        state.borrow_mut::<HostState>().outcome.take()
    }

    /// Where Python's memory is.
    fn memory(&mut self) -> Option<Range<usize>> {
        deno_core::scope!(scope, &mut self.runtime);
        let this = v8::undefined(scope).into();
        let memory = v8::Local::new(scope, &self.functions.memory);
        let buffer = memory.call(scope, this, &[])?;
        let buffer = v8::Local::<v8::ArrayBuffer>::try_from(buffer).ok()?;
        let start = buffer.data()?.as_ptr() as usize;
        Some(start..start + buffer.byte_length())
    }

    /// Calls a function of the runner that takes and returns nothing.
    fn call(&mut self, function: &v8::Global<v8::Function>) -> Result<(), EngineError> {
        deno_core::scope!(scope, &mut self.runtime);
        let this = v8::undefined(scope).into();
        let function = v8::Local::new(scope, function);
        let returned = function.call(scope, this, &[]);
        returned
            .map(|_| ())
            .ok_or_else(|| EngineError::Runner("a function of the runner failed".into()))
    }
}

impl Engine for PythonEngine {
    fn version(&self) -> &RuntimeVersion {
        &self.version
    }

    fn no_code_cache(&self) -> Option<&str> {
        self.pyodide.no_cache.as_deref()
    }

    fn run(&mut self, program: Program<'_>, scratch: bool) -> Result<Outcome, EngineError> {
        self.runtime
            .op_state()
            .borrow_mut()
            .borrow_mut::<HostState>()
            .begin(&program);
        {
            let run = self.functions.run.clone();
            deno_core::scope!(scope, &mut self.runtime);
            v8::tc_scope!(let scope, scope);
            let too_long = || EngineError::Runner("the program is longer than a V8 string".into());
            let code = v8::String::new(scope, program.code).ok_or_else(too_long)?;
            let input: v8::Local<v8::Value> = match program.input {
                Some(input) => v8::String::new(scope, input).ok_or_else(too_long)?.into(),
                None => v8::undefined(scope).into(),
            };
            let scratch = v8::Boolean::new(scope, scratch);
            let auto_install = v8::Boolean::new(scope, program.auto_install);
            let keep = v8::Boolean::new(scope, program.keep);
            let goes_on = v8::Boolean::new(scope, program.goes_on);
            let again = v8::Boolean::new(scope, program.again);
            let cell = match program.cell {
                Some(cell) => v8::Number::new(scope, cell as f64).into(),
                None => v8::undefined(scope).into(),
            };
            let storage_bytes = v8::Number::new(scope, program.storage_limit.get() as f64);
            let this = v8::undefined(scope).into();
            let run = v8::Local::new(scope, run);
            let arguments = [
                code.into(),
                input,
                scratch.into(),
                auto_install.into(),
                storage_bytes.into(),
                keep.into(),
                goes_on.into(),
                again.into(),
                cell,
            ];
            let ran = run.call(scope, this, &arguments);
            interrupt::end_interruptible();
            if ran.is_none() {
                if scope.has_terminated() {
                    // Before any Python code runs again: it would react to the request first.
                    interrupt::acknowledge_stop();
                    scope.cancel_terminate_execution();
                    scope.reset();
                    let report_stop = v8::Local::new(scope, &self.functions.report_stop);
                    report_stop.call(scope, this, &[]);
                    return Err(EngineError::Terminated);
                }
                let message = scope
                    .exception()
                    .map(|exception| exception.to_rust_string_lossy(scope));
                return Err(EngineError::Runner(message.unwrap_or_default()));
            }
        }
        self.take_outcome()
            .ok_or_else(|| EngineError::Runner("the program reported no outcome".into()))
    }

    fn check(&mut self, _language: Language, code: &str) -> Result<String, EngineError> {
        deno_core::scope!(scope, &mut self.runtime);
        v8::tc_scope!(let scope, scope);
        let code = v8::String::new(scope, code)
            .ok_or_else(|| EngineError::Runner("the program is longer than a V8 string".into()))?;
        let this = v8::undefined(scope).into();
        let check = v8::Local::new(scope, &self.functions.check);
        match check.call(scope, this, &[code.into()]) {
            Some(findings) => Ok(findings.to_rust_string_lossy(scope)),
            None if scope.has_terminated() => Err(EngineError::Terminated),
            None => Err(EngineError::Runner("the check failed".into())),
        }
    }

    fn tend(
        &mut self,
        tending: Tending,
        program: Program<'_>,
    ) -> Result<Option<String>, EngineError> {
        self.runtime
            .op_state()
            .borrow_mut()
            .borrow_mut::<HostState>()
            .begin(&program);
        deno_core::scope!(scope, &mut self.runtime);
        v8::tc_scope!(let scope, scope);
        let tend = v8::Local::new(scope, &self.functions.tend);
        let storage = v8::Number::new(scope, program.storage_limit.get() as f64).into();
        tend::call(scope, tend, tending, program.code, &[storage])
    }

    fn install(&mut self, packages: &[String], storage: ByteSize) -> Result<(), NotInstalled> {
        {
            deno_core::scope!(scope, &mut self.runtime);
            v8::tc_scope!(let scope, scope);
            let list = packages.join("\n");
            let list = v8::String::new(scope, &list).ok_or("the list of packages is too long")?;
            let storage = v8::Number::new(scope, storage.get() as f64);
            let this = v8::undefined(scope).into();
            let install = v8::Local::new(scope, &self.functions.install);
            if install
                .call(scope, this, &[list.into(), storage.into()])
                .is_none()
            {
                let message = scope.exception();
                let message = message.map(|exception| exception.to_rust_string_lossy(scope));
                tracing::warn!(
                    thrown = message,
                    "installing packages broke the interpreter"
                );
                return Err("installing them broke the interpreter".into());
            }
        }
        self.shared = self.memory().map_or(0, |memory| memory.len());
        match self.take_outcome() {
            None => Ok(()),
            Some(failed) => Err(NotInstalled {
                reason: failed.return_value.unwrap_or_default(),
                limit: failed.limit,
            }),
        }
    }

    fn warm_packages(&mut self) -> Result<bool, EngineError> {
        deno_core::scope!(scope, &mut self.runtime);
        v8::tc_scope!(let scope, scope);
        let this = v8::undefined(scope).into();
        let warm = v8::Local::new(scope, &self.functions.warm_packages);
        match warm.call(scope, this, &[]) {
            Some(more) => Ok(more.boolean_value(scope)),
            None if scope.has_terminated() => Err(EngineError::Terminated),
            None => {
                let thrown = scope.exception();
                let thrown = thrown.map(|exception| exception.to_rust_string_lossy(scope));
                Err(EngineError::Runner(thrown.unwrap_or_default()))
            }
        }
    }

    fn set_host(&mut self, host: Rc<dyn Host>) {
        heap::set_host(host.clone());
        self.runtime
            .op_state()
            .borrow_mut()
            .borrow_mut::<HostState>()
            .host = host;
    }

    fn reseed(&mut self) -> Result<(), EngineError> {
        let reseed = self.functions.reseed.clone();
        self.call(&reseed)
    }

    fn rest(&mut self) -> Result<(), EngineError> {
        let rest = self.functions.rest.clone();
        self.call(&rest)?;
        // Not what the zygote has, too: this process would get a copy of it.
        if let Some(memory) = self.memory() {
            let own = memory.start.saturating_add(self.shared)..memory.end;
            // SAFETY: V8 has all of a WebAssembly memory readable, and this is a part of its end.
            unsafe { memory::collapse(own) };
        }
        Ok(())
    }

    fn forget_stop(&mut self) {
        interrupt::forget();
        self.runtime.v8_isolate().cancel_terminate_execution();
    }

    fn collect_garbage(&mut self) -> Result<(), EngineError> {
        let settle = self.functions.settle.clone();
        self.call(&settle)?;
        self.shared = self.memory().map_or(0, |memory| memory.len());
        self.runtime.v8_isolate().low_memory_notification();
        Ok(())
    }
}
