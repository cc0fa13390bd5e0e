//! What the coordinator answers, as the engine knows it: it has no use for a file's other versions, and passes them by.

use syncsphere_protocol::NoVersion;

/// What the workspace knows of a file, but for its versions.
pub type FileRecord = syncsphere_protocol::FileRecord<NoVersion>;

/// What became of several uploads.
pub type CompleteBatchReply = syncsphere_protocol::CompleteBatchReply<NoVersion>;

/// What became of one.
pub type CompleteResult = syncsphere_protocol::CompleteResult<NoVersion>;

/// How an upload stands.
pub type UploadStatus = syncsphere_protocol::UploadStatus<NoVersion>;
