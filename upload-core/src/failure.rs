//! What a failed transfer means.

use std::time::Duration;

use syncsphere_protocol::StorageCode;

use crate::error::{Reason, UploadError, UploadErrorCode};
use crate::io::TransferFailure;
use crate::status::{StatusClass, status_class};

/// What to do about a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FailureClass {
    /// Read the part's bytes anew and send them again; counts against the part's attempts.
    Reread,
    /// Ask for a new URL, then send again; counts against the part's attempts.
    RenewUrl(Cause),
    /// The file could not be read, perhaps only for a moment: read it again after a while; counts against the file's
    /// attempts.
    Unreadable,
    /// Storage or the network is in trouble, which no single part can be blamed for: wait.
    Outage {
        /// How long storage asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Storage does not know the upload: the coordinator must say what became of it.
    Resync,
    /// The upload cannot go on.
    Fatal(UploadError),
}

/// Why a part needs a new URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Storage said that the URL's time was over.
    Expired,
    /// Storage took the permission for none, without saying why: a new URL is not likely to help.
    Denied,
    /// Something that no table knows was answered, perhaps by something else in storage's place.
    Refused,
}

impl TransferFailure {
    /// Classifies the failure: S3's own codes first, then the status.
    ///
    /// The codes are [`StorageCode`]'s.
    pub(crate) fn class(&self) -> FailureClass {
        let (status, body, retry_after) = match self {
            Self::Network => return FailureClass::Outage { retry_after: None },
            Self::FileChanged => return FailureClass::Fatal(UploadError::file_changed()),
            Self::FileUnreadable => return FailureClass::Unreadable,
            Self::Refused {
                status,
                body,
                retry_after,
            } => (*status, body.as_str(), *retry_after),
        };
        let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds.into()));
        let code = s3_code(body);
        match code.and_then(StorageCode::of) {
            Some(StorageCode::NoSuchUpload) => return FailureClass::Resync,
            Some(StorageCode::Expired) => return FailureClass::RenewUrl(Cause::Expired),
            Some(StorageCode::Damaged | StorageCode::CutShort) if status == 400 => {
                return FailureClass::Reread;
            }
            Some(StorageCode::Permanent | StorageCode::PartsDiffer) => {
                let retryable = false;
                return FailureClass::Fatal(self.refused("storage refused the part", retryable));
            }
            _ => {}
        }
        match status_class(status) {
            StatusClass::Busy => FailureClass::Outage { retry_after },
            // Providers word expiry in many ways, so any such refusal earns a fresh URL.
            StatusClass::Denied if after(body, "expired").is_some() => FailureClass::RenewUrl(Cause::Expired),
            StatusClass::Denied => FailureClass::RenewUrl(Cause::Denied),
            StatusClass::Refused => FailureClass::RenewUrl(Cause::Refused),
        }
    }

    /// The error that ends an upload for this failure, with what storage itself says.
    pub(crate) fn refused(&self, text: &str, retryable: bool) -> UploadError {
        let mut error = UploadError::new(UploadErrorCode::StorageRefused, retryable, text);
        if let Self::Refused { status, body, .. } = self {
            error.status = Some(*status);
            error.reason = self.reason();
            if let Some(code) = s3_code(body) {
                error.message.push_str(": ");
                error.message.push_str(code);
            }
        }
        error
    }

    /// Whether storage has an object already where this one was to be written once: an earlier request for it has arrived,
    /// whose answer was lost. Whether it is the right one, finalizing finds out.
    pub(crate) fn is_there_already(&self) -> bool {
        matches!(self, Self::Refused { status: 412, .. })
    }

    /// The fault of somebody's set-up that the answer points to.
    ///
    /// Source: S3's error codes, as for [`Self::class`]; `InvalidRegionName` is R2's.
    fn reason(&self) -> Option<Reason> {
        let Self::Refused { status, body, .. } = self else {
            return None;
        };
        if *status == 413 {
            return Some(Reason::BodyTooLarge { passes: 0 });
        }
        let is_out_of_time = ["expired", "not yet valid", "not valid yet"]
            .iter()
            .any(|words| after(body, words).is_some());
        Some(match s3_code(body)? {
            "AuthorizationHeaderMalformed"
            | "AuthorizationQueryParametersError"
            | "IllegalLocationConstraintException"
            | "InvalidRegionName"
            | "PermanentRedirect" => Reason::WrongRegion,
            "ExpiredRequest" | "RequestTimeTooSkewed" => Reason::ClockSkewed,
            // A URL that was just signed: others are renewed.
            "AccessDenied" if is_out_of_time => Reason::ClockSkewed,
            "AccessDenied" => Reason::AccessDenied,
            "SignatureDoesNotMatch" => Reason::SignatureMismatch,
            "NoSuchBucket" => Reason::BucketMissing,
            "InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken" => Reason::KeyUnknown,
            _ => return None,
        })
    }
}
/// The content of the first `<Code>` element, if it looks like one of S3's codes.
fn s3_code(body: &str) -> Option<&str> {
    let rest = after(body, "<Code>")?;
    let length = rest.bytes().position(|byte| !byte.is_ascii_alphanumeric())?;
    let (code, rest) = rest.split_at_checked(length)?;
    ((1..=64).contains(&length) && rest.starts_with("</Code>")).then_some(code)
}

