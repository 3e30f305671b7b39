//! What both engines do to look into what programs left: they call a function of the realm's.

use deno_core::v8;
use faas_protocol::Tending;

use super::EngineError;

/// Calls `function` with the name of what is to be done, the name of a file, and what else the engine has for it.
/// It returns a text or nothing.
///
/// # Errors
/// [`EngineError::Terminated`] if V8 was told to stop, [`EngineError::Runner`] if the function failed.
pub fn call(
    scope: &mut v8::PinnedRef<'_, v8::TryCatch<'_, '_, v8::HandleScope<'_>>>,
    function: v8::Local<'_, v8::Function>,
    tending: Tending,
    file: &str,
    rest: &[v8::Local<'_, v8::Value>],
) -> Result<Option<String>, EngineError> {
    let text = |text: &str| EngineError::Runner(text.to_owned());
    let what = v8::String::new(scope, tending.name()).ok_or_else(|| text("no memory"))?;
    let file = v8::String::new(scope, file).ok_or_else(|| text("the name is too long"))?;
    let mut arguments = vec![what.into(), file.into()];
    arguments.extend_from_slice(rest);
    let this = v8::undefined(scope).into();
    match function.call(scope, this, &arguments) {
        Some(found) if found.is_null_or_undefined() => Ok(None),
        Some(found) => Ok(Some(found.to_rust_string_lossy(scope))),
        None if scope.has_terminated() => Err(EngineError::Terminated),
        None => Err(text("it could not be done")),
    }
}
