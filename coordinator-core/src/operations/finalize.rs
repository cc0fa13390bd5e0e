use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use syncsphere_protocol::{
    Crc64Nvme, ErrorCode, FileRecord, FileStatus, PartNumber, StorageCode, UploadKind, WorkspaceId,
};

use super::absence;
use super::cleanup::sweep;
use super::errors::{
    gone, mismatch, no_such_upload, outcome, over_quota, parts_missing, upload_and_file, wrong_length,
};
use super::operation_context::{OperationContext, STORAGE_CALLS_AT_ONCE};
use super::part_selection::{parts_of_file, plan_of};
use super::reported_parts::{Doubt, NO_CHECKSUM, ReportedParts, Whole};
use super::staging::put_in_place;
use crate::api_error::{ApiError, internal};
use crate::ledger::{Command, Reply, Upload, UploadPhase};
use crate::model::BucketName;
use crate::policy;
use crate::ports::{Storage, Workspaces};
use crate::s3::{Completed, S3Failure, StoredObject};

/// Makes an open upload's file available if storage holds all of it.
///
/// Storage's word decides, not the client's: this is also how a completion that nobody heard the
/// end of is resolved.
pub(super) async fn finalize<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: Upload,
    reported: ReportedParts,
) -> Result<FileRecord, ApiError> {
    let workspace = upload.file.workspace.clone();
    let finalized = finalize_all(op, &workspace, &[(upload, reported)]).await?;
    let only = finalized.into_iter().next();
    only.unwrap_or_else(|| Err(internal("no result for an upload")))
}

/// The same for several uploads of one workspace, with one result each. All that storage holds
/// become available in one transaction, in the order given.
pub(super) async fn finalize_all<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    uploads: &[(Upload, ReportedParts)],
) -> Result<Vec<Result<FileRecord, ApiError>>, ApiError> {
    let found: Vec<Result<Found, ApiError>> = stream::iter(uploads)
        .map(|(upload, reported)| find_whole(op, upload, reported))
        .buffered(STORAGE_CALLS_AT_ONCE)
        .collect()
        .await;
    let commands = uploads.iter().zip(&found);
    let commands = commands
        .filter_map(|((upload, reported), found)| last_word(upload, reported, found, op.urls_dead_ms()));
    let mut replies = op.ask_all(workspace, commands.collect()).await?.into_iter();
    let mut results = Vec::with_capacity(uploads.len());
    for ((upload, reported), found) in uploads.iter().zip(found) {
        let told = match last_word(upload, reported, &found, op.urls_dead_ms()) {
            None => None,
            Some(_) => replies.next(),
        };
        results.push((upload, result(found, told)));
    }
    remove_leftovers(op, &results).await;
    let outcomes = results.into_iter().map(|(_, result)| result.and_then(outcome));
    Ok(outcomes.collect())
}

/// What became of the search for an upload's object.
enum Found {
    /// Storage holds the whole of it, as it should be.
    Object(StoredObject),
    /// Somebody else has ended the upload, well.
    Ended(Box<FileRecord>),
}

/// What the ledger is asked once storage has answered.
fn last_word(
    upload: &Upload,
    reported: &ReportedParts,
    found: &Result<Found, ApiError>,
    urls_dead_ms: i64,
) -> Option<Command> {
    let upload_id = upload.upload_id.clone();
    match found {
        Ok(Found::Object(object)) => Some(Command::Finish {
            upload_id,
            etag: object.etag.clone(),
            crc64nvme: object.crc64nvme,
            // What the parts' digests make is no digest of the content.
            md5: reported.whole.md5.filter(|_| upload.kind == UploadKind::Single),
            urls_dead_ms,
        }),
        // Whoever gave the upload up meanwhile has removed its bytes.
        Err(error) if error.code() == ErrorCode::PartsMissing => Some(Command::Upload { upload_id }),
        Ok(Found::Ended(_)) | Err(_) => None,
    }
}

fn result(found: Result<Found, ApiError>, told: Option<Reply>) -> Result<FileRecord, ApiError> {
    let told = told.map(upload_and_file).transpose()?.map(|(_, file)| file);
    match (found, told) {
        (Ok(Found::Object(_)), Some(file)) => Ok(file),
        (Ok(Found::Object(_)), None) => Err(internal("fewer answers than commands")),
        (Ok(Found::Ended(file)), _) => Ok(*file),
        (Err(_), Some(file)) if file.status != FileStatus::Uploading => Ok(file),
        (Err(error), _) => Err(error),
    }
}

async fn find_whole<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    reported: &ReportedParts,
) -> Result<Found, ApiError> {
    match (upload.kind, &upload.storage_upload_id) {
        (UploadKind::Single, _) => find_single(op, upload, reported).await,
        (UploadKind::Multipart, Some(id)) => assemble(op, upload, id, reported).await,
        (UploadKind::Multipart, None) => Err(internal("an open multipart upload without its id")),
    }
}

