//! Versions of a file: their numbers, who was first, which go, and what a file that has another's content takes up.

use crate::common::drafts::{self, file_id, upload_id};
use syncsphere_coordinator_core::ledger::{
    Allowance, Base, Call, Command, Idempotency, JobKind, MemoryStore, Previous, Reference, ReferenceDraft,
    Reply, Retention, Store, StoredFile, apply,
};
use syncsphere_protocol::{ChangeKind, FileId, FileRecord, FileStatus, Sha256};

const CONTENT: Sha256 = Sha256::from_bytes([7; 32]);
const DAY_MS: i64 = 86_400_000;

/// A workspace, its clock and what its operator has configured.
#[derive(Default)]
struct World {
    store: MemoryStore,
    now_ms: i64,
    retention: Option<Retention>,
}

impl World {
    fn ask(&mut self, command: Command) -> Reply {
        let call = Call {
            now_ms: self.now_ms,
            keep_changes_ms: i64::MAX / 2,
            retention: self.retention,
            command,
        };
        let Ok(applied) = apply(&mut self.store, call);
        applied.reply
    }

    fn base(&mut self, base: usize) -> Option<Previous> {
        let base = Base {
            file_id: file_id(base),
            owner: None,
            is_optional: false,
        };
        match self.ask(Command::Base(base)) {
            Reply::Base(previous) => Some(previous),
            Reply::Missing => None,
            other => panic!("a base was asked for: {other:?}"),
        }
    }

    /// Begins an upload, which is open at once.
    fn begin(&mut self, number: usize, previous: Option<Previous>) {
        let mut draft = drafts::draft(number, i64::MAX);
        draft.storage_upload_id = Some("s".into());
        draft.file.previous = previous;
        self.ask(Command::Begin {
            idempotency: None,
            drafts: vec![draft],
            max_bytes: None,
        });
    }

    fn finish(&mut self, number: usize) -> FileRecord {
        let reply = self.ask(Command::Finish {
            upload_id: upload_id(number),
            etag: "\"e\"".to_owned(),
            crc64nvme: None,
            md5: None,
            urls_dead_ms: 0,
        });
        match reply {
            Reply::Upload { file: Some(file), .. } => *file,
            other => panic!("an upload was finished: {other:?}"),
        }
    }

    /// Uploads the next version after this one, or a first one.
    fn upload(&mut self, number: usize, base: Option<usize>) -> FileRecord {
        let previous = base.and_then(|base| self.base(base));
        self.begin(number, previous);
        self.finish(number)
    }

    fn delete(&mut self, file_id: &FileId) -> bool {
        let delete = Command::Delete {
            file_id: file_id.clone(),
            urls_dead_ms: 0,
        };
        match self.ask(delete) {
            Reply::File { job, .. } => job.is_some(),
            other => panic!("a file was deleted: {other:?}"),
        }
    }

    fn versions(&mut self, number: usize) -> Vec<String> {
        let versions = Command::Versions {
            file_id: file_id(number),
        };
        match self.ask(versions) {
            Reply::Versions { versions } => versions.iter().map(|file| file.file_id.to_string()).collect(),
            other => panic!("versions were asked for: {other:?}"),
        }
    }

    fn stored(&self, number: usize) -> StoredFile {
        let Ok(file) = self.store.file(&file_id(number));
        file.expect("a file that is there")
    }

    /// Its owner tells what the file's content is.
    fn tell_content(&mut self, number: usize) {
        let file = self.stored(number);
        let content = Some(CONTENT);
        let Ok(()) = self.store.put_file(&StoredFile { content, ..file });
    }
}

fn reference(from: usize, made: &str, owner: &str) -> Reference {
    let file = drafts::draft(from, 0).file;
    Reference {
        from: file_id(from),
        content: CONTENT,
        base: None,
        file: ReferenceDraft {
            file_id: made.parse().unwrap(),
            name: "copy".into(),
            original_name: None,
            path: "".into(),
            content_type: file.content_type,
            owner: owner.into(),
            metadata: file.metadata,
        },
    }
}

fn make(wanted: Reference) -> Command {
    Command::Reference {
        idempotency: None,
        wanted: Box::new(wanted),
        allowance: Allowance {
            max_size: 1,
            max_bytes: Some(2),
        },
    }
}

#[test]
fn versions_are_numbered_as_they_become_available_and_who_was_first_is_told() {
    let mut world = World::default();
    assert_eq!(world.upload(1, None).version, Some(1));
    let base = world.base(1);
    world.begin(2, base.clone());
    world.begin(3, base);
    assert_eq!(world.base(2), None, "an upload is no base yet");
    let first = world.finish(3);
    let second = world.finish(2);
    assert_eq!(
        (first.version, first.previous, first.conflict),
        (Some(2), Some(file_id(1)), None)
    );
    assert_eq!(
        (second.version, second.previous, second.conflict),
        (Some(3), Some(file_id(1)), Some(file_id(3)))
    );
    let third = world.upload(4, Some(2));
    assert_eq!(
        (third.version, third.previous, third.conflict),
        (Some(4), Some(file_id(2)), None)
    );
    for any in 1..=4 {
        assert_eq!(world.versions(any), ["f4", "f2", "f3", "f1"]);
    }
}

