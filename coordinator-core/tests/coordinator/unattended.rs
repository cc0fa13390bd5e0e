//! Uploads whose page has gone after their last byte: the workspace's alarm finalizes what storage proves, and nothing on
//! a guess.

use crate::common::{
    Exchange, Harness, PART, START_MS, completed, error, nothing, object, parts, removed, xml,
};
use serde_json::{Value, json};
use syncsphere_coordinator_core::StorageFailure;
use syncsphere_protocol::Timestamp;

const MINUTE_MS: i64 = 60_000;
const CRC: &str = "L/E4WYn8v98=";
const OTHER_CRC: &str = "xW1l19VobYM=";

/// Opens an upload of two parts, and asks for both URLs; the last request states the whole's checksum.
fn opened(harness: &mut Harness) -> Value {
    let grant = harness.open();
    assert_eq!(sign(harness, &grant, json!(CRC)).0, 200);
    grant
}

fn sign(harness: &mut Harness, grant: &Value, crc64nvme: Value) -> (u16, Value) {
    let parts = json!([{ "partNumber": 1, "crc64nvme": CRC }, { "partNumber": 2, "crc64nvme": CRC }]);
    let mut body = json!({ "parts": parts });
    if !crc64nvme.is_null() {
        body["crc64nvme"] = crc64nvme;
    }
    harness.sign(grant, body)
}

/// Storage lists both parts, the last of which came so many minutes after the beginning.
fn both_parts_at(minutes: i64) -> Exchange {
    dated(&[("1", PART, "e1", 0), ("2", 1, "e2", minutes)])
}

fn dated(parts: &[(&str, u64, &str, i64)]) -> Exchange {
    let parts: String = parts
        .iter()
        .map(|(number, size, etag, minutes)| {
            let time = Timestamp::from_unix_millis(START_MS + minutes * MINUTE_MS);
            format!(
                "<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>\"{etag}\"</ETag>\
                 <LastModified>{}</LastModified></Part>",
                time.as_str()
            )
        })
        .collect();
    let body = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>");
    ("GET uploadId", xml(200, &body))
}

fn alarm_at(harness: &mut Harness, minutes: i64, script: Vec<Exchange>) {
    harness.now_ms = START_MS + minutes * MINUTE_MS;
    harness.run_due_jobs(script);
}

#[test]
fn what_storage_proves_becomes_available_and_a_page_that_returns_is_told_so() {
    let mut harness = Harness::new();
    let grant = opened(&mut harness);
    alarm_at(&mut harness, 9, vec![]);
    let whole = ("HEAD", object(PART + 1, Some(CRC)));
    let script = vec![both_parts_at(0), both_parts_at(0), completed(), whole];
    alarm_at(&mut harness, 10, script);
    let file = harness.file(&grant);
    assert_eq!(
        (&file["status"], &file["checksum"]["crc64nvme"]),
        (&json!("available"), &json!(CRC))
    );
    assert_eq!(
        harness.complete(&grant, json!({ "crc64nvme": CRC }), vec![]),
        (200, file)
    );
    assert_eq!(harness.kinds(), ["file.uploading", "file.available"]);
    // Nothing is left to do.
    alarm_at(&mut harness, 3 * 24 * 60, vec![]);
}

#[test]
fn a_page_that_may_still_be_reading_is_left_alone() {
    let mut harness = Harness::new();
    let grant = opened(&mut harness);
    alarm_at(&mut harness, 10, vec![both_parts_at(7)]);
    alarm_at(&mut harness, 16, vec![]);
    assert_eq!(harness.file(&grant)["status"], "uploading");
    let whole = ("HEAD", object(PART + 1, Some(CRC)));
    let script = vec![both_parts_at(7), both_parts_at(7), completed(), whole];
    alarm_at(&mut harness, 17, script);
    assert_eq!(harness.file(&grant)["status"], "available");
}

#[test]
fn what_lacks_a_part_is_looked_for_ever_less_often_and_expires() {
    let mut harness = Harness::new();
    let grant = opened(&mut harness);
    let mut looks = 0;
    for minutes in 1..24 * 60 {
        harness.now_ms = START_MS + minutes * MINUTE_MS;
        let before = harness.storage.1.borrow().len();
        harness.run_due_jobs_freely(|_| parts(&[(1, PART)]));
        looks += harness.storage.1.borrow().len() - before;
    }
    assert!((20..50).contains(&looks), "{looks}");
    assert_eq!(harness.file(&grant)["status"], "uploading");
    let mut script = vec![
        ("GET uploadId", parts(&[(1, PART)])),
        // Once more for when its newest part came.
        ("GET uploadId", parts(&[(1, PART)])),
    ];
    script.extend(removed());
    alarm_at(&mut harness, 24 * 60, script);
    assert_eq!(harness.file(&grant)["status"], "expired");
}

