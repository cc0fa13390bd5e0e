use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use syncsphere_protocol::{Change, FileId, Redacted, Sha256, UnreadableRow, UploadId};

use super::destination_state::{Destination, DestinationState, Letter};
use super::jobs::Job;
use super::letters::LetterStore;
use super::listing::{FileQuery, FileRange};
use super::replication::ReplicationState;
use super::states::Upload;
use super::store::{IdempotencyRecord, Store, Usage};
use super::stored_file::StoredFile;

/// A ledger's rows in memory, for tests and simulations. It never fails.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    changes: BTreeMap<u64, Change>,
    files: BTreeMap<FileId, StoredFile>,
    uploads: BTreeMap<UploadId, Upload>,
    usage: BTreeMap<String, Usage>,
    idempotent: BTreeMap<String, IdempotencyRecord>,
    jobs: BTreeMap<String, Job>,
    has_database: bool,
    replication: Option<ReplicationState>,
    destinations: Rc<[Destination]>,
    destination_states: BTreeMap<String, DestinationState>,
    letters: BTreeMap<(String, u64), Letter>,
    pub(super) chunks: BTreeMap<FileId, Chunks>,
}

/// The content index of one file.
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    pub owner: Redacted<String>,
    pub content: Sha256,
    pub packed: String,
}

impl MemoryStore {
    /// Whether there is a metadata database from now on: at first there is none.
    pub fn set_has_database(&mut self, has_database: bool) {
        self.has_database = has_database;
    }

    /// Where changes are sent to from now on: at first nowhere.
    pub fn set_destinations(&mut self, destinations: Vec<Destination>) {
        self.destinations = destinations.into();
    }

