//! Several buckets by workspace: what belongs to a file stays in the bucket that it was begun in, whatever the patterns
//! say later.

use crate::common::{Exchange, Harness, PART, both_parts, created, error, nothing, object, xml};
use futures_util::FutureExt;
use http::Request;
use serde_json::{Value, json};
use syncsphere_coordinator_core::Context;

const CRC: &str = "L/E4WYn8v98=";

/// The guest's workspace, and one besides.
const PATTERNS: (&str, &str) = ("S3_BUCKETS", "eu-*=files-eu,demo=files-demo");

/// The paths of signed URLs.
fn path_of(url: &Value) -> String {
    let url = url.as_str().unwrap();
    let path = url.strip_prefix("https://s3.test").unwrap();
    path.split('?').next().unwrap().to_owned()
}

#[test]
fn a_file_of_parts_stays_in_the_bucket_that_it_was_begun_in() {
    let mut harness = Harness::with(&[PATTERNS]);
    let grant = harness.open();
    let key = format!("/files-demo/demo/{}/f.bin", grant["fileId"].as_str().unwrap());
    assert_eq!(harness.asked_of_storage(), [format!("POST {key}")]);

    // The patterns are gone. Signing asks no ledger: the ticket knows the bucket.
    harness.restart_with(&[]);
    let upload = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let body = json!({ "ticket": grant["ticket"], "parts": [{ "partNumber": 1 }] });
    let (_, signed) = harness.ask("POST", &format!("{upload}/parts"), body, vec![]);
    assert_eq!(path_of(&signed["urls"][0]["url"]), key);

    harness.ask("GET", &upload, Value::Null, vec![("GET uploadId", both_parts())]);
    let script = vec![
        ("GET uploadId", both_parts()),
        ("POST uploadId", xml(200, "<CompleteMultipartUploadResult/>")),
        ("HEAD", object(PART + 1, Some(CRC))),
    ];
    let (status, file) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
    assert_eq!((status, &file["status"]), (200, &json!("available")), "{file}");
    assert_eq!(
        harness.asked_of_storage(),
        ["GET", "GET", "POST", "HEAD"].map(|method| format!("{method} {key}"))
    );

    let path = format!("/v1/files/{}", grant["fileId"].as_str().unwrap());
    let content = Request::get(format!("{path}/content"))
        .header("accept", "application/json")
        .header("authorization", harness.authorization());
    let (_, link) = harness.send(content.body(Vec::new()).unwrap(), vec![]);
    let link: Value = serde_json::from_str(&link).unwrap();
    assert_eq!(path_of(&link["url"]), key);

    let (_, deleted) = harness.ask("DELETE", &path, Value::Null, vec![("DELETE", xml(204, ""))]);
    assert_eq!(deleted["status"], "deleted");
    harness.now_ms += 2 * 3_600_000;
    harness.run_due_jobs(vec![("DELETE", xml(204, ""))]);
    assert_eq!(harness.asked_of_storage(), vec![format!("DELETE {key}"); 2]);

    // What begins now begins elsewhere.
    let now = harness.open();
    let key = format!("/uploads/demo/{}/f.bin", now["fileId"].as_str().unwrap());
    assert_eq!(harness.asked_of_storage(), [format!("POST {key}")]);
}

#[test]
fn a_file_in_one_request_is_staged_in_its_own_bucket() {
    let proof = || ("PUT", error(400, "BadDigest"));
    for forms in ["off", "on"] {
        let mut harness = Harness::with(&[PATTERNS, ("S3_CONDITIONAL_WRITES", "off"), ("S3_FORMS", forms)]);
        let file = json!({"clientRef": "f", "name": "f.bin", "size": 3, "forms": true,
            "parts": [{ "partNumber": 1, "crc64nvme": CRC }]});
        let body = json!({ "files": [file] });
        let (_, reply) = harness.ask("POST", "/v1/uploads", body, vec![proof()]);
        let grant = reply["uploads"][0].clone();
        let key = format!("/files-demo/demo/{}/f.bin", grant["fileId"].as_str().unwrap());
        let probed = harness.asked_of_storage();
        assert!(probed[0].starts_with("PUT /files-demo/demo/"), "{probed:?}");
        let url = &grant["urls"][0];
        if forms == "on" {
            assert_eq!(path_of(&url["url"]), "/files-demo/");
            let fields = &url["fields"];
            assert!(fields["key"].as_str().unwrap().starts_with("demo/"));
        } else {
            assert!(path_of(&url["url"]).starts_with(&key));
        }
        harness.restart_with(&[]);
        let copied = "<CopyObjectResult><ETag>\"whole-2\"</ETag></CopyObjectResult>";
        let script = vec![
            ("HEAD", object(3, Some(CRC))),
            ("PUT", xml(200, copied)),
            ("DELETE", xml(204, "")),
        ];
        let (status, file) = harness.complete(&grant, json!({ "crc64nvme": CRC }), script);
        assert_eq!((status, &file["status"]), (200, &json!("available")), "{file}");
        let asked = harness.asked_of_storage();
        assert!(
            asked.iter().all(|line| line.contains(&format!(" {key}"))),
            "{asked:?}"
        );
        assert!(asked[1].contains(" from files-demo/demo/"), "{asked:?}");
        // The staged object again, once no URL for it lives any more.
        harness.now_ms += 2 * 3_600_000;
        harness.run_due_jobs(vec![("DELETE", xml(204, ""))]);
        assert!(harness.asked_of_storage()[0].starts_with(&format!("DELETE {key}")));
    }
}

