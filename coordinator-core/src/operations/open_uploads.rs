//! From the intent to upload to an upload that storage and ledger know.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use syncsphere_protocol::{ErrorCode, Integrity, Redacted, UploadId, UploadKind, WorkspaceId};

use super::errors::{gone, unexpected_reply};
use super::operation_context::{OperationContext, STORAGE_CALLS_AT_ONCE};
use super::reported_parts::NO_DIGEST;
use crate::api_error::ApiError;
use crate::auth::Principal;
use crate::config::OrphanUploads;
use crate::ledger::{
    Abilities, Command, DeferredLength, FileDraft, Idempotency, Opened, Reply, Upload, UploadDraft,
    UploadPhase,
};
use crate::policy;
use crate::ports::{Storage, Workspaces};

/// Begins an upload for each draft, and has storage create those in parts. `None` where the owner's quota does not hold one.
///
/// One call of the ledger where storage is asked first, two where the intent has to be written down before: see
/// [`may_create_first`].
pub(super) async fn begin_and_open<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    mut drafts: Vec<UploadDraft>,
    idempotency: Option<Idempotency>,
) -> Result<Vec<Option<Result<Upload, ApiError>>>, ApiError> {
    let workspace = &principal.workspace;
    let created = match may_create_first(op, workspace, &drafts) {
        true => create_first(op, &mut drafts).await,
        false => Created::default(),
    };
    let wanted = drafts.len();
    let command = Command::Begin {
        idempotency,
        drafts,
        max_bytes: principal.limits.max_bytes,
    };
    let answer = op.ask(workspace, command).await.inspect_err(|_| {
        // It may have begun them, so that nothing of them is dropped; the next is written down before storage is asked, so
        // that no more is left there while the ledger is away.
        op.workspaces_in_use.forget(workspace);
    });
    let begun = begun(answer?, wanted);
    created
        .drop_unused(op, begun.as_deref().unwrap_or_default())
        .await;
    let begun = begun?;
    let uploads = begun.iter().flatten().cloned().collect();
    let mut opened = open(op, principal, uploads, &created).await?.into_iter();
    let results: Vec<_> = begun
        .into_iter()
        .map(|upload| upload.and_then(|_| opened.next()))
        .collect();
    if results.iter().flatten().any(Result::is_ok) {
        op.workspaces_in_use.note(workspace);
    }
    Ok(results)
}

fn begun(reply: Reply, wanted: usize) -> Result<Vec<Option<Upload>>, ApiError> {
    let conflict = |detail: &str| ApiError::new(ErrorCode::Conflict, detail);
    match reply {
        Reply::Begun { uploads } if uploads.len() == wanted => Ok(uploads),
        Reply::Begun { .. } => Err(conflict(
            "the idempotency key belongs to a request that was judged otherwise",
        )),
        Reply::KeyReused => Err(conflict("the idempotency key belongs to another request")),
        other => Err(unexpected_reply(&other)),
    }
}

/// Whether storage may be asked to create the uploads before the ledger knows of them: whatever a crash in between leaves
/// there is found by the search for orphans, and aborted. That leaves workspaces alone that have never begun an upload.
fn may_create_first<S, W>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    drafts: &[UploadDraft],
) -> bool {
    /// No request lasts as long, in milliseconds: none of its uploads is taken for an orphan. Source: own choice.
    const LONGEST_REQUEST_MS: i64 = 60 * 60 * 1000;
    let is_found = |draft: &UploadDraft| op.config.key_template.parse(&draft.file.key).is_some();
    op.config.orphan_uploads == OrphanUploads::Abort
        && op.config.orphan_age_ms() >= LONGEST_REQUEST_MS
        && op.workspaces_in_use.has(workspace)
        && drafts.iter().all(is_found)
}

/// What storage has created, or failed to, before the ledger was asked.
#[derive(Default)]
struct Created(BTreeMap<UploadId, (FileDraft, Result<Redacted<String>, ApiError>)>);

