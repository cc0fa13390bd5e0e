//! Errors that reach the page.

use syncsphere_protocol::{ErrorCode, Problem};

/// What ended an upload: the coordinator's codes, and the client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadErrorCode {
    /// A code of the coordinator.
    Coordinator(ErrorCode),
    /// The file changed while it was being uploaded.
    FileChanged,
    /// The file cannot be read any more.
    FileUnreadable,
    /// The coordinator could not be reached for longer than the retry policy allows.
    CoordinatorUnreachable,
    /// Storage could not be reached; where nothing ever got through, the bucket's CORS rules are
    /// the likely cause.
    StorageUnreachable,
    /// Storage refused a part for good.
    StorageRefused,
    /// A checkpoint that cannot be used: damaged, or of another version.
    CheckpointInvalid,
    /// An answer that does not fit the protocol.
    ProtocolViolation,
}

impl UploadErrorCode {
    /// The code as the page's API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator(code) => code.as_str(),
            Self::FileChanged => "file_changed",
            Self::FileUnreadable => "file_unreadable",
            Self::CoordinatorUnreachable => "coordinator_unreachable",
            Self::StorageUnreachable => "storage_unreachable",
            Self::StorageRefused => "storage_refused",
            Self::CheckpointInvalid => "checkpoint_invalid",
            Self::ProtocolViolation => "protocol_violation",
        }
    }
}

/// Why an upload failed. Carries no URL, token or file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .code.as_str())]
pub struct UploadError {
    /// What programs branch on.
    pub code: UploadErrorCode,
    /// Whether uploading the same file again may succeed.
    pub retryable: bool,
    /// For a person.
    pub message: String,
    /// Names the request in the coordinator's log; empty if no request was concerned.
    pub request_id: String,
    /// HTTP status of the reply concerned.
    pub status: Option<u16>,
}

impl UploadError {
    /// An error of the client's own.
    pub fn new(code: UploadErrorCode, retryable: bool, message: impl Into<String>) -> Self {
        Self {
            code,
            retryable,
            message: message.into(),
            request_id: String::new(),
            status: None,
        }
    }

    pub(crate) fn file_changed() -> Self {
        Self::new(
            UploadErrorCode::FileChanged,
            false,
            "the file changed while it was being uploaded",
        )
    }

    pub(crate) fn file_unreadable() -> Self {
        let text = "the file cannot be read any more; it may have been moved or deleted";
        Self::new(UploadErrorCode::FileUnreadable, false, text)
    }

    pub(crate) fn protocol(what: &str) -> Self {
        Self::new(UploadErrorCode::ProtocolViolation, false, what)
    }
}

impl From<Problem> for UploadError {
    fn from(problem: Problem) -> Self {
        Self {
            code: UploadErrorCode::Coordinator(problem.code),
            retryable: problem.code.is_retryable(),
            message: problem.detail,
            request_id: problem.request_id,
            status: Some(problem.status),
        }
    }
}
