use syncsphere_protocol::{Change, ChangeKind, Timestamp};

use super::calls::{Call, Command, Reply};
use super::jobs::{Job, JobKind, Sweep};
use super::retention::Retention;
use super::states::Ending;
use super::store::Store;
use super::store_failure::StoreFailure;
use super::stored_file::StoredFile;

/// How long whoever started a sweep has for it, in milliseconds, before the alarm repeats it.
/// Source: own choice, above the timeout of one storage request.
const SWEEP_GRACE_MS: i64 = 60_000;

/// Jobs of each kind that the ledger does at once by itself. Source: own choice; a few statements each.
const OWN_JOBS_AT_ONCE: u32 = 200;

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer.
    pub reply: Reply,
    /// The changes it appended, in order: to be broadcast once they are durable.
    pub changes: Vec<Change>,
    /// When the next job or delivery is due, in milliseconds since 1970.
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
        keep_changes_ms: call.keep_changes_ms,
        retention: call.retention,
        changes: Vec::new(),
    };
    let reply = ledger.carry_out(call.command)?;
    Ok(Applied {
        reply,
        wake_ms: ledger.wake()?,
        changes: ledger.changes,
    })
}

/// A call on its way.
pub(super) struct Ledger<'a, S> {
    pub(super) store: &'a mut S,
    pub(super) now_ms: i64,
    pub(super) keep_changes_ms: i64,
    pub(super) retention: Option<Retention>,
    changes: Vec<Change>,
}

