//! The engine's clock: the worker's monotonic one, and what it misses.

use std::cell::Cell;

use syncsphere_upload_core::Moment;

use crate::host::performance;

/// So much more on the clock on the wall than on the monotonic one, in milliseconds, means that the computer slept: in
/// most systems the latter stands still then, while URLs grow old.
///
/// Source: own choice; timers are late by less, and no URL that can be used lives that shortly.
const SLEPT: f64 = 5000.0;

/// Milliseconds since the worker began, time asleep included. A clock that somebody sets back changes nothing; one that
/// is set forward passes for sleep, which only has URLs renewed early.
#[derive(Default)]
pub(crate) struct Clock {
    /// Time asleep so far.
    slept: Cell<f64>,
    /// The clock on the wall less the monotonic one, when last looked at.
    difference: Cell<Option<f64>>,
}

impl Clock {
    pub(crate) fn now(&self) -> Moment {
        Moment::from_millis(self.millis() as u64)
    }

    /// Rounded up, so that the moment has come when the timer rings; at most what a browser's timer takes.
    pub(crate) fn millis_until(&self, at: Moment) -> u32 {
        let millis = (at.as_millis() as f64 - self.millis()).ceil();
        (millis as u32).min(i32::MAX as u32)
    }

    fn millis(&self) -> f64 {
        let monotonic = performance().now();
        let difference = js_sys::Date::now() - monotonic;
        let before = self.difference.replace(Some(difference));
        let gained = difference - before.unwrap_or(difference);
        if gained > SLEPT {
            self.slept.set(self.slept.get() + gained);
        }
        monotonic + self.slept.get()
    }
}
