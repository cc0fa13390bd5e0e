use syncsphere_protocol::{
    Change, ChangeKind, ChangesPage, Crc64Nvme, FileId, FileRecord, FileStatus, Timestamp, UploadId,
    UploadKind,
};

use super::states::{Available, Ending, Uploading};
use super::{
    Call, Chore, ChoreKind, Command, FilePage, Idempotency, Idempotent, Opened, Reply, Store, StoredFile,
    Sweep, Upload, UploadDraft, UploadPhase,
};

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

/// How long an idempotency key is remembered, in milliseconds. Source: `docs/api.md`.
const IDEMPOTENCY_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// How long whoever started a sweep has for it, in milliseconds, before the alarm repeats it.
/// Source: own choice, above the patience of one storage request.
const SWEEP_GRACE_MS: i64 = 60_000;

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer.
    pub reply: Reply,
    /// The changes it appended, in order: to be broadcast once they are durable.
    pub changes: Vec<Change>,
    /// When the next chore is due, in milliseconds since 1970.
    pub wake_ms: Option<i64>,
}

/// Carries out one call.
///
/// Nothing is waited for in between; the store makes the whole of it one transaction. Fails only as
/// the store does.
pub fn apply<S: Store>(store: &mut S, call: Call) -> Result<Applied, S::Error> {
    let mut ledger = Ledger {
        store,
        now_ms: call.now_ms,
        changes: Vec::new(),
    };
    let reply = ledger.carry_out(call.command)?;
    Ok(Applied {
        reply,
        wake_ms: ledger.store.next_due()?,
        changes: ledger.changes,
    })
}

struct Ledger<'a, S> {
    store: &'a mut S,
    now_ms: i64,
    changes: Vec<Change>,
}

