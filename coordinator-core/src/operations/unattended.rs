//! Uploads whose page has gone after their last byte: where storage holds all of one and proves it, the workspace's alarm
//! finalizes it as the page would have.

use syncsphere_protocol::{StoredPart, UploadKind};

use super::finalize::finalize;
use super::operation_context::OperationContext;
use super::part_selection::plan_of;
use super::reported_parts::ReportedParts;
use super::uploads::latest;
use crate::api_error::ApiError;
use crate::ledger::{Upload, UploadPhase};
use crate::ports::{Storage, Workspaces};
use crate::s3::S3Failure;

/// Longest pause between two looks, in milliseconds, where `FINALIZE_AFTER_SECONDS` is no longer.
///
/// Source: own choice. An upload of days is finalized an hour after its last byte at the latest, for 24 listings a day.
const LONGEST_PAUSE_MS: i64 = 60 * 60 * 1000;

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// There is nothing to look for any more.
    Over,
    /// Storage does not hold all of it, or not for long enough: the next look is at this time, in milliseconds since 1970.
    Again(i64),
    /// Storage does not answer.
    Unknown,
}

/// When to look first for the whole of an upload that can be proven from now on, in milliseconds since 1970.
pub(super) fn unattended_from_ms<S, W>(op: &OperationContext<'_, S, W>) -> i64 {
    op.cx.now_ms.saturating_add(op.config.finalize_after_ms())
}

/// Finalizes an open upload, as the ledger has it, if storage holds all of it and its page can be taken for gone, or the
/// upload's time is over. What it has to be its page has stated.
pub(super) async fn look<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Look {
    let Some((crc64nvme, from_ms)) = upload.crc64nvme.zip(upload.unattended_from_ms) else {
        return Look::Over;
    };
    let (now_ms, patience_ms) = (op.cx.now_ms, op.config.finalize_after_ms());
    let later = Look::Again(now_ms.saturating_add(pause_ms(now_ms.saturating_sub(from_ms), patience_ms)));
    if upload.phase != UploadPhase::Open || upload.absent_since_ms.is_some() {
        return later;
    }
    let complete_ms = match complete_since(op, upload).await {
        Ok(Some(complete_ms)) => complete_ms,
        Ok(None) => return later,
        Err(failure) => match ApiError::from(failure).code().is_retryable() {
            true => return Look::Unknown,
            false => return later,
        },
    };
    let gone_from_ms = complete_ms.min(now_ms).saturating_add(patience_ms);
    if now_ms < gone_from_ms.min(upload.expires_ms) {
        return Look::Again(gone_from_ms);
    }
    match finalize(op, upload.clone(), ReportedParts::of_whole(crc64nvme)).await {
        Ok(_) => Look::Over,
        Err(error) if error.code().is_retryable() => Look::Unknown,
        Err(_) => later,
    }
}

/// How long to wait for more of an upload that has been looked for since so many milliseconds: the longer it lasts, the
/// longer it may.
fn pause_ms(looked_for_ms: i64, patience_ms: i64) -> i64 {
    (looked_for_ms / 4).min(LONGEST_PAUSE_MS).max(patience_ms)
}

/// Since when storage has held all of the upload, in milliseconds since 1970, if it does. What is not known is now.
async fn complete_since<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Result<Option<i64>, S3Failure> {
    let s3 = op.s3(upload.file.bucket.as_ref());
    match (upload.kind, &upload.storage_upload_id) {
        (UploadKind::Multipart, Some(id)) => {
            let (listed, newest) = match s3.parts_and_newest(&upload.file.key, id).await {
                Ok(listed) => listed,
                // Somebody has had it assembled and was not heard of again, or it is gone: the object tells.
                Err(S3Failure::NotFound) => return Ok(Some(i64::MIN)),
                Err(failure) => return Err(failure),
            };
            let newest_ms = newest.and_then(|time| time.to_unix_millis());
            Ok(is_complete(upload, listed).then_some(newest_ms.unwrap_or(op.cx.now_ms)))
        }
        (UploadKind::Multipart, None) => Ok(None),
        (UploadKind::Single, _) => match s3.head(upload.sent_to()).await {
            // A page does nothing any more between the one request and the completion.
            Ok(object) => Ok((object.size == upload.file.size).then_some(i64::MIN)),
            Err(S3Failure::BareNotFound) => Ok(None),
            Err(failure) => Err(failure),
        },
    }
}

/// Whether storage lists every part, in its length. Of parts that were sent again the last counts.
fn is_complete(upload: &Upload, listed: Vec<StoredPart>) -> bool {
    let Ok(plan) = plan_of(upload) else {
        return false;
    };
    let listed = latest(listed);
    let fits = |part: &&StoredPart| plan.range(part.part_number).map(|range| range.length) == Some(part.size);
    listed.iter().filter(fits).count() == usize::from(plan.part_count())
}
