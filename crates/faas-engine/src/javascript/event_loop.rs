//! Runs a program from the end of its first turn to the end of its last.
//!
//! deno_core's event loop is polled for promises, rejections and asynchronous ops, with a waker
//! that only records that it was called. Waiting is done here, in one system call that the signal
//! for a stop interrupts: a sleep until the next timer is due. Nothing but a timer can become ready
//! on its own in a sandbox.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;

use deno_core::PollEventLoopOptions;
use deno_core::v8;
use faas_protocol::Stream;

use super::JavaScriptEngine;
use super::memory;
use super::rejections;
use crate::host::HostState;
use crate::interrupt;
use crate::platform;
use crate::tools;

/// Remembers that something is ready.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl JavaScriptEngine {
    /// Runs until the program has an outcome, or was stopped.
    pub(super) fn run_to_end(&mut self) {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        while !self.is_over() {
            flag.0.store(false, Ordering::Relaxed);
            self.turn(&waker);
            if self.is_over() {
                return;
            }
            let ran_tasks = platform::pump(self.runtime.v8_isolate());
            if self.fire_timers() || ran_tasks || flag.0.load(Ordering::Relaxed) {
                continue;
            }
            let within = self.realm.timer_due.get() - self.now();
            if self.has_open_calls() {
                self.await_tools(within);
                continue;
            }
            if !self.realm.timers_hold.get() {
                self.finish();
                return;
            }
            interrupt::sleep(within);
        }
    }

    /// Whether calls of tools are not answered.
    fn has_open_calls(&self) -> bool {
        let state = self.runtime.op_state();
        let state = state.borrow();
        state.borrow::<HostState>().open_calls > 0
    }

    /// Waits for answers to calls of tools, for so many ms at most, and settles the promises of those that came.
    fn await_tools(&mut self, within: f64) {
        let answers = tools::await_tools(&self.runtime.op_state(), within);
        // Without a supervisor nothing matters any more.
        let answers = answers.unwrap_or_else(|_| std::process::abort());
        deno_core::scope!(scope, &mut self.runtime);
        v8::tc_scope!(let scope, scope);
        let settle = v8::Local::new(scope, &self.functions.settle_call);
        let this: v8::Local<v8::Value> = v8::undefined(scope).into();
        for answer in answers {
            let (word, text) = tools::outcome(&answer.outcome);
            let number = v8::Integer::new_from_unsigned(scope, answer.number);
            let (word, text) = (v8::String::new(scope, word), v8::String::new(scope, text));
            if let (Some(word), Some(text)) = (word, text) {
                settle.call(scope, this, &[number.into(), word.into(), text.into()]);
            }
        }
    }

    /// Reports the outcome once the program is idle.
    fn finish(&mut self) {
        let Some(main) = self.main.take() else {
            return;
        };
        deno_core::scope!(scope, &mut self.runtime);
        let main = v8::Local::new(scope, main);
        let is_settled = match main.state() {
            v8::PromiseState::Rejected => {
                let reason = main.result(scope);
                rejections::fail(scope, &self.realm, reason, None);
                return;
            }
            v8::PromiseState::Fulfilled => true,
            v8::PromiseState::Pending => false,
        };
        let undefined: v8::Local<v8::Value> = v8::undefined(scope).into();
        let returned = if is_settled {
            main.result(scope)
        } else {
            undefined
        };
        let is_settled = v8::Boolean::new(scope, is_settled).into();
        let finish = v8::Local::new(scope, &self.functions.finish);
        // An exception means that the program was stopped in the meantime.
        v8::tc_scope!(let scope, scope);
        finish.call(scope, undefined, &[is_settled, returned]);
    }

    fn is_over(&self) -> bool {
        self.has_outcome()
            || interrupt::stop_requested()
            || interrupt::is_interrupted()
            || memory::limit_reached()
    }

    /// Lets deno_core process what is ready.
    fn turn(&mut self, waker: &Waker) {
        let runtime = &mut self.runtime;
        let polled = self.reactor.block_on(async {
            let mut context = Context::from_waker(waker);
            let polled = runtime.poll_event_loop(&mut context, PollEventLoopOptions::default());
            // deno_core polls asynchronous ops in a task of their own: this is that task's turn.
            tokio::task::yield_now().await;
            polled
        });
        if !self.is_over() {
            deno_core::scope!(scope, &mut self.runtime);
            rejections::report(scope, &self.realm);
        }
        // Errors of the program go through the handlers of js/javascript/runner.js; what comes here
        // is the end of one that they ended, or something deno_core could not hand to them.
        if let Poll::Ready(Err(error)) = polled
            && !self.is_over()
        {
            let state = self.runtime.op_state();
            let mut state = state.borrow_mut();
            let state = state.borrow_mut::<HostState>();
            let text = error.to_string();
            let text = text.strip_prefix("Uncaught ").unwrap_or(&text);
            let text = format!("Uncaught {text}\n");
            state.host.write(Stream::Stderr, text.as_bytes());
            state.outcome = Some(super::Outcome::failed(None));
        }
    }

    /// Fires the timers that are due; returns whether there were any.
    fn fire_timers(&mut self) -> bool {
        let now = self.now();
        if self.realm.timer_due.get() > now {
            return false;
        }
        self.realm.timer_due.set(f64::INFINITY);
        // The time of the next timer, negative if the program's end need not wait for it; 0 for none.
        let next = self.call(|functions| &functions.fire_timers, Some(now));
        if let Some(next) = next
            && next != 0.0
        {
            let due = self.realm.timer_due.get().min(next.abs());
            self.realm.timer_due.set(due);
        }
        true
    }

    fn now(&self) -> f64 {
        let state = self.runtime.op_state();
        let state = state.borrow();
        state.borrow::<HostState>().now()
    }
}
