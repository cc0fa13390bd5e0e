//! The ledger against random commands: whatever is asked in whatever order, the feed has no gap,
//! states change only as they may, and repeating a command changes nothing.

use crate::common::drafts;
use std::collections::BTreeMap;

use crate::common::drafts::{file_id, upload_id};
use proptest::prelude::*;
use syncsphere_coordinator_core::ledger::{
    Allowance, Applied, Base, Call, Command, DeferredLength, JobKind, Listing, MemoryStore, Opened, Previous,
    Reference, ReferenceDraft, Reply, Retention, Store, StoredFile, UploadDraft, UploadPhase, apply,
};
use syncsphere_protocol::{FileId, FileRecord, FileStatus, Sha256};

const UPLOADS: usize = 4;
const LIFE_MS: i64 = 100_000;
/// How long changes are kept: longer than these tests take.
const KEEP_MS: i64 = 1_000_000_000;
/// Bytes that the owner may keep: one upload more than there is room for is asked for.
const QUOTA: u64 = 3;
const ALLOWANCE: Allowance = Allowance {
    max_size: 2,
    max_bytes: Some(QUOTA),
};
const CONTENT: Sha256 = Sha256::from_bytes([7; 32]);

fn draft(index: usize, now_ms: i64) -> UploadDraft {
    drafts::draft(index, now_ms + LIFE_MS)
}

/// The same, every third of a size that is not known yet, and half of them next versions of the others.
fn any_draft(index: usize, now_ms: i64) -> UploadDraft {
    let mut draft = draft(index, now_ms);
    draft.file.previous = index.checked_sub(UPLOADS / 2).map(|base| Previous {
        file_id: file_id(base),
        line: file_id(base),
        version: 1,
    });
    if index.is_multiple_of(2) {
        draft.latest_expiry_ms = Some(now_ms + 2 * LIFE_MS);
    }
    if index.is_multiple_of(3) {
        draft.file.size = 0;
        draft.deferred_length = Some(DeferredLength {
            max_size: u64::MAX,
            max_bytes: Some(QUOTA),
            is_streamed: index.is_multiple_of(2),
        });
    }
    draft
}

/// Commands about a few uploads, so that they meet.
fn command() -> impl Strategy<Value = fn(usize, i64) -> Command> {
    prop::sample::select(vec![
        (|index, now_ms| Command::Begin {
            idempotency: None,
            drafts: vec![any_draft(index, now_ms)],
            max_bytes: Some(QUOTA),
        }) as fn(usize, i64) -> Command,
        |index, _| Command::Open {
            opened: vec![Opened {
                upload_id: upload_id(index),
                storage_upload_id: "s".into(),
            }],
        },
        |index, _| Command::StartCompletion {
            upload_id: upload_id(index),
            crc64nvme: None,
            md5: None,
            size: Some(if index.is_multiple_of(2) { 1 } else { 2 }),
        },
        |index, _| Command::StopCompletion {
            upload_id: upload_id(index),
        },
        |index, _| Command::Finish {
            urls_dead_ms: 0,
            upload_id: upload_id(index),
            etag: "\"e\"".to_owned(),
            crc64nvme: None,
            md5: None,
        },
        |index, now_ms| Command::Abort {
            upload_id: upload_id(index),
            urls_dead_ms: now_ms,
        },
        |index, now_ms| Command::Extend {
            upload_id: upload_id(index),
            expires_ms: now_ms + LIFE_MS,
            look_again_ms: None,
        },
        |index, now_ms| Command::Expire {
            upload_id: upload_id(index),
            urls_dead_ms: now_ms,
            look_again_ms: None,
        },
        |index, now_ms| Command::Delete {
            file_id: file_id(index),
            urls_dead_ms: now_ms,
        },
        |index, now_ms| Command::Delete {
            file_id: made_id(index),
            urls_dead_ms: now_ms,
        },
        |index, _| Command::Restore {
            file_id: file_id(index),
            new_id: made_id(index),
            owner: "ann".into(),
            allowance: ALLOWANCE,
        },
        |index, _| Command::Reference {
            idempotency: None,
            wanted: Box::new(Reference {
                from: if index.is_multiple_of(2) {
                    made_id(index)
                } else {
                    file_id(index)
                },
                content: CONTENT,
                base: (index > 2).then(|| Base {
                    file_id: file_id(index),
                    owner: None,
                    is_optional: false,
                }),
                file: reference_draft(index + UPLOADS),
            }),
            allowance: ALLOWANCE,
        },
        |_, _| Command::TakeJobs { limit: 10 },
    ])
}

