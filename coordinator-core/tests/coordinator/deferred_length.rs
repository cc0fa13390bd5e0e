//! Uploads of unknown size, as Uppy begins them: limits at the end, and objects that nobody tells of.

use crate::common::{
    Exchange, Harness, PART, both_parts, completed, created, error, nothing, object, parts, xml,
};
use http::Request;
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;

fn copied() -> Exchange {
    let body = "<CopyObjectResult><ETag>&quot;whole-2&quot;</ETag></CopyObjectResult>";
    ("PUT", xml(200, body))
}

/// Begins an upload in parts as Companion's clients do.
fn create(harness: &mut Harness) -> Value {
    let body = json!({ "filename": "f.bin", "type": "text/plain", "metadata": { "name": "f.bin", "a": 1 } });
    let (status, reply) = harness.ask("POST", "/v1/companion/s3/multipart", body, vec![created()]);
    assert_eq!(status, 200, "{reply}");
    reply
}

fn complete(
    harness: &mut Harness,
    upload: &Value,
    named: &[(u16, &str)],
    script: Vec<Exchange>,
) -> (u16, Value) {
    let named = named
        .iter()
        .map(|(number, etag)| json!({ "PartNumber": number, "ETag": etag }));
    let body = json!({ "parts": named.collect::<Vec<_>>() });
    harness.ask("POST", &path(upload, "/complete"), body, script)
}

fn path(upload: &Value, more: &str) -> String {
    let id = upload["uploadId"].as_str().unwrap();
    let key = upload["key"].as_str().unwrap().replace('/', "%2F");
    format!("/v1/companion/s3/multipart/{id}{more}?key={key}")
}

/// Begins a file that goes as one request.
fn params(harness: &mut Harness) -> Value {
    let path = "/v1/companion/s3/params?filename=f.bin&type=text%2Fplain";
    let (status, reply) = harness.ask("GET", path, Value::Null, vec![]);
    assert_eq!(status, 200, "{reply}");
    reply
}

fn only_file(harness: &mut Harness) -> Value {
    let states = "uploading,available,aborted,expired,deleted";
    let (_, list) = harness.ask("GET", &format!("/v1/files?status={states}"), Value::Null, vec![]);
    assert_eq!(list["files"].as_array().unwrap().len(), 1, "{list}");
    list["files"][0].clone()
}

#[test]
fn what_storage_holds_of_the_parts_named_is_the_file() {
    let mut harness = Harness::new();
    let upload = create(&mut harness);
    let file = only_file(&mut harness);
    assert_eq!((&file["status"], &file["size"]), (&json!("uploading"), &json!(0)));
    assert_eq!(file["metadata"], json!({ "a": "1" }));
    let script = vec![
        ("GET uploadId", parts(&[(1, PART), (2, 7), (3, 9)])),
        completed(),
        ("HEAD", object(PART + 7, None)),
    ];
    // Quoted as S3 lists ETags, and bare as Uppy reads them from replies.
    let (status, reply) = complete(&mut harness, &upload, &[(2, "e2"), (1, "\"e1\"")], script);
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["key"], upload["key"]);
    let asked = harness.storage.1.borrow();
    let body = String::from_utf8(asked[2].body().clone()).unwrap();
    assert!(body.contains("<PartNumber>2</PartNumber>") && !body.contains("<PartNumber>3</PartNumber>"));
    drop(asked);
    let file = only_file(&mut harness);
    assert_eq!(
        (&file["status"], &file["size"]),
        (&json!("available"), &json!(PART + 7))
    );
    // Told twice, as after a lost reply.
    assert_eq!(
        complete(&mut harness, &upload, &[(1, "e1"), (2, "e2")], vec![]).1,
        reply
    );
    assert_eq!(harness.kinds(), ["file.uploading", "file.available"]);
}

#[test]
fn it_may_be_larger_than_the_smallest_parts_would_make() {
    const LARGEST_PART: u64 = 1024 * PART;
    let mut harness = Harness::new();
    let upload = create(&mut harness);
    let named: Vec<(u16, String)> = (1..=12).map(|number| (number, format!("e{number}"))).collect();
    let named: Vec<(u16, &str)> = named
        .iter()
        .map(|(number, etag)| (*number, etag.as_str()))
        .collect();
    let stored: Vec<(u16, u64)> = named.iter().map(|(number, _)| (*number, LARGEST_PART)).collect();
    let script = vec![
        ("GET uploadId", parts(&stored)),
        completed(),
        ("HEAD", object(12 * LARGEST_PART, None)),
    ];
    let (status, reply) = complete(&mut harness, &upload, &named, script);
    assert_eq!(status, 200, "{reply}");
    assert_eq!(only_file(&mut harness)["size"], 12 * LARGEST_PART);
}

