//! What files consist of, as their owners state it, and which of them a new one could take its content from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use syncsphere_coordinator_core::ledger::Store as _;
use syncsphere_protocol::Crc64Nvme;

use crate::common::{Harness, PART, both_parts, completed, created, object, xml};

const SIZE: u64 = PART + 1;
const HEADER: [u8; 4] = [1, 1, 0, 0];

/// The checksum of every file here, where it has one.
fn whole() -> Crc64Nvme {
    Crc64Nvme::from_u64(0x0123_4567_89ab)
}

/// A packed index of these chunks, each a length and a checksum.
fn packed(header: [u8; 4], chunks: &[(u32, Crc64Nvme)]) -> Vec<u8> {
    let mut packed = header.to_vec();
    for (length, crc64nvme) in chunks {
        packed.extend(length.to_be_bytes());
        packed.extend(crc64nvme.to_u64().to_be_bytes());
        packed.extend([7; 32]);
    }
    packed
}

/// The index of a file of one chunk; `level` makes it another one.
fn of_one_chunk(level: u8) -> Vec<u8> {
    packed([1, 1, level, 0], &[(u32::try_from(SIZE).unwrap(), whole())])
}

/// An available file of this name.
fn available(harness: &mut Harness, name: &str, crc64nvme: Option<Crc64Nvme>) -> Value {
    let file = json!({ "clientRef": "f", "name": name, "path": "a", "size": SIZE, "partSize": PART });
    let (_, reply) = harness.ask("POST", "/v1/uploads", json!({ "files": [file] }), vec![created()]);
    let grant = reply["uploads"][0].clone();
    let crc64nvme = crc64nvme.map(|crc64nvme| crc64nvme.to_string());
    let script = vec![
        ("GET uploadId", both_parts()),
        completed(),
        ("HEAD", object(SIZE, crc64nvme.as_deref())),
    ];
    assert_eq!(harness.complete(&grant, json!({}), script).0, 200);
    grant
}

fn put(harness: &mut Harness, file: &Value, chunks: &[u8]) -> (u16, Value) {
    put_text(harness, file, &STANDARD.encode(chunks))
}

fn put_text(harness: &mut Harness, file: &Value, chunks: &str) -> (u16, Value) {
    let path = format!("/v1/files/{}/chunks", file["fileId"].as_str().unwrap());
    harness.ask("PUT", &path, json!({ "chunks": chunks }), vec![])
}

/// An available file whose index is known.
fn indexed(harness: &mut Harness, name: &str) -> Value {
    let file = available(harness, name, Some(whole()));
    let (status, reply) = put(harness, &file, &of_one_chunk(0));
    assert_eq!(status, 200, "{reply}");
    file
}

fn bases(harness: &mut Harness, more: &Value) -> Value {
    let mut body = json!({ "name": "film.mov", "path": "a", "size": SIZE });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, reply) = harness.ask("POST", "/v1/files/bases", body, vec![]);
    assert_eq!(status, 200, "{reply}");
    reply
}

fn ids(reply: &Value) -> Vec<&Value> {
    let bases = reply["bases"].as_array().unwrap();
    bases.iter().map(|base| &base["fileId"]).collect()
}

fn delete(harness: &mut Harness, file: &Value) {
    let path = format!("/v1/files/{}", file["fileId"].as_str().unwrap());
    let (status, _) = harness.ask_freely("DELETE", &path, Value::Null, |_| xml(204, ""));
    assert_eq!(status, 200);
}

/// Bytes of records that the workspace has.
fn record_bytes(harness: &Harness) -> u64 {
    let ledgers = harness.ledgers.0.borrow();
    let Ok(usage) = ledgers[&"demo".parse().unwrap()].usage("");
    usage.record_bytes
}

