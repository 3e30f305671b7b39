//! The program's allocator: the system's, but when there is no memory left, a handler that asked to be told
//! is told, before Rust or C++ end the process without a word.

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering;

/// Called with no memory left; must not allocate.
pub type OutOfMemory = fn() -> !;

static OUT_OF_MEMORY: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// The system's allocator, with a word for when there is no memory left.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: the C++ library's own signature (C++ standard, [set.new.handler]), under its mangled name.
unsafe extern "C" {
    /// `std::set_new_handler` of the C++ library that V8 brings along: what `operator new` calls when
    /// it has nothing to give.
    #[link_name = "_ZSt15set_new_handlerPFvvE"]
    fn set_new_handler(handler: Option<extern "C" fn()>) -> Option<extern "C" fn()>;
}

/// From now on `end` is called when an allocation fails: in a sandbox, whose memory is limited.
pub fn on_out_of_memory(end: OutOfMemory) {
    OUT_OF_MEMORY.store(end as *mut (), Ordering::Release);
    // SAFETY: the function only stores the pointer, and one thread runs.
    unsafe { set_new_handler(Some(on_new_failed)) };
}

extern "C" fn on_new_failed() {
    checked(std::ptr::null_mut());
}

fn checked(pointer: *mut u8) -> *mut u8 {
    let end = OUT_OF_MEMORY.load(Ordering::Acquire);
    if pointer.is_null() && !end.is_null() {
        // SAFETY: the only non-null value ever stored is a function of this type.
        let end: OutOfMemory = unsafe { std::mem::transmute::<*mut (), OutOfMemory>(end) };
        end()
    }
    pointer
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: `layout` has a size, as `GlobalAlloc::alloc` requires of our caller.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: `layout` has a size, as `GlobalAlloc::alloc_zeroed` requires of our caller.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `pointer` came from this allocator, which is the system's, with this `layout`, and
        // `size` is valid: what `GlobalAlloc::realloc` requires of our caller.
        checked(unsafe { System.realloc(pointer, layout, size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from this allocator, which is the system's, with this `layout`: what
        // `GlobalAlloc::dealloc` requires of our caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}
