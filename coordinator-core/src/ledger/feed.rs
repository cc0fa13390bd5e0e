//! The feed: what happened, in order, for as long as it is kept.

use syncsphere_protocol::{Change, ChangesPage};

use super::apply::Ledger;
use super::calls::Reply;
use super::jobs::Job;
use super::store::Store;

/// Changes that one job removes. Source: own choice; what is left over is the next alarm's, which follows at
/// once.
const REMOVED_AT_ONCE: u32 = 1_000;

/// The part of the span that changes may be kept beyond it, so that the alarm need not ring for each.
/// Source: own choice.
const LATENESS: i64 = 24;

impl<S: Store> Ledger<'_, S> {
    pub(super) fn feed(&mut self, since: u64, limit: u32) -> Result<Reply, S::Error> {
        let seq = self.store.newest_seq()?;
        let oldest = self.store.oldest_seq()?;
        // Beyond the newest: the caller remembers a feed that is not this one.
        let is_gone = since > seq || oldest.is_some_and(|oldest| since.saturating_add(1) < oldest);
        Ok(Reply::Changes(if is_gone {
            ChangesPage {
                changes: Vec::new(),
                seq,
                reset: Some(seq),
            }
        } else {
            ChangesPage {
                changes: self.store.changes(since, limit)?,
                seq,
                reset: None,
            }
        }))
    }

    /// Sees to it that the change just written will be removed some day.
    pub(super) fn compact_later(&mut self) -> Result<(), S::Error> {
        let job = Job::compact(self.now_ms.saturating_add(self.keep_changes_ms));
        match self.store.job(&job.id)? {
            Some(_) => Ok(()),
            None => self.store.put_job(&job),
        }
    }

    /// Removes what has been kept for long enough. The newest change stays, since the next one counts on
    /// from it.
    pub(super) fn compact(&mut self) -> Result<(), S::Error> {
        let newest = self.store.newest_seq()?;
        let before_oldest = self.store.oldest_seq()?.unwrap_or(0).saturating_sub(1);
        let oldest = self.store.changes(before_oldest, REMOVED_AT_ONCE)?;
        let due = |change: &Change| {
            let at_ms = change.at.to_unix_millis().unwrap_or(0);
            at_ms.saturating_add(self.keep_changes_ms)
        };
        let is_over = |change: &&Change| change.seq < newest && due(change) <= self.now_ms;
        let is_whole_page = oldest.len() >= REMOVED_AT_ONCE as usize;
        let over = oldest.iter().take_while(is_over).count();
        if let Some(last) = over.checked_sub(1).and_then(|last| oldest.get(last)) {
            self.store.remove_changes(last.seq)?;
        }
        let soonest = self.now_ms.saturating_add(self.keep_changes_ms / LATENESS);
        match oldest.get(over) {
            Some(next) if next.seq < newest => self.store.put_job(&Job::compact(due(next).max(soonest))),
            None if is_whole_page => self.store.put_job(&Job::compact(self.now_ms)),
            // The next change will ask for it.
            Some(_) | None => self.store.remove_job(&Job::compact(0).id),
        }
    }
}
