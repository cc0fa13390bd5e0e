//! The tree that the browser's JSON parser gives must be the one that `serde_json` gives.
#![cfg(target_arch = "wasm32")]
#![allow(
    clippy::expect_used,
    reason = "tests, which the lints' own exemption does not recognise by this attribute"
)]

use syncsphere_uploader_wasm::{Json, parse};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn agrees(text: &str) {
    let expected: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
    assert_eq!(parse(text), Ok(Json::from(expected)), "{text}");
}

#[wasm_bindgen_test]
fn values_are_read_alike() {
    for text in [
        "null",
        "true",
        "false",
        "[]",
        "{}",
        r#""""#,
        r#""Ünïcode \"\ud83d\ude00\" \\ \u0000 \n""#,
        "0",
        "-7",
        "10001",
        "9007199254740991",
        "-9007199254740991",
        "1.5",
        "1e300",
        // In the order of names, which `serde_json` puts them into.
        r#"{"__proto__":"p","a":[1,{"":"x","b":null},[[]]],"constructor":false,"length":3}"#,
    ] {
        agrees(text);
    }
}

#[wasm_bindgen_test]
fn numbers_that_were_rounded_are_no_whole_numbers() {
    assert_eq!(parse("9007199254740993"), Ok(Json::OtherNumber));
    assert_eq!(parse("-18446744073709551615"), Ok(Json::OtherNumber));
}

#[wasm_bindgen_test]
fn what_is_no_json_is_refused() {
    for text in ["", "{", "undefined", "{'a':1}", "[1,]"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[wasm_bindgen_test]
fn nesting_without_end_does_no_harm() {
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    assert!(matches!(parse(&deep), Ok(Json::List(_)) | Err(_)));
}
