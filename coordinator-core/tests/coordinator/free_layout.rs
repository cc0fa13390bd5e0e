//! Uploads that their client cuts: parts of any size, some of which storage copies out of another file.

use crate::common::{Exchange, Harness, PART, completed, created, error, object, xml};
use serde_json::{Value, json};
use syncsphere_protocol::Crc64Nvme;

const AWS: [(&str, &str); 2] = [("S3_PROVIDER", "aws"), ("S3_REGION", "eu-west-1")];

/// The checksum of a part, by its number.
fn checksum(number: u16) -> Crc64Nvme {
    Crc64Nvme::from_u64(u64::from(number) * 0x0123_4567_89ab)
}

/// The checksum of a file of parts of these sizes, numbered from 1.
fn whole(sizes: &[u64]) -> String {
    let parts = (1..).zip(sizes);
    let whole = parts.fold(Crc64Nvme::EMPTY, |whole, (number, size)| {
        whole.combine(checksum(number), *size)
    });
    whole.to_string()
}

/// What a client says of the parts with these numbers.
fn told(numbers: &[u16]) -> Value {
    let part = |number: &u16| json!({ "partNumber": number, "crc64nvme": checksum(*number).to_string() });
    numbers.iter().map(part).collect()
}

/// A listing of parts: number, size, and the number whose checksum it has.
fn listed(parts: &[(u16, u64, u16)]) -> Exchange {
    let parts: String = parts
        .iter()
        .map(|(number, size, of)| {
            format!(
                "<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>\"e{of}\"</ETag>\
                 <ChecksumCRC64NVME>{}</ChecksumCRC64NVME></Part>",
                checksum(*of)
            )
        })
        .collect();
    let body = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>");
    ("GET uploadId", xml(200, &body))
}

fn begun(harness: &mut Harness, size: u64, more: &Value, script: Vec<Exchange>) -> Value {
    let mut file = json!({ "clientRef": "f", "name": "film.mov", "size": size, "layout": "free" });
    for (name, value) in more.as_object().unwrap() {
        file[name] = value.clone();
    }
    let (status, reply) = harness.ask("POST", "/v1/uploads", json!({ "files": [file] }), script);
    assert_eq!(status, 200, "{reply}");
    reply["uploads"][0].clone()
}

fn open(harness: &mut Harness, size: u64) -> Value {
    let grant = begun(harness, size, &json!({}), vec![created()]);
    assert!(grant["uploadId"].is_string(), "{grant}");
    grant
}

/// An available file of so many bytes, which storage calls `"whole-2"`.
fn available(harness: &mut Harness) -> Value {
    let grant = harness.open();
    let script = vec![
        ("GET uploadId", crate::common::both_parts()),
        completed(),
        ("HEAD", object(PART + 1, None)),
    ];
    assert_eq!(harness.complete(&grant, json!({}), script).0, 200);
    harness.storage.1.borrow_mut().clear();
    grant
}

fn copy(
    harness: &mut Harness,
    grant: &Value,
    from: &Value,
    parts: &Value,
    script: Vec<Exchange>,
) -> (u16, Value) {
    let body = json!({ "ticket": grant["ticket"], "from": from["fileId"], "parts": parts });
    let path = format!("/v1/uploads/{}/copies", grant["uploadId"].as_str().unwrap());
    harness.ask("POST", &path, body, script)
}

fn copied(number: u16) -> Exchange {
    let body = format!(
        "\n <CopyPartResult><ETag>&quot;c{number}&quot;</ETag><ChecksumCRC64NVME>{}</ChecksumCRC64NVME></CopyPartResult>",
        checksum(number)
    );
    ("PUT partNumber uploadId", xml(200, &body))
}

#[test]
fn the_client_cuts_and_every_part_is_held_to_its_checksum() {
    let mut harness = Harness::with(&AWS);
    let sizes = [PART, 3 * PART + 1, PART + 7, 1];
    let size = sizes.iter().sum::<u64>();
    let grant = begun(
        &mut harness,
        size,
        &json!({ "partSize": 2 * PART, "tail": { "after": 1, "partSize": PART }, "parts": told(&[2]) }),
        vec![created()],
    );
    assert_eq!(
        (&grant["kind"], &grant["partSize"], &grant["partCount"]),
        (&json!("multipart"), &json!(PART), &json!(6)),
        "{grant}"
    );
    let announced = harness.storage.1.borrow()[0].headers().clone();
    assert_eq!(announced["x-amz-checksum-algorithm"], "CRC64NVME");
    let url = grant["urls"][0]["url"].as_str().unwrap();
    assert!(
        url.contains("X-Amz-SignedHeaders=host%3Bx-amz-checksum-crc64nvme&"),
        "{url}"
    );
    assert_eq!(harness.sign(&grant, json!({ "parts": told(&[6]) })).0, 200);
    for refused in [told(&[7]), json!([{ "partNumber": 1 }])] {
        let (status, problem) = harness.sign(&grant, json!({ "parts": refused }));
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{refused}"
        );
    }

    let body = json!({ "crc64nvme": whole(&sizes), "parts": told(&[1, 2, 3, 4]) });
    let listing: Vec<_> = (1..)
        .zip(sizes)
        .map(|(number, size)| (number, size, number))
        .collect();
    let script = vec![
        listed(&listing),
        completed(),
        ("HEAD", object(size, Some(&whole(&sizes)))),
    ];
    let (status, file) = harness.complete(&grant, body.clone(), script);
    assert_eq!(
        (status, &file["status"], &file["size"]),
        (200, &json!("available"), &json!(size)),
        "{file}"
    );
    assert_eq!(harness.complete(&grant, body, vec![]), (200, file));
}

