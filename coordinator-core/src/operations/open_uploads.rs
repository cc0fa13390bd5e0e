//! From the intent to upload to an upload that storage and ledger know.

use futures_util::{StreamExt, stream};
use syncsphere_protocol::{ErrorCode, Integrity, UploadId, UploadKind};

use super::errors::{gone, unexpected_reply};
use super::operation_context::{OperationContext, STORAGE_CALLS_AT_ONCE};
use super::reported_parts::NO_DIGEST;
use crate::api_error::ApiError;
use crate::auth::Principal;
use crate::ledger::{Command, Idempotency, Opened, Reply, Upload, UploadDraft, UploadPhase};
use crate::policy;
use crate::ports::{Storage, Workspaces};

pub(super) async fn begin<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    drafts: Vec<UploadDraft>,
    idempotency: Option<Idempotency>,
) -> Result<Vec<Option<Upload>>, ApiError> {
    let conflict = |detail: &str| ApiError::new(ErrorCode::Conflict, detail);
    let wanted = drafts.len();
    let command = Command::Begin {
        idempotency,
        drafts,
        max_bytes: principal.limits.max_bytes,
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::Begun { uploads } if uploads.len() == wanted => Ok(uploads),
        Reply::Begun { .. } => Err(conflict(
            "the idempotency key belongs to a request that was judged otherwise",
        )),
        Reply::KeyReused => Err(conflict("the idempotency key belongs to another request")),
        Reply::Missing => Err(conflict(
            "the idempotency key belongs to a request that failed; take a new one",
        )),
        other => Err(unexpected_reply(&other)),
    }
}

/// Has storage create the uploads that it does not know yet, and the ledger announce them.
pub(super) async fn open<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    uploads: Vec<Upload>,
) -> Result<Vec<Result<Upload, ApiError>>, ApiError> {
    let created: Vec<Result<Option<Opened>, ApiError>> = stream::iter(&uploads)
        .map(|upload| create(op, upload))
        .buffered(STORAGE_CALLS_AT_ONCE)
        .collect()
        .await;
    give_up_refused(op, principal, &uploads, &created).await?;
    let opened: Vec<Opened> = created.iter().flatten().flatten().cloned().collect();
    let now_open = if opened.is_empty() {
        Vec::new()
    } else {
        let command = Command::Open {
            opened: opened.clone(),
        };
        match op.ask(&principal.workspace, command).await? {
            Reply::Uploads { uploads } => uploads,
            other => return Err(unexpected_reply(&other)),
        }
    };
    let mut results = Vec::with_capacity(uploads.len());
    for (upload, created) in uploads.into_iter().zip(created) {
        let stands = match created {
            Err(error) => Err(error),
            Ok(None) => Ok(upload),
            Ok(Some(ours)) => settle(op, ours, &now_open, &upload).await,
        };
        // Begun before, by the same idempotency key, and over since: nothing is sent to it any more.
        results.push(stands.and_then(|upload| match upload.phase {
            UploadPhase::Ended => Err(gone()),
            _ => Ok(upload),
        }));
    }
    Ok(results)
}

/// Gives up what storage has refused to create, so that it counts among its owner's bytes no longer.
async fn give_up_refused<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    uploads: &[Upload],
    created: &[Result<Option<Opened>, ApiError>],
) -> Result<(), ApiError> {
    // Where storage has not answered, the request may be repeated by its idempotency key.
    let refused = uploads.iter().zip(created).filter(|(_, created)| {
        created
            .as_ref()
            .is_err_and(|error| error.code() != ErrorCode::StorageUnavailable)
    });
    let commands = refused.map(|(upload, _)| Command::Abort {
        upload_id: upload.upload_id.clone(),
        // No URL has been signed.
        urls_dead_ms: op.cx.now_ms,
    });
    let commands = commands.collect();
    op.ask_all(&principal.workspace, commands).await.map(drop)
}

async fn create<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Result<Option<Opened>, ApiError> {
    if upload.phase != UploadPhase::Starting || upload.kind != UploadKind::Multipart {
        return Ok(None);
    }
    let states_checksums = !upload.abilities.without_checksums && upload.deferred_length.is_none();
    let by = op.config.bucket.checksum;
    let announces_checksums = by == Integrity::Crc64Nvme && states_checksums;
    let (storage_upload_id, has_digest_etags) = op
        .s3(upload.file.bucket.as_ref())
        .create(&upload.file.key, &upload.file.content_type, announces_checksums)
        .await?;
    if by == Integrity::Md5 && states_checksums && !has_digest_etags {
        // If this fails, storage's own rule for stale uploads remains.
        let s3 = op.s3(upload.file.bucket.as_ref());
        let _ = s3.abort(&upload.file.key, &storage_upload_id).await;
        return Err(ApiError::new(ErrorCode::StorageRefused, NO_DIGEST));
    }
    Ok(Some(Opened {
        upload_id: upload.upload_id.clone(),
        storage_upload_id,
    }))
}

/// The upload as the ledger has opened it. Where a repeated request was faster, its multipart
/// upload stands and ours is dropped.
async fn settle<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    ours: Opened,
    now_open: &[Upload],
    begun: &Upload,
) -> Result<Upload, ApiError> {
    let stands = find(now_open, &ours.upload_id);
    if stands.is_none_or(|upload| upload.storage_upload_id.as_ref() != Some(&ours.storage_upload_id)) {
        // If this fails, storage's own rule for stale uploads remains.
        let s3 = op.s3(begun.file.bucket.as_ref());
        let _ = s3.abort(&begun.file.key, &ours.storage_upload_id).await;
    }
    stands
        .cloned()
        .ok_or_else(|| ApiError::new(ErrorCode::UploadGone, "the upload was given up meanwhile"))
}

fn find<'a>(uploads: &'a [Upload], id: &UploadId) -> Option<&'a Upload> {
    uploads.iter().find(|upload| upload.upload_id == *id)
}

/// The media type, if the token allows it.
pub(super) fn allowed_type(
    principal: &Principal,
    declared: Option<&str>,
    name: &str,
) -> Result<String, ApiError> {
    let content_type = policy::content_type(declared, name);
    match &principal.limits.content_types {
        Some(taken) if !policy::allows_type(taken, &content_type) => {
            let detail = "the access token does not allow files of this content type";
            Err(ApiError::new(ErrorCode::Forbidden, detail))
        }
        _ => Ok(content_type),
    }
}
