use std::convert::Infallible;

use syncsphere_protocol::{FileId, FileStatus};

use super::memory::MemoryStore;
use super::stored_file::StoredFile;
use super::version_store::VersionStore;

impl MemoryStore {
    /// Later versions of a line, oldest first.
    fn later_versions(&self, line: &FileId, status: FileStatus) -> Vec<StoredFile> {
        let files = self.all_files();
        let mut of_line: Vec<_> = files
            .filter(|file| file.line.as_ref() == Some(line) && file.record.status == status)
            .filter(|file| file.record.version.is_some())
            .cloned()
            .collect();
        of_line.sort_by_key(StoredFile::version);
        of_line
    }

    fn available_of(&self, origin: &FileId) -> impl Iterator<Item = &StoredFile> {
        let files = self.all_files();
        files.filter(move |file| file.record.status == FileStatus::Available && file.origin() == origin)
    }
}

impl VersionStore for MemoryStore {
    type Failure = Infallible;

    fn newest_versions(
        &self,
        line: &FileId,
        status: FileStatus,
        before: u32,
        limit: u32,
    ) -> Result<Vec<StoredFile>, Infallible> {
        let versions = self.later_versions(line, status).into_iter().rev();
        let versions = versions.filter(|file| file.version() < before);
        Ok(versions.take(limit as usize).collect())
    }

    fn oldest_versions(&self, line: &FileId, limit: u32) -> Result<Vec<StoredFile>, Infallible> {
        let versions = self.later_versions(line, FileStatus::Available).into_iter();
        Ok(versions.take(limit as usize).collect())
    }

    fn version_count(&self, line: &FileId) -> Result<u64, Infallible> {
        Ok(self.later_versions(line, FileStatus::Available).len() as u64)
    }

    fn references(&self, origin: &FileId, limit: u32) -> Result<Vec<StoredFile>, Infallible> {
        let others = self
            .available_of(origin)
            .filter(|file| file.record.file_id != *origin);
        let mut found: Vec<_> = others.cloned().collect();
        found.sort_by_key(|file| file.created_seq);
        found.truncate(limit as usize);
        Ok(found)
    }

    fn has_available_of(&self, origin: &FileId) -> Result<bool, Infallible> {
        Ok(self.available_of(origin).next().is_some())
    }
}