#[test]
fn an_upload_that_is_given_up_is_removed_from_its_own_bucket() {
    let mut harness = Harness::with(&[PATTERNS]);
    let grant = harness.open();
    harness.asked_of_storage();
    harness.restart_with(&[("S3_BUCKETS", "demo=files-other")]);
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let removed = vec![("DELETE uploadId", xml(204, "")), ("DELETE", xml(204, ""))];
    assert_eq!(harness.ask("DELETE", &path, Value::Null, removed).0, 200);
    harness.now_ms += 2 * 3_600_000;
    let removed = vec![
        ("DELETE uploadId", error(404, "NoSuchUpload")),
        ("DELETE", xml(204, "")),
        ("GET prefix uploads", xml(200, "<ListMultipartUploadsResult/>")),
    ];
    harness.run_due_jobs(removed);
    let asked = harness.asked_of_storage();
    assert_eq!(asked.len(), 5);
    assert!(
        asked.iter().all(|line| line.contains(" /files-demo/")),
        "{asked:?}"
    );
}

#[test]
fn clients_of_companion_are_told_the_bucket() {
    let mut harness = Harness::with(&[PATTERNS]);
    let body = json!({ "filename": "a.bin", "type": "a/b" });
    let (status, reply) = harness.ask("POST", "/v1/companion/s3/multipart", body, vec![created()]);
    assert_eq!((status, &reply["bucket"]), (200, &json!("files-demo")), "{reply}");
    assert!(harness.asked_of_storage()[0].starts_with("POST /files-demo/demo/"));
}

#[test]
fn every_bucket_is_looked_through_for_orphans() {
    let mut harness = Harness::with(&[("S3_BUCKETS", "a=files-a,b=files-b,c=files-a,d=uploads")]);
    // Somebody has been here, so that what lies in the buckets may be the workspace's.
    harness.open();
    let cx = Context {
        now_ms: harness.now_ms,
        random: [9; 32],
        request_id: "cron".to_owned(),
    };
    let begun = harness
        .coordinator
        .look_for_orphans(&cx, &harness.storage, &harness.ledgers);
    begun.now_or_never().unwrap().unwrap();
    harness.asked_of_storage();

    let mut look = |script: Vec<Exchange>| {
        let report = harness.run_due_jobs_of("_strays", script).unwrap();
        harness.now_ms += 3_600_000;
        (report, harness.asked_of_storage())
    };
    let page = |body: &str| {
        let list = format!("<ListMultipartUploadsResult>{body}</ListMultipartUploadsResult>");
        ("GET max-uploads uploads", xml(200, &list))
    };
    let (report, asked) = look(vec![page("")]);
    assert_eq!((report.bucket, report.is_last), (None, false));
    assert_eq!(asked, ["GET /uploads/"]);
    // One that refuses keeps the next waiting for three attempts and no longer.
    for attempt in 1..=3 {
        let refused = ("GET max-uploads uploads", error(403, "AccessDenied"));
        let (report, asked) = look(vec![refused]);
        assert_eq!(asked, ["GET /files-a/"]);
        assert_eq!(
            (report.skipped, report.is_last),
            (usize::from(attempt == 3), false)
        );
        assert!(report.failure.unwrap().contains("AccessDenied"));
    }
    let file = "a".repeat(32);
    let orphan = format!(
        "<Upload><Key>demo/{file}/a</Key><UploadId>s9</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>"
    );
    let more = "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>";
    let (report, asked) = look(vec![page(&(orphan + more)), ("DELETE uploadId", xml(204, ""))]);
    assert_eq!((report.aborted, report.is_last), (1, false));
    assert_eq!(
        asked,
        [
            "GET /files-b/".to_owned(),
            format!("DELETE /files-b/demo/{file}/a")
        ]
    );
    let list = xml(200, "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
    let (report, asked) = look(vec![("GET max-uploads key-marker uploads", list)]);
    assert_eq!(
        (report.bucket.unwrap().as_str(), report.is_last),
        ("files-b", true)
    );
    assert_eq!(asked, ["GET /files-b/"]);
    assert!(harness.run_due_jobs_of("_strays", vec![]).is_none());
}

#[test]
fn health_is_that_of_every_bucket() {
    let mut harness = Harness::with(&[("S3_BUCKETS", "a=files-a,b=files-b,c=files-a")]);
    let there = || ("HEAD", xml(200, ""));
    let ask = || Request::get("/healthz").body(Vec::new()).unwrap();
    let (status, _) = harness.send(ask(), vec![there(), there(), there()]);
    assert_eq!(status, 200);
    assert_eq!(
        harness.asked_of_storage(),
        ["HEAD /uploads/", "HEAD /files-a/", "HEAD /files-b/"]
    );
    harness.now_ms += 60_000;
    let (status, reply) = harness.send(ask(), vec![there(), ("HEAD", nothing()), there()]);
    assert_eq!(status, 500);
    assert!(
        reply.contains("S3_BUCKETS names a bucket that storage does not have"),
        "{reply}"
    );
}
