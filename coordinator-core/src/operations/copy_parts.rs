//! Parts that storage copies out of another file, so that their bytes do not travel.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use syncsphere_protocol::{
    CopiedPart, CopyPartsReply, CopyPartsRequest, Crc64Nvme, ErrorCode, FileRecord, Integrity, MAX_PART_SIZE,
    MAX_PARTS_PER_COPY, MIN_PART_SIZE, PartRange, PartToCopy, UploadId,
};

use super::files::own_file;
use super::operation_context::{OperationContext, STORAGE_CALLS_AT_ONCE};
use crate::api_error::{ApiError, internal, invalid, not_found};
use crate::auth::{Principal, Ticket};
use crate::ledger::StoredFile;
use crate::ports::{Storage, Workspaces};
use crate::s3::{PartCopy, S3Failure};

/// Has storage copy ranges of the caller's own available file into parts of an upload with a free layout. A part that it
/// cannot copy, or states no checksum of, has an error of its own, and the client sends it.
pub(crate) async fn copy_parts<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
    request: &CopyPartsRequest,
) -> Result<CopyPartsReply, ApiError> {
    let ticket = Ticket::open(&request.ticket, upload_id, principal, &op.config.auth.keys)?;
    ticket.require_alive(op.cx.now_ms)?;
    if !ticket.has_free_layout {
        return Err(invalid("parts are copied only into an upload with a free layout"));
    }
    if op.config.bucket.checksum != Integrity::Crc64Nvme {
        let detail = "storage here states no crc64nvme, so nothing would prove what it copies";
        return Err(ApiError::new(ErrorCode::StorageRefused, detail));
    }
    check_parts(&request.parts, ticket.plan()?.part_count())?;
    check_room(&request.parts, ticket.size)?;
    let source = own_file(op, principal, &request.from).await?;
    check_ranges(&request.parts, &source.record)?;

    let results = stream::iter(&request.parts)
        .map(|part| copied(op, &ticket, &source, part))
        .buffered(STORAGE_CALLS_AT_ONCE);
    let parts = results.zip(stream::iter(&request.parts)).map(|(result, part)| {
        let (stored, error) = match result {
            Ok(stored) => (Some(stored), None),
            Err(error) => (None, Some(op.problem(error))),
        };
        let (etag, crc64nvme) = stored.unzip();
        CopiedPart {
            part_number: part.part_number,
            etag,
            crc64nvme,
            error,
        }
    });
    Ok(CopyPartsReply {
        parts: parts.collect().await,
    })
}

/// Fails where there are too many parts, one of them twice, or one that cannot be a part. `part_count` is how many the upload
/// may have. Which part is the file's last only its client knows: of these it can be the one with the highest number.
fn check_parts(parts: &[PartToCopy], part_count: u16) -> Result<(), ApiError> {
    if parts.is_empty() || parts.len() > MAX_PARTS_PER_COPY {
        return Err(invalid(format!(
            "a request copies 1 to {MAX_PARTS_PER_COPY} parts"
        )));
    }
    let numbers: BTreeSet<_> = parts.iter().map(|part| part.part_number).collect();
    if numbers.len() < parts.len() {
        return Err(invalid("a part is to be copied twice"));
    }
    for PartToCopy {
        part_number, length, ..
    } in parts
    {
        if part_number.get() > part_count {
            return Err(invalid(format!(
                "there is no part {part_number}: the upload may have {part_count}"
            )));
        }
        let may_be_last = numbers.last() == Some(part_number);
        let least = if may_be_last { 1 } else { MIN_PART_SIZE };
        if !(least..=MAX_PART_SIZE).contains(length) {
            return Err(invalid(format!(
                "part {part_number} would have {length} bytes, not {MIN_PART_SIZE} to {MAX_PART_SIZE}"
            )));
        }
    }
    Ok(())
}

/// Fails where a part has no room in a file of this size after those before it, or all of them together have none: whoever
/// copies sends no bytes, and could fill storage for nothing.
fn check_room(parts: &[PartToCopy], size: u64) -> Result<(), ApiError> {
    let together = parts.iter().map(|part| part.length).fold(0, u64::saturating_add);
    let has_room = |part: &PartToCopy| {
        let before = u64::from(part.part_number.get() - 1).saturating_mul(MIN_PART_SIZE);
        before.saturating_add(part.length) <= size
    };
    match together <= size && parts.iter().all(has_room) {
        true => Ok(()),
        false => Err(invalid(format!(
            "the parts have no room in the {size} bytes of the upload"
        ))),
    }
}

fn check_ranges(parts: &[PartToCopy], source: &FileRecord) -> Result<(), ApiError> {
    let is_within = |part: &PartToCopy| {
        let end = part.offset.checked_add(part.length);
        end.is_some_and(|end| end <= source.size)
    };
    match parts.iter().find(|part| !is_within(part)) {
        None => Ok(()),
        Some(part) => Err(invalid(format!(
            "part {} goes beyond the {} bytes of the file that it is copied from",
            part.part_number, source.size
        ))),
    }
}

/// The ETag and checksum of a part that storage has copied.
async fn copied<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    source: &StoredFile,
    part: &PartToCopy,
) -> Result<(String, Crc64Nvme), ApiError> {
    let storage_upload_id = ticket
        .storage_upload_id
        .as_ref()
        .ok_or_else(|| internal("a multipart upload without its id"))?;
    let copy = PartCopy {
        source: &op.bucket(source.bucket.as_ref()),
        from: &source.key,
        etag: source.record.etag.as_deref(),
        range: PartRange {
            offset: part.offset,
            length: part.length,
        },
        to: &ticket.key,
        storage_upload_id,
        part: part.part_number,
    };
    let copied = op.s3(ticket.bucket.as_ref()).copy_part(&copy).await;
    let copied = copied.map_err(not_copied)?;
    let crc64nvme = copied.crc64nvme.ok_or_else(|| {
        let detail = "storage states no crc64nvme of a part that it has copied";
        ApiError::new(ErrorCode::StorageRefused, detail)
    })?;
    Ok((copied.etag, crc64nvme))
}

/// Why storage has not copied a part.
fn not_copied(failure: S3Failure) -> ApiError {
    match failure {
        S3Failure::NotFound => {
            not_found("storage has the file that it is copied from, or the upload, no longer")
        }
        S3Failure::Refused { status, code }
            if status == StatusCode::PRECONDITION_FAILED || code == "PreconditionFailed" =>
        {
            not_found("the object that it is copied from is another by now")
        }
        failure => failure.into(),
    }
}