async fn create_first<S: Storage, W>(op: &OperationContext<'_, S, W>, drafts: &mut [UploadDraft]) -> Created {
    let multipart = drafts
        .iter_mut()
        .filter(|draft| draft.kind == UploadKind::Multipart);
    let created = stream::iter(multipart)
        .map(|draft| async move {
            let states_checksums = states_checksums(draft.abilities, draft.deferred_length);
            let created = create(op, &draft.file, states_checksums).await;
            draft.storage_upload_id = created.as_ref().ok().cloned();
            (draft.upload_id.clone(), (draft.file.clone(), created))
        })
        .buffered(STORAGE_CALLS_AT_ONCE)
        .collect()
        .await;
    Created(created)
}

impl Created {
    /// Aborts what has become none of the uploads: they had been begun before, or are beyond a quota.
    async fn drop_unused<S: Storage, W>(&self, op: &OperationContext<'_, S, W>, begun: &[Option<Upload>]) {
        let is_used = |id: &UploadId, ours: &Redacted<String>| {
            let mut uploads = begun.iter().flatten();
            uploads.any(|upload| {
                upload.upload_id == *id && upload.storage_upload_id.as_ref().is_none_or(|of| of == ours)
            })
        };
        let unused = self.0.iter().filter_map(|(id, (file, created))| {
            let ours = created.as_ref().ok()?;
            (!is_used(id, ours)).then_some((file, ours))
        });
        let aborted = stream::iter(unused).map(|(file, ours)| async move {
            // If this fails, it is an orphan like any other.
            let _ = op.s3(file.bucket.as_ref()).abort(&file.key, ours).await;
        });
        aborted.buffered(STORAGE_CALLS_AT_ONCE).collect::<()>().await;
    }
}

/// Has storage create the uploads that it does not know yet, and the ledger announce them.
async fn open<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    uploads: Vec<Upload>,
    created_first: &Created,
) -> Result<Vec<Result<Upload, ApiError>>, ApiError> {
    let created: Vec<Result<Option<Opened>, ApiError>> = stream::iter(&uploads)
        .map(|upload| opened(op, upload, created_first))
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

/// What the ledger is told of an upload that waits for storage to create it.
async fn opened<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    created_first: &Created,
) -> Result<Option<Opened>, ApiError> {
    if upload.phase != UploadPhase::Starting || upload.kind != UploadKind::Multipart {
        return Ok(None);
    }
    let storage_upload_id = match created_first.0.get(&upload.upload_id) {
        Some((_, created)) => created.clone()?,
        None => {
            let states_checksums = states_checksums(upload.abilities, upload.deferred_length);
            create(op, &upload.file, states_checksums).await?
        }
    };
    Ok(Some(Opened {
        upload_id: upload.upload_id.clone(),
        storage_upload_id,
    }))
}

/// Whether the client states checksums of its parts.
fn states_checksums(abilities: Abilities, deferred_length: Option<DeferredLength>) -> bool {
    !abilities.without_checksums && !DeferredLength::is_of_other_calls(deferred_length)
}

/// Has storage create a multipart upload; gives its name for it.
async fn create<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    file: &FileDraft,
    states_checksums: bool,
) -> Result<Redacted<String>, ApiError> {
    let by = op.config.bucket.checksum;
    let announces_checksums = by == Integrity::Crc64Nvme && states_checksums;
    let s3 = op.s3(file.bucket.as_ref());
    let (storage_upload_id, has_digest_etags) = s3
        .create(&file.key, &file.content_type, announces_checksums)
        .await?;
    if by == Integrity::Md5 && states_checksums && !has_digest_etags {
        // If this fails, storage's own rule for stale uploads remains.
        let _ = s3.abort(&file.key, &storage_upload_id).await;
        return Err(ApiError::new(ErrorCode::StorageRefused, NO_DIGEST));
    }
    Ok(storage_upload_id)
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
