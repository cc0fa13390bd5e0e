//! How many calls a request has made, and how long it waited for them.

use std::cell::Cell;
use std::future::Future;

use crate::environment::now_ms;

/// Calls of one kind and the time that they took together. The platform's clock stands still while
/// a worker computes, so this is time that was waited.
#[derive(Debug, Default)]
pub(crate) struct CallTimings {
    calls: Cell<u32>,
    milliseconds: Cell<i64>,
}

impl CallTimings {
    /// Counts and times one call.
    pub(crate) async fn measure<T>(&self, call: impl Future<Output = T>) -> T {
        self.calls.set(self.calls.get().saturating_add(1));
        let began = now_ms();
        let outcome = call.await;
        let took = now_ms().saturating_sub(began);
        self.milliseconds
            .set(self.milliseconds.get().saturating_add(took));
        outcome
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.get()
    }

    /// How long they took together.
    pub(crate) fn milliseconds(&self) -> i64 {
        self.milliseconds.get()
    }
}