#[test]
fn an_index_is_stated_told_and_counted_until_its_file_goes() {
    let mut harness = Harness::new();
    let file = available(&mut harness, "film.mov", Some(whole()));
    let without = record_bytes(&harness);
    let known = bases(&mut harness, &json!({}));
    let expected = json!([{ "fileId": file["fileId"], "version": 1, "size": SIZE, "sameName": true }]);
    assert_eq!(
        known,
        json!({ "copies": true, "equalParts": false, "bases": expected })
    );

    for level in [0, 1, 1] {
        let index = of_one_chunk(level);
        let (status, reply) = put(&mut harness, &file, &index);
        let content = STANDARD.encode(Sha256::digest(&index));
        assert_eq!((status, reply), (200, json!({ "content": content })), "{level}");
        let text = STANDARD.encode(&index);
        assert_eq!(bases(&mut harness, &json!({}))["bases"][0]["chunks"], text);
        assert_eq!(record_bytes(&harness), without + text.len() as u64);
    }
    delete(&mut harness, &file);
    assert_eq!(record_bytes(&harness), without);
    assert_eq!(bases(&mut harness, &json!({}))["bases"], json!([]));
    let (status, problem) = put(&mut harness, &file, &of_one_chunk(0));
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
}

#[test]
fn what_is_not_the_files_index_is_refused() {
    let mut harness = Harness::new();
    let file = available(&mut harness, "film.mov", Some(whole()));
    let size = u32::try_from(SIZE).unwrap();
    let least = u32::try_from(PART).unwrap();
    let one = |header| packed(header, &[(size, whole())]);
    let too_many = packed(HEADER, &vec![(least, whole()); 10_001]);
    for wrong in [
        vec![],
        HEADER.to_vec(),
        one([2, 1, 0, 0]),
        one([1, 0, 0, 0]),
        one([1, 3, 0, 0]),
        one([1, 1, 8, 0]),
        one([1, 1, 0, 1]),
        [one(HEADER), vec![0]].concat(),
        one(HEADER)[..47].to_vec(),
        packed(HEADER, &[(size - 1, whole())]),
        packed(HEADER, &[(size + 1, whole())]),
        packed(HEADER, &[(size, whole()), (0, Crc64Nvme::EMPTY)]),
        packed(HEADER, &[(least - 1, whole()), (2, whole())]),
        packed(HEADER, &[(u32::MAX, whole())]),
        too_many,
    ] {
        let (status, problem) = put(&mut harness, &file, &wrong);
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{problem}"
        );
    }
    for text in ["AQEAAA", "AQEAAA=", "AQEAAA==\n", "-_EAAA==", "ä"] {
        let (status, problem) = put_text(&mut harness, &file, text);
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{text}"
        );
    }
    let (status, _) = put_text(&mut harness, &file, &"A".repeat(700_000));
    assert_eq!(status, 400);
    let other = Crc64Nvme::from_u64(1);
    for wrong in [
        packed(HEADER, &[(size, other)]),
        packed(HEADER, &[(least, whole()), (1, other)]),
    ] {
        let (status, problem) = put(&mut harness, &file, &wrong);
        assert_eq!((status, &problem["code"]), (422, &json!("checksum_mismatch")));
    }
    assert_eq!(bases(&mut harness, &json!({}))["bases"][0]["chunks"], Value::Null);

    let unproven = available(&mut harness, "other.mov", None);
    let (status, problem) = put(&mut harness, &unproven, &of_one_chunk(0));
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let uploading = harness.open();
    let nothing = json!({ "fileId": "nothing" });
    let (_, none) = put(&mut harness, &nothing, &of_one_chunk(0));
    harness.enter("&guest_secret=another-guests-secret-of-some-length");
    for missing in [uploading, nothing, file] {
        let (status, problem) = put(&mut harness, &missing, &of_one_chunk(0));
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
        assert_eq!(problem["detail"], none["detail"]);
    }
}

