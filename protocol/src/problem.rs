use serde::{Deserialize, Serialize};

use crate::parts::PartNumber;

/// Stable error codes of the HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ErrorCode {
    /// No token, or one that does not hold.
    Unauthenticated,
    /// The token holds but does not allow this.
    Forbidden,
    /// The request itself is wrong; repeating it cannot help.
    InvalidRequest,
    /// The file is larger than storage, configuration or token allow.
    FileTooLarge,
    /// The workspace or token has no room left.
    QuotaExceeded,
    /// No such thing in this workspace.
    NotFound,
    /// The upload was aborted or has expired.
    UploadGone,
    /// Complete was asked for while storage lacks parts.
    PartsMissing,
    /// Storage holds a part of another length than planned.
    PartSizeMismatch,
    /// Storage's checksum is not the client's.
    ChecksumMismatch,
    /// The request contradicts what is already there.
    Conflict,
    /// Too many requests; wait.
    RateLimited,
    /// Storage does not answer, or answers that it is overloaded; wait.
    StorageUnavailable,
    /// Storage refuses, and asking again cannot help: `detail` has its code.
    StorageRefused,
    /// A fault of the coordinator.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 15] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::InvalidRequest,
        Self::FileTooLarge,
        Self::QuotaExceeded,
        Self::NotFound,
        Self::UploadGone,
        Self::PartsMissing,
        Self::PartSizeMismatch,
        Self::ChecksumMismatch,
        Self::Conflict,
        Self::RateLimited,
        Self::StorageUnavailable,
        Self::StorageRefused,
        Self::Internal,
    ];

    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::InvalidRequest => 400,
            Self::FileTooLarge => 413,
            Self::QuotaExceeded => 403,
            Self::NotFound => 404,
            Self::UploadGone => 410,
            Self::PartsMissing | Self::PartSizeMismatch | Self::ChecksumMismatch => 422,
            Self::Conflict => 409,
            Self::RateLimited => 429,
            Self::StorageUnavailable => 503,
            // Not 502, which clients and proxies take for something that passes.
            Self::StorageRefused => 424,
            Self::Internal => 500,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::StorageUnavailable | Self::Internal
        )
    }

    /// A short sentence of what the code means, the problem's `title`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unauthenticated => "A valid access token is needed",
            Self::Forbidden => "The access token does not allow this",
            Self::InvalidRequest => "The request is not valid",
            Self::FileTooLarge => "The file is too large",
            Self::QuotaExceeded => "The quota is used up",
            Self::NotFound => "There is no such thing here",
            Self::UploadGone => "The upload was aborted or has expired",
            Self::PartsMissing => "Parts are missing",
            Self::PartSizeMismatch => "A part has the wrong length",
            Self::ChecksumMismatch => "The checksum does not match",
            Self::Conflict => "The request conflicts with the current state",
            Self::RateLimited => "Too many requests",
            Self::StorageUnavailable => "Storage is not available",
            Self::StorageRefused => "Storage refuses",
            Self::Internal => "The coordinator failed",
        }
    }

    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::InvalidRequest => "invalid_request",
            Self::FileTooLarge => "file_too_large",
            Self::QuotaExceeded => "quota_exceeded",
            Self::NotFound => "not_found",
            Self::UploadGone => "upload_gone",
            Self::PartsMissing => "parts_missing",
            Self::PartSizeMismatch => "part_size_mismatch",
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::StorageUnavailable => "storage_unavailable",
            Self::StorageRefused => "storage_refused",
            Self::Internal => "internal",
        }
    }
}

/// An error reply, `application/problem+json`.
///
/// Source: RFC 9457, with the members `code`, `requestId`, `retryAfter` and `parts` of our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, for a person.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// The stable code that programs branch on.
    pub code: ErrorCode,
    /// What was wrong with this request; never carries anything secret or internal.
    pub detail: String,
    /// Names the request in the coordinator's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Seconds to wait before asking again, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The first parts concerned, at most 100, for `parts_missing` and `part_size_mismatch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartNumber>,
}

impl Problem {
    /// A problem of this code; `detail` is shown to the client as it is.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: ["urn:syncsphere:problem:", code.as_str()].concat(),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            request_id: String::new(),
            retry_after: None,
            parts: Vec::new(),
        }
    }

    /// The same problem with the advice to wait.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same problem naming the first parts concerned.
    pub fn with_parts(mut self, parts: impl IntoIterator<Item = PartNumber>) -> Self {
        /// Most parts named in one problem. Source: own choice, one signing batch.
        const MAX_NAMED_PARTS: usize = crate::signing::MAX_PARTS_PER_SIGNING;
        self.parts = parts.into_iter().take(MAX_NAMED_PARTS).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_wire_form_is_problem_json() -> Result<(), serde_json::Error> {
        let problem = Problem::new(ErrorCode::StorageUnavailable, "S3 answered 503").retry_after(2);
        assert_eq!(
            serde_json::to_value(&problem)?,
            serde_json::json!({
                "type": "urn:syncsphere:problem:storage_unavailable",
                "title": "Storage is not available", "status": 503,
                "code": "storage_unavailable", "detail": "S3 answered 503", "retryAfter": 2,
            })
        );
        Ok(())
    }

    #[test]
    fn the_text_of_a_code_is_its_wire_form() -> Result<(), serde_json::Error> {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code)?, code.as_str());
        }
        Ok(())
    }
}
