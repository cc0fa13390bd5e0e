use futures_util::{StreamExt, stream};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use syncsphere_protocol::{
    ErrorCode, InitiateReply, InitiateRequest, InitiateResult, MAX_FILES_PER_INITIATE, MAX_PARTS_PER_SIGNING,
    NewFile, PartPlan, PartToSign, Problem, Redacted, Timestamp, UploadGrant, UploadId, UploadKind,
};

use super::sign_parts::sign;
use super::{OperationContext, STORAGE_CALLS_AT_ONCE, unexpected_reply};
use crate::api_error::{ApiError, internal, invalid};
use crate::auth::{Principal, Ticket};
use crate::ledger::{Command, FileDraft, Idempotency, Opened, Reply, Upload, UploadDraft, UploadPhase};
use crate::policy;
use crate::ports::{Storage, Workspaces};
use crate::routes::parsed;

/// Longest name of the client's own for a file, in bytes. Source: own choice.
const MAX_CLIENT_REF: usize = 256;

/// Longest idempotency key, in bytes. Source: own choice, twice a UUID and to spare.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// The request's `Idempotency-Key`, if it has one that can be used.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || values.next().is_some() {
        return Err(invalid(format!(
            "an idempotency key is 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
        )));
    }
    Ok(Some(key.to_owned()))
}

/// Opens an upload for each file of the request that can have one.
pub(crate) async fn initiate<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    body: &[u8],
    idempotency_key: Option<String>,
) -> Result<InitiateReply, ApiError> {
    let request: InitiateRequest = parsed(body)?;
    check_size(&request)?;
    let mut requests_left = op.config.storage_requests();
    let accepted: Vec<Result<UploadDraft, ApiError>> = request
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| {
            let draft = draft(op, principal, file, index)?;
            // Those that storage has to create; nothing is written down of what goes beyond.
            if draft.kind == UploadKind::Multipart {
                requests_left = requests_left.checked_sub(1).ok_or_else(too_many_at_once)?;
            }
            Ok(draft)
        })
        .collect();
    let drafts: Vec<UploadDraft> = accepted.iter().flatten().cloned().collect();
    let begun = if drafts.is_empty() {
        Vec::new()
    } else {
        let idempotency = idempotency(principal, idempotency_key, body);
        begin(op, principal, drafts, idempotency).await?
    };
    let mut begun_in_turn = begun.iter().map(Option::is_some);
    let admitted = accepted.into_iter().map(|accepted| {
        accepted.and_then(|_| match begun_in_turn.next() {
            Some(true) => Ok(()),
            Some(false) => Err(over_quota()),
            None => Err(internal("fewer uploads than files")),
        })
    });
    let admitted: Vec<Result<(), ApiError>> = admitted.collect();
    let uploads = begun.into_iter().flatten().collect();
    let mut opened = open(op, principal, uploads).await?.into_iter();

    let mut from_storage = Vec::new();
    let mut results = Vec::with_capacity(request.files.len());
    for (file, admitted) in request.files.iter().zip(admitted) {
        let granted = match admitted {
            Err(error) => Err(error),
            Ok(()) => match opened.next() {
                Some(Ok(upload)) => grant(op, principal, &upload, file),
                Some(Err(error)) => {
                    from_storage.push(error.clone());
                    Err(error)
                }
                None => Err(internal("fewer uploads than files")),
            },
        };
        results.push(result(op, file, granted));
    }
    // Where storage let none of them in, the request as a whole is worth repeating later.
    if from_storage.len() == results.len()
        && let Some(error) = from_storage.into_iter().next()
    {
        return Err(error);
    }
    Ok(InitiateReply { uploads: results })
}

fn check_size(request: &InitiateRequest) -> Result<(), ApiError> {
    if request.files.is_empty() || request.files.len() > MAX_FILES_PER_INITIATE {
        return Err(invalid(format!(
            "a request initiates 1 to {MAX_FILES_PER_INITIATE} files"
        )));
    }
    let parts: usize = request.files.iter().map(|file| file.parts.len()).sum();
    if parts > MAX_PARTS_PER_SIGNING {
        return Err(invalid(format!(
            "a request asks for URLs of at most {MAX_PARTS_PER_SIGNING} parts"
        )));
    }
    Ok(())
}

fn draft<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file: &NewFile,
    index: usize,
) -> Result<UploadDraft, ApiError> {
    if file.client_ref.len() > MAX_CLIENT_REF {
        return Err(invalid(format!(
            "clientRef is longer than {MAX_CLIENT_REF} bytes"
        )));
    }
    let name = policy::file_name(&file.name)?;
    let path = policy::folder(file.path.as_ref().map_or("", |path| path.as_str()))?;
    let limit = op.largest_file(principal);
    let (kind, plan) = policy::plan(
        file.size,
        file.part_size,
        file.tail,
        limit,
        op.config.bucket.provider,
    )?;
    check_parts(&file.parts, &plan)?;
    let content_type = allowed_type(principal, file.content_type.as_deref())?;
    let id = |kind| op.cx.id(kind, index);
    let file_id = id("file").parse().map_err(|_| internal("an id of our own"))?;
    Ok(UploadDraft {
        upload_id: id("upload").parse().map_err(|_| internal("an id of our own"))?,
        kind,
        part_size: plan.part_size(),
        tail: plan.tail(),
        expires_ms: op.cx.now_ms.saturating_add(op.config.upload_ttl_ms()),
        deferred_length: None,
        file: FileDraft {
            key: policy::object_key(&principal.workspace, &file_id, &name),
            file_id,
            workspace: principal.workspace.clone(),
            name,
            path,
            size: file.size,
            content_type,
            owner: principal.subject.clone(),
            metadata: policy::metadata(file.metadata.as_deref())?,
        },
    })
}

