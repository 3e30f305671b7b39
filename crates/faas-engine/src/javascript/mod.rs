//! JavaScript (and, once translated, TypeScript): V8 with the globals of the web.

mod callbacks;
mod check;
mod compile;
mod event_loop;
mod memory;
mod realm;
mod rejections;
mod source;
mod start;
mod state;

use std::rc::Rc;
use std::sync::Arc;

use deno_core::JsRuntime;
use deno_core::RuntimeOptions;
use deno_core::SharedArrayBufferStore;
use deno_core::v8;
use deno_web::BlobStore;
use deno_web::InMemoryBroadcastChannel;
use deno_web::StartTime;
use faas_protocol::ByteSize;
use faas_protocol::Findings;
use faas_protocol::Language;
use faas_protocol::Limit;
use faas_protocol::RuntimeVersion;
use faas_protocol::Stream;
use faas_protocol::Tending;

use super::BootOptions;
use super::Engine;
use super::EngineError;
use super::Host;
use super::NotInstalled;
use super::Outcome;
use super::Program;
use super::Silent;
use super::heap;
use super::host::HostState;
use super::interrupt;
use super::interrupt::Urgency;
use super::place::Place;
use super::platform;
use super::properties::take;
use super::scripts;
use super::tend;
use compile::Rejected;
use state::Realm;

/// Further V8 flags: the garbage collection after the warm-up must not throw away the code that was
/// compiled in it.
const FLAGS: &str = "--no-flush-bytecode";

/// Stack of programs, in KiB; leaves room on a stack of 8 MiB for V8's own C++ frames.
const STACK_KIB: u64 = 1968;

/// The exit code of a program that was interrupted, as a shell gives it: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// What programs leave in the heap before forks are quicker if garbage is collected for them: for less, the
/// collection only makes pages of the zygote this process's own.
const MUCH_LEFT: ByteSize = ByteSize::mib(2);

/// A booted realm.
pub struct JavaScriptEngine {
    runtime: JsRuntime,
    realm: Rc<Realm>,
    functions: Functions,
    /// The result of the running program's top level, if it has one yet.
    main: Option<v8::Global<v8::Promise>>,
    /// Only for ops that need one around them.
    reactor: tokio::runtime::Runtime,
    version: RuntimeVersion,
    /// Memory limit of programs; a request may lower it.
    memory: ByteSize,
    /// The limit in force.
    memory_now: ByteSize,
    /// Bytes in the heap after the last collection.
    compact_heap: usize,
}

/// Functions of js/javascript/runner.js and others that the engine calls.
struct Functions {
    begin: v8::Global<v8::Function>,
    clear: v8::Global<v8::Function>,
    declare: v8::Global<v8::Function>,
    finish: v8::Global<v8::Function>,
    fire_timers: v8::Global<v8::Function>,
    reset_clock: v8::Global<v8::Function>,
    settle_call: v8::Global<v8::Function>,
    tend: v8::Global<v8::Function>,
    reseed: v8::Global<v8::Function>,
}

impl JavaScriptEngine {
    /// Boots a realm. Call it once per process, on its only thread.
    ///
    /// # Errors
    /// [`EngineError::Boot`] with the reason: always a mistake in this crate.
    pub fn boot(options: &BootOptions) -> Result<Self, EngineError> {
        platform::initialize(STACK_KIB, FLAGS, &options.v8_flags)?;
        Self::boot_realm(options.memory).map_err(|error| EngineError::Boot(error.to_string()))
    }

    fn boot_realm(memory: ByteSize) -> Result<Self, Box<dyn std::error::Error>> {
        // No I/O driver: an epoll descriptor would be shared with every fork.
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let realm = Realm::new();
        let host: Rc<dyn Host> = Rc::new(Silent);
        heap::set_host(host.clone());
        let mut runtime = JsRuntime::try_new(RuntimeOptions {
            create_params: Some(memory::create_params(memory)),
            // Without it `structuredClone` copies what it should transfer.
            shared_array_buffer_store: Some(SharedArrayBufferStore::default()),
            extensions: scripts::carried(vec![
                deno_webidl::deno_webidl::init(),
                deno_web::deno_web::init(
                    Arc::new(BlobStore::default()),
                    None,
                    false,
                    InMemoryBroadcastChannel::default(),
                ),
                realm::faas_javascript::init(HostState::new(host, None), realm.clone()),
            ])?,
            ..Default::default()
        })?;
        let functions = take_over(&mut runtime, &realm)?;
        callbacks::install(runtime.v8_isolate(), &realm);
        memory::watch(runtime.v8_isolate(), memory, callbacks::stop_here);
        interrupt::interrupt_on_stop(
            runtime.v8_isolate().thread_safe_handle(),
            callbacks::stop_here,
            Urgency::AtOnce,
        );
        Ok(Self {
            runtime,
            realm,
            functions,
            main: None,
            reactor,
            version: RuntimeVersion {
                engine: v8::V8::get_version().to_owned(),
                language: None,
            },
            memory,
            memory_now: memory,
            compact_heap: 0,
        })
    }
}