/// A file that is made of another's content.
fn made_id(number: usize) -> FileId {
    format!("r{number}").parse().unwrap()
}

fn reference_draft(number: usize) -> ReferenceDraft {
    let file = draft(number, 0).file;
    ReferenceDraft {
        file_id: made_id(number),
        name: file.name,
        original_name: None,
        path: file.path,
        content_type: file.content_type,
        owner: file.owner,
        metadata: file.metadata,
    }
}

fn ask(store: &mut MemoryStore, now_ms: i64, command: Command) -> Applied {
    ask_keeping(store, None, now_ms, command)
}

fn ask_keeping(store: &mut MemoryStore, keep: Option<u64>, now_ms: i64, command: Command) -> Applied {
    let Ok(applied) = apply(
        store,
        Call {
            now_ms,
            keep_changes_ms: KEEP_MS,
            retention: keep.map(|keep| Retention {
                keep: Some(keep),
                max_age_ms: None,
                url_life_ms: 0,
            }),
            command,
        },
    );
    applied
}

fn may_follow(before: Option<FileStatus>, file: &FileRecord) -> bool {
    use FileStatus::{Aborted, Available, Deleted, Expired, Uploading};
    match (before, file.status) {
        (None, Available) => file.file_id.as_str().starts_with('r'),
        (before, after) => matches!(
            (before, after),
            (None, Uploading) | (Some(Uploading), Available | Aborted | Expired) | (Some(Available), Deleted)
        ),
    }
}

/// Its owner has told of the content of everything that was uploaded.
fn tell_content(store: &mut MemoryStore) {
    let silent: Vec<_> = store
        .all_files()
        .filter(|file| file.content.is_none())
        .cloned()
        .collect();
    for file in silent {
        let Ok(()) = store.put_file(&StoredFile {
            content: Some(CONTENT),
            ..file
        });
    }
}

/// The keys of available files, each as often as there are files that have it.
fn kept_keys(store: &MemoryStore) -> Vec<&str> {
    let available = store
        .all_files()
        .filter(|file| file.record.status == FileStatus::Available);
    available.map(|file| file.key.as_str()).collect()
}

/// Whether the base of an upload that begins has been available, which the coordinator asks for before.
fn is_based_on_a_file(command: &Command, statuses: &BTreeMap<FileId, FileStatus>) -> bool {
    let Command::Begin { drafts, .. } = command else {
        return true;
    };
    let mut bases = drafts.iter().filter_map(|draft| draft.file.previous.as_ref());
    bases.all(|base| {
        let status = statuses.get(&base.file_id);
        matches!(status, Some(FileStatus::Available | FileStatus::Deleted))
    })
}

