use std::time::Duration;

use syncsphere_protocol::{
    Checksum, Crc64Nvme, ErrorCode, Integrity, MAX_PART_SIZE, MAX_PARTS_PER_SIGNING, PartPlan, PartToSign,
    Redacted, SignPartsReply, SignPartsRequest, SignedPart, StringMap, Timestamp, UploadId, UploadKind,
    WorkspaceId,
};

use super::errors::upload_and_file;
use super::operation_context::OperationContext;
use super::unattended::unattended_from_ms;
use crate::api_error::{ApiError, internal, invalid};
use crate::auth::{Principal, Ticket};
use crate::ledger::{Command, UploadPhase};
use crate::policy;
use crate::ports::Workspaces;
use crate::s3::{Length, PartUpload, SingleUpload};

/// URLs for parts of an open upload. Asks storage nothing, and the ledger only where a URL could replace a whole file:
/// storage takes no parts of a multipart upload that has ended, but an object at any time.
pub(crate) async fn sign_parts<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
    request: &SignPartsRequest,
) -> Result<SignPartsReply, ApiError> {
    let ticket = Ticket::open(&request.ticket, upload_id, principal, &op.config.auth.keys)?;
    ticket.require_alive(op.cx.now_ms)?;
    if request.parts.is_empty() || request.parts.len() > MAX_PARTS_PER_SIGNING {
        return Err(invalid(format!(
            "a request asks for URLs of 1 to {MAX_PARTS_PER_SIGNING} parts"
        )));
    }
    check_parts(&request.parts, &ticket.plan()?, ticket.is_streamed())?;
    check_checksums(&request.parts, ticket.has_free_layout)?;
    if !request
        .parts
        .iter()
        .all(|part| is_proven(op.config.bucket.checksum, part))
    {
        return Err(other_checksums(op.config.bucket.checksum));
    }
    // Without the size, or the plan, there is no telling when storage holds all of it.
    let is_planned = !ticket.is_streamed() && !ticket.has_free_layout;
    let can_be_noted = op.config.bucket.checksum == Integrity::Crc64Nvme && is_planned;
    let whole = request.crc64nvme.filter(|_| can_be_noted);
    match ticket.kind {
        UploadKind::Single => require_open(op, &principal.workspace, upload_id, whole).await?,
        UploadKind::Multipart => {
            // What is not written down is only that the file could become available without its page.
            if let Some(crc64nvme) = whole {
                let note = note_checksum(op, upload_id, crc64nvme);
                let _ = op.ask(&principal.workspace, note).await;
            }
        }
    }
    Ok(SignPartsReply {
        urls: sign(op, &ticket, &request.parts)?,
    })
}

/// Refuses an upload that has ended, in whichever way; of any other, writes down what the whole has to be.
async fn require_open<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
    whole: Option<Crc64Nvme>,
) -> Result<(), ApiError> {
    let command = match whole {
        Some(crc64nvme) => note_checksum(op, upload_id, crc64nvme),
        None => Command::Upload {
            upload_id: upload_id.clone(),
        },
    };
    let (upload, _) = upload_and_file(op.ask(workspace, command).await?)?;
    if matches!(upload.phase, UploadPhase::Ended) {
        return Err(ApiError::new(ErrorCode::UploadGone, "the upload has ended"));
    }
    Ok(())
}

fn note_checksum<S, W>(
    op: &OperationContext<'_, S, W>,
    upload_id: &UploadId,
    crc64nvme: Crc64Nvme,
) -> Command {
    Command::NoteChecksum {
        upload_id: upload_id.clone(),
        crc64nvme,
        unattended_from_ms: unattended_from_ms(op),
    }
}

/// Whether storage proves what the client states of a part, if it states anything.
pub(super) fn is_proven(by: Integrity, part: &PartToSign) -> bool {
    match by {
        Integrity::Crc64Nvme => part.md5.is_none() || part.crc64nvme.is_some(),
        Integrity::Md5 => part.crc64nvme.is_none() || part.md5.is_some(),
        Integrity::None => part.crc64nvme.is_none() && part.md5.is_none(),
    }
}

/// The client states checksums that storage does not prove.
pub(super) fn other_checksums(by: Integrity) -> ApiError {
    invalid(match by {
        Integrity::Crc64Nvme => "storage here proves content by crc64nvme, not by md5",
        Integrity::Md5 => "storage here proves content by md5, not by crc64nvme",
        Integrity::None => "storage here proves no checksums: upload without them (integrity: \"none\")",
    })
}

fn stated(by: Integrity, part: &PartToSign) -> Option<Checksum> {
    match by {
        Integrity::Crc64Nvme => part.crc64nvme.map(Checksum::Crc64Nvme),
        Integrity::Md5 => part.md5.map(Checksum::Md5),
        Integrity::None => None,
    }
}