#[test]
fn what_storage_holds_has_to_be_exactly_the_file() {
    let mut harness = Harness::with(&AWS);
    let sizes = [PART, PART + 1, 9];
    let size = sizes.iter().sum::<u64>();
    let grant = open(&mut harness, size);
    let body = json!({ "crc64nvme": whole(&sizes), "parts": told(&[1, 2, 3]) });
    let right = [(1, PART, 1), (2, PART + 1, 2), (3, 9, 3)];
    let more = [right.as_slice(), &[(4, PART, 4)]].concat();
    for (stored, code, named) in [
        (vec![], "parts_missing", json!([1, 2, 3])),
        (vec![right[0], right[2]], "parts_missing", json!([2])),
        (vec![right[0], right[1]], "parts_missing", json!([3])),
        (more, "part_size_mismatch", json!([4])),
        // A part too small, and one byte too many.
        (
            vec![(1, PART - 1, 1), right[1], right[2]],
            "part_size_mismatch",
            json!([1]),
        ),
        (
            vec![right[0], right[1], (3, 10, 3)],
            "part_size_mismatch",
            json!([1, 2, 3]),
        ),
        (
            vec![right[0], right[1], (3, 0, 3)],
            "part_size_mismatch",
            json!([3]),
        ),
        (
            vec![right[0], (2, PART + 1, 5), right[2]],
            "checksum_mismatch",
            json!([2]),
        ),
        // The parts are what was told, in other lengths than make the whole.
        (
            vec![(1, PART + 1, 1), (2, PART, 2), right[2]],
            "checksum_mismatch",
            Value::Null,
        ),
    ] {
        let (_, problem) = harness.complete(&grant, body.clone(), vec![listed(&stored)]);
        assert_eq!(
            (&problem["code"], &problem["parts"]),
            (&json!(code), &named),
            "{stored:?}"
        );
    }
    for wrong in [
        json!({ "parts": told(&[1, 2, 3]) }),
        json!({ "crc64nvme": whole(&sizes) }),
        json!({ "crc64nvme": whole(&sizes), "parts": told(&[1, 3]) }),
        json!({ "crc64nvme": whole(&sizes), "parts": told(&[1, 1, 2]) }),
        json!({ "crc64nvme": whole(&sizes), "parts": [{ "partNumber": 1 }] }),
        json!({ "crc64nvme": whole(&sizes), "parts": told(&[1, 2, 3]), "size": size + 1 }),
    ] {
        let (status, problem) = harness.complete(&grant, wrong.clone(), vec![]);
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{wrong}"
        );
    }
    // A part that was sent twice is listed twice by some: its checksum says which it is.
    let twice = [right[0], right[1], (2, PART, 6), right[2]];
    let script = vec![
        listed(&twice),
        completed(),
        ("HEAD", object(size, Some(&whole(&sizes)))),
    ];
    assert_eq!(harness.complete(&grant, body, script).0, 200);
    let requests = harness.storage.1.borrow();
    let completion = requests
        .iter()
        .rfind(|request| request.method() == "POST")
        .unwrap();
    let assembled = String::from_utf8_lossy(completion.body()).into_owned();
    assert!(
        assembled.contains("e2") && !assembled.contains("e6"),
        "{assembled}"
    );
}

