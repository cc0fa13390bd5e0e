//! What clients send once they are let in: bodies, ids, queries, headers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::Value;
use syncsphere_fuzz::{Reply, World, foreign, proptest_config, seeds};
use syncsphere_protocol::{
    CompleteBatchRequest, CompleteRequest, ErrorCode, FileStatus, InitiateRequest, Layout, PartNumber,
    SignPartsRequest,
};
use unicode_normalization::is_nfc;

/// Nobody's request is the coordinator's fault, as long as storage and ledger do their part.
fn assert_no_fault(reply: &Reply) {
    assert!(reply.status < 500, "{reply:?}");
    let code = reply.problem.as_ref().map(|problem| problem.code);
    assert!(!matches!(
        code,
        Some(ErrorCode::Internal | ErrorCode::StorageUnavailable)
    ));
}

/// What is remembered of every file, however its upload was asked for.
fn assert_files_are_sound(world: &World) {
    let list = world.ask(
        "GET",
        "/v1/files?limit=1000&status=uploading,available,aborted",
        b"",
    );
    for file in list.json["files"].as_array().unwrap() {
        let text = |name: &str| file[name].as_str().unwrap();
        let (name, path) = (text("name"), text("path"));
        let units = name.encode_utf16().count();
        assert!((1..=255).contains(&units) && !name.contains('/'), "{name:?}");
        assert!(
            path.len() <= 1024 && !path.starts_with('/') && !path.ends_with('/'),
            "{path:?}"
        );
        for part in path.split('/').filter(|_| !path.is_empty()).chain([name]) {
            assert!(!part.is_empty() && is_nfc(part), "{part:?}");
            assert!(
                !part.chars().any(char::is_control) && part != "." && part != "..",
                "{part:?}"
            );
        }
        assert!(file["size"].as_u64().unwrap() <= 53_687_091_200_000);
        let kind = text("contentType");
        assert!(kind.contains('/') && kind.len() <= 255 && kind.bytes().all(|b| (b' '..=b'~').contains(&b)));
        let metadata = file["metadata"].as_object().unwrap();
        assert!(metadata.len() <= 256);
        let mut bytes = 0;
        for (key, value) in metadata {
            assert!((1..=256).contains(&key.len()) && is_nfc(key));
            bytes += key.len() + value.as_str().unwrap().len();
        }
        assert!(bytes <= 16 * 1024);
    }
}

fn initiate(body: &[u8]) {
    let world = World::honest();
    let reply = world.ask("POST", "/v1/uploads", body);
    assert_no_fault(&reply);
    if reply.status == 200 {
        let asked: InitiateRequest<Option<u64>, Layout> =
            serde_json::from_slice(body).expect("what is answered was understood");
        let results = reply.json["uploads"].as_array().unwrap();
        assert_eq!(results.len(), asked.files.len());
        assert!((1..=100).contains(&results.len()));
        for (file, result) in asked.files.iter().zip(results) {
            let named = result["clientRef"].as_str().unwrap();
            match file.client_ref.len() <= 256 {
                true => assert_eq!(named, file.client_ref),
                // Refused, and only its beginning is repeated.
                false => {
                    assert_eq!(result["error"]["code"], "invalid_request");
                    assert!(file.client_ref.starts_with(named) && named.len() <= 256);
                }
            }
            if let Some(urls) = result["urls"].as_array() {
                let numbers: Vec<_> = urls.iter().map(|url| url["partNumber"].as_u64()).collect();
                let wanted: Vec<_> = file
                    .parts
                    .iter()
                    .map(|part| Some(u64::from(part.part_number.get())))
                    .collect();
                assert_eq!(numbers, wanted);
                let covered = result["partSize"].as_u64().unwrap() * result["partCount"].as_u64().unwrap();
                assert!(file.size.is_none_or(|size| covered >= size));
            }
        }
    }
    assert_files_are_sound(&world);
}

