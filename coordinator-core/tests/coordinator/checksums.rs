//! By what storage proves content: what it is asked, what clients are told, and what is not believed.

use crate::common::{Exchange, Harness, PART, created, error, xml};
use http::Response;
use serde_json::{Value, json};
use syncsphere_protocol::Md5;

const CRC: &str = "L/E4WYn8v98=";

fn file(more: Value) -> Value {
    let mut file = json!({"clientRef": "f", "name": "f.bin", "size": PART + 1, "partSize": PART});
    file.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "files": [file] })
}

/// What storage says to bytes that are not what their checksum tells.
fn looks() -> Exchange {
    ("PUT", error(400, "BadDigest"))
}

#[test]
fn storage_is_told_of_checksums_only_where_there_will_be_some() {
    for (file_says, announced) in [
        (json!({}), true),
        (json!({"parts": [{"partNumber": 1, "crc64nvme": CRC}]}), true),
        (json!({"parts": [{"partNumber": 1}]}), false),
        (json!({"integrity": "none"}), false),
    ] {
        let mut harness = Harness::new();
        let mut script = vec![created()];
        if file_says["parts"][0]["crc64nvme"].is_string() {
            script.insert(0, looks());
        }
        let (status, reply) = harness.ask("POST", "/v1/uploads", file(file_says), script);
        assert_eq!(
            (status, &reply["uploads"][0]["checksum"]),
            (200, &json!("crc64nvme"))
        );
        let sent = harness.storage.1.borrow();
        let headers = sent.last().unwrap().headers();
        assert_eq!(headers.contains_key("x-amz-checksum-algorithm"), announced);
        assert_eq!(headers.contains_key("x-amz-checksum-type"), announced);
    }
}

#[test]
fn storage_is_seen_to_look_at_checksums_once_before_anything_is_sent() {
    let stated = || file(json!({"parts": [{"partNumber": 1, "crc64nvme": CRC}]}));
    let mut harness = Harness::new();
    // It takes what it should refuse: the object goes, and the client is told.
    let blind = || vec![("PUT", xml(200, "")), ("DELETE", xml(204, ""))];
    let (status, problem) = harness.ask("POST", "/v1/uploads", stated(), blind());
    assert_eq!((status, &problem["code"]), (424, &json!("storage_refused")));
    assert!(problem["detail"].as_str().unwrap().contains("S3_CHECKSUM"));
    let unknown = vec![("PUT", error(501, "NotImplemented"))];
    let (status, problem) = harness.ask("POST", "/v1/uploads", stated(), unknown);
    assert_eq!((status, &problem["code"]), (424, &json!("storage_refused")));
    assert!(problem["detail"].as_str().unwrap().contains("NotImplemented"));
    // Where nothing can be told now, the upload goes its way, and the next one looks again.
    let away = vec![("PUT", error(503, "SlowDown")), created()];
    assert_eq!(harness.ask("POST", "/v1/uploads", stated(), away).0, 200);
    let first = vec![looks(), created()];
    assert_eq!(harness.ask("POST", "/v1/uploads", stated(), first).0, 200);
    assert_eq!(
        harness.ask("POST", "/v1/uploads", stated(), vec![created()]).0,
        200
    );
}

