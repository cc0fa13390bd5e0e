use syncsphere_protocol::{FileId, FileStatus};

use super::store_failure::StoreFailure;
use super::stored_file::StoredFile;

/// Which files are versions of one another, and which keep the same object.
///
/// The first version of a line is found by its id, which is the line's; these are about the others.
pub trait VersionStore {
    /// What can go wrong while reading rows.
    type Failure: StoreFailure;

    /// Later versions of a line in this state whose number is below `before`, newest first, at most `limit`.
    fn newest_versions(
        &self,
        line: &FileId,
        status: FileStatus,
        before: u32,
        limit: u32,
    ) -> Result<Vec<StoredFile>, Self::Failure>;
    /// Later versions of a line that are available, oldest first, at most `limit`.
    fn oldest_versions(&self, line: &FileId, limit: u32) -> Result<Vec<StoredFile>, Self::Failure>;
    /// How many later versions of a line are available.
    fn version_count(&self, line: &FileId) -> Result<u64, Self::Failure>;
    /// Available files other than `origin` that keep the object which was sent for it, oldest first, at most `limit`.
    fn references(&self, origin: &FileId, limit: u32) -> Result<Vec<StoredFile>, Self::Failure>;
    /// Whether a file is available that keeps the object which was sent for `origin`: that one or another.
    fn has_available_of(&self, origin: &FileId) -> Result<bool, Self::Failure>;
}
