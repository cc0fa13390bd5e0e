//! Reading what the coordinator answers.

use syncsphere_protocol::{
    AbortReply, Checksum, CompleteBatchReply, CompleteResult, Crc64Nvme, ErrorCode, FileChecksum, FileId,
    FileRecord, FileStatus, InitiateReply, InitiateResult, Integrity, Md5, PartNumber, Problem, Redacted,
    SignPartsReply, SignedPart, StoredPart, Tail, Timestamp, UploadGrant, UploadId, UploadKind, UploadStatus,
    WorkspaceId,
};

use super::json::{Json, Malformed, Object};

type Read<T> = Result<T, Malformed>;

pub(super) fn problem(json: Json) -> Read<Problem> {
    let mut json = json.object()?;
    Ok(Problem {
        kind: json.text("type")?,
        title: json.text("title")?,
        status: count(json.whole("status")?)?,
        code: word(&json.text("code")?, &ErrorCode::ALL, ErrorCode::as_str)?,
        detail: json.text("detail")?,
        request_id: json.optional("requestId", Json::text)?.unwrap_or_default(),
        retry_after: json.optional("retryAfter", number)?,
        parts: match json.take("parts") {
            Json::Null => Vec::new(),
            parts => parts.list_of(part_number)?,
        },
    })
}

pub(super) fn initiated(json: Json) -> Read<InitiateReply> {
    let uploads = json.object()?.list("uploads", initiate_result)?;
    Ok(InitiateReply { uploads })
}

pub(super) fn signed(json: Json) -> Read<SignPartsReply> {
    let urls = json.object()?.list("urls", signed_part)?;
    Ok(SignPartsReply { urls })
}

pub(super) fn status(json: Json) -> Read<UploadStatus> {
    let mut json = json.object()?;
    Ok(UploadStatus {
        upload_id: upload_id(&mut json)?,
        file_id: file_id(&mut json)?,
        status: file_status(&mut json)?,
        kind: upload_kind(&mut json)?,
        size: json.whole("size")?,
        part_size: json.whole("partSize")?,
        tail: json.optional("tail", tail)?,
        part_count: count(json.whole("partCount")?)?,
        parts: json.list("parts", stored_part)?,
        ticket: json.optional("ticket", Json::text)?.map(Into::into),
        expires_at: timestamp(&mut json, "expiresAt")?,
        file: file_record(json.take("file"))?,
    })
}

pub(super) fn file_record(json: Json) -> Read<FileRecord> {
    let mut json = json.object()?;
    Ok(FileRecord {
        file_id: file_id(&mut json)?,
        workspace: WorkspaceId::try_from(json.text("workspace")?).map_err(|_| Malformed)?,
        name: json.text("name")?.into(),
        original_name: json.optional("originalName", Json::text)?.map(Into::into),
        path: json.text("path")?.into(),
        size: json.whole("size")?,
        content_type: json.text("contentType")?,
        status: file_status(&mut json)?,
        checksum: file_checksum(json.take("checksum").object()?)?,
        etag: json.optional("etag", Json::text)?,
        owner: json.text("owner")?.into(),
        metadata: Redacted(json.take("metadata").string_map()?),
        created_at: timestamp(&mut json, "createdAt")?,
        updated_at: timestamp(&mut json, "updatedAt")?,
        seq: json.whole("seq")?,
        version: json.optional("version", number)?,
        previous: json.optional("previous", id)?,
        conflict: json.optional("conflict", id)?,
    })
}

pub(super) fn completed_batch(json: Json) -> Read<CompleteBatchReply> {
    let uploads = json.object()?.list("uploads", |json| {
        let mut json = json.object()?;
        Ok(CompleteResult {
            upload_id: upload_id(&mut json)?,
            file: json.optional("file", file_record)?.map(Box::new),
            error: json.optional("error", problem)?,
        })
    })?;
    Ok(CompleteBatchReply { uploads })
}

pub(super) fn aborted(json: Json) -> Read<AbortReply> {
    let mut json = json.object()?;
    Ok(AbortReply {
        upload_id: upload_id(&mut json)?,
        status: file_status(&mut json)?,
    })
}

pub(crate) fn upload_id(json: &mut Object) -> Read<UploadId> {
    UploadId::try_from(json.text("uploadId")?).map_err(|_| Malformed)
}

