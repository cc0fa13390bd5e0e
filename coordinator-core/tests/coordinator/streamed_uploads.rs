//! Uploads whose client tells the size when it completes them: parts of one size are sent while the stream goes on.

use crate::common::bucket::CRC;
use crate::common::{Exchange, Harness, PART, completed, created, error, object, parts, removed, xml};
use proptest::prelude::*;
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;

fn listed(stored: &[(u16, u64)]) -> Exchange {
    ("GET uploadId", parts(stored))
}

/// What storage is asked by a completion of a file of so many bytes.
fn assembled(stored: &[(u16, u64)], size: u64) -> Vec<Exchange> {
    vec![listed(stored), completed(), ("HEAD", object(size, None))]
}

/// Asks for an upload without a size, and with these fields; gives its result.
fn begun(harness: &mut Harness, more: &Value, script: Vec<Exchange>) -> Value {
    let mut file = json!({ "clientRef": "f", "name": "take.webm" });
    for (name, value) in more.as_object().unwrap() {
        file[name] = value.clone();
    }
    let body = json!({ "files": [file] });
    let (status, reply) = harness.ask("POST", "/v1/uploads", body, script);
    assert_eq!(status, 200, "{reply}");
    reply["uploads"][0].clone()
}

fn open(harness: &mut Harness, more: &Value) -> Value {
    let grant = begun(harness, more, vec![created()]);
    assert!(grant["uploadId"].is_string(), "{grant}");
    grant
}

fn status(harness: &mut Harness, grant: &Value, script: Vec<Exchange>) -> Value {
    let path = format!("/v1/uploads/{}", grant["uploadId"].as_str().unwrap());
    harness.ask("GET", &path, Value::Null, script).1
}

#[test]
fn the_size_is_told_at_the_end() {
    // A storage that needs not be seen to look at checksums.
    let mut harness = Harness::with(&[("S3_PROVIDER", "aws"), ("S3_REGION", "eu-west-1")]);
    let wanted = json!({ "partSize": PART, "parts": [{ "partNumber": 1, "crc64nvme": CRC }] });
    let grant = open(&mut harness, &wanted);
    assert_eq!(
        (&grant["kind"], &grant["partSize"], &grant["partCount"]),
        (&json!("multipart"), &json!(PART), &json!(10_000))
    );
    let announced = harness.storage.1.borrow()[0].headers().clone();
    assert_eq!(announced["x-amz-checksum-algorithm"], "CRC64NVME");
    // Any part may be the last, so that its length is not signed; its content is.
    let url = grant["urls"][0]["url"].as_str().unwrap();
    assert!(
        url.contains("X-Amz-SignedHeaders=host%3Bx-amz-checksum-crc64nvme&"),
        "{url}"
    );
    let last = json!({ "parts": [{ "partNumber": 10_000, "crc64nvme": CRC }] });
    assert_eq!(harness.sign(&grant, last).0, 200);
    assert_eq!(harness.file(&grant)["size"], 0);

    let stored = [(1, PART), (2, PART), (3, 7)];
    let size = 2 * PART + 7;
    let (status, file) = harness.complete(&grant, json!({ "size": size }), assembled(&stored, size));
    assert_eq!(status, 200, "{file}");
    assert_eq!(
        (&file["status"], &file["size"]),
        (&json!("available"), &json!(size))
    );
    let again = harness.complete(&grant, json!({ "size": size }), vec![]);
    assert_eq!(again, (200, file));
    assert_eq!(harness.kinds(), ["file.uploading", "file.available"]);
}

#[test]
fn wishes_are_taken_where_they_can_be() {
    let mut harness = Harness::new();
    for (wished, given) in [
        (json!({}), PART),
        (json!({ "partSize": 1 }), PART),
        (json!({ "partSize": 8 * PART }), 8 * PART),
        (json!({ "partSize": 1025 * PART }), PART),
    ] {
        assert_eq!(open(&mut harness, &wished)["partSize"], given, "{wished}");
    }
    let wished = json!({ "partSize": 2 * PART, "tail": { "after": 1, "partSize": PART }, "forms": true });
    assert_eq!(open(&mut harness, &wished)["tail"], Value::Null);
    // Nobody knows the whole's checksum before its end.
    let refused = begun(&mut harness, &json!({ "crc64nvme": CRC }), vec![]);
    assert_eq!(refused["error"]["code"], "invalid_request", "{refused}");
}

#[test]
fn no_more_parts_are_signed_than_the_largest_file_has() {
    let limit = (2 * PART + 1).to_string();
    let mut harness = Harness::with(&[("MAX_FILE_SIZE", &limit)]);
    let grant = open(&mut harness, &json!({ "partSize": PART }));
    assert_eq!(grant["partCount"], 3);
    let part = |number: u16| json!({ "parts": [{ "partNumber": number }] });
    assert_eq!(harness.sign(&grant, part(3)).0, 200);
    let (status, problem) = harness.sign(&grant, part(4));
    assert_eq!(
        (status, &problem["code"]),
        (413, &json!("file_too_large")),
        "{problem}"
    );
    let refused = begun(&mut harness, &part(4), vec![]);
    assert_eq!(refused["error"]["code"], "file_too_large", "{refused}");
}

