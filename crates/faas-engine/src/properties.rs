//! What both realms do with V8 objects.

use deno_core::v8;

/// Reads a property and deletes it, so that no program finds it.
pub fn take<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let key = v8::String::new(scope, name)?;
    let value = object.get(scope, key.into())?;
    object.delete(scope, key.into());
    (!value.is_undefined()).then_some(value)
}
