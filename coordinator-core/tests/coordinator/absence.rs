//! What storage does not show may still be there: nothing is destroyed for a 404 that is not S3's own, and for one without a
//! code only after a second look.

use crate::common::{Exchange, Harness, PART, both_parts, completed, error, nothing, object, xml};
use serde_json::{Value, json};
use syncsphere_coordinator_core::StorageFailure;

const CRC: &str = "L/E4WYn8v98=";

const NO_UPLOADS: &str = "<ListMultipartUploadsResult></ListMultipartUploadsResult>";

fn whole() -> Exchange {
    ("HEAD", object(PART + 1, Some(CRC)))
}

#[test]
fn neither_upload_nor_object_means_gone_the_second_time_that_it_is_looked_at() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let gone = || error(404, "NoSuchUpload");
    let not_there = || vec![("GET uploadId", gone()), ("HEAD", nothing())];
    for waited_ms in [0, 59_000] {
        harness.now_ms += waited_ms;
        let (status, problem) = harness.complete(&grant, json!({}), not_there());
        assert_eq!((status, &problem["code"]), (503, &json!("storage_unavailable")));
        assert_eq!(problem["retryAfter"], 60);
        assert_eq!(harness.kinds(), ["file.uploading"]);
    }
    harness.now_ms += 1_000;
    let mut script = not_there();
    script.extend([("DELETE uploadId", gone()), ("DELETE", xml(204, ""))]);
    let (status, problem) = harness.complete(&grant, json!({}), script);
    assert_eq!((status, &problem["code"]), (410, &json!("upload_gone")));
    assert_eq!(harness.kinds(), ["file.uploading", "file.aborted"]);
}

/// What an ingress answers while storage restarts.
fn default_page() -> Result<http::Response<Vec<u8>>, StorageFailure> {
    xml(404, "<html><body>default backend - 404</body></html>")
}

#[test]
fn a_404_without_a_code_of_s3_ends_nothing() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let away = |_: &http::Request<Vec<u8>>| default_page();
    let (status, problem) = harness.ask_freely("GET", &path, Value::Null, away);
    assert_eq!((status, &problem["code"]), (503, &json!("storage_unavailable")));
    let ticket = json!({ "ticket": grant["ticket"] });
    let (status, _) = harness.ask_freely("POST", &format!("{path}/complete"), ticket, away);
    assert_eq!(status, 503);
    // Nor in the middle of a completion, nor when the alarm looks after it.
    let lost = vec![("GET uploadId", both_parts()), ("POST uploadId", default_page())];
    assert_eq!(harness.complete(&grant, json!({}), lost).0, 503);
    harness.now_ms += 10 * 60 * 1000;
    harness.run_due_jobs_freely(away);
    assert_eq!(harness.kinds(), ["file.uploading"]);

    let script = vec![("GET uploadId", both_parts()), completed(), whole()];
    assert_eq!(
        harness.complete(&grant, json!({ "crc64nvme": CRC }), script).0,
        200
    );
}

#[test]
fn what_storage_shows_again_was_never_gone() {
    let gone = || error(404, "NoSuchUpload");
    let not_there = || vec![("GET uploadId", gone()), ("HEAD", nothing())];
    // Asked for, and found by the alarm a minute later: assembled, or still in parts.
    let mut harness = Harness::new();
    let grant = harness.open();
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let mut twice = vec![("GET uploadId", gone())];
    twice.extend(not_there());
    assert_eq!(harness.ask("GET", &path, Value::Null, twice).0, 503);
    harness.run_due_jobs(vec![]);
    harness.now_ms += 60_000;
    harness.run_due_jobs(vec![("GET uploadId", both_parts())]);
    assert_eq!(harness.kinds(), ["file.uploading"]);
    // That was that: what is missing from now on is missing for the first time.
    harness.now_ms += 60_000;
    assert_eq!(harness.complete(&grant, json!({}), not_there()).0, 503);
    harness.now_ms += 60_000;
    harness.run_due_jobs(vec![("GET uploadId", gone()), ("GET uploadId", gone()), whole()]);
    assert_eq!(harness.kinds(), ["file.uploading", "file.available"]);
}

#[test]
fn the_alarm_ends_what_is_gone() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let gone = || error(404, "NoSuchUpload");
    // Assembled, says storage, and then there is nothing.
    let script = vec![("GET uploadId", both_parts()), completed(), ("HEAD", nothing())];
    assert_eq!(harness.complete(&grant, json!({}), script).0, 503);
    assert_eq!(harness.kinds(), ["file.uploading"]);
    harness.now_ms += 60_000;
    harness.run_due_jobs(vec![
        ("GET uploadId", gone()),
        ("HEAD", nothing()),
        ("DELETE uploadId", gone()),
        ("DELETE", xml(204, "")),
    ]);
    assert_eq!(harness.kinds(), ["file.uploading", "file.aborted"]);
}

#[test]
fn a_sweep_is_not_done_because_somebody_answers_404() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let script = vec![("DELETE uploadId", default_page())];
    assert_eq!(harness.ask("DELETE", &path, Value::Null, script).0, 200);
    harness.now_ms += 60_000;
    harness.run_due_jobs(vec![
        ("DELETE uploadId", xml(204, "")),
        ("DELETE", default_page()),
    ]);
    harness.now_ms += 2 * 60 * 60 * 1000;
    harness.run_due_jobs(vec![
        ("DELETE uploadId", error(404, "NoSuchUpload")),
        ("DELETE", xml(204, "")),
        ("GET prefix uploads", xml(200, NO_UPLOADS)),
    ]);
    harness.now_ms += 48 * 60 * 60 * 1000;
    harness.run_due_jobs(vec![]);
}