#[test]
fn what_storage_holds_decides_and_what_is_wrong_can_be_sent_again() {
    let mut harness = Harness::new();
    let grant = open(&mut harness, &json!({ "partSize": PART }));
    let size = 2 * PART + 7;
    for (stored, told, code, named) in [
        (vec![(1, PART), (3, 7)], size, "parts_missing", 2),
        (vec![(1, PART), (2, PART)], size, "parts_missing", 3),
        (vec![(1, PART), (2, PART), (3, 8)], size, "part_size_mismatch", 3),
        (
            vec![(1, PART), (2, PART - 1), (3, 7)],
            size,
            "part_size_mismatch",
            2,
        ),
        (vec![(1, PART), (2, PART + 7)], size, "parts_missing", 3),
        (vec![(1, PART + 1)], PART + 1, "parts_missing", 2),
        // All that the size tells of is there, and something more.
        (
            vec![(1, PART), (2, PART), (3, 7)],
            2 * PART,
            "part_size_mismatch",
            3,
        ),
    ] {
        let (status, problem) = harness.complete(&grant, json!({ "size": told }), vec![listed(&stored)]);
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{problem}");
        assert_eq!(problem["parts"], json!([named]), "{stored:?}");
    }
    let stored = [(1, PART), (2, PART), (3, 7)];
    // As the first part's, it is not the whole's.
    let told = json!([1, 2, 3].map(|number| json!({ "partNumber": number, "crc64nvme": CRC })));
    let body = json!({ "size": size, "crc64nvme": "xW1l19VobYM=", "parts": told });
    let (_, problem) = harness.complete(&grant, body, vec![]);
    assert_eq!(problem["code"], "checksum_mismatch", "{problem}");
    let (status, file) = harness.complete(&grant, json!({ "size": size }), assembled(&stored, size));
    assert_eq!((status, &file["size"]), (200, &json!(size)), "{file}");
}

#[test]
fn a_size_that_cannot_be_is_refused() {
    let mut harness = Harness::new();
    let grant = open(&mut harness, &json!({ "partSize": PART }));
    for (body, code) in [
        (json!({}), "invalid_request"),
        (json!({ "size": 0 }), "invalid_request"),
        (json!({ "size": -1 }), "invalid_request"),
        (json!({ "size": 10_000 * PART + 1 }), "file_too_large"),
        (json!({ "size": u64::MAX }), "file_too_large"),
    ] {
        let (_, problem) = harness.complete(&grant, body, vec![]);
        assert_eq!(problem["code"], code, "{problem}");
    }
    let body = json!({ "uploads": [{ "uploadId": grant["uploadId"], "ticket": grant["ticket"] }] });
    let (_, reply) = harness.ask("POST", "/v1/uploads/complete", body, vec![]);
    assert_eq!(reply["uploads"][0]["error"]["code"], "invalid_request", "{reply}");

    let known = harness.open();
    let (_, problem) = harness.complete(&known, json!({ "size": PART }), vec![]);
    assert_eq!(problem["code"], "invalid_request", "{problem}");
    let script = assembled(&[(1, PART), (2, 1)], PART + 1);
    let (status, _) = harness.complete(&known, json!({ "size": PART + 1 }), script);
    assert_eq!(status, 200, "the size that was named before may be told again");
}

#[test]
fn a_file_beyond_a_limit_is_given_up() {
    let limit = (PART + 1).to_string();
    let mut harness = Harness::with(&[("MAX_FILE_SIZE", &limit)]);
    let grant = open(&mut harness, &json!({ "partSize": PART }));
    let mut script = vec![listed(&[(1, PART), (2, 2)])];
    script.extend(removed());
    let (status, problem) = harness.complete(&grant, json!({ "size": PART + 2 }), script);
    assert_eq!(
        (status, &problem["code"]),
        (413, &json!("file_too_large")),
        "{problem}"
    );
    assert_eq!(harness.file(&grant)["status"], "aborted");
    assert_eq!(
        harness.complete(&grant, json!({ "size": PART + 1 }), vec![]).0,
        410
    );
}

#[test]
fn it_is_resumed_by_its_state() {
    let mut harness = Harness::new();
    let grant = open(&mut harness, &json!({ "partSize": PART }));
    let stored = [(1, PART), (2, PART)];
    let told = status(&mut harness, &grant, vec![listed(&stored)]);
    assert_eq!(
        (&told["partSize"], &told["partCount"], &told["size"]),
        (&json!(PART), &json!(10_000), &json!(0)),
        "{told}"
    );
    assert_eq!(told["parts"].as_array().unwrap().len(), 2);
    let mut resumed = grant.clone();
    resumed["ticket"] = told["ticket"].clone();
    assert_eq!(
        harness
            .sign(&resumed, json!({ "parts": [{ "partNumber": 3 }] }))
            .0,
        200
    );
    let (status, file) = harness.complete(
        &resumed,
        json!({ "size": 2 * PART }),
        assembled(&stored, 2 * PART),
    );
    assert_eq!((status, &file["size"]), (200, &json!(2 * PART)), "{file}");
}