pub(crate) fn upload_kind(json: &mut Object) -> Read<UploadKind> {
    word(&json.text("kind")?, &UploadKind::ALL, UploadKind::as_str)
}

pub(crate) fn part_number(json: Json) -> Read<PartNumber> {
    PartNumber::try_from(json.whole()?).map_err(|_| Malformed)
}

/// The checksum of a part in a checkpoint, by whichever algorithm.
pub(crate) fn known_checksum(json: &mut Object) -> Read<Option<Checksum>> {
    let crc = json.optional("crc", crc64nvme)?.map(Checksum::Crc64Nvme);
    let md5 = json.optional("md5", md5)?.map(Checksum::Md5);
    Ok(crc.or(md5))
}

fn crc64nvme(json: Json) -> Read<Crc64Nvme> {
    Crc64Nvme::try_from(json.text()?).map_err(|_| Malformed)
}

fn md5(json: Json) -> Read<Md5> {
    Md5::try_from(json.text()?).map_err(|_| Malformed)
}

fn file_checksum(mut json: Object) -> Read<FileChecksum> {
    Ok(FileChecksum {
        crc64nvme: crc(&mut json)?,
        md5: json.optional("md5", md5)?,
    })
}

pub(crate) fn tail(json: Json) -> Read<Tail> {
    let mut json = json.object()?;
    Ok(Tail {
        after: count(json.whole("after")?)?,
        part_size: json.whole("partSize")?,
    })
}

fn initiate_result(json: Json) -> Read<InitiateResult> {
    let mut json = json.object()?;
    let client_ref = json.text("clientRef")?;
    if let Some(error) = json.optional("error", problem)? {
        return Ok(InitiateResult::Refused { client_ref, error });
    }
    Ok(InitiateResult::Granted(Box::new(UploadGrant {
        client_ref,
        upload_id: upload_id(&mut json)?,
        file_id: file_id(&mut json)?,
        kind: upload_kind(&mut json)?,
        part_size: json.whole("partSize")?,
        tail: json.optional("tail", tail)?,
        part_count: count(json.whole("partCount")?)?,
        ticket: json.text("ticket")?.into(),
        expires_at: timestamp(&mut json, "expiresAt")?,
        expires_in: json.whole("expiresIn")?,
        checksum: match json.optional("checksum", Json::text)? {
            Some(name) => word(&name, &Integrity::ALL, Integrity::as_str)?,
            None => Integrity::Crc64Nvme,
        },
        urls: json.list("urls", signed_part)?,
    })))
}

fn signed_part(json: Json) -> Read<SignedPart> {
    let mut json = json.object()?;
    Ok(SignedPart {
        part_number: part_number(json.take("partNumber"))?,
        method: json.text("method")?,
        url: json.text("url")?.into(),
        headers: json.take("headers").string_map()?,
        fields: json.optional("fields", Json::string_map)?.unwrap_or_default(),
        expires_at: timestamp(&mut json, "expiresAt")?,
        expires_in: json.whole("expiresIn")?,
    })
}

fn stored_part(json: Json) -> Read<StoredPart> {
    let mut json = json.object()?;
    Ok(StoredPart {
        part_number: part_number(json.take("partNumber"))?,
        size: json.whole("size")?,
        etag: json.text("etag")?,
        crc64nvme: crc(&mut json)?,
    })
}

fn crc(json: &mut Object) -> Read<Option<Crc64Nvme>> {
    json.optional("crc64nvme", crc64nvme)
}

fn file_id(json: &mut Object) -> Read<FileId> {
    id(json.take("fileId"))
}

fn id(json: Json) -> Read<FileId> {
    FileId::try_from(json.text()?).map_err(|_| Malformed)
}

fn number(json: Json) -> Read<u32> {
    u32::try_from(json.whole()?).map_err(|_| Malformed)
}

fn file_status(json: &mut Object) -> Read<FileStatus> {
    word(&json.text("status")?, &FileStatus::ALL, FileStatus::as_str)
}

fn timestamp(json: &mut Object, name: &str) -> Read<Timestamp> {
    json.text(name).map(Timestamp::from_wire)
}

fn count(number: u64) -> Read<u16> {
    u16::try_from(number).map_err(|_| Malformed)
}

fn word<T: Copy>(text: &str, all: &[T], as_str: fn(T) -> &'static str) -> Read<T> {
    let known = all.iter().find(|known| as_str(**known) == text);
    known.copied().ok_or(Malformed)
}
