use std::cmp::Reverse;
use std::convert::Infallible;

use syncsphere_protocol::{FileId, FileStatus, Sha256};

use super::chunk_store::ChunkStore;
use super::memory::{Chunks, MemoryStore};
use super::stored_file::StoredFile;

impl ChunkStore for MemoryStore {
    type Failure = Infallible;

    fn chunks_of(&self, file: &FileId) -> Result<Option<String>, Infallible> {
        Ok(self.chunks.get(file).map(|chunks| chunks.packed.clone()))
    }

    fn chunks(&self, owner: &str, content: Sha256) -> Result<Option<String>, Infallible> {
        let mut chunks = self.chunks.values();
        let found = chunks.find(|chunks| chunks.owner.0 == owner && chunks.content == content);
        Ok(found.map(|chunks| chunks.packed.clone()))
    }

    fn put_chunks(&mut self, file: &StoredFile, content: Sha256, chunks: &str) -> Result<(), Infallible> {
        let chunks = Chunks {
            owner: file.record.owner.clone(),
            content,
            packed: chunks.to_owned(),
        };
        self.chunks.insert(file.record.file_id.clone(), chunks);
        Ok(())
    }

    fn remove_chunks(&mut self, file: &FileId) -> Result<(), Infallible> {
        self.chunks.remove(file);
        Ok(())
    }

    fn newest_named(&self, path: &str, name: &str, limit: u32) -> Result<Vec<StoredFile>, Infallible> {
        Ok(self.newest(limit, |file| {
            file.record.path.0 == path && file.record.name.0 == name
        }))
    }

    fn indexed_of_size(&self, owner: &str, size: u64, limit: u32) -> Result<Vec<StoredFile>, Infallible> {
        Ok(self.newest(limit, |file| {
            let has_index = self.chunks.contains_key(&file.record.file_id);
            has_index && file.record.owner.0 == owner && file.record.size == size
        }))
    }
}

impl MemoryStore {
    /// Available files of which this holds, newest first.
    fn newest(&self, limit: u32, holds: impl Fn(&StoredFile) -> bool) -> Vec<StoredFile> {
        let files = self.all_files();
        let mut found: Vec<_> = files
            .filter(|file| file.record.status == FileStatus::Available && holds(file))
            .cloned()
            .collect();
        found.sort_by_key(|file| Reverse(file.created_seq));
        found.truncate(limit as usize);
        found
    }
}
