//! Parts of uploads of unknown size: their URLs, and what storage holds of them.

use syncsphere_protocol::{ErrorCode, PartNumber, PartToSign, SignedPart, StoredPart};

use crate::api_error::{ApiError, internal, invalid};
use crate::auth::Ticket;
use crate::operations::operation_context::OperationContext;
use crate::operations::{sign_parts, uploads};
use crate::ports::Storage;
use crate::s3::S3Failure;

/// A URL for a part, or for the whole of a file that goes as one request: its part 1.
pub(crate) fn signed<S, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    number: PartNumber,
) -> Result<SignedPart, ApiError> {
    let part = PartToSign::new(number, None);
    let mut urls = sign_parts::sign(op, ticket, &[part])?;
    urls.pop().ok_or_else(|| internal("no URL for a part"))
}

pub(crate) fn whole_file() -> Result<PartNumber, ApiError> {
    PartNumber::from_index(0).map_err(|error| internal(error.to_string()))
}

/// All parts that storage holds of an upload, the last of each number.
pub(crate) async fn stored_parts<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
) -> Result<Vec<StoredPart>, ApiError> {
    let Some(upload) = &ticket.storage_upload_id else {
        return Err(invalid("the upload goes as one request and has no parts"));
    };
    match op.s3(ticket.bucket.as_ref()).parts(&ticket.key, upload).await {
        Ok(stored) => Ok(uploads::latest(stored)),
        Err(S3Failure::NotFound) => {
            let detail = "the upload has been completed, was aborted or has expired";
            Err(ApiError::new(ErrorCode::UploadGone, detail))
        }
        Err(failure) => Err(failure.into()),
    }
}
