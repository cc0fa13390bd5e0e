//! Calls as HTTP requests, and answers to them as replies.

use super::json::{Json, Malformed};
use super::{replies, requests};
use crate::io::{Call, CallFailure, Reply};

/// A request to the coordinator, but for its address and its token.
pub struct Request {
    /// HTTP method.
    pub method: &'static str,
    /// Begins with a slash.
    pub path: String,
    /// JSON, where there is a body.
    pub body: Option<String>,
    /// For the `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// Whether storage has to be waited for, which may take minutes.
    pub is_slow: bool,
}

impl Call {
    /// The request that asks it.
    pub fn request(&self) -> Request {
        let (method, upload, rest, body) = match self {
            Self::Initiate { body, .. } => ("POST", None, "", Some(requests::initiate(body))),
            Self::SignParts { upload_id, body } => (
                "POST",
                Some(upload_id),
                "/parts",
                Some(requests::sign_parts(body)),
            ),
            Self::Status { upload_id } => ("GET", Some(upload_id), "", None),
            Self::Complete { upload_id, body } => (
                "POST",
                Some(upload_id),
                "/complete",
                Some(requests::complete(body)),
            ),
            Self::CompleteBatch { body } => ("POST", None, "/complete", Some(requests::complete_batch(body))),
            Self::Abort { upload_id } => ("DELETE", Some(upload_id), "", None),
        };
        let mut path = "/v1/uploads".to_owned();
        if let Some(upload_id) = upload {
            path.push('/');
            path.push_str(upload_id.as_str());
        }
        path.push_str(rest);
        Request {
            method,
            path,
            body,
            idempotency_key: match self {
                Self::Initiate { idempotency_key, .. } => Some(idempotency_key.clone()),
                _ => None,
            },
            is_slow: matches!(self, Self::Complete { .. } | Self::CompleteBatch { .. }),
        }
    }

    /// Reads the answer, whatever it is.
    #[allow(
        clippy::result_large_err,
        reason = "what `Input::Replied` carries, built once"
    )]
    pub fn answered(&self, status: u16, body: Json) -> Result<Reply, CallFailure> {
        let unreadable = |_: Malformed| CallFailure::Unreadable { status };
        if !(200..300).contains(&status) {
            return Err(CallFailure::Problem(replies::problem(body).map_err(unreadable)?));
        }
        match self {
            Self::Initiate { .. } => replies::initiated(body).map(Reply::Initiated),
            Self::SignParts { .. } => replies::signed(body).map(Reply::Signed),
            Self::Status { .. } => replies::status(body).map(|status| Reply::Status(Box::new(status))),
            Self::Complete { .. } => replies::file_record(body).map(|file| Reply::Completed(Box::new(file))),
            Self::CompleteBatch { .. } => replies::completed_batch(body).map(Reply::CompletedBatch),
            Self::Abort { .. } => replies::aborted(body).map(Reply::Aborted),
        }
        .map_err(unreadable)
    }
}
