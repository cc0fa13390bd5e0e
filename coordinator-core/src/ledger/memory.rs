use std::collections::BTreeMap;
use std::convert::Infallible;

use syncsphere_protocol::{Change, FileId, FileStatus, UploadId};

use super::{Chore, Idempotent, Store, StoredFile, Upload};

/// A ledger's rows in memory, for tests and simulations. It never fails.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    changes: BTreeMap<u64, Change>,
    files: BTreeMap<FileId, StoredFile>,
    uploads: BTreeMap<UploadId, Upload>,
    usage: BTreeMap<String, u64>,
    idempotent: BTreeMap<String, Idempotent>,
    chores: BTreeMap<String, Chore>,
}

impl MemoryStore {
    /// Every change there has been, in order.
    pub fn all_changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values()
    }

    /// Every upload that is remembered.
    pub fn all_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.values()
    }

    /// Every file there has been.
    pub fn all_files(&self) -> impl Iterator<Item = &StoredFile> {
        self.files.values()
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn newest_seq(&self) -> Result<u64, Infallible> {
        Ok(self.changes.last_key_value().map_or(0, |(seq, _)| *seq))
    }

    fn oldest_seq(&self) -> Result<Option<u64>, Infallible> {
        Ok(self.changes.first_key_value().map(|(seq, _)| *seq))
    }

    fn append(&mut self, change: &Change) -> Result<(), Infallible> {
        self.changes.insert(change.seq, change.clone());
        Ok(())
    }

    fn changes(&self, since: u64, limit: u32) -> Result<Vec<Change>, Infallible> {
        let after = self.changes.range(since.saturating_add(1)..);
        Ok(after
            .take(limit as usize)
            .map(|(_, change)| change.clone())
            .collect())
    }

    fn file(&self, id: &FileId) -> Result<Option<StoredFile>, Infallible> {
        Ok(self.files.get(id).cloned())
    }

    fn put_file(&mut self, file: &StoredFile) -> Result<(), Infallible> {
        self.files.insert(file.record.file_id.clone(), file.clone());
        Ok(())
    }

    fn files(
        &self,
        before: Option<u64>,
        statuses: &[FileStatus],
        limit: u32,
    ) -> Result<Vec<StoredFile>, Infallible> {
        let mut files: Vec<_> = self
            .files
            .values()
            .filter(|file| before.is_none_or(|before| file.created_seq < before))
            .filter(|file| statuses.contains(&file.record.status))
            .cloned()
            .collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.created_seq));
        files.truncate(limit as usize);
        Ok(files)
    }

    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, Infallible> {
        Ok(self.uploads.get(id).cloned())
    }

    fn put_upload(&mut self, upload: &Upload) -> Result<(), Infallible> {
        self.uploads.insert(upload.upload_id.clone(), upload.clone());
        Ok(())
    }

    fn remove_upload(&mut self, id: &UploadId) -> Result<(), Infallible> {
        self.uploads.remove(id);
        Ok(())
    }

    fn usage(&self, owner: &str) -> Result<u64, Infallible> {
        Ok(self.usage.get(owner).copied().unwrap_or(0))
    }

    fn put_usage(&mut self, owner: &str, bytes: u64) -> Result<(), Infallible> {
        self.usage.insert(owner.to_owned(), bytes);
        Ok(())
    }

    fn idempotent(&self, key: &str) -> Result<Option<Idempotent>, Infallible> {
        Ok(self.idempotent.get(key).cloned())
    }

    fn put_idempotent(&mut self, key: &str, used: &Idempotent) -> Result<(), Infallible> {
        self.idempotent.insert(key.to_owned(), used.clone());
        Ok(())
    }

    fn remove_idempotent(&mut self, key: &str) -> Result<(), Infallible> {
        self.idempotent.remove(key);
        Ok(())
    }

    fn chore(&self, id: &str) -> Result<Option<Chore>, Infallible> {
        Ok(self.chores.get(id).cloned())
    }

    fn put_chore(&mut self, chore: &Chore) -> Result<(), Infallible> {
        self.chores.insert(chore.id.clone(), chore.clone());
        Ok(())
    }

    fn remove_chore(&mut self, id: &str) -> Result<(), Infallible> {
        self.chores.remove(id);
        Ok(())
    }

    fn due_chores(&self, now_ms: i64, limit: u32) -> Result<Vec<Chore>, Infallible> {
        let mut due: Vec<_> = self
            .chores
            .values()
            .filter(|chore| chore.due_ms <= now_ms)
            .cloned()
            .collect();
        due.sort_by_key(|chore| chore.due_ms);
        due.truncate(limit as usize);
        Ok(due)
    }

    fn next_due(&self) -> Result<Option<i64>, Infallible> {
        Ok(self.chores.values().map(|chore| chore.due_ms).min())
    }
}