/// The corpus with a grant's ticket and id in the places for them.
fn with_grant(body: &[u8], grant: &Value) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    text.replace("TICKET", grant["ticket"].as_str().unwrap())
        .replace("UPLOAD", grant["uploadId"].as_str().unwrap())
        .into_bytes()
}

fn sign_parts(body: &[u8]) {
    let world = World::honest();
    let grant = world.open();
    let body = with_grant(body, &grant);
    let path = format!("/v1/uploads/{}/parts", grant["uploadId"].as_str().unwrap());
    let reply = world.ask("POST", &path, &body);
    assert_no_fault(&reply);
    if reply.status == 200 {
        let asked: SignPartsRequest = serde_json::from_slice(&body).expect("what is answered was understood");
        let urls = reply.json["urls"].as_array().unwrap();
        assert_eq!(urls.len(), asked.parts.len());
        for (part, url) in asked.parts.iter().zip(urls) {
            assert!(part.part_number <= PartNumber::try_from(2_u64).unwrap());
            let url = url["url"].as_str().unwrap();
            assert!(url.contains(&format!("partNumber={}&", part.part_number)));
            assert!(url.contains("content-length"));
            assert_eq!(url.contains("x-amz-checksum-crc64nvme"), part.crc64nvme.is_some());
        }
    }
}

fn complete(body: &[u8]) {
    let world = World::honest();
    let grant = world.open();
    let body = with_grant(body, &grant);
    let path = format!("/v1/uploads/{}/complete", grant["uploadId"].as_str().unwrap());
    let reply = world.ask("POST", &path, &body);
    assert_no_fault(&reply);
    if reply.status == 200 {
        let asked: CompleteRequest<Option<u64>> =
            serde_json::from_slice(&body).expect("what is answered was understood");
        assert_eq!(asked.ticket.as_str(), grant["ticket"].as_str().unwrap());
        assert_eq!(reply.json["status"], FileStatus::Available.as_str());
    }
}

fn complete_batch(body: &[u8]) {
    let world = World::honest();
    let grant = world.open();
    let body = with_grant(body, &grant);
    let reply = world.ask("POST", "/v1/uploads/complete", &body);
    assert_no_fault(&reply);
    if reply.status == 200 {
        let asked: CompleteBatchRequest =
            serde_json::from_slice(&body).expect("what is answered was understood");
        assert_eq!(
            reply.json["uploads"].as_array().unwrap().len(),
            asked.uploads.len()
        );
    }
}

/// A path made of whatever is not sure to be an id.
fn paths(id: &str, query: &str) -> Vec<(&'static str, String)> {
    vec![
        ("GET", format!("/v1/uploads/{id}?{query}")),
        ("DELETE", format!("/v1/uploads/{id}")),
        ("GET", format!("/v1/files/{id}?{query}")),
        ("GET", format!("/v1/files/{id}/content?{query}")),
        ("DELETE", format!("/v1/files/{id}")),
        ("GET", format!("/v1/files?{query}")),
        ("GET", format!("/v1/changes?{query}")),
        ("GET", format!("/v1/events?{query}")),
        ("GET", format!("/{id}")),
    ]
}

fn query(id: &str, query: &str) {
    let world = World::honest();
    world.open();
    let bearer = format!("Bearer {}", world.token);
    for (method, path) in paths(id, query) {
        let Some(reply) = world.try_send(method, &path, &[("authorization", bearer.as_bytes())], b"") else {
            continue;
        };
        assert_no_fault(&reply);
        if reply.status == 200 && path.starts_with("/v1/changes") {
            assert!(reply.json["changes"].as_array().unwrap().len() <= 1000);
        }
        if reply.status == 200 && path.starts_with("/v1/uploads/") {
            let known = reply.json["uploadId"].as_str().unwrap();
            assert_eq!(
                path.split(['/', '?']).nth(3),
                Some(known),
                "another upload than asked for"
            );
        }
    }
}