#[test]
fn only_own_files_are_told_the_likeliest_first() {
    let mut harness = Harness::new();
    let first = indexed(&mut harness, "film.mov");
    let second = indexed(&mut harness, "film.mov");
    let others: Vec<_> = (0..4)
        .map(|at| indexed(&mut harness, &format!("{at}.mov")))
        .collect();
    available(&mut harness, "no-index.mov", Some(whole()));
    let told = bases(&mut harness, &json!({ "base": others[0]["fileId"] }));
    assert_eq!(
        ids(&told),
        [
            &others[0]["fileId"],
            &second["fileId"],
            &others[3]["fileId"],
            &others[2]["fileId"]
        ]
    );
    let same_name: Vec<_> = (0..4).map(|at| &told["bases"][at]["sameName"]).collect();
    assert_eq!(same_name, [false, true, false, false]);

    let told = bases(&mut harness, &json!({ "size": 7 }));
    assert_eq!(ids(&told), [&second["fileId"]]);
    let told = bases(&mut harness, &json!({ "size": 7, "path": "elsewhere" }));
    assert_eq!(ids(&told), Vec::<&Value>::new());
    let told = bases(
        &mut harness,
        &json!({ "size": 7, "base": first["fileId"], "name": "new.mov" }),
    );
    assert_eq!(ids(&told), [&first["fileId"]]);
    let (status, _) = harness.ask(
        "POST",
        "/v1/files/bases",
        json!({ "name": "a/b", "size": 1 }),
        vec![],
    );
    assert_eq!(status, 400);

    harness.enter("&guest_secret=another-guests-secret-of-some-length");
    let told = bases(&mut harness, &json!({ "base": first["fileId"] }));
    assert_eq!(
        told["bases"],
        json!([]),
        "somebody else's files are as good as none"
    );
    let own = available(&mut harness, "film.mov", Some(whole()));
    let told = bases(&mut harness, &json!({ "base": first["fileId"] }));
    assert_eq!(ids(&told), [&own["fileId"]]);
}

#[test]
fn a_file_by_reference_has_the_index_of_its_content() {
    let mut harness = Harness::new();
    let file = indexed(&mut harness, "film.mov");
    let content = STANDARD.encode(Sha256::digest(of_one_chunk(0)));
    let wanted = json!({ "from": file["fileId"], "content": content, "name": "copy.mov" });
    let (status, reply) = harness.ask("POST", "/v1/files", wanted, vec![]);
    assert_eq!(status, 200, "{reply}");
    let told = bases(
        &mut harness,
        &json!({ "name": "copy.mov", "path": "", "size": 7 }),
    );
    assert_eq!(ids(&told), [&reply["file"]["fileId"]]);
    assert_eq!(told["bases"][0]["chunks"], STANDARD.encode(of_one_chunk(0)));
}

#[test]
fn an_index_goes_to_the_next_file_that_keeps_its_object_until_none_does() {
    let mut harness = Harness::new();
    let file = indexed(&mut harness, "film.mov");
    let content = STANDARD.encode(Sha256::digest(of_one_chunk(0)));
    let copies: Vec<_> = ["b.mov", "a.mov"]
        .map(|name| {
            let wanted = json!({ "from": file["fileId"], "content": content, "name": name });
            harness.ask("POST", "/v1/files", wanted, vec![]).1["file"].clone()
        })
        .into();
    let mut left = [&file, &copies[0], &copies[1]].into_iter();
    let own = |harness: &mut Harness, file: &Value| {
        let path = format!("/v1/files/{}/chunks", file["fileId"].as_str().unwrap());
        harness.ask("GET", &path, json!({}), vec![]).0
    };
    while let Some(gone) = left.next() {
        for file in left.clone() {
            assert_eq!(own(&mut harness, file), 200);
        }
        let used = record_bytes(&harness);
        delete(&mut harness, gone);
        let is_last = left.len() == 0;
        assert_eq!(
            record_bytes(&harness) < used,
            is_last,
            "it is counted as long as it is kept"
        );
        // Found by its size as well.
        let told = bases(&mut harness, &json!({ "name": "new.mov" }));
        assert_eq!(ids(&told).len(), usize::from(!is_last), "{told}");
    }
}

#[test]
fn nothing_but_the_name_is_told_where_storage_proves_no_copies() {
    let mut harness = Harness::new();
    let file = indexed(&mut harness, "film.mov");
    let other = indexed(&mut harness, "other.mov");
    for by in ["md5", "none"] {
        harness.restart_with(&[("S3_CHECKSUM", by)]);
        let told = bases(&mut harness, &json!({ "base": other["fileId"] }));
        assert_eq!(
            (&told["copies"], ids(&told)),
            (&json!(false), vec![&file["fileId"]]),
            "{by}"
        );
        assert_eq!(told["bases"][0].get("chunks"), None);
    }
    harness.restart_with(&[("S3_PROVIDER", "r2")]);
    assert_eq!(bases(&mut harness, &json!({}))["equalParts"], true);
}

