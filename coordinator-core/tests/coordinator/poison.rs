//! One bad item stops nothing: it is left out, written down, and what is behind it goes on.

use crate::common::drafts;

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::common::{Exchange, Harness, Ledgers, START_MS, error, xml};
use futures_util::FutureExt;
use serde_json::Value;
use syncsphere_coordinator_core::ledger::{Call, Command, FileSpan, Reply, UploadDraft};
use syncsphere_coordinator_core::{
    Context, DatabaseFailure, DeliveryOutcome, MetadataDatabase, OrphanReport, StorageFailure, Workspaces,
};
use syncsphere_protocol::{DatabaseStatus, FileId, UploadKind, WorkspaceId};

/// A page of two orphans, the last of the bucket's list.
fn two_orphans() -> Exchange {
    let upload = |file: char| {
        let id: String = std::iter::repeat_n(file, 32).collect();
        format!(
            "<Upload><Key>demo/{id}/a</Key><UploadId>{file}</UploadId>\
             <Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>"
        )
    };
    let listed = upload('a') + &upload('b');
    let page = format!("<ListMultipartUploadsResult>{listed}</ListMultipartUploadsResult>");
    ("GET max-uploads uploads", xml(200, &page))
}

/// Lets the alarm of the bucket's own workspace ring.
fn look(harness: &mut Harness, script: Vec<Exchange>) -> OrphanReport {
    harness.run_due_jobs_of("_strays", script).unwrap()
}

fn look_through_the_bucket(harness: &mut Harness) {
    // Somebody has been here, so that what lies in the bucket may be the workspace's.
    harness.open();
    let cx = context(harness.now_ms);
    let begun = harness
        .coordinator
        .look_for_orphans(&cx, &harness.storage, &harness.ledgers);
    begun.now_or_never().unwrap().unwrap();
}

#[test]
fn an_upload_that_storage_refuses_to_abort_is_skipped() {
    let mut harness = Harness::new();
    look_through_the_bucket(&mut harness);
    let script = vec![
        two_orphans(),
        ("DELETE uploadId", error(403, "AccessDenied")),
        ("DELETE uploadId", xml(204, "")),
    ];
    let report = look(&mut harness, script);
    assert_eq!((report.orphans.len(), report.aborted, report.skipped), (2, 1, 1));
    assert!(report.is_last);
    assert!(report.failure.unwrap().contains("AccessDenied"));
    harness.now_ms += 60 * 60 * 1000;
    assert!(harness.run_due_jobs_of("_strays", vec![]).is_none());
}

#[test]
fn an_upload_that_is_never_aborted_is_skipped_at_the_third_attempt() {
    let mut harness = Harness::new();
    look_through_the_bucket(&mut harness);
    for _ in 0..2 {
        let away = ("DELETE uploadId", Err(StorageFailure::TimedOut));
        let report = look(&mut harness, vec![two_orphans(), away]);
        assert_eq!((report.aborted, report.skipped, report.is_last), (0, 0, false));
        harness.now_ms += 60 * 60 * 1000;
    }
    let script = vec![
        two_orphans(),
        ("DELETE uploadId", Err(StorageFailure::TimedOut)),
        ("DELETE uploadId", xml(204, "")),
    ];
    let report = look(&mut harness, script);
    assert_eq!((report.aborted, report.skipped, report.is_last), (1, 1, true));
}

/// A database that refuses rows of these files, and knows those of the others.
#[derive(Default)]
struct Choosy {
    refused: BTreeSet<String>,
    /// Whether it refuses to take any file for gone.
    keeps_what_is_gone: bool,
    known: RefCell<BTreeSet<String>>,
    writes: RefCell<u32>,
}

impl MetadataDatabase for Choosy {
    async fn write(
        &self,
        _: &WorkspaceId,
        rows: String,
        span: Option<&FileSpan>,
    ) -> Result<(), DatabaseFailure> {
        *self.writes.borrow_mut() += 1;
        let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
        let files = rows.iter().map(|row| row["file"]["fileId"].as_str().unwrap());
        if files.clone().any(|file| self.refused.contains(file))
            || (span.is_some() && self.keeps_what_is_gone)
        {
            return Err(DatabaseFailure {
                cause: "SQLSTATE 22P05".to_owned(),
                is_about_rows: true,
            });
        }
        let mut known = self.known.borrow_mut();
        if let Some(span) = span {
            let after = span.after.as_ref().map_or("", FileId::as_str);
            let before = span.before.as_ref().map_or("~", FileId::as_str);
            let is_there = |file: &String| span.unreadable.contains(file);
            known.retain(|file| file.as_str() <= after || file.as_str() >= before || is_there(file));
        }
        known.extend(files.map(str::to_owned));
        Ok(())
    }
}

