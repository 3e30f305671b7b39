//! What a realm keeps while a program runs.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use deno_core::v8;

use super::source;
use super::source::Source;
use crate::place::Place;

/// What the realm's ops and V8's call-backs share. There is one, and one thread.
pub struct Realm {
    /// Of the program that runs, and of those whose functions it may call.
    sources: RefCell<Vec<Rc<Source>>>,
    /// How many programs there were of which this one goes on, and this one.
    programs: Cell<usize>,
    /// When the next timer is due, in ms of `op_faas_now`; infinite if none is.
    pub timer_due: Cell<f64>,
    /// Whether a timer is there that the program's end waits for.
    pub timers_hold: Cell<bool>,
    /// The function of js/javascript/stack.js.
    pub format_stack: RefCell<Option<v8::Global<v8::Function>>>,
    /// Where the program was when V8 was interrupted.
    pub context: RefCell<Option<v8::Global<v8::Context>>>,
    /// The function of js/javascript/runner.js that ends the program by an error.
    pub fail: RefCell<Option<v8::Global<v8::Function>>>,
    pub rejections: Rejections,
}

impl Realm {
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            sources: RefCell::default(),
            programs: Cell::new(0),
            timer_due: Cell::new(f64::INFINITY),
            timers_hold: Cell::new(false),
            format_stack: RefCell::new(None),
            context: RefCell::new(None),
            fail: RefCell::new(None),
            rejections: Rejections::default(),
        })
    }

    /// Prepares for a program; returns its name.
    pub fn begin(&self, goes_on: bool, cell: Option<u64>) -> String {
        if !goes_on {
            self.sources.borrow_mut().clear();
            self.programs.set(0);
        }
        self.programs.set(self.programs.get() + 1);
        match cell {
            Some(number) => source::name_of_cell(number),
            None => source::name_of(self.programs.get()),
        }
    }

    pub fn add(&self, source: Source) {
        self.sources.borrow_mut().push(Rc::new(source));
    }

    /// The source of the program of this name.
    pub fn source(&self, name: &str) -> Option<Rc<Source>> {
        let sources = self.sources.borrow();
        let mut sources = sources.iter().rev();
        sources.find(|source| source.name() == name).cloned()
    }

    /// Whether the code of a program is not what was sent.
    pub fn is_mapped(&self) -> bool {
        self.sources
            .borrow()
            .iter()
            .any(|source| source.is_mapped())
    }
}

/// Promises that were rejected and have no handler.
#[derive(Default)]
pub struct Rejections {
    /// Those that wait for a handler until the microtasks are done.
    waiting: RefCell<VecDeque<Rejection>>,
    /// Where the last value was thrown whose place was known: functions that await each other may
    /// throw it on.
    last: RefCell<Option<(v8::Global<v8::Value>, PlaceOfCode)>>,
}

/// A place in the code of a program that runs.
#[derive(Clone)]
pub struct PlaceOfCode {
    pub file: String,
    pub place: Place,
}

/// One promise that was rejected.
pub struct Rejection {
    pub promise: v8::Global<v8::Promise>,
    pub reason: v8::Global<v8::Value>,
    /// Where in the code that runs, for a reason that is not an Error.
    pub place: Option<PlaceOfCode>,
}

impl Rejections {
    pub fn add(&self, rejection: Rejection) {
        self.waiting.borrow_mut().push_back(rejection);
    }

    /// Removes the rejection of a promise, if there is one.
    pub fn take_of(&self, promise: &v8::Global<v8::Promise>) -> Option<Rejection> {
        let mut waiting = self.waiting.borrow_mut();
        let index = waiting
            .iter()
            .rposition(|waiting| waiting.promise == *promise)?;
        waiting.remove(index)
    }

    /// Forgets those of a program that is over.
    pub fn clear(&self) {
        self.waiting.borrow_mut().clear();
        *self.last.borrow_mut() = None;
    }

    pub fn take_first(&self) -> Option<Rejection> {
        self.waiting.borrow_mut().pop_front()
    }

    /// The place that goes with a reason: the one given, or where the same reason was seen before.
    pub fn remember(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        reason: v8::Local<'_, v8::Value>,
        place: Option<PlaceOfCode>,
    ) -> Option<PlaceOfCode> {
        let mut last = self.last.borrow_mut();
        match (place, &*last) {
            (Some(place), _) => {
                *last = Some((v8::Global::new(scope, reason), place.clone()));
                Some(place)
            }
            (None, Some((seen, place))) => {
                let seen = v8::Local::new(scope, seen);
                seen.same_value(reason).then(|| place.clone())
            }
            (None, None) => None,
        }
    }
}
