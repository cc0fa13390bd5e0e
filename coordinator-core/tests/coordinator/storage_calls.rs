//! How storage is asked: what is repeated, and which headers each provider is sent.

use crate::common::{Answer, Exchange, Harness, PART, both_parts, error, object, xml};
use serde_json::{Value, json};
use syncsphere_coordinator_core::StorageFailure;

const CRC: &str = "L/E4WYn8v98=";

#[test]
fn what_only_reads_is_asked_again_and_nothing_else_is() {
    let mut harness = Harness::new();
    let grant = harness.open();
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    let away = || Err(StorageFailure::Unreachable);
    let script = vec![
        ("GET uploadId", away()),
        ("GET uploadId", error(503, "SlowDown")),
        ("GET uploadId", both_parts()),
    ];
    let (status, reply) = harness.ask("GET", &path, Value::Null, script);
    assert_eq!((status, reply["parts"].as_array().unwrap().len()), (200, 2));

    let script = vec![
        ("GET uploadId", error(500, "InternalError")),
        ("GET uploadId", away()),
        ("GET uploadId", away()),
    ];
    let (status, reply) = harness.ask("GET", &path, Value::Null, script);
    assert_eq!((status, &reply["code"]), (503, &json!("storage_unavailable")));
    assert!(reply["retryAfter"].as_u64().unwrap() > 0);

    // What took its time, was refused, or would do something twice is not.
    for answer in [Err(StorageFailure::TimedOut), error(403, "AccessDenied")] {
        harness.ask("GET", &path, Value::Null, vec![("GET uploadId", answer)]);
    }
    let file = json!({"clientRef": "f", "name": "f.bin", "size": PART + 1, "partSize": PART});
    let body = json!({ "files": [file] });
    let (status, _) = harness.ask("POST", "/v1/uploads", body, vec![("POST uploads", away())]);
    assert_eq!(status, 503);
}

