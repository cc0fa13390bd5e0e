use serde::{Deserialize, Serialize};
use syncsphere_protocol::{FileId, Redacted};

use super::stored_file::StoredFile;

/// What a new file could take its content from, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseQuery {
    /// Whose files.
    pub owner: Redacted<String>,
    /// The new file's folder.
    pub path: Redacted<String>,
    /// Its name.
    pub name: Redacted<String>,
    /// Its size in bytes.
    pub size: u64,
    /// The file that it is known to be made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<FileId>,
    /// Whether content can be taken; otherwise only the file of the same name is told.
    pub copies: bool,
}

/// A file that a new one could take its content from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownBase {
    /// The file.
    pub file: StoredFile,
    /// Its content index, where it is known and has room in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<String>,
}
