//! Completions, aborts and clean-up under faults that no local storage can be made to have: lost
//! replies, errors under status 200, completions that nobody heard the end of.

use crate::common::{Exchange, Harness, PART, both_parts, error, object, parts, xml};
use serde_json::{Value, json};
use syncsphere_coordinator_core::StorageFailure;

const CRC: &str = "L/E4WYn8v98=";
const OTHER_CRC: &str = "xW1l19VobYM=";

fn completed() -> Exchange {
    ("POST uploadId", xml(200, " \n <CompleteMultipartUploadResult/>"))
}

fn whole() -> Exchange {
    ("HEAD", object(PART + 1, Some(CRC)))
}

#[test]
fn a_completion_is_believed_after_storage_has_shown_the_object() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let script = vec![("GET uploadId", both_parts()), completed(), whole()];
    let (status, file) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
    assert_eq!(status, 200, "{file}");
    assert_eq!(file["status"], "available");
    assert_eq!(file["etag"], "\"whole-2\"");
    assert_eq!(file["checksum"]["crc64nvme"], CRC);
    // The second time storage is not even asked.
    assert_eq!(
        harness.complete(&grant, json!({ "crc64nvme": CRC }), vec![]),
        (200, file)
    );
}

#[test]
fn an_error_under_status_200_is_no_success() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let script = vec![
        ("GET uploadId", both_parts()),
        ("POST uploadId", error(200, "InternalError")),
    ];
    let (status, problem) = harness.complete(&grant, json!({}), script);
    assert_eq!((status, &problem["code"]), (503, &json!("storage_unavailable")));
    assert!(problem["retryAfter"].is_number());
    assert_eq!(harness.file(&grant)["status"], "uploading");

    let script = vec![("GET uploadId", both_parts()), completed(), whole()];
    assert_eq!(harness.complete(&grant, json!({}), script).0, 200);
}

#[test]
fn a_lost_reply_is_resolved_by_looking_at_the_object() {
    for lost in [
        Err(StorageFailure::TimedOut),
        Err(StorageFailure::Unreachable),
        xml(502, ""),
    ] {
        let mut harness = Harness::new();
        let grant = harness.open();
        let script = vec![("GET uploadId", both_parts()), ("POST uploadId", lost)];
        let (status, _) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
        assert_eq!(status, 503);
        // Storage had done it: the upload is gone and the object is there.
        let script = vec![("GET uploadId", error(404, "NoSuchUpload")), whole()];
        let (status, file) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
        assert_eq!((status, &file["status"]), (200, &json!("available")));
    }
}

#[test]
fn no_such_upload_at_completion_is_resolved_the_same_way() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let gone = error(404, "NoSuchUpload");
    let script = vec![("GET uploadId", both_parts()), ("POST uploadId", gone), whole()];
    assert_eq!(harness.complete(&grant, json!({}), script).0, 200);
}

#[test]
fn an_object_of_other_content_is_never_announced() {
    for wrong in [object(PART + 1, Some(OTHER_CRC)), object(PART, Some(CRC))] {
        let mut harness = Harness::new();
        let grant = harness.open();
        let script = vec![
            ("GET uploadId", both_parts()),
            completed(),
            ("HEAD", wrong),
            ("DELETE uploadId", error(404, "NoSuchUpload")),
            ("DELETE", xml(204, "")),
        ];
        let (status, problem) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
        assert_eq!((status, &problem["code"]), (422, &json!("checksum_mismatch")));
        assert_eq!(harness.kinds(), ["file.uploading", "file.aborted"]);
    }
}

#[test]
fn a_digest_that_storage_refuses_leaves_the_upload_open() {
    // Storage may list a part that it does not have any more: sent once more it is in order.
    for (code, told) in [
        ("BadDigest", "checksum_mismatch"),
        ("InvalidPart", "parts_missing"),
    ] {
        let mut harness = Harness::new();
        let grant = harness.open();
        let script = vec![
            ("GET uploadId", both_parts()),
            ("POST uploadId", error(400, code)),
        ];
        let (status, problem) = harness.complete(&grant, json!({ "crc64nvme": OTHER_CRC }), script);
        assert_eq!((status, &problem["code"]), (422, &json!(told)));
        let script = vec![("GET uploadId", both_parts()), completed(), whole()];
        assert_eq!(
            harness.complete(&grant, json!({ "crc64nvme": CRC }), script).0,
            200
        );
    }
}

