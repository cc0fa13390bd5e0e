//! Where changes go one by one, as messages, and how far each place is.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{Change, ChangeKind, DestinationKind, FileId};

/// First and longest pause before a destination that is not well is asked again, in milliseconds; it doubles each time.
///
/// Source: own choice. A minute after the end of an outage messages flow again, and an endpoint that never comes back
/// costs a workspace 1,440 requests a day.
const FIRST_PAUSE_MS: i64 = 2_000;
const LONGEST_PAUSE_MS: i64 = 60_000;

/// First and longest pause before a message that failed is sent again, in milliseconds; it quadruples each time.
///
/// Source: own choice, near the schedule that Standard Webhooks recommends (seconds, minutes, hours):
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability>
const FIRST_MESSAGE_PAUSE_MS: i64 = 5_000;
const LONGEST_MESSAGE_PAUSE_MS: i64 = 4 * 3_600_000;

/// How long a message is sent again by itself after its first failure, in milliseconds (a day). Source: issue 15.
const MESSAGE_LIFE_MS: i64 = 86_400_000;

/// A place that changes are sent to, one message each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name, by which its place in the feed is remembered.
    pub name: String,
    /// What it is.
    pub kind: DestinationKind,
    /// What it is told of; nothing stands for everything.
    pub kinds: Vec<ChangeKind>,
}

impl Destination {
    /// Whether it is told of what happened.
    pub fn wants(&self, kind: ChangeKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// How far a destination is. A workspace has one from the first change that goes there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationState {
    /// Every change up to this one has been sent, is not wanted, or is a [`Letter`].
    pub position: u64,
    /// When the next delivery is due, in milliseconds since 1970; `None` when nothing waits.
    pub due_ms: Option<i64>,
    /// Whether a delivery is under way, which is due again then in case nobody hears of it.
    #[serde(default)]
    pub is_leased: bool,
    /// Deliveries in a row after which the destination was not well.
    #[serde(default)]
    pub attempts: u32,
    /// What it said at the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Changes that the feed forgot before they were sent.
    #[serde(default)]
    pub lost: u64,
}

impl DestinationState {
    /// The state after a delivery that found the destination not well: the next is put off, longer each time.
    pub(super) fn put_off(mut self, cause: Option<String>, now_ms: i64) -> Self {
        let pause = (FIRST_PAUSE_MS << self.attempts.min(20)).min(LONGEST_PAUSE_MS);
        self.due_ms = Some(now_ms.saturating_add(pause));
        self.is_leased = false;
        self.attempts = self.attempts.saturating_add(1);
        self.cause = cause;
        self
    }
}

/// A message that has failed, or that waits behind one of the same file that has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// Sequence number of its change.
    pub seq: u64,
    /// The file that it is about.
    pub file_id: FileId,
    /// How often it was sent.
    pub attempts: u32,
    /// When it is sent next, in milliseconds since 1970; `None`: not by itself any more.
    pub due_ms: Option<i64>,
    /// When it failed first since it was last begun to be sent, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failed_ms: Option<i64>,
    /// When it failed last, in milliseconds since 1970.
    #[serde(default)]
    pub failed_ms: i64,
    /// What came of that.
    #[serde(default)]
    pub cause: String,
}

impl Letter {
    /// One that waits.
    pub(super) fn waiting(seq: u64, file_id: &FileId, now_ms: i64) -> Self {
        Self {
            seq,
            file_id: file_id.clone(),
            attempts: 0,
            due_ms: Some(now_ms),
            first_failed_ms: None,
            failed_ms: 0,
            cause: String::new(),
        }
    }

    /// The letter after an attempt that failed: it is sent again, later each time, for a day.
    pub(super) fn failed(mut self, cause: String, now_ms: i64) -> Self {
        let first_failed_ms = *self.first_failed_ms.get_or_insert(now_ms);
        let pause = FIRST_MESSAGE_PAUSE_MS << (2 * self.attempts.min(10));
        let is_dead = now_ms.saturating_sub(first_failed_ms) >= MESSAGE_LIFE_MS;
        self.due_ms = (!is_dead).then(|| now_ms.saturating_add(pause.min(LONGEST_MESSAGE_PAUSE_MS)));
        self.attempts = self.attempts.saturating_add(1);
        self.failed_ms = now_ms;
        self.cause = cause;
        self
    }
}

/// What goes to a destination next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageDelivery {
    /// The changes, those of a file in their order.
    pub changes: Vec<Change>,
    /// Where the destination stands in the feed after them.
    pub through: u64,
}

/// What came of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageResult {
    /// Sequence number of its change.
    pub seq: u64,
    /// The file that it is about.
    pub file_id: FileId,
    /// What came of it.
    pub outcome: MessageOutcome,
}

/// What came of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MessageOutcome {
    /// The destination has it.
    Sent,
    /// It has not, or nobody knows.
    Failed {
        /// Why.
        cause: String,
        /// Whether it refused this message, and others may fare better.
        is_about_message: bool,
    },
    /// It was not sent: one of the same file before it failed, or no more requests could be made.
    Skipped,
}