/// After this long, in milliseconds, parts take their turns at other addresses of storage.
///
/// Source: own choice; longer than a page takes to ask for its first URLs, shorter than its longest wait for an answer
/// that does not come.
const ENDPOINT_ROTATION_MS: i64 = 2_000;

/// One URL for each part, in the order asked. The parts have been checked against the plan.
pub(crate) fn sign<S, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    parts: &[PartToSign],
) -> Result<Vec<SignedPart>, ApiError> {
    let now_ms = op.cx.now_ms;
    // A URL never outlives what its upload may, but storage takes no lifetime below a second.
    let lifetime_ms = ticket
        .expires_ms
        .saturating_sub(now_ms)
        .clamp(1_000, op.config.url_ttl_ms());
    let lifetime = Duration::from_secs(u64::try_from(lifetime_ms / 1_000).unwrap_or(1));
    // Signatures name the full second, so the URL dies up to a second sooner than it seems.
    let expires_ms = (now_ms.div_euclid(1_000) + lifetime_ms / 1_000).saturating_mul(1_000);
    let plan = ticket.plan()?;
    let bucket = op.bucket(ticket.bucket.as_ref());
    // Parts take turns over several requests too, or one address would get more of them than it has connections; but not
    // for long, so that a part that failed at one address soon gets another.
    // Counted back from the upload's end, so that none of its first parts sees them change.
    let left_ms = ticket.expires_ms.saturating_sub(now_ms).saturating_sub(1);
    let round = left_ms.div_euclid(ENDPOINT_ROTATION_MS).unsigned_abs() & 0xff;
    let first_endpoint =
        ticket.key.bytes().map(usize::from).sum::<usize>() + usize::try_from(round).unwrap_or(0);
    parts
        .iter()
        .map(|part| {
            let length = match ticket.deferred_length {
                Some(deferred_length) => Length::UpTo(deferred_length.max_size),
                None if ticket.has_free_layout => Length::UpTo(MAX_PART_SIZE),
                None => plan
                    .range(part.part_number)
                    .map(|range| Length::Exactly(range.length))
                    .ok_or_else(|| internal("a part outside its plan"))?,
            };
            let endpoint_index = first_endpoint + usize::from(part.part_number.get());
            let signed = match (ticket.kind, &ticket.storage_upload_id) {
                (UploadKind::Single, _) => {
                    let upload = SingleUpload {
                        key: &ticket.key,
                        is_staged: ticket.is_staged,
                        length,
                        checksum: stated(bucket.checksum, part),
                        // Clients whose files have no size when they begin are Uppy's, which know forms.
                        takes_form: ticket.forms || ticket.deferred_length.is_some(),
                        content_type: &ticket.content_type,
                        endpoint_index,
                    };
                    bucket.presign_single(&upload, lifetime, now_ms)
                }
                (UploadKind::Multipart, Some(storage_upload_id)) => {
                    let upload = PartUpload {
                        key: &ticket.key,
                        storage_upload_id,
                        part: part.part_number,
                        length,
                        checksum: stated(bucket.checksum, part),
                        endpoint_index,
                    };
                    bucket.presign_part(&upload, lifetime, now_ms)
                }
                (UploadKind::Multipart, None) => return Err(internal("a multipart upload without its id")),
            };
            let signed = signed.map_err(|failure| internal(failure.to_string()))?;
            Ok(SignedPart {
                part_number: part.part_number,
                method: signed.method.to_owned(),
                url: Redacted(signed.url),
                headers: named(signed.headers),
                fields: named(signed.fields),
                expires_at: Timestamp::from_unix_millis(expires_ms),
                expires_in: u64::try_from((expires_ms - now_ms) / 1_000).unwrap_or(0),
            })
        })
        .collect()
}

fn named<V: From<String>>(pairs: Vec<(&'static str, String)>) -> StringMap<V> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// Fails where a part is asked for twice or the plan has no such part; where that is the largest file's, it has grown too
/// large.
pub(super) fn check_parts(
    parts: &[PartToSign],
    plan: &PartPlan,
    is_of_largest: bool,
) -> Result<(), ApiError> {
    let mut numbers: Vec<_> = parts.iter().map(|part| part.part_number).collect();
    numbers.sort_unstable();
    if let Some(beyond) = numbers.last().filter(|last| last.get() > plan.part_count()) {
        if is_of_largest {
            return Err(policy::too_large(plan.size()));
        }
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

/// Fails where a part of a file that the client cuts comes without its checksum: no length holds it to anything.
pub(super) fn check_checksums(parts: &[PartToSign], has_free_layout: bool) -> Result<(), ApiError> {
    match has_free_layout && parts.iter().any(|part| part.crc64nvme.is_none()) {
        true => Err(invalid("a part of a free layout is asked for with its crc64nvme")),
        false => Ok(()),
    }
}
