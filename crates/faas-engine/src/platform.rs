//! Process-wide set-up of V8 that allows the process to fork afterwards.

use deno_core::JsRuntime;
use deno_core::v8;

use super::EngineError;

/// Flags every zygote starts with.
///
/// * `--single-threaded`: a fork carries over only the calling thread, so V8 must not own others.
/// * `--wasm-max-mem-pages`: caps any one WebAssembly memory at 4 GiB (65,536 pages of 64 KiB);
///   the sandbox's data limit cuts it far lower.
/// * `--no-wasm-code-gc`: code stays in memory after an optimised version replaced it. Freeing it leaves
///   a hole in its region, and each of a hundred holes costs every fork two more mappings to copy.
/// * `--no-memory-reducer`: V8 sets a timer after a collection, for another one in idle time. Every
///   fork of a zygote whose timer has run out would find it due, and collect the whole heap.
const FLAGS: &str = "--single-threaded --wasm-max-mem-pages=65536 --no-wasm-code-gc \
    --no-memory-reducer";

/// Initialises V8 in this process. Call it once, before any isolate, on the only thread.
///
/// Code that runs in it may use `stack_kib` KiB of the stack; V8's own C++ frames come on top.
/// `engine_flags` are the engine's own, `extra_flags` come from FAAS_V8_FLAGS.
///
/// # Errors
/// [`EngineError::Boot`] if V8 does not know a flag. Otherwise a flag that an update renamed would go
/// unnoticed.
pub fn initialize(
    stack_kib: u64,
    engine_flags: &str,
    extra_flags: &str,
) -> Result<(), EngineError> {
    let stack = format!("--stack-size={stack_kib}");
    let flags = [FLAGS, &stack, engine_flags, extra_flags];
    let flags = flags
        .iter()
        .flat_map(|flags| flags.split_ascii_whitespace());
    // As on a command line, whose first word is the program's name and stays.
    let words = std::iter::once("v8").chain(flags).map(str::to_owned);
    let left = v8::V8::set_flags_from_command_line(words.collect());
    if left.len() > 1 {
        let unknown = left[1..].join(" ");
        return Err(EngineError::Boot(format!("V8 does not know {unknown}")));
    }
    // deno_core never asks for it; without it every wasm memory access pays an explicit bounds check.
    // Machine code of a code cache relies on it: it was compiled without such checks.
    if !v8::V8::enable_web_assembly_trap_handler(true) {
        return Err(EngineError::Boot(
            "V8's trap handler could not be installed".into(),
        ));
    }
    JsRuntime::init_platform(Some(
        v8::new_single_threaded_default_platform(false).make_shared(),
    ));
    Ok(())
}

/// Runs the tasks that V8 posted to its platform, until none is due; returns whether there were
/// any.
///
/// deno_core pumps only a platform that it made itself; with ours, asynchronous WebAssembly
/// compilation and `FinalizationRegistry` call-backs wait for this.
pub fn pump(isolate: &v8::Isolate) -> bool {
    let platform = v8::V8::get_current_platform();
    let mut ran = false;
    while v8::Platform::pump_message_loop(&platform, isolate, false) {
        ran = true;
    }
    ran
}
