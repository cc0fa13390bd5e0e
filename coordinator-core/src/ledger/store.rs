use serde::{Deserialize, Serialize};
use syncsphere_protocol::{Change, FileId, UnreadableRow, UploadId};

use super::chunk_store::ChunkStore;
use super::jobs::Job;
use super::letters::LetterStore;
use super::listing::FileQuery;
use super::replication::ReplicationState;
use super::states::Upload;
use super::store_failure::StoreFailure;
use super::stored_file::StoredFile;
use super::version_store::VersionStore;

/// The rows of one workspace's ledger.
///
/// [`apply`](super::apply) calls these without waiting in between. A store that fails must undo
/// everything since `apply` began. Rows of a page that cannot be read are noted and passed over.
pub trait Store:
    LetterStore<Failure = <Self as Store>::Error>
    + VersionStore<Failure = <Self as Store>::Error>
    + ChunkStore<Failure = <Self as Store>::Error>
{
    /// What can go wrong while reading or writing rows.
    type Error: StoreFailure;

    /// Sequence number of the newest change, 0 if there is none.
    fn newest_seq(&self) -> Result<u64, Self::Error>;
    /// Sequence number of the oldest change that is kept, `None` if there is none.
    fn oldest_seq(&self) -> Result<Option<u64>, Self::Error>;
    /// Adds a change; its `seq` is one more than the newest.
    fn append(&mut self, change: &Change) -> Result<(), Self::Error>;
    /// Changes after `since` in order, at most `limit`.
    fn changes(&self, since: u64, limit: u32) -> Result<Vec<Change>, Self::Error>;

    /// Removes every change up to and including this one.
    fn remove_changes(&mut self, through: u64) -> Result<(), Self::Error>;

    /// A file.
    fn file(&self, id: &FileId) -> Result<Option<StoredFile>, Self::Error>;
    /// Adds or replaces a file.
    fn put_file(&mut self, file: &StoredFile) -> Result<(), Self::Error>;
    /// Removes a file.
    fn remove_file(&mut self, id: &FileId) -> Result<(), Self::Error>;
    /// Files of one state, in order.
    fn files(&self, query: &FileQuery<'_>) -> Result<Vec<StoredFile>, Self::Error>;

    /// Files of any state after this one in the order of their ids' bytes, at most `limit`.
    fn files_after(&self, after: Option<&FileId>, limit: u32) -> Result<Vec<StoredFile>, Self::Error>;

    /// An upload.
    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, Self::Error>;
    /// The upload of a file.
    fn upload_of(&self, file: &FileId) -> Result<Option<Upload>, Self::Error>;
    /// Adds or replaces an upload.
    fn put_upload(&mut self, upload: &Upload) -> Result<(), Self::Error>;
    /// Removes an upload.
    fn remove_upload(&mut self, id: &UploadId) -> Result<(), Self::Error>;

    /// What this owner takes up.
    fn usage(&self, owner: &str) -> Result<Usage, Self::Error>;
    /// Writes down what they take up.
    fn put_usage(&mut self, owner: &str, usage: &Usage) -> Result<(), Self::Error>;

    /// What an idempotency key was used for.
    fn idempotency_record(&self, key: &str) -> Result<Option<IdempotencyRecord>, Self::Error>;
    /// Adds what an idempotency key was used for.
    fn put_idempotency_record(&mut self, key: &str, used: &IdempotencyRecord) -> Result<(), Self::Error>;
    /// Removes an idempotency key.
    fn remove_idempotency_record(&mut self, key: &str) -> Result<(), Self::Error>;

    /// A job.
    fn job(&self, id: &str) -> Result<Option<Job>, Self::Error>;
    /// Adds or replaces a job.
    fn put_job(&mut self, job: &Job) -> Result<(), Self::Error>;
    /// Removes a job.
    fn remove_job(&mut self, id: &str) -> Result<(), Self::Error>;
    /// Jobs of a kind, named by [`JobKind::name`](super::JobKind::name), that are due at `now_ms` or before, earliest first, at most `limit`.
    fn due_jobs(&self, kind: &str, now_ms: i64, limit: u32) -> Result<Vec<Job>, Self::Error>;
    /// Notes jobs that are due at `now_ms` or before and of none of these kinds, at most `limit`, and puts them off.
    fn put_off_unknown_jobs(&mut self, kinds: &[&str], now_ms: i64, limit: u32) -> Result<(), Self::Error>;
    /// When the next job is due, in milliseconds since 1970.
    fn next_due(&self) -> Result<Option<i64>, Self::Error>;

    /// Whether there is a metadata database that changes go to.
    fn has_database(&self) -> bool;
    /// How far the database is; `None` until a change went its way.
    fn replication(&self) -> Result<Option<ReplicationState>, Self::Error>;
    /// Writes down how far it is.
    fn put_replication(&mut self, replication: &ReplicationState) -> Result<(), Self::Error>;

    /// How many rows there are that could not be read, and the last that was noted.
    fn unreadable(&self) -> Result<(u64, Option<UnreadableRow>), Self::Error>;
    /// Ids of files whose rows could not be read, `limit` at the most.
    fn unreadable_files(&self, limit: u32) -> Result<Vec<String>, Self::Error>;
    /// Forgets which rows could not be read: it is tried anew.
    fn forget_unreadable(&mut self) -> Result<(), Self::Error>;
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdempotencyRecord {
    /// Digest of the request body.
    pub fingerprint: String,
    /// The uploads that it began; `None` for one that the quota did not hold.
    pub uploads: Vec<Option<UploadId>>,
    /// The file that it made of another's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
}

/// What an owner takes up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Bytes of files that are available or uploading.
    pub bytes: u64,
    /// Uploads that have not ended.
    pub open: u64,
    /// Bytes of records, about.
    pub record_bytes: u64,
}
