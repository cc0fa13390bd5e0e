//! How often a workspace's ledger is asked, and in which order with storage.

use crate::common::{Exchange, Harness, PART, both_parts, error, object, xml};
use serde_json::{Value, json};

const CRC: &str = "L/E4WYn8v98=";

/// How often the ledger is asked by what `work` does.
fn calls_of<T>(harness: &mut Harness, work: impl FnOnce(&mut Harness) -> T) -> (u32, T) {
    let before = harness.ledgers.1.get();
    let done = work(harness);
    (harness.ledgers.1.get() - before, done)
}

fn completion() -> Vec<Exchange> {
    vec![
        ("GET uploadId", both_parts()),
        ("POST uploadId", xml(200, "<CompleteMultipartUploadResult/>")),
        ("HEAD", object(PART + 1, Some(CRC))),
    ]
}

fn state_checksum(harness: &mut Harness, grant: &Value) {
    let path = format!("/v1/uploads/{}/parts", grant["uploadId"].as_str().unwrap());
    let parts = json!([{ "partNumber": 2, "crc64nvme": CRC }]);
    let body = json!({ "ticket": grant["ticket"], "parts": parts, "crc64nvme": CRC });
    assert_eq!(harness.ask("POST", &path, body, vec![]).0, 200);
}

#[test]
fn an_initiate_is_one_call_in_a_workspace_in_use() {
    let mut harness = Harness::new();
    assert_eq!(
        calls_of(&mut harness, Harness::open).0,
        2,
        "nobody has used it before"
    );
    assert_eq!(calls_of(&mut harness, Harness::open).0, 1);
    assert_eq!(harness.kinds(), ["file.uploading", "file.uploading"]);
}

/// Where what a crash leaves in storage would not be found, the intent is written down first.
#[test]
fn the_intent_comes_first_where_orphans_are_not_looked_for() {
    for vars in [
        [("ORPHAN_UPLOADS", "report")],
        [("ORPHAN_UPLOADS", "off")],
        [("ORPHAN_AGE_SECONDS", "3599")],
        [("S3_KEY_TEMPLATE", "{fileId}/{name}")],
    ] {
        let mut harness = Harness::with(&vars);
        harness.open();
        assert_eq!(calls_of(&mut harness, Harness::open).0, 2, "{vars:?}");
    }
}

/// What storage refuses or does not answer is written down as before, so that it can be repeated by its key.
#[test]
fn what_storage_does_not_create_is_begun_all_the_same() {
    let mut harness = Harness::new();
    harness.open();
    let file = |name: &str| json!({"clientRef": name, "name": name, "size": PART + 1, "partSize": PART});
    let body = json!({ "files": [file("a"), file("b")] });
    let created = |id: &str| {
        let body = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        );
        ("POST uploads", xml(200, &body))
    };
    let away = ("POST uploads", error(503, "SlowDown"));
    let (_, first) = harness.ask_by_key("k", body.clone(), vec![created("s2"), away]);
    assert!(first["uploads"][0]["uploadId"].is_string(), "{first}");
    assert_eq!(
        first["uploads"][1]["error"]["code"], "storage_unavailable",
        "{first}"
    );

    // Both are created in vain, and the second is created for what waits.
    let dropped = || ("DELETE uploadId", xml(204, ""));
    let script = vec![created("s3"), created("s4"), dropped(), dropped(), created("s5")];
    let (_, again) = harness.ask_by_key("k", body, script);
    assert_eq!(again["uploads"][0]["uploadId"], first["uploads"][0]["uploadId"]);
    assert!(again["uploads"][1]["uploadId"].is_string(), "{again}");
    assert_eq!(harness.kinds().len(), 3);
}

#[test]
fn a_completion_writes_once_where_its_page_has_stated_the_checksum() {
    for (states, calls) in [(true, 2), (false, 3)] {
        let mut harness = Harness::new();
        let grant = harness.open();
        if states {
            state_checksum(&mut harness, &grant);
        }
        let (asked, (status, file)) = calls_of(&mut harness, |harness| {
            harness.complete(&grant, json!({ "crc64nvme": CRC }), completion())
        });
        assert_eq!((status, &file["status"]), (200, &json!("available")), "{file}");
        assert_eq!(asked, calls);
    }
}

/// What was stated earlier is not what the page says now: nobody would know what to hold the object to.
#[test]
fn a_completion_by_another_checksum_is_written_down_first() {
    let mut harness = Harness::new();
    let grant = harness.open();
    state_checksum(&mut harness, &grant);
    let other = "xW1l19VobYM=";
    let mut script = completion();
    script[2] = ("HEAD", object(PART + 1, Some(other)));
    let (asked, (status, _)) = calls_of(&mut harness, |harness| {
        harness.complete(&grant, json!({ "crc64nvme": other }), script)
    });
    assert_eq!((status, asked), (200, 3));
}
