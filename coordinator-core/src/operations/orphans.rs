//! Multipart uploads in the buckets that no ledger knows: what a lost ledger, or storage that acted on a request
//! and never answered, has left behind. Storage bills their parts and lists them nowhere else.

use std::collections::BTreeMap;

use syncsphere_protocol::{FileId, WorkspaceId};

use super::cleanup::abort;
use super::errors::unexpected_reply;
use super::operation_context::OperationContext;
use crate::api_error::ApiError;
use crate::config::{Config, OrphanUploads};
use crate::ledger::{Command, Reply, StoredUpload, UploadMarker};
use crate::model::BucketName;
use crate::ports::{Storage, Workspaces};
use crate::s3::{S3, S3Failure};

/// Multipart uploads that are looked at for one job.
///
/// Source: own choice. With a ledger and a storage request for each it stays well below the 1,000 requests that
/// an alarm may make: <https://developers.cloudflare.com/workers/platform/limits/#subrequests>
const LOOKED_AT_ONCE: u32 = 200;

/// So many, or as many as can be aborted by the requests that are left after the listing.
fn looked_at_once(config: &Config) -> u32 {
    config.storage_requests().saturating_sub(1).min(LOOKED_AT_ONCE)
}

/// How often a page is looked at where storage or a workspace does not answer; then it goes on without what fails. Source:
/// own choice.
const ATTEMPTS_OF_A_PAGE: u32 = 3;

/// What one look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// The bucket, where it is not `S3_BUCKET`.
    pub bucket: Option<BucketName>,
    /// Multipart uploads that storage listed.
    pub listed: usize,
    /// Those that no ledger knows and that are old enough.
    pub orphans: Vec<OrphanedUpload>,
    /// How many of them were aborted: none where they are only reported.
    pub aborted: usize,
    /// Uploads that could not be aborted, and workspaces that did not answer: they are left for the next look
    /// through the bucket.
    pub skipped: usize,
    /// Why the look ended before it was done and is taken up again, or why something was skipped last; for the log.
    pub failure: Option<String>,
    /// Whether it was the last page of the last bucket's list.
    pub is_last: bool,
}

/// A multipart upload that no ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedUpload {
    /// The workspace that its key names.
    pub workspace: WorkspaceId,
    /// The file that its key names.
    pub file_id: FileId,
}

/// A multipart upload that is old enough and whose key is of our form.
struct Candidate {
    key: String,
    listed: StoredUpload,
}

/// Looks at one page of a bucket's multipart uploads. Gives where the next one begins, which is another bucket's first page
/// where this was the last.
pub(super) async fn look<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    after: Option<&UploadMarker>,
    attempts: u32,
    report: &mut OrphanReport,
) -> Result<Option<UploadMarker>, ApiError> {
    if op.config.orphan_uploads == OrphanUploads::Off {
        return Ok(None);
    }
    let is_last_attempt = attempts >= ATTEMPTS_OF_A_PAGE;
    let bucket = after.and_then(|after| after.bucket.as_ref());
    report.bucket = bucket.cloned();
    let s3 = op.s3(bucket);
    let page = match s3.all_uploads(after, looked_at_once(op.config)).await {
        Ok(page) => page,
        // The others do not wait for a bucket that never answers.
        Err(failure) if is_last_attempt && !op.config.further_buckets().is_empty() => {
            report.skip(failure.into(), true)?;
            return Ok(next_bucket(op.config, bucket));
        }
        Err(failure) => return Err(failure.into()),
    };
    report.listed = page.uploads.len();
    let mut by_workspace: BTreeMap<WorkspaceId, Vec<Candidate>> = BTreeMap::new();
    let youngest_ms = op.cx.now_ms.saturating_sub(op.config.orphan_age_ms());
    for upload in page.uploads {
        let begun_ms = upload.begun_at.and_then(|begun_at| begun_at.to_unix_millis());
        let is_old = begun_ms.is_some_and(|begun_ms| begun_ms < youngest_ms);
        if let (true, Some((workspace, file_id))) = (is_old, op.config.key_template.parse(&upload.key)) {
            by_workspace.entry(workspace).or_default().push(Candidate {
                key: upload.key,
                listed: StoredUpload {
                    file_id,
                    storage_upload_id: upload.upload_id,
                },
            });
        }
    }
    for (workspace, candidates) in by_workspace {
        let looked = look_in(op, &s3, &workspace, candidates, is_last_attempt, report).await;
        // A workspace that never answers is left out at last, so that it stops nothing.
        if let Err(error) = looked {
            report.skip(error, is_last_attempt)?;
        }
    }
    let next = page.next.map(|next| UploadMarker {
        bucket: bucket.cloned(),
        ..next
    });
    // A storage that leads back to where it was would be read for ever.
    let next = next.filter(|next| Some(next) != after);
    Ok(next.or_else(|| next_bucket(op.config, bucket)))
}

/// The first page of the bucket after this one. There is none after one that is configured no longer: the next look takes
/// them as they are then.
fn next_bucket(config: &Config, bucket: Option<&BucketName>) -> Option<UploadMarker> {
    let names = config.further_buckets().into_iter().map(|bucket| &bucket.name);
    let mut later = [None].into_iter().chain(names.map(Some));
    later.find(|name| *name == bucket)?;
    Some(UploadMarker {
        bucket: Some(later.next()??.clone()),
        ..UploadMarker::default()
    })
}

/// Aborts those of a workspace's uploads that it has no use for.
async fn look_in<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    s3: &S3<'_, S>,
    workspace: &WorkspaceId,
    candidates: Vec<Candidate>,
    is_last_attempt: bool,
    report: &mut OrphanReport,
) -> Result<(), ApiError> {
    let listed = candidates
        .iter()
        .map(|candidate| candidate.listed.clone())
        .collect();
    let orphans = match op.ask(workspace, Command::Orphans { listed }).await? {
        Reply::Orphans { orphans } => orphans,
        other => return Err(unexpected_reply(&other)),
    };
    for (Candidate { key, listed }, is_orphaned) in candidates.into_iter().zip(orphans) {
        if !is_orphaned {
            continue;
        }
        report.orphans.push(OrphanedUpload {
            workspace: workspace.clone(),
            file_id: listed.file_id,
        });
        if op.config.orphan_uploads != OrphanUploads::Abort {
            continue;
        }
        match abort(s3, &key, &listed.storage_upload_id.0).await {
            Ok(()) => report.aborted += 1,
            Err(failure) => {
                let is_refused = matches!(failure, S3Failure::Refused { .. } | S3Failure::Broken(_));
                report.skip(failure.into(), is_refused || is_last_attempt)?;
            }
        }
    }
    Ok(())
}

impl OrphanReport {
    /// Goes on without what has failed for good, which is written down. Anything else is tried again.
    fn skip(&mut self, error: ApiError, is_for_good: bool) -> Result<(), ApiError> {
        if !is_for_good {
            return Err(error);
        }
        let (problem, cause) = error.into_parts();
        self.skipped += 1;
        self.failure = Some(cause.unwrap_or(problem.detail));
        Ok(())
    }
}