#[test]
fn the_corpus_is_answered() {
    seeds("initiate").iter().for_each(|body| initiate(body));
    seeds("parts").iter().for_each(|body| sign_parts(body));
    seeds("complete").iter().for_each(|body| complete(body));
    seeds("complete-batch")
        .iter()
        .for_each(|body| complete_batch(body));
    for text in seeds("queries") {
        query("a", &String::from_utf8(text).unwrap());
    }
}

/// The cursors of the corpus in the form that clients see.
fn listing(place: &[u8], parameters: &str) {
    let world = World::honest();
    world.open();
    world.open();
    let cursor = URL_SAFE_NO_PAD.encode(place);
    let path = format!("/v1/files?limit=1&cursor={cursor}{parameters}");
    let reply = world.ask("GET", &path, b"");
    assert_no_fault(&reply);
    assert!([200, 400].contains(&reply.status));
    if reply.status == 200 {
        assert!(reply.json["files"].as_array().unwrap().len() <= 1);
    }
}

#[test]
fn cursors_are_what_the_corpus_says_they_are() {
    let world = World::honest();
    world.open();
    world.open();
    for (parameters, seed) in [("", "time"), ("&name=", "name")] {
        let page = world.ask("GET", &format!("/v1/files?limit=1{parameters}"), b"");
        let cursor = page.json["nextCursor"].as_str().unwrap();
        let place: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
        let known: Vec<Value> = seeds("cursors")
            .iter()
            .map(|seed| serde_json::from_slice(seed).unwrap())
            .collect();
        let has_form_of = |known: &Value| {
            let names = |place: &Value| place.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            names(known) == names(&place)
        };
        assert!(known.iter().any(has_form_of), "no seed like {seed}: {place}");
    }
}

proptest! {
    #![proptest_config(proptest_config(250))]

    #[test]
    fn whatever_is_made_a_cursor(place in foreign(seeds("cursors")), by_name in any::<bool>()) {
        listing(&place, if by_name { "&name=" } else { "" });
    }

    #[test]
    fn whatever_is_asked_to_be_opened(body in foreign(seeds("initiate"))) {
        initiate(&body);
    }

    #[test]
    fn whatever_is_asked_to_be_signed(body in foreign(seeds("parts"))) {
        sign_parts(&body);
    }

    #[test]
    fn whatever_is_asked_to_be_completed(body in foreign(seeds("complete"))) {
        complete(&body);
    }

    #[test]
    fn whatever_is_asked_to_be_completed_together(body in foreign(seeds("complete-batch"))) {
        complete_batch(&body);
    }

    #[test]
    fn whatever_stands_in_paths_and_queries(text in foreign(seeds("queries")), id in "[!-~]{0,70}|[A-Za-z0-9_-]{1,64}|(\\.\\.|%2e|%2f|%00){1,4}") {
        query(&id, &String::from_utf8_lossy(&text));
    }

    #[test]
    fn whatever_stands_in_headers(key in prop::collection::vec(any::<u8>(), 0..300), accept in prop::collection::vec(any::<u8>(), 0..40)) {
        let world = World::honest();
        let bearer = format!("Bearer {}", world.token);
        let headers: [(&str, &[u8]); 4] = [
            ("authorization", bearer.as_bytes()), ("idempotency-key", &key), ("origin", &accept), ("accept", &accept),
        ];
        let body = br#"{"files":[{"clientRef":"f","name":"f","size":1}]}"#;
        if let Some(first) = world.try_send("POST", "/v1/uploads", &headers, body) {
            assert_no_fault(&first);
            let again = world.try_send("POST", "/v1/uploads", &headers, body).unwrap();
            if first.status == 200 {
                prop_assert_eq!(&first.json["uploads"][0]["uploadId"], &again.json["uploads"][0]["uploadId"]);
            }
        }
    }
}
