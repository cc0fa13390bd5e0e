//! Deliveries to the metadata database against random commands, some of which are lost or repeated, and replays: what the
//! database is given, written as it promises to, becomes what the ledger holds.

use crate::common::drafts;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use syncsphere_coordinator_core::ledger::{
    Applied, Call, Command, Delivery, MemoryStore, Reply, UploadDraft, apply,
};
use syncsphere_protocol::{Change, DatabaseStatus, FileId, FileRecord, FileStatus, UploadKind};

/// How long the feed is kept: shorter than a run, so that a replay finds some of it gone.
const KEEP_CHANGES_MS: i64 = 400_000;

/// A metadata database that writes as `Database::write` has it.
#[derive(Default)]
struct Copy {
    files: BTreeMap<FileId, FileRecord>,
    changes: BTreeMap<u64, Change>,
}

impl Copy {
    fn write(&mut self, delivery: &Delivery) {
        let told = delivery.changes.iter().map(|change| &change.file);
        for file in delivery.files.iter().chain(told) {
            let known = self.files.get(&file.file_id);
            if known.is_none_or(|known| known.seq <= file.seq) {
                self.files.insert(file.file_id.clone(), file.clone());
            }
        }
        if let Some(span) = &delivery.span {
            for (id, file) in &mut self.files {
                let is_within = span.after.as_ref().is_none_or(|after| id > after)
                    && span.before.as_ref().is_none_or(|before| id < before);
                let is_told = delivery.files.iter().any(|told| told.file_id == *id);
                if is_within && !is_told && !is_gone(file) && file.seq <= span.as_of {
                    file.status = FileStatus::Deleted;
                    file.seq = span.as_of;
                }
            }
        }
        for change in &delivery.changes {
            self.changes.entry(change.seq).or_insert_with(|| change.clone());
        }
    }
}

fn is_gone(file: &FileRecord) -> bool {
    use FileStatus::{Aborted, Deleted, Expired};
    matches!(file.status, Aborted | Expired | Deleted)
}

fn ask(store: &mut MemoryStore, now_ms: i64, command: Command) -> Applied {
    let call = Call {
        now_ms,
        keep_changes_ms: KEEP_CHANGES_MS,
        retention: None,
        command,
    };
    let Ok(applied) = apply(store, call);
    applied
}

fn begin(index: usize) -> Command {
    let draft = UploadDraft {
        kind: UploadKind::Single,
        ..drafts::draft(index, i64::MAX)
    };
    Command::Begin {
        idempotency: None,
        drafts: vec![draft],
        max_bytes: None,
    }
}

fn finish(index: usize) -> Command {
    Command::Finish {
        urls_dead_ms: 0,
        upload_id: drafts::upload_id(index),
        etag: "\"e\"".to_owned(),
        crc64nvme: None,
        md5: None,
    }
}

fn delete(index: usize) -> Command {
    Command::Delete {
        file_id: drafts::file_id(index),
        urls_dead_ms: 0,
    }
}

fn take(store: &mut MemoryStore, now_ms: i64) -> Option<Delivery> {
    match ask(store, now_ms, Command::TakeDelivery { limit: 2 }).reply {
        Reply::Delivery { delivery } => delivery.map(|delivery| *delivery),
        other => panic!("{other:?}"),
    }
}

fn settle(store: &mut MemoryStore, now_ms: i64, delivery: &Delivery) -> Reply {
    let receipt = delivery.receipt.clone();
    ask(store, now_ms, Command::SettleDelivery { receipt }).reply
}

fn status(store: &mut MemoryStore) -> DatabaseStatus {
    match ask(store, 0, Command::Database).reply {
        Reply::Database(status) => status,
        other => panic!("{other:?}"),
    }
}

/// Delivers until nothing is due any more.
fn drain(store: &mut MemoryStore, now_ms: &mut i64, copy: &mut Copy) {
    for _ in 0..1_000 {
        let Some(wake_ms) = ask(store, *now_ms, Command::Head).wake_ms else {
            return;
        };
        if wake_ms == i64::MAX {
            return;
        }
        *now_ms = wake_ms.max(*now_ms);
        if let Some(delivery) = take(store, *now_ms) {
            copy.write(&delivery);
            settle(store, *now_ms, &delivery);
        } else if !ask(store, *now_ms, Command::TakeJobs { limit: 9 })
            .changes
            .is_empty()
        {
            panic!("jobs make no changes by themselves");
        } else if status(store).waiting == 0 && !status(store).rebuilding {
            return;
        }
    }
    panic!("it never ends");
}

