use syncsphere_protocol::{FileId, Sha256};

use super::store_failure::StoreFailure;
use super::stored_file::StoredFile;

/// The content indexes that owners have stated of their files, each packed and as base64, and which files a new one could take
/// its content from.
pub trait ChunkStore {
    /// What can go wrong while reading or writing rows.
    type Failure: StoreFailure;

    /// The index that was stated of a file.
    fn chunks_of(&self, file: &FileId) -> Result<Option<String>, Self::Failure>;
    /// The index of a content, of whichever file of this owner it was stated.
    fn chunks(&self, owner: &str, content: Sha256) -> Result<Option<String>, Self::Failure>;
    /// Adds or replaces the index of a file.
    fn put_chunks(&mut self, file: &StoredFile, content: Sha256, chunks: &str) -> Result<(), Self::Failure>;
    /// Removes the index of a file.
    fn remove_chunks(&mut self, file: &FileId) -> Result<(), Self::Failure>;
    /// Available files of this folder and name, newest first, at most `limit`.
    fn newest_named(&self, path: &str, name: &str, limit: u32) -> Result<Vec<StoredFile>, Self::Failure>;
    /// Available files of this owner and size that have an index, newest first, at most `limit`.
    fn indexed_of_size(&self, owner: &str, size: u64, limit: u32) -> Result<Vec<StoredFile>, Self::Failure>;
}
