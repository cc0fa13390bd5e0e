//! What it means that storage did not do what it was asked.

use http::StatusCode;
use syncsphere_protocol::{ErrorCode, Problem, StorageCode};

use super::replies::Unreadable;
use super::sign::SigningFailure;
use crate::api_error::{ApiError, internal};
use crate::ports::StorageFailure;

/// The code by which AWS says that a bucket is in another region.
pub(crate) const OTHER_REGION: &str = "PermanentRedirect";

/// Why a request to storage did not do what it should.
#[derive(Debug)]
pub(crate) enum S3Failure {
    /// Storage does not answer, or asks to wait. It may have acted all the same.
    Unavailable(String),
    /// The same, and asking again would take too long.
    NotRetryable(String),
    /// Storage has no such object or upload, and says so by its own code.
    NotFound,
    /// A `HEAD` was answered 404. It has no body that could hold a code, so that anybody on the way may have said it.
    BareNotFound,
    /// Storage refused, with this code.
    Refused { status: StatusCode, code: String },
    /// The answer is not S3's.
    Unreadable(&'static str),
    /// The request could not be signed.
    Broken(String),
}

impl S3Failure {
    /// What an answer to a `HEAD` other than success means. `other_region` is where storage says that the bucket is, if that
    /// is not where it was asked for.
    pub(super) fn from_head(status: StatusCode, other_region: Option<&str>) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::BareNotFound,
            // There is no body for the code that other requests get.
            _ if other_region.is_some() && (status.is_redirection() || status == StatusCode::BAD_REQUEST) => {
                Self::from_code(status, OTHER_REGION.to_owned())
            }
            _ => Self::from_code(status, String::new()),
        }
    }

    /// What an answer other than success means, by the code in its body.
    ///
    /// That something is not there is S3's to say: a 404 without a code is an ingress's page while storage is away.
    pub(super) fn from_code(status: StatusCode, code: String) -> Self {
        match StorageCode::of(&code) {
            Some(StorageCode::Busy | StorageCode::CutShort) => {
                Self::Unavailable(format!("storage answered {status} {code}"))
            }
            Some(StorageCode::NoSuchUpload | StorageCode::NoSuchKey) => Self::NotFound,
            Some(_) => Self::Refused { status, code },
            None if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Self::Unavailable(format!("storage answered {status} {code}"))
            }
            // That something is not there is S3's to say.
            None if status == StatusCode::NOT_FOUND && code.is_empty() => {
                Self::Unavailable(format!("storage answered {status} without a code"))
            }
            None => Self::Refused { status, code },
        }
    }
}

impl From<StorageFailure> for S3Failure {
    fn from(failure: StorageFailure) -> Self {
        match failure {
            StorageFailure::Unreachable => Self::Unavailable(failure.to_string()),
            StorageFailure::TimedOut | StorageFailure::ReplyTooLarge | StorageFailure::Spent => {
                Self::NotRetryable(failure.to_string())
            }
        }
    }
}

impl From<Unreadable> for S3Failure {
    fn from(answer: Unreadable) -> Self {
        Self::Unreadable(answer.0)
    }
}

impl From<SigningFailure> for S3Failure {
    fn from(failure: SigningFailure) -> Self {
        Self::Broken(failure.to_string())
    }
}

impl From<S3Failure> for ApiError {
    fn from(failure: S3Failure) -> Self {
        /// Seconds to wait when storage is away. Source: own choice.
        const RETRY_AFTER: u32 = 2;
        match failure {
            S3Failure::Unavailable(cause) | S3Failure::NotRetryable(cause) => ApiError::from(
                Problem::new(
                    ErrorCode::StorageUnavailable,
                    "storage does not answer at the moment",
                )
                .retry_after(RETRY_AFTER),
            )
            .because(cause),
            S3Failure::NotFound | S3Failure::BareNotFound => {
                internal("storage has no such object, upload or bucket")
            }
            S3Failure::Refused { status, code } => refused(&code, status),
            S3Failure::Unreadable(what) => ApiError::new(
                ErrorCode::StorageRefused,
                format!("storage gave an answer that is no {what}"),
            ),
            S3Failure::Broken(cause) => internal(cause),
        }
    }
}

/// Storage will not do it, however often it is asked. Whoever runs it can look its code up.
fn refused(code: &str, status: StatusCode) -> ApiError {
    let said = if code.is_empty() { status.as_str() } else { code };
    ApiError::new(
        ErrorCode::StorageRefused,
        format!("storage refuses what the coordinator asks of it: {said}"),
    )
    .because(format!("storage refused: {status} {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn failures_are_told_apart_by_code_then_by_status() {
        let of = |status: u16, code: &str| {
            S3Failure::from_code(StatusCode::from_u16(status).unwrap(), code.to_owned())
        };
        assert!(matches!(of(200, "InternalError"), S3Failure::Unavailable(_)));
        assert!(matches!(of(503, "SlowDown"), S3Failure::Unavailable(_)));
        assert!(matches!(of(400, "RequestTimeout"), S3Failure::Unavailable(_)));
        assert!(matches!(of(502, ""), S3Failure::Unavailable(_)));
        assert!(matches!(of(404, "NoSuchUpload"), S3Failure::NotFound));
        assert!(matches!(of(404, ""), S3Failure::Unavailable(_)));
        let head = |status| S3Failure::from_head(StatusCode::from_u16(status).unwrap(), None);
        assert!(matches!(head(404), S3Failure::BareNotFound));
        assert!(matches!(head(403), S3Failure::Refused { .. }));
        assert!(matches!(head(503), S3Failure::Unavailable(_)));
        assert!(matches!(of(404, "NoSuchBucket"), S3Failure::Refused { .. }));
        assert!(matches!(of(400, "BadDigest"), S3Failure::Refused { .. }));
        assert!(matches!(of(403, "AccessDenied"), S3Failure::Refused { .. }));
        assert!(matches!(of(501, "NotImplemented"), S3Failure::Refused { .. }));
        assert!(matches!(of(400, "MalformedXML"), S3Failure::Refused { .. }));
    }
}
