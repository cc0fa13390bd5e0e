use syncsphere_protocol::FileId;

use super::apply::Ledger;
use super::calls::Reply;
use super::jobs::Sweep;
use super::states::Available;
use super::store::{Store, StoredFile, Usage};

/// Files that are there.
impl<S: Store> Ledger<'_, S> {
    pub(super) fn file(&mut self, id: &FileId) -> Result<Reply, S::Error> {
        Ok(match self.store.file(id)? {
            Some(file) => Reply::File {
                file: Box::new(file),
                job: None,
            },
            None => Reply::Missing,
        })
    }

    pub(super) fn delete(&mut self, id: &FileId, urls_dead_ms: i64) -> Result<Reply, S::Error> {
        let Some(file) = self.store.file(id)? else {
            return Ok(Reply::Missing);
        };
        let seq = self.next_seq()?;
        let (file, job) = match Available::prove(file.record.clone()) {
            Some(available) => {
                let file = StoredFile {
                    record: available.delete(self.now_ms, seq),
                    ..file
                };
                self.record(&file)?;
                let less = Usage {
                    bytes: file.record.size,
                    ..Usage::default()
                };
                self.release(&file.record.owner, &less)?;
                let sweep = Sweep {
                    key: file.key.clone(),
                    bucket: file.bucket.clone(),
                    staging_key: None,
                    storage_upload_id: None,
                    unrecorded_uploads: false,
                    urls_dead_ms,
                };
                (file, Some(self.sweep_later(id.as_str(), sweep)?))
            }
            None => (file, None),
        };
        Ok(Reply::File {
            file: Box::new(file),
            job: job.map(Box::new),
        })
    }
}
