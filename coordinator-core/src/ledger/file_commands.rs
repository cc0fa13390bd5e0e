use syncsphere_protocol::FileId;

use super::apply::Ledger;
use super::calls::Reply;
use super::jobs::Sweep;
use super::states::Available;
use super::store::{Store, Usage};
use super::stored_file::StoredFile;

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
        let (file, sweep) = self.remove(file, urls_dead_ms)?;
        let job = match sweep {
            Some(sweep) => Some(self.sweep_later(id.as_str(), sweep)?),
            None => None,
        };
        Ok(Reply::File {
            file: Box::new(file),
            job: job.map(Box::new),
        })
    }

    /// Removes a file that is available; gives what is to be removed from storage then: nothing where another file keeps the
    /// same object.
    ///
    /// Whatever is swept stays unreferenced: a reference is made of an available file only, and when the last file that has
    /// the object goes, none is left that another could be made of. So a sweep that comes late, or again, finds nobody's.
    pub(super) fn remove(
        &mut self,
        file: StoredFile,
        urls_dead_ms: i64,
    ) -> Result<(StoredFile, Option<Sweep>), S::Error> {
        let Some(available) = Available::prove(file.record.clone()) else {
            return Ok((file, None));
        };
        let seq = self.next_seq()?;
        let file = StoredFile {
            record: available.delete(self.now_ms, seq),
            ..file
        };
        self.record(&file)?;
        self.pass_on_chunks(&file)?;
        let less = Usage {
            bytes: file.record.size,
            ..Usage::default()
        };
        self.release(&file.record.owner, &less)?;
        if self.store.has_available_of(file.origin())? {
            return Ok((file, None));
        }
        let sweep = Sweep {
            key: file.key.clone(),
            bucket: file.bucket.clone(),
            staging_key: None,
            storage_upload_id: None,
            unrecorded_uploads: false,
            urls_dead_ms,
        };
        Ok((file, Some(sweep)))
    }
}
