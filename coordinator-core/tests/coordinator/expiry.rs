//! How long an upload lives: while its parts arrive it is not given up, up to a configured end.

use crate::common::{Answer, Exchange, Harness, PART, START_MS, error, parts, xml};
use serde_json::{Value, json};
use syncsphere_coordinator_core::StorageFailure;
use syncsphere_protocol::Timestamp;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// A day for each upload, or three while its parts arrive.
fn harness() -> Harness {
    Harness::with(&[("UPLOAD_MAX_LIFETIME_SECONDS", "259200")])
}

fn at(hours: i64) -> String {
    Timestamp::from_unix_millis(START_MS + hours * HOUR_MS)
        .as_str()
        .to_owned()
}

/// Storage lists two parts: one that arrived at the beginning, and another, in whatever order.
fn listed(newest_hour: i64) -> Exchange {
    let part = |number: u16, hour: i64| {
        let modified = at(hour);
        format!(
            "<Part><PartNumber>{number}</PartNumber><LastModified>{modified}</LastModified>\
             <Size>{PART}</Size><ETag>\"e\"</ETag></Part>"
        )
    };
    let both = part(1, newest_hour) + &part(2, 0);
    let body = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{both}</ListPartsResult>");
    ("GET uploadId", xml(200, &body))
}

/// What removes an upload.
fn swept() -> Vec<Exchange> {
    vec![("DELETE uploadId", xml(204, "")), ("DELETE", xml(204, ""))]
}

/// The alarm rings so many hours after the beginning.
fn ring(harness: &mut Harness, hours: i64, script: Vec<Exchange>) {
    harness.now_ms = START_MS + hours * HOUR_MS;
    harness.run_due_jobs(script);
}

fn status(harness: &mut Harness, grant: &Value) -> Value {
    harness.file(grant)["status"].clone()
}

#[test]
fn an_upload_whose_parts_arrive_lives_on_until_they_do_no_longer() {
    let mut harness = harness();
    let grant = harness.open();
    ring(&mut harness, 24, vec![listed(20)]);
    assert_eq!(status(&mut harness, &grant), "uploading");
    // Nothing is due before a day after the newest part.
    ring(&mut harness, 43, vec![]);
    let mut script = vec![listed(20)];
    script.extend(swept());
    ring(&mut harness, 44, script);
    assert_eq!(status(&mut harness, &grant), "expired");
}

#[test]
fn no_upload_outlives_its_latest_end() {
    let mut harness = harness();
    let grant = harness.open();
    for hours in [24, 48] {
        ring(&mut harness, hours, vec![listed(hours)]);
        assert_eq!(status(&mut harness, &grant), "uploading");
    }
    // Storage is asked no more: it would change nothing.
    ring(&mut harness, 72, swept());
    assert_eq!(status(&mut harness, &grant), "expired");
}

#[test]
fn what_storage_does_not_tell_gives_no_upload_up() {
    let mut harness = harness();
    let grant = harness.open();
    let failures: [Answer; 5] = [
        |_| Err(StorageFailure::TimedOut),
        |_| error(503, "SlowDown"),
        |_| error(403, "AccessDenied"),
        |_| xml(404, "<html>an ingress's page</html>"),
        |_| xml(200, "<html>a login page</html>"),
    ];
    harness.now_ms += 24 * HOUR_MS;
    for failure in failures {
        harness.run_due_jobs_freely(failure);
        assert!(!harness.asked_of_storage().is_empty());
        assert_eq!(status(&mut harness, &grant), "uploading");
        harness.now_ms += HOUR_MS;
    }
    let mut script = vec![listed(0)];
    script.extend(swept());
    harness.run_due_jobs(script);
    assert_eq!(status(&mut harness, &grant), "expired");
}

#[test]
fn a_clock_of_storage_that_is_ahead_extends_nothing_beyond_a_life() {
    let mut harness = harness();
    let grant = harness.open();
    ring(&mut harness, 24, vec![listed(1_000)]);
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let (_, told) = harness.ask("GET", &path, Value::Null, vec![listed(24)]);
    assert_eq!(told["expiresAt"], at(48));
}

#[test]
fn whoever_asks_is_told_the_end_as_the_newest_part_has_it() {
    let mut harness = harness();
    let grant = harness.open();
    assert_eq!(grant["expiresAt"], at(24));
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    harness.now_ms += 20 * HOUR_MS;
    let (_, told) = harness.ask("GET", &path, Value::Null, vec![listed(13)]);
    assert_eq!(told["expiresAt"], at(37));
    let nothing = vec![("GET uploadId", parts(&[]))];
    let (_, told) = harness.ask("GET", &path, Value::Null, nothing);
    assert_eq!(told["expiresAt"], at(24));
}

#[test]
fn a_ticket_signs_for_as_long_as_its_upload_may_live() {
    let mut harness = harness();
    let grant = harness.open();
    let path = format!("/v1/uploads/{}/parts", grant["uploadId"].as_str().unwrap());
    let body = json!({ "ticket": grant["ticket"], "parts": [{ "partNumber": 1 }] });
    harness.now_ms = START_MS + 71 * HOUR_MS + HOUR_MS / 2;
    let (status, told) = harness.ask("POST", &path, body.clone(), vec![]);
    assert_eq!(
        (status, &told["urls"][0]["expiresIn"]),
        (200, &json!(1800)),
        "{told}"
    );
    harness.now_ms = START_MS + 72 * HOUR_MS;
    let (status, told) = harness.ask("POST", &path, body, vec![]);
    assert_eq!((status, &told["code"]), (410, &json!("upload_gone")));
}

#[test]
fn an_upload_of_one_request_keeps_its_life() {
    let mut harness = harness();
    let body = json!({ "files": [{ "clientRef": "f", "name": "f", "size": 1 }] });
    let (_, reply) = harness.ask("POST", "/v1/uploads", body, vec![]);
    let grant = reply["uploads"][0].clone();
    // Nothing but its object and the key that it is sent to are asked for.
    ring(
        &mut harness,
        24,
        (0..2).map(|_| ("DELETE", xml(204, ""))).collect(),
    );
    assert_eq!(status(&mut harness, &grant), "expired");
}