#[test]
fn an_answer_has_no_more_indexes_than_it_bears() {
    let mut harness = Harness::new();
    // The largest that there are, of files as large as that: each is some 0.6 MB as base64.
    let least = u32::try_from(PART).unwrap();
    let index = packed(HEADER, &vec![(least, Crc64Nvme::EMPTY); 10_000]);
    let size = 10_000 * PART;
    let mut files = Vec::new();
    for name in ["film.mov", "a.mov", "b.mov", "c.mov"] {
        let file = json!({ "clientRef": "f", "name": name, "path": "a", "size": size, "partSize": PART });
        let (_, reply) = harness.ask("POST", "/v1/uploads", json!({ "files": [file] }), vec![created()]);
        let grant = reply["uploads"][0].clone();
        let stored: Vec<_> = (1..=10_000).map(|number| (number, PART)).collect();
        let crc64nvme = Crc64Nvme::EMPTY.to_string();
        let script = vec![
            ("GET uploadId", crate::common::parts(&stored)),
            completed(),
            ("HEAD", object(size, Some(&crc64nvme))),
        ];
        assert_eq!(harness.complete(&grant, json!({}), script).0, 200);
        let (status, reply) = put(&mut harness, &grant, &index);
        assert_eq!(status, 200, "{reply}");
        files.push(grant);
    }
    let told = bases(&mut harness, &json!({ "size": size }));
    assert_eq!(
        ids(&told),
        [&files[0]["fileId"], &files[3]["fileId"], &files[2]["fileId"]]
    );
}

#[test]
fn whoever_may_read_a_file_is_told_its_index() {
    let mut harness = Harness::new();
    let get = |harness: &mut Harness, file: &Value| {
        let path = format!("/v1/files/{}/chunks", file["fileId"].as_str().unwrap());
        harness.ask("GET", &path, Value::Null, vec![])
    };
    let without = available(&mut harness, "without", Some(whole()));
    let (status, problem) = get(&mut harness, &without);
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));

    let file = indexed(&mut harness, "film.mov");
    let index = json!({ "chunks": STANDARD.encode(of_one_chunk(0)) });
    assert_eq!(get(&mut harness, &file), (200, index.clone()));
    // A file of the same content has it from the other.
    let body = json!({ "from": file["fileId"], "content": STANDARD.encode(Sha256::digest(of_one_chunk(0))), "name": "again" });
    let (status, reply) = harness.ask("POST", "/v1/files", body, vec![]);
    assert_eq!(status, 200, "{reply}");
    assert_eq!(get(&mut harness, &reply["file"]), (200, index));

    delete(&mut harness, &file);
    let (status, problem) = get(&mut harness, &file);
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
}

/// Begins an upload of the next version of a file.
fn begin(harness: &mut Harness, base: &str) -> Value {
    let file = json!({ "clientRef": "f", "name": "film.mov", "size": 1, "base": base });
    let (_, reply) = harness.ask("POST", "/v1/uploads", json!({ "files": [file] }), vec![]);
    reply["uploads"][0].clone()
}

/// What it is the next version of.
fn previous(harness: &mut Harness, upload: &Value) -> Value {
    let path = format!("/v1/files/{}", upload["fileId"].as_str().unwrap());
    let (status, record) = harness.ask("GET", &path, Value::Null, vec![]);
    assert_eq!(status, 200, "{record}");
    record["previous"].clone()
}

#[test]
fn an_upload_begins_without_its_base_where_that_need_not_be_there_and_is_not() {
    let mut harness = Harness::new();
    let file = available(&mut harness, "film.mov", None);
    let id = file["fileId"].as_str().unwrap();
    let optional = format!("{id}?");
    for base in [id, &optional] {
        let begun = begin(&mut harness, base);
        assert_eq!(previous(&mut harness, &begun), *id);
    }
    delete(&mut harness, &file);
    assert_eq!(begin(&mut harness, id)["error"]["code"], "not_found");
    let begun = begin(&mut harness, &optional);
    assert_eq!(previous(&mut harness, &begun), Value::Null);
}
