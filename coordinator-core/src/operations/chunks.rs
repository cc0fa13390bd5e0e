//! What files consist of, as their owners state it, and which of them a new file could take its content from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use syncsphere_delta_core::Index;
use syncsphere_protocol::{
    BaseFile, BasesReply, BasesRequest, ChunksReply, ErrorCode, FileId, Integrity, PutChunksReply,
    PutChunksRequest, Sha256,
};

use super::errors::{mismatch, no_such_file, over_quota, unexpected_reply};
use super::files::own_file;
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, invalid, not_found};
use crate::auth::Principal;
use crate::ledger::{BaseQuery, Command, Reply};
use crate::policy;
use crate::ports::Workspaces;
use crate::s3::Provider;

/// Keeps the content index of the caller's own available file. Storage has proven the file's CRC64NVME, so the index has to
/// make it; its SHA-256 digests are the owner's word, and are believed for the owner's own files alone.
pub(crate) async fn put<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
    request: &PutChunksRequest,
) -> Result<PutChunksReply, ApiError> {
    let packed = STANDARD
        .decode(&request.chunks)
        .map_err(|_| invalid("chunks is no base64"))?;
    let index = Index::parse(&packed).map_err(|error| invalid(format!("chunks holds {error}")))?;
    let file = own_file(op, principal, file_id).await?.record;
    let Some(crc64nvme) = file.checksum.crc64nvme else {
        let detail = "the file has no crc64nvme that its chunks could be held to";
        return Err(ApiError::new(ErrorCode::Conflict, detail));
    };
    if index.size() != file.size {
        return Err(invalid(format!(
            "the chunks come to {} bytes, the file to {}",
            index.size(),
            file.size
        )));
    }
    if index.crc64nvme() != crc64nvme {
        return Err(mismatch("the chunks' checksums do not make the file's"));
    }
    let content = Sha256::from_bytes(sha2::Sha256::digest(&packed).into());
    let command = Command::PutChunks {
        file_id: file_id.clone(),
        owner: principal.subject.clone(),
        content,
        chunks: request.chunks.clone(),
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::File { .. } => Ok(PutChunksReply { content }),
        Reply::Missing => Err(no_such_file()),
        Reply::OverQuota => Err(over_quota()),
        other => Err(unexpected_reply(&other)),
    }
}

/// The content index of an available file, as its owner has stated it. It tells whoever may read the file which of its bytes
/// they have already; what they make of that is theirs to compare with the file's checksum.
pub(crate) async fn get<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<ChunksReply, ApiError> {
    let command = Command::Chunks {
        file_id: file_id.clone(),
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::Chunks { chunks } => Ok(ChunksReply { chunks }),
        Reply::Missing => Err(not_found(
            "there is no such file, or its content index was not stated",
        )),
        other => Err(unexpected_reply(&other)),
    }
}

/// Which of the caller's own available files a new one could take its content from.
pub(crate) async fn bases<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &BasesRequest,
) -> Result<BasesReply, ApiError> {
    let name = policy::file_name(&request.name)?.name;
    let path = policy::folder(request.path.as_ref().map_or("", |path| path.as_str()))?;
    let copies = op.config.bucket.checksum == Integrity::Crc64Nvme;
    let query = BaseQuery {
        owner: principal.subject.clone(),
        path: path.clone(),
        name: name.clone(),
        size: request.size,
        base: request.base.clone(),
        copies,
    };
    let found = match op.ask(&principal.workspace, Command::Bases(query)).await? {
        Reply::Bases { bases } => bases,
        other => return Err(unexpected_reply(&other)),
    };
    let bases = found.into_iter().map(|base| {
        let record = base.file.record;
        BaseFile {
            same_name: record.path == path && record.name == name,
            version: record.version.unwrap_or(1),
            size: record.size,
            file_id: record.file_id,
            chunks: base.chunks,
        }
    });
    Ok(BasesReply {
        copies,
        equal_parts: op.config.bucket.provider == Provider::R2,
        bases: bases.collect(),
    })
}
