//! How storage is asked: what is repeated, and which headers each provider is sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "other tests use the rest")]
mod common;

use common::{Bench, PART, both_parts, error, object, xml};
use serde_json::{Value, json};
use syncsphere_coordinator_core::StorageFailure;

const CRC: &str = "L/E4WYn8v98=";

#[test]
fn what_only_reads_is_asked_again_and_nothing_else_is() {
    let mut bench = Bench::new();
    let grant = bench.open();
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let away = || Err(StorageFailure::Unreachable);
    let script = vec![
        ("GET uploadId", away()),
        ("GET uploadId", error(503, "SlowDown")),
        ("GET uploadId", both_parts()),
    ];
    let (status, reply) = bench.ask("GET", &path, Value::Null, script);
    assert_eq!((status, reply["parts"].as_array().unwrap().len()), (200, 2));

    let script = vec![
        ("GET uploadId", error(500, "InternalError")),
        ("GET uploadId", away()),
        ("GET uploadId", away()),
    ];
    let (status, reply) = bench.ask("GET", &path, Value::Null, script);
    assert_eq!((status, &reply["code"]), (503, &json!("storage_unavailable")));
    assert!(reply["retryAfter"].as_u64().unwrap() > 0);

    // What took its time, was refused, or would do something twice is not.
    for answer in [Err(StorageFailure::TimedOut), error(403, "AccessDenied")] {
        bench.ask("GET", &path, Value::Null, vec![("GET uploadId", answer)]);
    }
    let file = json!({"clientRef": "f", "name": "f.bin", "size": PART + 1, "partSize": PART});
    let body = json!({ "files": [file] });
    let (status, _) = bench.ask("POST", "/v1/uploads", body, vec![("POST uploads", away())]);
    assert_eq!(status, 503);
}

#[test]
fn each_provider_is_sent_the_headers_that_it_knows() {
    for (provider, size) in [("aws", Some("5242881")), ("r2", None), ("generic", None)] {
        let mut bench = Bench::with(&[("S3_PROVIDER", provider), ("S3_REGION", "eu-west-1")]);
        let grant = bench.open();
        let script = vec![
            ("GET uploadId", both_parts()),
            ("POST uploadId", xml(200, "<CompleteMultipartUploadResult/>")),
            ("HEAD", object(PART + 1, Some(CRC))),
        ];
        assert_eq!(bench.complete(&grant, json!({ "crc64nvme": CRC }), script).0, 200);

        let sent = bench.storage.1.borrow();
        let header = |request: usize, name: &str| {
            let value = sent[request].headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let (create, completion, head) = (0, 2, 3);
        // The one algorithm and type that all of them know for whole objects of many parts.
        assert_eq!(
            header(create, "x-amz-checksum-algorithm").as_deref(),
            Some("CRC64NVME")
        );
        assert_eq!(
            header(create, "x-amz-checksum-type").as_deref(),
            Some("FULL_OBJECT")
        );
        assert_eq!(
            header(completion, "x-amz-checksum-type").as_deref(),
            Some("FULL_OBJECT")
        );
        assert_eq!(
            header(completion, "x-amz-checksum-crc64nvme").as_deref(),
            Some(CRC)
        );
        assert_eq!(
            header(completion, "content-type").as_deref(),
            Some("application/xml")
        );
        assert_eq!(header(head, "x-amz-checksum-mode").as_deref(), Some("ENABLED"));
        assert_eq!(
            header(completion, "x-amz-mp-object-size").as_deref(),
            size,
            "{provider}"
        );
        for request in sent.iter() {
            // Whatever is sent is signed.
            let signed = request.headers()["authorization"].to_str().unwrap();
            for name in request
                .headers()
                .keys()
                .filter(|name| name.as_str().starts_with("x-amz-"))
            {
                assert!(signed.contains(name.as_str()), "{name}");
            }
        }
    }
}
