//! Promises that were rejected and have no handler.
//!
//! Kept here rather than in deno_core: a value that is not an Error does not know where it was
//! thrown, but V8 still does at the moment of the rejection.

use std::rc::Rc;

use deno_core::op2;
use deno_core::v8;

use super::source;
use super::state::PlaceOfCode;
use super::state::Realm;
use super::state::Rejection;
use crate::place::Place;

/// Reports rejections of this isolate to its realm from now on.
pub fn watch(isolate: &mut v8::Isolate) {
    isolate.set_promise_reject_callback(on_rejection);
}

extern "C" fn on_rejection(message: v8::PromiseRejectMessage) {
    // SAFETY: a scope can be made from the message that V8 hands to this call-back.
    v8::callback_scope!(unsafe scope, &message);
    let Some(realm) = scope.get_slot::<Rc<Realm>>().cloned() else {
        return;
    };
    let promise = v8::Global::new(scope, message.get_promise());
    match message.get_event() {
        v8::PromiseRejectEvent::PromiseRejectWithNoHandler => {
            let Some(reason) = message.get_value() else {
                return;
            };
            let place = if reason.is_native_error() {
                None
            } else {
                let place = place_of(scope, reason);
                realm.rejections.remember(scope, reason, place)
            };
            realm.rejections.add(Rejection {
                promise,
                place,
                reason: v8::Global::new(scope, reason),
            });
        }
        v8::PromiseRejectEvent::PromiseHandlerAddedAfterReject => {
            realm.rejections.take_of(&promise);
        }
        v8::PromiseRejectEvent::PromiseRejectAfterResolved
        | v8::PromiseRejectEvent::PromiseResolveAfterResolved => {}
    }
}

/// Where a value that is not an Error is being thrown, or a promise rejected with it. For a value
/// that a called function threw, V8 only knows the end of the async function around it.
fn place_of(
    scope: &mut v8::PinScope<'_, '_>,
    reason: v8::Local<'_, v8::Value>,
) -> Option<PlaceOfCode> {
    let message = v8::Exception::create_message(scope, reason);
    let file = message.get_script_resource_name(scope)?;
    let file = file.to_rust_string_lossy(scope);
    if !source::is_program(&file) {
        return None;
    }
    let column = message.get_start_column();
    let line = message.get_source_line(scope)?.to_rust_string_lossy(scope);
    if line.encode_utf16().nth(column) == Some(u16::from(b'}')) {
        return None;
    }
    let place = Place {
        line: u32::try_from(message.get_line_number(scope)?).ok()?,
        column: u32::try_from(column + 1).ok()?,
    };
    Some(PlaceOfCode { file, place })
}

/// Ends the program if a promise was rejected and has no handler. Call it when the microtasks
/// are done.
pub fn report(scope: &mut v8::PinScope<'_, '_>, realm: &Realm) {
    if let Some(rejection) = realm.rejections.take_first() {
        report_one(scope, realm, &rejection);
    }
}

/// Ends the program by a rejection.
pub fn report_one(scope: &mut v8::PinScope<'_, '_>, realm: &Realm, rejection: &Rejection) {
    let reason = v8::Local::new(scope, &rejection.reason);
    fail(scope, realm, reason, rejection.place.clone());
}

/// Makes js/javascript/runner.js report an error and end the program.
pub fn fail(
    scope: &mut v8::PinScope<'_, '_>,
    realm: &Realm,
    error: v8::Local<'_, v8::Value>,
    place: Option<PlaceOfCode>,
) {
    let Some(fail) = realm.fail.borrow().clone() else {
        return;
    };
    let undefined: v8::Local<v8::Value> = v8::undefined(scope).into();
    let mut arguments = vec![error];
    let place = place.and_then(|PlaceOfCode { file, place }| {
        let place = realm.source(&file)?.original(place)?;
        Some((v8::String::new(scope, &file)?, place))
    });
    if let Some((file, Place { line, column })) = place {
        arguments.push(file.into());
        arguments.push(v8::Integer::new_from_unsigned(scope, line).into());
        arguments.push(v8::Integer::new_from_unsigned(scope, column).into());
    }
    let fail = v8::Local::new(scope, fail);
    // An exception is the end of the program, which `fail` brings about.
    v8::tc_scope!(let scope, scope);
    fail.call(scope, undefined, &arguments);
}

/// Replaces deno_core's op, which only does the first of the two.
#[op2(nofast, reentrant)]
pub fn op_faas_run_microtasks(scope: &mut v8::PinScope<'_, '_>) {
    scope.perform_microtask_checkpoint();
    if let Some(realm) = scope.get_slot::<Rc<Realm>>().cloned() {
        report(scope, &realm);
    }
}
