use std::collections::BTreeMap;

use syncsphere_protocol::{
    CompleteRequest, Crc64Nvme, ErrorCode, FileRecord, FileStatus, PartNumber, PartPlan, StoredPart,
    UploadId, UploadKind,
};

use super::chores::sweep;
use super::{Desk, no_such_upload, out_of_turn};
use crate::auth::{Principal, Ticket};
use crate::ledger::{Command, Reply, Upload, UploadPhase};
use crate::ports::{Storage, Workspaces};
use crate::refusal::{Refusal, internal, invalid};
use crate::s3::{PartToComplete, S3Failure, StoredObject};

/// Finalizes an upload, or tells what is missing. The second time answers as the first.
pub(crate) async fn complete<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
    request: &CompleteRequest,
) -> Result<FileRecord, Refusal> {
    let ticket = Ticket::open(&request.ticket, upload_id, principal, &desk.config.auth.keys)?;
    let claims = Claims::of(request, &ticket.plan()?)?;
    let command = Command::Upload {
        upload_id: upload_id.clone(),
    };
    let (upload, file) = upload_and_file(desk.ask(&principal.workspace, command).await?)?;
    match file.status {
        FileStatus::Uploading => finalize(desk, &upload, &claims).await,
        _ => outcome(file),
    }
}

/// What a client says it has sent.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Checksum of the whole file: as told, or as the parts' checksums make it.
    whole: Option<Crc64Nvme>,
    parts: BTreeMap<PartNumber, PartClaim>,
}

/// What a client says of a part.
#[derive(Debug, Default)]
struct PartClaim {
    crc64nvme: Option<Crc64Nvme>,
    /// Without quotes.
    etag: Option<String>,
}

impl Claims {
    /// Of a client that said no more than this.
    pub(super) fn of_whole(whole: Option<Crc64Nvme>) -> Self {
        Self {
            whole,
            ..Self::default()
        }
    }

    fn of(request: &CompleteRequest, plan: &PartPlan) -> Result<Self, Refusal> {
        let mut parts = BTreeMap::new();
        for part in request.parts.as_deref().unwrap_or_default() {
            let claim = PartClaim {
                crc64nvme: part.crc64nvme,
                etag: part.etag.as_deref().map(|etag| unquoted(etag).to_owned()),
            };
            let is_beyond = part.part_number.get() > plan.part_count();
            if is_beyond || parts.insert(part.part_number, claim).is_some() {
                return Err(invalid(
                    "the parts name one twice, or one that the upload does not have",
                ));
            }
        }
        let combined = combine(&parts, plan);
        if differs(request.crc64nvme, combined) {
            return Err(mismatch(
                "the checksum of the whole is not what the parts' checksums make",
            ));
        }
        Ok(Self {
            whole: request.crc64nvme.or(combined),
            parts,
        })
    }

    fn checksum_of(&self, number: PartNumber) -> Option<Crc64Nvme> {
        self.parts.get(&number)?.crc64nvme
    }

    /// Which of the parts that storage lists under one number is the file's: the last one, unless
    /// the client names another that it was told the ETag of.
    fn choose<'a>(&self, number: PartNumber, stored: &'a [StoredPart]) -> Option<&'a StoredPart> {
        let named = self.parts.get(&number).and_then(|claim| claim.etag.as_deref());
        stored
            .iter()
            .rfind(|part| Some(unquoted(&part.etag)) == named)
            .or(stored.last())
    }
}

/// Makes an open upload's file available if storage holds all of it.
///
/// Storage's word decides, not the client's: this is also how a completion that nobody heard the
/// end of is resolved.
pub(super) async fn finalize<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    upload: &Upload,
    claims: &Claims,
) -> Result<FileRecord, Refusal> {
    match (upload.kind, &upload.storage_upload_id) {
        (UploadKind::Single, _) => finalize_single(desk, upload, claims).await,
        (UploadKind::Multipart, Some(id)) => finalize_multipart(desk, upload, id, claims).await,
        (UploadKind::Multipart, None) => Err(internal("an open multipart upload without its id")),
    }
}