/// Takes the realm's functions out of it and closes the way back into the host.
fn take_over(
    runtime: &mut JsRuntime,
    realm: &Realm,
) -> Result<Functions, Box<dyn std::error::Error>> {
    deno_core::scope!(scope, runtime);
    let context = scope.get_current_context();
    *realm.context.borrow_mut() = Some(v8::Global::new(scope, context));
    let global = context.global(scope);
    let engine = take(scope, global, "__faasEngine").ok_or("realm.js left no engine")?;
    let engine = v8::Local::<v8::Object>::try_from(engine)?;
    let mut function = |name: &str| -> Result<_, Box<dyn std::error::Error>> {
        let value = take(scope, engine, name).ok_or_else(|| format!("no function {name}"))?;
        let value = v8::Local::<v8::Function>::try_from(value)?;
        Ok(v8::Global::new(scope, value))
    };
    let functions = Functions {
        begin: function("begin")?,
        clear: function("clear")?,
        declare: function("declare")?,
        finish: function("finish")?,
        fire_timers: function("fireTimers")?,
        reset_clock: function("resetClock")?,
        settle_call: function("settleCall")?,
        tend: function("tend")?,
        reseed: function("reseed")?,
    };
    *realm.format_stack.borrow_mut() = Some(function("formatStack")?);
    *realm.fail.borrow_mut() = Some(function("fail")?);
    for name in ["Deno", "__bootstrap"] {
        take(scope, global, name);
    }
    Ok(functions)
}

impl JavaScriptEngine {
    /// Calls one of the realm's functions. `None` if it threw or was terminated.
    fn call(
        &mut self,
        which: impl Fn(&Functions) -> &v8::Global<v8::Function>,
        argument: Option<f64>,
    ) -> Option<f64> {
        deno_core::scope!(scope, &mut self.runtime);
        v8::tc_scope!(let scope, scope);
        let function = v8::Local::new(scope, which(&self.functions));
        let this = v8::undefined(scope).into();
        let arguments: Vec<v8::Local<v8::Value>> = argument
            .map(|number| v8::Number::new(scope, number).into())
            .into_iter()
            .collect();
        let result = function.call(scope, this, &arguments)?;
        Some(result.number_value(scope).unwrap_or(f64::NAN))
    }

    /// Takes away what would still run of the program; returns whether that worked.
    fn clear_away(&mut self) -> bool {
        // V8 drops the microtasks that wait when it is to end what runs.
        let isolate = self.runtime.v8_isolate();
        isolate.terminate_execution();
        isolate.perform_microtask_checkpoint();
        isolate.cancel_terminate_execution();
        // As in `fire_timers`.
        let next = self.call(|functions| &functions.clear, None);
        let due = match next {
            Some(0.0) => f64::INFINITY,
            Some(next) => next.abs(),
            None => f64::NAN,
        };
        self.realm.timer_due.set(due);
        !due.is_nan() && !self.realm.timers_hold.get()
    }

    /// The outcome of a program that its caller interrupted.
    fn interrupted(&self) -> Outcome {
        let state = self.runtime.op_state();
        let state = state.borrow();
        let host = &state.borrow::<HostState>().host;
        host.write(
            Stream::Stderr,
            b"Uncaught Error: the cell was interrupted\n",
        );
        Outcome {
            exit_code: INTERRUPTED,
            ..Outcome::failed(None)
        }
    }

    fn has_outcome(&self) -> bool {
        let state = self.runtime.op_state();
        let state = state.borrow();
        state.borrow::<HostState>().outcome.is_some()
    }

    fn take_outcome(&self) -> Option<Outcome> {
        let state = self.runtime.op_state();
        let mut state = state.borrow_mut();
        state.borrow_mut::<HostState>().outcome.take()
    }
}

impl Engine for JavaScriptEngine {
    fn version(&self) -> &RuntimeVersion {
        &self.version
    }