#[test]
fn parts_of_the_wrong_length_are_named() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let script = vec![("GET uploadId", parts(&[(1, PART), (2, 2)]))];
    let (status, problem) = harness.complete(&grant, json!({}), script);
    assert_eq!((status, &problem["code"]), (422, &json!("part_size_mismatch")));
    assert_eq!(problem["parts"], json!([2]));
}

#[test]
fn of_a_part_that_is_listed_twice_the_one_that_the_client_knows_is_taken() {
    let listing = "<ListPartsResult><IsTruncated>false</IsTruncated>\
        <Part><PartNumber>1</PartNumber><Size>5242880</Size><ETag>\"new\"</ETag><LastModified>2</LastModified></Part>\
        <Part><PartNumber>1</PartNumber><Size>5242880</Size><ETag>\"old\"</ETag><LastModified>1</LastModified></Part>\
        <Part><PartNumber>2</PartNumber><Size>1</Size><ETag>\"e2\"</ETag></Part></ListPartsResult>";
    let mut harness = Harness::new();
    let grant = harness.open();
    let status_path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let script = vec![("GET uploadId", xml(200, listing))];
    let (_, state) = harness.ask("GET", &status_path, Value::Null, script);
    let etags: Vec<_> = state["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["etag"])
        .collect();
    assert_eq!(etags, ["\"new\"", "\"e2\""]);
    let script = vec![("GET uploadId", xml(200, listing)), completed(), whole()];
    let named = json!({ "parts": [{ "partNumber": 1, "etag": "old" }] });
    assert_eq!(harness.complete(&grant, named, script).0, 200);
}

#[test]
fn a_listing_that_leads_nowhere_ends() {
    let endless = || {
        xml(
            200,
            "<ListPartsResult><IsTruncated>true</IsTruncated>\
            <NextPartNumberMarker>5</NextPartNumberMarker></ListPartsResult>",
        )
    };
    let mut harness = Harness::new();
    let grant = harness.open();
    let script = vec![
        ("GET uploadId", endless()),
        ("GET part-number-marker uploadId", endless()),
    ];
    let (status, problem) = harness.complete(&grant, json!({}), script);
    assert_eq!((status, &problem["code"]), (424, &json!("storage_refused")));
}

#[test]
fn what_storage_refuses_for_good_is_told_with_its_code_and_leaves_the_upload_open() {
    for (status, code) in [
        (400, "MalformedXML"),
        (501, "NotImplemented"),
        (403, "AccessDenied"),
    ] {
        let mut harness = Harness::new();
        let grant = harness.open();
        let script = vec![
            ("GET uploadId", both_parts()),
            ("POST uploadId", error(status, code)),
        ];
        let (status, problem) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
        assert_eq!((status, &problem["code"]), (424, &json!("storage_refused")));
        assert!(problem["detail"].as_str().unwrap().contains(code), "{problem}");
        assert!(problem["retryAfter"].is_null());
        let script = vec![("GET uploadId", both_parts()), completed(), whole()];
        assert_eq!(
            harness.complete(&grant, json!({ "crc64nvme": CRC }), script).0,
            200
        );
    }
}

#[test]
fn a_checksum_that_storage_says_nothing_of_is_not_taken_for_proven_nor_its_object_removed() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let silent = || ("HEAD", object(PART + 1, None));
    let script = vec![("GET uploadId", both_parts()), completed(), silent()];
    let (status, problem) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
    assert_eq!((status, &problem["code"]), (422, &json!("checksum_mismatch")));
    let gone = || ("GET uploadId", error(404, "NoSuchUpload"));
    let one_part = json!({ "parts": [{ "partNumber": 1, "crc64nvme": CRC }] });
    let (status, problem) = harness.complete(&grant, one_part, vec![gone(), silent()]);
    assert_eq!((status, &problem["code"]), (422, &json!("checksum_mismatch")));
    // Whoever asks meanwhile, and the alarm, ask for the same proof.
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let looks = || vec![gone(), gone(), silent()];
    assert_eq!(
        harness.ask("GET", &path, Value::Null, looks()).1["status"],
        "uploading"
    );
    harness.now_ms += 10 * 60 * 1000;
    harness.run_due_jobs(vec![gone(), silent()]);
    assert_eq!(
        harness.ask("GET", &path, Value::Null, looks()).1["status"],
        "uploading"
    );
    let (status, file) = harness.complete(&grant, json!({}), vec![gone(), silent()]);
    assert_eq!((status, &file["checksum"]), (200, &json!({})));
}