async fn find_single<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    reported: &ReportedParts,
) -> Result<Found, ApiError> {
    let whole_file = PartNumber::from_index(0).ok();
    let object = match op.s3(upload.file.bucket.as_ref()).head(upload.sent_to()).await {
        Ok(object) => object,
        Err(S3Failure::BareNotFound) => return Err(parts_missing(whole_file)),
        Err(failure) => return Err(failure.into()),
    };
    if upload.deferred_length.is_some() {
        return Ok(match start(op, upload, object.size, Whole::default()).await? {
            Started::Going(_) => Found::Object(put_in_place(op, upload, object).await?),
            Started::Over(found) => found,
        });
    }
    // The object is there but not the right one: it can be sent again.
    if object.size != upload.file.size {
        return Err(wrong_length(whole_file));
    }
    match reported.whole.doubt_of(&object, upload.kind, 1) {
        None => Ok(Found::Object(put_in_place(op, upload, object).await?)),
        Some(Doubt::Differs) => {
            Err(mismatch("storage holds other content than the checksum tells").naming(whole_file))
        }
        Some(Doubt::Unknown(why)) => Err(mismatch(why).naming(whole_file)),
    }
}

async fn assemble<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    storage_upload_id: &str,
    reported: &ReportedParts,
) -> Result<Found, ApiError> {
    let key = &upload.file.key;
    let s3 = op.s3(upload.file.bucket.as_ref());
    let stored = match s3.parts(key, storage_upload_id).await {
        Ok(stored) => stored,
        // Completed before, or gone: the object tells.
        Err(S3Failure::NotFound) => {
            let found = find_assembled(op, &known_now(op, upload).await?, reported, None).await?;
            return match found {
                // There are no parts any more that could prove what was said of some of them.
                Found::Object(_) if reported.states_parts_only() => Err(mismatch(NO_CHECKSUM)),
                found => Ok(found),
            };
        }
        Err(failure) => return Err(failure.into()),
    };
    let (parts, size) = parts_of_file(upload, &stored, reported)?;
    let now = match is_found_anyway(upload, reported.whole) {
        true => Box::new(upload.clone()),
        false => match start(op, upload, size, reported.whole).await? {
            Started::Going(now) => now,
            Started::Over(found) => return Ok(found),
        },
    };
    match s3
        .complete(key, storage_upload_id, &parts, size, reported.whole.crc64nvme)
        .await
    {
        Ok(completed) => match proven(reported.whole, size, &completed) {
            Some(object) => Ok(Found::Object(object)),
            None => find_assembled(op, &now, reported, completed.crc64nvme).await,
        },
        Err(S3Failure::NotFound) => find_assembled(op, &now, reported, None).await,
        Err(S3Failure::Refused { code, status }) => {
            let stopped = Command::StopCompletion {
                upload_id: upload.upload_id.clone(),
            };
            op.ask(&upload.file.workspace, stopped).await?;
            Err(refused_completion(code, status))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The object, where storage has proven it by the answer to its completion: it states the checksum that the whole has to have.
/// It was made of parts that storage listed in their lengths, named by the ETags of that list, so `size` is theirs.
fn proven(whole: Whole, size: u64, completed: &Completed) -> Option<StoredObject> {
    let stated = completed
        .crc64nvme
        .filter(|_| completed.crc64nvme == whole.crc64nvme)?;
    Some(StoredObject {
        size,
        etag: completed.etag.clone()?,
        crc64nvme: Some(stated),
        // Nothing is to be read out of the ETag.
        has_digest_etag: false,
    })
}

/// Whether the alarm finds out how the completion of an open upload went without being told of it: it looks after the
/// upload already, and knows what the whole has to be.
fn is_found_anyway(upload: &Upload, whole: Whole) -> bool {
    let is_as_noted = upload.crc64nvme.is_some() && upload.crc64nvme == whole.crc64nvme;
    is_as_noted
        && upload.unattended_from_ms.is_some()
        && upload.phase == UploadPhase::Open
        && upload.absent_since_ms.is_none()
        && upload.deferred_length.is_none()
}

/// Whether storage may be asked now.
enum Started {
    /// It may; this is the upload as the ledger has it.
    Going(Box<Upload>),
    /// The upload has ended, or had before.
    Over(Found),
}

/// Writes down that storage is being asked, and of an upload of unknown size what it comes to. One that comes to more than
/// its owner may have is given up.
async fn start<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    size: u64,
    whole: Whole,
) -> Result<Started, ApiError> {
    if let Some(deferred_length) = upload.deferred_length
        && size > deferred_length.max_size
    {
        let error = policy::too_large(deferred_length.max_size);
        return give_up(op, upload, error).await.map(Started::Over);
    }
    let command = Command::StartCompletion {
        upload_id: upload.upload_id.clone(),
        crc64nvme: whole.crc64nvme,
        md5: whole.md5,
        size: upload.deferred_length.map(|_| size),
    };
    let reply = op.ask(&upload.file.workspace, command).await?;
    if matches!(reply, Reply::OverQuota) {
        return give_up(op, upload, over_quota()).await.map(Started::Over);
    }
    let (now, file) = upload_and_file(reply)?;
    if now.phase == UploadPhase::Ended {
        return outcome(file).map(|file| Started::Over(Found::Ended(Box::new(file))));
    }
    if now.file.size != size {
        let detail = "the upload is being completed with other parts";
        return Err(ApiError::new(ErrorCode::Conflict, detail));
    }
    Ok(Started::Going(Box::new(now)))
}

/// The upload as the ledger has it now, where that can be another than before.
async fn known_now<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Result<Upload, ApiError> {
    if upload.deferred_length.is_none() {
        return Ok(upload.clone());
    }
    // Its size is written down by whoever completes it.
    let command = Command::Upload {
        upload_id: upload.upload_id.clone(),
    };
    let (now, _) = upload_and_file(op.ask(&upload.file.workspace, command).await?)?;
    Ok(now)
}

/// The object that storage has assembled, if it is what was sent. `told` is the checksum that it named on completion, which
/// some name nowhere else.
async fn find_assembled<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    reported: &ReportedParts,
    told: Option<Crc64Nvme>,
) -> Result<Found, ApiError> {
    let mut object = match op.s3(upload.file.bucket.as_ref()).head(&upload.file.key).await {
        Ok(object) => object,
        // Neither upload nor object: whoever removed it, there is nothing to go on with.
        Err(S3Failure::BareNotFound) if absence::is_proven(op, upload).await? => {
            return give_up(op, upload, gone()).await;
        }
        Err(S3Failure::BareNotFound) => return Err(absence::not_proven()),
        Err(failure) => return Err(failure.into()),
    };
    object.crc64nvme = object.crc64nvme.or(told);
    // What cuts as it likes may make no plan; of that no digests are stated.
    let part_count = plan_of(upload).map_or(0, |plan| plan.part_count());
    let doubt = match object.size == upload.file.size {
        true => reported.whole.doubt_of(&object, upload.kind, part_count),
        false => Some(Doubt::Differs),
    };
    match doubt {
        None => Ok(Found::Object(object)),
        Some(Doubt::Differs) => {
            let error = mismatch("storage has assembled other content than was sent; the upload is lost");
            give_up(op, upload, error).await
        }
        // It may be whole all the same, so it is not removed before the upload expires.
        Some(Doubt::Unknown(why)) => Err(mismatch(why)),
    }
}

/// Removes what the end of uploads has left in storage, by one request for each bucket. Jobs in the ledger do it again, for
/// what this leaves and for what is sent there yet: this only makes it sooner.
async fn remove_leftovers<S: Storage, W>(
    op: &OperationContext<'_, S, W>,
    results: &[(&Upload, Result<FileRecord, ApiError>)],
) {
    let mut leftovers: BTreeMap<Option<&BucketName>, Vec<&str>> = BTreeMap::new();
    for (upload, result) in results {
        let key = match result.as_ref().map(|file| file.status) {
            // It was given up while storage was at work.
            Ok(FileStatus::Aborted | FileStatus::Expired) => Some(&upload.file.key),
            // It has been copied.
            Ok(FileStatus::Available) => upload.staging_key.as_ref(),
            Ok(FileStatus::Uploading | FileStatus::Deleted) | Err(_) => None,
        };
        if let Some(key) = key {
            leftovers
                .entry(upload.file.bucket.as_ref())
                .or_default()
                .push(&key.0);
        }
    }
    for (bucket, keys) in leftovers {
        let _ = op.s3(bucket).delete_all(&keys).await;
    }
}

/// Ends an upload that cannot be saved, and answers with `refusal` unless it ended otherwise.
async fn give_up<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
    error: ApiError,
) -> Result<Found, ApiError> {
    let command = Command::Abort {
        upload_id: upload.upload_id.clone(),
        urls_dead_ms: op.urls_dead_ms(),
    };
    let Reply::Upload { file, job, .. } = op.ask(&upload.file.workspace, command).await? else {
        return Err(no_such_upload());
    };
    if let Some(job) = job {
        sweep(op, &upload.file.workspace, &job).await;
    }
    match file {
        Some(file) if file.status == FileStatus::Available => Ok(Found::Ended(file)),
        _ => Err(error),
    }
}

/// Why storage does not assemble the parts. Those that it lists are not always those that it has: where one is sent again
/// and the connection breaks, Garage lists the old one and refuses both. Sent once more it is in order.
fn refused_completion(code: String, status: StatusCode) -> ApiError {
    match StorageCode::of(&code) {
        Some(StorageCode::PartsDiffer) => ApiError::new(
            ErrorCode::PartsMissing,
            format!("storage does not assemble the parts that it lists ({code}): one that was sent again has to be sent once more"),
        )
        .because(code),
        Some(StorageCode::Damaged) => {
            mismatch("storage holds other content than the checksums tell").because(code)
        }
        _ => S3Failure::Refused { status, code }.into(),
    }
}
