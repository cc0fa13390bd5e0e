//! Bodies of the endpoints that tell which content files have, and which files a new one could take its content from.

use serde::{Deserialize, Serialize};

use crate::ids::FileId;
use crate::redacted::Redacted;
use crate::sha256::Sha256;

/// Body of `PUT /v1/files/{fileId}/chunks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutChunksRequest {
    /// The file's content index in its packed form, as base64: at most 10,000 chunks, 440,004 bytes.
    #[cfg_attr(feature = "schema", schemars(length(max = 586_672)))]
    pub chunks: String,
}

/// Reply of `PUT /v1/files/{fileId}/chunks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutChunksReply {
    /// What says that another file has the same content, cut in the same way: SHA-256 of the packed index.
    pub content: Sha256,
}

/// Reply of `GET /v1/files/{fileId}/chunks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChunksReply {
    /// The file's content index in its packed form, as base64.
    pub chunks: String,
}

/// Body of `POST /v1/files/bases`: what is known of a new file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BasesRequest {
    /// Its name, as of a file that is uploaded.
    pub name: Redacted<String>,
    /// Its folder inside the workspace, slash separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Redacted<String>>,
    /// Its size in bytes.
    pub size: u64,
    /// The file that it is known to be made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<FileId>,
}

/// Reply of `POST /v1/files/bases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BasesReply {
    /// Whether storage copies parts and proves what it has copied. Where it does not, only the file of the same name is told,
    /// without `chunks`.
    pub copies: bool,
    /// Whether storage wants parts of one size, but the last.
    pub equal_parts: bool,
    /// At most 4 of the caller's own available files: the one that was named, the newest of the same folder and name, and
    /// others of the same size that have an index.
    pub bases: Vec<BaseFile>,
}

/// A file that a new one could take its content from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BaseFile {
    /// The file.
    pub file_id: FileId,
    /// Which version of its line it is, from 1.
    pub version: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it has the new file's folder and name.
    pub same_name: bool,
    /// Its content index in its packed form, as base64, where it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<String>,
}
