//! What the released version has written into a workspace's database is read, and goes on. `tests/released` holds it as that
//! version wrote it; its tickets are read in `auth/ticket.rs`.

use crate::common::sqlite::Sqlite;
use syncsphere_coordinator_core::ledger::{Call, Command, Listing, Reply, SqlStore, Store, apply};
use syncsphere_protocol::FileStatus;

fn ask(store: &mut SqlStore<Sqlite>, now_ms: i64, command: Command) -> Reply {
    let call = Call {
        now_ms,
        keep_changes_ms: i64::MAX / 2,
        retention: None,
        command,
    };
    apply(store, call).unwrap().reply
}

/// A workspace's database as the released version has left it.
fn released() -> Sqlite {
    let released = Sqlite::empty();
    released
        .connection
        .execute_batch(include_str!("../released/ledger-0.1.0.sql"))
        .unwrap();
    released
}

#[test]
fn what_the_released_version_kept_for_ever_is_purged_and_the_metadata_database_hears_of_it() {
    let released = released();
    // Compacted there: of file 4, which is deleted, and of the available file 1, no change is left.
    released
        .connection
        .execute_batch("DELETE FROM changes WHERE seq <= 10")
        .unwrap();
    let mut store = released.store().with_metadata_database(true);
    let has = |table: &str, id: &str| -> bool {
        let found = format!("SELECT count(*) > 0 FROM {table} WHERE id = '{id}'");
        released
            .connection
            .query_row(&found, [], |row| row.get(0))
            .unwrap()
    };
    for (table, id, is_kept) in [
        ("files", "f1", true),
        ("uploads", "u1", false),
        ("files", "f3", true),
        ("uploads", "u3", true),
        ("files", "f4", false),
        ("uploads", "u4", false),
        ("files", "f2", true),
        ("uploads", "u2", true),
    ] {
        assert_eq!(has(table, id), is_kept, "{table} {id}");
    }
    let now_ms = 1_795_521_700_000;
    let mut files = Vec::new();
    let mut changes = Vec::new();
    while let Reply::Delivery {
        delivery: Some(delivery),
    } = ask(&mut store, now_ms, Command::TakeDelivery { limit: 200 })
    {
        assert!(delivery.files.is_empty() || delivery.span.is_some());
        files.extend(delivery.files.iter().map(|file| file.file_id.to_string()));
        changes.extend(delivery.changes.iter().map(|change| change.seq));
        let receipt = delivery.receipt;
        ask(&mut store, now_ms, Command::SettleDelivery { receipt });
    }
    assert_eq!(files, ["f1", "f2", "f3", "f5", "f6", "f7"]);
    // What the replay tells of the feed is not told again.
    assert_eq!(changes, [11]);
}

#[test]
fn what_the_metadata_database_has_already_is_not_told_again() {
    for (delivered, due) in [(8, vec![9, 10, 11]), (11, vec![])] {
        let released = released();
        released
            .connection
            .execute_batch(&format!("DELETE FROM outbox WHERE seq <= {delivered}"))
            .unwrap();
        let mut store = released.store().with_metadata_database(true);
        let reply = ask(
            &mut store,
            1_795_521_700_000,
            Command::TakeDelivery { limit: 200 },
        );
        let Reply::Delivery {
            delivery: Some(delivery),
        } = reply
        else {
            panic!("a delivery was due");
        };
        let changes: Vec<u64> = delivery.changes.iter().map(|change| change.seq).collect();
        assert_eq!(changes, due);
    }
}

#[test]
fn a_ledger_of_the_released_version_goes_on() {
    let released = released();
    let mut store = released.store().with_metadata_database(true);
    assert_eq!(store.identity().unwrap(), "demo".parse().ok());
    let usage = store.usage("ann").unwrap();
    assert_eq!((usage.bytes, usage.open), (60, 5));

    let now_ms = 1_795_521_700_000;
    let listing = Listing {
        statuses: FileStatus::ALL.to_vec(),
        path: Some("raw/2026".into()),
        name_prefix: Some("name".into()),
        created_from: None,
        created_before: None,
        after: None,
        limit: 100,
    };
    let Reply::Files(listed) = ask(&mut store, now_ms, Command::Files(listing)) else {
        panic!("files were asked for");
    };
    assert_eq!(listed.files.len(), 7);
    let Reply::Upload { upload, file, .. } = ask(
        &mut store,
        now_ms,
        Command::Upload {
            upload_id: "u2".parse().unwrap(),
        },
    ) else {
        panic!("an upload was asked for");
    };
    assert_eq!(upload.storage_upload_id.unwrap().0, "s2");
    assert_eq!(file.unwrap().path.0, "raw/2026");
    // What waited for the metadata database is delivered, though its copies are gone.
    let Reply::Delivery {
        delivery: Some(delivery),
    } = ask(&mut store, now_ms, Command::TakeDelivery { limit: 200 })
    else {
        panic!("a delivery was due");
    };
    let delivered: Vec<_> = delivery.changes.iter().map(|change| change.seq).collect();
    assert_eq!(delivered, (1..=11).collect::<Vec<_>>());
    // Its jobs come when they are due.
    let Reply::Jobs { jobs } = ask(&mut store, i64::MAX / 2, Command::TakeJobs { limit: 100 }) else {
        panic!("jobs were asked for");
    };
    let ids: Vec<_> = jobs.iter().map(|job| job.id.as_str()).collect();
    for id in [
        "expire:u2",
        "expire:u8",
        "resolve:u2",
        "sweep:f4",
        "sweep:u3",
        "watch:u5",
        "strays",
    ] {
        assert!(ids.contains(&id), "{id} in {ids:?}");
    }
}
