//! The realm of a JavaScript engine: which ops it has, and what they do.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::OpState;
use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use faas_protocol::Limit;
use faas_protocol::Stream;
use sha1::Sha1;
use sha2::Digest;
use sha2::Sha256;
use sha2::Sha384;
use sha2::Sha512;

use super::rejections::op_faas_run_microtasks;
use super::state::Realm;
use crate::Outcome;
use crate::host;
use crate::host::HostState;
use crate::place::Place;
use crate::results;
use crate::tools;

deno_core::extension!(
    faas_javascript,
    deps = [deno_web, deno_webidl],
    ops = [
        tools::op_faas_call_tool,
        host::op_faas_finish,
        host::op_faas_input_files,
        host::op_faas_invocation,
        host::op_faas_now,
        host::op_faas_put_file,
        host::op_faas_random,
        results::op_faas_represent,
        results::op_faas_represent_bytes,
        results::op_faas_show,
        op_faas_digest,
        op_faas_excerpt,
        op_faas_fail,
        op_faas_hmac,
        op_faas_original_position,
        op_faas_print,
        op_faas_timer_schedule,
    ],
    esm_entry_point = "ext:faas_javascript/realm.js",
    esm = [
        "ext:faas_javascript/realm.js" = "../../js/javascript/realm.js",
        "ext:faas_javascript/async_local_storage.js" = "../../js/javascript/async_local_storage.js",
        "ext:faas_javascript/console.js" = "../../js/javascript/console.js",
        "ext:faas_javascript/crypto.js" = "../../js/javascript/crypto.js",
        "ext:faas_javascript/display.js" = "../../js/javascript/display.js",
        "ext:faas_javascript/files.js" = "../../js/javascript/files.js",
        "ext:faas_javascript/invocation.js" = "../../js/javascript/invocation.js",
        "ext:faas_javascript/inspect.js" = "../../js/vendor/node/inspect.js",
        "ext:faas_javascript/runner.js" = "../../js/javascript/runner.js",
        "ext:faas_javascript/stack.js" = "../../js/javascript/stack.js",
        "ext:faas_javascript/random.js" = "../../js/shared/random.js",
        "ext:faas_javascript/timers.js" = "../../js/javascript/timers.js",
        "ext:faas_javascript/tools.js" = "../../js/javascript/tools.js",
        "ext:faas_javascript/url.js" = "../../js/javascript/url.js",
    ],
    options = { host_state: HostState, realm: Rc<Realm> },
    middleware = choose,
    state = |state, options| {
        state.put(options.host_state);
        state.put(options.realm);
    },
);

/// Ops that programs reach through deno_web or our own code. All others are disabled: among them is
/// one that panics the process (`op_panic`) and some that write to the host's streams. Timers are
/// ours, so that the event loop can sleep in a system call that a signal interrupts.
fn choose(op: deno_core::OpDecl) -> deno_core::OpDecl {
    match op.name {
        "op_timer_schedule" => op.with_implementation_from(&op_faas_timer_schedule()),
        "op_run_microtasks" => op.with_implementation_from(&op_faas_run_microtasks()),
        "op_timer_now" => op.with_implementation_from(&host::op_faas_now()),
        "op_add_main_module_handler"
        | "op_close"
        | "op_decode"
        | "op_destructure_error"
        | "op_dispatch_exception"
        | "op_drain_pending_rejections"
        | "op_encode"
        | "op_encode_binary_string"
        | "op_get_constructor_name"
        | "op_get_ext_import_meta_proto"
        | "op_get_extras_binding_object"
        | "op_get_non_index_property_names"
        | "op_get_promise_details"
        | "op_get_proxy_details"
        | "op_immediate_check"
        | "op_load_ext_script"
        | "op_ref_op"
        | "op_serialize"
        | "op_deserialize"
        | "op_set_captured_bootstrap"
        | "op_str_byte_length"
        | "op_structured_clone"
        | "op_timer_track"
        | "op_timer_untrack"
        | "op_try_close"
        | "op_unref_op"
        | "op_void_async_deferred"
        | "op_now"
        | "op_time_origin"
        | "op_defer" => op,
        "op_blob_create_object_url" | "op_blob_from_object_url" | "op_blob_revoke_object_url" => {
            op.disable()
        }
        name if KEPT_FAMILIES.iter().any(|family| name.starts_with(family)) => op,
        _ => op.disable(),
    }
}

