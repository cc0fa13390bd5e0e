//! Work that the workspace's alarm does: what time or a crash has left behind.

use syncsphere_protocol::{UploadId, UploadKind, WorkspaceId};

use super::Desk;
use super::claims::Claims;
use super::finalize::{finalize, finalize_all};
use super::strays::{self, StrayReport};
use crate::ledger::{Chore, ChoreKind, Command, Reply, Sweep, Upload, UploadMarker, UploadPhase};
use crate::ports::{Storage, Workspaces};
use crate::refusal::Refusal;
use crate::s3::S3Failure;

/// Chores that one alarm carries out. Source: own choice; with a few storage requests each it
/// stays well within an alarm's 15 minutes, and the next alarm follows at once.
const CHORES_AT_ONCE: u32 = 20;

/// Requests to storage that one chore may take: an upload's parts, its completion, its object and the size of that,
/// then its abortion, what else there is of it, and its removal. Source: counted in [`expire`].
const REQUESTS_OF_A_CHORE: u32 = 8;

/// Between the death of the last URL and the last sweep, in milliseconds: a request that storage
/// let in before may still be on its way. Source: own choice.
pub(super) const LAST_BYTES_MS: i64 = 10 * 60 * 1000;

/// Carries out what is due; gives what was found of uploads that no ledger knows. A chore that fails comes back
/// by itself, later each time.
pub(crate) async fn tend<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    workspace: &WorkspaceId,
) -> Option<StrayReport> {
    let mut report = None;
    let taken = Command::TakeChores {
        limit: CHORES_AT_ONCE.min(desk.config.storage_requests() / REQUESTS_OF_A_CHORE),
    };
    let Ok(Reply::Chores { chores }) = desk.ask(workspace, taken).await else {
        return None;
    };
    watch(desk, workspace, &chores).await;
    for chore in &chores {
        match &chore.kind {
            ChoreKind::Sweep(_) => sweep(desk, workspace, chore).await,
            ChoreKind::Resolve { upload_id } => {
                // Every way this can end has been written down by the time it returns.
                let _ = resolve(desk, workspace, upload_id).await;
            }
            ChoreKind::Expire { upload_id } => {
                let _ = expire(desk, workspace, upload_id).await;
            }
            ChoreKind::Strays { after } => {
                report = Some(look_for_strays(desk, workspace, &chore.id, after.as_ref()).await);
            }
            // Looked after before; the ledger does the others by itself.
            ChoreKind::Watch { .. } | ChoreKind::Forget { .. } | ChoreKind::Compact => {}
        }
    }
    report
}

/// Looks for objects whose clients do not tell when they have sent them. What is not there yet is looked for again, and
/// what never comes expires.
async fn watch<S: Storage, W: Workspaces>(desk: &Desk<'_, S, W>, workspace: &WorkspaceId, chores: &[Chore]) {
    let look_ups = chores.iter().filter_map(|chore| match &chore.kind {
        ChoreKind::Watch { upload_id } => Some(Command::Upload {
            upload_id: upload_id.clone(),
        }),
        _ => None,
    });
    let Ok(replies) = desk.ask_all(workspace, look_ups.collect()).await else {
        return;
    };
    let uploads = replies.into_iter().filter_map(|reply| match reply {
        Reply::Upload { upload, .. } if upload.phase != UploadPhase::Ended => {
            Some((*upload, Claims::default()))
        }
        _ => None,
    });
    let uploads: Vec<_> = uploads.collect();
    if !uploads.is_empty() {
        // Every way this can end has been written down by the time it returns.
        let _ = finalize_all(desk, workspace, &uploads).await;
    }
}

/// Looks at one page of the bucket's multipart uploads; the next one is a chore again.
async fn look_for_strays<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    workspace: &WorkspaceId,
    chore_id: &str,
    after: Option<&UploadMarker>,
) -> StrayReport {
    let mut report = StrayReport::default();
    match strays::look(desk, after, &mut report).await {
        Ok(next) => {
            report.is_last = next.is_none();
            let command = match next {
                Some(_) => Command::LookForStrays { after: next },
                None => Command::SettleChore {
                    chore_id: chore_id.to_owned(),
                    again_ms: None,
                },
            };
            // If this is lost, the page is looked at once more.
            let _ = desk.ask(workspace, command).await;
        }
        Err(refusal) => {
            let (problem, cause) = refusal.into_parts();
            report.failure = Some(cause.unwrap_or(problem.detail));
        }
    }
    report
}

