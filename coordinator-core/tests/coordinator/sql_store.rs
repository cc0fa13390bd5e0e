//! The ledger's rows in a real SQLite: they answer as those in memory do, no statement reads more rows than it
//! answers, and a database of any earlier version is brought up to date without loss.

use crate::common::drafts;
use crate::common::sqlite::Sqlite;
use proptest::prelude::*;
use syncsphere_coordinator_core::ledger::{
    Allowance, Applied, BaseQuery, Call, Command, FileDraft, Idempotency, ListPosition, Listing, MIGRATIONS,
    MemoryStore, Opened, Previous, Reply, Retention, Store, UploadDraft, apply,
};
use syncsphere_protocol::{FileStatus, Redacted, Sha256, Timestamp, UploadKind};

/// How long changes are kept, so that some go while these tests run.
const KEEP_MS: i64 = 150;

const ALL: [FileStatus; 5] = [
    FileStatus::Uploading,
    FileStatus::Available,
    FileStatus::Aborted,
    FileStatus::Expired,
    FileStatus::Deleted,
];

fn call(now_ms: i64, command: Command) -> Call {
    Call {
        now_ms,
        keep_changes_ms: KEEP_MS,
        retention: Some(Retention {
            keep: Some(3),
            max_age_ms: Some(60),
            url_life_ms: 1,
        }),
        command,
    }
}

fn ask<S: Store>(store: &mut S, now_ms: i64, command: Command) -> Applied
where
    S::Error: std::fmt::Debug,
{
    apply(store, call(now_ms, command)).expect("the store works")
}

fn draft(id: u64, name: &str, path: &str, now_ms: i64) -> UploadDraft {
    let draft = drafts::draft(usize::try_from(id).unwrap(), now_ms + 100_000);
    // Every fifth begins a line, which the next four are versions of.
    let first = drafts::file_id(usize::try_from(id - id % 5).unwrap());
    let previous = (!id.is_multiple_of(5)).then(|| Previous {
        file_id: first.clone(),
        line: first,
        version: 1,
    });
    let file = FileDraft {
        previous,
        name: name.into(),
        path: path.into(),
        size: id,
        ..draft.file
    };
    UploadDraft { file, ..draft }
}

fn begin(drafts: Vec<UploadDraft>) -> Command {
    Command::Begin {
        idempotency: None,
        drafts,
        max_bytes: None,
    }
}

fn open(id: u64) -> Command {
    Command::Open {
        opened: vec![Opened {
            upload_id: format!("u{id}").parse().unwrap(),
            storage_upload_id: "s".into(),
        }],
    }
}

/// The second part of a file's life, by a number that stands for it.
fn end(id: u64, way: u64, now_ms: i64) -> Option<Command> {
    let upload_id = format!("u{id}").parse().unwrap();
    Some(match way {
        0 => Command::Finish {
            urls_dead_ms: 0,
            upload_id,
            etag: "\"e\"".to_owned(),
            crc64nvme: None,
            md5: None,
        },
        1 => Command::Abort {
            upload_id,
            urls_dead_ms: now_ms,
        },
        2 => Command::Expire {
            upload_id,
            urls_dead_ms: now_ms,
            look_again_ms: None,
        },
        3 => Command::Delete {
            file_id: format!("f{id}").parse().unwrap(),
            urls_dead_ms: now_ms,
        },
        4 => Command::StartCompletion {
            upload_id,
            crc64nvme: None,
            md5: None,
            size: None,
        },
        5 => Command::TakeJobs { limit: 3 },
        6 => Command::Changes { since: id, limit: 4 },
        7 => Command::Upload { upload_id },
        8 => Command::Restore {
            file_id: format!("f{id}").parse().unwrap(),
            new_id: format!("r{id}").parse().unwrap(),
            owner: "ann".into(),
            allowance: Allowance {
                max_size: u64::MAX,
                max_bytes: None,
            },
        },
        9 => Command::Versions {
            file_id: format!("f{id}").parse().unwrap(),
        },
        10 => Command::Delete {
            file_id: format!("r{id}").parse().unwrap(),
            urls_dead_ms: now_ms,
        },
        11 => Command::PutChunks {
            file_id: format!("f{id}").parse().unwrap(),
            owner: "ann".into(),
            content: Sha256::from_bytes([1; 32]),
            chunks: now_ms.to_string(),
        },
        12 => Command::Bases(BaseQuery {
            owner: "ann".into(),
            path: "raw".into(),
            name: format!("n{id}").into(),
            size: id,
            base: format!("f{}", id / 2).parse().ok(),
            copies: true,
        }),
        13 => Command::Chunks {
            file_id: format!("f{}", id / 2).parse().unwrap(),
        },
        _ => return None,
    })
}

