//! How far the metadata database is, and what goes to it next.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{Change, FileId, FileRecord, ParkedRow};

/// First and longest pause before a delivery that failed is tried again, in milliseconds; it doubles
/// each time.
///
/// Source: own choice. Two minutes after the end of an outage the last change has arrived, and a
/// database that never comes back costs a workspace 1,440 attempts a day.
const FIRST_PAUSE_MS: i64 = 2_000;
const LONGEST_PAUSE_MS: i64 = 60_000;

/// How far the metadata database is. A workspace has one from its first change that goes there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationState {
    /// Every change up to this one has been delivered.
    pub delivered_seq: u64,
    /// The database's place in the feed: changes after this one have yet to be delivered, those before have been, or are by
    /// the replay under way.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub position: u64,
    /// When the next delivery is due, in milliseconds since 1970; `None` when nothing waits.
    pub due_ms: Option<i64>,
    /// Deliveries that failed since the last that did not.
    pub attempts: u32,
    /// Replays that there have been.
    pub replays: u64,
    /// The replay under way: it goes before the rest of the feed.
    pub replay: Option<Replay>,
    /// There were changes while there was no database, so that a replay has to come first.
    pub has_gap: bool,
    /// At most so many rows at once, while the database refuses one among them; `None` for as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_at_once: Option<u32>,
    /// Rows that the database refuses, left out since the last replay began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parked: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_parked: Option<ParkedRow>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How far a replay is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Tells it from one that began earlier.
    pub number: u64,
    /// What it delivers next.
    pub stage: ReplayStage,
}

/// What a replay delivers: first every file as it stands, then the feed as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ReplayStage {
    /// Files, in the order of their ids' bytes. Earlier versions had another order, and begin anew here.
    Files {
        /// Those after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<FileId>,
    },
    /// Changes, in order.
    Feed {
        /// Those after this one.
        since: u64,
    },
}

/// What goes to the database next, in one transaction of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Files as they stand.
    pub files: Vec<FileRecord>,
    /// Changes, in order.
    pub changes: Vec<Change>,
    /// Where `files` are all that there are: what else the database has there is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<FileSpan>,
    /// Settles it.
    pub receipt: Receipt,
}

/// Ids between two, by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSpan {
    /// Those after this one; `None`: from the first on.
    pub after: Option<FileId>,
    /// Those before this one; `None`: up to the last.
    pub before: Option<FileId>,
    /// Files in it that are there and cannot be read: nothing is told of them.
    #[serde(default)]
    pub unreadable: Vec<String>,
    /// Sequence number of the newest change of which this is true: what has a larger one is newer.
    pub as_of: u64,
}

/// What the database refused for what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedDelivery {
    /// Names the delivery.
    pub receipt: Receipt,
    /// How many rows it had; none where it told only that files are gone.
    pub rows: u32,
    /// Its first row, and why the database refuses it if it is the only one.
    #[serde(default)]
    pub first: Option<ParkedRow>,
}

/// What a delivery has brought forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Receipt {
    /// The feed, up to this change.
    Outbox {
        /// Sequence number of the last change delivered.
        through: u64,
    },
    /// A replay.
    Replay {
        /// Where it was.
        from: Replay,
        /// Where it is now; `None`: at its end.
        to: Option<Replay>,
    },
}

/// A limit of so many rows is none any more. Source: above what a delivery has.
const MOST_ROWS_HALVED: u32 = 256;

impl ReplicationState {
    pub(super) fn replaying(mut self) -> Self {
        self.has_gap = false;
        self.replays = self.replays.saturating_add(1);
        self.parked = 0;
        self.last_parked = None;
        self.replay = Some(Replay {
            number: self.replays,
            stage: ReplayStage::Files { after: None },
        });
        self
    }

    /// The most rows that the next delivery may have.
    pub(super) fn limited(&self, limit: u32) -> u32 {
        self.rows_at_once.unwrap_or(limit).min(limit)
    }

    /// The replication after the database has taken a delivery: the next may be twice as large again.
    pub(super) fn taken(mut self) -> Self {
        self.attempts = 0;
        self.rows_at_once = self
            .rows_at_once
            .map(|rows| rows.saturating_mul(2))
            .filter(|rows| *rows < MOST_ROWS_HALVED);
        self
    }

    /// The replication after a delivery that failed: the next is put off, longer each time.
    pub(super) fn put_off(mut self, now_ms: i64) -> Self {
        let doublings = self.attempts.min(20);
        let pause = (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS);
        self.due_ms = Some(now_ms.saturating_add(pause));
        self.attempts = self.attempts.saturating_add(1);
        self
    }
}

impl ReplayStage {
    pub(super) fn numbered(self, number: u64) -> Replay {
        Replay { number, stage: self }
    }
}