    /// Every change there has been, in order.
    pub fn all_changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values()
    }

    /// Every upload that is remembered.
    pub fn all_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.values()
    }

    /// Every job there is.
    pub fn all_jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// Every file there has been.
    pub fn all_files(&self) -> impl Iterator<Item = &StoredFile> {
        self.files.values()
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn newest_seq(&self) -> Result<u64, Infallible> {
        Ok(self.changes.last_key_value().map_or(0, |(seq, _)| *seq))
    }

    fn oldest_seq(&self) -> Result<Option<u64>, Infallible> {
        Ok(self.changes.first_key_value().map(|(seq, _)| *seq))
    }

    fn append(&mut self, change: &Change) -> Result<(), Infallible> {
        self.changes.insert(change.seq, change.clone());
        Ok(())
    }

    fn changes(&self, since: u64, limit: u32) -> Result<Vec<Change>, Infallible> {
        let after = self.changes.range(since.saturating_add(1)..);
        Ok(after
            .take(limit as usize)
            .map(|(_, change)| change.clone())
            .collect())
    }

    fn remove_changes(&mut self, through: u64) -> Result<(), Infallible> {
        self.changes.retain(|seq, _| *seq > through);
        Ok(())
    }

    fn file(&self, id: &FileId) -> Result<Option<StoredFile>, Infallible> {
        Ok(self.files.get(id).cloned())
    }

    fn put_file(&mut self, file: &StoredFile) -> Result<(), Infallible> {
        self.files.insert(file.record.file_id.clone(), file.clone());
        Ok(())
    }

    fn remove_file(&mut self, id: &FileId) -> Result<(), Infallible> {
        self.files.remove(id);
        Ok(())
    }

    fn files(&self, query: &FileQuery<'_>) -> Result<Vec<StoredFile>, Infallible> {
        let newest_first = |file: &StoredFile| {
            let created_at = file.record.created_at.as_str().to_owned();
            std::cmp::Reverse((created_at, file.created_seq))
        };
        let by_name = |file: &StoredFile| (file.record.name.0.clone(), file.created_seq);
        let is_in_range = |file: &&StoredFile| match query.range {
            FileRange::Newest { from, before } => {
                let created_at = file.record.created_at.as_str();
                created_at >= from && (created_at, file.created_seq) < before
            }
            FileRange::Names { prefix, after } => {
                let name = file.record.name.0.as_str();
                name.starts_with(prefix) && (name, file.created_seq) > after
            }
        };
        let files = self.files.values().filter(|file| {
            let is_in_path = query.path.is_none_or(|path| path == file.record.path.0);
            file.record.status == query.status && is_in_path
        });
        let mut files: Vec<_> = files.filter(is_in_range).cloned().collect();
        match query.range {
            FileRange::Newest { .. } => files.sort_by_key(newest_first),
            FileRange::Names { .. } => files.sort_by_key(by_name),
        }
        files.truncate(query.limit as usize);
        Ok(files)
    }

    fn files_after(&self, after: Option<&FileId>, limit: u32) -> Result<Vec<StoredFile>, Infallible> {
        let files = self.files.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(files.take(limit as usize).map(|(_, file)| file.clone()).collect())
    }

    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, Infallible> {
        Ok(self.uploads.get(id).cloned())
    }

    fn upload_of(&self, file: &FileId) -> Result<Option<Upload>, Infallible> {
        let mut uploads = self.uploads.values();
        Ok(uploads.find(|upload| upload.file.file_id == *file).cloned())
    }

    fn put_upload(&mut self, upload: &Upload) -> Result<(), Infallible> {
        self.uploads.insert(upload.upload_id.clone(), upload.clone());
        Ok(())
    }

    fn remove_upload(&mut self, id: &UploadId) -> Result<(), Infallible> {
        self.uploads.remove(id);
        Ok(())
    }

    fn usage(&self, owner: &str) -> Result<Usage, Infallible> {
        Ok(self.usage.get(owner).cloned().unwrap_or_default())
    }

    fn put_usage(&mut self, owner: &str, usage: &Usage) -> Result<(), Infallible> {
        self.usage.insert(owner.to_owned(), usage.clone());
        Ok(())
    }

    fn idempotency_record(&self, key: &str) -> Result<Option<IdempotencyRecord>, Infallible> {
        Ok(self.idempotent.get(key).cloned())
    }

    fn put_idempotency_record(&mut self, key: &str, used: &IdempotencyRecord) -> Result<(), Infallible> {
        self.idempotent.insert(key.to_owned(), used.clone());
        Ok(())
    }

    fn remove_idempotency_record(&mut self, key: &str) -> Result<(), Infallible> {
        self.idempotent.remove(key);
        Ok(())
    }

    fn job(&self, id: &str) -> Result<Option<Job>, Infallible> {
        Ok(self.jobs.get(id).cloned())
    }

    fn put_job(&mut self, job: &Job) -> Result<(), Infallible> {
        self.jobs.insert(job.id.clone(), job.clone());
        Ok(())
    }

    fn remove_job(&mut self, id: &str) -> Result<(), Infallible> {
        self.jobs.remove(id);
        Ok(())
    }

    fn due_jobs(&self, kind: &str, now_ms: i64, limit: u32) -> Result<Vec<Job>, Infallible> {
        let mut due: Vec<_> = self
            .jobs
            .values()
            .filter(|job| job.kind.name() == kind && job.due_ms <= now_ms)
            .cloned()
            .collect();
        due.sort_by_key(|job| job.due_ms);
        due.truncate(limit as usize);
        Ok(due)
    }

    fn put_off_unknown_jobs(&mut self, _: &[&str], _: i64, _: u32) -> Result<(), Infallible> {
        Ok(())
    }

    fn next_due(&self) -> Result<Option<i64>, Infallible> {
        Ok(self.jobs.values().map(|job| job.due_ms).min())
    }

    fn has_database(&self) -> bool {
        self.has_database
    }

    fn replication(&self) -> Result<Option<ReplicationState>, Infallible> {
        Ok(self.replication.clone())
    }

    fn put_replication(&mut self, replication: &ReplicationState) -> Result<(), Infallible> {
        self.replication = Some(replication.clone());
        Ok(())
    }

    fn unreadable(&self) -> Result<(u64, Option<UnreadableRow>), Infallible> {
        Ok((0, None))
    }

    fn unreadable_files(&self, _: u32) -> Result<Vec<String>, Infallible> {
        Ok(Vec::new())
    }

    fn forget_unreadable(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl MemoryStore {
    fn letters_of(&self, destination: &str) -> impl Iterator<Item = &Letter> {
        let of_it = self
            .letters
            .iter()
            .filter(move |((name, _), _)| name == destination);
        of_it.map(|(_, letter)| letter)
    }
}

impl LetterStore for MemoryStore {
    type Failure = Infallible;

    fn destinations(&self) -> Rc<[Destination]> {
        Rc::clone(&self.destinations)
    }

    fn destination(&self, name: &str) -> Result<Option<DestinationState>, Infallible> {
        Ok(self.destination_states.get(name).cloned())
    }

    fn put_destination(&mut self, name: &str, state: &DestinationState) -> Result<(), Infallible> {
        self.destination_states.insert(name.to_owned(), state.clone());
        Ok(())
    }

    fn letter(&self, destination: &str, seq: u64) -> Result<Option<Letter>, Infallible> {
        Ok(self.letters.get(&(destination.to_owned(), seq)).cloned())
    }

    fn put_letter(&mut self, destination: &str, letter: &Letter) -> Result<(), Infallible> {
        self.letters
            .insert((destination.to_owned(), letter.seq), letter.clone());
        Ok(())
    }

    fn remove_letter(&mut self, destination: &str, seq: u64) -> Result<(), Infallible> {
        self.letters.remove(&(destination.to_owned(), seq));
        Ok(())
    }

    fn ready_letters(&self, destination: &str, by_ms: i64, limit: u32) -> Result<Vec<Letter>, Infallible> {
        let mut seen = BTreeSet::new();
        let alive = self
            .letters_of(destination)
            .filter(|letter| letter.due_ms.is_some());
        let first = alive.filter(|letter| seen.insert(letter.file_id.clone()));
        let ready = first.filter(|letter| letter.due_ms.is_some_and(|due_ms| due_ms <= by_ms));
        let mut ready: Vec<_> = ready.cloned().collect();
        ready.sort_by_key(|letter| letter.due_ms);
        ready.truncate(limit as usize);
        Ok(ready)
    }

    fn has_letter_of(&self, destination: &str, file: &FileId) -> Result<bool, Infallible> {
        let mut alive = self
            .letters_of(destination)
            .filter(|letter| letter.due_ms.is_some());
        Ok(alive.any(|letter| letter.file_id == *file))
    }

    fn letter_counts(&self, destination: &str) -> Result<(u64, u64), Infallible> {
        let (alive, dead): (Vec<_>, Vec<_>) = self
            .letters_of(destination)
            .partition(|letter| letter.due_ms.is_some());
        Ok((alive.len() as u64, dead.len() as u64))
    }

    fn dead_letters(&self, destination: &str, after: u64, limit: u32) -> Result<Vec<Letter>, Infallible> {
        let dead = self
            .letters_of(destination)
            .filter(|letter| letter.due_ms.is_none());
        let dead = dead.filter(|letter| letter.seq > after);
        Ok(dead.take(limit as usize).cloned().collect())
    }

    fn revive_letters(
        &mut self,
        destination: &str,
        seq: Option<u64>,
        now_ms: i64,
    ) -> Result<u64, Infallible> {
        let mut revived = 0;
        for ((name, of), letter) in &mut self.letters {
            if name == destination && letter.due_ms.is_none() && seq.is_none_or(|seq| seq == *of) {
                letter.due_ms = Some(now_ms);
                letter.first_failed_ms = None;
                revived += 1;
            }
        }
        Ok(revived)
    }

    fn remove_letters(&mut self, through: u64) -> Result<(), Infallible> {
        self.letters.retain(|(_, seq), _| *seq > through);
        Ok(())
    }
}
