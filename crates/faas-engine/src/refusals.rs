//! Requests of V8 on behalf of a program that are refused: modules, and streams to compile
//! WebAssembly from.
//!
//! deno_core's own call-back for `import()` would ask its module loader and answer only when its
//! event loop is polled, which does not happen while Python runs: the promise would stay pending
//! for ever. It also knows its extensions' modules, which no program may see. Its call-back for
//! streams panics.

use deno_core::v8;

use super::loader;

/// Makes every later `import()`, in any phase, and every compilation of a stream reject. Call it
/// when the boot is over.
pub fn install(isolate: &mut v8::Isolate) {
    isolate.set_host_import_module_dynamically_callback(refuse_import);
    isolate.set_host_import_module_with_phase_dynamically_callback(refuse_import_with_phase);
    isolate.set_host_initialize_import_meta_object_callback(leave_import_meta_empty);
    isolate.set_wasm_streaming_callback(refuse_stream);
}

fn refuse_import<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _options: v8::Local<'s, v8::Data>,
    _referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let specifier = specifier.to_rust_string_lossy(scope);
    let error = type_error(scope, &loader::no_modules(&specifier).to_string())?;
    let resolver = v8::PromiseResolver::new(scope)?;
    resolver.reject(scope, error);
    Some(resolver.get_promise(scope))
}

fn refuse_import_with_phase<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    options: v8::Local<'s, v8::Data>,
    referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    _phase: v8::ModuleImportPhase,
    attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    refuse_import(scope, options, referrer, specifier, attributes)
}

/// A module has no address.
///
/// # Safety
/// For V8 only, which calls with valid handles; none is used.
unsafe extern "C" fn leave_import_meta_empty(
    _context: v8::Local<v8::Context>,
    _module: v8::Local<v8::Module>,
    _meta: v8::Local<v8::Object>,
) {
}

/// For `WebAssembly.compileStreaming` and `instantiateStreaming`, whose argument is a Response.
fn refuse_stream<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _source: v8::Local<'s, v8::Value>,
    stream: v8::WasmStreaming<false>,
) {
    let message = "the sandbox has no Response to compile from; use WebAssembly.compile";
    stream.abort(type_error(scope, message));
}

fn type_error<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    message: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let message = v8::String::new(scope, message)?;
    Some(v8::Exception::type_error(scope, message))
}
