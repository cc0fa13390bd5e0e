use syncsphere_protocol::{
    ErrorCode, InitiateReply, InitiateRequest, InitiateResult, Integrity, Layout, MAX_FILES_PER_INITIATE,
    MAX_PARTS_PER_SIGNING, NewFile, PartPlan, PartToSign, Problem, Timestamp, UploadGrant, UploadKind,
};

use super::errors::over_quota;
use super::expiry::latest_expiry_ms;
use super::open_uploads::{allowed_type, begin_and_open};
use super::operation_context::OperationContext;
use super::sign_parts::{check_checksums, check_parts, is_proven, other_checksums, sign};
use super::staging::staging_key;
use super::tickets::ticket_for;
use super::unattended::unattended_from_ms;
use super::versions;
use crate::api_error::{ApiError, internal, invalid};
use crate::auth::Principal;
use crate::ledger::{Abilities, DeferredLength, FileDraft, Idempotency, Previous, Upload, UploadDraft};
use crate::policy::{self, FileName, KeyParts};
use crate::ports::{Storage, Workspaces};
use crate::s3::Provider;

/// Longest name of the client's own for a file, in bytes. Source: own choice.
const MAX_CLIENT_REF: usize = 256;

/// What it takes to see that storage looks at checksums: an object that it should refuse, and to remove that.
const PROOF_REQUESTS: u32 = 2;

/// A file as clients ask for it; some tell its size when they complete its upload, and some cut it as they like.
type Wanted = NewFile<Option<u64>, Layout>;

/// A request for uploads as clients send it.
pub(crate) type WantedFiles = InitiateRequest<Option<u64>, Layout>;