#[test]
fn a_version_whose_base_has_gone_is_finished_and_takes_no_number_twice() {
    let mut world = World::default();
    world.upload(1, None);
    world.upload(2, Some(1));
    let base = world.base(2);
    world.begin(3, base);
    world.delete(&file_id(1));
    world.delete(&file_id(2));
    assert_eq!(world.base(2), None);
    let third = world.finish(3);
    assert_eq!(
        (third.version, third.previous, third.conflict),
        (Some(3), Some(file_id(2)), None)
    );
    assert_eq!(world.versions(3), ["f3"]);

    world.upload(4, Some(3));
    world.delete(&file_id(4));
    let fifth = world.upload(5, Some(3));
    assert_eq!((fifth.version, fifth.conflict), (Some(5), None));
}

#[test]
fn a_line_longer_than_what_is_read_at_once_is_listed_whole() {
    let mut world = World::default();
    world.upload(0, None);
    for number in 1..70 {
        world.upload(number, Some(number - 1));
    }
    let wanted: Vec<_> = (0..70).rev().map(|number| format!("f{number}")).collect();
    assert_eq!(world.versions(0), wanted);
}

#[test]
fn who_does_not_read_names_bases_of_their_own_alone() {
    let mut world = World::default();
    world.upload(1, None);
    for (owner, is_found) in [("ann", true), ("bob", false)] {
        let base = Base {
            file_id: file_id(1),
            owner: Some(owner.into()),
            is_optional: false,
        };
        assert_eq!(
            world.ask(Command::Base(base)) != Reply::Missing,
            is_found,
            "{owner}"
        );
    }
}

#[test]
fn a_file_of_anothers_content_is_made_for_its_owner_alone_and_counts_by_its_size() {
    let mut world = World::default();
    world.upload(1, None);
    assert_eq!(world.ask(make(reference(1, "r1", "ann"))), Reply::OtherContent);
    world.tell_content(1);
    assert_eq!(world.ask(make(reference(1, "r1", "bob"))), Reply::Missing);
    assert_eq!(world.ask(make(reference(2, "r1", "ann"))), Reply::Missing);
    let without_base = |is_optional| Reference {
        base: Some(Base {
            file_id: file_id(2),
            owner: None,
            is_optional,
        }),
        ..reference(1, "r1", "ann")
    };
    assert_eq!(world.ask(make(without_base(false))), Reply::Missing);
    let too_large = Command::Reference {
        idempotency: None,
        wanted: Box::new(reference(1, "r1", "ann")),
        allowance: Allowance {
            max_size: 0,
            max_bytes: None,
        },
    };
    assert_eq!(world.ask(too_large), Reply::TooLarge);
    let Ok(newest) = world.store.newest_seq();
    assert_eq!(newest, 2, "nothing has been made");

    let Reply::File { file, job: None } = world.ask(make(reference(1, "r1", "ann"))) else {
        panic!("a file was made");
    };
    let from = world.stored(1);
    assert_eq!((&file.key, file.content), (&from.key, from.content));
    assert_eq!(
        (file.record.name.as_str(), file.record.version),
        ("copy", Some(1))
    );
    assert_eq!((file.record.size, &file.record.etag), (1, &from.record.etag));
    let Ok(used) = world.store.usage("ann");
    assert_eq!((used.bytes, used.open), (2, 0));
    assert_eq!(world.ask(make(reference(1, "r2", "ann"))), Reply::OverQuota);
    let kinds: Vec<_> = world.store.all_changes().map(|change| change.kind).collect();
    assert_eq!(kinds.last(), Some(&ChangeKind::from(FileStatus::Available)));

    assert!(!world.delete(&file_id(1)), "the other file has the object");
    assert!(world.delete(&file.record.file_id));
}

#[test]
fn a_file_comes_without_a_base_that_need_not_be_there() {
    let mut world = World::default();
    world.upload(1, None);
    world.tell_content(1);
    let after = |base, made| {
        make(Reference {
            base: Some(Base {
                file_id: file_id(base),
                owner: None,
                is_optional: true,
            }),
            ..reference(1, made, "ann")
        })
    };
    for (base, made, version, previous) in [(2, "r2", 1, None), (1, "r1", 2, Some(file_id(1)))] {
        let Reply::File { file, .. } = world.ask(after(base, made)) else {
            panic!("a file was made");
        };
        let found = (file.record.version, file.record.previous);
        assert_eq!(found, (Some(version), previous));
        world.delete(&made.parse().unwrap());
    }
}

