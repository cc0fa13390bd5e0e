//! A body is read once it is known who asks, and no more of it than the endpoint takes.

use std::cell::Cell;

use crate::common::Harness;
use futures_util::FutureExt;
use http::Request;
use syncsphere_coordinator_core::{Context, NoIdentityProviders, RequestBody, UnreadableBody};

/// A body that remembers how much of it was asked for.
struct Watched<'a>(&'a Cell<Option<usize>>, Result<Vec<u8>, UnreadableBody>);

impl RequestBody for Watched<'_> {
    async fn read(self, limit: usize) -> Result<Vec<u8>, UnreadableBody> {
        self.0.set(Some(limit));
        self.1
    }
}

/// The status, and how much of the body was asked for.
fn send(harness: &Harness, request: http::request::Builder, body: &str) -> (u16, Option<usize>) {
    answer(harness, request, Ok(body.as_bytes().to_vec()))
}

fn answer(
    harness: &Harness,
    request: http::request::Builder,
    body: Result<Vec<u8>, UnreadableBody>,
) -> (u16, Option<usize>) {
    let asked = Cell::new(None);
    let request = request.body(Watched(&asked, body)).unwrap();
    let cx = Context {
        now_ms: harness.now_ms,
        random: [9; 32],
        request_id: "r".to_owned(),
    };
    let answered = harness.coordinator.handle(
        request,
        cx,
        &harness.storage,
        &harness.ledgers,
        &NoIdentityProviders,
    );
    let status = answered.now_or_never().unwrap().status().as_u16();
    (status, asked.get())
}

#[test]
fn nobody_unknown_has_a_body_read() {
    let harness = Harness::new();
    for (path, status) in [
        ("/v1/uploads", 401),
        ("/v1/uploads/complete", 401),
        ("/v1/s3/calls/forged", 403),
        ("/v1/companion/forged/s3/multipart", 401),
        ("/v1/companion/s3/multipart", 401),
        ("/v1/nowhere", 404),
        ("/healthz", 405),
    ] {
        let request = Request::post(path).header("authorization", "Bearer forged");
        assert_eq!(send(&harness, request, "{}"), (status, None), "{path}");
    }
    // Of a token request, three short fields.
    let grant = Request::post("/v1/auth/token");
    assert_eq!(
        send(&harness, grant, "grant_type=urn:syncsphere:guest"),
        (200, Some(8 * 1024))
    );
}

#[test]
fn no_more_is_read_than_the_endpoint_takes() {
    let harness = Harness::new();
    let authorization = harness.authorization();
    let with_token = |request: http::request::Builder| request.header("authorization", &authorization);
    let initiate = || with_token(Request::post("/v1/uploads"));
    let limit = 1024 * 1024;
    assert_eq!(send(&harness, initiate(), "{}"), (400, Some(limit)));
    assert_eq!(
        send(&harness, initiate(), &" ".repeat(limit + 1)),
        (400, Some(limit))
    );
    assert_eq!(
        answer(&harness, initiate(), Err(UnreadableBody)),
        (400, Some(limit))
    );
    assert_eq!(
        send(&harness, with_token(Request::get("/v1/files")), "ignored"),
        (200, None)
    );
}
