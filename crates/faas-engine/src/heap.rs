//! Limits of V8's heap that all engines have, and the end when V8 has no memory left.

use std::cell::RefCell;
use std::ffi::c_char;
use std::rc::Rc;

use deno_core::v8;
use faas_protocol::ByteSize;

use super::Host;

/// Addresses for compiled JavaScript and regular expressions. The whole range counts as memory of the
/// zygote, so what a program fills of it is free by the kernel's count; V8's own choice is 512 MiB.
const CODE_RANGE: ByteSize = ByteSize::mib(64);

thread_local! {
    /// The host to notify when memory runs out.
    static HOST: RefCell<Option<Rc<dyn Host>>> = const { RefCell::new(None) };
}

/// Limits of a heap, for both generations of objects.
pub fn create_params(young: ByteSize, old: ByteSize) -> v8::CreateParams {
    v8::CreateParams::default()
        .set_code_range_size_in_bytes(CODE_RANGE.as_usize())
        .set_max_young_generation_size_in_bytes(young.as_usize())
        .set_max_old_generation_size_in_bytes(old.as_usize())
}

/// Notifies the host when V8 cannot go on for want of memory, once per process.
pub fn watch(isolate: &mut v8::Isolate) {
    isolate.set_oom_error_handler(on_out_of_memory);
}

/// Sets the host to notify from now on.
pub fn set_host(host: Rc<dyn Host>) {
    HOST.with_borrow_mut(|current| *current = Some(host));
}

/// Ends the process because it is out of memory, after notifying the host.
pub fn end_out_of_memory() -> ! {
    let host = HOST.try_with(|host| host.try_borrow().ok().and_then(|host| host.clone()));
    if let Ok(Some(host)) = host {
        host.out_of_memory();
    }
    std::process::abort()
}

/// What V8 calls when it cannot go on.
///
/// # Safety
/// For V8 only, which calls with valid arguments; none is used.
unsafe extern "C" fn on_out_of_memory(_location: *const c_char, _details: &v8::OomDetails) {
    end_out_of_memory()
}
