//! The invariants that hold in every run.

use std::collections::{BTreeMap, BTreeSet};

use syncsphere_coordinator_core::ledger::{MemoryStore, Store, StoredFile};
use syncsphere_protocol::{ChangeKind, FileId, FileStatus, PartRange};
use syncsphere_upload_core::{Action, AttemptId, Call, Notice, TaskId, TaskState};

use crate::content::checksum;
use crate::delta_page::UPLOADED;
use crate::storage::FakeStorage;

/// Watches one page's engine. Every method panics where a promise is broken, since a run is a test.
#[derive(Debug, Default)]
pub struct EngineInvariants {
    shown: BTreeMap<TaskId, u64>,
    ended: BTreeMap<TaskId, TaskState>,
    aborted: BTreeSet<TaskId>,
    sending: BTreeSet<AttemptId>,
}

impl EngineInvariants {
    /// A page gives a task up: from now on nothing but its end may be heard of it.
    pub fn aborted(&mut self, task: TaskId) {
        self.aborted.insert(task);
    }

    /// A request has ended by itself.
    pub fn attempt_ended(&mut self, attempt: AttemptId) {
        self.sending.remove(&attempt);
    }

    /// An action that the engine wants done.
    pub fn action(&mut self, action: &Action, most_in_flight: usize) {
        match action {
            Action::Send { attempt, task, .. } => {
                self.stays_quiet(*task, "sends a part");
                self.sending.insert(*attempt);
                let in_flight = self.sending.len();
                assert!(
                    in_flight <= most_in_flight,
                    "{in_flight} requests of {most_in_flight} in flight"
                );
            }
            Action::Hash { task, .. } => self.stays_quiet(*task, "hashes a part"),
            Action::Save { task, .. } => self.stays_quiet(*task, "keeps a checkpoint"),
            Action::Cancel { attempt } => {
                self.sending.remove(attempt);
            }
            Action::Notify { task, notice } => self.notice(*task, notice),
            Action::Call { request, .. } => {
                if let Call::SignParts { body, .. } = request.as_ref() {
                    assert!(
                        (1..=100).contains(&body.parts.len()),
                        "a signing batch has 1 to 100 parts"
                    );
                }
            }
            Action::Forget { .. } | Action::Examine { .. } => {}
        }
    }

    fn stays_quiet(&self, task: TaskId, doing: &str) {
        assert!(!self.aborted.contains(&task), "{task:?} {doing} after its abort");
        assert!(!self.ended.contains_key(&task), "{task:?} {doing} after its end");
    }

    fn notice(&mut self, task: TaskId, notice: &Notice) {
        match notice {
            Notice::Progress(progress) => {
                let shown = self.shown.entry(task).or_default();
                assert!(progress.loaded >= *shown, "progress of {task:?} fell");
                assert!(progress.loaded <= progress.total, "progress of {task:?} overshot");
                *shown = progress.loaded;
            }
            Notice::State(state) => {
                let before = self.ended.get(&task);
                assert!(before.is_none(), "{task:?} was {before:?} and became {state:?}");
                if state.is_final() {
                    self.ended.insert(task, *state);
                }
            }
            Notice::Available(_) => {
                assert_eq!(self.ended.get(&task), Some(&TaskState::Available));
            }
            Notice::Failed(_) => {
                self.ended.entry(task).or_insert(TaskState::Failed);
            }
        }
    }
}

/// The workspace's feed has no gap and no repeat, each file lives a legal life in it, and the
/// records are what the feed last said.
pub fn feed_is_sound(ledger: &MemoryStore) {
    let mut last = BTreeMap::new();
    for (change, expected) in ledger.all_changes().zip(1..) {
        assert_eq!(change.seq, expected, "the feed has a gap");
        assert_eq!(change.file.seq, change.seq, "a record does not know its change");
        let before = last.insert(change.file.file_id.clone(), change.clone());
        let before = before.map(|change| change.kind);
        let legal = match change.kind {
            ChangeKind::Uploading => before.is_none(),
            // A file of another's content is there at once.
            ChangeKind::Available if before.is_none() => is_reference(ledger, &change.file.file_id),
            ChangeKind::Available | ChangeKind::Aborted | ChangeKind::Expired => {
                before == Some(ChangeKind::Uploading)
            }
            ChangeKind::Deleted => before == Some(ChangeKind::Available),
        };
        assert!(legal, "{:?} cannot follow {before:?}", change.kind);
    }
    for file in ledger.all_files() {
        if let Some(change) = last.get(&file.record.file_id) {
            assert_eq!(change.file, file.record, "a record and its last change differ");
        }
    }
}

fn is_reference(ledger: &MemoryStore, id: &FileId) -> bool {
    let Ok(file) = ledger.file(id);
    file.is_some_and(|file| file.origin.is_some())
}

/// Once everybody has gone and all jobs are done, storage holds the available files and nothing else.
pub fn nothing_else_is_stored<'a>(ledgers: impl Iterator<Item = &'a MemoryStore>, storage: &FakeStorage) {
    assert_eq!(storage.open_uploads(), 0, "multipart uploads are left for ever");
    let files = ledgers.flat_map(MemoryStore::all_files);
    let available = files.filter(|file| file.record.status == FileStatus::Available);
    let keys: BTreeSet<&str> = available.map(|file| file.key.as_str()).collect();
    for key in storage.objects().keys() {
        assert!(keys.contains(key.as_str()), "an object is left for ever");
    }
}

/// Every file that the workspace calls available is in storage, whole and undamaged: its bytes are
/// those of one of the versions that a file has had on disk, given as size and seed.
pub fn available_means_stored(ledger: &MemoryStore, storage: &FakeStorage, versions: &[(u64, u64)]) {
    for file in ledger
        .all_files()
        .filter(|file| file.record.status == FileStatus::Available)
    {
        let object = storage.objects().get(file.key.as_str());
        let object = object.expect("an available file has its object");
        assert_eq!(object.size, file.record.size);
        assert_eq!(file.record.checksum.crc64nvme, Some(object.crc));
        assert_eq!(object.crc, object.content.checksum(), "an object is damaged");
        if let Some(uploaded) = uploaded(file) {
            assert_eq!(
                object.crc.to_string(),
                uploaded,
                "an available file is another one"
            );
            continue;
        }
        let whole = PartRange {
            offset: 0,
            length: object.size,
        };
        let is_a_version = versions
            .iter()
            .any(|(size, seed)| *size == object.size && checksum(*seed, whole) == object.crc);
        assert!(is_a_version, "an available file mixes versions or is damaged");
    }
}

/// The checksum of what its page uploaded, where that has told it.
fn uploaded(file: &StoredFile) -> Option<&str> {
    let mut metadata = file.record.metadata.iter();
    let (_, whole) = metadata.find(|(name, _)| *name == UPLOADED)?;
    Some(whole)
}
