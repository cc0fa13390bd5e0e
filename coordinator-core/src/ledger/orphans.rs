use super::apply::Ledger;
use super::calls::Reply;
use super::jobs::{Job, StoredUpload};
use super::states::{Upload, UploadPhase};
use super::store::Store;
use super::store_failure::StoreFailure;
use crate::model::UploadMarker;

/// Multipart uploads that storage holds and nobody will finish.
impl<S: Store> Ledger<'_, S> {
    pub(super) fn look_for_orphans(&mut self, after: Option<UploadMarker>) -> Result<Reply, S::Error> {
        let job = Job::orphans(after.clone(), self.now_ms);
        if after.is_some() || self.store.job(&job.id)?.is_none() {
            self.store.put_job(&job)?;
        }
        Ok(Reply::Done)
    }

    pub(super) fn orphans(&self, listed: &[StoredUpload]) -> Result<Reply, S::Error> {
        // A workspace that has never had an upload has begun none of these: they are somebody else's, under
        // keys that look like ours.
        if self.store.newest_seq()? == 0 {
            return Ok(Reply::Orphans {
                orphans: vec![false; listed.len()],
            });
        }
        let orphans = listed.iter().map(|listed| match self.is_orphaned(listed) {
            // What it is cannot be told, and is not to be aborted for that.
            Err(failure) if failure.is_unreadable_row() => Ok(false),
            other => other,
        });
        Ok(Reply::Orphans {
            orphans: orphans.collect::<Result<_, _>>()?,
        })
    }

    fn is_orphaned(&self, listed: &StoredUpload) -> Result<bool, S::Error> {
        let Some(upload) = self.store.upload_of(&listed.file_id)? else {
            return Ok(true);
        };
        Ok(match &upload.phase {
            // Which one will be the upload is not yet known.
            UploadPhase::Starting => false,
            UploadPhase::Open | UploadPhase::Completing { .. } => !has(&upload, listed),
            // What is left of it is swept, unless that has been done already.
            UploadPhase::Ended => {
                let sweep = self.store.job(&Job::sweep_id(upload.upload_id.as_str()))?;
                sweep.is_none() || !has(&upload, listed)
            }
        })
    }
}

fn has(upload: &Upload, listed: &StoredUpload) -> bool {
    upload.storage_upload_id.as_ref() == Some(&listed.storage_upload_id)
}
