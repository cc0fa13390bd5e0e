use serde::{Deserialize, Serialize};
use syncsphere_protocol::{FileId, FileRecord, FileStatus, Redacted, Sha256};

use crate::model::BucketName;

/// A file as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    /// What clients see.
    pub record: FileRecord,
    /// Sequence number of the change that announced the file.
    pub created_seq: u64,
    /// The object's key in storage.
    pub key: Redacted<String>,
    /// The bucket that it lies in, where that is not `S3_BUCKET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// What says that another file has the same content, as far as the owner has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Sha256>,
    /// The first version of its line, where that is another file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<FileId>,
    /// The file that the object was sent for, where that is another one: both keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<FileId>,
}

impl StoredFile {
    /// What all versions of the file have in common: the id of the first.
    pub(super) fn line(&self) -> &FileId {
        self.line.as_ref().unwrap_or(&self.record.file_id)
    }

    /// What all files of the same object have in common: the id of the one that it was sent for.
    pub(super) fn origin(&self) -> &FileId {
        self.origin.as_ref().unwrap_or(&self.record.file_id)
    }

    /// Which version of its line it is; records of earlier releases have no number.
    pub(super) fn version(&self) -> u32 {
        self.record.version.unwrap_or(1)
    }

    /// Whether it is available, and this owner's.
    #[must_use]
    pub fn is_available_and_of(&self, owner: &str) -> bool {
        self.record.status == FileStatus::Available && self.record.owner.0 == owner
    }
}
