//! When a workspace's alarm rings.

/// A workspace's alarm.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// When it rings next, in milliseconds of the run.
    pub at: Option<u64>,
    /// What it last began.
    pub task: Option<u64>,
}