async fn finalize_single<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    upload: &Upload,
    claims: &Claims,
) -> Result<FileRecord, Refusal> {
    let whole_file = PartNumber::from_index(0).ok();
    let object = match desk.s3().head(&upload.file.key).await {
        Ok(object) => object,
        Err(S3Failure::NotFound) => return Err(parts_missing(whole_file)),
        Err(failure) => return Err(failure.into()),
    };
    // The object is there but not the right one: it can be sent again.
    if object.size != upload.file.size {
        return Err(wrong_length(whole_file));
    }
    if differs(claims.whole, object.crc64nvme) {
        return Err(mismatch("storage holds other content than the checksum tells").naming(whole_file));
    }
    if claims.whole.is_some() && object.crc64nvme.is_none() {
        let detail = "storage knows no checksum of the file: send it with a URL that was asked for with one";
        return Err(mismatch(detail).naming(whole_file));
    }
    finish(desk, upload, object).await
}

async fn finalize_multipart<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    upload: &Upload,
    storage_upload_id: &str,
    claims: &Claims,
) -> Result<FileRecord, Refusal> {
    let key = &upload.file.key;
    let stored = match desk.s3().parts(key, storage_upload_id).await {
        Ok(stored) => stored,
        // Completed before, or gone: the object tells.
        Err(S3Failure::NotFound) => return finish_assembled(desk, upload, claims).await,
        Err(failure) => return Err(failure.into()),
    };
    let parts = chosen_parts(upload, &stored, claims)?;
    let started = Command::StartCompletion {
        upload_id: upload.upload_id.clone(),
        crc64nvme: claims.whole,
    };
    let (now, file) = upload_and_file(desk.ask(&upload.file.workspace, started).await?)?;
    if now.phase == UploadPhase::Ended {
        return outcome(file);
    }
    match desk
        .s3()
        .complete(key, storage_upload_id, &parts, claims.whole)
        .await
    {
        Ok(()) | Err(S3Failure::NotFound) => finish_assembled(desk, upload, claims).await,
        Err(S3Failure::Refused { code, .. }) if is_about_parts(&code) => {
            let stopped = Command::StopCompletion {
                upload_id: upload.upload_id.clone(),
            };
            desk.ask(&upload.file.workspace, stopped).await?;
            Err(mismatch("storage holds other content than the checksums tell").because(code))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The parts that make the file, or what is wrong with what storage holds.
fn chosen_parts(
    upload: &Upload,
    stored: &[StoredPart],
    claims: &Claims,
) -> Result<Vec<PartToComplete>, Refusal> {
    let plan = plan_of(upload)?;
    let mut chosen = Vec::with_capacity(plan.part_count().into());
    let (mut missing, mut misfits, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    let mut stored = stored.chunk_by(|a, b| a.part_number == b.part_number).peekable();
    for number in plan.part_numbers() {
        let same_number =
            |parts: &&[StoredPart]| parts.first().is_some_and(|part| part.part_number == number);
        let Some(part) = stored
            .next_if(same_number)
            .and_then(|parts| claims.choose(number, parts))
        else {
            missing.push(number);
            continue;
        };
        let claimed = claims.checksum_of(number);
        if plan.range(number).map(|range| range.length) != Some(part.size) {
            misfits.push(number);
        } else if differs(claimed, part.crc64nvme) {
            damaged.push(number);
        } else {
            chosen.push(PartToComplete {
                number,
                etag: part.etag.clone(),
                crc64nvme: claimed.or(part.crc64nvme),
            });
        }
    }
    if !missing.is_empty() {
        Err(parts_missing(missing))
    } else if !misfits.is_empty() {
        Err(wrong_length(misfits))
    } else if !damaged.is_empty() {
        Err(mismatch("storage holds other parts than the checksums tell").naming(damaged))
    } else {
        Ok(chosen)
    }
}

/// Checks the object that storage has assembled, and makes its file available.
async fn finish_assembled<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    upload: &Upload,
    claims: &Claims,
) -> Result<FileRecord, Refusal> {
    let object = match desk.s3().head(&upload.file.key).await {
        Ok(object) => object,
        Err(S3Failure::NotFound) => {
            // Neither upload nor object: whoever removed it, there is nothing to go on with.
            return give_up(desk, upload, gone()).await;
        }
        Err(failure) => return Err(failure.into()),
    };
    if object.size != upload.file.size || differs(claims.whole, object.crc64nvme) {
        let refusal = mismatch("storage has assembled other content than was sent; the upload is lost");
        return give_up(desk, upload, refusal).await;
    }
    finish(desk, upload, object).await
}

async fn finish<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    upload: &Upload,
    object: StoredObject,
) -> Result<FileRecord, Refusal> {
    let command = Command::Finish {
        upload_id: upload.upload_id.clone(),
        etag: object.etag,
        crc64nvme: object.crc64nvme,
    };
    let (_, file) = upload_and_file(desk.ask(&upload.file.workspace, command).await?)?;
    if matches!(file.status, FileStatus::Aborted | FileStatus::Expired) {
        // It was given up while storage was at work. The chore that removes the object is in the
        // ledger since then; this only makes it sooner.
        let _ = desk.s3().delete(&upload.file.key).await;
    }
    outcome(file)
}

/// Ends an upload that cannot be saved, and answers with `refusal` unless it ended otherwise.
async fn give_up<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    upload: &Upload,
    refusal: Refusal,
) -> Result<FileRecord, Refusal> {
    let command = Command::Abort {
        upload_id: upload.upload_id.clone(),
        urls_dead_ms: desk.urls_dead_ms(),
    };
    let Reply::Upload { file, chore, .. } = desk.ask(&upload.file.workspace, command).await? else {
        return Err(no_such_upload());
    };
    if let Some(chore) = chore {
        sweep(desk, &upload.file.workspace, &chore).await;
    }
    match file {
        Some(file) if file.status == FileStatus::Available => Ok(*file),
        _ => Err(refusal),
    }
}

fn upload_and_file(reply: Reply) -> Result<(Upload, FileRecord), Refusal> {
    match reply {
        Reply::Upload {
            upload,
            file: Some(file),
            ..
        } => Ok((*upload, *file)),
        Reply::Upload { file: None, .. } | Reply::Missing => Err(no_such_upload()),
        other => Err(out_of_turn(&other)),
    }
}

/// How an upload that is over is answered.
fn outcome(file: FileRecord) -> Result<FileRecord, Refusal> {
    match file.status {
        FileStatus::Available => Ok(file),
        _ => Err(gone()),
    }
}

/// The whole's checksum where every part's is known.
fn combine(parts: &BTreeMap<PartNumber, PartClaim>, plan: &PartPlan) -> Option<Crc64Nvme> {
    if parts.len() != usize::from(plan.part_count()) {
        return None;
    }
    parts.iter().try_fold(Crc64Nvme::EMPTY, |whole, (number, claim)| {
        Some(whole.followed_by(claim.crc64nvme?, plan.range(*number)?.length))
    })
}

/// ETags travel quoted, and some clients take the quotes off.
fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// Where either is unknown there is nothing to compare.
fn differs(told: Option<Crc64Nvme>, stored: Option<Crc64Nvme>) -> bool {
    matches!((told, stored), (Some(told), Some(stored)) if told != stored)
}

/// Codes by which storage says that parts or checksums are not what Complete told.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
fn is_about_parts(code: &str) -> bool {
    matches!(
        code,
        "BadDigest" | "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "InvalidDigest"
    )
}

fn plan_of(upload: &Upload) -> Result<PartPlan, Refusal> {
    PartPlan::new(upload.file.size, upload.part_size).map_err(|error| internal(error.to_string()))
}

fn parts_missing(parts: impl IntoIterator<Item = PartNumber>) -> Refusal {
    Refusal::new(
        ErrorCode::PartsMissing,
        "storage does not hold all of the file yet",
    )
    .naming(parts)
}

fn wrong_length(parts: impl IntoIterator<Item = PartNumber>) -> Refusal {
    Refusal::new(
        ErrorCode::PartSizeMismatch,
        "storage holds parts of another length than planned",
    )
    .naming(parts)
}

fn mismatch(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::ChecksumMismatch, detail)
}

fn gone() -> Refusal {
    Refusal::new(ErrorCode::UploadGone, "the upload was aborted or has expired")
}
