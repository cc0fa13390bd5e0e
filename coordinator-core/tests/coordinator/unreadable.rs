//! A row of a workspace that cannot be read, such as one that another release has written: it is noted and passed over,
//! and what is behind it goes on.

use crate::common::drafts;
use crate::common::sqlite::Sqlite;
use syncsphere_coordinator_core::ledger::{
    Applied, Call, Command, Delivery, Job, Listing, Reply, SqlStore, Store, StoredUpload, UploadDraft, apply,
};
use syncsphere_protocol::{DatabaseStatus, FileStatus, UploadKind};

const HOUR_MS: i64 = 60 * 60 * 1000;
const KEEP_MS: i64 = 24 * HOUR_MS;
/// When the uploads expire.
const LIFE_MS: i64 = HOUR_MS;

/// A workspace of so many uploads, `f0` and on, and a metadata database.
struct Workspace {
    sqlite: Sqlite,
    store: SqlStore<Sqlite>,
}

impl Workspace {
    fn of(uploads: usize) -> Self {
        let sqlite = Sqlite::empty();
        let store = sqlite.store().with_metadata_database(true);
        let mut workspace = Self { sqlite, store };
        (0..uploads).for_each(|index| workspace.begin(index, 0));
        workspace
    }

    fn apply(&mut self, now_ms: i64, command: Command) -> Applied {
        let call = Call {
            now_ms,
            keep_changes_ms: KEEP_MS,
            retention: None,
            command,
        };
        apply(&mut self.store, call).unwrap()
    }

    fn ask(&mut self, now_ms: i64, command: Command) -> Reply {
        self.apply(now_ms, command).reply
    }

    fn begin(&mut self, index: usize, now_ms: i64) {
        let draft = UploadDraft {
            kind: UploadKind::Single,
            ..drafts::draft(index, now_ms + LIFE_MS)
        };
        let begin = Command::Begin {
            idempotency: None,
            drafts: vec![draft],
            max_bytes: None,
        };
        self.ask(now_ms, begin);
    }

    fn take_jobs(&mut self, now_ms: i64) -> Vec<Job> {
        match self.ask(now_ms, Command::TakeJobs { limit: 20 }) {
            Reply::Jobs { jobs } => jobs,
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self) -> DatabaseStatus {
        match self.ask(0, Command::Database) {
            Reply::Database(status) => status,
            other => panic!("{other:?}"),
        }
    }

    /// Delivers until nothing is due.
    fn deliver(&mut self, now_ms: i64) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while let Reply::Delivery {
            delivery: Some(delivery),
        } = self.ask(now_ms, Command::TakeDelivery { limit: 3 })
        {
            let receipt = delivery.receipt.clone();
            self.ask(now_ms, Command::SettleDelivery { receipt });
            deliveries.push(*delivery);
            assert!(deliveries.len() < 1_000, "it never ends");
        }
        deliveries
    }

    fn run(&self, statements: &str) {
        self.sqlite.connection.execute_batch(statements).unwrap();
    }
}

/// Another release's form of a record: the same, but for a number that has become a text.
fn spoil(table: &str, row: &str, field: &str) -> String {
    format!("UPDATE {table} SET doc = json_set(doc, '$.{field}', 'secret.mov') WHERE {row};")
}

fn ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

#[test]
fn a_job_that_cannot_be_read_stops_no_other_and_is_tried_again() {
    let mut workspace = Workspace::of(3);
    let readable: String = workspace
        .sqlite
        .connection
        .query_row("SELECT doc FROM chores WHERE id = 'expire:u1'", [], |row| {
            row.get(0)
        })
        .unwrap();
    workspace.run(&spoil("chores", "id = 'expire:u1'", "attempts"));
    // Of a kind that is not known here.
    workspace
        .run("INSERT INTO chores (id, due_ms, doc) VALUES ('scan:u2', 1, '{\"kind\":{\"name\":\"scan\"}}')");
    let jobs = workspace.take_jobs(LIFE_MS);
    assert_eq!(ids(&jobs), ["expire:u0", "expire:u2"]);
    for job_id in ["expire:u0", "expire:u2"].map(str::to_owned) {
        workspace.ask(
            LIFE_MS,
            Command::SettleJob {
                job_id,
                again_ms: None,
            },
        );
    }
    assert!(workspace.take_jobs(LIFE_MS).is_empty());
    // The alarm does not ring for them all the time.
    workspace.deliver(LIFE_MS);
    let wake_ms = workspace.apply(LIFE_MS, Command::Head).wake_ms.unwrap();
    assert!(wake_ms > LIFE_MS, "{wake_ms}");
    let status = workspace.status();
    assert_eq!(status.unreadable, 2);
    let last = status.last_unreadable.unwrap();
    assert_eq!(
        (last.table.as_str(), last.row.as_deref()),
        ("chores", Some("scan:u2"))
    );

    // A release that can read it comes, and finds it.
    workspace.run(&format!(
        "UPDATE chores SET doc = '{readable}' WHERE id = 'expire:u1'"
    ));
    assert_eq!(ids(&workspace.take_jobs(3 * LIFE_MS)), ["expire:u1"]);
}

