//! Errors that reach the page.

use syncsphere_protocol::{ErrorCode, InvalidPlan, Problem};

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
    /// Storage gave no answer that can be read; the reason says why, where that was found out.
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

/// What is behind a failure of storage, where that is known: a set-up that somebody can mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Storage answers, and its CORS rules do not let this page read that.
    CorsMissing,
    /// A Content Security Policy keeps this page from storage.
    CspBlocked,
    /// Nobody answers at the address that signed URLs have, while the coordinator finds storage in
    /// order.
    Unreachable,
    /// The same, and the browser does not let this page into the local network that storage may be in.
    LocalNetworkBlocked,
    /// Something on the way takes no body as large as a part, such as a load balancer with a limit.
    BodyTooLarge {
        /// The largest body that was seen to pass, in bytes; 0 where none was tried.
        passes: u64,
    },
    /// The coordinator signs for another region than the bucket's.
    WrongRegion,
    /// The coordinator's clock is off: what it signs is over, or not yet valid, at once.
    ClockSkewed,
    /// The signature is not what storage computes: the secret is wrong, or the request was changed.
    SignatureMismatch,
    /// The coordinator's key is not permitted to write.
    AccessDenied,
    /// There is no such bucket.
    BucketMissing,
    /// Storage does not know the coordinator's key, or no longer.
    KeyUnknown,
}

impl Reason {
    /// The reason as the page's API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CorsMissing => "cors_missing",
            Self::CspBlocked => "csp_blocked",
            Self::Unreachable => "unreachable",
            Self::LocalNetworkBlocked => "local_network_blocked",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::WrongRegion => "wrong_region",
            Self::ClockSkewed => "clock_skewed",
            Self::SignatureMismatch => "signature_mismatch",
            Self::AccessDenied => "access_denied",
            Self::BucketMissing => "bucket_missing",
            Self::KeyUnknown => "key_unknown",
        }
    }

    /// What an examination found, in the API's word; `passes` goes with `body_too_large`.
    pub fn of_no_answer(word: &str, passes: u64) -> Option<Self> {
        let all = [
            Self::CorsMissing,
            Self::CspBlocked,
            Self::Unreachable,
            Self::LocalNetworkBlocked,
            Self::BodyTooLarge { passes },
            Self::ClockSkewed,
            Self::WrongRegion,
        ];
        all.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Why an upload failed. Carries no URL, token or file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .code.as_str())]
pub struct UploadError {
    /// What programs branch on.
    pub code: UploadErrorCode,
    /// What is behind it, where storage is concerned and that is known.
    pub reason: Option<Reason>,
    /// Whether doing the same again may succeed.
    pub retryable: bool,
    /// Whether what storage holds of the file is kept, so that the upload can be continued.
    pub resumable: bool,
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
            reason: None,
            retryable,
            resumable: false,
            message: message.into(),
            request_id: String::new(),
            status: None,
        }
    }

    /// No plan of parts fits the file: no object is as large. The words of other reasons, which no plan of ours gives, stay
    /// out of what pages download.
    pub(crate) fn file_too_large() -> Self {
        let code = UploadErrorCode::Coordinator(ErrorCode::FileTooLarge);
        Self::new(code, false, const { InvalidPlan::FileTooLarge.as_str() })
    }

    pub(crate) fn file_changed() -> Self {
        Self::new(
            UploadErrorCode::FileChanged,
            false,
            "the file changed while it was being uploaded",
        )
    }

    /// Reading failed as often as it is tried. The file may be back later, so what is stored of it stays.
    pub(crate) fn file_unreadable() -> Self {
        let text = "the file cannot be read: it or its drive may be away, or locked";
        Self::new(UploadErrorCode::FileUnreadable, true, text)
    }

    /// What becomes of what storage holds of an upload that ends for this error. Nothing stored is destroyed on a
    /// guess: only where the file is proven to be another one, or the coordinator says that the upload is gone.
    pub(crate) fn fate_of_stored(&self) -> Fate {
        match self.code {
            UploadErrorCode::FileChanged => Fate::Freed,
            UploadErrorCode::Coordinator(ErrorCode::UploadGone) => Fate::Gone,
            _ => Fate::Kept,
        }
    }

    /// Storage gives no answer that can be read.
    pub(crate) fn storage_unreachable(reason: Option<Reason>) -> Self {
        let text = match reason {
            Some(Reason::CorsMissing) => "storage answers, but its CORS rules do not let this page read it",
            Some(Reason::CspBlocked) => "a Content Security Policy keeps this page from storage",
            Some(Reason::BodyTooLarge { .. }) => "no body of this size gets through to storage",
            _ => "storage cannot be reached",
        };
        Self {
            reason,
            ..Self::new(UploadErrorCode::StorageUnreachable, true, text)
        }
    }

    pub(crate) fn protocol(what: &str) -> Self {
        Self::new(UploadErrorCode::ProtocolViolation, false, what)
    }
}

/// What becomes of the parts of an upload that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A later try goes on with them.
    Kept,
    /// They are of no use to anybody.
    Freed,
    /// Storage has them no more.
    Gone,
}

impl From<Problem> for UploadError {
    fn from(problem: Problem) -> Self {
        Self {
            code: UploadErrorCode::Coordinator(problem.code),
            reason: None,
            retryable: problem.code.is_retryable(),
            resumable: false,
            message: problem.detail,
            request_id: problem.request_id,
            status: Some(problem.status),
        }
    }
}
