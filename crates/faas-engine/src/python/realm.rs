//! The realm that Pyodide is booted in: its ops, its memory, our scripts in it.

use std::ffi::c_void;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;

use deno_core::JsRuntime;
use deno_core::ModuleSpecifier;
use deno_core::PollEventLoopOptions;
use deno_core::RuntimeOptions;
use deno_core::v8;
use faas_protocol::ByteSize;
use faas_protocol::RuntimeVersion;

use crate::BootOptions;
use crate::Silent;
use crate::code_cache;
use crate::code_cache::Compiled;
use crate::heap;
use crate::host;
use crate::host::BootFiles;
use crate::host::HostState;
use crate::interrupt;
use crate::interrupt::Urgency;
use crate::key_derivation;
use crate::loader::BootLoader;
use crate::packages;
use crate::properties::take;
use crate::refusals;
use crate::results;
use crate::scripts;
use crate::tools;

type Error = Box<dyn std::error::Error>;

deno_core::extension!(
    faas_python,
    ops = [
        host::op_faas_acknowledge_stop,
        tools::op_faas_await_tools,
        host::op_faas_boot_file,
        tools::op_faas_call_tool,
        host::op_faas_compiled,
        host::op_faas_cpu_time,
        host::op_faas_decode_latin1,
        host::op_faas_decode_utf16,
        host::op_faas_end_interruptible,
        host::op_faas_finish,
        packages::op_faas_imports,
        host::op_faas_input_files,
        host::op_faas_interrupt_buffer,
        host::op_faas_invocation,
        host::op_faas_now,
        packages::op_faas_in_wheelhouse,
        packages::op_faas_package,
        packages::op_faas_provider,
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
        host::op_faas_take_interrupt,
        host::op_faas_stay,
        host::op_faas_stop_requested,
        host::op_faas_take_alarm,
        packages::op_faas_unpacked,
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
pub fn stack_kib(limit: Option<u64>) -> u64 {
    let Some(limit) = limit else {
        return STACK_KIB;
    };
    let left = (limit / 1024).saturating_sub(CPP_FRAMES_KIB);
    left.clamp(LEAST_STACK_KIB, STACK_KIB)
}

const BOOT: &str = include_str!("../../../../js/python/boot.mjs");
/// Our Python modules, in the order in which they are loaded.
const MODULES: [(&str, &str); 24] = [
    (
        "_faas_network",
        include_str!("../../../../js/python/network.py"),
    ),
    ("_faas_loop", include_str!("../../../../js/python/loop.py")),
    (
        "_faas_packages",
        include_str!("../../../../js/python/packages.py"),
    ),
    (
        "_faas_report",
        include_str!("../../../../js/python/report.py"),
    ),
    (
        "_faas_values",
        include_str!("../../../../js/python/values.py"),
    ),
    (
        "_faas_tools",
        include_str!("../../../../js/python/tools.py"),
    ),
    (
        "_faas_results",
        include_str!("../../../../js/python/results.py"),
    ),
    (
        "_faas_tables",
        include_str!("../../../../js/python/tables.py"),
    ),
    (
        "_faas_charts",
        include_str!("../../../../js/python/charts.py"),
    ),
    (
        "_faas_figures",
        include_str!("../../../../js/python/figures.py"),
    ),
    (
        "_faas_display",
        include_str!("../../../../js/python/display.py"),
    ),
    (
        "_faas_ending",
        include_str!("../../../../js/python/ending.py"),
    ),
    (
        "_faas_fresh",
        include_str!("../../../../js/python/fresh.py"),
    ),
    (
        "_faas_hooks",
        include_str!("../../../../js/python/hooks.py"),
    ),
    (
        "_faas_supplements",
        include_str!("../../../../js/python/supplements.py"),
    ),
    (
        "_faas_check",
        include_str!("../../../../js/python/check.py"),
    ),
    (
        "_faas_magics",
        include_str!("../../../../js/python/magics.py"),
    ),
    (
        "_faas_assist",
        include_str!("../../../../js/python/assist.py"),
    ),
    (
        "_faas_variables",
        include_str!("../../../../js/python/variables.py"),
    ),
    (
        "_faas_sources",
        include_str!("../../../../js/python/sources.py"),
    ),
    (
        "_faas_runner",
        include_str!("../../../../js/python/runner.py"),
    ),
    (
        "_faas_evaluator",
        include_str!("../../../../js/python/evaluator.py"),
    ),
    (
        "_faas_cells",
        include_str!("../../../../js/python/cells.py"),
    ),
    (
        "_faas_settle",
        include_str!("../../../../js/python/settle.py"),
    ),
];

/// A realm in which Pyodide is booted.
pub struct Booted {
    pub runtime: JsRuntime,
    pub functions: Functions,
    pub version: RuntimeVersion,
    pub pyodide: Compiled,
}

/// What `js/python/boot.mjs` left behind.
pub struct Functions {
    pub run: v8::Global<v8::Function>,
    pub reseed: v8::Global<v8::Function>,
    pub rest: v8::Global<v8::Function>,
    pub memory: v8::Global<v8::Function>,
    pub settle: v8::Global<v8::Function>,
    pub install: v8::Global<v8::Function>,
    pub warm_packages: v8::Global<v8::Function>,
    pub check: v8::Global<v8::Function>,
    pub tend: v8::Global<v8::Function>,
    pub report_stop: v8::Global<v8::Function>,
}

/// Boots Pyodide in a new realm.
///
/// # Errors
/// Mostly files missing from the distribution.
pub async fn boot(options: &BootOptions) -> Result<Booted, Error> {
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
    let pyodide = code_cache::compile(&mut runtime, directory, &options.code_caches)?;
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
    let booted = take_over(runtime, pyodide)?;
    booted
        .runtime
        .op_state()
        .borrow_mut()
        .borrow_mut::<HostState>()
        .boot_files = None;
    Ok(booted)
}

/// Takes the runner's functions out of the realm and closes the way back into the host.
fn take_over(mut runtime: JsRuntime, pyodide: Compiled) -> Result<Booted, Error> {
    let (functions, version, stages) = {
        deno_core::scope!(scope, &mut runtime);
        let global = scope.get_current_context().global(scope);
        let engine = take(scope, global, "__faasEngine").ok_or("boot.mjs left no engine")?;
        let engine = v8::Local::<v8::Object>::try_from(engine)?;
        let mut function = |name| -> Result<_, Error> {
            let function = take(scope, engine, name).ok_or("a function is missing")?;
            let function = v8::Local::<v8::Function>::try_from(function)?;
            Ok(v8::Global::new(scope, function))
        };
        let functions = Functions {
            run: function("run")?,
            reseed: function("reseed")?,
            rest: function("rest")?,
            memory: function("memory")?,
            settle: function("settle")?,
            install: function("install")?,
            warm_packages: function("warmPackages")?,
            check: function("check")?,
            tend: function("tend")?,
            report_stop: function("reportStop")?,
        };
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
    Ok(Booted {
        runtime,
        functions,
        version,
        pyodide,
    })
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
    // In a fork of a kept process it may have been for the last program.
    if interrupt::stop_requested() {
        isolate.terminate_execution();
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