#[test]
fn a_completion_that_nobody_heard_of_is_found_by_the_alarm() {
    let stored = [(1, PART), (2, 1)];
    for (script, size) in [
        // Storage has assembled it, or was never asked.
        (
            vec![
                ("GET uploadId", error(404, "NoSuchUpload")),
                ("HEAD", object(PART + 1, None)),
            ],
            PART + 1,
        ),
        (assembled(&stored, PART + 1), PART + 1),
    ] {
        let mut harness = Harness::new();
        let grant = open(&mut harness, &json!({ "partSize": PART }));
        let broken = vec![listed(&stored), ("POST uploadId", xml(502, ""))];
        assert_eq!(harness.complete(&grant, json!({ "size": size }), broken).0, 503);
        harness.now_ms += 6 * MINUTE_MS;
        harness.run_due_jobs(script);
        let file = harness.file(&grant);
        assert_eq!(
            (&file["status"], &file["size"]),
            (&json!("available"), &json!(size))
        );
    }
}

#[test]
fn nothing_is_finalized_without_its_client_and_its_end_frees_storage() {
    let mut harness = Harness::with(&[
        ("FINALIZE_AFTER_SECONDS", "60"),
        ("UPLOAD_MAX_LIFETIME_SECONDS", "86400"),
    ]);
    let grant = open(&mut harness, &json!({ "partSize": PART }));
    // The last part may be a stream's last, and may not.
    let whole = json!({ "parts": [{ "partNumber": 1, "crc64nvme": CRC }], "crc64nvme": CRC });
    assert_eq!(harness.sign(&grant, whole).0, 200);
    harness.now_ms += 60 * MINUTE_MS;
    harness.run_due_jobs(vec![]);
    assert_eq!(harness.file(&grant)["status"], "uploading");
    harness.now_ms += 23 * 60 * MINUTE_MS;
    harness.run_due_jobs(removed().into());
    assert_eq!(harness.file(&grant)["status"], "expired");
}

#[test]
fn its_ticket_is_no_id_of_companions() {
    let mut harness = Harness::new();
    let grant = open(&mut harness, &json!({ "partSize": PART }));
    let id = grant["ticket"].as_str().unwrap();
    let key = format!("demo%2F{}%2Ftake.webm", grant["fileId"].as_str().unwrap());
    let path = format!("/v1/companion/s3/multipart/{id}/complete?key={key}");
    let body = json!({ "parts": [{ "PartNumber": 1, "ETag": "e1" }] });
    let (status, problem) = harness.ask("POST", &path, body, vec![]);
    assert_eq!(
        (status, &problem["code"]),
        (400, &json!("invalid_request")),
        "{problem}"
    );
}

/// What is wrong with what storage holds.
#[derive(Debug, Clone)]
enum Wrong {
    Nothing,
    Missing(prop::sample::Index),
    Longer(prop::sample::Index, u64),
    Shorter(prop::sample::Index, u64),
    More(u64),
}

fn wrong() -> impl Strategy<Value = Wrong> {
    use prop::sample::Index;
    prop_oneof![
        3 => Just(Wrong::Nothing),
        1 => any::<Index>().prop_map(Wrong::Missing),
        1 => (any::<Index>(), 1..=PART).prop_map(|(index, by)| Wrong::Longer(index, by)),
        1 => (any::<Index>(), 1..=PART).prop_map(|(index, by)| Wrong::Shorter(index, by)),
        1 => (1..=PART).prop_map(Wrong::More),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A file is what its size tells, cut into parts of one size, or it is no file yet.
    #[test]
    fn any_size_is_completed_of_its_parts_and_of_no_others(
        size in 1..=8 * PART,
        part_size in PART..=2 * PART,
        wrong in wrong(),
    ) {
        let mut harness = Harness::new();
        let grant = open(&mut harness, &json!({ "partSize": part_size }));
        let whole: Vec<(u16, u64)> = (1..)
            .zip((0..size).step_by(usize::try_from(part_size).unwrap()))
            .map(|(number, offset)| (number, part_size.min(size - offset)))
            .collect();
        let mut stored = whole.clone();
        match &wrong {
            Wrong::Nothing => {}
            Wrong::Missing(index) => {
                stored.remove(index.index(whole.len()));
            }
            Wrong::Longer(index, by) => stored[index.index(whole.len())].1 += by,
            Wrong::Shorter(index, by) => {
                let part = &mut stored[index.index(whole.len())];
                part.1 = part.1.saturating_sub(*by);
            }
            Wrong::More(by) => stored.push((whole.len() as u16 + 1, *by)),
        }
        if stored != whole {
            let (status, problem) = harness.complete(&grant, json!({ "size": size }), vec![listed(&stored)]);
            prop_assert_eq!(status, 422, "{}", problem);
            prop_assert_eq!(&harness.file(&grant)["status"], "uploading");
        }
        let (status, file) = harness.complete(&grant, json!({ "size": size }), assembled(&whole, size));
        prop_assert_eq!(status, 200, "{}", file);
        prop_assert_eq!(&file["size"], size);
    }
}
