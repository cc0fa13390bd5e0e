//! Bodies of the endpoints that make a file of another's content, and that list what a file has been.

use serde::{Deserialize, Serialize};

use crate::files::FileRecord;
use crate::ids::{FileId, VersionBase};
use crate::redacted::Redacted;
use crate::sha256::Sha256;
use crate::string_map::StringMap;

/// Body of `POST /v1/files`: a new file of the content that one of the caller's own has. No bytes travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferenceRequest {
    /// The file that has the content.
    pub from: FileId,
    /// What that content is.
    pub content: Sha256,
    /// The new file's name, as of a file that is uploaded.
    pub name: Redacted<String>,
    /// Its folder inside the workspace, slash separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Redacted<String>>,
    /// Its media type; guessed from the name where it is absent or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Anything the client wants kept with it, as of a file that is uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Redacted<StringMap>>,
    /// The file that it becomes the next version of, as of a file that is uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<VersionBase>,
}

/// Reply of `POST /v1/files` and of `POST /v1/files/{fileId}/restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferenceReply {
    /// The file, which is available.
    pub file: FileRecord,
}

/// Reply of `GET /v1/files/{fileId}/versions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionList {
    /// The available versions of the file's line, newest first: 1,000 at most, and as many as about 1 MiB holds.
    pub versions: Vec<FileRecord>,
}
