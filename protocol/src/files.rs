use serde::{Deserialize, Serialize};

use crate::checksum::Crc64Nvme;
use crate::ids::{FileId, WorkspaceId};
use crate::md5::Md5;
use crate::redacted::Redacted;
use crate::string_map::StringMap;
use crate::timestamp::Timestamp;

/// Where a file stands. `uploading → available | aborted | expired`, `available → deleted`;
/// nothing else can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FileStatus {
    /// An upload is open; the content cannot be read.
    Uploading,
    /// Finalized and checked: the content can be read.
    Available,
    /// The upload was given up before it was finalized.
    Aborted,
    /// The upload was left open beyond its lifetime and cleaned up.
    Expired,
    /// The file was available and has been removed.
    Deleted,
}

impl FileStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Uploading,
        Self::Available,
        Self::Aborted,
        Self::Expired,
        Self::Deleted,
    ];

    /// The status as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Available => "available",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }
}

/// The checksums known of a file's whole content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileChecksum {
    /// Full-object CRC64NVME, as storage itself reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// MD5, of files that came in one request to a storage that proves content so. Of one that came in parts the ETag is what
    /// their MD5s make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
}

/// What the workspace knows of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileRecord {
    /// The file's id, unique in its workspace.
    pub file_id: FileId,
    /// The workspace that the file belongs to.
    pub workspace: WorkspaceId,
    /// The file's own name, as the user's system writes it, in Unicode NFC and with symbols in the place of control
    /// characters.
    pub name: Redacted<String>,
    /// The name with its control characters, where it has some and is not longer than 1,024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<Redacted<String>>,
    /// Folder inside the workspace, slash separated, empty for the root.
    pub path: Redacted<String>,
    /// Size in bytes.
    pub size: u64,
    /// Media type as the client declared it, or as the name tells where it declared none.
    pub content_type: String,
    /// Where the file stands.
    pub status: FileStatus,
    /// Checksums of the whole content; empty until the file is available.
    pub checksum: FileChecksum,
    /// The object's ETag, quoted as storage gave it; absent until the file is available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Who started the upload: the token's `sub`.
    pub owner: Redacted<String>,
    /// Whatever the client attached.
    pub metadata: Redacted<StringMap>,
    /// When the upload was initiated.
    pub created_at: Timestamp,
    /// When the record last changed.
    pub updated_at: Timestamp,
    /// Sequence number of the last change of this file in the workspace's feed.
    pub seq: u64,
    /// Which version of its line the file is, from 1: given when it becomes available. Of an available file without one it is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The version that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<FileId>,
    /// The version that became available after `previous` and before this one: somebody else was first. Both are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<FileId>,
}

/// One page of a workspace's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileList {
    /// The files of this page.
    pub files: Vec<FileRecord>,
    /// Pass it as `cursor`, with the same filters, to read on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `GET /v1/files/{fileId}/content` to a request that says `Accept: application/json`.
///
/// Others are redirected to the same URL. A page cannot follow that redirect, since a link carries no
/// bearer token and a script may not read where a redirect leads, so it asks for the address instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContentLink {
    /// The presigned URL; it saves under the file's own name.
    pub url: Redacted<String>,
    /// When storage stops accepting it.
    pub expires_at: Timestamp,
    /// The same as seconds from now, for clients whose clock is wrong.
    pub expires_in: u64,
}