fn context(now_ms: i64) -> Context {
    Context {
        now_ms,
        random: [7; 32],
        request_id: "r".to_owned(),
    }
}

fn demo() -> WorkspaceId {
    "demo".parse().unwrap()
}

fn ask(ledgers: &Ledgers, command: Command) -> Reply {
    let call = Call {
        now_ms: START_MS,
        keep_changes_ms: i64::MAX,
        retention: None,
        command,
    };
    ledgers.call(&demo(), call).now_or_never().unwrap().unwrap()
}

/// A workspace of so many files that the database knows nothing of.
fn filled(files: usize) -> Harness {
    let harness = Harness::new();
    harness
        .ledgers
        .0
        .borrow_mut()
        .entry(demo())
        .or_default()
        .set_has_database(true);
    let drafts = (0..files).map(|number| UploadDraft {
        kind: UploadKind::Single,
        ..drafts::draft(number, i64::MAX)
    });
    let begin = Command::Begin {
        idempotency: None,
        drafts: drafts.collect(),
        max_bytes: None,
    };
    ask(&harness.ledgers, begin);
    harness
}

/// Delivers until nothing is due, as the shell does.
fn deliver(harness: &Harness, database: &Choosy) -> DatabaseStatus {
    let cx = context(START_MS + 1_000);
    let workspace = demo();
    let mut last = None;
    for _ in 0..1_000 {
        let delivered = harness
            .coordinator
            .deliver(&workspace, &cx, &harness.ledgers, database, last.take());
        match delivered.now_or_never().unwrap() {
            DeliveryOutcome::Nothing { status } => return status.unwrap(),
            DeliveryOutcome::Rows { result, .. } => last = Some(result),
            DeliveryOutcome::Refused { failure, result } => {
                assert_eq!(failure.cause, "SQLSTATE 22P05");
                last = Some(result);
            }
            DeliveryOutcome::Failed(failure) => panic!("{failure}"),
        }
    }
    panic!("it never ends");
}

#[test]
fn a_row_that_the_database_refuses_is_parked_and_all_others_arrive() {
    let harness = filled(500);
    let database = Choosy {
        refused: ["f17", "f300"].map(str::to_owned).into(),
        ..Choosy::default()
    };
    let status = deliver(&harness, &database);
    assert_eq!(database.known.borrow().len(), 498);
    assert_eq!((status.waiting, status.failures, status.parked), (0, 0, 2));
    let last = status.last_parked.unwrap();
    assert_eq!((last.file_id.as_str(), last.seq), ("f300", 301));
    assert_eq!(last.cause, "SQLSTATE 22P05");
    // Halves, and twice as many again: not one by one.
    assert!(*database.writes.borrow() < 60, "{}", database.writes.borrow());

    // Written anew, once the reason is gone.
    ask(&harness.ledgers, Command::Replay);
    let database = Choosy::default();
    let status = deliver(&harness, &database);
    assert_eq!(database.known.borrow().len(), 500);
    assert_eq!((status.parked, status.last_parked), (0, None));
}

#[test]
fn a_rebuild_passes_by_what_is_refused() {
    let harness = filled(30);
    let database = Choosy {
        refused: ["f3", "f4", "f29"].map(str::to_owned).into(),
        ..Choosy::default()
    };
    ask(&harness.ledgers, Command::Replay);
    let status = deliver(&harness, &database);
    assert_eq!(database.known.borrow().len(), 27);
    // Each as a file, and as a change of the feed.
    assert_eq!((status.parked, status.rebuilding), (6, false));
}

#[test]
fn what_is_gone_is_told_though_the_rows_around_it_are_refused() {
    let harness = filled(3);
    let database = Choosy {
        refused: ["f0", "f1", "f2"].map(str::to_owned).into(),
        ..Choosy::default()
    };
    for gone in ["a", "f00", "f11", "f3", "z"] {
        database.known.borrow_mut().insert(gone.to_owned());
    }
    // It has had these before they were refused.
    database.known.borrow_mut().insert("f1".to_owned());
    ask(&harness.ledgers, Command::Replay);
    let status = deliver(&harness, &database);
    assert!(!status.rebuilding);
    assert_eq!(*database.known.borrow(), ["f1".to_owned()].into());
}

#[test]
fn a_database_that_takes_nothing_for_gone_is_given_all_else() {
    let harness = filled(3);
    let database = Choosy {
        keeps_what_is_gone: true,
        ..Choosy::default()
    };
    ask(&harness.ledgers, Command::Replay);
    let status = deliver(&harness, &database);
    assert_eq!(database.known.borrow().len(), 3);
    assert!(
        !status.rebuilding && status.parked > 0 && status.waiting == 0,
        "{status:?}"
    );
}
