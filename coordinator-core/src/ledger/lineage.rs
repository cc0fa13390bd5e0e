//! What is asked of a file's versions, and of files that are made of another's content.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{FileId, Redacted, Sha256, StringMap};

/// A file that another is to become the next version of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// Which.
    pub file_id: FileId,
    /// Whose it has to be; absent where it may be anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Redacted<String>>,
    /// Whether the new file comes without it where it is not there.
    #[serde(rename = "optional", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_optional: bool,
}

/// The version that a file follows, as it was when the file began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Which.
    pub file_id: FileId,
    /// The first version of both.
    pub line: FileId,
    /// Its number.
    pub version: u32,
}

/// Where a file stands among the versions of its line.
#[derive(Debug)]
pub(super) struct Place {
    pub version: u32,
    /// The newest version, where that is not the one that the file was made from.
    pub conflict: Option<FileId>,
}

/// A file of another's content, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The file that has the content; it has to be of the same owner.
    pub from: FileId,
    /// What its owner has told of that content.
    pub content: Sha256,
    /// What the file becomes the next version of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The file.
    pub file: ReferenceDraft,
}

/// What is said of a file that is made of another's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceDraft {
    /// The new file's id.
    pub file_id: FileId,
    /// Its name.
    pub name: Redacted<String>,
    /// Its name as the client gave it, where that has control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<Redacted<String>>,
    /// Its folder.
    pub path: Redacted<String>,
    /// Its media type.
    pub content_type: String,
    /// Whose it is.
    pub owner: Redacted<String>,
    /// What the client attached.
    pub metadata: Redacted<StringMap>,
}

/// What somebody may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// Largest file, in bytes.
    pub max_size: u64,
    /// What all files may come to, in bytes.
    pub max_bytes: Option<u64>,
}