#[test]
fn an_upload_whose_time_is_over_is_finalized_rather_than_thrown_away() {
    let mut harness = Harness::with(&[("FINALIZE_AFTER_SECONDS", "864000")]);
    let grant = opened(&mut harness);
    let whole = ("HEAD", object(PART + 1, Some(CRC)));
    let script = vec![both_parts_at(1439), both_parts_at(1439), completed(), whole];
    alarm_at(&mut harness, 24 * 60, script);
    assert_eq!(harness.file(&grant)["status"], "available");
}

#[test]
fn nothing_is_finalized_whose_checksum_nobody_stated() {
    let mut harness = Harness::new();
    let grant = harness.open();
    assert_eq!(sign(&mut harness, &grant, Value::Null).0, 200);
    alarm_at(&mut harness, 24 * 60 - 1, vec![]);
    let mut script = vec![
        // For when its newest part came.
        ("GET uploadId", parts(&[(1, PART)])),
    ];
    script.extend(removed());
    alarm_at(&mut harness, 24 * 60, script);
    assert_eq!(harness.file(&grant)["status"], "expired");
}

#[test]
fn what_storage_has_assembled_otherwise_is_never_announced() {
    for (told, status) in [(Some(OTHER_CRC), "aborted"), (None, "uploading")] {
        let mut harness = Harness::new();
        let grant = opened(&mut harness);
        let mut script = vec![both_parts_at(0), both_parts_at(0), completed()];
        script.push(("HEAD", object(PART + 1, told)));
        if told.is_some() {
            script.extend(removed());
        }
        alarm_at(&mut harness, 10, script);
        assert_eq!(harness.file(&grant)["status"], status);
    }
}

/// The ledger knows what the whole has to be and looks after it: a completion writes nothing down before storage is asked.
#[test]
fn a_completion_that_nobody_heard_of_is_found_by_what_the_page_had_stated() {
    let mut harness = Harness::new();
    let grant = opened(&mut harness);
    let lost = || ("HEAD", Err(StorageFailure::TimedOut));
    let script = vec![both_parts_at(0), completed(), lost()];
    let (status, reply) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
    assert_eq!((status, &reply["code"]), (503, &json!("storage_unavailable")));
    let gone = || ("GET uploadId", error(404, "NoSuchUpload"));
    let script = vec![gone(), gone(), ("HEAD", object(PART + 1, Some(CRC)))];
    alarm_at(&mut harness, 10, script);
    assert_eq!(harness.file(&grant)["status"], "available");
    assert_eq!(harness.kinds(), ["file.uploading", "file.available"]);
}

#[test]
fn a_storage_that_is_away_is_asked_again_soon() {
    let mut harness = Harness::new();
    let grant = opened(&mut harness);
    harness.now_ms = START_MS + 10 * MINUTE_MS;
    harness.run_due_jobs_freely(|_| error(503, "SlowDown"));
    let whole = ("HEAD", object(PART + 1, Some(CRC)));
    let script = vec![both_parts_at(0), both_parts_at(0), completed(), whole];
    alarm_at(&mut harness, 11, script);
    assert_eq!(harness.file(&grant)["status"], "available");
}

/// A file of one request, whose checksum is that of its only part.
fn single(harness: &mut Harness) -> Value {
    let part = json!({ "partNumber": 1, "crc64nvme": CRC });
    let file = json!({ "clientRef": "f", "name": "f.bin", "size": 9, "partSize": PART, "parts": [part], "crc64nvme": CRC });
    let reply = harness.ask_freely("POST", "/v1/uploads", json!({ "files": [file] }), |_| {
        error(400, "BadDigest")
    });
    let grant = reply.1["uploads"][0].clone();
    assert!(grant["uploadId"].is_string(), "{grant}");
    grant
}

#[test]
fn a_file_of_one_request_needs_no_page_either() {
    let mut harness = Harness::new();
    let grant = single(&mut harness);
    alarm_at(&mut harness, 10, vec![("HEAD", nothing())]);
    assert_eq!(harness.file(&grant)["status"], "uploading");
    let script = vec![("HEAD", object(9, Some(CRC))), ("HEAD", object(9, Some(CRC)))];
    alarm_at(&mut harness, 20, script);
    assert_eq!(harness.file(&grant)["status"], "available");
}