/// Beginnings of the names of ops that are kept.
const KEPT_FAMILIES: [&str; 11] = [
    "op_base64",
    "op_blob_",
    "op_compression_",
    "op_console_",
    "op_encoding_",
    "op_faas_",
    "op_is_",
    "op_message_port_",
    "op_preview_entries",
    "op_url_",
    "op_urlpattern_",
];

/// Writes text to stdout (1) or stderr (2).
#[op2(fast)]
fn op_faas_print(state: &OpState, #[smi] descriptor: i32, #[string] text: &str) {
    let stream = if descriptor == 2 {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    let host = &state.borrow::<HostState>().host;
    host.write(stream, text.as_bytes());
}

/// Ends the program: no more of it runs.
#[op2(fast)]
fn op_faas_fail(
    scope: &mut v8::PinScope<'_, '_>,
    state: Rc<RefCell<OpState>>,
    out_of_memory: bool,
) {
    let limit = out_of_memory.then_some(Limit::Memory);
    state.borrow_mut().borrow_mut::<HostState>().outcome = Some(Outcome::failed(limit));
    scope.terminate_execution();
}

/// What the timers want: to be called in so many ms, or (-1) that the end of the program waits for
/// them, or (-2) that it does not. deno_core's own op of this kind asks tokio.
#[op2(fast)]
fn op_faas_timer_schedule(state: &OpState, delay: f64) {
    let realm = state.borrow::<Rc<Realm>>();
    if delay == -1.0 {
        realm.timers_hold.set(true);
    } else if delay == -2.0 {
        realm.timers_hold.set(false);
    } else {
        let now = state.borrow::<HostState>().now();
        realm.timer_due.set(now + delay);
    }
}

/// The line of a program at a place, with a caret below.
#[op2]
#[string]
fn op_faas_excerpt(state: &OpState, #[string] file: &str, line: u32, column: u32) -> String {
    let source = state.borrow::<Rc<Realm>>().source(file);
    let excerpt = source.map(|source| source.excerpt(Place { line, column }, 1));
    excerpt.unwrap_or_default()
}

/// Writes the place in the source that was sent into `into`; returns whether there is one.
#[op2(fast)]
fn op_faas_original_position(
    state: &OpState,
    #[string] file: &str,
    line: u32,
    column: u32,
    #[buffer] into: &mut [u32],
) -> bool {
    let source = state.borrow::<Rc<Realm>>().source(file);
    let Some(place) = source.and_then(|source| source.original(Place { line, column })) else {
        return false;
    };
    if let [first, second, ..] = into {
        *first = place.line;
        *second = place.column;
    }
    true
}

/// Hashes bytes.
#[op2]
fn op_faas_digest(#[string] name: &str, #[buffer] bytes: &[u8]) -> Result<Uint8Array, JsErrorBox> {
    hash(name, &[bytes]).map(Into::into)
}

/// The message authentication code of bytes (HMAC, RFC 2104).
#[op2]
fn op_faas_hmac(
    #[string] name: &str,
    #[buffer] key: &[u8],
    #[buffer] bytes: &[u8],
) -> Result<Uint8Array, JsErrorBox> {
    let block = match name {
        "SHA-1" | "SHA-256" => 64,
        _ => 128,
    };
    let mut padded = if key.len() > block {
        hash(name, &[key])?
    } else {
        key.to_vec()
    };
    padded.resize(block, 0);
    let with = |byte: u8| -> Vec<u8> { padded.iter().map(|key| key ^ byte).collect() };
    let inner = hash(name, &[&with(0x36), bytes])?;
    hash(name, &[&with(0x5c), &inner]).map(Into::into)
}

/// The hash of parts, one after the other.
fn hash(name: &str, parts: &[&[u8]]) -> Result<Vec<u8>, JsErrorBox> {
    fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
        let mut digest = D::new();
        for part in parts {
            digest.update(part);
        }
        digest.finalize().to_vec()
    }
    match name {
        "SHA-1" => Ok(of::<Sha1>(parts)),
        "SHA-256" => Ok(of::<Sha256>(parts)),
        "SHA-384" => Ok(of::<Sha384>(parts)),
        "SHA-512" => Ok(of::<Sha512>(parts)),
        _ => Err(JsErrorBox::type_error("no such digest")),
    }
}