/// How many available versions the longest line has.
fn longest_line(store: &MemoryStore) -> u64 {
    let mut lines: BTreeMap<&FileId, u64> = BTreeMap::new();
    for file in store
        .all_files()
        .filter(|file| file.record.status == FileStatus::Available)
    {
        *lines
            .entry(file.line.as_ref().unwrap_or(&file.record.file_id))
            .or_default() += 1;
    }
    lines.into_values().max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_is_asked_the_ledger_holds(
        steps in prop::collection::vec((command(), 0..UPLOADS, 0i64..40_000), 1..60),
        keep in prop::option::of(1u64..3),
    ) {
        let record_bytes = bytes_of_one_record();
        let mut store = MemoryStore::default();
        let mut statuses: BTreeMap<FileId, FileStatus> = BTreeMap::new();
        let mut now_ms = 1_000_000;
        let mut seq = 0;
        for (make, index, pause_ms) in steps {
            now_ms += pause_ms;
            let command = make(index, now_ms);
            if !is_based_on_a_file(&command, &statuses) {
                continue;
            }
            tell_content(&mut store);
            let applied = ask_keeping(&mut store, keep, now_ms, command.clone());

            for change in &applied.changes {
                seq += 1;
                prop_assert_eq!(change.seq, seq, "strictly one more");
                prop_assert_eq!(change.file.seq, seq);
                let before = statuses.insert(change.file.file_id.clone(), change.file.status);
                prop_assert!(may_follow(before, &change.file), "{:?} -> {:?}", before, change.file.status);
                let Ok(kept) = store.file(&change.file.file_id);
                prop_assert_eq!(&kept.expect("a change tells of a file that is there").record, &change.file);
            }
            let Ok(newest) = store.newest_seq();
            prop_assert_eq!(newest, seq);
            let Ok(next_due) = store.next_due();
            prop_assert_eq!(applied.wake_ms, next_due);

            let Ok(used) = store.usage("ann");
            prop_assert_eq!(used.bytes, kept_bytes(&store));
            prop_assert!(used.bytes <= QUOTA);
            let open = store.all_uploads().filter(|upload| upload.phase != UploadPhase::Ended);
            prop_assert_eq!(used.open, open.count() as u64);
            let Ok(workspace) = store.usage("");
            let records = store.all_files().count() + starting(&store);
            prop_assert_eq!(used.record_bytes, record_bytes * records as u64);
            prop_assert_eq!(workspace.record_bytes, used.record_bytes);

            // No object goes that a file still has, neither now nor later, and none stays that nobody has.
            let kept = kept_keys(&store);
            for job in store.all_jobs() {
                // What never opened begins anew under the same ids here, and nowhere else.
                if let JobKind::Sweep(sweep) = &job.kind
                    && !sweep.unrecorded_uploads
                {
                    prop_assert!(!kept.contains(&sweep.key.as_str()), "{:?} is swept", sweep.key);
                }
            }
            for change in &applied.changes {
                let Ok(Some(file)) = store.file(&change.file.file_id) else { continue };
                if change.file.status == FileStatus::Deleted && !kept.contains(&file.key.as_str()) {
                    let Ok(sweep) = store.job(&format!("sweep:{}", change.file.file_id));
                    prop_assert!(sweep.is_some(), "{:?} stays", file.key);
                }
            }
            prop_assert!(longest_line(&store) <= keep.unwrap_or(u64::MAX));

            // What is open will end by itself, and what has ended has an end written down.
            for upload in store.all_uploads() {
                let Ok(expiry) = store.job(&format!("expire:{}", upload.upload_id));
                let status = statuses.get(&upload.file.file_id).copied();
                match upload.phase {
                    UploadPhase::Ended => {
                        prop_assert!(expiry.is_none());
                        prop_assert!(status != Some(FileStatus::Uploading) && status.is_some());
                    }
                    UploadPhase::Starting => prop_assert!(expiry.is_some() && status.is_none()),
                    UploadPhase::Open | UploadPhase::Completing { .. } => {
                        let latest_ms = upload.latest_expiry_ms.unwrap_or(upload.expires_ms);
                        prop_assert!(upload.expires_ms <= latest_ms);
                        prop_assert!(expiry.is_some() && status == Some(FileStatus::Uploading));
                    }
                }
            }

            // Asked again, as after a lost reply: nothing more happens.
            if !matches!(command, Command::TakeJobs { .. }) {
                let again = ask_keeping(&mut store, keep, now_ms, command);
                prop_assert!(again.changes.is_empty() || never_opened(&applied.reply));
                for change in &again.changes {
                    seq += 1;
                    statuses.insert(change.file.file_id.clone(), change.file.status);
                }
            }
        }
        let all = read_feed(&mut store, now_ms);
        prop_assert_eq!(all, (1..=seq).collect::<Vec<_>>());
    }
}

