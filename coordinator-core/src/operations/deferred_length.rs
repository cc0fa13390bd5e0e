//! Uploads whose size nobody knows when they begin. The file is what storage holds of it at the end, as far as its owner
//! may have so much.

use syncsphere_protocol::{
    CompletedPart, FileId, FileRecord, FileStatus, MIN_PART_SIZE, Redacted, StoredPart, StringMap, UploadId,
    UploadKind,
};

use super::finalize::{finalize, gone, mismatch, outcome, parts_missing, upload_and_file, wrong_length};
use super::jobs::LATE_WRITE_GRACE_MS;
use super::reported_parts::ReportedParts;
use super::{OperationContext, initiate};
use crate::api_error::{ApiError, internal};
use crate::auth::{Principal, Ticket};
use crate::ledger::{Command, DeferredLength, FileDraft, Idempotency, Upload, UploadDraft, UploadPhase};
use crate::policy;
use crate::ports::{Storage, Workspaces};
use crate::s3::PartToComplete;

/// What a client says of a file that it is about to send. The names have been checked.
pub(super) struct Wanted {
    pub kind: UploadKind,
    pub upload_id: UploadId,
    pub file_id: FileId,
    pub name: Redacted<String>,
    pub path: Redacted<String>,
    pub content_type: Option<String>,
    pub metadata: StringMap,
}

/// Begins an upload. Asked again with the same ids, or within what `idempotency` names, it gives the same one.
pub(super) async fn begin<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    wanted: Wanted,
    idempotency: Option<Idempotency>,
) -> Result<Upload, ApiError> {
    let draft = draft(op, principal, wanted)?;
    let begun = initiate::begin(op, principal, vec![draft], idempotency).await?;
    let begun = begun.into_iter().next().flatten();
    let begun = begun.ok_or_else(initiate::over_quota)?;
    let opened = initiate::open(op, principal, vec![begun]).await?;
    let opened = opened.into_iter().next();
    match opened.unwrap_or_else(|| Err(internal("no upload for a file")))? {
        upload if upload.phase == UploadPhase::Ended => Err(gone()),
        upload => Ok(upload),
    }
}

/// Completes an upload of the parts that its client names, which are the whole file. The second time answers as the first.
pub(super) async fn complete<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    parts: &[CompletedPart],
) -> Result<FileRecord, ApiError> {
    let reported = ReportedParts::of_parts(parts)?;
    let command = Command::Upload {
        upload_id: ticket.upload_id.clone(),
    };
    let (upload, file) = upload_and_file(op.ask(&ticket.workspace, command).await?)?;
    match file.status {
        FileStatus::Uploading => finalize(op, upload, reported).await,
        _ => outcome(file),
    }
}

/// The parts that make the file, and what they come to. Nobody but the client knows which they are; where it is not there
/// to tell, they are all that storage holds, if that is what it was asked to assemble before.
pub(super) fn chosen_parts(
    upload: &Upload,
    stored: &[StoredPart],
    reported: &ReportedParts,
) -> Result<(Vec<PartToComplete>, u64), ApiError> {
    let mut missing: Vec<_> = reported.numbers().collect();
    let is_told = !missing.is_empty();
    let mut chosen: Vec<&StoredPart> = Vec::new();
    let mut other = Vec::new();
    for same in stored.chunk_by(|a, b| a.part_number == b.part_number) {
        let Some(number) = same.first().map(|part| part.part_number) else {
            continue;
        };
        if is_told {
            match missing.binary_search(&number) {
                Ok(place) => {
                    missing.remove(place);
                }
                Err(_) => continue,
            }
        }
        match reported.find(number, same) {
            Some(part) => chosen.push(part),
            None => other.push(number),
        }
    }
    let size = chosen.iter().map(|part| part.size).fold(0, u64::saturating_add);
    let is_small = |part: &&&StoredPart| part.size < MIN_PART_SIZE;
    let small = chosen.split_last().map_or(&[][..], |(_, before)| before);
    let small: Vec<_> = small
        .iter()
        .filter(is_small)
        .map(|part| part.part_number)
        .collect();
    if !missing.is_empty() || (!is_told && size != upload.file.size) {
        Err(parts_missing(missing))
    } else if !other.is_empty() {
        Err(mismatch("storage holds other parts than the ETags tell").naming(other))
    } else if !small.is_empty() {
        Err(wrong_length(small))
    } else {
        let parts = chosen.into_iter().map(|part| PartToComplete {
            number: part.part_number,
            etag: part.etag.clone(),
            crc64nvme: part.crc64nvme,
        });
        Ok((parts.collect(), size))
    }
}

fn draft<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    wanted: Wanted,
) -> Result<UploadDraft, ApiError> {
    let expires_ms = match wanted.kind {
        UploadKind::Multipart => op.cx.now_ms.saturating_add(op.config.upload_ttl_ms()),
        // Nobody says that it is given up: it is over when it cannot come any more.
        UploadKind::Single => op.urls_dead_ms().saturating_add(LATE_WRITE_GRACE_MS),
    };
    Ok(UploadDraft {
        upload_id: wanted.upload_id,
        kind: wanted.kind,
        part_size: MIN_PART_SIZE,
        tail: None,
        expires_ms,
        deferred_length: Some(DeferredLength {
            max_size: op.largest_file(principal),
            max_bytes: principal.limits.max_bytes,
        }),
        file: FileDraft {
            key: policy::object_key(&principal.workspace, &wanted.file_id, &wanted.name),
            file_id: wanted.file_id,
            workspace: principal.workspace.clone(),
            name: wanted.name,
            path: wanted.path,
            size: 0,
            content_type: initiate::allowed_type(principal, wanted.content_type.as_deref())?,
            owner: principal.subject.clone(),
            metadata: policy::metadata(Some(&wanted.metadata))?,
        },
    })
}
