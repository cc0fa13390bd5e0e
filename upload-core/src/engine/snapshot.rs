//! What the engine does at the moment, for display. Asking changes nothing.

use super::Engine;
use crate::io::TaskId;
use crate::part::{Kind, Part};

/// What the engine does at the moment, over all uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Requests to storage that may be in flight.
    pub window: usize,
    /// Requests to storage that are in flight, those that overtake others included.
    pub in_flight: usize,
    /// Parts that could be sent at once if the window allowed it.
    pub waiting: usize,
    /// Requests to storage that failed and were, or will be, repeated, so far.
    pub retries: u32,
    /// Requests to storage that were sent to overtake a late one, so far.
    pub hedges: u32,
}

/// Where the parts of an upload stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartMap {
    /// Size of every part but the last, in bytes.
    pub part_size: u64,
    /// One state a part, in order.
    pub states: Vec<PartState>,
}

/// Where a part stands, as the page's API counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PartState {
    /// Not on its way: being prepared, or waiting after a failure, or neither.
    Waiting = 0,
    /// On its way.
    InFlight = 1,
    /// On its way twice, since the first request was late.
    Hedged = 2,
    /// Storage has it.
    Done = 3,
}

impl Engine {
    /// What the engine does at the moment. Costs grow with the files under way.
    pub fn activity(&self) -> Activity {
        Activity {
            window: self.outage.cap(self.window.limit(), self.now),
            in_flight: self.in_flight(),
            waiting: self
                .sending_uploads()
                .map(|upload| upload.parts.count(Kind::Ready))
                .sum(),
            retries: self.retries,
            hedges: self.hedges,
        }
    }

    /// Where the parts of a task stand; `None` before it is known and after its end. Costs grow with its
    /// parts: a byte each.
    pub fn parts(&self, task: TaskId) -> Option<PartMap> {
        let parts = &self.uploads.get(&task)?.parts;
        let states = parts.all().map(|part| match part {
            Part::Sending { attempts, .. } if attempts.len() > 1 => PartState::Hedged,
            Part::Sending { .. } => PartState::InFlight,
            Part::Stored { .. } => PartState::Done,
            _ => PartState::Waiting,
        });
        Some(PartMap {
            part_size: parts.plan().part_size(),
            states: states.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::harness::{Harness, PART};
    use super::*;
    use crate::io::{Input, TransferFailure};

    const SECOND: Duration = Duration::from_secs(1);

    fn states(harness: &Harness) -> Vec<u8> {
        let parts = harness.engine.parts(TaskId(1)).expect("the task is under way");
        parts.states.into_iter().map(|state| state as u8).collect()
    }

    #[test]
    fn a_part_waits_travels_is_overtaken_and_ends() {
        let mut harness = Harness::new();
        assert_eq!(harness.engine.parts(TaskId(1)), None);
        harness.add(1, 2 * PART + 1);
        assert_eq!(
            harness.engine.parts(TaskId(1)).map(|parts| parts.part_size),
            Some(PART)
        );
        assert_eq!(states(&harness), [1, 1, 0]);
        let full = Activity {
            window: 2,
            in_flight: 2,
            waiting: 1,
            ..Activity::default()
        };
        assert_eq!(harness.engine.activity(), full);

        harness.pass(SECOND);
        let (first, late) = (harness.sending[0], harness.sending[1]);
        harness.feed(Input::Stored { attempt: first });
        assert_eq!(states(&harness), [3, 1, 1]);
        let last = *harness.sending.last().expect("the third is in flight");
        harness.feed(Input::Stored { attempt: last });
        harness.pass(SECOND.mul_f64(1.5));
        assert_eq!(states(&harness), [3, 2, 3], "the second is late");
        assert_eq!(harness.engine.activity().in_flight, 2);
        assert_eq!(harness.engine.activity().hedges, 1);

        let failure = TransferFailure::Network;
        harness.feed(Input::AttemptFailed {
            attempt: late,
            failure: failure.clone(),
        });
        assert_eq!(
            states(&harness),
            [3, 1, 3],
            "the other request is still on its way"
        );
        assert_eq!(harness.engine.activity().retries, 0);
        let attempt = harness.sending[0];
        harness.feed(Input::AttemptFailed { attempt, failure });
        assert_eq!(states(&harness), [3, 0, 3]);
        assert_eq!(harness.engine.activity().retries, 1);
        harness.pass(30 * SECOND);
        let attempt = harness.sending[0];
        harness.feed(Input::Stored { attempt });
        assert_eq!(states(&harness), [3, 3, 3]);
    }

    #[test]
    fn an_empty_file_has_one_part() {
        let mut harness = Harness::new();
        harness.add(1, 0);
        assert_eq!(states(&harness), [1]);
    }

    #[test]
    fn what_is_paused_does_not_wait() {
        let mut harness = Harness::new();
        harness.add(1, 4 * PART);
        harness.feed(Input::Pause(TaskId(1)));
        assert_eq!(states(&harness), [0, 0, 0, 0]);
        assert_eq!(harness.engine.activity().waiting, 0);
        assert_eq!(harness.engine.activity().in_flight, 0);
    }
}