#[test]
fn where_storage_proves_by_md5_digests_are_signed_and_the_etag_has_to_be_what_they_make() {
    let digests = [Md5::of(b"a"), Md5::of(b"b")];
    let whole = Md5::of_parts(digests.into_iter()).to_hex();
    let claims = json!([
        {"partNumber": 1, "md5": digests[0]}, {"partNumber": 2, "md5": digests[1]},
    ]);
    let listed = |second: Md5| {
        let part = |number: u8, size: u64, md5: Md5| {
            let etag = md5.to_hex();
            format!(
                "<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>\"{etag}\"</ETag></Part>"
            )
        };
        let parts = part(1, PART, digests[0]) + &part(2, 1, second);
        let body = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>");
        ("GET uploadId", xml(200, &body))
    };
    let assembled = |etag: &str, encryption: &str| {
        let response = Response::builder()
            .header("content-length", PART + 1)
            .header("x-amz-server-side-encryption", encryption)
            .header("etag", format!("\"{etag}\""));
        ("HEAD", Ok(response.body(Vec::new()).unwrap()))
    };
    let completed = || ("POST uploadId", xml(200, "<CompleteMultipartUploadResult/>"));

    for (second, etag, encryption, expected) in [
        (digests[1], format!("{whole}-2"), "AES256", 200),
        (digests[0], String::new(), "", 422),
        (digests[1], format!("{whole}-3"), "AES256", 422),
        (digests[1], format!("{whole}-2"), "aws:kms", 422),
    ] {
        let mut harness = Harness::with(&[("S3_CHECKSUM", "md5")]);
        // What was computed by another algorithm gets no URL, and the client is told which it is.
        let stated = file(json!({"parts": [{"partNumber": 1, "crc64nvme": CRC}]}));
        let (_, reply) = harness.ask("POST", "/v1/uploads", stated, vec![looks(), created()]);
        let grant = &reply["uploads"][0];
        assert_eq!((&grant["checksum"], &grant["urls"]), (&json!("md5"), &json!([])));
        assert!(
            !harness.storage.1.borrow()[1]
                .headers()
                .contains_key("x-amz-checksum-algorithm")
        );

        let path = format!("/v1/uploads/{}/parts", grant["uploadId"].as_str().unwrap());
        let mut sign = |part: Value| {
            let body = json!({ "ticket": grant["ticket"], "parts": [part] });
            harness.ask("POST", &path, body, vec![])
        };
        assert_eq!(sign(json!({"partNumber": 1, "crc64nvme": CRC})).0, 400);
        let (_, signed) = sign(json!({"partNumber": 1, "md5": digests[0]}));
        assert_eq!(signed["urls"][0]["headers"], json!({"content-md5": digests[0]}));
        assert!(signed["urls"][0]["url"].as_str().unwrap().contains("content-md5"));

        let is_damaged = second != digests[1];
        let mut script = vec![listed(second)];
        if !is_damaged {
            script.extend([completed(), assembled(&etag, encryption)]);
        }
        if etag.ends_with("-3") {
            script.extend([
                ("DELETE uploadId", error(404, "NoSuchUpload")),
                ("DELETE", xml(204, "")),
            ]);
        }
        let (status, reply) = harness.complete(grant, json!({ "parts": claims }), script);
        assert_eq!(status, expected, "{reply}");
        if expected == 422 {
            assert_eq!(reply["code"], "checksum_mismatch");
        }
    }
}

#[test]
fn where_etags_are_no_digests_an_upload_by_md5_is_refused_at_once() {
    let mut harness = Harness::with(&[("S3_CHECKSUM", "md5")]);
    let (what, answer) = created();
    let mut answer = answer.unwrap();
    answer
        .headers_mut()
        .insert("x-amz-server-side-encryption", "aws:kms".parse().unwrap());
    let script = vec![(what, Ok(answer)), ("DELETE uploadId", xml(204, ""))];
    let (status, problem) = harness.ask("POST", "/v1/uploads", file(json!({})), script);
    assert_eq!((status, &problem["code"]), (424, &json!("storage_refused")));
}

#[test]
fn where_storage_proves_nothing_nobody_may_state_anything() {
    let mut harness = Harness::with(&[("S3_CHECKSUM", "none")]);
    let stated = file(json!({"parts": [{"partNumber": 1, "crc64nvme": CRC}]}));
    let (_, reply) = harness.ask("POST", "/v1/uploads", stated, vec![]);
    assert_eq!(reply["uploads"][0]["error"]["code"], "invalid_request");
    let (_, reply) = harness.ask("POST", "/v1/uploads", file(json!({})), vec![created()]);
    assert_eq!(reply["uploads"][0]["checksum"], "none");
    let sent = harness.storage.1.borrow();
    assert!(!sent[0].headers().contains_key("x-amz-checksum-algorithm"));
}
