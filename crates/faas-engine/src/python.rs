//! Python: the official Pyodide, booted in a bare V8.

use std::ffi::c_void;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;

use deno_core::JsRuntime;
use deno_core::ModuleSpecifier;
use deno_core::PollEventLoopOptions;
use deno_core::RuntimeOptions;
use deno_core::v8;
use faas_linux::stack_limit;
use faas_protocol::ByteSize;
use faas_protocol::Language;
use faas_protocol::RuntimeVersion;

use super::BootOptions;
use super::Engine;
use super::EngineError;
use super::Host;
use super::NotInstalled;
use super::Outcome;
use super::Program;
use super::Silent;
use super::code_cache;
use super::code_cache::Compiled;
use super::heap;
use super::host;
use super::host::BootFiles;
use super::host::HostState;
use super::interrupt;
use super::interrupt::Urgency;
use super::key_derivation;
use super::loader::BootLoader;
use super::platform;
use super::properties::take;
use super::refusals;
use super::results;
use super::scripts;

deno_core::extension!(
    faas_python,
    ops = [
        host::op_faas_acknowledge_stop,
        host::op_faas_boot_file,
        host::op_faas_compiled,
        host::op_faas_cpu_time,
        host::op_faas_decode_latin1,
        host::op_faas_decode_utf16,
        host::op_faas_finish,
        host::op_faas_imports,
        host::op_faas_input_files,
        host::op_faas_interrupt_buffer,
        host::op_faas_invocation,
        host::op_faas_now,
        host::op_faas_in_wheelhouse,
        host::op_faas_package,
        host::op_faas_provider,
        key_derivation::op_faas_pbkdf2,
        key_derivation::op_faas_scrypt,
        host::op_faas_pump,
        host::op_faas_put_file,
        host::op_faas_random,
        results::op_faas_represent,
        results::op_faas_represent_bytes,
        results::op_faas_show,
        host::op_faas_set_alarm,
        host::op_faas_sleep,
        host::op_faas_stop_requested,
        host::op_faas_take_alarm,
        host::op_faas_unpacked,
        host::op_faas_write,
    ],
    esm_entry_point = "ext:faas_python/realm.js",
    esm = [
        "ext:faas_python/realm.js" = "../../js/python/realm.js",
        "ext:faas_python/random.js" = "../../js/shared/random.js",
        "ext:faas_python/timers.js" = "../../js/shared/timers.js",
    ],
    options = { host_state: HostState },
    middleware = |op| if is_kept(op.name) { op } else { op.disable() },
    state = |state, options| state.put(options.host_state),
);

/// Ops of deno_core that its own start-up code and the realm use. All others are disabled: among
/// them is one that panics the process (`op_panic`) and some that write to the host's streams.
fn is_kept(name: &str) -> bool {
    name.starts_with("op_faas_")
        || matches!(
            name,
            "op_decode"
                | "op_encode"
                | "op_get_ext_import_meta_proto"
                | "op_get_extras_binding_object"
                | "op_set_captured_bootstrap"
                | "op_timer_now"
        )
}

/// V8's heap of a booted Pyodide, rounded up generously; Python's own objects are not in it.
const REALM: ByteSize = ByteSize::mib(64);
/// Most that the young generation of V8's heap takes: V8's own default.
const YOUNG: ByteSize = ByteSize::mib(48);

/// Stack of programs, in KiB. If V8's ends before CPython notices that its own does, the interpreter is
/// broken for good. CPython raises RecursionError when it has used 10 MiB of its own, in WebAssembly's
/// memory; V8 has used 20,000 to 30,000 KiB by then, and less than 200,000 KiB where instances in a chain
/// free each other: CPython looks at its own stack there, too. It does not where closures, generators or
/// exceptions do: chains of 500,000 of them, or more, still break the interpreter.
const STACK_KIB: u64 = 200_000;
/// What V8's own C++ frames need of the stack on top, in KiB.
const CPP_FRAMES_KIB: u64 = 5_536;
/// The least that Pyodide boots with, and that stands where the stack may not grow. Deep recursion then
/// breaks the interpreter.
const LEAST_STACK_KIB: u64 = 1_968;

