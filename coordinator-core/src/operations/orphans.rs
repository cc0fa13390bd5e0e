//! Multipart uploads in the bucket that no ledger knows: what a lost ledger, or storage that acted on a request
//! and never answered, has left behind. Storage bills their parts and lists them nowhere else.

use std::collections::BTreeMap;

use syncsphere_protocol::{FileId, WorkspaceId};

use super::cleanup::abort;
use super::errors::unexpected_reply;
use super::operation_context::OperationContext;
use crate::api_error::ApiError;
use crate::config::{Config, OrphanUploads};
use crate::ledger::{Command, Reply, StoredUpload, UploadMarker};
use crate::ports::{Storage, Workspaces};

/// Multipart uploads that are looked at for one job.
///
/// Source: own choice. With a ledger and a storage request for each it stays well below the 1,000 requests that
/// an alarm may make: <https://developers.cloudflare.com/workers/platform/limits/#subrequests>
const LOOKED_AT_ONCE: u32 = 200;

/// So many, or as many as can be aborted by the requests that are left after the listing.
fn looked_at_once(config: &Config) -> u32 {
    config.storage_requests().saturating_sub(1).min(LOOKED_AT_ONCE)
}

/// What one look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// Multipart uploads that storage listed.
    pub listed: usize,
    /// Those that no ledger knows and that are old enough.
    pub orphans: Vec<OrphanedUpload>,
    /// How many of them were aborted: none where they are only reported.
    pub aborted: usize,
    /// Why the look ended before it was done, for the log; it is taken up again.
    pub failure: Option<String>,
    /// Whether it was the last page of the bucket's list.
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

/// Looks at one page of the bucket's multipart uploads. Gives where the next one begins.
pub(super) async fn look<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    after: Option<&UploadMarker>,
    report: &mut OrphanReport,
) -> Result<Option<UploadMarker>, ApiError> {
    if op.config.orphan_uploads == OrphanUploads::Off {
        return Ok(None);
    }
    let page = op.s3().all_uploads(after, looked_at_once(op.config)).await?;
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
        let listed = candidates
            .iter()
            .map(|candidate| candidate.listed.clone())
            .collect();
        let orphans = match op.ask(&workspace, Command::Orphans { listed }).await? {
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
            if op.config.orphan_uploads == OrphanUploads::Abort {
                abort(op, &key, &listed.storage_upload_id.0).await?;
                report.aborted += 1;
            }
        }
    }
    // A storage that leads back to where it was would be read for ever.
    Ok(page.next.filter(|next| Some(next) != after))
}