#[test]
fn a_job_that_every_change_looks_at_is_written_anew() {
    let mut workspace = Workspace::of(1);
    workspace.run(&spoil("chores", "id = 'compact'", "attempts"));
    workspace.begin(1, 1);
    assert_eq!(workspace.store.changes(0, 9).unwrap().len(), 2);
    assert_eq!(
        workspace.store.job("compact").unwrap().unwrap().due_ms,
        1 + KEEP_MS
    );
}

#[test]
fn the_feed_passes_over_a_change_that_cannot_be_read() {
    let mut workspace = Workspace::of(100);
    workspace.run(&spoil("changes", "seq BETWEEN 3 AND 70", "kind"));
    workspace.run("UPDATE changes SET doc = 'no JSON' WHERE seq = 72");
    let mut seen = Vec::new();
    loop {
        let since = seen.last().copied().unwrap_or(0);
        let Reply::Changes(page) = workspace.ask(0, Command::Changes { since, limit: 7 }) else {
            panic!("changes were asked for");
        };
        assert_eq!((page.seq, page.reset), (100, None));
        if page.changes.is_empty() {
            break;
        }
        seen.extend(page.changes.iter().map(|change| change.seq));
    }
    let expected: Vec<u64> = (1..=100)
        .filter(|seq| *seq != 72 && !(3..=70).contains(seq))
        .collect();
    assert_eq!(seen, expected);
    // Both that wait for the database, and everything anew.
    let told = |deliveries: Vec<Delivery>| {
        let changes = deliveries.into_iter().flat_map(|delivery| delivery.changes);
        changes.map(|change| change.seq).collect::<Vec<_>>()
    };
    assert_eq!(told(workspace.deliver(1_000)), expected);
    let status = workspace.status();
    assert_eq!((status.waiting, status.unreadable), (0, 69));
    let last = status.last_unreadable.unwrap();
    assert_eq!(
        (last.table.as_str(), last.row.as_deref()),
        ("changes", Some("72"))
    );
    assert_eq!(last.cause, "it is no JSON (column 2)");
    workspace.ask(2_000, Command::Replay);
    assert_eq!(workspace.status().unreadable, 0);
    assert_eq!(told(workspace.deliver(2_000)), expected);

    // Compaction takes them away like others.
    workspace.begin(100, KEEP_MS);
    for _ in 0..9 {
        workspace.take_jobs(KEEP_MS);
    }
    assert_eq!(workspace.store.oldest_seq().unwrap(), Some(101));
}

#[test]
fn a_list_and_a_rebuild_pass_over_a_file_that_cannot_be_read() {
    let mut workspace = Workspace::of(60);
    workspace.run(&spoil("files", "created_seq BETWEEN 11 AND 50", "record.size"));
    let readable = 20;
    for name_prefix in [None, Some("".into())] {
        let mut listing = Listing {
            statuses: FileStatus::ALL.to_vec(),
            path: None,
            name_prefix,
            created_from: None,
            created_before: None,
            after: None,
            limit: 3,
        };
        let mut listed = std::collections::BTreeSet::new();
        loop {
            let Reply::Files(page) = workspace.ask(0, Command::Files(listing.clone())) else {
                panic!("files were asked for");
            };
            listed.extend(page.files.into_iter().map(|file| file.file_id));
            listing.after = page.next;
            if listing.after.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), readable);
    }
    workspace.deliver(1_000);
    workspace.ask(2_000, Command::Replay);
    let files = workspace.deliver(2_000);
    assert_eq!(
        files.iter().map(|delivery| delivery.files.len()).sum::<usize>(),
        readable
    );
    // They are there, so the database must not take them for gone.
    let named = files.iter().filter_map(|delivery| delivery.span.as_ref());
    let named: std::collections::BTreeSet<_> = named.flat_map(|span| &span.unreadable).collect();
    assert_eq!(named.len(), 40);
    let status = workspace.status();
    assert_eq!((status.unreadable, status.rebuilding), (40, false));
    let last = status.last_unreadable.unwrap();
    assert_eq!(last.table, "files");
    assert!(
        last.cause.starts_with("it has another form (column "),
        "{}",
        last.cause
    );
}