/// What the copy knows beyond the ledger is gone.
fn assert_same(store: &MemoryStore, copy: &Copy) {
    let files: BTreeMap<_, _> = store
        .all_files()
        .map(|file| (file.record.file_id.clone(), file.record.clone()))
        .collect();
    for (id, file) in &files {
        assert_eq!(copy.files.get(id), Some(file));
    }
    for file in copy.files.values() {
        assert!(is_gone(file) || files.contains_key(&file.file_id));
    }
    // It may know more of the feed than is kept.
    for change in store.all_changes() {
        assert_eq!(copy.changes.get(&change.seq), Some(change));
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Begin,
    Finish,
    Delete,
    /// A delivery arrives and is settled.
    Deliver,
    /// It arrives, and its settling is lost, or comes only when others have been settled.
    DeliverUnsettled,
    /// It never arrives, and nobody hears of that.
    Lose,
    /// It never arrives.
    Fail,
    /// An old delivery arrives once more.
    Repeat,
    /// A settling that was held up comes at last.
    SettleLate,
    /// The tables are emptied, and rebuilt.
    Rebuild,
    /// The binding goes and comes back; changes meanwhile are a gap.
    Unbind,
    Bind,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::{
        Begin, Bind, Delete, Deliver, DeliverUnsettled, Fail, Finish, Lose, Rebuild, Repeat, SettleLate,
        Unbind,
    };
    prop::sample::select(vec![
        Begin,
        Begin,
        Begin,
        Finish,
        Finish,
        Delete,
        Deliver,
        Deliver,
        DeliverUnsettled,
        Lose,
        Fail,
        Repeat,
        SettleLate,
        Rebuild,
        Unbind,
        Bind,
        Bind,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_is_lost_or_repeated_the_copy_becomes_the_ledger(
        steps in prop::collection::vec((step(), 0..6usize, 0i64..20_000), 1..80),
    ) {
        let mut store = MemoryStore::default();
        store.set_has_database(true);
        let mut copy = Copy::default();
        let mut now_ms = 1_000;
        let mut old: Vec<Delivery> = Vec::new();
        for (step, index, pause_ms) in steps {
            now_ms += pause_ms;
            match step {
                Step::Begin => drop(ask(&mut store, now_ms, begin(index))),
                Step::Finish => drop(ask(&mut store, now_ms, finish(index))),
                Step::Delete => drop(ask(&mut store, now_ms, delete(index))),
                Step::Rebuild => {
                    if ask(&mut store, now_ms, Command::Replay).reply == Reply::Missing {
                        continue;
                    }
                    copy = Copy::default();
                    // What was on its way at that time got there before the tables were emptied.
                    old.clear();
                }
                Step::Unbind => store.set_has_database(false),
                Step::Bind => store.set_has_database(true),
                Step::Repeat => old.iter().for_each(|delivery| copy.write(delivery)),
                Step::SettleLate => {
                    if let Some(delivery) = old.last() {
                        settle(&mut store, now_ms, delivery);
                    }
                }
                Step::Deliver | Step::DeliverUnsettled | Step::Lose | Step::Fail => {
                    let Some(delivery) = take(&mut store, now_ms) else { continue };
                    match step {
                        Step::Lose => {}
                        Step::Fail => drop(ask(&mut store, now_ms, Command::PutOffDelivery)),
                        _ => copy.write(&delivery),
                    }
                    if step == Step::Deliver {
                        settle(&mut store, now_ms, &delivery);
                    }
                    if step == Step::DeliverUnsettled {
                        old.push(delivery);
                    }
                }
            }
        }
        store.set_has_database(true);
        // One more change, whereupon a database that came back is told everything.
        ask(&mut store, now_ms, begin(99));
        drain(&mut store, &mut now_ms, &mut copy);
        assert_same(&store, &copy);
        let status = status(&mut store);
        prop_assert_eq!((status.waiting, status.rebuilding, status.failures), (0, false, 0));
    }
}

#[test]
fn a_database_that_is_dead_for_long_holds_nothing_back_and_learns_at_last_what_is_gone() {
    let mut store = MemoryStore::default();
    store.set_has_database(true);
    let mut copy = Copy::default();
    for index in 0..50 {
        ask(&mut store, 0, begin(index));
    }
    ask(&mut store, 0, finish(0));
    let mut now_ms = 1_000;
    drain(&mut store, &mut now_ms, &mut copy);
    assert_eq!(copy.files.len(), 50);

    // Nothing is delivered from now on. One of these files came and went without the database.
    ask(&mut store, now_ms, begin(50));
    for index in [0, 50] {
        ask(&mut store, now_ms, finish(index));
        ask(&mut store, now_ms, delete(index));
    }
    ask(
        &mut store,
        now_ms,
        Command::Abort {
            upload_id: drafts::upload_id(1),
            urls_dead_ms: 0,
        },
    );
    now_ms += 2 * KEEP_CHANGES_MS;
    ask(&mut store, now_ms, begin(51));
    ask(&mut store, now_ms, Command::TakeJobs { limit: 20 });
    assert_eq!(store.all_changes().count(), 1);
    assert_eq!(store.all_files().count(), 49);
    assert_eq!(store.all_uploads().count(), 49);

    drain(&mut store, &mut now_ms, &mut copy);
    assert_same(&store, &copy);
    for gone in [0, 1] {
        assert_eq!(copy.files[&drafts::file_id(gone)].status, FileStatus::Deleted);
    }
    assert!(!copy.files.contains_key(&drafts::file_id(50)));
    assert_eq!(copy.files.len(), 51);
}

#[test]
fn without_a_database_nothing_is_kept_for_it() {
    let mut store = MemoryStore::default();
    for index in 0..5 {
        ask(&mut store, 0, begin(index));
    }
    assert_eq!(ask(&mut store, 0, Command::Database).reply, Reply::Missing);
    assert_eq!(ask(&mut store, 0, Command::Replay).reply, Reply::Missing);
    assert!(take(&mut store, i64::MAX).is_none());

    store.set_has_database(true);
    ask(&mut store, 0, begin(5));
    assert!(status(&mut store).rebuilding, "what was before is told, too");
    let mut copy = Copy::default();
    drain(&mut store, &mut 1_000, &mut copy);
    assert_eq!(copy.files.len(), 6);
    // The binding is gone: nothing waits for it any more, and one that comes back is told everything.
    store.set_has_database(false);
    ask(&mut store, 2_000, begin(6));
    assert!(take(&mut store, i64::MAX).is_none());
    store.set_has_database(true);
    assert!(take(&mut store, i64::MAX).is_none());
    ask(&mut store, 3_000, begin(7));
    assert!(status(&mut store).rebuilding);
    drain(&mut store, &mut 4_000, &mut copy);
    assert_same(&store, &copy);
}

#[test]
fn an_outage_is_waited_out_and_costs_less_and_less() {
    let mut store = MemoryStore::default();
    store.set_has_database(true);
    ask(&mut store, 0, begin(0));
    let mut now_ms = 0;
    let mut pauses = Vec::new();
    for attempt in 0..9 {
        let wake_ms = ask(&mut store, now_ms, Command::Head).wake_ms.unwrap();
        pauses.push(wake_ms - now_ms);
        now_ms = wake_ms;
        assert!(take(&mut store, now_ms).is_some(), "attempt {attempt}");
        assert!(
            take(&mut store, now_ms).is_none(),
            "put off while it is under way"
        );
        ask(&mut store, now_ms, Command::PutOffDelivery);
        assert_eq!(status(&mut store).failures, attempt + 1);
    }
    assert_eq!(
        pauses,
        [500, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]
    );
    // Changes meanwhile neither hurry nor delay it.
    ask(&mut store, now_ms + 1, begin(1));
    assert_eq!(
        ask(&mut store, now_ms, Command::Head).wake_ms,
        Some(now_ms + 60_000)
    );
    let delivery = take(&mut store, now_ms + 60_000).unwrap();
    assert_eq!(delivery.changes.len(), 2);
    settle(&mut store, now_ms + 60_000, &delivery);
    assert_eq!(status(&mut store).failures, 0);
}

#[test]
fn a_delivery_that_nobody_hears_of_again_is_made_once_more() {
    let mut store = MemoryStore::default();
    store.set_has_database(true);
    ask(&mut store, 0, begin(0));
    let first = take(&mut store, 500).unwrap();
    let wake_ms = ask(&mut store, 500, Command::Head).wake_ms.unwrap();
    assert_eq!(wake_ms, 500 + 30_000);
    assert_eq!(take(&mut store, wake_ms), Some(first));
}

#[test]
fn a_rebuild_while_another_is_under_way_begins_anew() {
    let mut store = MemoryStore::default();
    store.set_has_database(true);
    for index in 0..5 {
        ask(&mut store, 0, begin(index));
    }
    ask(&mut store, 0, Command::Replay);
    let first = take(&mut store, 0).unwrap();
    assert_eq!(first.files.len(), 2);
    // It arrived, then the tables were emptied and a rebuild was asked for again.
    ask(&mut store, 0, Command::Replay);
    settle(&mut store, 0, &first);
    // The feed may be kept for a shorter time than the files: they come by themselves.
    let mut files = BTreeSet::new();
    while let Some(delivery) = take(&mut store, 0) {
        files.extend(delivery.files.iter().map(|file| file.file_id.to_string()));
        settle(&mut store, 0, &delivery);
    }
    assert_eq!(files.len(), 5);
}
