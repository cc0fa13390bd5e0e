use syncsphere_protocol::{ChangesPage, FileId};

use super::apply::Ledger;
use super::states::Available;
use super::{Reply, Store, StoredFile, Sweep};

/// Files that are there, and what happened to them.
impl<S: Store> Ledger<'_, S> {
    pub(super) fn file(&mut self, id: &FileId) -> Result<Reply, S::Error> {
        Ok(match self.store.file(id)? {
            Some(file) => Reply::File {
                file: Box::new(file),
                chore: None,
            },
            None => Reply::Missing,
        })
    }

    pub(super) fn delete(&mut self, id: &FileId, urls_dead_ms: i64) -> Result<Reply, S::Error> {
        let Some(file) = self.store.file(id)? else {
            return Ok(Reply::Missing);
        };
        let seq = self.next_seq()?;
        let (file, chore) = match Available::prove(file.record.clone()) {
            Some(available) => {
                let file = StoredFile {
                    record: available.delete(self.now_ms, seq),
                    ..file
                };
                self.record(&file)?;
                self.release(&file.record.owner, file.record.size)?;
                let sweep = Sweep {
                    key: file.key.clone(),
                    storage_upload_id: None,
                    stray_uploads: false,
                    urls_dead_ms,
                };
                (file, Some(self.sweep_later(id.as_str(), sweep)?))
            }
            None => (file, None),
        };
        Ok(Reply::File {
            file: Box::new(file),
            chore: chore.map(Box::new),
        })
    }

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
}
