//! Work that the workspace's alarm does: what time or a crash has left behind.

use syncsphere_protocol::{ErrorCode, UploadId, UploadKind, WorkspaceId};

use super::absence;
use super::cleanup::sweep;
use super::expiry::expire;
use super::finalize::{finalize, finalize_all};
use super::operation_context::OperationContext;
use super::orphans::{self, OrphanReport};
use super::reported_parts::ReportedParts;
use super::unattended::{self, Look};
use crate::api_error::ApiError;
use crate::ledger::{Command, Job, JobKind, Reply, Upload, UploadMarker, UploadPhase};
use crate::ports::{Storage, Workspaces};
use crate::s3::S3Failure;

/// Jobs that one alarm carries out. Source: own choice; with a few storage requests each it
/// stays well within an alarm's 15 minutes, and the next alarm follows at once.
const JOBS_AT_ONCE: u32 = 20;

/// Requests to storage that one job may take: an upload's parts, three times, its completion, its object and the size of
/// that, then its abortion, what else there is of it, and its removal. Source: counted in [`resolve_and_expire`]; lists of
/// parts may have more pages, and what finds no requests left comes back.
const REQUESTS_OF_A_JOB: u32 = 10;

/// Carries out what is due; gives what was found of uploads that no ledger knows. A job that fails comes back
/// by itself, later each time.
pub(crate) async fn run_due_jobs<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
) -> Option<OrphanReport> {
    let mut report = None;
    let taken = Command::TakeJobs {
        limit: JOBS_AT_ONCE.min(op.config.storage_requests() / REQUESTS_OF_A_JOB),
    };
    let Ok(Reply::Jobs { jobs }) = op.ask(workspace, taken).await else {
        return None;
    };
    watch(op, workspace, &jobs).await;
    for job in &jobs {
        match &job.kind {
            JobKind::Sweep(_) => sweep(op, workspace, job).await,
            JobKind::Resolve { upload_id } => {
                // Every way this can end has been written down by the time it returns.
                let _ = resolve(op, workspace, upload_id).await;
            }
            JobKind::Expire { upload_id } => {
                let _ = resolve_and_expire(op, workspace, upload_id).await;
            }
            JobKind::Orphans { after } => {
                report = Some(look_for_orphans(op, workspace, job, after.as_ref()).await);
            }
            // Looked after before; the ledger does the others by itself.
            JobKind::Watch { .. } | JobKind::Forget { .. } | JobKind::Compact | JobKind::Retain { .. } => {}
        }
    }
    report
}

/// Looks for objects whose clients do not tell when they have sent them. What is not there yet is looked for again, and
/// what never comes expires.
async fn watch<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    jobs: &[Job],
) {
    let look_ups = jobs.iter().filter_map(|job| match &job.kind {
        JobKind::Watch { upload_id } => Some(Command::Upload {
            upload_id: upload_id.clone(),
        }),
        _ => None,
    });
    let Ok(replies) = op.ask_all(workspace, look_ups.collect()).await else {
        return;
    };
    let uploads = replies.into_iter().filter_map(|reply| match reply {
        Reply::Upload { upload, .. } if upload.phase != UploadPhase::Ended => {
            Some((*upload, ReportedParts::default()))
        }
        _ => None,
    });
    let uploads: Vec<_> = uploads.collect();
    if !uploads.is_empty() {
        // Every way this can end has been written down by the time it returns.
        let _ = finalize_all(op, workspace, &uploads).await;
    }
}

/// Looks at one page of the bucket's multipart uploads; the next one is a job again.
async fn look_for_orphans<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    job: &Job,
    after: Option<&UploadMarker>,
) -> OrphanReport {
    let mut report = OrphanReport::default();
    match orphans::look(op, after, job.attempts, &mut report).await {
        Ok(next) => {
            report.is_last = next.is_none();
            let command = match next {
                Some(_) => Command::LookForOrphans { after: next },
                None => Command::SettleJob {
                    job_id: job.id.clone(),
                    again_ms: None,
                },
            };
            // If this is lost, the page is looked at once more.
            let _ = op.ask(workspace, command).await;
        }
        Err(error) => {
            let (problem, cause) = error.into_parts();
            report.failure = Some(cause.unwrap_or(problem.detail));
        }
    }
    report
}

/// Finds out how a completion went that was not heard of again, and whether an object is there that nobody tells of.
/// Whether that is known now: it is not while storage does not answer.
async fn resolve<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
) -> Result<bool, ApiError> {
    match op.upload(workspace, upload_id).await? {
        Some(upload) => resolve_upload(op, workspace, upload).await,
        None => Ok(true),
    }
}

async fn resolve_upload<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    upload: Upload,
) -> Result<bool, ApiError> {
    let upload_id = upload.upload_id.clone();
    if is_watched(&upload) {
        let looked = finalize(op, upload.clone(), ReportedParts::default()).await;
        return match looked {
            // What nobody tells of is not thrown away for one answer that may not be storage's.
            Err(error) if error.code() == ErrorCode::PartsMissing => absence::is_proven(op, &upload).await,
            Err(error) => Ok(!error.code().is_retryable()),
            Ok(_) => Ok(true),
        };
    }
    if upload.phase == UploadPhase::Open && upload.absent_since_ms.is_some() {
        return resolve_absence(op, workspace, upload).await;
    }
    if let UploadPhase::Completing { .. } = upload.phase {
        let reported = ReportedParts::of_completion(upload.phase);
        match finalize(op, upload, reported).await.map_err(|error| error.code()) {
            Err(code) if code.is_retryable() => return Ok(false),
            // What was stated is not proven, and is not to be forgotten while the upload lasts.
            Err(ErrorCode::ChecksumMismatch) => return Ok(true),
            Ok(_) | Err(_) => {}
        }
        // Available, given up, or in want of parts: whichever, nobody is completing it any more.
        op.ask(workspace, Command::StopCompletion { upload_id }).await?;
    }
    Ok(true)
}

/// Looks again for a multipart upload that storage did not show; the same answer as [`resolve`]'s.
async fn resolve_absence<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    upload: Upload,
) -> Result<bool, ApiError> {
    let Some(storage_upload_id) = &upload.storage_upload_id else {
        return Ok(true);
    };
    let s3 = op.s3(upload.file.bucket.as_ref());
    match s3.parts(&upload.file.key, storage_upload_id).await {
        Err(S3Failure::NotFound) => {
            let looked = finalize(op, upload, ReportedParts::default()).await;
            Ok(!looked.is_err_and(|error| error.code().is_retryable()))
        }
        Ok(_) => {
            let upload_id = upload.upload_id;
            op.ask(workspace, Command::StopCompletion { upload_id }).await?;
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

/// Whether an object may be there without anybody having said so.
fn is_watched(upload: &Upload) -> bool {
    upload.kind == UploadKind::Single && upload.deferred_length.is_some() && upload.phase == UploadPhase::Open
}

async fn resolve_and_expire<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
) -> Result<(), ApiError> {
    let mut look_again_ms = None;
    if let Some(upload) = op.upload(workspace, upload_id).await? {
        // What storage holds goes first, so that no finished file is thrown away. Where that
        // cannot be known yet, this job comes back.
        if !resolve_upload(op, workspace, upload.clone()).await? {
            return Ok(());
        }
        match unattended::look(op, &upload).await {
            Look::Unknown => return Ok(()),
            Look::Over => {}
            Look::Again(again_ms) => look_again_ms = Some(again_ms),
        }
    }
    expire(op, workspace, upload_id, look_again_ms).await
}