/// The media type, if the token allows it.
pub(super) fn allowed_type(principal: &Principal, declared: Option<&str>) -> Result<String, ApiError> {
    let content_type = policy::content_type(declared)?;
    match &principal.limits.content_types {
        Some(taken) if !policy::allows_type(taken, &content_type) => {
            let detail = "the access token does not allow files of this content type";
            Err(ApiError::new(ErrorCode::Forbidden, detail))
        }
        _ => Ok(content_type),
    }
}

/// Fails where a part is asked for twice or the plan has no such part.
pub(super) fn check_parts(parts: &[PartToSign], plan: &PartPlan) -> Result<(), ApiError> {
    let mut numbers: Vec<_> = parts.iter().map(|part| part.part_number).collect();
    numbers.sort_unstable();
    if let Some(beyond) = numbers.last().filter(|last| last.get() > plan.part_count()) {
        return Err(invalid(format!(
            "there is no part {beyond}: the upload has {}",
            plan.part_count()
        )));
    }
    if numbers.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(invalid("a part is asked for twice"));
    }
    Ok(())
}

pub(super) fn idempotency(principal: &Principal, key: Option<String>, body: &[u8]) -> Option<Idempotency> {
    let digest = Sha256::digest(body);
    key.map(|key| Idempotency {
        // Another subject's key of the same name is another key.
        key: Redacted(format!("{}\n{key}", principal.subject.0)),
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

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

/// The file's turn comes in a request of its own.
fn too_many_at_once() -> ApiError {
    /// Seconds to wait. Source: own choice; nothing has to pass but this request.
    const RETRY_AFTER: u32 = 1;
    let detail = "the coordinator opens no more large uploads in one request";
    ApiError::from(Problem::new(ErrorCode::StorageUnavailable, detail).retry_after(RETRY_AFTER))
}

pub(super) fn over_quota() -> ApiError {
    let detail = "the file goes beyond what the access token lets its subject keep here";
    ApiError::new(ErrorCode::QuotaExceeded, detail)
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
        results.push(match created {
            Err(error) => Err(error),
            Ok(None) => Ok(upload),
            Ok(Some(ours)) => settle(op, ours, &now_open, &upload).await,
        });
    }
    Ok(results)
}

async fn create<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Result<Option<Opened>, ApiError> {
    if upload.phase != UploadPhase::Starting || upload.kind != UploadKind::Multipart {
        return Ok(None);
    }
    let storage_upload_id = op
        .s3()
        .create(&upload.file.key, &upload.file.content_type)
        .await?;
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
        let _ = op.s3().abort(&begun.file.key, &ours.storage_upload_id).await;
    }
    stands
        .cloned()
        .ok_or_else(|| ApiError::new(ErrorCode::UploadGone, "the upload was given up meanwhile"))
}

fn find<'a>(uploads: &'a [Upload], id: &UploadId) -> Option<&'a Upload> {
    uploads.iter().find(|upload| upload.upload_id == *id)
}

fn grant<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    upload: &Upload,
    file: &NewFile,
) -> Result<UploadGrant, ApiError> {
    let ticket = Ticket::for_upload(upload, &principal.subject);
    let remaining = upload.expires_ms.saturating_sub(op.cx.now_ms);
    Ok(UploadGrant {
        client_ref: file.client_ref.clone(),
        upload_id: upload.upload_id.clone(),
        file_id: upload.file.file_id.clone(),
        kind: upload.kind,
        part_size: upload.part_size,
        tail: upload.tail,
        part_count: ticket.plan()?.part_count(),
        expires_at: Timestamp::from_unix_millis(upload.expires_ms),
        expires_in: u64::try_from(remaining.div_euclid(1000)).unwrap_or(0),
        urls: sign(op, &ticket, &file.parts)?,
        ticket: ticket.seal(&op.config.auth.keys)?,
    })
}

fn result<S, W>(
    op: &OperationContext<'_, S, W>,
    file: &NewFile,
    granted: Result<UploadGrant, ApiError>,
) -> InitiateResult {
    match granted {
        Ok(grant) => InitiateResult::Granted(Box::new(grant)),
        Err(error) => InitiateResult::Refused {
            client_ref: file.client_ref.chars().take(MAX_CLIENT_REF).collect(),
            error: op.problem(error),
        },
    }
}
