//! Where changes go besides the feed, and what travels there.

use serde::{Deserialize, Serialize};

use crate::changes::ChangeKind;
use crate::files::FileRecord;
use crate::ids::{FileId, WorkspaceId};
use crate::timestamp::Timestamp;

/// What a webhook or a queue is sent of one change.
///
/// The envelope (`type`, `timestamp`, `data`) is the one of Standard Webhooks:
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventMessage {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What it happened to.
    pub data: EventData,
}

/// What an event happened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventData {
    /// Names the event, whenever and however often it is sent: `evt_WORKSPACE_SEQ`.
    pub id: String,
    /// The file's workspace.
    pub workspace: WorkspaceId,
    /// The change's place in the workspace's feed.
    pub seq: u64,
    /// The file as it stood right after the change.
    pub file: FileRecord,
    /// Of an available file: the path of the API where whoever has a token gets a download link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_path: Option<String>,
}

/// Where changes go, and how far each place is. Reply of `GET /v1/destinations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DestinationList {
    /// Sequence number of the newest change there is.
    pub seq: u64,
    /// Every destination of the deployment.
    pub destinations: Vec<DestinationStatus>,
}

/// What a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DestinationKind {
    /// The metadata database, of which `GET /v1/database` tells more.
    Database,
    /// A webhook of `WEBHOOKS`.
    Webhook,
    /// The queue that is bound as `EVENTS`.
    Queue,
}

/// How far a destination is with a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DestinationStatus {
    /// Its name: `database`, `queue`, or what `WEBHOOKS` calls it.
    pub name: String,
    /// What it is.
    pub kind: DestinationKind,
    /// Every change up to this one has been sent, or stands among those that are sent again or are dead.
    pub delivered_seq: u64,
    /// Changes after that.
    pub waiting: u64,
    /// Messages that failed and are sent again by themselves, and those of the same files that wait behind them.
    pub retrying: u64,
    /// Messages that are not sent again by themselves any more; rows that the database refused.
    pub dead_letters: u64,
    /// Changes that the feed forgot before they were sent.
    pub lost: u64,
    /// Attempts in a row that the destination did not answer, or answered that it is not well.
    pub failures: u32,
    /// Why the last attempt failed, while `failures` is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// A message that is not sent again by itself any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetter {
    /// Sequence number of its change.
    pub seq: u64,
    /// The file that it is about.
    pub file_id: FileId,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was sent last.
    pub failed_at: Timestamp,
    /// What came of that, such as `status 500`; at most 64 characters.
    pub cause: String,
}

/// Reply of `GET /v1/destinations/{destination}/dead-letters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterList {
    /// In the order of their changes, at most `limit`.
    pub dead_letters: Vec<DeadLetter>,
    /// There may be more after this sequence number: `since` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}
