use serde::{Deserialize, Serialize};

use crate::ids::FileId;

/// How far the metadata database is with a workspace. Reply of `GET /v1/database` and of
/// `POST /v1/database/rebuild`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatabaseStatus {
    /// Sequence number of the newest change there is.
    pub seq: u64,
    /// The database has every change up to this one.
    pub delivered_seq: u64,
    /// Changes that are on their way.
    pub waiting: u64,
    /// Whether everything is being, or waits to be, written all over again.
    pub rebuilding: bool,
    /// Attempts to reach the database since the last that succeeded.
    pub failures: u32,
    /// Rows that the database refused and that were left out, since everything was last begun to be written anew.
    #[serde(default)]
    pub parked: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_parked: Option<ParkedRow>,
    /// Rows of the workspace itself that could not be read and were passed over, since everything was last begun to be
    /// written anew or a release changed the tables.
    #[serde(default)]
    pub unreadable: u64,
    /// The last that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_unreadable: Option<UnreadableRow>,
}

/// A row of a workspace that cannot be read, such as one that another release has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnreadableRow {
    /// The table that it is kept in.
    pub table: String,
    /// Its key: an id or a number; absent where that would name somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Why, without its words.
    pub cause: String,
}

/// A row that the database refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParkedRow {
    /// The file that it is about.
    pub file_id: FileId,
    /// Sequence number of the change, or of the file's newest in a replay.
    pub seq: u64,
    /// Why, in the database's own code; at most 64 bytes.
    pub cause: String,
}