/// The answer to a completion that names these of the object.
fn naming(etag: &str, crc64nvme: &str) -> Exchange {
    let names = format!("<ETag>{etag}</ETag><ChecksumCRC64NVME>{crc64nvme}</ChecksumCRC64NVME>");
    let body = format!("<CompleteMultipartUploadResult>{names}</CompleteMultipartUploadResult>");
    ("POST uploadId", xml(200, &body))
}

#[test]
fn an_object_that_storage_proves_by_the_answer_to_its_completion_is_not_looked_at_again() {
    for etag in ["&quot;whole-2&quot;", "whole-2"] {
        let mut harness = Harness::new();
        let grant = harness.open();
        let script = vec![("GET uploadId", both_parts()), naming(etag, CRC)];
        let (status, file) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
        assert_eq!((status, &file["status"]), (200, &json!("available")), "{file}");
        assert_eq!(file["etag"], "\"whole-2\"");
        assert_eq!(file["checksum"]["crc64nvme"], CRC);
        assert_eq!(file["size"], PART + 1);
    }
}

#[test]
fn an_answer_to_a_completion_that_does_not_prove_the_whole_has_the_object_looked_at() {
    let stated = json!({ "crc64nvme": CRC });
    for (claims, answer) in [
        (stated.clone(), naming("e-2", "")),
        (stated.clone(), naming("", CRC)),
        (stated.clone(), naming("e-2", OTHER_CRC)),
        // Nobody has stated anything that could be proven.
        (json!({}), naming("e-2", CRC)),
    ] {
        let mut harness = Harness::new();
        let grant = harness.open();
        let script = vec![("GET uploadId", both_parts()), answer, whole()];
        let (status, file) = harness.complete(&grant, claims, script);
        assert_eq!((status, &file["etag"]), (200, &json!("\"whole-2\"")), "{file}");
    }
}

#[test]
fn a_checksum_that_storage_names_nowhere_but_on_completion_is_proof_enough() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let script = vec![
        ("GET uploadId", both_parts()),
        naming("", CRC),
        ("HEAD", object(PART + 1, None)),
    ];
    let (status, file) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
    assert_eq!((status, &file["checksum"]["crc64nvme"]), (200, &json!(CRC)));
}

#[test]
fn a_completion_that_nobody_heard_the_end_of_is_resolved_by_the_alarm() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let lost = Err(StorageFailure::TimedOut);
    let script = vec![("GET uploadId", both_parts()), ("POST uploadId", lost)];
    harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
    harness.run_due_jobs(vec![]);
    assert_eq!(harness.file(&grant)["status"], "uploading");

    harness.now_ms += 10 * 60 * 1000;
    harness.run_due_jobs(vec![("GET uploadId", error(404, "NoSuchUpload")), whole()]);
    assert_eq!(harness.file(&grant)["status"], "available");
    harness.now_ms += 48 * 60 * 60 * 1000;
    harness.run_due_jobs(vec![]);
    assert_eq!(harness.kinds(), ["file.uploading", "file.available"]);
}

#[test]
fn a_finished_file_is_not_expired_though_nobody_heard_of_it() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let lost = Err(StorageFailure::TimedOut);
    harness.complete(
        &grant,
        json!({}),
        vec![("GET uploadId", both_parts()), ("POST uploadId", lost)],
    );
    // The alarm comes late: expiry and resolution are due together, whichever comes first.
    harness.now_ms += 48 * 60 * 60 * 1000;
    harness.run_due_jobs(vec![("GET uploadId", error(404, "NoSuchUpload")), whole()]);
    assert_eq!(harness.file(&grant)["status"], "available");
}

#[test]
fn an_upload_whose_completion_cannot_be_looked_up_is_not_expired_yet() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let away = || Err(StorageFailure::TimedOut);
    harness.complete(
        &grant,
        json!({}),
        vec![("GET uploadId", both_parts()), ("POST uploadId", away())],
    );
    harness.now_ms += 48 * 60 * 60 * 1000;
    harness.run_due_jobs(vec![("GET uploadId", away()), ("GET uploadId", away())]);
    assert_eq!(harness.file(&grant)["status"], "uploading");
    harness.now_ms += 60_000;
    harness.run_due_jobs(vec![("GET uploadId", error(404, "NoSuchUpload")), whole()]);
    assert_eq!(harness.file(&grant)["status"], "available");
}

