//! Where a file that goes as one request lies until it is finished.
//!
//! A URL or form for a whole object takes bytes for as long as it lives, also after the file has become available. So the
//! object is written once (`If-None-Match: *`) where storage honours that, the client can send it, and only the right bytes
//! can come, for their checksum is signed; everything else is sent to another key, from where finalizing copies it to the
//! file's own, which no URL names.

use syncsphere_protocol::{PartNumber, Redacted};

use super::errors::{mismatch, parts_missing};
use super::operation_context::OperationContext;
use crate::api_error::ApiError;
use crate::ledger::Upload;
use crate::policy::STAGING_SUFFIX;
use crate::ports::Storage;
use crate::s3::{S3Failure, StoredObject};

/// The key that a whole file is sent to, where that is not its own. `is_conditional` tells whether its client can send
/// `If-None-Match`, and has stated a checksum.
pub(super) fn staging_key<S, W>(
    op: &OperationContext<'_, S, W>,
    key: &Redacted<String>,
    is_conditional: bool,
) -> Option<Redacted<String>> {
    let is_written_once = op.config.bucket.conditional_writes && is_conditional;
    (!is_written_once).then(|| Redacted(format!("{}{STAGING_SUFFIX}", key.0)))
}

/// Puts an object that was found to be right in the file's place, and gives what is there then. Where the client has
/// replaced it meanwhile, nothing is taken.
pub(super) async fn put_in_place<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    object: StoredObject,
) -> Result<StoredObject, ApiError> {
    let Some(from) = &upload.staging_key else {
        return Ok(object);
    };
    let file = &upload.file;
    let whole_file = PartNumber::from_index(0).ok();
    let replaced = || mismatch("the file was sent again while it was being finalized").naming(whole_file);
    match op
        .s3(file.bucket.as_ref())
        .copy(from, &file.key, &object.etag, &file.content_type)
        .await
    {
        // Where ETags are digests, the copy has to have the same; elsewhere storage has held the source to its own.
        Ok(copy) if copy.has_digest_etag && object.has_digest_etag && copy.etag != object.etag => {
            Err(replaced())
        }
        Ok(copy) => Ok(StoredObject {
            etag: copy.etag,
            ..object
        }),
        Err(S3Failure::NotFound) => Err(parts_missing(whole_file)),
        Err(S3Failure::Refused { code, .. }) if code == "PreconditionFailed" => Err(replaced()),
        Err(failure) => Err(failure.into()),
    }
}