#[test]
fn each_provider_is_sent_the_headers_that_it_knows() {
    for (provider, size) in [("aws", Some("5242881")), ("r2", None), ("generic", None)] {
        let mut harness = Harness::with(&[("S3_PROVIDER", provider), ("S3_REGION", "eu-west-1")]);
        let grant = harness.open();
        let script = vec![
            ("GET uploadId", both_parts()),
            ("POST uploadId", xml(200, "<CompleteMultipartUploadResult/>")),
            ("HEAD", object(PART + 1, Some(CRC))),
        ];
        assert_eq!(
            harness.complete(&grant, json!({ "crc64nvme": CRC }), script).0,
            200
        );

        let sent = harness.storage.1.borrow();
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

#[test]
fn no_request_and_no_alarm_asks_storage_more_often_than_the_plan_allows() {
    // 26 requests to storage, beside those kept for others.
    let mut harness = Harness::with(&[("SUBREQUEST_LIMIT", "30")]);
    let files: Vec<_> = (0..40)
        .map(|n| json!({"clientRef": format!("f{n}"), "name": "f.bin", "size": PART + 1, "partSize": PART}))
        .collect();
    let created = |n: usize| {
        let id = format!("<UploadId>s{n}</UploadId>");
        xml(
            200,
            &format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>"),
        )
    };
    let script = (0..26).map(|n| ("POST uploads", created(n))).collect();
    let (status, reply) = harness.ask("POST", "/v1/uploads", json!({ "files": files }), script);
    assert_eq!(status, 200);
    let results = reply["uploads"].as_array().unwrap();
    let is_granted = |result: &&Value| result["uploadId"].is_string();
    assert_eq!(results.iter().filter(is_granted).count(), 26);
    for refused in &results[26..] {
        assert_eq!(refused["error"]["code"], "storage_unavailable");
        assert!(refused["error"]["retryAfter"].as_u64().unwrap() > 0);
    }
    // Nothing is held for those.
    assert_eq!(harness.kinds().len(), 26);

    // Two completions take seven requests each and a half of them: what goes beyond is for another time, and nothing is lost.
    let asked: Vec<_> = results[..26]
        .iter()
        .map(|grant| json!({"uploadId": grant["uploadId"], "ticket": grant["ticket"]}))
        .collect();
    harness.storage.1.borrow_mut().clear();
    let (status, reply) = harness.ask_freely(
        "POST",
        "/v1/uploads/complete",
        json!({ "uploads": asked }),
        |request| match request.method().as_str() {
            "GET" => both_parts(),
            "POST" => xml(200, "<CompleteMultipartUploadResult/>"),
            _ => object(PART + 1, None),
        },
    );
    assert_eq!(status, 200, "{reply}");
    assert_eq!(harness.storage.1.borrow().len(), 26);
    let results = reply["uploads"].as_array().unwrap();
    let finished = results
        .iter()
        .filter(|result| result["file"]["status"] == "available")
        .count();
    assert!(finished > 0 && finished < 26, "{finished}");

    // Alarms go on where one has ended, until nothing is left to be done.
    harness.now_ms += 86_400_000 * 3;
    for _ in 0..40 {
        harness.storage.1.borrow_mut().clear();
        harness.run_due_jobs_freely(|request| match request.method().as_str() {
            "GET" if request.uri().query().unwrap_or_default().contains("prefix") => {
                xml(200, "<ListMultipartUploadsResult/>")
            }
            "GET" => crate::common::parts(&[]),
            "HEAD" => crate::common::nothing(),
            _ => xml(204, ""),
        });
        assert!(harness.storage.1.borrow().len() <= 26);
        harness.now_ms += 3_600_000;
    }
    let (_, open) = harness.ask("GET", "/v1/files?status=uploading", Value::Null, vec![]);
    assert_eq!(open["files"], json!([]));
}

#[test]
fn whoever_asks_for_the_health_asks_storage_once_in_five_seconds() {
    let mut harness = Harness::new();
    let health = || http::Request::get("/healthz").body(Vec::new()).unwrap();
    for answer in [error(503, "SlowDown"), error(403, "AccessDenied"), xml(200, "")] {
        let is_away = answer.as_ref().is_ok_and(|answer| answer.status() == 503);
        let script = match is_away {
            // What only reads is asked three times.
            true => (0..3).map(|_| ("HEAD", error(503, "SlowDown"))).collect(),
            false => vec![("HEAD", answer)],
        };
        let (first, _) = harness.send(health(), script);
        harness.now_ms += 4_999;
        let (second, _) = harness.send(health(), vec![]);
        assert_eq!(first, second);
        harness.now_ms += 1;
    }
    assert_eq!(harness.send(health(), vec![("HEAD", xml(200, ""))]).0, 200);
}

#[test]
fn a_bucket_in_another_region_is_named_by_the_health() {
    let told = |status: u16, region: &str| {
        let mut harness = Harness::new();
        let mut answer = xml(status, "").unwrap();
        answer
            .headers_mut()
            .insert("x-amz-bucket-region", region.parse().unwrap());
        let health = http::Request::get("/healthz").body(Vec::new()).unwrap();
        harness.send(health, vec![("HEAD", Ok(answer))]).1
    };
    for status in [301, 307, 400] {
        assert!(told(status, "eu-central-1").contains("S3_REGION"), "{status}");
    }
    // The region is the one that is asked for, or it is the key that is refused.
    assert!(!told(400, "us-east-1").contains("S3_REGION"));
    assert!(!told(403, "eu-central-1").contains("S3_REGION"));
}

#[test]
fn a_region_that_only_the_browsers_address_shows_is_named_by_the_health() {
    let told = |answer: Exchange| {
        let vars = [(
            "S3_PUBLIC_ENDPOINT",
            "https://s3.test,https://public.test,https://other.test",
        )];
        let mut harness = Harness::with(&vars);
        let health = http::Request::get("/healthz").body(Vec::new()).unwrap();
        let there = || ("HEAD", xml(200, ""));
        let told = harness.send(health, vec![there(), there(), answer]);
        let hosts = |request: &http::Request<Vec<u8>>| request.uri().host().map(str::to_owned);
        let asked: Vec<_> = harness.storage.1.borrow().iter().filter_map(hosts).collect();
        assert_eq!(asked, ["s3.test", "public.test", "other.test"]);
        told
    };
    let mut elsewhere = xml(301, "").unwrap();
    let region = "eu-central-1".parse().unwrap();
    elsewhere.headers_mut().insert("x-amz-bucket-region", region);
    let (status, reply) = told(("HEAD", Ok(elsewhere)));
    assert_eq!(status, 500);
    assert!(reply.contains("S3_REGION, or S3_PUBLIC_ENDPOINT"), "{reply}");
    // The coordinator need not get where browsers do.
    for answer in [xml(200, ""), error(403, "AccessDenied"), error(503, "SlowDown")] {
        assert_eq!(told(("HEAD", answer)).0, 200);
    }
    for answer in [StorageFailure::Unreachable, StorageFailure::TimedOut] {
        assert_eq!(told(("HEAD", Err(answer))).0, 200);
    }
}

#[test]
fn what_storage_refuses_to_create_counts_no_longer() {
    let mut harness = Harness::new();
    let file = json!({"clientRef": "f", "name": "f.bin", "size": PART + 1, "partSize": PART});
    let body = json!({ "files": [file] });
    let refused = vec![("POST uploads", error(403, "AccessDenied"))];
    assert_eq!(harness.ask("POST", "/v1/uploads", body.clone(), refused).0, 424);
    assert_eq!(used(&harness), 0);
    // Where it did not answer, the upload may be there, and the request may be repeated.
    let away = vec![("POST uploads", Err(StorageFailure::TimedOut))];
    assert_eq!(harness.ask("POST", "/v1/uploads", body, away).0, 503);
    assert_eq!(used(&harness), PART + 1);
}

/// What the only owner's files come to.
fn used(harness: &Harness) -> u64 {
    use syncsphere_coordinator_core::ledger::Store;
    let ledgers = harness.ledgers.0.borrow();
    let store = &ledgers[&"demo".parse().unwrap()];
    let owners: std::collections::BTreeSet<_> =
        store.all_uploads().map(|upload| &upload.file.owner.0).collect();
    let used = owners.into_iter().map(|owner| store.usage(owner).unwrap().bytes);
    used.sum()
}

#[test]
fn an_idempotency_key_of_an_upload_that_is_over_gives_no_urls() {
    for size in [1, PART + 1] {
        let mut harness = Harness::new();
        let is_multipart = size > PART;
        let file = json!({"clientRef": "f", "name": "f.bin", "size": size, "partSize": PART, "parts": [{ "partNumber": 1 }]});
        let body = json!({ "files": [file] });
        let created = |id: &str| {
            let body = format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            );
            is_multipart.then(|| ("POST uploads", xml(200, &body)))
        };
        // What storage creates before the ledger knows that there is one already.
        let in_vain = |id: &str| {
            let dropped = is_multipart.then(|| ("DELETE uploadId", xml(204, "")));
            created(id).into_iter().chain(dropped).collect::<Vec<_>>()
        };
        let (_, reply) = harness.ask_by_key("k", body.clone(), created("s1").into_iter().collect());
        let begun = reply["uploads"][0].clone();
        assert_eq!(
            harness.ask_by_key("k", body.clone(), in_vain("s2")).1["uploads"][0]["uploadId"],
            begun["uploadId"]
        );

        // What was sent to goes, and what would have been its place.
        let first = if is_multipart { "DELETE uploadId" } else { "DELETE" };
        let sweep = vec![(first, xml(204, "")), ("DELETE", xml(204, ""))];
        let path = format!("/v1/uploads/{}", begun["uploadId"].as_str().unwrap());
        harness.ask("DELETE", &path, Value::Null, sweep);
        let (_, again) = harness.ask_by_key("k", body, in_vain("s3"));
        let told = if again["uploads"].is_array() {
            &again["uploads"][0]["error"]
        } else {
            &again
        };
        assert_eq!(told["code"], "upload_gone", "{again}");
    }
}

#[test]
fn an_idempotency_key_of_an_upload_that_came_to_nothing_begins_it_anew() {
    let mut harness = Harness::new();
    let file = |name: &str| json!({"clientRef": name, "name": name, "size": PART + 1, "partSize": PART, "parts": [{ "partNumber": 1 }]});
    let body = json!({ "files": [file("a"), file("b")] });
    let created = |id: &str| {
        let body = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        );
        ("POST uploads", xml(200, &body))
    };
    let refused = || ("POST uploads", error(403, "AccessDenied"));
    // Its answer is lost.
    let (_, first) = harness.ask_by_key("k", body.clone(), vec![created("s1"), refused()]);
    assert!(first["uploads"][1]["uploadId"].is_null(), "{first}");

    let answers = vec![created("s2"), created("s3"), ("DELETE uploadId", xml(204, ""))];
    let (status, again) = harness.ask_by_key("k", body.clone(), answers);
    assert_eq!(status, 200, "{again}");
    let id = |reply: &Value, index: usize| reply["uploads"][index]["uploadId"].clone();
    assert_eq!(id(&again, 0), id(&first, 0), "one was there");
    assert!(id(&again, 1).is_string(), "{again}");

    let in_vain = vec![
        created("s4"),
        created("s5"),
        ("DELETE uploadId", xml(204, "")),
        ("DELETE uploadId", xml(204, "")),
    ];
    let (_, once_more) = harness.ask_by_key("k", body, in_vain);
    assert_eq!(id(&once_more, 1), id(&again, 1), "now both are");
}

