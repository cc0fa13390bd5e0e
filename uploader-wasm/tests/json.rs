//! Reading wire types by the browser's JSON parser must give what `serde_json` gives.
#![cfg(target_arch = "wasm32")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests, which the lints' own exemption does not recognise by this attribute"
)]

use serde::de::DeserializeOwned;
use serde_json::json;
use syncsphere_protocol::{
    FileRecord, InitiateReply, InitiateResult, PartNumber, Problem, SignPartsReply, UploadStatus,
};
use syncsphere_uploader_wasm::from_json;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn file() -> serde_json::Value {
    json!({
        "fileId": "f1", "workspace": "demo", "name": "Ünïcode \"😀\".mov", "path": "a/b", "size": 9_007_199_254_740_991_u64,
        "contentType": "video/quicktime", "status": "available", "checksum": {"crc64nvme": "L/E4WYn8v98="},
        "etag": "\"abc-2\"", "owner": "me", "metadata": {"camera": "b", "": "empty", "constructor": "x"},
        "createdAt": "2026-11-24T12:00:00.000Z", "updatedAt": "2026-11-24T12:00:01.000Z", "seq": 7
    })
}

fn signed() -> serde_json::Value {
    json!({
        "partNumber": 1, "method": "PUT", "url": "https://s3.example/b/k?partNumber=1&sig=%2B",
        "headers": {"x-amz-checksum-crc64nvme": "L/E4WYn8v98="}, "expiresAt": "2026-11-24T12:00:00.000Z", "expiresIn": 900
    })
}

fn agrees<T: DeserializeOwned + PartialEq + std::fmt::Debug>(value: &serde_json::Value) {
    let text = value.to_string();
    let expected: T = serde_json::from_str(&text).expect("a valid value");
    assert_eq!(from_json::<T>(&text), Ok(expected));
}

#[wasm_bindgen_test]
fn every_reply_of_the_coordinator_is_read_alike() {
    let problem = json!({
        "type": "urn:syncsphere:problem:parts_missing", "title": "Parts are missing", "status": 422,
        "code": "parts_missing", "detail": "2 of 3", "requestId": "r", "retryAfter": 3, "parts": [2, 3], "new": null
    });
    let grant = json!({
        "clientRef": "f1", "uploadId": "u1", "fileId": "f1", "kind": "multipart", "partSize": 16_777_216,
        "partCount": 10_000, "ticket": "t", "expiresAt": "2026-11-24T12:00:00.000Z", "expiresIn": 3600,
        "urls": [signed(), signed()]
    });
    agrees::<FileRecord>(&file());
    agrees::<Problem>(&problem);
    agrees::<InitiateReply>(&json!({"uploads": [grant, {"clientRef": "f2", "error": problem}]}));
    agrees::<SignPartsReply>(&json!({"urls": [signed()]}));
    agrees::<UploadStatus>(&json!({
        "uploadId": "u1", "fileId": "f1", "status": "uploading", "kind": "single", "size": 0, "partSize": 5_242_880,
        "partCount": 1, "parts": [{"partNumber": 1, "size": 0, "etag": "\"e\"", "crc64nvme": "AAAAAAAAAAA="}],
        "ticket": null, "expiresAt": "2026-11-24T12:00:00.000Z", "file": file()
    }));
}

#[wasm_bindgen_test]
fn what_is_not_the_type_is_refused() {
    for text in [
        "",
        "{",
        "null",
        "[]",
        "7",
        "{}",
        r#"{"clientRef":1}"#,
        r#"{"clientRef":"a","uploadId":"../x"}"#,
    ] {
        assert!(from_json::<InitiateResult>(text).is_err(), "{text}");
    }
    for number in [
        "0",
        "10001",
        "1.5",
        "-1",
        "1e300",
        "9007199254740993",
        "\"1\"",
        "true",
    ] {
        assert!(from_json::<PartNumber>(number).is_err(), "{number}");
    }
    let mut wrong = file();
    wrong["status"] = json!("exploded");
    assert!(from_json::<FileRecord>(&wrong.to_string()).is_err());
    let mut imprecise = file();
    imprecise["size"] = json!(9_007_199_254_740_993_u64);
    assert!(from_json::<FileRecord>(&imprecise.to_string()).is_err());
}
