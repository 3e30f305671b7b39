//! Call-backs of V8: stack traces, interrupts, and refusals.

use std::ffi::c_void;
use std::rc::Rc;

use deno_core::JsRuntime;
use deno_core::v8;
use faas_protocol::Stream;

use super::memory;
use super::rejections;
use super::source;
use super::state::Realm;
use crate::host::HostState;
use crate::interrupt;
use crate::place::Place;
use crate::refusals;

/// Frames shown of a program that was stopped; as many as an Error has.
const STOPPED_FRAMES: usize = 10;

/// Replaces deno_core's call-backs, which know its own modules and source maps, with ours.
pub fn install(isolate: &mut v8::Isolate, realm: &Rc<Realm>) {
    isolate.set_slot(realm.clone());
    isolate.set_prepare_stack_trace_callback(prepare_stack_trace);
    refusals::install(isolate);
    rejections::watch(isolate);
}

fn prepare_stack_trace<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    let undefined = v8::undefined(scope).into();
    let Some(realm) = scope.get_slot::<Rc<Realm>>().cloned() else {
        return undefined;
    };
    let Some(format) = realm.format_stack.borrow().clone() else {
        return undefined;
    };
    let is_mapped = v8::Boolean::new(scope, realm.is_mapped());
    let format = v8::Local::new(scope, format);
    // An exception is one of the program's own `Error.prepareStackTrace`; V8 wants a value.
    v8::tc_scope!(let scope, scope);
    format
        .call(scope, undefined, &[error, sites.into(), is_mapped.into()])
        .unwrap_or(undefined)
}

/// Reports where the program is, and ends it. V8 calls this at a safe point of the running code.
///
/// # Safety
/// For V8 only, which calls with its live isolate, on the only thread.
pub unsafe extern "C" fn stop_here(isolate: v8::UnsafeRawIsolatePtr, _data: *mut c_void) {
    // SAFETY: V8 calls with its live isolate, on the only thread.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    // In a fork of a kept process it may have been for the last program.
    if !interrupt::stop_requested() && !interrupt::is_interrupted() && !memory::limit_reached() {
        return;
    }
    if let Some(realm) = isolate.get_slot::<Rc<Realm>>().cloned()
        && let Some(context) = realm.context.borrow().clone()
    {
        v8::scope_with_context!(scope, &mut isolate, context);
        report_stop(scope, &realm);
    }
    isolate.terminate_execution();
}

fn report_stop(scope: &mut v8::PinScope<'_, '_>, realm: &Realm) {
    let frames = user_frames(scope, realm);
    if frames.is_empty() {
        return;
    }
    let state = JsRuntime::op_state_from(scope);
    // Held only by a running op, which does not run user code.
    if let Ok(state) = state.try_borrow() {
        let text = format!("The program was here when it was stopped:\n{frames}");
        state
            .borrow::<HostState>()
            .host
            .write(Stream::Stderr, text.as_bytes());
    }
}

/// The user's frames of the current stack, a line each.
fn user_frames(scope: &mut v8::PinScope<'_, '_>, realm: &Realm) -> String {
    let Some(trace) = v8::StackTrace::current_stack_trace(scope, STOPPED_FRAMES) else {
        return String::new();
    };
    let mut lines = String::new();
    for index in 0..trace.get_frame_count() {
        let Some(frame) = trace.get_frame(scope, index) else {
            continue;
        };
        // Not the name that a comment in the text gives (`sourceURL`): evaluated text can say it is the
        // program.
        let file = frame
            .get_script_name(scope)
            .map(|name| name.to_rust_string_lossy(scope))
            .filter(|name| source::is_program(name) && !frame.is_eval());
        let Some(file) = file else {
            continue;
        };
        let name = frame
            .get_script_name_or_source_url(scope)
            .map(|name| name.to_rust_string_lossy(scope));
        // With such a comment, V8 counts lines from the beginning of what was compiled.
        let before = usize::from(name.as_ref() != Some(&file));
        let place = Place {
            line: u32::try_from(frame.get_line_number().saturating_sub(before)).unwrap_or(0),
            column: u32::try_from(frame.get_column()).unwrap_or(0),
        };
        let original = realm
            .source(&file)
            .and_then(|source| source.original(place));
        let Some(Place { line, column }) = original else {
            continue;
        };
        let function = frame
            .get_function_name(scope)
            .map(|name| name.to_rust_string_lossy(scope))
            .filter(|name| !name.is_empty());
        lines.push_str(&match function {
            Some(name) => format!("    at {name} ({file}:{line}:{column})\n"),
            None => format!("    at {file}:{line}:{column}\n"),
        });
    }
    lines
}
