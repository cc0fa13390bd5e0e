//! Bodies of the endpoints for Uppy's clients.

use serde::{Deserialize, Serialize};

use crate::parts::PartNumber;
use crate::redacted::Redacted;
use crate::string_map::StringMap;
use crate::timestamp::Timestamp;

/// Body of `POST /v1/s3/sign`: what Uppy hands to `signRequest`. Members besides these are ignored, since Uppy may get more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct S3SignRequest {
    /// The request's method.
    pub method: S3Method,
    /// The object's key; of a request that begins an upload, what the file may be called.
    pub key: Redacted<String>,
    /// The upload, unless the request begins one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<Redacted<String>>,
    /// The part to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_number: Option<PartNumber>,
    /// Media type of a file that goes as one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// Methods of the S3 requests that an upload makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum S3Method {
    /// List the parts.
    Get,
    /// Begin or complete an upload.
    Post,
    /// Send a file or a part.
    Put,
    /// Give an upload up.
    Delete,
}

/// Reply of `POST /v1/s3/sign`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct S3SignReply {
    /// Where to send the request: storage's address, or one of the coordinator's own, relative to that of this request.
    pub url: Redacted<String>,
    /// The object's key, of a request that begins an upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Redacted<String>>,
    /// Headers that must go with the request exactly as given.
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub headers: StringMap,
    /// Where a whole file goes as a form to that address: its fields, before the last one, which is named `file`.
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub fields: StringMap<Redacted<String>>,
}

/// Body of `POST /v1/companion/token`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompanionTokenRequest {
    /// Seconds that the token should live, at most a day; an hour where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 86_400)))]
    pub expires_in: Option<u64>,
}

/// Reply of `POST /v1/companion/token`: a token that uploads files by the endpoints which answer as Companion does, and is
/// good for nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompanionToken {
    /// The token.
    pub token: Redacted<String>,
    /// What follows the coordinator's origin in `companionEndpoint` or `companionUrl`; it holds the token.
    pub path: Redacted<String>,
    /// When it dies.
    pub expires_at: Timestamp,
    /// The same as seconds from now.
    pub expires_in: u64,
}
