//! Removes from storage what belongs to no file.

use syncsphere_protocol::WorkspaceId;

use super::operation_context::OperationContext;
use crate::ledger::{Command, Job, JobKind, Sweep};
use crate::ports::{Storage, Workspaces};
use crate::s3::{S3, S3Failure};

/// Between the death of the last URL and the last sweep, in milliseconds: a request that storage
/// let in before may still be on its way. Source: own choice.
pub(super) const LATE_WRITE_GRACE_MS: i64 = 10 * 60 * 1000;

/// Removes from storage what a [`Sweep`] names, and settles the job: it comes back once after
/// the last signed URL has died, since a part may land until then.
///
/// Source: "it might be necessary to stop a given multipart upload multiple times":
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
pub(super) async fn sweep<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    job: &Job,
) {
    let JobKind::Sweep(what) = &job.kind else {
        return;
    };
    if remove(op, what).await.is_err() {
        return;
    }
    let last = what.urls_dead_ms.saturating_add(LATE_WRITE_GRACE_MS);
    if op.cx.now_ms >= last && what.is_multipart() {
        // It is over when storage lists nothing any more, not when it says that it has aborted. There may also be
        // one of a request that died before it could write it down.
        match abort_all(&op.s3(what.bucket.as_ref()), &what.key).await {
            Ok(0) => {}
            Ok(_) | Err(_) => return,
        }
    }
    let settled = Command::SettleJob {
        job_id: job.id.clone(),
        again_ms: (op.cx.now_ms < last).then_some(last),
    };
    // If this is lost, the sweep is done once more.
    let _ = op.ask(workspace, settled).await;
}

/// Aborts every multipart upload that storage lists for a key; gives how many there were.
async fn abort_all<S: Storage>(s3: &S3<'_, S>, key: &str) -> Result<usize, S3Failure> {
    let uploads = s3.uploads_of(key).await?;
    for upload in &uploads {
        abort(s3, key, upload).await?;
    }
    Ok(uploads.len())
}

/// Aborts a multipart upload; one that is not there is aborted already.
pub(super) async fn abort<S: Storage>(s3: &S3<'_, S>, key: &str, upload: &str) -> Result<(), S3Failure> {
    match s3.abort(key, upload).await {
        Ok(()) | Err(S3Failure::NotFound) => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn remove<S: Storage, W>(op: &OperationContext<'_, S, W>, what: &Sweep) -> Result<(), S3Failure> {
    let s3 = op.s3(what.bucket.as_ref());
    if let Some(upload) = &what.storage_upload_id {
        abort(&s3, &what.key, upload).await?;
    }
    if what.unrecorded_uploads {
        abort_all(&s3, &what.key).await?;
    }
    for key in what.staging_key.iter().chain([&what.key]) {
        match s3.delete(key).await {
            Ok(()) | Err(S3Failure::NotFound) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
