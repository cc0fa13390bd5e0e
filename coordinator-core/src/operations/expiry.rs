//! How long uploads live: one whose parts arrive is not given up, up to a configured end.

use syncsphere_protocol::{Timestamp, UploadId, UploadKind, WorkspaceId};

use super::cleanup::sweep;
use super::operation_context::OperationContext;
use crate::api_error::ApiError;
use crate::ledger::{Command, Reply, Upload, UploadPhase};
use crate::ports::{Storage, Workspaces};
use crate::s3::S3Failure;

/// The latest that the life of an upload that begins now is extended to, in milliseconds since 1970. One that goes as one
/// request has no parts that could arrive.
pub(super) fn latest_expiry_ms<S, W>(op: &OperationContext<'_, S, W>, kind: UploadKind) -> Option<i64> {
    let latest_ms = op.cx.now_ms.saturating_add(op.config.upload_max_lifetime_ms());
    (kind == UploadKind::Multipart).then_some(latest_ms)
}

/// When an upload is given up unless further parts arrive, in milliseconds since 1970. `newest` is when its newest part
/// arrived, by storage's clock.
pub(super) fn expiry_ms<S, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    newest: Option<&Timestamp>,
) -> i64 {
    let Some((latest_ms, newest_ms)) = upload
        .latest_expiry_ms
        .zip(newest.and_then(Timestamp::to_unix_millis))
    else {
        return upload.expires_ms;
    };
    // Nothing arrives in the future: that clock is ahead.
    let newest_ms = newest_ms.min(op.cx.now_ms);
    let extended_ms = newest_ms.saturating_add(op.config.upload_ttl_ms());
    extended_ms.min(latest_ms).max(upload.expires_ms)
}

/// Gives an upload up whose time is over, unless parts have arrived lately; one whose time is not is looked after again at
/// `look_again_ms`. Fails where storage does not say: then it is looked at again.
pub(super) async fn expire<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
    look_again_ms: Option<i64>,
) -> Result<(), ApiError> {
    if let Some(upload) = op.upload(workspace, upload_id).await? {
        let expires_ms = extended_ms(op, &upload).await?;
        if expires_ms > upload.expires_ms.max(op.cx.now_ms) {
            let extend = Command::Extend {
                upload_id: upload_id.clone(),
                expires_ms,
                look_again_ms,
            };
            return op.ask(workspace, extend).await.map(drop);
        }
    }
    let command = Command::Expire {
        upload_id: upload_id.clone(),
        urls_dead_ms: op.urls_dead_ms(),
        look_again_ms,
    };
    if let Reply::Upload { job: Some(job), .. } = op.ask(workspace, command).await? {
        sweep(op, workspace, &job).await;
    }
    Ok(())
}

/// As [`expiry_ms`], by what storage lists now. It is asked only where that can matter, some requests each time that an
/// upload's life is over: parts are listed by number, and the newest may be any of them.
async fn extended_ms<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Result<i64, ApiError> {
    let is_over = op.cx.now_ms >= upload.expires_ms;
    let is_open = !matches!(upload.phase, UploadPhase::Starting | UploadPhase::Ended);
    let may_last = upload
        .latest_expiry_ms
        .is_some_and(|latest_ms| latest_ms > op.cx.now_ms);
    let Some(storage_upload_id) = upload
        .storage_upload_id
        .as_ref()
        .filter(|_| is_over && is_open && may_last)
    else {
        return Ok(upload.expires_ms);
    };
    let s3 = op.s3(upload.file.bucket.as_ref());
    match s3.parts_and_newest(&upload.file.key, storage_upload_id).await {
        Ok((_, newest)) => Ok(expiry_ms(op, upload, newest.as_ref())),
        // It is storage's own word that there is nothing to go on with.
        Err(S3Failure::NotFound) => Ok(upload.expires_ms),
        Err(failure) => Err(failure.into()),
    }
}