#[test]
fn what_was_copied_into_place_is_removed_by_one_request() {
    let answers: [Answer; 2] = [
        |request| match request.method().as_str() {
            "POST" => xml(200, "<DeleteResult/>"),
            _ => object_and_copy(request),
        },
        |request| match request.method().as_str() {
            "POST" => error(501, "NotImplemented"),
            _ => object_and_copy(request),
        },
    ];
    for answer in answers {
        let mut harness = Harness::with(&[("S3_CONDITIONAL_WRITES", "off")]);
        let file = |n: u8| {
            json!({"clientRef": format!("f{n}"), "name": "f.bin", "size": 3,
                "parts": [{ "partNumber": 1, "crc64nvme": CRC }]})
        };
        let body = json!({ "files": [file(1), file(2), file(3)] });
        let proof = vec![("PUT", error(400, "BadDigest"))];
        let (_, opened) = harness.ask("POST", "/v1/uploads", body, proof);
        let grants = opened["uploads"].as_array().unwrap();
        let asked: Vec<_> = grants
            .iter()
            .map(|grant| json!({"uploadId": grant["uploadId"], "ticket": grant["ticket"], "crc64nvme": CRC}))
            .collect();
        harness.storage.1.borrow_mut().clear();
        let body = json!({ "uploads": asked });
        let (status, reply) = harness.ask_freely("POST", "/v1/uploads/complete", body, answer);
        assert_eq!(status, 200, "{reply}");
        for result in reply["uploads"].as_array().unwrap() {
            assert_eq!(result["file"]["status"], "available", "{reply}");
        }
        {
            let asked = harness.storage.1.borrow();
            assert_eq!(asked.len(), 7, "a look and a copy for each, and one removal");
            let removal = asked.last().unwrap();
            assert_eq!(removal.uri(), "https://s3.test/uploads/?delete=");
            assert!(removal.headers().contains_key("content-md5"));
            let removed = String::from_utf8_lossy(removal.body());
            for grant in grants {
                let key = format!(
                    "<Key>demo/{}/f.bin.incoming</Key>",
                    grant["fileId"].as_str().unwrap()
                );
                assert!(removed.contains(&key), "{removed}");
            }
        }
        // Whatever became of that, each is removed once more when no URL for it lives any more.
        harness.now_ms += 2 * 3_600_000;
        harness.run_due_jobs((0..3).map(|_| ("DELETE", xml(204, ""))).collect());
    }
}

fn object_and_copy(request: &http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, StorageFailure> {
    match request.method().as_str() {
        "HEAD" => object(3, Some(CRC)),
        _ => xml(
            200,
            "<CopyObjectResult><ETag>\"whole-2\"</ETag></CopyObjectResult>",
        ),
    }
}