/// The stack of programs where the process's stack may grow to `limit` bytes, in KiB.
fn stack_kib(limit: Option<u64>) -> u64 {
    let Some(limit) = limit else {
        return STACK_KIB;
    };
    let left = (limit / 1024).saturating_sub(CPP_FRAMES_KIB);
    left.clamp(LEAST_STACK_KIB, STACK_KIB)
}

type Error = Box<dyn std::error::Error>;

const BOOT: &str = include_str!("../../../js/python/boot.mjs");
/// Our Python modules, in the order in which they are loaded.
const MODULES: [(&str, &str); 16] = [
    ("_faas_loop", include_str!("../../../js/python/loop.py")),
    (
        "_faas_packages",
        include_str!("../../../js/python/packages.py"),
    ),
    ("_faas_report", include_str!("../../../js/python/report.py")),
    ("_faas_values", include_str!("../../../js/python/values.py")),
    (
        "_faas_results",
        include_str!("../../../js/python/results.py"),
    ),
    ("_faas_tables", include_str!("../../../js/python/tables.py")),
    ("_faas_charts", include_str!("../../../js/python/charts.py")),
    (
        "_faas_figures",
        include_str!("../../../js/python/figures.py"),
    ),
    (
        "_faas_display",
        include_str!("../../../js/python/display.py"),
    ),
    ("_faas_ending", include_str!("../../../js/python/ending.py")),
    ("_faas_fresh", include_str!("../../../js/python/fresh.py")),
    ("_faas_hooks", include_str!("../../../js/python/hooks.py")),
    (
        "_faas_supplements",
        include_str!("../../../js/python/supplements.py"),
    ),
    ("_faas_check", include_str!("../../../js/python/check.py")),
    ("_faas_runner", include_str!("../../../js/python/runner.py")),
    ("_faas_settle", include_str!("../../../js/python/settle.py")),
];

/// A booted Pyodide.
pub struct PythonEngine {
    runtime: JsRuntime,
    run: v8::Global<v8::Function>,
    reseed: v8::Global<v8::Function>,
    settle: v8::Global<v8::Function>,
    install: v8::Global<v8::Function>,
    warm_packages: v8::Global<v8::Function>,
    check: v8::Global<v8::Function>,
    report_stop: v8::Global<v8::Function>,
    version: RuntimeVersion,
    pyodide: Compiled,
}

