//! What several rooms speak of and none of them owns.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::Redacted;

/// A place in storage's list of multipart uploads, as storage names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadMarker {
    /// An object's key.
    pub key: Option<Redacted<String>>,
    /// Storage's name of an upload.
    pub upload: Option<Redacted<String>>,
}

/// What a file may come to whose size was not known when its upload began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeferredLength {
    /// Largest size, in bytes.
    pub max_size: u64,
    /// What all its owner's files may come to, in bytes.
    pub max_bytes: Option<u64>,
}
