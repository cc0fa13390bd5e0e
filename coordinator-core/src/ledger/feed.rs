//! The feed: what happened, in order, for as long as it is kept.

use syncsphere_protocol::{Change, ChangesPage, FileStatus};

use super::apply::Ledger;
use super::calls::Reply;
use super::jobs::Job;
use super::page_budget::{self, ROWS_AT_ONCE, record_of_change};
use super::store::{Store, Usage};
use super::store_failure::StoreFailure;
use super::usage;

/// Pages of the feed that one job removes. Source: own choice, some 1,000 changes; what is left over is the next alarm's,
/// which follows at once.
const PAGES_AT_ONCE: u32 = 32;

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
                changes: self.changes_page(since, limit)?,
                seq,
                reset: None,
            }
        }))
    }

    /// A page of the feed.
    pub(super) fn changes_page(&self, since: u64, limit: u32) -> Result<Vec<Change>, S::Error> {
        page_budget::fill(limit, record_of_change, |after, limit| {
            self.store
                .changes(after.map_or(since, |change| change.seq), limit)
        })
    }

    /// Sees to it that the change just written will be removed some day.
    pub(super) fn compact_later(&mut self) -> Result<(), S::Error> {
        let job = Job::compact(self.now_ms.saturating_add(self.keep_changes_ms));
        match self.store.job(&job.id)? {
            Some(_) => Ok(()),
            None => self.store.put_job(&job),
        }
    }

    /// Removes what has been kept for long enough, and with a file's last change what the ledger need not know of the file
    /// any more. The newest change stays, since the next one counts on from it.
    pub(super) fn compact(&mut self) -> Result<(), S::Error> {
        let newest = self.store.newest_seq()?;
        let mut place = self.store.oldest_seq()?.unwrap_or(0).saturating_sub(1);
        let begin = place;
        let mut next_due = None;
        let mut is_everything = false;
        'reading: for _ in 0..PAGES_AT_ONCE {
            let page = self.store.changes(place, ROWS_AT_ONCE)?;
            is_everything = page.len() < ROWS_AT_ONCE as usize;
            for change in page {
                let at_ms = change.at.to_unix_millis().unwrap_or(0);
                let due_ms = at_ms.saturating_add(self.keep_changes_ms);
                if change.seq >= newest || due_ms > self.now_ms {
                    next_due = (change.seq < newest).then_some(due_ms);
                    is_everything = true;
                    break 'reading;
                }
                place = change.seq;
                match self.forget_file(&change) {
                    Err(failure) if failure.is_unreadable_row() => {}
                    other => other?,
                }
            }
            if is_everything {
                break;
            }
        }
        if place > begin {
            self.forget_undelivered(place)?;
            self.forget_messages(place)?;
            self.store.remove_changes(place)?;
        }
        let soonest = self.now_ms.saturating_add(self.keep_changes_ms / LATENESS);
        match next_due {
            Some(due_ms) => self.store.put_job(&Job::compact(due_ms.max(soonest))),
            None if !is_everything => self.store.put_job(&Job::compact(self.now_ms)),
            // The next change will ask for it.
            None => self.store.remove_job(&Job::compact(0).id),
        }
    }

    /// Forgets an upload that is over, and a file that is gone, with its last change.
    fn forget_file(&mut self, change: &Change) -> Result<(), S::Error> {
        let file_id = &change.file.file_id;
        let Some(file) = self.store.file(file_id)? else {
            return Ok(());
        };
        if file.record.seq != change.seq || file.record.status == FileStatus::Uploading {
            return Ok(());
        }
        if let Some(upload) = self.store.upload_of(file_id)? {
            self.store.remove_upload(&upload.upload_id)?;
        }
        if file.record.status == FileStatus::Available {
            return Ok(());
        }
        self.store.remove_file(file_id)?;
        let record = &file.record;
        let less = Usage {
            record_bytes: usage::bytes_of(&record.name, &record.path, record.metadata.iter()),
            ..Usage::default()
        };
        self.release(&record.owner, &less)
    }
}
