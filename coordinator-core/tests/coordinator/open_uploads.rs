//! What a person has open, page by page, and nobody else's.

use crate::common::{Harness, PART, both_parts, object, xml};
use serde_json::{Value, json};

/// Ids of all pages, each of so many files.
fn all(harness: &mut Harness, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = format!("/v1/uploads?limit={limit}");
    loop {
        let (status, page) = harness.ask("GET", &path, Value::Null, vec![]);
        assert_eq!(status, 200, "{page}");
        assert_eq!(page["checksum"], "crc64nvme");
        let uploads = page["uploads"].as_array().unwrap();
        assert!(uploads.len() <= limit);
        ids.extend(
            uploads
                .iter()
                .map(|one| one["uploadId"].as_str().unwrap().to_owned()),
        );
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/v1/uploads?limit={limit}&cursor={cursor}"),
            None => return ids,
        }
    }
}

#[test]
fn a_person_sees_what_they_have_open_newest_first() {
    let mut harness = Harness::new();
    let grants: Vec<Value> = (0..5)
        .map(|_| {
            harness.now_ms += 1_000;
            harness.open()
        })
        .collect();
    let id = |at: usize| grants[at]["uploadId"].as_str().unwrap().to_owned();
    for limit in [1, 2, 100] {
        assert_eq!(all(&mut harness, limit), [4, 3, 2, 1, 0].map(id), "{limit}");
    }
    let (_, page) = harness.ask("GET", "/v1/uploads", Value::Null, vec![]);
    let newest = &page["uploads"][0];
    assert_eq!(
        (
            &newest["file"]["name"],
            &newest["file"]["size"],
            &newest["expiresAt"]
        ),
        (&json!("f.bin"), &json!(PART + 1), &grants[4]["expiresAt"])
    );

    let completed = xml(200, "<CompleteMultipartUploadResult/>");
    let script = vec![
        ("GET uploadId", both_parts()),
        ("POST uploadId", completed),
        ("HEAD", object(PART + 1, None)),
    ];
    assert_eq!(harness.complete(&grants[4], json!({}), script).0, 200);
    let path = format!("/v1/uploads/{}", id(3));
    harness.ask_freely("DELETE", &path, Value::Null, |_| xml(204, ""));
    assert_eq!(
        all(&mut harness, 2),
        [2, 1, 0].map(id),
        "what is over is not open"
    );
}

#[test]
fn nobody_sees_what_others_have_open() {
    let mut harness = Harness::new();
    harness.open();
    harness.enter("");
    assert_eq!(all(&mut harness, 100), [] as [String; 0]);
}

#[test]
fn a_guest_is_known_again_by_a_secret_and_by_nothing_else() {
    const SECRET: &str = "0123456789abcdefghij_-";
    let mut harness = Harness::new();
    let mine = format!("&guest_secret={SECRET}");
    harness.enter(&mine);
    let grant = harness.open();

    harness.enter(&mine);
    assert_eq!(all(&mut harness, 100), [grant["uploadId"].as_str().unwrap()]);
    // Everybody in the workspace sees the owner.
    let owner = harness.file(&grant)["owner"].as_str().unwrap().to_owned();
    assert!(owner.starts_with("guest-") && !owner.contains(SECRET), "{owner}");

    let other = format!("&guest_secret={}", SECRET.replace('0', "1"));
    let elsewhere = format!("{mine}&workspace=other");
    for fields in [other, format!("&guest_secret={owner}"), elsewhere, String::new()] {
        harness.enter(&fields);
        assert_eq!(all(&mut harness, 100), [] as [String; 0], "{fields}");
    }
}

#[test]
fn uploads_of_unknown_size_and_cursors_of_others_are_not_taken() {
    let mut harness = Harness::new();
    let body = json!({ "filename": "f.bin", "type": "text/plain" });
    let created = "<InitiateMultipartUploadResult><UploadId>s1</UploadId></InitiateMultipartUploadResult>";
    let script = vec![("POST uploads", xml(200, created))];
    harness.ask("POST", "/v1/companion/s3/multipart", body, script);
    assert_eq!(all(&mut harness, 100), [] as [String; 0]);
    for query in ["cursor=AAAA", "limit=0", "limit=1001", "cursor=%00"] {
        let (status, problem) = harness.ask("GET", &format!("/v1/uploads?{query}"), Value::Null, vec![]);
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{query}"
        );
    }
}