    fn run(&mut self, program: Program<'_>, _scratch: bool) -> Result<Outcome, EngineError> {
        // Some of deno_web's ops require a tokio runtime around them, though none needs its
        // reactor.
        let reactor = self.reactor.handle().clone();
        let _guard = reactor.enter();
        self.runtime
            .op_state()
            .borrow_mut()
            .put(StartTime::default());
        self.runtime
            .op_state()
            .borrow_mut()
            .borrow_mut::<HostState>()
            .begin(&program);
        self.call(|functions| &functions.reset_clock, None);
        let memory = program.memory_limit.min(self.memory);
        if memory != self.memory_now {
            memory::set(self.runtime.v8_isolate(), memory, callbacks::stop_here);
            self.memory_now = memory;
        }
        if self.start(program)? {
            self.run_to_end();
        }
        let is_interrupted = interrupt::is_interrupted();
        interrupt::end_interruptible();
        // The termination of the program must not end what the engine does next.
        self.runtime.v8_isolate().cancel_terminate_execution();
        self.main = None;
        self.realm.rejections.clear();
        let mut outcome = self.take_outcome();
        if outcome.is_none() && is_interrupted && !interrupt::stop_requested() {
            outcome = Some(self.interrupted());
        }
        if memory::limit_reached() {
            return Ok(Outcome::failed(Some(Limit::Memory)));
        }
        match outcome {
            Some(mut outcome) => {
                outcome.can_stay = program.keep
                    && outcome.limit.is_none()
                    && !interrupt::stop_requested()
                    && self.clear_away();
                Ok(outcome)
            }
            None if interrupt::stop_requested() => Err(EngineError::Terminated),
            None => Err(EngineError::Runner(
                "the program reported no outcome".into(),
            )),
        }
    }

    fn check(&mut self, language: Language, code: &str) -> Result<String, EngineError> {
        // V8 decides whether a program is valid, with the messages that running it would give.
        let name = source::name_of(1);
        let compiled = compile::prepare(name, language, code).and_then(|(code, source)| {
            deno_core::scope!(scope, &mut self.runtime);
            compile::check(scope, &code, &source)
        });
        let findings = match compiled {
            Ok(()) => check::look_at(language, code),
            Err(Rejected { place, message, .. }) => {
                let place = place.map(|Place { line, column }| (line, column));
                Findings::invalid(place, message)
            }
        };
        serde_json::to_string(&findings).map_err(|error| EngineError::Runner(error.to_string()))
    }

    fn tend(
        &mut self,
        tending: Tending,
        program: Program<'_>,
    ) -> Result<Option<String>, EngineError> {
        let reactor = self.reactor.handle().clone();
        let _guard = reactor.enter();
        let state = self.runtime.op_state();
        state.borrow_mut().borrow_mut::<HostState>().begin(&program);
        deno_core::scope!(scope, &mut self.runtime);
        v8::tc_scope!(let scope, scope);
        let tend = v8::Local::new(scope, &self.functions.tend);
        let goes_on = v8::Boolean::new(scope, program.goes_on).into();
        tend::call(scope, tend, tending, program.code, &[goes_on])
    }

    fn install(&mut self, _packages: &[String], _storage: ByteSize) -> Result<(), NotInstalled> {
        Err("packages are supported for Python only".into())
    }

    fn set_host(&mut self, host: Rc<dyn Host>) {
        heap::set_host(host.clone());
        let state = self.runtime.op_state();
        state.borrow_mut().borrow_mut::<HostState>().host = host;
    }

    fn reseed(&mut self) -> Result<(), EngineError> {
        self.call(|functions| &functions.reseed, None)
            .map(|_| ())
            .ok_or_else(|| EngineError::Runner("reseeding failed".into()))
    }

    fn rest(&mut self) -> Result<(), EngineError> {
        let used = self.runtime.v8_isolate().get_heap_statistics();
        let grown = used.used_heap_size().saturating_sub(self.compact_heap);
        if grown > MUCH_LEFT.as_usize() {
            self.collect_garbage()?;
        }
        Ok(())
    }

    fn forget_stop(&mut self) {
        interrupt::forget();
        self.runtime.v8_isolate().cancel_terminate_execution();
    }

    fn collect_garbage(&mut self) -> Result<(), EngineError> {
        let isolate = self.runtime.v8_isolate();
        isolate.low_memory_notification();
        // The rest of it (sweeping) waits in tasks; every fork would have to do it.
        platform::pump(isolate);
        self.compact_heap = isolate.get_heap_statistics().used_heap_size();
        Ok(())
    }
}
