//! What is on its way to the metadata database.
//!
//! The feed is its outbox, as it is that of all destinations, and the database has a place in it: changes are delivered at
//! least once and in order, after an outage of any length. A replay delivers what the ledger knows all over again.

use syncsphere_protocol::DatabaseStatus;

use super::apply::Ledger;
use super::calls::Reply;
use super::page_budget;
use super::replication::{
    Delivery, FileSpan, Receipt, RefusedDelivery, Replay, ReplayStage, ReplicationState,
};
use super::store::Store;
use super::stored_file::StoredFile;

/// From a change to its delivery, in milliseconds: what happens meanwhile travels along. Source: own
/// choice.
const GATHERING_MS: i64 = 500;

/// How long a delivery may be under way, in milliseconds, before the next is made without word of it.
/// Source: own choice, above the shell's timeout with the database.
const LEASE_MS: i64 = 30_000;

/// Most files that cannot be read of which a replay's page names each. Source: own choice; their ids take 30 kB.
const MAX_UNREADABLE_FILES: u32 = 1_000;

impl<S: Store> Ledger<'_, S> {
    /// Sees to it that a change is delivered, where there is a database that it goes to.
    pub(super) fn enqueue(&mut self, seq: u64) -> Result<(), S::Error> {
        let known = self.store.replication()?;
        if !self.store.has_database() {
            return known.map_or(Ok(()), |replication| self.leave_gap(&replication));
        }
        let mut replication = known.unwrap_or_else(|| ReplicationState {
            has_gap: seq > 1,
            ..ReplicationState::default()
        });
        if replication.due_ms.is_some() {
            return Ok(());
        }
        if replication.has_gap {
            replication = replication.replaying();
            replication.position = seq.saturating_sub(1);
        }
        replication.due_ms = Some(self.now_ms.saturating_add(GATHERING_MS));
        self.store.put_replication(&replication)
    }

    /// The database is gone: nothing waits for it any more, and one that comes later is told everything.
    fn leave_gap(&mut self, replication: &ReplicationState) -> Result<(), S::Error> {
        if replication.has_gap {
            return Ok(());
        }
        self.store.put_replication(&ReplicationState {
            has_gap: true,
            // Receipts of earlier replays may still come.
            replays: replication.replays,
            ..ReplicationState::default()
        })
    }

    /// The feed forgets changes up to this one, and the ledger what they tell to be gone. Where some of them have yet to be
    /// delivered, everything has to be, as it stands; a replay tells what is gone by telling all that is there.
    pub(super) fn forget_undelivered(&mut self, through: u64) -> Result<(), S::Error> {
        let Some(replication) = self.store.replication()? else {
            return Ok(());
        };
        if replication.has_gap || replication.position >= through {
            return Ok(());
        }
        self.store.put_replication(&ReplicationState {
            position: through,
            ..replication.replaying()
        })
    }

    /// When the next delivery is due.
    pub(super) fn delivery_due(&self) -> Result<Option<i64>, S::Error> {
        if !self.store.has_database() {
            return Ok(None);
        }
        Ok(self
            .store
            .replication()?
            .and_then(|replication| replication.due_ms))
    }

    pub(super) fn take_delivery(&mut self, limit: u32) -> Result<Reply, S::Error> {
        let replication = self.store.replication()?.filter(|_| self.store.has_database());
        let Some(replication) =
            replication.filter(|replication| replication.due_ms.is_some_and(|due| due <= self.now_ms))
        else {
            return Ok(Reply::Delivery { delivery: None });
        };
        let limit = replication.limited(limit);
        let delivery = match replication.replay.clone() {
            Some(replay) => self.replayed(replay, limit)?,
            None => self.next_of_feed(replication.position, limit)?,
        };
        self.store.put_replication(&ReplicationState {
            due_ms: Some(self.now_ms.saturating_add(LEASE_MS)),
            ..replication
        })?;
        Ok(Reply::Delivery {
            delivery: Some(Box::new(delivery)),
        })
    }

    fn next_of_feed(&mut self, position: u64, limit: u32) -> Result<Delivery, S::Error> {
        let changes = self.changes_page(position, limit)?;
        let through = changes.last().map_or(position, |change| change.seq);
        Ok(Delivery {
            files: Vec::new(),
            changes,
            span: None,
            receipt: Receipt::Outbox { through },
        })
    }

    fn replayed(&mut self, from: Replay, limit: u32) -> Result<Delivery, S::Error> {
        let number = from.number;
        let (files, changes, span, next) = match from.stage.clone() {
            ReplayStage::Files { after } => {
                let files = page_budget::fill(
                    limit,
                    |file: &StoredFile| &file.record,
                    |last, limit| {
                        let after = last.map(|file| &file.record.file_id).or(after.as_ref());
                        self.store.files_after(after, limit)
                    },
                )?;
                let last = files.last().map(|last| last.record.file_id.clone());
                let unreadable = self.store.unreadable_files(MAX_UNREADABLE_FILES + 1)?;
                // Of too many nobody is told what is gone, rather than that one of them is.
                let is_known = unreadable.len() <= MAX_UNREADABLE_FILES as usize;
                let span = FileSpan {
                    after,
                    before: last.clone(),
                    unreadable,
                    as_of: self.store.newest_seq()?,
                };
                let next = match last {
                    Some(_) => ReplayStage::Files { after: last },
                    None => ReplayStage::Feed { since: 0 },
                };
                let records = files.into_iter().map(|file| file.record).collect();
                (records, Vec::new(), Some(span).filter(|_| is_known), Some(next))
            }
            ReplayStage::Feed { since } => {
                let changes = self.changes_page(since, limit)?;
                let next = changes.last().map(|last| ReplayStage::Feed { since: last.seq });
                (Vec::new(), changes, None, next)
            }
        };
        Ok(Delivery {
            files,
            changes,
            span,
            receipt: Receipt::Replay {
                from,
                to: next.map(|stage| stage.numbered(number)),
            },
        })
    }

    pub(super) fn settle_delivery(&mut self, receipt: Receipt) -> Result<Reply, S::Error> {
        let Some(mut replication) = self.store.replication()? else {
            return Ok(Reply::Missing);
        };
        match receipt {
            Receipt::Outbox { through } => {
                replication.position = replication.position.max(through);
                replication.delivered_seq = replication.delivered_seq.max(through);
            }
            Receipt::Replay { from, to } => {
                // Another replay may have begun since.
                if replication.replay.as_ref() == Some(&from) {
                    if let (ReplayStage::Feed { since }, None) = (&from.stage, &to) {
                        replication.position = replication.position.max(*since);
                    }
                    replication.replay = to;
                }
            }
        }
        let mut replication = replication.taken();
        replication.due_ms = Some(self.now_ms);
        // What a gap left out comes with the replay that the next change begins.
        let is_all = replication.has_gap || self.store.changes(replication.position, 1)?.is_empty();
        if replication.replay.is_none() && is_all {
            replication.due_ms = None;
            replication.position = self.store.newest_seq()?;
            replication.delivered_seq = replication.position;
        }
        self.store.put_replication(&replication)?;
        self.database_status()
    }

    /// The database refuses a delivery for what is in it: half of it is delivered next, and what is refused alone is
    /// left out, so that nothing waits behind it.
    pub(super) fn refuse_delivery(&mut self, refused: RefusedDelivery) -> Result<Reply, S::Error> {
        let Some(mut replication) = self.store.replication()? else {
            return Ok(Reply::Missing);
        };
        if refused.rows > 1 {
            replication.rows_at_once = Some(refused.rows / 2);
            replication.due_ms = Some(self.now_ms);
        } else {
            replication.parked = replication.parked.saturating_add(1);
            replication.last_parked = refused.first.or(replication.last_parked);
        }
        self.store.put_replication(&replication)?;
        match refused.rows {
            0 | 1 => self.settle_delivery(refused.receipt),
            _ => self.database_status(),
        }
    }

    pub(super) fn put_off_delivery(&mut self) -> Result<Reply, S::Error> {
        if let Some(replication) = self.store.replication()? {
            self.store.put_replication(&replication.put_off(self.now_ms))?;
        }
        self.database_status()
    }

    /// Begins to deliver everything all over again.
    pub(super) fn replay(&mut self) -> Result<Reply, S::Error> {
        if !self.store.has_database() {
            return Ok(Reply::Missing);
        }
        self.store.forget_unreadable()?;
        let mut replication = self.store.replication()?.unwrap_or_default().replaying();
        replication.due_ms = Some(self.now_ms);
        replication.attempts = 0;
        self.store.put_replication(&replication)?;
        self.database_status()
    }

    pub(super) fn database_status(&mut self) -> Result<Reply, S::Error> {
        if !self.store.has_database() {
            return Ok(Reply::Missing);
        }
        let seq = self.store.newest_seq()?;
        let (unreadable, last_unreadable) = self.store.unreadable()?;
        let replication = self.store.replication()?.unwrap_or_else(|| ReplicationState {
            has_gap: seq > 0,
            ..ReplicationState::default()
        });
        Ok(Reply::Database(DatabaseStatus {
            seq,
            delivered_seq: replication.delivered_seq,
            waiting: seq.saturating_sub(replication.delivered_seq),
            rebuilding: replication.replay.is_some() || replication.has_gap,
            failures: replication.attempts,
            parked: replication.parked,
            last_parked: replication.last_parked,
            unreadable,
            last_unreadable,
        }))
    }
}
