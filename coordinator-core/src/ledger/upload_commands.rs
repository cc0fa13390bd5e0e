use syncsphere_protocol::{Crc64Nvme, FileRecord, Md5, Redacted, UploadId, UploadKind};

use super::apply::Ledger;
use super::calls::{Idempotency, Opened, Reply, UploadDraft};
use super::jobs::{Job, Sweep};
use super::states::{Ending, Uploading};
use super::states::{Upload, UploadPhase};
use super::store::{IdempotencyRecord, Store, Usage};
use super::stored_file::StoredFile;
use super::usage;
use crate::model::DeferredLength;

/// How long an upload may wait for storage to create it, in milliseconds, before it is cleaned up.
///
/// Source: own choice. Creating takes seconds; an hour leaves time to repeat a request by its
/// idempotency key.
const STARTING_LIFE_MS: i64 = 60 * 60 * 1000;

/// How long a completion may go unheard of, in milliseconds, before storage is asked how it went.
///
/// Source: completing a large upload "could take several minutes":
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
const COMPLETION_PATIENCE_MS: i64 = 5 * 60 * 1000;

/// Between two looks that find neither an upload nor its object, in milliseconds, before both are taken for gone.
///
/// Source: own choice. Storage behind an ingress is back within a minute of a restart; whoever waits for the answer waits
/// as long.
pub const ABSENCE_PROVEN_MS: i64 = 60_000;

