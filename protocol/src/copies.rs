//! Bodies of the endpoint that copies ranges of a file into parts of another.

use serde::{Deserialize, Serialize};

use crate::checksum::Crc64Nvme;
use crate::ids::FileId;
use crate::parts::PartNumber;
use crate::problem::Problem;
use crate::redacted::Redacted;

/// Most parts in one request to copy them.
///
/// Source: own choice. Six go at once, and all of them within the least that `SUBREQUEST_LIMIT` leaves for storage.
pub const MAX_PARTS_PER_COPY: usize = 24;

/// Body of `POST /v1/uploads/{uploadId}/copies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CopyPartsRequest {
    /// The upload's ticket.
    pub ticket: Redacted<String>,
    /// The file that the bytes are copied from: an available one of the caller's own.
    pub from: FileId,
    /// 1 to 24 parts.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 24)))]
    pub parts: Vec<PartToCopy>,
}

/// A part that is to be a range of another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartToCopy {
    /// Which part.
    pub part_number: PartNumber,
    /// First byte in the other file, counted from 0.
    pub offset: u64,
    /// Bytes: 5 MiB to 5 GiB, of the file's last part at least 1.
    pub length: u64,
}

/// Reply of `POST /v1/uploads/{uploadId}/copies`: one result for each part, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CopyPartsReply {
    /// The results.
    pub parts: Vec<CopiedPart>,
}

/// What became of one part: it has `etag` and `crc64nvme`, or an `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CopiedPart {
    /// Which part.
    pub part_number: PartNumber,
    /// Its ETag, quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its checksum, as storage has computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// Why it was not copied. The client sends the part itself; the others are not touched by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}
