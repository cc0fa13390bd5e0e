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
        let read = if (200..300).contains(&status) {
            self.reply(body)
        } else {
            match replies::problem(body) {
                Ok(problem) => return Err(CallFailure::Problem(problem)),
                Err(malformed) => Err(malformed),
            }
        };
        read.map_err(|_| CallFailure::Unreadable { status })
    }

    fn reply(&self, body: Json) -> Result<Reply, Malformed> {
        Ok(match self {
            Self::Initiate { .. } => Reply::Initiated(replies::initiated(body)?),
            Self::SignParts { .. } => Reply::Signed(replies::signed(body)?),
            Self::Status { .. } => Reply::Status(Box::new(replies::status(body)?)),
            Self::Complete { .. } => Reply::Completed(Box::new(replies::file_record(body)?)),
            Self::CompleteBatch { .. } => Reply::CompletedBatch(replies::completed_batch(body)?),
            Self::Abort { .. } => Reply::Aborted(replies::aborted(body)?),
        })
    }
}
