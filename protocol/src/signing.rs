//! Bodies of the endpoint that signs parts.

use serde::{Deserialize, Serialize};

use crate::checksum::Crc64Nvme;
use crate::integrity::Checksum;
use crate::md5::Md5;
use crate::parts::PartNumber;
use crate::redacted::Redacted;
use crate::string_map::StringMap;
use crate::timestamp::Timestamp;

/// Most parts in one signing request.
///
/// Source: a presigned URL costs a worker about 50 µs cold, and Cloudflare's free plan allows 10 ms
/// of CPU a request: <https://developers.cloudflare.com/workers/platform/limits/>
pub const MAX_PARTS_PER_SIGNING: usize = 100;

/// Body of `POST /v1/uploads/{uploadId}/parts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignPartsRequest {
    /// The upload's ticket.
    pub ticket: Redacted<String>,
    /// 1 to 100 parts.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 100)))]
    pub parts: Vec<PartToSign>,
    /// The whole file's checksum, from a client that knows it by now and is going to complete the upload with it. Storage's
    /// proof of it then makes the file available even if the client is not heard of again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
}

/// A part that a URL is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartToSign {
    /// Which part.
    pub part_number: PartNumber,
    /// The part's checksum. Where given, the URL accepts exactly these bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// The part's MD5, in its place where storage proves content by that: the grant's `checksum` tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
}

impl PartToSign {
    /// A part with its checksum, where it has one.
    pub fn new(part_number: PartNumber, checksum: Option<Checksum>) -> Self {
        Self {
            part_number,
            crc64nvme: checksum.and_then(Checksum::crc64nvme),
            md5: checksum.and_then(Checksum::md5),
        }
    }
}

/// Reply of `POST /v1/uploads/{uploadId}/parts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignPartsReply {
    /// One URL for each part asked for, in the order asked.
    pub urls: Vec<SignedPart>,
}

/// Permission to send exactly one part once or more often until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedPart {
    /// Which part.
    pub part_number: PartNumber,
    /// HTTP method: `PUT` with the bytes as the body, or `POST` with a form (`multipart/form-data`).
    pub method: String,
    /// The presigned URL, or the form's.
    pub url: Redacted<String>,
    /// Headers that must go with the request exactly as given.
    pub headers: StringMap,
    /// Fields of the form, before the last one, which is named `file` and holds the bytes.
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub fields: StringMap<Redacted<String>>,
    /// When storage stops accepting it.
    pub expires_at: Timestamp,
    /// The same as seconds from now, for clients whose clock is wrong.
    pub expires_in: u64,
}
