//! `import()` in a realm without modules: rejected at once, whatever it names.
//!
//! deno_core's own call-back would ask its module loader and answer only when its event loop is
//! polled, which nobody does while a program runs: the promise would stay pending for ever. It also
//! knows its extensions' modules, which no program may see.

use deno_core::v8;

use super::loader;

/// Makes every later `import()`, of whatever phase, reject. To be called when the boot is over.
pub fn install(isolate: &mut v8::Isolate) {
    isolate.set_host_import_module_dynamically_callback(refuse);
    isolate.set_host_import_module_with_phase_dynamically_callback(refuse_phase);
    isolate.set_host_initialize_import_meta_object_callback(leave_meta_empty);
}

fn refuse<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _options: v8::Local<'s, v8::Data>,
    _referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let specifier = specifier.to_rust_string_lossy(scope);
    let message = loader::no_modules(&specifier).to_string();
    let message = v8::String::new(scope, &message)?;
    let error = v8::Exception::type_error(scope, message);
    let resolver = v8::PromiseResolver::new(scope)?;
    resolver.reject(scope, error);
    Some(resolver.get_promise(scope))
}

fn refuse_phase<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    options: v8::Local<'s, v8::Data>,
    referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    _phase: v8::ModuleImportPhase,
    attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    refuse(scope, options, referrer, specifier, attributes)
}

/// A module has no address to tell.
unsafe extern "C" fn leave_meta_empty(
    _context: v8::Local<v8::Context>,
    _module: v8::Local<v8::Module>,
    _meta: v8::Local<v8::Object>,
) {
}
