//! What a new version takes over from an old one: indexes that clients state, ranges that they name, and what storage says of
//! its copies.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use syncsphere_coordinator_core::StorageFailure;
use syncsphere_fuzz::{HonestStorage, PART, Reply, StorageStub, World, foreign, proptest_config, seeds};
use syncsphere_protocol::{BasesRequest, CopyPartsRequest, ErrorCode};

/// The checksum of every object and part here.
const CRC: &str = "L/E4WYn8v98=";

/// Names checksums, and answers whatever it is told where it is to copy.
#[derive(Default)]
struct Copier {
    answer: RefCell<(u16, Vec<u8>)>,
}

impl StorageStub for Copier {
    fn answer(&self, request: &Request<Vec<u8>>) -> Result<Response<Vec<u8>>, StorageFailure> {
        if request.headers().contains_key("x-amz-copy-source") {
            let (status, body) = self.answer.borrow().clone();
            return Ok(Response::builder().status(status).body(body).unwrap());
        }
        let mut response = HonestStorage.answer(request)?;
        if request.method() == http::Method::HEAD {
            let crc = http::HeaderValue::from_static(CRC);
            response.headers_mut().insert("x-amz-checksum-crc64nvme", crc);
        }
        Ok(response)
    }
}

/// Storage that copies as it should, an available file, and an upload that its client cuts.
fn world() -> (World<Copier>, Value, Value) {
    let world = World::with(Copier::default());
    *world.storage().answer.borrow_mut() = (200, seeds("copied").swap_remove(0));
    let planned = world.open();
    let path = format!("/v1/uploads/{}/complete", planned["uploadId"].as_str().unwrap());
    let body = json!({ "ticket": planned["ticket"] }).to_string();
    let file = world.ask("POST", &path, body.as_bytes());
    assert_eq!(file.status, 200, "{file:?}");
    let body = format!(
        r#"{{"files":[{{"clientRef":"f","name":"f.bin","size":{},"layout":"free"}}]}}"#,
        3 * PART
    );
    let mut opened = world.ask("POST", "/v1/uploads", body.as_bytes());
    (world, file.json, opened.json["uploads"][0].take())
}

/// The corpus with what the world has in the places for it.
fn filled_in(body: &[u8], file: &Value, grant: &Value) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    text.replace("TICKET", grant["ticket"].as_str().unwrap())
        .replace("FILE", file["fileId"].as_str().unwrap())
        .into_bytes()
}

fn assert_no_fault(reply: &Reply) {
    assert!(reply.status < 500, "{reply:?}");
}

fn copies(body: &[u8]) -> bool {
    let (world, file, grant) = world();
    let body = filled_in(body, &file, &grant);
    let path = format!("/v1/uploads/{}/copies", grant["uploadId"].as_str().unwrap());
    let reply = world.ask("POST", &path, &body);
    assert_no_fault(&reply);
    if reply.status != 200 {
        return false;
    }
    let asked: CopyPartsRequest = serde_json::from_slice(&body).expect("what is answered was understood");
    assert_eq!(asked.from.as_str(), file["fileId"].as_str().unwrap());
    let copied = reply.json["parts"].as_array().unwrap();
    assert_eq!(copied.len(), asked.parts.len());
    for (wanted, copied) in asked.parts.iter().zip(copied) {
        assert_eq!(copied["partNumber"], wanted.part_number.get());
        assert_eq!(copied["crc64nvme"], CRC);
        assert!(wanted.offset + wanted.length <= PART + 1 && wanted.length > 0);
    }
    true
}

/// Has storage answer a copy like this; whether that is taken for one.
fn copied(status: u16, body: &[u8]) -> bool {
    let (world, file, grant) = world();
    *world.storage().answer.borrow_mut() = (status, body.to_vec());
    let path = format!("/v1/uploads/{}/copies", grant["uploadId"].as_str().unwrap());
    let one = filled_in(&seeds("copies")[0], &file, &grant);
    let reply = world.ask("POST", &path, &one);
    assert_eq!(reply.status, 200, "{reply:?}");
    let part = &reply.json["parts"][0];
    let is_copied = part["error"].is_null();
    assert_eq!(
        part["etag"].is_string() && part["crc64nvme"].is_string(),
        is_copied,
        "{part}"
    );
    assert!(!is_copied || (200..300).contains(&status), "{status}");
    is_copied
}

fn chunks(packed: &[u8]) -> bool {
    let (world, file, _) = world();
    let path = format!("/v1/files/{}/chunks", file["fileId"].as_str().unwrap());
    let body = json!({ "chunks": STANDARD.encode(packed) }).to_string();
    let reply = world.ask("PUT", &path, body.as_bytes());
    assert_no_fault(&reply);
    if reply.status != 200 {
        return false;
    }
    let content = STANDARD.encode(Sha256::digest(packed));
    assert_eq!(reply.json, json!({ "content": content }));
    let (chunks, rest) = packed[4..].as_chunks::<44>();
    assert!(rest.is_empty());
    let lengths = chunks
        .iter()
        .map(|chunk| u64::from(u32::from_be_bytes(*chunk.first_chunk().unwrap())));
    assert_eq!(lengths.sum::<u64>(), PART + 1);
    let told = world.ask("POST", "/v1/files/bases", &seeds("bases")[1]);
    assert_eq!(told.json["bases"][0]["chunks"], STANDARD.encode(packed));
    true
}

fn bases(body: &[u8]) {
    let (world, file, grant) = world();
    let body = filled_in(body, &file, &grant);
    let reply = world.ask("POST", "/v1/files/bases", &body);
    assert_no_fault(&reply);
    if reply.status == 200 {
        let asked: BasesRequest = serde_json::from_slice(&body).expect("what is answered was understood");
        let named = asked
            .base
            .is_some_and(|id| id.as_str() == file["fileId"].as_str().unwrap());
        let told = reply.json["bases"].as_array().unwrap();
        assert!(told.len() <= 1 && (!named || told.len() == 1), "{reply:?}");
    } else {
        assert_eq!(
            reply.problem.map(|problem| problem.code),
            Some(ErrorCode::InvalidRequest)
        );
    }
}

#[test]
fn the_corpus_is_understood() {
    assert!(seeds("copies").iter().all(|body| copies(body)));
    // aws.xml, bare.xml, error-under-200.xml
    let believed: Vec<_> = seeds("copied").iter().map(|body| copied(200, body)).collect();
    assert_eq!(believed, [true, false, false]);
    // empty, grid, one, two: the parts of the last do not make the file's checksum.
    let taken: Vec<_> = seeds("chunks").iter().map(|packed| chunks(packed)).collect();
    assert_eq!(taken, [false, true, true, false]);
    seeds("bases").iter().for_each(|body| bases(body));
}

proptest! {
    #![proptest_config(proptest_config(150))]

    #[test]
    fn whatever_is_asked_to_be_copied(body in foreign(seeds("copies"))) {
        copies(&body);
    }

    #[test]
    fn whatever_storage_says_of_a_copy(
        status in prop_oneof![4 => Just(200_u16), 1 => Just(404), 1 => Just(412), 1 => 200..600_u16],
        body in prop_oneof![3 => foreign(seeds("copied")), 1 => foreign(seeds("failed"))],
    ) {
        copied(status, &body);
    }

    #[test]
    fn whatever_is_stated_as_an_index(packed in foreign(seeds("chunks"))) {
        chunks(&packed);
    }

    #[test]
    fn whatever_a_new_file_is_said_to_be(body in foreign(seeds("bases"))) {
        bases(&body);
    }
}
