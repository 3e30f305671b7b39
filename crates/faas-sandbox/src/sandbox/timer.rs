//! The process's one timer of wall time, for two that wait: output that is to be written out, and the
//! program's alarm (Python's `signal.alarm`).

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use faas_engine::interrupt;
use faas_linux::monotonic_us;

/// When output is due, by `CLOCK_MONOTONIC` in us; [`NEVER`] if there is none.
static FLUSH_AT: AtomicU64 = AtomicU64::new(NEVER);
/// When the alarm is due, likewise.
static ALARM_AT: AtomicU64 = AtomicU64::new(NEVER);
/// How long after an alarm the next one comes, in us; 0 if none does.
static ALARM_EVERY: AtomicU64 = AtomicU64::new(0);

const NEVER: u64 = u64::MAX;

/// Has output written out after this time.
pub fn flush_after(time: Duration) {
    FLUSH_AT.store(from_now(time), Ordering::SeqCst);
    arm();
}

/// Has an alarm come after this time, and then at each interval that is not 0. A time of 0 takes it back.
pub fn set_alarm(after: Duration, interval: Duration) {
    ALARM_EVERY.store(microseconds(interval), Ordering::SeqCst);
    let at = if after.is_zero() {
        NEVER
    } else {
        from_now(after)
    };
    ALARM_AT.store(at, Ordering::SeqCst);
    arm();
}

/// How long it is until the alarm, if one is to come.
pub fn until_alarm() -> Option<Duration> {
    match ALARM_AT.load(Ordering::SeqCst) {
        NEVER => None,
        at => Some(Duration::from_micros(at.saturating_sub(monotonic_us()))),
    }
}

/// Forgets what was to come, in a fork, which has no timer.
pub fn forget() {
    FLUSH_AT.store(NEVER, Ordering::SeqCst);
    ALARM_AT.store(NEVER, Ordering::SeqCst);
    ALARM_EVERY.store(0, Ordering::SeqCst);
}

/// Does what is due: `flush` writes output out. Called by the handler of the timer's signal; async-signal-safe
/// if `flush` is.
pub fn on_signal(flush: fn()) {
    let now = monotonic_us();
    if FLUSH_AT.load(Ordering::SeqCst) <= now {
        FLUSH_AT.store(NEVER, Ordering::SeqCst);
        flush();
    }
    if ALARM_AT.load(Ordering::SeqCst) <= now {
        let at = match ALARM_EVERY.load(Ordering::SeqCst) {
            0 => NEVER,
            every => now.saturating_add(every),
        };
        ALARM_AT.store(at, Ordering::SeqCst);
        interrupt::request_alarm();
    }
    arm();
}

/// Sets the timer to what is due next. A signal that comes in the middle of this is made up for: the timer
/// then fires once too often.
fn arm() {
    let next = FLUSH_AT
        .load(Ordering::SeqCst)
        .min(ALARM_AT.load(Ordering::SeqCst));
    // 0 would turn the timer off.
    let left = match next {
        NEVER => 0,
        next => next.saturating_sub(monotonic_us()).max(1),
    };
    let none = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let timer = libc::itimerval {
        it_interval: none,
        it_value: libc::timeval {
            tv_sec: (left / 1_000_000) as libc::time_t,
            tv_usec: (left % 1_000_000) as libc::suseconds_t,
        },
    };
    // SAFETY: the first pointer is to a live itimerval, the second may be null.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}

fn from_now(time: Duration) -> u64 {
    monotonic_us().saturating_add(microseconds(time))
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(NEVER)
}