/// An upload that was given up before it was ever open is forgotten, so it can begin anew.
fn never_opened(reply: &Reply) -> bool {
    matches!(reply, Reply::Upload { file: None, .. } | Reply::Missing)
}

/// Uploads that have no record yet.
fn starting(store: &MemoryStore) -> usize {
    let uploads = store.all_uploads();
    uploads
        .filter(|upload| upload.phase == UploadPhase::Starting)
        .count()
}

/// What one of these uploads is counted for: all have names of one length.
fn bytes_of_one_record() -> u64 {
    let mut store = MemoryStore::default();
    let begin = Command::Begin {
        idempotency: None,
        drafts: vec![draft(0, 0)],
        max_bytes: None,
    };
    ask(&mut store, 0, begin);
    let Ok(used) = store.usage("ann");
    used.record_bytes
}

/// Bytes of every file that is there or on its way.
fn kept_bytes(store: &MemoryStore) -> u64 {
    let going = store
        .all_uploads()
        .filter(|upload| upload.phase != UploadPhase::Ended);
    let files = store.all_files().map(|file| &file.record);
    let kept = files.filter(|file| file.status == FileStatus::Available);
    going.map(|upload| upload.file.size).sum::<u64>() + kept.map(|file| file.size).sum::<u64>()
}

/// Sequence numbers of the whole feed, read page by page.
fn read_feed(store: &mut MemoryStore, now_ms: i64) -> Vec<u64> {
    let mut seen: Vec<u64> = Vec::new();
    loop {
        let since = seen.last().copied().unwrap_or(0);
        let Reply::Changes(page) = ask(store, now_ms, Command::Changes { since, limit: 3 }).reply else {
            panic!("changes were asked for");
        };
        if page.changes.is_empty() {
            return seen;
        }
        seen.extend(page.changes.iter().map(|change| change.seq));
    }
}

#[test]
fn files_are_listed_newest_first_page_by_page() {
    let mut store = MemoryStore::default();
    for index in [1, 3, 5, 7, 9] {
        ask(
            &mut store,
            0,
            Command::Begin {
                idempotency: None,
                drafts: vec![draft(index, 0)],
                max_bytes: None,
            },
        );
    }
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let command = Command::Files(Listing {
            statuses: vec![FileStatus::Uploading],
            path: None,
            name_prefix: None,
            created_from: None,
            created_before: None,
            after: cursor,
            limit: 2,
        });
        let Reply::Files(page) = ask(&mut store, 0, command).reply else {
            panic!("files were asked for");
        };
        listed.extend(page.files.into_iter().map(|file| file.file_id.to_string()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, ["f9", "f7", "f5", "f3", "f1"]);
}

#[test]
fn who_remembers_another_feed_is_told_to_begin_anew() {
    let mut store = MemoryStore::default();
    let page =
        |store: &mut MemoryStore, since| match ask(store, 0, Command::Changes { since, limit: 9 }).reply {
            Reply::Changes(page) => page,
            _ => panic!("changes were asked for"),
        };
    assert_eq!(page(&mut store, 0).reset, None);
    assert_eq!(page(&mut store, 1).reset, Some(0));
    ask(
        &mut store,
        0,
        Command::Begin {
            idempotency: None,
            drafts: vec![draft(1, 0)],
            max_bytes: None,
        },
    );
    assert_eq!(page(&mut store, 1).reset, None);
    assert_eq!(page(&mut store, 2).reset, Some(1));
}
