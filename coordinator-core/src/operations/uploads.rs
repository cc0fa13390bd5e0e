use syncsphere_protocol::{
    AbortReply, FileRecord, FileStatus, OpenUploadList, PartNumber, StoredPart, Timestamp, UploadId,
    UploadKind, UploadStatus, WorkspaceId,
};

use super::cleanup::sweep;
use super::errors::{no_such_upload, unexpected_reply, upload_and_file};
use super::expiry::expiry_ms;
use super::files::cursor_of;
use super::finalize::finalize;
use super::operation_context::OperationContext;
use super::reported_parts::ReportedParts;
use crate::api_error::ApiError;
use crate::auth::Principal;
use crate::ledger::{Command, DeferredLength, Listing, Reply, Upload};
use crate::operations::tickets::ticket_for;
use crate::ports::{Storage, Workspaces};
use crate::s3::S3Failure;

/// Where an upload stands and what storage holds of it. Whoever may upload in the workspace gets a
/// ticket of their own with it, so that an upload can be resumed under a new token.
pub(crate) async fn status<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
) -> Result<UploadStatus, ApiError> {
    let (upload, mut file) = look_up(op, principal, upload_id).await?;
    let mut parts = Vec::new();
    let mut expires_ms = upload.expires_ms;
    if file.status == FileStatus::Uploading {
        match stored_parts(op, &upload).await {
            Ok((stored, newest)) => {
                parts = latest(stored);
                expires_ms = expiry_ms(op, &upload, newest.as_ref());
            }
            // Storage has lost the upload or finished it: find out which, and tell that.
            Err(S3Failure::NotFound) => {
                let reported = ReportedParts::of_completion(upload.phase);
                let found_out = finalize(op, upload.clone(), reported).await;
                if let Err(error) = found_out
                    && error.code().is_retryable()
                {
                    return Err(error);
                }
                file = look_up(op, principal, upload_id).await?.1;
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    let ticket = ticket_for(&upload, &principal.subject);
    // Companion's and S3's clients have one by another name, and nobody else can go on with their uploads.
    let has_ticket =
        file.status == FileStatus::Uploading && !DeferredLength::is_of_other_calls(upload.deferred_length);
    Ok(UploadStatus {
        upload_id: upload.upload_id,
        file_id: upload.file.file_id,
        status: file.status,
        kind: upload.kind,
        size: upload.file.size,
        part_size: upload.part_size,
        tail: upload.tail,
        part_count: ticket.plan()?.part_count(),
        parts,
        ticket: match has_ticket {
            true => Some(ticket.seal(&op.config.auth.keys)?),
            false => None,
        },
        expires_at: Timestamp::from_unix_millis(expires_ms),
        file,
    })
}

/// One page of what the subject has open, on whatever machine it was begun.
pub(crate) async fn list_open<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    listing: Listing,
) -> Result<OpenUploadList, ApiError> {
    let command = Command::OpenUploads {
        owner: principal.subject.clone(),
        listing,
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::OpenUploads(page) => Ok(OpenUploadList {
            uploads: page.uploads,
            checksum: op.config.bucket.checksum,
            next_cursor: page.next.as_ref().map(cursor_of).transpose()?,
        }),
        other => Err(unexpected_reply(&other)),
    }
}

/// Gives an upload up. The second time answers as the first; an upload that was completed before
/// stays so, and the reply says it.
pub(crate) async fn abort<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
) -> Result<AbortReply, ApiError> {
    let command = Command::Abort {
        upload_id: upload_id.clone(),
        urls_dead_ms: op.urls_dead_ms(),
    };
    match op.ask(workspace, command).await? {
        Reply::Upload { file, job, .. } => {
            if let Some(job) = job {
                // What fails here is repeated by the workspace's alarm.
                sweep(op, workspace, &job).await;
            }
            Ok(AbortReply {
                upload_id: upload_id.clone(),
                status: file.map_or(FileStatus::Aborted, |file| file.status),
            })
        }
        Reply::Missing => Err(no_such_upload()),
        other => Err(unexpected_reply(&other)),
    }
}

async fn look_up<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
) -> Result<(Upload, FileRecord), ApiError> {
    let command = Command::Upload {
        upload_id: upload_id.clone(),
    };
    upload_and_file(op.ask(&principal.workspace, command).await?)
}

/// One of each number: the last.
pub(crate) fn latest(mut stored: Vec<StoredPart>) -> Vec<StoredPart> {
    stored.reverse();
    stored.dedup_by_key(|part| part.part_number);
    stored.reverse();
    stored
}

/// What storage holds, and when the newest part arrived, where it has parts.
async fn stored_parts<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Result<(Vec<StoredPart>, Option<Timestamp>), S3Failure> {
    let s3 = op.s3(upload.file.bucket.as_ref());
    match (upload.kind, &upload.storage_upload_id) {
        (UploadKind::Multipart, Some(id)) => s3.parts_and_newest(&upload.file.key, id).await,
        (UploadKind::Multipart, None) => Ok((Vec::new(), None)),
        (UploadKind::Single, _) => match (s3.head(upload.sent_to()).await, PartNumber::from_index(0)) {
            (Ok(object), Ok(part_number)) => {
                let whole = StoredPart {
                    part_number,
                    size: object.size,
                    etag: object.etag,
                    crc64nvme: object.crc64nvme,
                };
                Ok((vec![whole], None))
            }
            (Err(S3Failure::BareNotFound), _) | (Ok(_), Err(_)) => Ok((Vec::new(), None)),
            (Err(failure), _) => Err(failure),
        },
    }
}
