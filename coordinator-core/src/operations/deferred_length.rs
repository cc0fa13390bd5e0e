//! Uploads of Companion's and S3's clients, which never say what a file comes to. The file is what storage holds of it at
//! the end, as far as its owner may have so much.

use syncsphere_protocol::{
    CompletedPart, FileId, FileRecord, FileStatus, MIN_PART_SIZE, Redacted, StringMap, UploadId, UploadKind,
};

use super::cleanup::LATE_WRITE_GRACE_MS;
use super::errors::{gone, outcome, over_quota, upload_and_file};
use super::expiry::latest_expiry_ms;
use super::finalize::finalize;
use super::open_uploads;
use super::operation_context::OperationContext;
use super::reported_parts::ReportedParts;
use super::staging::staging_key;
use crate::api_error::{ApiError, internal};
use crate::auth::{Principal, Ticket};
use crate::ledger::{
    Abilities, Command, DeferredLength, FileDraft, Idempotency, Upload, UploadDraft, UploadPhase,
};
use crate::policy::{self, FileName, KeyParts};
use crate::ports::{Storage, Workspaces};

/// What a client says of a file that it is about to send. The names have been checked.
pub(crate) struct Wanted {
    pub kind: UploadKind,
    pub upload_id: UploadId,
    pub file_id: FileId,
    pub name: FileName,
    pub path: Redacted<String>,
    /// When the upload begins, in milliseconds since 1970.
    pub begun_ms: i64,
    pub content_type: Option<String>,
    pub metadata: StringMap,
}

/// Begins an upload. Asked again with the same ids, or within what `idempotency` names, it gives the same one.
pub(crate) async fn begin<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    wanted: Wanted,
    idempotency: Option<Idempotency>,
) -> Result<Upload, ApiError> {
    let draft = draft(op, principal, wanted)?;
    let begun = open_uploads::begin_and_open(op, principal, vec![draft], idempotency).await?;
    let only = begun.into_iter().next();
    match only
        .ok_or_else(|| internal("no upload for a file"))?
        .ok_or_else(over_quota)??
    {
        upload if upload.phase == UploadPhase::Ended => Err(gone()),
        upload => Ok(upload),
    }
}

/// Completes an upload of the parts that its client names, which are the whole file. The second time answers as the first.
pub(crate) async fn complete<S: Storage, W: Workspaces>(
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
    let declared = wanted.content_type.as_deref();
    let content_type = open_uploads::allowed_type(principal, declared, &wanted.name.name)?;
    let key = op.object_key(&KeyParts {
        workspace: &principal.workspace,
        file_id: &wanted.file_id,
        name: &wanted.name.name,
        path: &wanted.path,
        owner: &principal.subject,
        begun_ms: wanted.begun_ms,
    });
    Ok(UploadDraft {
        upload_id: wanted.upload_id,
        kind: wanted.kind,
        part_size: MIN_PART_SIZE,
        tail: None,
        has_free_layout: false,
        expires_ms,
        latest_expiry_ms: latest_expiry_ms(op, wanted.kind),
        crc64nvme: None,
        unattended_from_ms: None,
        abilities: Abilities::default(),
        // These clients send the headers that they know.
        staging_key: match wanted.kind {
            UploadKind::Single => staging_key(op, &key, false),
            UploadKind::Multipart => None,
        },
        deferred_length: Some(DeferredLength {
            max_size: op.largest_file(principal),
            max_bytes: principal.limits.max_bytes,
            is_streamed: false,
        }),
        storage_upload_id: None,
        file: FileDraft {
            key,
            bucket: op.config.bucket_of(&principal.workspace),
            file_id: wanted.file_id,
            workspace: principal.workspace.clone(),
            name: wanted.name.name,
            original_name: wanted.name.original,
            path: wanted.path,
            size: 0,
            content_type,
            owner: principal.subject.clone(),
            metadata: policy::metadata(Some(&wanted.metadata))?,
            previous: None,
        },
    })
}
