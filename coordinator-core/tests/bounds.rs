//! What one owner, one page and one alarm may take: nothing is free, and nothing is unbounded.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "coordinator/common/drafts.rs"]
mod drafts;
#[path = "coordinator/common/sqlite.rs"]
mod sqlite;

use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use sqlite::Sqlite;
use syncsphere_coordinator_core::ledger::{
    Call, Command, JobKind, Listing, MemoryStore, Opened, Reply, Store, UploadDraft, Usage, apply,
};
use syncsphere_protocol::{FileStatus, Redacted, UploadKind};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// One test at a time, since they share the heap that is measured.
static ALONE: Mutex<()> = Mutex::new(());

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Records with which the bulkiest pages are made.
const FAT: usize = 400;

/// Bytes of a page with its last record. Source: `ledger/page_budget.rs`, and the bulkiest record.
const PAGE: usize = 1024 * 1024 + 128 * 1024;

/// Bytes of heap that a call may take. Source: own choice, a quarter of what an object has.
const MOST_HEAP: usize = 32 * 1024 * 1024;

fn ask<S: Store>(store: &mut S, now_ms: i64, command: Command) -> Reply
where
    S::Error: std::fmt::Debug,
{
    let call = Call {
        now_ms,
        keep_changes_ms: DAY_MS,
        retention: None,
        command,
    };
    apply(store, call).unwrap().reply
}

/// An empty file with as much metadata as there may be, of the characters that JSON writes longest.
fn fat(number: usize) -> UploadDraft {
    let mut draft = single(number);
    draft.file.size = 0;
    let fields = [("k".to_owned(), "\u{1}".repeat(16 * 1024 - 1))];
    draft.file.metadata = Redacted(fields.into_iter().collect());
    draft
}

fn single(number: usize) -> UploadDraft {
    UploadDraft {
        kind: UploadKind::Single,
        ..drafts::draft(number, 365 * DAY_MS)
    }
}

fn begin(drafts: Vec<UploadDraft>) -> Command {
    Command::Begin {
        idempotency: None,
        drafts,
        max_bytes: Some(1_000_000),
    }
}

fn everything(limit: u32) -> Listing {
    Listing {
        statuses: vec![FileStatus::Uploading, FileStatus::Available, FileStatus::Aborted],
        path: None,
        name_prefix: None,
        created_from: None,
        created_before: None,
        after: None,
        limit,
    }
}

/// Asks, and gives the reply once it is known to have taken little memory.
fn ask_within_bounds(store: &mut impl Store<Error: std::fmt::Debug>, now_ms: i64, command: Command) -> Reply {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let reply = ask(store, now_ms, command);
    let json = serde_json::to_string(&reply).unwrap();
    let taken = HEAP.peak_usage().saturating_sub(before);
    assert!(taken < MOST_HEAP, "{taken} bytes of heap");
    assert!(json.len() < PAGE, "{} bytes of JSON", json.len());
    reply
}

#[test]
fn no_page_is_larger_than_its_budget_and_none_is_the_last_too_early() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = Sqlite::empty().store().with_metadata_database(true);
    for number in 0..FAT {
        ask(&mut store, 1_000, begin(vec![fat(number)]));
    }
    for name_prefix in [None, Some("")] {
        let mut listing = Listing {
            name_prefix: name_prefix.map(Into::into),
            ..everything(1_000)
        };
        let mut listed = 0;
        loop {
            let Reply::Files(page) = ask_within_bounds(&mut store, 0, Command::Files(listing.clone())) else {
                panic!("files were asked for");
            };
            assert!(!page.files.is_empty() || page.next.is_none());
            listed += page.files.len();
            listing.after = page.next;
            if listing.after.is_none() {
                break;
            }
        }
        assert_eq!(listed, FAT);
    }

    let mut since = 0;
    loop {
        let command = Command::Changes { since, limit: 1_000 };
        let Reply::Changes(page) = ask_within_bounds(&mut store, 0, command) else {
            panic!("changes were asked for");
        };
        let Some(last) = page.changes.last() else { break };
        assert_eq!(page.changes[0].seq, since + 1);
        since = last.seq;
    }
    assert_eq!(since, FAT as u64);

    // The feed, then everything anew.
    for _ in 0..2 {
        let mut rows = 0;
        while let Reply::Delivery {
            delivery: Some(delivery),
        } = ask_within_bounds(&mut store, 2_000, Command::TakeDelivery { limit: 200 })
        {
            rows += delivery.files.len() + delivery.changes.len();
            let receipt = delivery.receipt;
            ask(&mut store, 2_000, Command::SettleDelivery { receipt });
        }
        assert!(rows >= FAT, "{rows}");
        ask(&mut store, 2_000, Command::Replay);
    }

    // Compaction.
    ask_within_bounds(&mut store, 1_000 + DAY_MS, Command::TakeJobs { limit: 20 });
    assert!(store.oldest_seq().unwrap().unwrap() > 1);
}

