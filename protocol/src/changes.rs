use serde::{Deserialize, Serialize};

use crate::files::{FileRecord, FileStatus};
use crate::timestamp::Timestamp;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ChangeKind {
    /// An upload was initiated.
    #[serde(rename = "file.uploading")]
    Uploading,
    /// The file was finalized.
    #[serde(rename = "file.available")]
    Available,
    /// The upload was given up.
    #[serde(rename = "file.aborted")]
    Aborted,
    /// The upload outlived its time.
    #[serde(rename = "file.expired")]
    Expired,
    /// The file was removed.
    #[serde(rename = "file.deleted")]
    Deleted,
}

impl From<FileStatus> for ChangeKind {
    fn from(status: FileStatus) -> Self {
        match status {
            FileStatus::Uploading => Self::Uploading,
            FileStatus::Available => Self::Available,
            FileStatus::Aborted => Self::Aborted,
            FileStatus::Expired => Self::Expired,
            FileStatus::Deleted => Self::Deleted,
        }
    }
}

/// One entry of a workspace's change feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// Strictly increasing by one within the workspace.
    pub seq: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// The file as it stood right after the change.
    pub file: FileRecord,
    /// When it happened.
    pub at: Timestamp,
}

/// What the server sends over `GET /v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Frame {
    /// First on every connection; `seq` is the newest change there is.
    Hello {
        /// Sequence number of the newest change, 0 if there has been none.
        seq: u64,
    },
    /// One change, in order.
    Change(Box<Change>),
    /// The feed no longer reaches back to what was asked for: read `/v1/files` again, then go on
    /// from `seq`.
    Reset {
        /// Where to go on from.
        seq: u64,
    },
}

/// Reply of `GET /v1/changes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangesPage {
    /// Changes after `since`, in order; at most `limit` of them.
    pub changes: Vec<Change>,
    /// Sequence number of the newest change there is: the caller is up to date once it has it.
    pub seq: u64,
    /// Set where `since` is older than what is kept; see [`Frame::Reset`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<u64>,
}