/// Opens an upload for each file of the request that can have one.
pub(crate) async fn initiate<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &WantedFiles,
    idempotency: Option<Idempotency>,
) -> Result<InitiateReply, ApiError> {
    check_size(request)?;
    let wants_proof = is_unproven(op) && request.files.iter().any(states_any);
    let mut requests_left = match wants_proof {
        true => op.config.storage_requests().saturating_sub(PROOF_REQUESTS),
        false => op.config.storage_requests(),
    };
    let bases = request.files.iter().map(|file| file.base.as_ref()).collect();
    let previous = versions::previous(op, principal, bases).await?;
    let accepted: Vec<Result<UploadDraft, ApiError>> = request
        .files
        .iter()
        .zip(previous)
        .enumerate()
        .map(|(index, (file, previous))| {
            let draft = draft(op, principal, file, previous?, index)?;
            // Those that storage has to create; nothing is written down of what goes beyond.
            if draft.kind == UploadKind::Multipart {
                requests_left = requests_left.checked_sub(1).ok_or_else(too_many_at_once)?;
            }
            Ok(draft)
        })
        .collect();
    let drafts: Vec<UploadDraft> = accepted.iter().flatten().cloned().collect();
    if wants_proof {
        see_proof(op, principal).await?;
    }
    let begun = if drafts.is_empty() {
        Vec::new()
    } else {
        begin_and_open(op, principal, drafts, idempotency).await?
    };
    let mut begun = begun.into_iter();

    let mut from_storage = Vec::new();
    let mut results = Vec::with_capacity(request.files.len());
    for (file, accepted) in request.files.iter().zip(accepted) {
        let granted = match accepted {
            Err(error) => Err(error),
            Ok(_) => match begun.next() {
                Some(Some(Ok(upload))) => grant(op, principal, &upload, file),
                Some(Some(Err(error))) => {
                    from_storage.push(error.clone());
                    Err(error)
                }
                Some(None) => Err(over_quota()),
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

fn check_size(request: &WantedFiles) -> Result<(), ApiError> {
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
    file: &Wanted,
    previous: Option<Previous>,
    index: usize,
) -> Result<UploadDraft, ApiError> {
    if file.client_ref.len() > MAX_CLIENT_REF {
        return Err(invalid(format!(
            "clientRef is longer than {MAX_CLIENT_REF} bytes"
        )));
    }
    let FileName { name, original } = policy::file_name(&file.name)?;
    let path = policy::folder(file.path.as_ref().map_or("", |path| path.as_str()))?;
    let (kind, plan, deferred_length) = travel(op, principal, file)?;
    let has_free_layout = file.layout.is_some();
    check_parts(&file.parts, &plan, deferred_length.is_some())?;
    check_checksums(&file.parts, has_free_layout)?;
    let by = op.config.bucket.checksum;
    if by == Integrity::None && !file.parts.iter().all(|part| is_proven(by, part)) {
        return Err(other_checksums(by));
    }
    // Of a file that the client cuts nobody else knows when storage holds all of it.
    let crc64nvme = file
        .crc64nvme
        .filter(|_| by == Integrity::Crc64Nvme && !has_free_layout);
    let content_type = allowed_type(principal, file.content_type.as_deref(), &name)?;
    let file_id = op.cx.file_id(index)?;
    let key = op.object_key(&KeyParts {
        workspace: &principal.workspace,
        file_id: &file_id,
        name: &name,
        path: &path,
        owner: &principal.subject,
        begun_ms: op.cx.now_ms,
    });
    // Bytes that are held to no checksum may have to be sent again.
    let is_conditional = states_any(file) && !(file.forms && op.config.bucket.takes_forms);
    Ok(UploadDraft {
        upload_id: op.cx.upload_id(index)?,
        kind,
        part_size: plan.part_size(),
        tail: plan.tail(),
        has_free_layout,
        expires_ms: op.cx.now_ms.saturating_add(op.config.upload_ttl_ms()),
        latest_expiry_ms: latest_expiry_ms(op, kind),
        crc64nvme,
        unattended_from_ms: crc64nvme.map(|_| unattended_from_ms(op)),
        abilities: Abilities {
            forms: file.forms,
            without_checksums: states_none(file),
        },
        staging_key: match kind {
            UploadKind::Single => staging_key(op, &key, is_conditional),
            UploadKind::Multipart => None,
        },
        deferred_length,
        storage_upload_id: None,
        file: FileDraft {
            key,
            bucket: op.config.bucket_of(&principal.workspace),
            file_id,
            workspace: principal.workspace.clone(),
            name,
            original_name: original,
            path,
            size: file.size.unwrap_or(0),
            content_type,
            owner: principal.subject.clone(),
            metadata: policy::metadata(file.metadata.as_deref())?,
            previous,
        },
    })
}

/// How a file travels, and what it may come to where its size is told at its end.
fn travel<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file: &Wanted,
) -> Result<(UploadKind, PartPlan, Option<DeferredLength>), ApiError> {
    let limit = op.largest_file(principal);
    let provider = op.config.bucket.provider;
    if let Some(Layout::Free) = file.layout {
        let plan = policy::plan_of_free_layout(size_of_free_layout(op, file)?, limit)?;
        return Ok((UploadKind::Multipart, plan, None));
    }
    let Some(size) = file.size else {
        if file.crc64nvme.is_some() {
            let detail =
                "a file without a size has no checksum yet: both are told when its upload is completed";
            return Err(invalid(detail));
        }
        let plan = policy::plan_of_stream(file.part_size, limit, provider)?;
        let deferred_length = DeferredLength {
            max_size: limit,
            max_bytes: principal.limits.max_bytes,
            is_streamed: true,
        };
        return Ok((UploadKind::Multipart, plan, Some(deferred_length)));
    };
    let (kind, plan) = policy::plan(size, file.part_size, file.tail, limit, provider)?;
    Ok((kind, plan, None))
}

/// The size of a file that its client cuts. What each part is has to be stated and proven: nothing else tells whether they
/// make the file.
fn size_of_free_layout<S, W>(op: &OperationContext<'_, S, W>, file: &Wanted) -> Result<u64, ApiError> {
    if op.config.bucket.checksum != Integrity::Crc64Nvme {
        return Err(invalid(
            "a free layout needs storage that proves content by crc64nvme",
        ));
    }
    if file
        .integrity
        .is_some_and(|stated| stated != Integrity::Crc64Nvme)
    {
        return Err(invalid("a free layout needs parts with their crc64nvme"));
    }
    file.size
        .ok_or_else(|| invalid("a file with a free layout is begun with its size"))
}

/// Sees, once, that storage looks at the checksums that the configuration promises: where it takes whatever comes, clients
/// are told before they have sent a file that could not become available.
async fn see_proof<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
) -> Result<(), ApiError> {
    let bucket = &op.config.bucket;
    let key = op.object_key(&KeyParts {
        workspace: &principal.workspace,
        file_id: &op.cx.file_id(0)?,
        name: "checksum-probe",
        path: "",
        owner: &principal.subject,
        begun_ms: op.cx.now_ms,
    });
    let by = bucket.checksum.as_str();
    let s3 = op.s3(op.config.bucket_of(&principal.workspace).as_ref());
    match s3.looks_at_checksums(&key).await {
        Ok(Some(true)) => {
            bucket.proof.give();
            Ok(())
        }
        Ok(Some(false)) => Err(ApiError::new(
            ErrorCode::StorageRefused,
            format!(
                "S3_CHECKSUM is {by}, and storage takes bytes that are not what it tells: see docs/storages.md"
            ),
        )),
        Ok(None) => Ok(()),
        Err(failure) => {
            let (problem, _) = ApiError::from(failure).into_parts();
            let detail = format!("S3_CHECKSUM is {by}: {}", problem.detail);
            Err(ApiError::new(ErrorCode::StorageRefused, detail))
        }
    }
}

/// Whether nobody has seen yet that this storage looks at checksums; AWS and R2 are known to.
fn is_unproven<S, W>(op: &OperationContext<'_, S, W>) -> bool {
    let bucket = &op.config.bucket;
    bucket.provider == Provider::Generic && !bucket.proof.is_given()
}

fn states_any(file: &Wanted) -> bool {
    let states = |part: &PartToSign| part.crc64nvme.is_some() || part.md5.is_some();
    file.parts.iter().any(states)
}

/// Whether a client states no checksums: it says so, or has none of the first part that it asks for.
fn states_none(file: &Wanted) -> bool {
    match (file.integrity, file.parts.first()) {
        (Some(integrity), _) => integrity == Integrity::None,
        (None, Some(part)) => part.crc64nvme.is_none() && part.md5.is_none(),
        (None, None) => false,
    }
}

/// The file's turn comes in a request of its own.
fn too_many_at_once() -> ApiError {
    /// Seconds to wait. Source: own choice; nothing has to pass but this request.
    const RETRY_AFTER: u32 = 1;
    let detail = "the coordinator opens no more large uploads in one request";
    ApiError::from(Problem::new(ErrorCode::StorageUnavailable, detail).retry_after(RETRY_AFTER))
}

fn grant<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    upload: &Upload,
    file: &Wanted,
) -> Result<UploadGrant, ApiError> {
    let ticket = ticket_for(upload, &principal.subject);
    let remaining = upload.expires_ms.saturating_sub(op.cx.now_ms);
    // A client that has computed other checksums than storage proves learns it here, and asks again with those.
    let provable = |part: &&PartToSign| is_proven(op.config.bucket.checksum, part);
    let parts: Vec<PartToSign> = file.parts.iter().filter(provable).copied().collect();
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
        checksum: op.config.bucket.checksum,
        urls: sign(op, &ticket, &parts)?,
        ticket: ticket.seal(&op.config.auth.keys)?,
    })
}

fn result<S, W>(
    op: &OperationContext<'_, S, W>,
    file: &Wanted,
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
