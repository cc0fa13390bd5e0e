//! States of files and uploads, and the only ways from one to the next.
//!
//! `uploading → available | aborted | expired`, `available → deleted`. A [`FileRecord`]'s status is
//! set in this file alone, and only by values that prove the status it had before.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{
    Crc64Nvme, FileChecksum, FileId, FileRecord, FileStatus, Md5, Redacted, StringMap, Tail, Timestamp,
    UploadId, UploadKind, WorkspaceId,
};

use super::lineage::{Place, Previous, ReferenceDraft};
use crate::model::{BucketName, DeferredLength};

/// What is known of a file before its upload is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileDraft {
    /// The file's id.
    pub file_id: FileId,
    /// Where it belongs.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: Redacted<String>,
    /// Its name as the client gave it, where that has control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<Redacted<String>>,
    /// Its folder.
    pub path: Redacted<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// Who uploads it.
    pub owner: Redacted<String>,
    /// What the client attached.
    pub metadata: Redacted<StringMap>,
    /// The object's key in storage.
    pub key: Redacted<String>,
    /// The bucket that it lies in, where that is not `S3_BUCKET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// The version that it follows, where it is another's next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

impl FileDraft {
    /// The record of the file now that its upload is open; `seq` is that of the change which
    /// announces it.
    pub(super) fn open(&self, now_ms: i64, seq: u64) -> FileRecord {
        let now = Timestamp::from_unix_millis(now_ms);
        FileRecord {
            file_id: self.file_id.clone(),
            workspace: self.workspace.clone(),
            name: self.name.clone(),
            original_name: self.original_name.clone(),
            path: self.path.clone(),
            size: self.size,
            content_type: self.content_type.clone(),
            status: FileStatus::Uploading,
            checksum: FileChecksum::default(),
            etag: None,
            owner: self.owner.clone(),
            metadata: self.metadata.clone(),
            created_at: now.clone(),
            updated_at: now,
            seq,
            version: None,
            previous: self.previous.as_ref().map(|previous| previous.file_id.clone()),
            conflict: None,
        }
    }
}

/// What a client can do, and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Abilities {
    /// It can send a form.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forms: bool,
    /// It states no checksums.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_checksums: bool,
}

/// An upload as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The upload's id.
    pub upload_id: UploadId,
    /// What the client said of the file.
    pub file: FileDraft,
    /// How the bytes travel.
    pub kind: UploadKind,
    /// The size of every part but the last, in bytes; with a tail, of every part before it.
    pub part_size: u64,
    /// The smaller parts at the end, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// Whether the client cuts the file as it likes; `part_size` is the least then.
    #[serde(rename = "freeLayout", default, skip_serializing_if = "std::ops::Not::not")]
    pub has_free_layout: bool,
    /// When the upload is given up, in milliseconds since 1970.
    pub expires_ms: i64,
    /// The latest that `expires_ms` is put off to while parts arrive, in milliseconds since 1970; absent where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_expiry_ms: Option<i64>,
    /// The whole file's checksum, once the client has stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// From when on the workspace's alarm looks whether storage holds all of it, in milliseconds since 1970; absent while
    /// nothing would prove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unattended_from_ms: Option<i64>,
    /// What else the client said of itself.
    #[serde(default, flatten)]
    pub abilities: Abilities,
    /// Where the client sends a whole file to, if that is not the file's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_key: Option<Redacted<String>>,
    /// Where the client did not name the file's size, which is 0 then until storage tells it.
    #[serde(rename = "openEnd", default, skip_serializing_if = "Option::is_none")]
    pub deferred_length: Option<DeferredLength>,
    /// Storage's own name of a multipart upload; absent for `single` and until it is known.
    pub storage_upload_id: Option<Redacted<String>>,
    /// Since when storage has shown neither the upload nor its object, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_since_ms: Option<i64>,
    /// How far it is.
    pub phase: UploadPhase,
}

impl Upload {
    /// The key that the client's bytes go to.
    pub fn sent_to(&self) -> &Redacted<String> {
        self.staging_key.as_ref().unwrap_or(&self.file.key)
    }
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum UploadPhase {
    /// Storage is about to be asked to create it; nothing has been announced.
    Starting,
    /// Parts may come.
    Open,
    /// Storage is, or was, being asked to complete it.
    Completing {
        /// What the client says the whole file's checksum is.
        crc64nvme: Option<Crc64Nvme>,
        /// What its parts' MD5s make.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        md5: Option<Md5>,
    },
    /// It is over; the file's status says how.
    Ended,
}

/// How an upload can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// Storage holds the object.
    Available {
        etag: String,
        crc64nvme: Option<Crc64Nvme>,
        md5: Option<Md5>,
    },
    /// Somebody gave it up.
    Aborted,
    /// Its time was over.
    Expired,
}

/// A file whose status is known to be `uploading`.
pub(super) struct Uploading(FileRecord);

impl Uploading {
    /// The file, if it is uploading.
    pub(super) fn prove(file: FileRecord) -> Option<Self> {
        (file.status == FileStatus::Uploading).then_some(Self(file))
    }

    /// `size` is what the file comes to where it is available, and `place` where it stands in its line then.
    pub(super) fn end(self, ending: Ending, size: u64, place: Place, now_ms: i64, seq: u64) -> FileRecord {
        let mut file = self.0;
        file.status = match ending {
            Ending::Available { etag, crc64nvme, md5 } => {
                file.size = size;
                file.etag = Some(etag);
                file.checksum = FileChecksum { crc64nvme, md5 };
                file.version = Some(place.version);
                file.conflict = place.conflict;
                FileStatus::Available
            }
            Ending::Aborted => FileStatus::Aborted,
            Ending::Expired => FileStatus::Expired,
        };
        touch(file, now_ms, seq)
    }
}

/// A file whose status is known to be `available`.
pub(super) struct Available(FileRecord);

impl Available {
    /// The file, if it is available.
    pub(super) fn prove(file: FileRecord) -> Option<Self> {
        (file.status == FileStatus::Available).then_some(Self(file))
    }

    pub(super) fn delete(self, now_ms: i64, seq: u64) -> FileRecord {
        let mut file = self.0;
        file.status = FileStatus::Deleted;
        touch(file, now_ms, seq)
    }

    /// The record of another file of the same content, which is available by that.
    pub(super) fn refer(
        self,
        file: ReferenceDraft,
        place: Place,
        previous: Option<FileId>,
        now_ms: i64,
        seq: u64,
    ) -> FileRecord {
        let same = self.0;
        let referred = FileRecord {
            file_id: file.file_id,
            name: file.name,
            original_name: file.original_name,
            path: file.path,
            content_type: file.content_type,
            owner: file.owner,
            metadata: file.metadata,
            created_at: Timestamp::from_unix_millis(now_ms),
            version: Some(place.version),
            previous,
            conflict: place.conflict,
            ..same
        };
        touch(referred, now_ms, seq)
    }
}

fn touch(mut file: FileRecord, now_ms: i64, seq: u64) -> FileRecord {
    file.updated_at = Timestamp::from_unix_millis(now_ms);
    file.seq = seq;
    file
}
