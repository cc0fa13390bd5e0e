use serde::{Deserialize, Serialize};

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
}
