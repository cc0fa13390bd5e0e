//! How clients describe their files, and what the record makes of it.

use crate::common::Harness;
use serde_json::{Value, json};

/// Begins a file described like this; gives its result and, where it was taken, its record.
fn begin(harness: &mut Harness, described: &Value) -> (Value, Value) {
    let mut file = json!({ "clientRef": "f", "name": "f.bin", "size": 1 });
    for (key, value) in described.as_object().unwrap() {
        file[key] = value.clone();
    }
    let (status, reply) = harness.ask("POST", "/v1/uploads", json!({ "files": [file] }), vec![]);
    assert_eq!(status, 200, "{reply}");
    let result = reply["uploads"][0].clone();
    let record = match result["fileId"].is_string() {
        true => harness.file(&result),
        false => Value::Null,
    };
    (result, record)
}

#[test]
fn what_peoples_systems_call_their_files_is_taken() {
    let mut harness = Harness::new();
    let (_, icon) = begin(&mut harness, &json!({ "name": "Icon\r", "path": "a\u{85}b" }));
    assert_eq!(
        (&icon["name"], &icon["originalName"]),
        (&json!("Icon␍"), &json!("Icon\r"))
    );
    assert_eq!(icon["path"], "a\u{fffd}b");
    let (_, long) = begin(&mut harness, &json!({ "name": "あ".repeat(100) + ".pdf" }));
    assert_eq!(long["contentType"], "application/pdf");
    assert!(long.get("originalName").is_none());
    for (declared, kept) in [
        ("text/plain;  charset=utf-8", "text/plain; charset=utf-8"),
        ("jpg", "video/x-matroska"),
        ("", "video/x-matroska"),
        ("image/png; name=\"ü\"", "image/png"),
    ] {
        let (_, file) = begin(&mut harness, &json!({ "name": "a.mkv", "contentType": declared }));
        assert_eq!(file["contentType"], kept, "{declared}");
    }
    let metadata = json!({ "caption": "two\nlines", "long": "x".repeat(10_000) });
    let (_, file) = begin(&mut harness, &json!({ "metadata": metadata }));
    assert_eq!(file["metadata"], metadata);
}

#[test]
fn what_is_too_much_is_named() {
    let mut harness = Harness::new();
    for (described, named) in [
        (json!({ "name": "\u{1d160}".repeat(63) }), "255 UTF-16 units"),
        (
            json!({ "metadata": { "a": "", "bulky": "x".repeat(17_000) } }),
            "\"bulky\"",
        ),
        (json!({ "path": "\u{1d160}".repeat(250) }), "the path"),
    ] {
        let (result, _) = begin(&mut harness, &described);
        let detail = result["error"]["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{detail}");
    }
}

#[test]
fn a_listing_goes_on_whatever_the_files_are_called() {
    let mut harness = Harness::new();
    // Each is three characters of four bytes when it is composed.
    let names = [
        "\u{1d160}".repeat(42),
        "\u{1d160}".repeat(41),
        "\"".repeat(255),
        "Icon\r".to_owned(),
    ];
    for name in &names {
        begin(&mut harness, &json!({ "name": name }));
    }
    for order in ["name=", "status=uploading"] {
        let mut seen = 0;
        let mut path = format!("/v1/files?limit=1&{order}");
        loop {
            let (status, page) = harness.ask("GET", &path, Value::Null, vec![]);
            assert_eq!(status, 200, "{page}");
            seen += page["files"].as_array().unwrap().len();
            match page["nextCursor"].as_str() {
                Some(cursor) => path = format!("/v1/files?limit=1&{order}&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, names.len());
    }
    let (_, found) = harness.ask("GET", "/v1/files?name=Icon%0D", Value::Null, vec![]);
    assert_eq!(found["files"].as_array().unwrap().len(), 1);
}
