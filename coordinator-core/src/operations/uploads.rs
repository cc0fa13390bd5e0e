use syncsphere_protocol::{
    AbortReply, FileRecord, FileStatus, PartNumber, StoredPart, Timestamp, UploadId, UploadKind,
    UploadStatus, WorkspaceId,
};

use super::chores::sweep;
use super::claims::Claims;
use super::finalize::{finalize, upload_and_file};
use super::{Desk, no_such_upload, out_of_turn};
use crate::auth::{Principal, Ticket};
use crate::ledger::{Command, Reply, Upload};
use crate::ports::{Storage, Workspaces};
use crate::refusal::Refusal;
use crate::s3::S3Failure;

/// Where an upload stands and what storage holds of it. Whoever may upload in the workspace gets a
/// ticket of their own with it, so that an upload can be resumed under a new token.
pub(crate) async fn status<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
) -> Result<UploadStatus, Refusal> {
    let (upload, mut file) = look_up(desk, principal, upload_id).await?;
    let mut parts = Vec::new();
    if file.status == FileStatus::Uploading {
        match stored_parts(desk, &upload).await {
            Ok(stored) => parts = latest(stored),
            // Storage has lost the upload or finished it: find out which, and tell that.
            Err(S3Failure::NotFound) => {
                let _ = finalize(desk, upload.clone(), Claims::default()).await;
                file = look_up(desk, principal, upload_id).await?.1;
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    // What it would be good for takes a known size.
    let has_ticket = file.status == FileStatus::Uploading && upload.open_end.is_none();
    let ticket = Ticket::for_upload(&upload, &principal.subject);
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
            true => Some(ticket.seal(&desk.config.auth.keys)?),
            false => None,
        },
        expires_at: Timestamp::from_unix_millis(upload.expires_ms),
        file,
    })
}

/// Gives an upload up. The second time answers as the first; an upload that was completed before
/// stays so, and the reply says it.
pub(crate) async fn abort<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
) -> Result<AbortReply, Refusal> {
    let command = Command::Abort {
        upload_id: upload_id.clone(),
        urls_dead_ms: desk.urls_dead_ms(),
    };
    match desk.ask(workspace, command).await? {
        Reply::Upload { file, chore, .. } => {
            if let Some(chore) = chore {
                // What fails here is repeated by the workspace's alarm.
                sweep(desk, workspace, &chore).await;
            }
            Ok(AbortReply {
                upload_id: upload_id.clone(),
                status: file.map_or(FileStatus::Aborted, |file| file.status),
            })
        }
        Reply::Missing => Err(no_such_upload()),
        other => Err(out_of_turn(&other)),
    }
}

async fn look_up<S, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
) -> Result<(Upload, FileRecord), Refusal> {
    let command = Command::Upload {
        upload_id: upload_id.clone(),
    };
    upload_and_file(desk.ask(&principal.workspace, command).await?)
}

/// One of each number: the last.
pub(super) fn latest(mut stored: Vec<StoredPart>) -> Vec<StoredPart> {
    stored.reverse();
    stored.dedup_by_key(|part| part.part_number);
    stored.reverse();
    stored
}

async fn stored_parts<S: Storage, W>(
    desk: &Desk<'_, S, W>,
    upload: &Upload,
) -> Result<Vec<StoredPart>, S3Failure> {
    match (upload.kind, &upload.storage_upload_id) {
        (UploadKind::Multipart, Some(id)) => desk.s3().parts(&upload.file.key, id).await,
        (UploadKind::Multipart, None) => Ok(Vec::new()),
        (UploadKind::Single, _) => {
            match (desk.s3().head(&upload.file.key).await, PartNumber::from_index(0)) {
                (Ok(object), Ok(part_number)) => Ok(vec![StoredPart {
                    part_number,
                    size: object.size,
                    etag: object.etag,
                    crc64nvme: object.crc64nvme,
                }]),
                (Err(S3Failure::NotFound), _) | (Ok(_), Err(_)) => Ok(Vec::new()),
                (Err(failure), _) => Err(failure),
            }
        }
    }
}