#[test]
fn it_is_refused_where_nothing_would_prove_it() {
    let mut harness = Harness::with(&AWS);
    for (size, more) in [
        (PART - 1, json!({})),
        (PART, json!({ "integrity": "none" })),
        (PART, json!({ "size": null })),
        (PART, json!({ "parts": [{ "partNumber": 1 }] })),
        (PART, json!({ "parts": told(&[2]) })),
    ] {
        let refused = begun(&mut harness, size, &more, vec![]);
        assert_eq!(refused["error"]["code"], "invalid_request", "{more}: {refused}");
    }
    for by in ["md5", "none"] {
        let mut harness = Harness::with(&[("S3_CHECKSUM", by)]);
        let refused = begun(&mut harness, PART, &json!({}), vec![]);
        assert_eq!(refused["error"]["code"], "invalid_request", "{by}: {refused}");
    }
    let mut harness = Harness::with(&[("MAX_FILE_SIZE", &PART.to_string())]);
    let refused = begun(&mut harness, PART + 1, &json!({}), vec![]);
    assert_eq!(refused["error"]["code"], "file_too_large", "{refused}");
    let (status, _) = harness.ask(
        "POST",
        "/v1/uploads",
        json!({ "files": [{ "clientRef": "f", "name": "f", "size": 1, "layout": "other" }] }),
        vec![],
    );
    assert_eq!(status, 400);
}

#[test]
fn the_largest_file_may_have_ten_thousand_parts() {
    let mut harness = Harness::with(&AWS);
    let grant = open(&mut harness, 10_001 * PART);
    assert_eq!(
        (&grant["partSize"], &grant["partCount"]),
        (&json!(PART), &json!(10_000))
    );
}

#[test]
fn nobody_else_goes_on_with_it_and_no_alarm_finalizes_it() {
    let mut harness = Harness::with(&AWS);
    let freely = begun(
        &mut harness,
        2 * PART,
        &json!({ "crc64nvme": whole(&[PART, PART]) }),
        vec![created()],
    );
    let planned = harness.open();
    let (_, page) = harness.ask("GET", "/v1/uploads", Value::Null, vec![]);
    let ids: Vec<_> = page["uploads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["uploadId"])
        .collect();
    assert_eq!(ids, [&planned["uploadId"]]);
    let noted = json!({ "parts": told(&[1]), "crc64nvme": whole(&[PART, PART]) });
    assert_eq!(harness.sign(&freely, noted).0, 200);
    harness.now_ms += 60 * 60 * 1000;
    harness.run_due_jobs(vec![]);
    let path = format!("/v1/uploads/{}", freely["uploadId"].as_str().unwrap());
    let script = vec![listed(&[(1, PART, 1)])];
    let (_, state) = harness.ask("GET", &path, Value::Null, script);
    assert_eq!(
        (
            &state["partSize"],
            &state["partCount"],
            &state["parts"][0]["size"]
        ),
        (&json!(PART), &json!(2), &json!(PART)),
        "{state}"
    );
    assert!(state["ticket"].is_string());
}

#[test]
fn a_completion_that_was_not_heard_of_again_is_resolved_by_what_storage_has() {
    let mut harness = Harness::with(&AWS);
    let sizes = [PART, 9];
    let size = PART + 9;
    let grant = open(&mut harness, size);
    let body = json!({ "crc64nvme": whole(&sizes), "parts": told(&[1, 2]) });
    let stored = [(1, PART, 1), (2, 9, 2)];
    let lost = vec![listed(&stored), ("POST uploadId", error(503, "SlowDown"))];
    assert_eq!(harness.complete(&grant, body, lost).0, 503);
    harness.now_ms += 10 * 60 * 1000;
    harness.run_due_jobs(vec![
        listed(&stored),
        completed(),
        ("HEAD", object(size, Some(&whole(&sizes)))),
    ]);
    assert_eq!(harness.file(&grant)["status"], "available");
}

#[test]
fn storage_copies_ranges_and_each_failure_is_its_parts_own() {
    let mut harness = Harness::with(&AWS);
    let base = available(&mut harness);
    let grant = open(&mut harness, 8 * PART);
    harness.storage.1.borrow_mut().clear();
    let wanted: Value = (1..=7)
        .map(|number| json!({ "partNumber": number, "offset": 1, "length": PART }))
        .collect();
    let put = |answer| ("PUT partNumber uploadId", answer);
    let bare = "<CopyPartResult><ETag>\"c7\"</ETag></CopyPartResult>";
    let script = vec![
        copied(1),
        put(error(412, "PreconditionFailed")),
        put(error(404, "NoSuchKey")),
        put(error(200, "SlowDown")),
        put(error(501, "NotImplemented")),
        put(xml(200, " \n ")),
        put(xml(200, bare)),
    ];
    let (status, reply) = copy(&mut harness, &grant, &base, &wanted, script);
    assert_eq!(status, 200, "{reply}");
    let crc = checksum(1).to_string();
    assert_eq!(
        reply["parts"][0],
        json!({ "partNumber": 1, "etag": "\"c1\"", "crc64nvme": crc })
    );
    let codes: Vec<_> = (1..7)
        .map(|at| reply["parts"][at]["error"]["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "not_found",
            "not_found",
            "storage_unavailable",
            "storage_refused",
            "storage_unavailable",
            "storage_refused"
        ]
    );
    assert_eq!(reply["parts"][6]["partNumber"], 7);
    let requests = harness.storage.1.borrow();
    let headers = requests[0].headers();
    assert_eq!(headers["x-amz-copy-source-range"], format!("bytes=1-{PART}"));
    assert_eq!(headers["x-amz-copy-source-if-match"], "\"whole-2\"");
    let source = headers["x-amz-copy-source"].to_str().unwrap();
    assert!(
        source.starts_with("uploads/demo/") && source.contains(base["fileId"].as_str().unwrap()),
        "{source}"
    );
}

#[test]
fn nothing_is_asked_of_storage_for_what_cannot_be_copied() {
    let mut harness = Harness::with(&AWS);
    let base = available(&mut harness);
    let grant = open(&mut harness, 3 * PART);
    let part = |number: u64, offset: u64, length: u64| json!({ "partNumber": number, "offset": offset, "length": length });
    for wrong in [
        json!([]),
        json!([part(0, 0, PART)]),
        json!([part(4, 0, PART)]),
        json!([part(1, 0, PART), part(1, 0, PART)]),
        // Only the last may be short, and none is empty or beyond the file.
        json!([part(1, 0, PART - 1), part(2, 0, PART)]),
        json!([part(1, 0, 0)]),
        json!([part(1, 2, PART)]),
        json!([part(1, u64::MAX, PART)]),
        // The upload is of three parts' size.
        json!([part(3, 0, PART + 1)]),
        json!([part(1, 0, PART), part(2, 0, PART + 1), part(3, 0, PART)]),
        json!([part(1, 0, 5 * 1024 * 1024 * 1024 + 1)]),
        (1..=25).map(|_| part(1, 0, PART)).collect(),
    ] {
        let (status, problem) = copy(&mut harness, &grant, &base, &wrong, vec![]);
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{wrong}"
        );
    }
    let right = json!([part(3, 1, PART)]);
    let planned = harness.open();
    let (_, problem) = copy(&mut harness, &planned, &base, &right, vec![]);
    assert_eq!(problem["code"], "invalid_request", "{problem}");
    for other in [json!({ "fileId": "nothing" }), planned] {
        let (status, problem) = copy(&mut harness, &grant, &other, &right, vec![]);
        assert_eq!(
            (status, &problem["code"]),
            (404, &json!("not_found")),
            "{problem}"
        );
    }

    // Somebody else's file is as good as none.
    harness.enter("&guest_secret=another-guests-secret-of-some-length");
    let theirs = available(&mut harness);
    let own = open(&mut harness, 3 * PART);
    assert_eq!(copy(&mut harness, &own, &theirs, &right, vec![copied(3)]).0, 200);
    let (status, problem) = copy(&mut harness, &own, &base, &right, vec![]);
    assert_eq!(
        (status, &problem["code"]),
        (404, &json!("not_found")),
        "{problem}"
    );
    let (_, none) = copy(
        &mut harness,
        &own,
        &json!({ "fileId": "nothing" }),
        &right,
        vec![],
    );
    assert_eq!(problem["detail"], none["detail"], "nobody learns which there are");

    for by in ["md5", "none"] {
        harness.restart_with(&[("S3_CHECKSUM", by)]);
        let (status, problem) = copy(&mut harness, &own, &theirs, &right, vec![]);
        assert_eq!(
            (status, &problem["code"]),
            (424, &json!("storage_refused")),
            "{by}: {problem}"
        );
    }
}

