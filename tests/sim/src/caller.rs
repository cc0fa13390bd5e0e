//! Who asks the coordinator, and what they hear.

use syncsphere_upload_core::CallId;

/// Status and body; `None` stands for a connection that broke.
pub(crate) type Answer = Option<(u16, Vec<u8>)>;

/// Who in a page waits for an answer of the coordinator.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// The engine.
    Engine(CallId),
    /// An editor, by the number of what it asks.
    Editor(u64),
}