impl PythonEngine {
    /// Boots Pyodide. Blocks for seconds. Call it once per process, on its only thread.
    ///
    /// # Errors
    /// [`EngineError::Boot`] with the reason: mostly files missing from the distribution.
    pub fn boot(options: &BootOptions) -> Result<Self, EngineError> {
        platform::initialize(stack_kib(stack_limit()), "", &options.v8_flags)?;
        // No I/O driver: an epoll descriptor would be shared with every fork.
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| EngineError::Boot(error.to_string()))?;
        reactor
            .block_on(Self::boot_realm(options))
            .map_err(|error| EngineError::Boot(error.to_string()))
    }

    async fn boot_realm(options: &BootOptions) -> Result<Self, Error> {
        let directory = &options.pyodide;
        let loader = BootLoader::new(directory.clone());
        heap::set_host(Rc::new(Silent));
        let mut runtime = JsRuntime::try_new(RuntimeOptions {
            create_params: Some(heap::create_params(
                YOUNG,
                REALM.saturating_add(options.memory),
            )),
            extensions: scripts::carried(vec![faas_python::init(HostState::new(
                Rc::new(Silent),
                Some(BootFiles {
                    pyodide: directory.clone(),
                    fonts: options.fonts.clone(),
                }),
            ))])?,
            module_loader: Some(loader.clone()),
            ..Default::default()
        })?;
        let pyodide = code_cache::compile(&mut runtime, directory, options.use_code_cache)?;
        let boot = serde_json::json!({
            "lock": lock_text(options)?,
            "modules": serde_json::Map::from_iter(MODULES.map(|(name, text)| (name.into(), text.into()))),
            "wheels": names_of(directory, &["whl"])?,
            "fonts": match &options.fonts {
                Some(fonts) => names_of(fonts, &["ttf", "otf", "ttc"])
                    .map_err(|error| format!("cannot read FAAS_FONTS: {error}"))?,
                None => Vec::new(),
            },
        });
        runtime.execute_script("<boot>", format!("globalThis.__faasBoot = {boot};"))?;
        let main = ModuleSpecifier::parse("pyodide:///boot.mjs")?;
        let id = runtime.load_main_es_module_from_code(&main, BOOT).await?;
        let evaluated = runtime.mod_evaluate(id);
        runtime
            .run_event_loop(PollEventLoopOptions::default())
            .await?;
        evaluated.await?;
        loader.close();
        refusals::install(runtime.v8_isolate());
        heap::watch(runtime.v8_isolate());
        interrupt::interrupt_on_stop(
            runtime.v8_isolate().thread_safe_handle(),
            terminate,
            Urgency::WhenRepeated,
        );
        let engine = Self::take_over(runtime, pyodide)?;
        engine
            .runtime
            .op_state()
            .borrow_mut()
            .borrow_mut::<HostState>()
            .boot_files = None;
        Ok(engine)
    }

    /// Takes the runner's functions out of the realm and closes the way back into the host.
    fn take_over(mut runtime: JsRuntime, pyodide: Compiled) -> Result<Self, Error> {
        let (functions, version, stages) = {
            deno_core::scope!(scope, &mut runtime);
            let global = scope.get_current_context().global(scope);
            let engine = take(scope, global, "__faasEngine").ok_or("boot.mjs left no engine")?;
            let engine = v8::Local::<v8::Object>::try_from(engine)?;
            let mut functions = Vec::new();
            for name in [
                "run",
                "reseed",
                "settle",
                "install",
                "warmPackages",
                "check",
                "reportStop",
            ] {
                let function = take(scope, engine, name).ok_or("a function is missing")?;
                let function = v8::Local::<v8::Function>::try_from(function)?;
                functions.push(v8::Global::new(scope, function));
            }
            let version = take(scope, engine, "version").ok_or("no version")?;
            let python = take(scope, engine, "pythonVersion").ok_or("no version of Python")?;
            let stages = take(scope, engine, "stages").ok_or("no stages")?;
            let stages = v8::json::stringify(scope, stages).ok_or("no stages")?;
            for name in ["Deno", "__bootstrap"] {
                take(scope, global, name);
            }
            (
                functions,
                RuntimeVersion {
                    engine: version.to_rust_string_lossy(scope),
                    language: Some(python.to_rust_string_lossy(scope)),
                },
                stages.to_rust_string_lossy(scope),
            )
        };
        tracing::debug!(stages, "booted Pyodide");
        let functions = <[_; 7]>::try_from(functions).map_err(|_| "a function is missing")?;
        let [
            run,
            reseed,
            settle,
            install,
            warm_packages,
            check,
            report_stop,
        ] = functions;
        Ok(Self {
            runtime,
            run,
            reseed,
            settle,
            install,
            warm_packages,
            check,
            report_stop,
            version,
            pyodide,
        })
    }

    /// Contents for the file `code_cache::PATH` in the directory of Pyodide, with which later boots
    /// start with the machine code compiled so far.
    ///
    /// # Errors
    /// [`EngineError::Runner`] if V8 cannot provide it.
    pub fn code_cache(&mut self, directory: &Path) -> Result<Vec<u8>, EngineError> {
        let file = self.pyodide.to_file(&mut self.runtime, directory);
        file.map_err(|error| EngineError::Runner(error.to_string()))
    }
}