#[test]
fn a_request_repeated_by_its_key_makes_one_file() {
    let mut world = World::default();
    world.upload(1, None);
    world.tell_content(1);
    let mut ask = |made: &str, fingerprint: &str| {
        world.ask(Command::Reference {
            idempotency: Some(Idempotency {
                key: "k".into(),
                fingerprint: fingerprint.to_owned(),
            }),
            wanted: Box::new(reference(1, made, "ann")),
            allowance: Allowance {
                max_size: 1,
                max_bytes: None,
            },
        })
    };
    let first = ask("r1", "one");
    assert!(matches!(first, Reply::File { .. }));
    assert_eq!(ask("r2", "one"), first);
    assert_eq!(ask("r3", "another"), Reply::KeyReused);
}

#[test]
fn a_restored_version_is_the_newest_and_whoever_restores_owns_it() {
    let mut world = World::default();
    world.upload(1, None);
    world.tell_content(1);
    world.upload(2, Some(1));
    let restore = |id: &str, new_id: &str| Command::Restore {
        file_id: id.parse().unwrap(),
        new_id: new_id.parse().unwrap(),
        owner: "bob".into(),
        allowance: Allowance {
            max_size: 1,
            max_bytes: None,
        },
    };
    let Reply::File { file, .. } = world.ask(restore("f1", "r1")) else {
        panic!("a version was restored");
    };
    let record = &file.record;
    assert_eq!(
        (record.version, &record.previous, &record.conflict),
        (Some(3), &Some(file_id(2)), &None)
    );
    assert_eq!(record.owner.as_str(), "bob");
    assert_eq!(file.content, None, "what ann has told is not bob's word");
    // The newest is what was asked for already.
    for (id, new_id) in [("f1", "r2"), ("r1", "r3")] {
        let Reply::File { file: same, .. } = world.ask(restore(id, new_id)) else {
            panic!("a version was restored");
        };
        assert_eq!(same, file);
    }
    assert_eq!(world.versions(2), ["r1", "f2", "f1"]);
    world.delete(&file_id(1));
    assert_eq!(world.ask(restore("f1", "r4")), Reply::Missing);
}

#[test]
fn older_versions_go_by_number_and_by_age_and_the_newest_stays() {
    let keep = |keep, max_age_ms| {
        Some(Retention {
            keep,
            max_age_ms,
            url_life_ms: 9,
        })
    };
    let mut world = World::default();
    world.upload(1, None);
    for number in 2..=5 {
        world.now_ms += DAY_MS;
        world.upload(number, Some(number - 1));
    }
    assert_eq!(world.versions(1), ["f5", "f4", "f3", "f2", "f1"]);

    world.retention = keep(Some(4), None);
    world.upload(6, Some(5));
    assert_eq!(world.versions(6), ["f6", "f5", "f4", "f3"]);
    let sweeps = world.store.all_jobs().filter(|job| match &job.kind {
        JobKind::Sweep(sweep) => job.due_ms == world.now_ms && sweep.urls_dead_ms == world.now_ms + 9,
        _ => false,
    });
    assert_eq!(sweeps.count(), 2, "the alarm sweeps them at once");

    // 3 was followed by 4 a day ago, 4 by 5 now: what counts is since when there is a newer one.
    world.retention = keep(None, Some(2 * DAY_MS));
    world.now_ms += DAY_MS - 1;
    world.upload(7, Some(6));
    assert_eq!(world.versions(7), ["f7", "f6", "f5", "f4", "f3"]);
    world.now_ms += 1;
    world.ask(Command::TakeJobs { limit: 10 });
    assert_eq!(world.versions(7), ["f7", "f6", "f5", "f4"]);
    world.now_ms += 100 * DAY_MS;
    world.ask(Command::TakeJobs { limit: 10 });
    assert_eq!(world.versions(7), ["f7"]);
    assert!(
        !world
            .store
            .all_jobs()
            .any(|job| matches!(job.kind, JobKind::Retain { .. }))
    );
}

#[test]
fn a_long_line_is_shortened_by_and_by() {
    let mut world = World::default();
    world.upload(0, None);
    for number in 1..100 {
        world.upload(number, Some(number - 1));
    }
    world.retention = Some(Retention {
        keep: Some(1),
        max_age_ms: None,
        url_life_ms: 0,
    });
    world.upload(100, Some(99));
    let left = world.versions(100).len();
    assert!((2..100).contains(&left), "{left}");
    for _ in 0..4 {
        world.ask(Command::TakeJobs { limit: 10 });
    }
    assert_eq!(world.versions(100), ["f100"]);
}
