//! What the operator is told of a workspace's rows that cannot be read.

use syncsphere_protocol::{UnreadableRow, WorkspaceId};
use worker::console_error;

/// A line of the log: how many there are, and the last that was found. Ids and numbers, nothing of what they hold.
pub(crate) fn log(workspace: &WorkspaceId, rows: u64, last: Option<&UnreadableRow>) {
    let line = serde_json::json!({
        "event": "unreadable",
        "workspace": workspace.as_str(),
        "rows": rows,
        "last": last,
    });
    console_error!("{line}");
}