/// The lock file to boot with. Without a distribution to load from, its packages are left out, so
/// that other sources are searched for them.
fn lock_text(options: &BootOptions) -> Result<String, Error> {
    if let Some(path) = &options.lock {
        return Ok(std::fs::read_to_string(path)?);
    }
    let bundled = std::fs::read(options.pyodide.join("pyodide-lock.json"))?;
    let mut lock: serde_json::Value = serde_json::from_slice(&bundled)?;
    lock["packages"] = serde_json::json!({});
    Ok(lock.to_string())
}

/// Names of the files in a directory that end in one of these extensions, in their order.
fn names_of(directory: &Path, extensions: &[&str]) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = PathBuf::from(entry?.file_name());
        let extension = path.extension().unwrap_or_default();
        if extensions.iter().any(|wanted| extension == *wanted) {
            names.push(path.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Ends the running code. V8 calls this at a safe point.
///
/// # Safety
/// For V8 only, which calls with its live isolate, on the only thread.
unsafe extern "C" fn terminate(isolate: v8::UnsafeRawIsolatePtr, _data: *mut c_void) {
    // SAFETY: V8 calls with its live isolate, on the only thread.
    let isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    isolate.terminate_execution();
}

impl PythonEngine {
    /// How what ran last said that it ended.
    fn take_outcome(&mut self) -> Option<Outcome> {
        let state = self.runtime.op_state();
        let mut state = state.borrow_mut();
        state.borrow_mut::<HostState>().outcome.take()
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
            let run = self.run.clone();
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
            let storage_bytes = v8::Number::new(scope, program.storage_limit.get() as f64);
            let this = v8::undefined(scope).into();
            let run = v8::Local::new(scope, run);
            let arguments = [
                code.into(),
                input,
                scratch.into(),
                auto_install.into(),
                storage_bytes.into(),
            ];
            if run.call(scope, this, &arguments).is_none() {
                if scope.has_terminated() {
                    // Before any Python code runs again: it would react to the request first.
                    interrupt::acknowledge_stop();
                    scope.cancel_terminate_execution();
                    scope.reset();
                    let report_stop = v8::Local::new(scope, &self.report_stop);
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
        let check = v8::Local::new(scope, &self.check);
        match check.call(scope, this, &[code.into()]) {
            Some(findings) => Ok(findings.to_rust_string_lossy(scope)),
            None if scope.has_terminated() => Err(EngineError::Terminated),
            None => Err(EngineError::Runner("the check failed".into())),
        }
    }

    fn install(&mut self, packages: &[String], storage: ByteSize) -> Result<(), NotInstalled> {
        {
            deno_core::scope!(scope, &mut self.runtime);
            v8::tc_scope!(let scope, scope);
            let list = packages.join("\n");
            let list = v8::String::new(scope, &list).ok_or("the list of packages is too long")?;
            let storage = v8::Number::new(scope, storage.get() as f64);
            let this = v8::undefined(scope).into();
            let install = v8::Local::new(scope, &self.install);
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
        let warm = v8::Local::new(scope, &self.warm_packages);
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
        let reseed = self.reseed.clone();
        self.call(&reseed)
    }

    fn collect_garbage(&mut self) -> Result<(), EngineError> {
        let settle = self.settle.clone();
        self.call(&settle)?;
        self.runtime.v8_isolate().low_memory_notification();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use faas_linux::MOST_STACK;

    use super::*;

    #[test]
    fn the_stack_of_programs_fits_into_that_of_the_process() {
        for limit in [8, 16, 64, 255, 256].map(|mebibytes| mebibytes << 20) {
            let stack = stack_kib(Some(limit)) * 1024;
            assert!(stack < limit - (4 << 20), "{stack} of {limit}");
        }
        assert_eq!(stack_kib(Some(MOST_STACK)), STACK_KIB);
        assert_eq!(stack_kib(None), STACK_KIB);
        assert_eq!(stack_kib(Some(0)), LEAST_STACK_KIB);
    }
}