impl<S: Store> Ledger<'_, S> {
    fn carry_out(&mut self, command: Command) -> Result<Reply, S::Error> {
        match command {
            Command::Head => self.store.newest_seq().map(|seq| Reply::Head { seq }),
            Command::Begin { idempotency, drafts } => self.begin(idempotency, drafts),
            Command::Open { opened } => self.open(opened),
            Command::Upload { upload_id } => self.look_up(&upload_id),
            Command::StartCompletion { upload_id, crc64nvme } => self.start_completion(&upload_id, crc64nvme),
            Command::StopCompletion { upload_id } => self.stop_completion(&upload_id),
            Command::Finish {
                upload_id,
                etag,
                crc64nvme,
            } => self.end(&upload_id, Ending::Available { etag, crc64nvme }, None),
            Command::Abort {
                upload_id,
                urls_dead_ms,
            } => self.end(&upload_id, Ending::Aborted, Some(urls_dead_ms)),
            Command::Expire {
                upload_id,
                urls_dead_ms,
            } => self.expire(&upload_id, urls_dead_ms),
            Command::File { file_id } => self.file(&file_id),
            Command::Files {
                cursor,
                statuses,
                limit,
            } => self.files(cursor, &statuses, limit),
            Command::Delete {
                file_id,
                urls_dead_ms,
            } => self.delete(&file_id, urls_dead_ms),
            Command::Changes { since, limit } => self.feed(since, limit),
            Command::TakeChores { limit } => self.take_chores(limit),
            Command::SettleChore { chore_id, again_ms } => self.settle_chore(&chore_id, again_ms),
        }
    }

    fn begin(
        &mut self,
        idempotency: Option<Idempotency>,
        drafts: Vec<UploadDraft>,
    ) -> Result<Reply, S::Error> {
        if let Some(wanted) = &idempotency
            && let Some(used) = self.store.idempotent(&wanted.key)?
        {
            return self.begun_before(&used, wanted);
        }
        let mut uploads = Vec::with_capacity(drafts.len());
        for draft in drafts {
            uploads.push(self.begin_one(draft)?);
        }
        if let Some(Idempotency { key, fingerprint }) = idempotency {
            let used = Idempotent {
                fingerprint,
                uploads: uploads.iter().map(|upload| upload.upload_id.clone()).collect(),
            };
            self.store.put_idempotent(&key, &used)?;
            let forget = Chore::forget(&key, self.now_ms.saturating_add(IDEMPOTENCY_LIFE_MS));
            self.store.put_chore(&forget)?;
        }
        Ok(Reply::Uploads { uploads })
    }

    fn begun_before(&mut self, used: &Idempotent, wanted: &Idempotency) -> Result<Reply, S::Error> {
        if used.fingerprint != wanted.fingerprint {
            return Ok(Reply::KeyReused);
        }
        let mut uploads = Vec::with_capacity(used.uploads.len());
        for id in &used.uploads {
            match self.store.upload(id)? {
                Some(upload) => uploads.push(upload),
                // It never got further than its intent, and that has been cleaned up.
                None => return Ok(Reply::Missing),
            }
        }
        Ok(Reply::Uploads { uploads })
    }

    fn begin_one(&mut self, draft: UploadDraft) -> Result<Upload, S::Error> {
        // A repeated command, whose reply was lost, carries the same ids.
        if let Some(begun) = self.store.upload(&draft.upload_id)? {
            return Ok(begun);
        }
        let mut upload = Upload {
            upload_id: draft.upload_id,
            file: draft.file,
            kind: draft.kind,
            part_size: draft.part_size,
            expires_ms: draft.expires_ms,
            storage_upload_id: None,
            phase: UploadPhase::Starting,
        };
        match upload.kind {
            UploadKind::Single => self.announce(&mut upload)?,
            UploadKind::Multipart => {
                let due = self.now_ms.saturating_add(STARTING_LIFE_MS);
                self.store.put_upload(&upload)?;
                self.store.put_chore(&Chore::expire(&upload.upload_id, due))?;
            }
        }
        Ok(upload)
    }

    fn open(&mut self, opened: Vec<Opened>) -> Result<Reply, S::Error> {
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
        };
        self.store.put_upload(upload)?;
        self.store
            .put_chore(&Chore::expire(&upload.upload_id, upload.expires_ms))?;
        self.record(&file)
    }

    fn look_up(&mut self, id: &UploadId) -> Result<Reply, S::Error> {
        match self.store.upload(id)? {
            Some(upload) => self.upload_reply(upload, None),
            None => Ok(Reply::Missing),
        }
    }

    fn start_completion(&mut self, id: &UploadId, crc64nvme: Option<Crc64Nvme>) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        if matches!(upload.phase, UploadPhase::Open | UploadPhase::Completing { .. }) {
            upload.phase = UploadPhase::Completing { crc64nvme };
            self.store.put_upload(&upload)?;
            let due = self.now_ms.saturating_add(COMPLETION_PATIENCE_MS);
            self.store.put_chore(&Chore::resolve(id, due))?;
        }
        self.upload_reply(upload, None)
    }

    fn stop_completion(&mut self, id: &UploadId) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        if matches!(upload.phase, UploadPhase::Completing { .. }) {
            upload.phase = UploadPhase::Open;
            self.store.put_upload(&upload)?;
            self.store.remove_chore(&Chore::resolve(id, 0).id)?;
        }
        self.upload_reply(upload, None)
    }

    fn expire(&mut self, id: &UploadId, urls_dead_ms: i64) -> Result<Reply, S::Error> {
        let Some(upload) = self.store.upload(id)? else {
            self.store.remove_chore(&Chore::expire(id, 0).id)?;
            return Ok(Reply::Missing);
        };
        let is_open = !matches!(upload.phase, UploadPhase::Starting | UploadPhase::Ended);
        if is_open && self.now_ms < upload.expires_ms {
            self.store.put_chore(&Chore::expire(id, upload.expires_ms))?;
            return self.upload_reply(upload, None);
        }
        self.end(id, Ending::Expired, Some(urls_dead_ms))
    }

    /// Ends an upload, once. `urls_dead_ms` is given where nothing of the object may stay.
    fn end(&mut self, id: &UploadId, ending: Ending, urls_dead_ms: Option<i64>) -> Result<Reply, S::Error> {
        let Some(mut upload) = self.store.upload(id)? else {
            return Ok(Reply::Missing);
        };
        let never_opened = upload.phase == UploadPhase::Starting;
        if upload.phase == UploadPhase::Ended || (never_opened && urls_dead_ms.is_none()) {
            return self.upload_reply(upload, None);
        }
        upload.phase = UploadPhase::Ended;
        self.store.remove_chore(&Chore::expire(id, 0).id)?;
        self.store.remove_chore(&Chore::resolve(id, 0).id)?;
        if never_opened {
            // Nobody was told of it, so nobody needs to be told that it is gone.
            self.store.remove_upload(id)?;
        } else {
            self.store.put_upload(&upload)?;
            self.end_file(&upload.file.file_id, ending)?;
        }
        let chore = match urls_dead_ms {
            None => None,
            Some(urls_dead_ms) => Some(self.sweep_later(
                id.as_str(),
                Sweep {
                    key: upload.file.key.clone(),
                    storage_upload_id: upload.storage_upload_id.clone(),
                    stray_uploads: never_opened,
                    urls_dead_ms,
                },
            )?),
        };
        self.upload_reply(upload, chore)
    }

    fn end_file(&mut self, id: &FileId, ending: Ending) -> Result<(), S::Error> {
        let Some(file) = self.store.file(id)? else {
            return Ok(());
        };
        let seq = self.next_seq()?;
        match Uploading::prove(file.record) {
            Some(uploading) => self.record(&StoredFile {
                record: uploading.end(ending, self.now_ms, seq),
                ..file
            }),
            None => Ok(()),
        }
    }

    fn file(&mut self, id: &FileId) -> Result<Reply, S::Error> {
        Ok(match self.store.file(id)? {
            Some(file) => Reply::File {
                file: Box::new(file),
                chore: None,
            },
            None => Reply::Missing,
        })
    }

    fn files(&mut self, cursor: Option<u64>, statuses: &[FileStatus], limit: u32) -> Result<Reply, S::Error> {
        // One more than asked for tells whether there is a next page.
        let mut files = self.store.files(cursor, statuses, limit.saturating_add(1))?;
        let has_more = files.len() > limit as usize;
        files.truncate(limit as usize);
        let next_cursor = files.last().filter(|_| has_more).map(|file| file.created_seq);
        Ok(Reply::Files(FilePage {
            files: files.into_iter().map(|file| file.record).collect(),
            next_cursor,
        }))
    }

    fn delete(&mut self, id: &FileId, urls_dead_ms: i64) -> Result<Reply, S::Error> {
        let Some(file) = self.store.file(id)? else {
            return Ok(Reply::Missing);
        };
        let seq = self.next_seq()?;
        let (file, chore) = match Available::prove(file.record.clone()) {
            Some(available) => {
                let file = StoredFile {
                    record: available.delete(self.now_ms, seq),
                    ..file
                };
                self.record(&file)?;
                let sweep = Sweep {
                    key: file.key.clone(),
                    storage_upload_id: None,
                    stray_uploads: false,
                    urls_dead_ms,
                };
                (file, Some(self.sweep_later(id.as_str(), sweep)?))
            }
            None => (file, None),
        };
        Ok(Reply::File {
            file: Box::new(file),
            chore: chore.map(Box::new),
        })
    }

    fn feed(&mut self, since: u64, limit: u32) -> Result<Reply, S::Error> {
        let seq = self.store.newest_seq()?;
        let oldest = self.store.oldest_seq()?;
        // Beyond the newest: the caller remembers a feed that is not this one.
        let is_gone = since > seq || oldest.is_some_and(|oldest| since.saturating_add(1) < oldest);
        Ok(Reply::Changes(if is_gone {
            ChangesPage {
                changes: Vec::new(),
                seq,
                reset: Some(seq),
            }
        } else {
            ChangesPage {
                changes: self.store.changes(since, limit)?,
                seq,
                reset: None,
            }
        }))
    }

    fn take_chores(&mut self, limit: u32) -> Result<Reply, S::Error> {
        let mut chores = Vec::new();
        for chore in self.store.due_chores(self.now_ms, limit)? {
            if let ChoreKind::Forget { key } = &chore.kind {
                self.store.remove_idempotent(key)?;
                self.store.remove_chore(&chore.id)?;
                continue;
            }
            let leased = chore.leased(self.now_ms);
            self.store.put_chore(&leased)?;
            chores.push(leased);
        }
        Ok(Reply::Chores { chores })
    }

    fn settle_chore(&mut self, id: &str, again_ms: Option<i64>) -> Result<Reply, S::Error> {
        let Some(mut chore) = self.store.chore(id)? else {
            return Ok(Reply::Missing);
        };
        match again_ms {
            None => self.store.remove_chore(id)?,
            Some(due_ms) => {
                chore.due_ms = due_ms;
                chore.attempts = 0;
                self.store.put_chore(&chore)?;
            }
        }
        Ok(Reply::Done)
    }

    fn sweep_later(&mut self, upload_or_file: &str, sweep: Sweep) -> Result<Chore, S::Error> {
        let due = self.now_ms.saturating_add(SWEEP_GRACE_MS);
        let chore = Chore::sweep(upload_or_file, due, sweep);
        self.store.put_chore(&chore)?;
        Ok(chore)
    }

    fn next_seq(&self) -> Result<u64, S::Error> {
        self.store.newest_seq().map(|seq| seq.saturating_add(1))
    }

    /// Writes a file's new state and the change that tells of it.
    fn record(&mut self, file: &StoredFile) -> Result<(), S::Error> {
        let change = Change {
            seq: file.record.seq,
            kind: ChangeKind::from(file.record.status),
            file: file.record.clone(),
            at: Timestamp::from_unix_millis(self.now_ms),
        };
        self.store.put_file(file)?;
        self.store.append(&change)?;
        self.changes.push(change);
        Ok(())
    }

    fn upload_reply(&mut self, upload: Upload, chore: Option<Chore>) -> Result<Reply, S::Error> {
        let file: Option<FileRecord> = self.store.file(&upload.file.file_id)?.map(|file| file.record);
        Ok(Reply::Upload {
            upload: Box::new(upload),
            file: file.map(Box::new),
            chore: chore.map(Box::new),
        })
    }
}