#[test]
fn an_owner_has_so_many_uploads_open_and_no_more() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = MemoryStore::default();
    for number in 0..10_000 {
        ask(
            &mut store,
            0,
            begin(vec![UploadDraft {
                kind: UploadKind::Multipart,
                ..fat_free(number)
            }]),
        );
    }
    let one_more = |store: &mut MemoryStore, owner: &str| {
        let mut draft = fat_free(10_001);
        draft.file.owner = owner.into();
        match ask(store, 0, begin(vec![draft])) {
            Reply::Begun { uploads } => uploads[0].is_some(),
            other => panic!("{other:?}"),
        }
    };
    assert!(!one_more(&mut store, "ann"));
    // One that ends makes room, whether it was ever open or not.
    for upload_id in [drafts::upload_id(1), drafts::upload_id(2)] {
        let storage_upload_id = "s".into();
        if upload_id == drafts::upload_id(1) {
            let opened = vec![Opened {
                upload_id: upload_id.clone(),
                storage_upload_id,
            }];
            ask(&mut store, 0, Command::Open { opened });
        }
        ask(
            &mut store,
            0,
            Command::Abort {
                upload_id,
                urls_dead_ms: 0,
            },
        );
    }
    let Ok(usage) = store.usage("ann");
    assert_eq!(usage.open, 9_998);
    assert!(one_more(&mut store, "ann"));
}

/// Nothing in it, and nothing with it.
fn fat_free(number: usize) -> UploadDraft {
    let mut draft = single(number);
    draft.file.size = 0;
    draft
}

#[test]
fn records_are_counted_until_they_are_purged() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = MemoryStore::default();
    ask(&mut store, 0, begin(vec![fat(1)]));
    let Ok(one) = store.usage("ann");
    assert!(one.record_bytes > 16 * 1024, "{one:?}");
    // Full, though not a byte of content is kept.
    let full = Usage {
        record_bytes: 2 * 1024 * 1024 * 1024 - 1024,
        ..one.clone()
    };
    let Ok(()) = store.put_usage("ann", &full);
    match ask(&mut store, 0, begin(vec![fat(2)])) {
        Reply::Begun { uploads } => assert_eq!(uploads, [None]),
        other => panic!("{other:?}"),
    }
    let Ok(()) = store.put_usage("ann", &one);

    let upload_id = drafts::upload_id(1);
    ask(
        &mut store,
        0,
        Command::Abort {
            upload_id,
            urls_dead_ms: 0,
        },
    );
    // Another change, since the newest is always kept.
    ask(&mut store, 1, begin(vec![single(3)]));
    let Ok(kept) = store.file(&drafts::file_id(1));
    assert!(kept.is_some());
    ask(&mut store, DAY_MS, Command::TakeJobs { limit: 20 });
    let Ok(gone) = store.file(&drafts::file_id(1));
    assert!(gone.is_none(), "an old tombstone is purged");
    assert_eq!(store.all_uploads().count(), 1, "and its upload");
    let Ok(left) = store.usage("ann");
    assert!(left.record_bytes < 2_048 && left.open == 1, "{left:?}");
}

