//! What holds of versions, whoever edits a file at the same time.

use std::collections::BTreeMap;

use syncsphere_coordinator_core::ledger::MemoryStore;
use syncsphere_protocol::{ChangeKind, FileId, FileRecord};

/// Reads the feed from its beginning: versions of a line count up by one, and each is told of the newest that came between it
/// and the version that it was made from.
pub fn versions_count_up(ledger: &MemoryStore) {
    let mut lines: BTreeMap<FileId, Line> = BTreeMap::new();
    let mut line_of: BTreeMap<FileId, FileId> = BTreeMap::new();
    for change in ledger.all_changes() {
        let file = &change.file;
        match change.kind {
            ChangeKind::Available => {
                let first = file.previous.as_ref().map(|previous| {
                    let line = line_of.get(previous);
                    line.expect("what a version was made from was there").clone()
                });
                let first = first.unwrap_or_else(|| file.file_id.clone());
                line_of.insert(file.file_id.clone(), first.clone());
                lines.entry(first).or_default().add(file);
            }
            ChangeKind::Deleted => {
                let line = line_of.get(&file.file_id).and_then(|line| lines.get_mut(line));
                line.expect("what is deleted was there")
                    .available
                    .retain(|_, id| *id != file.file_id);
            }
            ChangeKind::Uploading | ChangeKind::Aborted | ChangeKind::Expired => {}
        }
    }
}

/// The versions of one file.
#[derive(Default)]
struct Line {
    last: u32,
    numbers: BTreeMap<FileId, u32>,
    available: BTreeMap<u32, FileId>,
}

impl Line {
    fn add(&mut self, file: &FileRecord) {
        let number = file.version.unwrap_or(1);
        assert_eq!(number, self.last + 1, "versions count up by one");
        let previous = file.previous.as_ref().and_then(|id| self.numbers.get(id));
        let newest = self.available.last_key_value();
        let first = newest.filter(|(newest, _)| previous.is_some_and(|previous| *newest > previous));
        assert_eq!(
            file.conflict.as_ref(),
            first.map(|(_, id)| id),
            "who was first is told"
        );
        self.last = number;
        self.numbers.insert(file.file_id.clone(), number);
        self.available.insert(number, file.file_id.clone());
    }
}
