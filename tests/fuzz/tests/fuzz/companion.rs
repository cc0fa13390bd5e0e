//! What clients send that speak to a Companion server, or S3.

use proptest::prelude::*;
use serde_json::Value;
use syncsphere_fuzz::{PART, Reply, World, foreign, proptest_config, seeds};

const WHERE: &str = "/v1/companion/s3/multipart";

fn assert_no_fault(reply: &Reply) {
    assert!(reply.status < 500, "{reply:?}");
}

/// An upload in parts, as such clients begin it.
fn create(world: &World) -> Value {
    let reply = world.ask("POST", WHERE, br#"{"filename":"f.bin"}"#);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json
}

/// A text of the corpus about this upload.
fn about(upload: &Value, text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .replace("TICKET", upload["uploadId"].as_str().unwrap())
        .replace("KEY", upload["key"].as_str().unwrap())
}

fn path(upload: &Value, more: &str) -> String {
    let id = upload["uploadId"].as_str().unwrap();
    format!("{WHERE}/{id}{more}?key={}", upload["key"].as_str().unwrap())
}

/// The only file there is, if there is one.
fn file(world: &World) -> Value {
    let list = world.ask("GET", "/v1/files?status=uploading,available,aborted,expired", b"");
    list.json["files"][0].clone()
}

fn begun(body: &[u8]) {
    let world = World::honest();
    let reply = world.ask("POST", WHERE, body);
    assert_no_fault(&reply);
    let file = file(&world);
    assert_eq!(reply.status == 200, file.is_object(), "{reply:?}");
    if file.is_object() {
        assert_eq!(file["size"], 0);
        let key = reply.json["key"].as_str().unwrap();
        assert!(
            key.starts_with(&format!("demo/{}/", file["fileId"].as_str().unwrap())),
            "{key}"
        );
        assert!(!key.contains("..") && key.is_ascii());
    }
}

fn completed(body: &[u8]) {
    let world = World::honest();
    let upload = create(&world);
    let reply = world.ask("POST", &path(&upload, "/complete"), body);
    assert_no_fault(&reply);
    assert_is_whole_where_it_says_so(&world, &reply);
}

/// Both parts make it: the honest storage assembles nothing else.
fn assert_is_whole_where_it_says_so(world: &World, reply: &Reply) {
    let file = file(world);
    match reply.status {
        200 => assert_eq!(
            (&file["status"], file["size"].as_u64()),
            (&"available".into(), Some(PART + 1))
        ),
        _ => assert_ne!(file["status"], "available"),
    }
}

fn signed(body: &[u8]) -> Option<(World, String)> {
    let world = World::honest();
    let upload = create(&world);
    let reply = world.ask("POST", "/v1/s3/sign", about(&upload, body).as_bytes());
    assert_no_fault(&reply);
    let url = reply.json["url"].as_str()?.to_owned();
    let is_ours = url.starts_with("calls/");
    let is_of_bucket = url.starts_with("https://s3.test/uploads/demo/");
    assert!(is_ours || is_of_bucket, "{url}");
    if is_of_bucket {
        assert!(url.contains("X-Amz-SignedHeaders=host&") || url.contains("content-type%3Bhost&"));
    }
    Some((world, url))
}

fn completed_as_s3(body: &[u8]) {
    let world = World::honest();
    let upload = create(&world);
    let sign = about(&upload, br#"{"method":"POST","key":"KEY","uploadId":"TICKET"}"#);
    let reply = world.ask("POST", "/v1/s3/sign", sign.as_bytes());
    let path = format!("/v1/s3/{}", reply.json["url"].as_str().unwrap());
    let reply = world.send("POST", &path, &[], body);
    assert_no_fault(&reply);
    assert_is_whole_where_it_says_so(&world, &reply);
}

fn asked(text: &[u8], id: &str) {
    let world = World::honest();
    let upload = create(&world);
    let query = about(&upload, text);
    let ours = upload["uploadId"].as_str().unwrap();
    let paths = [
        format!("/v1/companion/s3/params?{query}"),
        format!("{WHERE}/{ours}/batch?{query}"),
        format!("{WHERE}/{ours}/1?{query}"),
        format!("{WHERE}/{id}?{query}"),
        format!("/v1/companion/{id}/s3/params?{query}"),
        format!("/v1/s3/calls/{id}?{query}"),
    ];
    let bearer = format!("Bearer {}", world.token);
    for path in paths {
        if let Some(reply) = world.try_send("GET", &path, &[("authorization", bearer.as_bytes())], b"") {
            assert_no_fault(&reply);
        }
    }
}

#[test]
fn the_corpus_is_answered() {
    seeds("companion-create").iter().for_each(|body| begun(body));
    seeds("companion-complete")
        .iter()
        .for_each(|body| completed(body));
    seeds("s3-complete").iter().for_each(|body| completed_as_s3(body));
    for body in seeds("s3-sign") {
        assert!(signed(&body).is_some(), "{}", String::from_utf8_lossy(&body));
    }
    seeds("companion-queries")
        .iter()
        .for_each(|text| asked(text, "a"));
}

proptest! {
    #![proptest_config(proptest_config(200))]

    #[test]
    fn whatever_is_begun(body in foreign(seeds("companion-create"))) {
        begun(&body);
    }

    #[test]
    fn whatever_is_completed(body in foreign(seeds("companion-complete"))) {
        completed(&body);
    }

    #[test]
    fn whatever_is_completed_as_s3(body in foreign(seeds("s3-complete"))) {
        completed_as_s3(&body);
    }

    #[test]
    fn whatever_is_asked_to_be_signed(body in foreign(seeds("s3-sign"))) {
        signed(&body);
    }

    #[test]
    fn whatever_stands_in_paths_and_queries(text in foreign(seeds("companion-queries")), id in "[!-~]{0,70}|(\\.\\.|%2e|%2f|%00|%ff){1,4}") {
        asked(&text, &id);
    }

    #[test]
    fn whatever_stands_in_cookies(cookie in prop::collection::vec(any::<u8>(), 0..200), origin in prop::collection::vec(any::<u8>(), 0..40)) {
        let world = World::honest();
        let headers: [(&str, &[u8]); 3] = [("cookie", &cookie), ("origin", &origin), ("sec-fetch-site", &origin)];
        if let Some(reply) = world.try_send("GET", "/v1/companion/s3/params?filename=a", &headers, b"") {
            prop_assert!([401, 403].contains(&reply.status));
        }
    }
}