/// How long an idempotency key is remembered, in milliseconds. Source: `docs/api.md`.
const IDEMPOTENCY_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// From the intent to upload to its one end.
impl<S: Store> Ledger<'_, S> {
    pub(super) fn begin(
        &mut self,
        idempotency: Option<Idempotency>,
        drafts: Vec<UploadDraft>,
        max_bytes: Option<u64>,
    ) -> Result<Reply, S::Error> {
        if let Some(wanted) = &idempotency
            && let Some(used) = self.store.idempotency_record(&wanted.key)?
        {
            return self.begun_before(used, wanted, drafts, max_bytes);
        }
        let mut uploads = Vec::with_capacity(drafts.len());
        let mut workspace = self.store.usage(usage::WORKSPACE)?;
        for draft in drafts {
            uploads.push(self.begin_one(draft, max_bytes, &mut workspace)?);
        }
        self.store.put_usage(usage::WORKSPACE, &workspace)?;
        if let Some(Idempotency { key, fingerprint }) = idempotency {
            let used = IdempotencyRecord {
                fingerprint,
                uploads: uploads
                    .iter()
                    .map(|upload| Some(upload.as_ref()?.upload_id.clone()))
                    .collect(),
                file: None,
            };
            self.remember(&key, &used)?;
        }
        Ok(Reply::Begun { uploads })
    }

    /// Writes down what an idempotency key was used for.
    pub(super) fn remember(
        &mut self,
        key: &Redacted<String>,
        used: &IdempotencyRecord,
    ) -> Result<(), S::Error> {
        self.store.put_idempotency_record(key, used)?;
        let forget = Job::forget(key, self.now_ms.saturating_add(IDEMPOTENCY_LIFE_MS));
        self.store.put_job(&forget)
    }

    /// What a key was used for, again. What never got further than its intent has been cleaned up, and nobody was told of it: it
    /// begins anew.
    fn begun_before(
        &mut self,
        mut used: IdempotencyRecord,
        wanted: &Idempotency,
        drafts: Vec<UploadDraft>,
        max_bytes: Option<u64>,
    ) -> Result<Reply, S::Error> {
        if used.fingerprint != wanted.fingerprint {
            return Ok(Reply::KeyReused);
        }
        let mut uploads = Vec::with_capacity(drafts.len());
        let mut workspace = self.store.usage(usage::WORKSPACE)?;
        for (id, draft) in used.uploads.iter_mut().zip(drafts) {
            let upload = match id {
                None => None,
                Some(begun) => match self.store.upload(begun)? {
                    None => self.begin_one(draft, max_bytes, &mut workspace)?,
                    upload => upload,
                },
            };
            *id = upload.as_ref().map(|upload| upload.upload_id.clone());
            uploads.push(upload);
        }
        self.store.put_usage(usage::WORKSPACE, &workspace)?;
        self.store.put_idempotency_record(&wanted.key, &used)?;
        Ok(Reply::Begun { uploads })
    }

    fn begin_one(
        &mut self,
        draft: UploadDraft,
        max_bytes: Option<u64>,
        workspace: &mut Usage,
    ) -> Result<Option<Upload>, S::Error> {
        // A repeated command, whose reply was lost, carries the same ids.
        if let Some(begun) = self.store.upload(&draft.upload_id)? {
            return Ok(Some(begun));
        }
        let more = Usage {
            bytes: draft.file.size,
            open: 1,
            record_bytes: usage::record_bytes(&draft.file),
        };
        if !self.reserve(&draft.file.owner, &more, max_bytes, workspace)? {
            return Ok(None);
        }
        let mut upload = Upload {
            upload_id: draft.upload_id,
            file: draft.file,
            kind: draft.kind,
            part_size: draft.part_size,
            tail: draft.tail,
            has_free_layout: draft.has_free_layout,
            expires_ms: draft.expires_ms,
            latest_expiry_ms: draft.latest_expiry_ms,
            crc64nvme: draft.crc64nvme,
            unattended_from_ms: draft.unattended_from_ms,
            abilities: draft.abilities,
            staging_key: draft.staging_key,
            deferred_length: draft.deferred_length,
            storage_upload_id: draft.storage_upload_id,
            absent_since_ms: None,
            phase: UploadPhase::Starting,
        };
        match upload.kind {
            UploadKind::Single => {
                self.announce(&mut upload)?;
                if upload.deferred_length.is_some() {
                    self.store.put_job(&Job::watch(&upload.upload_id, self.now_ms))?;
                }
            }
            UploadKind::Multipart if upload.storage_upload_id.is_some() => self.announce(&mut upload)?,
            UploadKind::Multipart => {
                let due = self.now_ms.saturating_add(STARTING_LIFE_MS);
                self.store.put_upload(&upload)?;
                self.store.put_job(&Job::expire(&upload.upload_id, due))?;
            }
        }
        Ok(Some(upload))
    }

    pub(super) fn open(&mut self, opened: Vec<Opened>) -> Result<Reply, S::Error> {
        let mut uploads = Vec::with_capacity(opened.len());
        for one in opened {
            let Some(mut upload) = self.store.upload(&one.upload_id)? else {
                continue;
            };
            if upload.phase == UploadPhase::Starting {
                upload.storage_upload_id = Some(one.storage_upload_id);
                self.announce(&mut upload)?;
            }
            uploads.push(upload);
        }
        Ok(Reply::Uploads { uploads })
    }

    /// The upload is open from now on, and its file exists.
    fn announce(&mut self, upload: &mut Upload) -> Result<(), S::Error> {
        upload.phase = UploadPhase::Open;
        let seq = self.next_seq()?;
        let file = StoredFile {
            record: upload.file.open(self.now_ms, seq),
            created_seq: seq,
            key: upload.file.key.clone(),
            bucket: upload.file.bucket.clone(),
            content: None,
            line: upload
                .file
                .previous
                .as_ref()
                .map(|previous| previous.line.clone()),
            origin: None,
        };
        // It stands in the file's record from now on.
        upload.file.metadata = Redacted::default();
        self.store.put_upload(upload)?;
        self.look_after(upload, upload.unattended_from_ms.unwrap_or(upload.expires_ms))?;
        self.record(&file)
    }

    pub(super) fn look_up(&mut self, id: &UploadId) -> Result<Reply, S::Error> {
        match self.store.upload(id)? {
            Some(upload) => self.upload_reply(upload, None),
            None => Ok(Reply::Missing),
        }
    }

    pub(super) fn note_checksum(
        &mut self,
        id: &UploadId,
        crc64nvme: Crc64Nvme,
        unattended_from_ms: i64,
    ) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        if upload.phase == UploadPhase::Open {
            upload.crc64nvme = Some(crc64nvme);
            upload.unattended_from_ms = Some(unattended_from_ms);
            self.store.put_upload(&upload)?;
            self.look_after(&upload, unattended_from_ms)?;
        }
        self.upload_reply(upload, None)
    }

    /// Sets when the alarm looks after an upload next: at its end at the latest.
    fn look_after(&mut self, upload: &Upload, due_ms: i64) -> Result<(), S::Error> {
        let due_ms = due_ms.min(upload.expires_ms);
        self.store.put_job(&Job::expire(&upload.upload_id, due_ms))
    }

    pub(super) fn start_completion(
        &mut self,
        id: &UploadId,
        crc64nvme: Option<Crc64Nvme>,
        md5: Option<Md5>,
        size: Option<u64>,
    ) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        // While it is being completed its size stands, so that what is counted is what comes out.
        if upload.phase == UploadPhase::Open
            && let (Some(deferred_length), Some(size)) = (upload.deferred_length, size)
            && !self.count(&mut upload, deferred_length, size)?
        {
            return Ok(Reply::OverQuota);
        }
        if matches!(upload.phase, UploadPhase::Open | UploadPhase::Completing { .. }) {
            upload.phase = UploadPhase::Completing { crc64nvme, md5 };
            upload.absent_since_ms = None;
            self.store.put_upload(&upload)?;
            let due = self.now_ms.saturating_add(COMPLETION_PATIENCE_MS);
            self.store.put_job(&Job::resolve(id, due))?;
        }
        self.upload_reply(upload, None)
    }

    /// Counts an upload by what it comes to, if its owner's quota holds that.
    fn count(
        &mut self,
        upload: &mut Upload,
        deferred_length: DeferredLength,
        size: u64,
    ) -> Result<bool, S::Error> {
        let used = self.store.usage(&upload.file.owner)?;
        let sum = used.bytes.saturating_sub(upload.file.size).checked_add(size);
        let Some(bytes) = sum.filter(|sum| *sum <= deferred_length.max_bytes.unwrap_or(u64::MAX)) else {
            return Ok(false);
        };
        self.store
            .put_usage(&upload.file.owner, &Usage { bytes, ..used })?;
        upload.file.size = size;
        Ok(true)
    }

    pub(super) fn stop_completion(&mut self, id: &UploadId) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        let is_completing = matches!(upload.phase, UploadPhase::Completing { .. });
        if is_completing || (upload.phase == UploadPhase::Open && upload.absent_since_ms.is_some()) {
            upload.phase = UploadPhase::Open;
            upload.absent_since_ms = None;
            self.store.put_upload(&upload)?;
            self.store.remove_job(&Job::resolve(id, 0).id)?;
        }
        self.upload_reply(upload, None)
    }

    pub(super) fn note_absence(&mut self, id: &UploadId) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        if upload.phase != UploadPhase::Ended && upload.absent_since_ms.is_none() {
            upload.absent_since_ms = Some(self.now_ms);
            self.store.put_upload(&upload)?;
            let due = self.now_ms.saturating_add(ABSENCE_PROVEN_MS);
            self.store.put_job(&Job::resolve(id, due))?;
        }
        self.upload_reply(upload, None)
    }

    pub(super) fn extend(
        &mut self,
        id: &UploadId,
        expires_ms: i64,
        look_again_ms: Option<i64>,
    ) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        let is_open = !matches!(upload.phase, UploadPhase::Starting | UploadPhase::Ended);
        let latest_ms = upload.latest_expiry_ms.unwrap_or(upload.expires_ms);
        let expires_ms = expires_ms.min(latest_ms);
        if is_open && expires_ms > upload.expires_ms {
            upload.expires_ms = expires_ms;
            self.store.put_upload(&upload)?;
            self.look_after(&upload, look_again_ms.unwrap_or(expires_ms))?;
        }
        self.upload_reply(upload, None)
    }

    pub(super) fn expire(
        &mut self,
        id: &UploadId,
        urls_dead_ms: i64,
        look_again_ms: Option<i64>,
    ) -> Result<Reply, S::Error> {
        let Some(upload) = self.store.upload(id)? else {
            self.store.remove_job(&Job::expire(id, 0).id)?;
            return Ok(Reply::Missing);
        };
        let is_open = !matches!(upload.phase, UploadPhase::Starting | UploadPhase::Ended);
        if is_open && self.now_ms < upload.expires_ms {
            self.look_after(&upload, look_again_ms.unwrap_or(upload.expires_ms))?;
            return self.upload_reply(upload, None);
        }
        self.end(id, Ending::Expired, Some(urls_dead_ms))
    }

    /// Ends an upload well. What was sent to another key than the file's is removed once nothing can be sent there any more.
    pub(super) fn finish(
        &mut self,
        id: &UploadId,
        ending: Ending,
        urls_dead_ms: i64,
    ) -> Result<Reply, S::Error> {
        let before = self.store.upload(id)?;
        let reply = self.end(id, ending, None)?;
        let ended_now =
            before.filter(|upload| !matches!(upload.phase, UploadPhase::Starting | UploadPhase::Ended));
        if let Some((key, bucket)) =
            ended_now.and_then(|upload| Some((upload.staging_key?, upload.file.bucket)))
        {
            let sweep = Sweep {
                key,
                bucket,
                staging_key: None,
                storage_upload_id: None,
                unrecorded_uploads: false,
                urls_dead_ms,
            };
            self.store
                .put_job(&Job::sweep(id.as_str(), urls_dead_ms, sweep))?;
        }
        Ok(reply)
    }

    /// Ends an upload, once. `urls_dead_ms` is given where nothing of the object may stay.
    pub(super) fn end(
        &mut self,
        id: &UploadId,
        ending: Ending,
        urls_dead_ms: Option<i64>,
    ) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        let never_opened = upload.phase == UploadPhase::Starting;
        if upload.phase == UploadPhase::Ended || (never_opened && urls_dead_ms.is_none()) {
            return self.upload_reply(upload, None);
        }
        upload.phase = UploadPhase::Ended;
        let is_kept = matches!(ending, Ending::Available { .. });
        let less = Usage {
            bytes: if is_kept { 0 } else { upload.file.size },
            open: 1,
            // Of what was announced the record stays.
            record_bytes: if never_opened {
                usage::record_bytes(&upload.file)
            } else {
                0
            },
        };
        self.release(&upload.file.owner, &less)?;
        self.store.remove_job(&Job::expire(id, 0).id)?;
        self.store.remove_job(&Job::resolve(id, 0).id)?;
        if upload.deferred_length.is_some() {
            self.store.remove_job(&Job::watch(id, 0).id)?;
        }
        if never_opened {
            // Nobody was told of it, so nobody needs to be told that it is gone.
            self.store.remove_upload(id)?;
        } else {
            self.store.put_upload(&upload)?;
            self.end_file(&upload, ending)?;
        }
        let job = match urls_dead_ms {
            None => None,
            Some(urls_dead_ms) => Some(self.sweep_later(
                id.as_str(),
                Sweep {
                    key: upload.file.key.clone(),
                    bucket: upload.file.bucket.clone(),
                    staging_key: upload.staging_key.clone(),
                    storage_upload_id: upload.storage_upload_id.clone(),
                    unrecorded_uploads: never_opened,
                    urls_dead_ms,
                },
            )?),
        };
        self.upload_reply(upload, job)
    }

    fn end_file(&mut self, upload: &Upload, ending: Ending) -> Result<(), S::Error> {
        let Some(file) = self.store.file(&upload.file.file_id)? else {
            return Ok(());
        };
        let is_kept = matches!(ending, Ending::Available { .. });
        let previous = upload.file.previous.as_ref().filter(|_| is_kept);
        let place = self.place_after(previous)?;
        let seq = self.next_seq()?;
        if let Some(uploading) = Uploading::prove(file.record) {
            let record = uploading.end(ending, upload.file.size, place, self.now_ms, seq);
            self.record(&StoredFile { record, ..file })?;
        }
        match previous {
            Some(previous) => self.retain(&previous.line),
            None => Ok(()),
        }
    }

    fn upload_reply(&mut self, upload: Upload, job: Option<Job>) -> Result<Reply, S::Error> {
        let file: Option<FileRecord> = self.store.file(&upload.file.file_id)?.map(|file| file.record);
        Ok(Reply::Upload {
            upload: Box::new(upload),
            file: file.map(Box::new),
            job: job.map(Box::new),
        })
    }
}
