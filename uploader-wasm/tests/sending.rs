//! Sending slices with a real `XMLHttpRequest`, to the server that serves these tests.
#![cfg(target_arch = "wasm32")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests, which the lints' own exemption does not recognise by this attribute"
)]

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Reflect, Uint8Array};
use syncsphere_uploader_wasm::{Outcome, PartRequest, send};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Blob, XmlHttpRequest};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn blob(length: usize) -> Blob {
    let parts = Array::of1(&Uint8Array::from(vec![7_u8; length].as_slice()));
    Blob::new_with_u8_array_sequence(&parts).expect("a blob of bytes")
}

fn put(url: &str) -> PartRequest {
    PartRequest {
        method: "PUT".to_owned(),
        url: url.to_owned(),
        headers: vec!["x-test".to_owned(), "1".to_owned()],
        fields: Vec::new(),
    }
}

fn own_server() -> String {
    let location = Reflect::get(&js_sys::global(), &"location".into()).expect("a worker's location");
    let origin = Reflect::get(&location, &"origin".into()).expect("its origin");
    origin.as_string().expect("a text") + "/no/such/object"
}

#[wasm_bindgen_test]
async fn an_answer_that_is_an_error_is_told_with_its_status() {
    let xhr = XmlHttpRequest::new().expect("a request");
    let outcome = send(&xhr, &blob(10), &put(&own_server()), |_| {}).await;
    let Outcome::Refused { status, body, .. } = outcome else {
        panic!("a server that serves no such object answered {outcome:?}");
    };
    assert!((400..500).contains(&status), "{status}");
    assert!(body.len() <= 4096);
}

#[wasm_bindgen_test]
async fn a_port_where_nobody_listens_is_a_failing_network() {
    let xhr = XmlHttpRequest::new().expect("a request");
    // Source: port 9 is "discard" (RFC 863), and browsers refuse to speak HTTP to it anyway.
    let outcome = send(&xhr, &blob(10), &put("http://127.0.0.1:9/"), |_| {}).await;
    assert_eq!(outcome, Outcome::Network);
}

#[wasm_bindgen_test]
async fn what_the_browser_refuses_to_send_is_a_failing_network_and_no_panic() {
    let xhr = XmlHttpRequest::new().expect("a request");
    let outcome = send(&xhr, &blob(1), &put("http://[not an address/"), |_| {}).await;
    assert_eq!(outcome, Outcome::Network);
}

#[wasm_bindgen_test]
async fn aborting_ends_the_request() {
    let xhr = XmlHttpRequest::new().expect("a request");
    let aborted = Rc::new(Cell::new(false));
    let timer = gloo_timers::callback::Timeout::new(0, {
        let (xhr, aborted) = (xhr.clone(), Rc::clone(&aborted));
        move || {
            xhr.abort().expect("a request under way can be aborted");
            aborted.set(true);
        }
    });
    let outcome = send(&xhr, &blob(64 * 1024 * 1024), &put(&own_server()), |_| {}).await;
    assert_eq!((outcome, aborted.get()), (Outcome::Network, true));
    drop(timer);
}

#[wasm_bindgen_test]
async fn progress_never_passes_the_end() {
    let xhr = XmlHttpRequest::new().expect("a request");
    let most = Rc::new(Cell::new(0.0));
    let report = {
        let most = Rc::clone(&most);
        move |loaded: f64| most.set(loaded.max(most.get()))
    };
    send(&xhr, &blob(1000), &put(&own_server()), report).await;
    assert!((0.0..=1000.0).contains(&most.get()));
}
