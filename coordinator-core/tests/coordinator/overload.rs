//! A workspace that does not answer, such as one that has more calls than it can carry out.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use http::Request;
use serde_json::Value;
use syncsphere_coordinator_core::ledger::{Call, Reply};
use syncsphere_coordinator_core::{Context, NoIdentityProviders, WorkspaceFailure, Workspaces};
use syncsphere_protocol::WorkspaceId;

use crate::common::Harness;

/// Workspaces that are overloaded.
struct Overloaded;

impl Workspaces for Overloaded {
    async fn call(&self, _: &WorkspaceId, _: Call) -> Result<Reply, WorkspaceFailure> {
        Err(WorkspaceFailure {
            cause: "Durable Object is overloaded".to_owned(),
        })
    }
}

/// The status, and the reply's body.
fn ask(harness: &Harness, request: http::request::Builder, body: &str, seed: u8) -> (u16, Value) {
    let cx = Context {
        now_ms: harness.now_ms,
        random: [seed; 32],
        request_id: "r".to_owned(),
    };
    let request = request.body(body.as_bytes().to_vec()).unwrap();
    let answered =
        harness
            .coordinator
            .handle(request, cx, &harness.storage, &Overloaded, &NoIdentityProviders);
    let response = answered.now_or_never().unwrap();
    let status = response.status().as_u16();
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    if let Some(seconds) = body.get("retryAfter") {
        assert_eq!(
            response.headers()["retry-after"].to_str().unwrap(),
            seconds.to_string()
        );
    }
    (status, body)
}

#[test]
fn it_is_503_and_clients_come_back_at_different_times() {
    let harness = Harness::new();
    let grant = "grant_type=urn:syncsphere:guest";
    let (_, token) = ask(&harness, Request::post("/v1/auth/token"), grant, 0);
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let mut pauses = BTreeSet::new();
    for seed in 0..30 {
        let request = Request::get("/v1/files").header("authorization", &bearer);
        let (status, problem) = ask(&harness, request, "", seed);
        assert_eq!(status, 503);
        assert_eq!(
            (&problem["status"], &problem["code"]),
            (&503.into(), &"internal".into())
        );
        assert!(!problem.to_string().contains("Durable Object"), "{problem}");
        pauses.insert(problem["retryAfter"].as_u64().unwrap());
    }
    assert_eq!(pauses, BTreeSet::from([1, 2, 3]));
}