/// Removes from storage what a [`Sweep`] names, and settles the chore: it comes back once after
/// the last signed URL has died, since a part may land until then.
///
/// Source: "it might be necessary to stop a given multipart upload multiple times":
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
pub(super) async fn sweep<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    workspace: &WorkspaceId,
    chore: &Chore,
) {
    let ChoreKind::Sweep(what) = &chore.kind else {
        return;
    };
    if remove(desk, what).await.is_err() {
        return;
    }
    let last = what.urls_dead_ms.saturating_add(LAST_BYTES_MS);
    if desk.cx.now_ms >= last && what.is_multipart() {
        // It is over when storage lists nothing any more, not when it says that it has aborted. There may also be
        // one of a request that died before it could write it down.
        match abort_all(desk, &what.key).await {
            Ok(0) => {}
            Ok(_) | Err(_) => return,
        }
    }
    let settled = Command::SettleChore {
        chore_id: chore.id.clone(),
        again_ms: (desk.cx.now_ms < last).then_some(last),
    };
    // If this is lost, the sweep is done once more.
    let _ = desk.ask(workspace, settled).await;
}

/// Aborts every multipart upload that storage lists for a key; gives how many there were.
async fn abort_all<S: Storage, W>(desk: &Desk<'_, S, W>, key: &str) -> Result<usize, S3Failure> {
    let uploads = desk.s3().uploads_of(key).await?;
    for upload in &uploads {
        abort(desk, key, upload).await?;
    }
    Ok(uploads.len())
}

/// Aborts a multipart upload; one that is not there is aborted already.
pub(super) async fn abort<S: Storage, W>(
    desk: &Desk<'_, S, W>,
    key: &str,
    upload: &str,
) -> Result<(), S3Failure> {
    match desk.s3().abort(key, upload).await {
        Ok(()) | Err(S3Failure::NotFound) => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn remove<S: Storage, W>(desk: &Desk<'_, S, W>, what: &Sweep) -> Result<(), S3Failure> {
    if let Some(upload) = &what.storage_upload_id {
        abort(desk, &what.key, upload).await?;
    }
    if what.stray_uploads {
        abort_all(desk, &what.key).await?;
    }
    match desk.s3().delete(&what.key).await {
        Ok(()) | Err(S3Failure::NotFound) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Finds out how a completion went that was not heard of again, and whether an object is there that nobody tells of.
/// Whether that is known now: it is not while storage does not answer.
async fn resolve<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
) -> Result<bool, Refusal> {
    let upload_id = upload_id.clone();
    let command = Command::Upload {
        upload_id: upload_id.clone(),
    };
    let reply = desk.ask(workspace, command).await?;
    let Reply::Upload { upload, .. } = reply else {
        return Ok(true);
    };
    if is_watched(&upload) {
        let looked = finalize(desk, *upload, Claims::default()).await;
        if looked.is_err_and(|refusal| refusal.code().is_retryable()) {
            return Ok(false);
        }
    } else if let UploadPhase::Completing { crc64nvme } = upload.phase {
        let finalized = finalize(desk, *upload, Claims::of_whole(crc64nvme)).await;
        if finalized.is_err_and(|refusal| refusal.code().is_retryable()) {
            return Ok(false);
        }
        // Available, given up, or in want of parts: whichever, nobody is completing it any more.
        desk.ask(workspace, Command::StopCompletion { upload_id }).await?;
    }
    Ok(true)
}

/// Whether an object may be there without anybody having said so.
fn is_watched(upload: &Upload) -> bool {
    upload.kind == UploadKind::Single && upload.open_end.is_some() && upload.phase == UploadPhase::Open
}

async fn expire<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    workspace: &WorkspaceId,
    upload_id: &UploadId,
) -> Result<(), Refusal> {
    // A completion on its way goes first, so that no finished file is thrown away. Where its end
    // cannot be known yet, this chore comes back.
    if !resolve(desk, workspace, upload_id).await? {
        return Ok(());
    }
    let command = Command::Expire {
        upload_id: upload_id.clone(),
        urls_dead_ms: desk.urls_dead_ms(),
    };
    if let Reply::Upload {
        chore: Some(chore), ..
    } = desk.ask(workspace, command).await?
    {
        sweep(desk, workspace, &chore).await;
    }
    Ok(())
}
