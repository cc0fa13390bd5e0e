//! What each owner and the whole workspace take up, and how much that may be.

use super::apply::Ledger;
use super::states::FileDraft;
use super::store::{Store, Usage};

/// Uploads that one owner may have open at once.
///
/// Source: own choice. Clients open some hundred at a time; what a crash leaves open is over within days.
pub(super) const MAX_OPEN_UPLOADS: u64 = 10_000;

/// Bytes of records that one owner may have in a workspace, those of files that are gone included for as long as they are
/// kept. Source: own choice; a fifth of what an object stores, and some two million files:
/// <https://developers.cloudflare.com/durable-objects/platform/limits/>
pub(super) const MAX_RECORD_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes of records in a workspace at which no further upload begins: what is there can still be finished and deleted, which
/// writes changes.
///
/// Source: own choice; half of what an object stores, since indexes, uploads and changes come to about as much again.
pub(super) const MAX_WORKSPACE_RECORD_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Under this name the whole workspace is counted, by its records alone; an owner's name is never empty.
pub(super) const WORKSPACE: &str = "";

/// What a record takes besides its texts, in bytes, changes included. Source: own choice.
const RECORD_OVERHEAD: usize = 1_024;

impl<S: Store> Ledger<'_, S> {
    /// Counts what begins, or is made, among its owner's, and its record among the workspace's, if there is room for both;
    /// `max_bytes` is for the files' content. The caller stores what the workspace comes to.
    pub(super) fn reserve(
        &mut self,
        owner: &str,
        more: &Usage,
        max_bytes: Option<u64>,
        workspace: &mut Usage,
    ) -> Result<bool, S::Error> {
        let all_records = workspace.record_bytes.saturating_add(more.record_bytes);
        let used = self.store.usage(owner)?;
        let with = Usage {
            bytes: used.bytes.saturating_add(more.bytes),
            open: used.open.saturating_add(more.open),
            record_bytes: used.record_bytes.saturating_add(more.record_bytes),
        };
        let has_room = with.bytes <= max_bytes.unwrap_or(u64::MAX)
            && used.bytes.checked_add(more.bytes).is_some()
            && with.open <= MAX_OPEN_UPLOADS
            && with.record_bytes <= MAX_RECORD_BYTES
            && all_records <= MAX_WORKSPACE_RECORD_BYTES;
        if has_room {
            workspace.record_bytes = all_records;
            self.store.put_usage(owner, &with)?;
        }
        Ok(has_room)
    }

    /// Counts less among an owner's.
    pub(super) fn release(&mut self, owner: &str, less: &Usage) -> Result<(), S::Error> {
        let used = self.store.usage(owner)?;
        let left = Usage {
            bytes: used.bytes.saturating_sub(less.bytes),
            open: used.open.saturating_sub(less.open),
            record_bytes: used.record_bytes.saturating_sub(less.record_bytes),
        };
        self.store.put_usage(owner, &left)?;
        if less.record_bytes == 0 {
            return Ok(());
        }
        let mut workspace = self.store.usage(WORKSPACE)?;
        workspace.record_bytes = workspace.record_bytes.saturating_sub(less.record_bytes);
        self.store.put_usage(WORKSPACE, &workspace)
    }
}

/// What a file's record takes, about.
pub(super) fn record_bytes(file: &FileDraft) -> u64 {
    bytes_of(&file.name, &file.path, file.metadata.iter())
}

/// The same by what is said of the file.
pub(super) fn bytes_of<'a>(
    name: &str,
    path: &str,
    metadata: impl Iterator<Item = (&'a String, &'a String)>,
) -> u64 {
    let metadata: usize = metadata.map(|(key, value)| key.len() + value.len()).sum();
    u64::try_from(RECORD_OVERHEAD + name.len() + path.len() + metadata).unwrap_or(u64::MAX)
}