fn everything(limit: u32) -> Listing {
    Listing {
        statuses: ALL.to_vec(),
        path: None,
        name_prefix: None,
        created_from: None,
        created_before: None,
        after: None,
        limit,
    }
}

/// The files of every page of a listing.
fn read_all<S: Store>(store: &mut S, mut listing: Listing) -> Vec<String>
where
    S::Error: std::fmt::Debug,
{
    let mut seen = Vec::new();
    loop {
        let Reply::Files(page) = ask(store, 0, Command::Files(listing.clone())).reply else {
            panic!("files were asked for");
        };
        assert!(page.files.len() <= listing.limit as usize);
        seen.extend(page.files.iter().map(|file| file.file_id.to_string()));
        listing.after = page.next;
        if listing.after.is_none() {
            return seen;
        }
    }
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "a.txt",
        "ab",
        "abc",
        "b",
        "B",
        "Ä",
        "\u{10FFFF}",
        "a\u{10FFFF}x",
        "z%",
        "z_",
        "zz",
    ])
}

fn listings() -> impl Strategy<Value = Listing> {
    let prefixes = prop::option::of(prop::sample::select(vec![
        "",
        "a",
        "ab",
        "z",
        "\u{10FFFF}",
        "nothing",
    ]));
    let times = || prop::option::of((0i64..400).prop_map(|at| Timestamp::from_unix_millis(1_000 + at)));
    let statuses = prop::collection::vec(prop::sample::select(ALL.to_vec()), 1..4);
    let paths = prop::option::of(prop::sample::select(vec!["", "raw", "raw/2026"]));
    (statuses, paths, prefixes, times(), times(), 1u32..5).prop_map(
        |(statuses, path, name_prefix, created_from, created_before, limit)| Listing {
            statuses,
            path: path.map(Into::into),
            name_prefix: name_prefix.map(Into::into),
            created_from,
            created_before,
            after: None,
            limit,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn sqlite_answers_as_memory_does(
        files in prop::collection::vec((names(), prop::sample::select(vec!["", "raw", "raw/2026"])), 1..14),
        steps in prop::collection::vec((0u64..14, 0u64..14, 0i64..30), 0..60),
        listings in prop::collection::vec(listings(), 1..8),
    ) {
        let mut memory = MemoryStore::default();
        let mut sqlite = Sqlite::empty().store();
        let mut now_ms = 1_000;
        let mut commands = Vec::new();
        for (id, (name, path)) in (0u64..).zip(&files) {
            commands.push((1, begin(vec![draft(id, name, path, 1_000)])));
            commands.push((1, open(id)));
        }
        for (id, way, pause_ms) in steps {
            commands.extend(end(id, way, now_ms).map(|command| (pause_ms, command)));
        }
        for (pause_ms, command) in commands {
            now_ms += pause_ms;
            let expected = ask(&mut memory, now_ms, command.clone());
            prop_assert_eq!(ask(&mut sqlite, now_ms, command), expected);
        }
        for listing in listings {
            let found = read_all(&mut sqlite, listing.clone());
            prop_assert_eq!(&found, &read_all(&mut memory, listing.clone()));
            prop_assert_eq!(&found, &matching(&memory, &listing), "{:?}", listing);
        }
    }
}

/// What a listing has to show, found the slow way.
fn matching(store: &MemoryStore, listing: &Listing) -> Vec<String> {
    let mut files: Vec<_> = store
        .all_files()
        .filter(|file| {
            let record = &file.record;
            listing.statuses.contains(&record.status)
                && listing.path.as_ref().is_none_or(|path| *path == record.path)
                && listing
                    .name_prefix
                    .as_ref()
                    .is_none_or(|prefix| record.name.0.starts_with(&prefix.0))
                && listing
                    .created_from
                    .as_ref()
                    .is_none_or(|from| record.created_at >= *from)
                && listing
                    .created_before
                    .as_ref()
                    .is_none_or(|before| record.created_at < *before)
        })
        .collect();
    match listing.name_prefix {
        Some(_) => files.sort_by_key(|file| (file.record.name.0.clone(), file.created_seq)),
        None => {
            files.sort_by_key(|file| std::cmp::Reverse((file.record.created_at.clone(), file.created_seq)))
        }
    }
    files.iter().map(|file| file.record.file_id.to_string()).collect()
}

#[test]
fn no_statement_reads_more_rows_than_it_answers() {
    let sqlite = Sqlite::empty();
    let mut store = sqlite.store();
    store.set_identity(&"demo".parse().unwrap()).unwrap();
    store.identity().unwrap();
    for id in 0..300 {
        let command = Command::Begin {
            idempotency: Some(Idempotency {
                key: format!("k{id}").into(),
                fingerprint: "p".to_owned(),
            }),
            drafts: vec![draft(id, &format!("n{id}"), "raw", 1_000)],
            max_bytes: Some(1_000_000),
        };
        let now_ms = 1_000 + i64::try_from(id).unwrap();
        ask(&mut store, now_ms, command);
        ask(&mut store, now_ms, open(id));
        for way in 0..14 {
            if way == id % 6 || way > 4 {
                ask(&mut store, now_ms, end(id, way, now_ms).unwrap());
            }
        }
    }
    for path in [None, Some("raw")] {
        for name in [None, Some("n")] {
            let listing = Listing {
                path: path.map(Into::into),
                name_prefix: name.map(Into::into),
                created_from: Some(Timestamp::from_unix_millis(1_010)),
                ..everything(10)
            };
            // Some of those that are gone have been purged meanwhile.
            assert!(read_all(&mut store, listing).len() >= 150);
        }
    }
    // Jobs that are over, keys and files that are forgotten.
    for _ in 0..3 {
        ask(&mut store, i64::MAX, Command::TakeJobs { limit: 1_000 });
    }
    // A metadata database is told everything, and then what is new.
    let mut store = sqlite.store().with_metadata_database(true);
    let mut deliveries = 0;
    for id in [300, 301] {
        ask(&mut store, 2_000, begin(vec![draft(id, "a", "", 1_000)]));
        ask(&mut store, 2_000, open(id));
        while let Reply::Delivery {
            delivery: Some(delivery),
        } = ask(&mut store, 3_000, Command::TakeDelivery { limit: 100 }).reply
        {
            let receipt = delivery.receipt;
            ask(&mut store, 3_000, Command::SettleDelivery { receipt });
            deliveries += 1;
        }
    }
    assert!(deliveries > 6);
    let plans = sqlite.plans.borrow();
    assert!(plans.len() >= 20, "{} statements were seen", plans.len());
    for (statement, plan) in plans.iter() {
        // These two tables have one row, or one for each version.
        let is_small = ["identity", "schema_version"]
            .iter()
            .any(|table| statement.contains(table));
        let plan = plan.join("; ");
        let is_slow = plan.contains("SCAN") || plan.contains("TEMP B-TREE");
        assert!(is_small || !is_slow, "{statement}\n{plan}");
        // A condition that is not the index's own is one that rows are read for in vain.
        for (condition, of_index) in [
            ("path = ", "path=?"),
            ("created_at >= ", "created_at>?"),
            ("created_seq) < ", "(created_at,created_seq)<(?,?)"),
            ("created_seq) > ", "(name,created_seq)>(?,?)"),
            ("name < ", "name<?"),
            ("version < ", "version<?"),
            ("line = ", "line=?"),
            ("origin = ", "origin=?"),
        ] {
            let is_met = !statement.contains(condition) || plan.contains(of_index);
            assert!(is_met, "{statement}\n{plan}");
        }
    }
}

#[test]
fn a_place_in_another_order_leads_nowhere() {
    let mut store = Sqlite::empty().store();
    ask(&mut store, 1_000, begin(vec![draft(1, "a", "", 1_000)]));
    let elsewhere = Listing {
        after: Some(ListPosition::Name {
            name: "".into(),
            seq: 0,
        }),
        ..everything(9)
    };
    assert_eq!(read_all(&mut store, elsewhere), Vec::<String>::new());
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date_without_loss() {
    // Made today, taken back to the first version's tables: the records themselves have not changed.
    let now = Sqlite::empty();
    let mut filled = now.store();
    for id in 0..40 {
        let name = format!("n{id}");
        ask(
            &mut filled,
            1_000 + i64::try_from(id).unwrap(),
            begin(vec![draft(id, &name, "raw", 1_000)]),
        );
        if id != 38 {
            ask(&mut filled, 2_000, open(id));
        }
        if let Some(command) = end(id, id % 8, 3_000) {
            ask(&mut filled, 3_000, command);
        }
    }
    filled.set_identity(&"demo".parse().unwrap()).unwrap();

    let old = Sqlite::empty();
    old.connection.execute_batch(MIGRATIONS[0]).unwrap();
    old.connection
        .execute_batch(
            "CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (1)",
        )
        .unwrap();
    for (table, columns) in [
        ("files", "id, created_seq, status, doc"),
        ("uploads", "id, doc"),
        ("changes", "seq, doc"),
        ("chores", "id, due_ms, doc"),
        ("identity", "workspace"),
    ] {
        let places = columns.split(", ").map(|_| "?").collect::<Vec<_>>().join(", ");
        let mut read = now
            .connection
            .prepare(&format!("SELECT {columns} FROM {table}"))
            .unwrap();
        let width = read.column_count();
        let mut rows = read.query([]).unwrap();
        let mut copied = 0;
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<rusqlite::types::Value> =
                (0..width).map(|index| row.get(index).unwrap()).collect();
            let insert = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
            old.connection
                .execute(&insert, rusqlite::params_from_iter(values))
                .unwrap();
            copied += 1;
        }
        assert!(copied > 0, "{table}");
    }

    let mut upgraded = old.store();
    // Twice is as good as once.
    upgraded.migrate().unwrap();
    assert_eq!(upgraded.identity().unwrap(), filled.identity().unwrap());
    let (counted, exact) = (upgraded.usage("ann").unwrap(), filled.usage("ann").unwrap());
    assert_eq!((counted.bytes, counted.open), (exact.bytes, exact.open));
    assert!(counted.record_bytes > 0);
    // All are ann's.
    let workspace = upgraded.usage("").unwrap();
    assert_eq!(workspace.record_bytes, counted.record_bytes);
    for name_prefix in [None, Some("n")] {
        let listing = Listing {
            name_prefix: name_prefix.map(Into::into),
            path: Some("raw".into()),
            ..everything(7)
        };
        let listed = read_all(&mut upgraded, listing.clone());
        assert_eq!(listed.len(), 39);
        assert_eq!(listed, read_all(&mut filled, listing));
    }
    for id in 0..40 {
        let upload_id = format!("u{id}").parse().unwrap();
        assert_eq!(
            upgraded.upload(&upload_id).unwrap(),
            filled.upload(&upload_id).unwrap()
        );
    }
    let everything = Command::Changes {
        since: 0,
        limit: 1_000,
    };
    assert_eq!(
        ask(&mut upgraded, 0, everything.clone()),
        ask(&mut filled, 0, everything)
    );
    for kind in [
        "expire", "resolve", "sweep", "watch", "strays", "forget", "compact", "retain",
    ] {
        assert_eq!(
            upgraded.due_jobs(kind, i64::MAX, 100).unwrap(),
            filled.due_jobs(kind, i64::MAX, 100).unwrap()
        );
    }
    // It goes on where it was.
    let goes_on = ask(&mut upgraded, 9_000, begin(vec![draft(41, "last", "", 9_000)]));
    assert_eq!(
        goes_on,
        ask(&mut filled, 9_000, begin(vec![draft(41, "last", "", 9_000)]))
    );
}

#[test]
fn a_files_metadata_are_stored_once_and_told_with_each_change() {
    let sqlite = Sqlite::empty();
    let mut store = sqlite.store();
    let mut draft = drafts::draft(1, 1_000);
    let fields = [
        ("camera".to_owned(), "b \" 映".to_owned()),
        ("x".to_owned(), String::new()),
    ];
    draft.kind = UploadKind::Single;
    draft.file.metadata = Redacted(fields.into_iter().collect());
    let metadata = draft.file.metadata.clone();
    let begin = Command::Begin {
        idempotency: None,
        drafts: vec![draft],
        max_bytes: None,
    };
    ask(&mut store, 0, begin);
    let abort = Command::Abort {
        upload_id: drafts::upload_id(1),
        urls_dead_ms: 0,
    };
    ask(&mut store, 0, abort);
    let told = store.changes(0, 10).unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|change| change.file.metadata == metadata));
    for (table, copies) in [("changes", 0), ("uploads", 0), ("files", 1)] {
        let count = format!("SELECT count(*) FROM {table} WHERE doc LIKE '%camera%'");
        let count: i64 = sqlite.connection.query_row(&count, [], |row| row.get(0)).unwrap();
        assert_eq!(count, copies, "{table}");
    }
}
