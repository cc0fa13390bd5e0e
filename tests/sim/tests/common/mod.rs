//! What scenarios check most.

use syncsphere_sim::Outcome;
use syncsphere_upload_core::TaskState;

pub const MIB: u64 = 1024 * 1024;

/// Every file has arrived.
pub fn all_available(outcome: &Outcome) {
    assert!(
        outcome.ends.iter().all(|end| *end == Some(TaskState::Available)),
        "{outcome:?}"
    );
}

/// How often something happened.
pub fn count(outcome: &Outcome, what: &str) -> u64 {
    outcome.counts.get(what).copied().unwrap_or(0)
}