/// What follows the first mark in a text. Texts are short, and the standard library's search, which is quick in long
/// ones, is 2 KB more for each page to download.
fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    (0..text.len()).find_map(|at| text.get(at..)?.strip_prefix(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn refused(status: u16, body: &str) -> FailureClass {
        let body = body.to_owned();
        TransferFailure::Refused {
            status,
            body,
            retry_after: None,
        }
        .class()
    }

    #[test]
    fn expired_urls_are_renewed_in_both_providers_words() {
        let aws = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        let r2 = "<Error><Code>ExpiredRequest</Code></Error>";
        assert_eq!(refused(403, aws), FailureClass::RenewUrl(Cause::Expired));
        assert_eq!(refused(400, r2), FailureClass::RenewUrl(Cause::Expired));
        let skewed = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
        assert_eq!(refused(403, skewed), FailureClass::RenewUrl(Cause::Expired));
        let denied = "<Error><Code>AccessDenied</Code></Error>";
        assert_eq!(refused(403, denied), FailureClass::RenewUrl(Cause::Denied));
    }

    #[test]
    fn damage_is_sent_again_and_overload_is_waited_out() {
        assert_eq!(
            refused(400, "<Error><Code>BadDigest</Code></Error>"),
            FailureClass::Reread
        );
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(refused(status, ""), FailureClass::Outage { retry_after: None });
        }
        assert_eq!(
            TransferFailure::Network.class(),
            FailureClass::Outage { retry_after: None }
        );
    }

    #[test]
    fn a_lost_upload_is_asked_about_and_a_refusal_is_final() {
        assert_eq!(
            refused(404, "<Error><Code>NoSuchUpload</Code></Error>"),
            FailureClass::Resync
        );
        assert!(matches!(
            refused(404, "<Error><Code>NoSuchBucket</Code></Error>"),
            FailureClass::Fatal(_)
        ));
        assert!(matches!(
            refused(501, "<Error><Code>NotImplemented</Code></Error>"),
            FailureClass::Fatal(_)
        ));
        assert!(matches!(
            TransferFailure::FileChanged.class(),
            FailureClass::Fatal(_)
        ));
    }

    #[test]
    fn what_no_table_knows_is_tried_again() {
        for (status, body) in [
            (404, "<html>Not found</html>"),
            (409, "<Error><Code>OperationAborted</Code></Error>"),
            (412, ""),
            (413, ""),
            (421, ""),
            (400, "<Error><Code>SomethingNew</Code></Error>"),
        ] {
            assert_eq!(
                refused(status, body),
                FailureClass::RenewUrl(Cause::Refused),
                "{status}"
            );
        }
        assert_eq!(TransferFailure::FileUnreadable.class(), FailureClass::Unreadable);
    }

    #[test]
    fn codes_that_tell_of_a_wrong_set_up_are_named() {
        let reason = |status, body: &str| {
            let body = body.to_owned();
            let failure = TransferFailure::Refused {
                status,
                body,
                retry_after: None,
            };
            failure.refused("refused", true).reason
        };
        let coded = |code: &str| format!("<Error><Code>{code}</Code><Message>Words</Message></Error>");
        for (status, code, expected) in [
            (400, "AuthorizationHeaderMalformed", Some(Reason::WrongRegion)),
            (301, "PermanentRedirect", Some(Reason::WrongRegion)),
            (403, "RequestTimeTooSkewed", Some(Reason::ClockSkewed)),
            (400, "ExpiredRequest", Some(Reason::ClockSkewed)),
            (403, "SignatureDoesNotMatch", Some(Reason::SignatureMismatch)),
            (403, "AccessDenied", Some(Reason::AccessDenied)),
            (404, "NoSuchBucket", Some(Reason::BucketMissing)),
            (403, "InvalidAccessKeyId", Some(Reason::KeyUnknown)),
            (413, "EntityTooLarge", Some(Reason::BodyTooLarge { passes: 0 })),
        ] {
            assert_eq!(reason(status, &coded(code)), expected, "{code}");
        }
        for words in ["Request has expired", "Request is not yet valid"] {
            let body = format!("<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>");
            assert_eq!(reason(403, &body), Some(Reason::ClockSkewed), "{words}");
        }
        assert_eq!(reason(403, "none of S3's"), None);
    }

    #[test]
    fn a_hostile_body_cannot_smuggle_text_into_the_message() {
        let failure = TransferFailure::Refused {
            status: 418,
            body: "<Code><script>alert(1)</script></Code>".to_owned(),
            retry_after: None,
        };
        let error = failure.refused("storage refused the part", false);
        assert_eq!(error.message, "storage refused the part");
    }
}