#[test]
fn parts_that_are_not_there_or_not_those_are_refused_and_the_upload_goes_on() {
    let mut harness = Harness::new();
    let upload = create(&mut harness);
    let listed = || vec![("GET uploadId", both_parts())];
    for (named, code) in [
        (&[(1, "e1"), (3, "e3")][..], "parts_missing"),
        (&[(1, "e1"), (2, "other")], "checksum_mismatch"),
    ] {
        let (_, problem) = complete(&mut harness, &upload, named, listed());
        assert_eq!(problem["code"], code);
    }
    let small = vec![("GET uploadId", parts(&[(1, PART - 1), (2, 1)]))];
    let (_, problem) = complete(&mut harness, &upload, &[(1, "e1"), (2, "e2")], small);
    assert_eq!(problem["code"], "part_size_mismatch");
    for body in [
        json!({ "parts": [] }),
        json!({ "parts": [{ "PartNumber": 0, "ETag": "e" }] }),
        json!({}),
    ] {
        let (status, problem) = harness.ask("POST", &path(&upload, "/complete"), body, vec![]);
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")));
    }
    let script = vec![
        ("GET uploadId", both_parts()),
        completed(),
        ("HEAD", object(PART + 1, None)),
    ];
    assert_eq!(
        complete(&mut harness, &upload, &[(1, "e1"), (2, "e2")], script).0,
        200
    );
}

#[test]
fn a_file_beyond_a_limit_is_never_completed() {
    let limit = PART.to_string();
    let mut harness = Harness::with(&[("MAX_FILE_SIZE", &limit)]);
    let upload = create(&mut harness);
    let script = vec![
        ("GET uploadId", both_parts()),
        ("DELETE uploadId", xml(204, "")),
        ("DELETE", xml(204, "")),
    ];
    let (status, problem) = complete(&mut harness, &upload, &[(1, "e1"), (2, "e2")], script);
    assert_eq!((status, &problem["code"]), (413, &json!("file_too_large")));
    assert!(problem["message"].as_str().unwrap().contains("at most"));
    assert_eq!(only_file(&mut harness)["status"], "aborted");
    assert_eq!(complete(&mut harness, &upload, &[(1, "e1")], vec![]).0, 410);
}

#[test]
fn a_completion_that_nobody_heard_of_is_found_by_the_alarm() {
    let mut harness = Harness::new();
    let upload = create(&mut harness);
    let script = vec![("GET uploadId", both_parts()), ("POST uploadId", xml(502, ""))];
    assert_eq!(
        complete(&mut harness, &upload, &[(1, "e1"), (2, "e2")], script).0,
        503
    );
    harness.now_ms += 6 * MINUTE_MS;
    harness.run_due_jobs(vec![
        ("GET uploadId", error(404, "NoSuchUpload")),
        ("HEAD", object(PART + 1, None)),
    ]);
    let file = only_file(&mut harness);
    assert_eq!(
        (&file["status"], &file["size"]),
        (&json!("available"), &json!(PART + 1))
    );
}

#[test]
fn a_whole_file_becomes_available_by_being_there() {
    let mut harness = Harness::new();
    params(&mut harness);
    harness.now_ms += 2_000;
    harness.run_due_jobs(vec![("HEAD", nothing())]);
    assert_eq!(only_file(&mut harness)["status"], "uploading");
    harness.now_ms += 2_000;
    harness.run_due_jobs(vec![
        ("HEAD", object(7, None)),
        copied(),
        ("DELETE", xml(204, "")),
    ]);
    let file = only_file(&mut harness);
    assert_eq!((&file["status"], &file["size"]), (&json!("available"), &json!(7)));
    // And that is all: nobody looks again. What the URL may bring yet is removed once the URL is dead.
    harness.now_ms += 59 * MINUTE_MS;
    harness.run_due_jobs(vec![]);
    for _ in 0..2 {
        harness.now_ms += 10 * MINUTE_MS;
        harness.run_due_jobs(vec![("DELETE", xml(204, ""))]);
    }
    harness.now_ms += 60 * MINUTE_MS;
    harness.run_due_jobs(vec![]);
}

#[test]
fn it_is_looked_for_at_least_twice_a_minute_until_it_cannot_come_any_more() {
    let mut harness = Harness::new();
    params(&mut harness);
    let begin = harness.now_ms;
    let mut looks = 0;
    while only_file(&mut harness)["status"] == "uploading" {
        harness.now_ms += 30_000;
        let mut script = vec![("HEAD", nothing())];
        // Once more before it is given up, and again a minute later.
        if harness.now_ms - begin >= 70 * MINUTE_MS {
            script.push(("HEAD", nothing()));
        }
        if harness.now_ms - begin >= 71 * MINUTE_MS {
            let removed = || ("DELETE", xml(204, ""));
            script.extend([removed(), removed()]);
        }
        harness.run_due_jobs(script);
        looks += 1;
        assert!(looks <= 142);
    }
    assert_eq!(only_file(&mut harness)["status"], "expired");
    assert_eq!(
        looks, 142,
        "an hour of the URL's, ten minutes for what was on its way and one for the proof that it is not there"
    );
}