#[test]
fn of_too_many_files_that_cannot_be_read_nobody_is_told_what_is_gone() {
    let mut workspace = Workspace::of(1_010);
    workspace.deliver(1_000);
    workspace.run(&spoil("files", "created_seq <= 1001", "record.size"));
    workspace.ask(2_000, Command::Replay);
    let pages = workspace.deliver(2_000);
    assert_eq!(pages.iter().map(|page| page.files.len()).sum::<usize>(), 9);
    let spans: Vec<_> = pages.iter().filter_map(|page| page.span.as_ref()).collect();
    assert!(spans.iter().all(|span| span.before.is_some()), "{spans:?}");
}

#[test]
fn compaction_passes_over_a_file_and_an_upload_that_cannot_be_read() {
    let mut workspace = Workspace::of(3);
    for index in 0..3 {
        let abort = Command::Abort {
            upload_id: drafts::upload_id(index),
            urls_dead_ms: 0,
        };
        workspace.ask(0, abort);
    }
    workspace.run(&spoil("files", "id = 'f0'", "record.size"));
    workspace.run(&spoil("uploads", "id = 'u1'", "partSize"));
    workspace.begin(3, 2 * KEEP_MS);
    workspace.take_jobs(2 * KEEP_MS);
    assert_eq!(workspace.store.changes(0, 9).unwrap().len(), 1);
    assert!(workspace.store.file(&drafts::file_id(2)).unwrap().is_none());
    assert_eq!(workspace.status().unreadable, 2);
}

#[test]
fn an_upload_that_cannot_be_read_is_no_orphan_and_spoils_no_other_look() {
    let mut workspace = Workspace::of(2);
    workspace.run(&spoil("uploads", "id = 'u0'", "partSize"));
    let listed = [0, 7].map(|index| StoredUpload {
        file_id: drafts::file_id(index),
        storage_upload_id: "s".into(),
    });
    let orphans = Command::Orphans {
        listed: listed.to_vec(),
    };
    match workspace.ask(0, orphans) {
        Reply::Orphans { orphans } => assert_eq!(orphans, [false, true]),
        other => panic!("{other:?}"),
    }
    let looks = [0, 1].map(|index| Command::Upload {
        upload_id: drafts::upload_id(index),
    });
    match workspace.ask(
        0,
        Command::Several {
            commands: looks.to_vec(),
        },
    ) {
        Reply::Several { replies } => {
            assert_eq!(replies[0], Reply::Unreadable);
            assert!(matches!(replies[1], Reply::Upload { .. }));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_knowing_how_far_the_database_is_it_is_told_everything() {
    let mut workspace = Workspace::of(5);
    workspace.deliver(1_000);
    workspace.run(&spoil("mirror", "id = 1", "deliveredSeq"));
    workspace.begin(5, 2_000);
    let deliveries = workspace.deliver(3_000);
    assert_eq!(
        deliveries
            .iter()
            .map(|delivery| delivery.files.len())
            .sum::<usize>(),
        6
    );
    let status = workspace.status();
    assert_eq!((status.waiting, status.rebuilding), (0, false));
}

#[test]
fn what_is_told_of_a_row_names_nobody() {
    let mut workspace = Workspace::of(1);
    workspace.run(
        "INSERT INTO chores (id, due_ms, doc) VALUES ('forget:ann:key', 1, \
         '{\"id\":\"secret\",\"kind\":{\"name\":\"forget\",\"key\":7}}')",
    );
    workspace.take_jobs(1);
    let told = format!("{:?}", workspace.status());
    assert!(
        told.contains("chores") && !told.contains("ann") && !told.contains("secret"),
        "{told}"
    );
}