#[test]
fn an_upload_that_is_over_is_purged_and_its_available_file_stays() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = MemoryStore::default();
    ask(&mut store, 0, begin(vec![single(1)]));
    ask(
        &mut store,
        0,
        Command::Finish {
            upload_id: drafts::upload_id(1),
            etag: "\"e\"".to_owned(),
            crc64nvme: None,
            md5: None,
            urls_dead_ms: 0,
        },
    );
    ask(&mut store, 1, begin(vec![single(2)]));
    let Ok(before) = store.usage("ann");
    ask(&mut store, DAY_MS, Command::TakeJobs { limit: 20 });
    let uploads: Vec<_> = store
        .all_uploads()
        .map(|upload| upload.upload_id.clone())
        .collect();
    assert_eq!(uploads, [drafts::upload_id(2)]);
    assert_eq!(store.all_files().count(), 2);
    let Ok(after) = store.usage("ann");
    assert_eq!(after, before);
}

#[test]
fn a_full_workspace_begins_nothing_and_still_deletes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = MemoryStore::default();
    ask(&mut store, 0, begin(vec![single(1)]));
    let finish = Command::Finish {
        upload_id: drafts::upload_id(1),
        etag: "\"e\"".to_owned(),
        crc64nvme: None,
        md5: None,
        urls_dead_ms: 0,
    };
    ask(&mut store, 0, finish);
    let Ok(before) = store.usage("");
    assert!(before.record_bytes > 0);
    let full = Usage {
        record_bytes: 5 * 1024 * 1024 * 1024,
        ..before.clone()
    };
    let Ok(()) = store.put_usage("", &full);
    // Whoever asks: another owner's share is not used up.
    let mut of_another = single(2);
    of_another.file.owner = Redacted("ben".to_owned());
    match ask(&mut store, 0, begin(vec![of_another.clone()])) {
        Reply::Begun { uploads } => assert_eq!(uploads, [None]),
        other => panic!("{other:?}"),
    }
    let delete = Command::Delete {
        file_id: drafts::file_id(1),
        urls_dead_ms: 0,
    };
    match ask(&mut store, 0, delete) {
        Reply::File { file, .. } => assert_eq!(file.record.status, FileStatus::Deleted),
        other => panic!("{other:?}"),
    }
    // What is purged makes room, once another change is the newest.
    let Ok(()) = store.put_usage("", &before);
    ask(&mut store, 1, begin(vec![of_another]));
    ask(&mut store, DAY_MS, Command::TakeJobs { limit: 20 });
    let (Ok(left), Ok(one)) = (store.usage(""), store.usage("ben"));
    assert_eq!(left.record_bytes, one.record_bytes);
}

#[test]
fn the_metadata_is_not_kept_with_the_upload_once_it_is_in_the_record() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = MemoryStore::default();
    ask(&mut store, 0, begin(vec![fat(1)]));
    assert!(store.all_uploads().all(|upload| upload.file.metadata.is_empty()));
    assert!(store.all_files().all(|file| file.record.metadata.len() == 1));
}

#[test]
fn expiry_does_not_wait_behind_watches() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = Sqlite::empty().store();
    for number in 0..500 {
        let mut draft = fat_free(number);
        let deferred = serde_json::json!({ "maxSize": 7, "maxBytes": null });
        draft.deferred_length = serde_json::from_value(deferred).unwrap();
        ask(&mut store, 0, begin(vec![draft]));
    }
    let expires_ms = 10_000;
    let soon_over = UploadDraft {
        expires_ms,
        ..fat_free(1_000)
    };
    ask(&mut store, 0, begin(vec![soon_over]));
    for limit in [1, 5, 20] {
        let Reply::Jobs { jobs } = ask(&mut store, expires_ms, Command::TakeJobs { limit }) else {
            panic!("jobs were asked for");
        };
        let expiries = jobs
            .iter()
            .filter(|job| matches!(job.kind, JobKind::Expire { .. }));
        assert_eq!(expiries.count(), 1, "{limit}");
        // What is left of the share goes to the others.
        assert_eq!(jobs.len(), (limit as usize).max(2));
        let id = "expire:u1000".to_owned();
        let again_ms = Some(expires_ms);
        ask(&mut store, 0, Command::SettleJob { job_id: id, again_ms });
    }
}