#[test]
fn a_whole_file_is_not_removed_for_one_look_that_did_not_find_it() {
    let mut harness = Harness::new();
    params(&mut harness);
    // Nobody rang for a day, and storage is just restarting.
    harness.now_ms += 24 * 60 * MINUTE_MS;
    harness.run_due_jobs(vec![("HEAD", nothing()), ("HEAD", nothing())]);
    assert_eq!(only_file(&mut harness)["status"], "uploading");
    harness.now_ms += MINUTE_MS;
    harness.run_due_jobs(vec![
        ("HEAD", object(7, None)),
        copied(),
        ("DELETE", xml(204, "")),
    ]);
    assert_eq!(only_file(&mut harness)["status"], "available");
}

#[test]
fn a_whole_file_beyond_a_limit_is_removed() {
    let mut harness = Harness::with(&[("MAX_FILE_SIZE", "6")]);
    params(&mut harness);
    harness.now_ms += 2_000;
    let removed = || ("DELETE", xml(204, ""));
    harness.run_due_jobs(vec![("HEAD", object(7, None)), removed(), removed()]);
    assert_eq!(only_file(&mut harness)["status"], "aborted");
}

#[test]
fn a_part_is_signed_without_its_length() {
    let mut harness = Harness::with(&[("UPLOAD_MAX_LIFETIME_SECONDS", "86400")]);
    let upload = create(&mut harness);
    let (_, reply) = harness.ask("GET", &path(&upload, "/10000"), Value::Null, vec![]);
    assert!(
        reply["url"]
            .as_str()
            .unwrap()
            .contains("X-Amz-SignedHeaders=host&"),
        "{reply}"
    );
    for number in ["0", "10001", "x", "-1", "1.5"] {
        let (status, problem) =
            harness.ask("GET", &path(&upload, &format!("/{number}")), Value::Null, vec![]);
        assert_eq!(status, 400);
        assert_eq!(
            problem["error"],
            "s3: the part number must be a number between 1 and 10000."
        );
    }
    harness.now_ms += 86_400_000;
    assert_eq!(
        harness.ask("GET", &path(&upload, "/1"), Value::Null, vec![]).0,
        410
    );
}

#[test]
fn a_call_is_repeated_without_beginning_anything_else() {
    let mut harness = Harness::new();
    let uuid = "0b7e1f8e-58a1-4b1e-9d3c-5a9e27f0c1aa";
    let sign = json!({ "method": "POST", "key": format!("raw/{uuid}-f.bin"), "expiresIn": 60 });
    let (status, signed) = harness.ask("POST", "/v1/s3/sign", sign, vec![]);
    assert_eq!(status, 200, "{signed}");
    assert_eq!(harness.kinds(), [""; 0], "signing begins nothing");
    let url = format!("/v1/s3/{}", signed["url"].as_str().unwrap());
    let call = || {
        let request = Request::post(&url).header("content-type", "image/png");
        request.body(Vec::new()).unwrap()
    };
    let (status, first) = harness.send(call(), vec![created()]);
    assert_eq!(status, 200, "{first}");
    // Storage has been asked before the ledger knows that there is one already.
    let again = xml(
        200,
        "<InitiateMultipartUploadResult><UploadId>s2</UploadId></InitiateMultipartUploadResult>",
    );
    let script = vec![("POST uploads", again), ("DELETE uploadId", xml(204, ""))];
    assert_eq!(harness.send(call(), script), (200, first));
    let file = only_file(&mut harness);
    assert_eq!(file["name"], "f.bin");
    assert_eq!(file["path"], "raw");
    assert_eq!(file["contentType"], "image/png");

    harness.now_ms += 16 * MINUTE_MS;
    let (status, dead) = harness.send(call(), vec![]);
    assert_eq!(status, 403);
    assert!(dead.contains("<Code>AccessDenied</Code>"), "{dead}");
}

#[test]
fn a_whole_file_is_begun_once_for_each_idempotency_key() {
    let mut harness = Harness::new();
    let sign = json!({ "method": "PUT", "key": "f.bin", "contentType": "text/plain" });
    let (_, first) = harness.ask("POST", "/v1/s3/sign", sign.clone(), vec![]);
    assert_eq!(first["headers"], json!({ "content-type": "text/plain" }));
    assert!(
        first["url"]
            .as_str()
            .unwrap()
            .contains("X-Amz-SignedHeaders=content-type%3Bhost&"),
        "{first}"
    );
    let (_, second) = harness.ask("POST", "/v1/s3/sign", sign, vec![]);
    assert_ne!(first["key"], second["key"], "nothing is overwritten");
    assert_eq!(harness.kinds().len(), 2);
}