impl<S: Store> Ledger<'_, S> {
    fn carry_out(&mut self, command: Command) -> Result<Reply, S::Error> {
        match command {
            Command::Several { commands } => {
                let replies = commands
                    .into_iter()
                    .map(|command| self.carry_out_beside_others(command));
                let replies = replies.collect::<Result<_, _>>()?;
                Ok(Reply::Several { replies })
            }
            Command::Head => self.store.newest_seq().map(|seq| Reply::Head { seq }),
            Command::Begin {
                idempotency,
                drafts,
                max_bytes,
            } => self.begin(idempotency, drafts, max_bytes),
            Command::Open { opened } => self.open(opened),
            Command::Upload { upload_id } => self.look_up(&upload_id),
            Command::NoteChecksum {
                upload_id,
                crc64nvme,
                unattended_from_ms,
            } => self.note_checksum(&upload_id, crc64nvme, unattended_from_ms),
            Command::StartCompletion {
                upload_id,
                crc64nvme,
                md5,
                size,
            } => self.start_completion(&upload_id, crc64nvme, md5, size),
            Command::StopCompletion { upload_id } => self.stop_completion(&upload_id),
            Command::NoteAbsence { upload_id } => self.note_absence(&upload_id),
            Command::Finish {
                upload_id,
                etag,
                crc64nvme,
                md5,
                urls_dead_ms,
            } => self.finish(
                &upload_id,
                Ending::Available { etag, crc64nvme, md5 },
                urls_dead_ms,
            ),
            Command::Abort {
                upload_id,
                urls_dead_ms,
            } => self.end(&upload_id, Ending::Aborted, Some(urls_dead_ms)),
            Command::Extend {
                upload_id,
                expires_ms,
                look_again_ms,
            } => self.extend(&upload_id, expires_ms, look_again_ms),
            Command::Expire {
                upload_id,
                urls_dead_ms,
                look_again_ms,
            } => self.expire(&upload_id, urls_dead_ms, look_again_ms),
            Command::File { file_id } => self.file(&file_id),
            Command::Files(listing) => self.files(&listing),
            Command::OpenUploads { owner, listing } => self.open_uploads(&owner, &listing),
            Command::Delete {
                file_id,
                urls_dead_ms,
            } => self.delete(&file_id, urls_dead_ms),
            Command::Base(base) => self.base(&base),
            Command::Reference {
                idempotency,
                wanted,
                allowance,
            } => self.reference(idempotency, *wanted, allowance),
            Command::Restore {
                file_id,
                new_id,
                owner,
                allowance,
            } => self.restore(&file_id, new_id, owner, allowance),
            Command::Versions { file_id } => self.versions(&file_id),
            Command::Chunks { file_id } => self.chunks(&file_id),
            Command::PutChunks {
                file_id,
                owner,
                content,
                chunks,
            } => self.put_chunks(&file_id, &owner, content, &chunks),
            Command::Bases(query) => self.bases(&query),
            Command::Changes { since, limit } => self.feed(since, limit),
            Command::TakeJobs { limit } => self.take_jobs(limit),
            Command::SettleJob { job_id, again_ms } => self.settle_job(&job_id, again_ms),
            Command::LookForOrphans { after } => self.look_for_orphans(after),
            Command::Orphans { listed } => self.orphans(&listed),
            Command::TakeDelivery { limit } => self.take_delivery(limit),
            Command::SettleDelivery { receipt } => self.settle_delivery(receipt),
            Command::RefuseDelivery(refused) => self.refuse_delivery(refused),
            Command::PutOffDelivery => self.put_off_delivery(),
            Command::Replay => self.replay(),
            Command::Database => self.database_status(),
            Command::TakeMessages { destination, limit } => self.take_messages(&destination, limit),
            Command::SettleMessages {
                destination,
                through,
                results,
            } => self.settle_messages(&destination, through, results),
            Command::PutOffMessages { destination, cause } => self.put_off_messages(&destination, cause),
            Command::Destinations => self.destination_list(),
            Command::DeadLetters {
                destination,
                since,
                limit,
            } => self.dead_letters(&destination, since, limit),
            Command::Resend { destination, seq } => self.resend(&destination, seq),
        }
    }

    /// Carries out one of several commands: a look at what cannot be read spoils no other.
    fn carry_out_beside_others(&mut self, command: Command) -> Result<Reply, S::Error> {
        let only_looks = matches!(command, Command::Upload { .. });
        match self.carry_out(command) {
            Err(failure) if only_looks && failure.is_unreadable_row() => Ok(Reply::Unreadable),
            other => other,
        }
    }

    /// When a job or a delivery is due next.
    fn wake(&self) -> Result<Option<i64>, S::Error> {
        let due = [self.store.next_due()?, self.delivery_due()?, self.messages_due()?];
        Ok(due.into_iter().flatten().min())
    }

    fn take_jobs(&mut self, limit: u32) -> Result<Reply, S::Error> {
        for kind in JobKind::OWN {
            for job in self.store.due_jobs(kind, self.now_ms, OWN_JOBS_AT_ONCE)? {
                match &job.kind {
                    JobKind::Forget { key } => {
                        self.store.remove_idempotency_record(key)?;
                        self.store.remove_job(&job.id)?;
                    }
                    JobKind::Retain { line } => self.retain(line)?,
                    _ => self.compact()?,
                }
            }
        }
        let mut jobs = Vec::new();
        for job in self.due_by_kind(limit)? {
            let leased = job.leased(self.now_ms);
            self.store.put_job(&leased)?;
            jobs.push(leased);
        }
        if jobs.is_empty() && self.store.next_due()?.is_some_and(|due_ms| due_ms <= self.now_ms) {
            // Another release's, or too many of our own: the alarm must not ring for the former for ever.
            let kinds: Vec<_> = JobKind::OWN.into_iter().chain(JobKind::ASKING_STORAGE).collect();
            self.store
                .put_off_unknown_jobs(&kinds, self.now_ms, OWN_JOBS_AT_ONCE)?;
        }
        Ok(Reply::Jobs { jobs })
    }

    /// Jobs that ask storage, at most `limit` or one of each kind: each kind has a share, and what it leaves goes to the
    /// others in their order.
    fn due_by_kind(&self, limit: u32) -> Result<Vec<Job>, S::Error> {
        let kinds = JobKind::ASKING_STORAGE;
        let share = (limit as usize / kinds.len()).max(1);
        let mut jobs = Vec::new();
        let mut others = Vec::new();
        for kind in kinds {
            let mut due = self.store.due_jobs(kind, self.now_ms, limit.max(1))?;
            others.extend(due.split_off(due.len().min(share)));
            jobs.extend(due);
        }
        let left = (limit as usize).saturating_sub(jobs.len());
        jobs.extend(others.into_iter().take(left));
        Ok(jobs)
    }

    fn settle_job(&mut self, id: &str, again_ms: Option<i64>) -> Result<Reply, S::Error> {
        let Some(mut job) = self.store.job(id)? else {
            return Ok(Reply::Missing);
        };
        match again_ms {
            None => self.store.remove_job(id)?,
            Some(due_ms) => {
                job.due_ms = due_ms;
                job.attempts = 0;
                self.store.put_job(&job)?;
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn sweep_later(&mut self, upload_or_file: &str, sweep: Sweep) -> Result<Job, S::Error> {
        let due = self.now_ms.saturating_add(SWEEP_GRACE_MS);
        let job = Job::sweep(upload_or_file, due, sweep);
        self.store.put_job(&job)?;
        Ok(job)
    }

    pub(super) fn next_seq(&self) -> Result<u64, S::Error> {
        self.store.newest_seq().map(|seq| seq.saturating_add(1))
    }

    /// Writes a file's new state and the change that tells of it.
    pub(super) fn record(&mut self, file: &StoredFile) -> Result<(), S::Error> {
        let change = Change {
            seq: file.record.seq,
            kind: ChangeKind::from(file.record.status),
            file: file.record.clone(),
            at: Timestamp::from_unix_millis(self.now_ms),
        };
        self.store.put_file(file)?;
        self.store.append(&change)?;
        self.enqueue(change.seq)?;
        self.notify(change.seq, change.kind)?;
        self.changes.push(change);
        self.compact_later()
    }
}