#[test]
fn r2_is_not_asked_for_what_it_does_not_know() {
    let mut harness = Harness::with(&[("S3_PROVIDER", "r2")]);
    let base = available(&mut harness);
    let grant = open(&mut harness, 2 * PART);
    harness.storage.1.borrow_mut().clear();
    let wanted = json!([{ "partNumber": 1, "offset": 0, "length": PART }]);
    assert_eq!(copy(&mut harness, &grant, &base, &wanted, vec![copied(1)]).0, 200);
    assert!(
        !harness.storage.1.borrow()[0]
            .headers()
            .contains_key("x-amz-copy-source-if-match")
    );
}

#[test]
fn the_least_that_a_worker_may_ask_for_is_enough_for_a_whole_request() {
    let limited: Vec<_> = AWS.into_iter().chain([("SUBREQUEST_LIMIT", "30")]).collect();
    let mut harness = Harness::with(&limited);
    let base = available(&mut harness);
    let grant = open(&mut harness, 24 * PART);
    let wanted: Value = (1..=24)
        .map(|number| json!({ "partNumber": number, "offset": 0, "length": PART }))
        .collect();
    let script = (1..=24).map(copied).collect();
    let (status, reply) = copy(&mut harness, &grant, &base, &wanted, script);
    assert_eq!(status, 200, "{reply}");
    for part in reply["parts"].as_array().unwrap() {
        assert!(part["etag"].is_string(), "{part}");
    }
}