#[test]
fn an_expired_upload_is_swept_twice_since_parts_may_land_late() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let sweep = || vec![("DELETE uploadId", xml(204, "")), ("DELETE", xml(204, ""))];
    harness.now_ms += 24 * 60 * 60 * 1000;
    let mut script = vec![("GET uploadId", parts(&[]))];
    script.extend(sweep());
    harness.run_due_jobs(script);
    assert_eq!(harness.file(&grant)["status"], "expired");
    harness.run_due_jobs(vec![]);
    // Not done before storage lists nothing any more.
    let key = object_key(&harness);
    let still_there = format!(
        "<ListMultipartUploadsResult><Upload><Key>{key}</Key><UploadId>s1</UploadId></Upload>\
         </ListMultipartUploadsResult>"
    );
    for listing in [still_there.as_str(), "<Error/>", NO_UPLOADS] {
        harness.now_ms += 2 * 60 * 60 * 1000;
        let mut script = sweep();
        script.push(("GET prefix uploads", xml(200, listing)));
        if listing == still_there {
            script.push(("DELETE uploadId", xml(204, "")));
        }
        harness.run_due_jobs(script);
    }
    harness.now_ms += 48 * 60 * 60 * 1000;
    harness.run_due_jobs(vec![]);
}

const NO_UPLOADS: &str = "<ListMultipartUploadsResult></ListMultipartUploadsResult>";

#[test]
fn a_sweep_that_storage_does_not_answer_comes_back_later_and_later() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let away = || vec![("DELETE uploadId", Err(StorageFailure::Unreachable))];
    let (_, aborted) = harness.ask("DELETE", &path, Value::Null, away());
    assert_eq!(aborted["status"], "aborted");
    let mut pauses = Vec::new();
    harness.now_ms += 60_000;
    for _ in 0..12 {
        harness.run_due_jobs(away());
        let before = harness.now_ms;
        harness.now_ms = next_due(&harness);
        pauses.push(harness.now_ms - before);
    }
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert_eq!(pauses.first(), Some(&5_000));
    assert_eq!(pauses.last(), Some(&3_600_000));
    harness.run_due_jobs(vec![
        ("DELETE uploadId", xml(204, "")),
        ("DELETE", xml(204, "")),
        ("GET prefix uploads", xml(200, NO_UPLOADS)),
    ]);
}

#[test]
fn a_crash_between_intent_and_creation_leaves_nothing_behind() {
    let mut harness = Harness::new();
    let file = json!({"clientRef": "f", "name": "f.bin", "size": PART + 1, "partSize": PART});
    let lost = Err(StorageFailure::TimedOut);
    let body = json!({ "files": [file] });
    let (status, _) = harness.ask("POST", "/v1/uploads", body, vec![("POST uploads", lost)]);
    assert_eq!(status, 503);
    assert!(harness.kinds().is_empty());

    let key = object_key(&harness);
    let listing = format!(
        "<ListMultipartUploadsResult><Upload><Key>{key}</Key><UploadId>stray</UploadId></Upload>\
         <Upload><Key>{key}-other</Key><UploadId>not ours</UploadId></Upload></ListMultipartUploadsResult>"
    );
    harness.now_ms += 2 * 60 * 60 * 1000;
    harness.run_due_jobs(vec![
        ("GET prefix uploads", xml(200, &listing)),
        ("DELETE uploadId", xml(204, "")),
        ("DELETE", xml(204, "")),
    ]);
    assert!(harness.kinds().is_empty());
}

fn object_key(harness: &Harness) -> String {
    let uploads = harness.ledgers.0.borrow()[&"demo".parse().unwrap()]
        .all_uploads()
        .cloned()
        .collect::<Vec<_>>();
    uploads[0].file.key.0.clone()
}

fn next_due(harness: &Harness) -> i64 {
    use syncsphere_coordinator_core::ledger::Store;
    let ledgers = harness.ledgers.0.borrow();
    let Ok(due) = ledgers[&"demo".parse().unwrap()].next_due();
    due.expect("a job is left")
}
