//! The coordinator's HTTP API as the page's shell speaks it, and the coordinator's set-up.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;
use syncsphere_coordinator_core::ledger;
use syncsphere_coordinator_core::{
    Config, Context, Coordinator, NoIdentityProviders, Storage, StorageFailure, WorkspaceFailure, Workspaces,
};
use syncsphere_protocol::{Problem, TokenReply, WorkspaceId};
use syncsphere_upload_core::{Call, CallFailure, Reply};

use crate::scenario::Scenario;
use crate::signature::Verifier;

/// After so many milliseconds (20 days) a page asks for another token; they live 30 days here.
pub(crate) const TOKEN_RENEWAL: u64 = 20 * 24 * 3600 * 1000;

/// What an answer has to be read as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallKind {
    Initiate,
    SignParts,
    Status,
    Complete,
    CompleteBatch,
    Abort,
}

/// Where pages reach storage.
pub(crate) fn addresses(count: u8) -> Vec<String> {
    let address = |number| format!("http://storage-{number}.test:8333");
    (1..=count).map(address).collect()
}

/// The coordinator of a run, and what storage needs to check signatures.
pub(crate) fn coordinator(scenario: &Scenario) -> (Coordinator, Verifier) {
    let vars = [
        ("S3_ENDPOINT", "http://storage.test:8333"),
        ("S3_PUBLIC_ENDPOINT", &addresses(scenario.addresses).join(",")),
        ("S3_BUCKET", "uploads"),
        ("S3_ACCESS_KEY_ID", "simulated-key"),
        ("S3_SECRET_ACCESS_KEY", "simulated-secret"),
        ("S3_REGION", "us-east-1"),
        ("AUTH_SIGNING_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
        ("AUTH_GUEST", "on"),
        ("AUTH_TOKEN_TTL_SECONDS", "2592000"),
        ("URL_TTL_SECONDS", &scenario.url_ttl.to_string()),
        (
            "UPLOAD_MAX_LIFETIME_SECONDS",
            &scenario.upload_max_lifetime.to_string(),
        ),
        ("S3_FORMS", if scenario.forms { "on" } else { "off" }),
        ("S3_CONDITIONAL_WRITES", if scenario.forms { "off" } else { "on" }),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut vars = BTreeMap::from(vars);
    if let Some(keep) = scenario.editing.versions_keep {
        vars.insert("VERSIONS_KEEP".to_owned(), keep.to_string());
    }
    let config = Config::from_vars(&vars).expect("the run's configuration is complete");
    let coordinator = Coordinator::new(config);
    let verifier = Verifier {
        access_key: "simulated-key".to_owned(),
        secret_key: "simulated-secret".to_owned(),
        region: "us-east-1".to_owned(),
    };
    (coordinator, verifier)
}

/// A guest's token, as good as new for [`TOKEN_RENEWAL`].
pub(crate) fn token(coordinator: &Coordinator, now_ms: i64) -> String {
    let request = http::Request::post("http://edge.test/v1/auth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(b"grant_type=urn%3Asyncsphere%3Aguest".to_vec())
        .expect("a well-formed request");
    let context = Context {
        now_ms,
        random: [7; 32],
        request_id: "token".to_owned(),
    };
    let response =
        now_or_never(coordinator.handle(request, context, &NoPorts, &NoPorts, &NoIdentityProviders));
    let token: TokenReply = serde_json::from_slice(response.body()).expect("a guest gets a token");
    token.access_token.into_inner()
}

/// The HTTP request of a call.
pub(crate) fn request(call: &Call, token: &str) -> (CallKind, http::Request<Vec<u8>>) {
    let json = |body: Result<Vec<u8>, serde_json::Error>| body.expect("wire types serialize");
    let mut key = None;
    let (kind, method, path, body) = match call {
        Call::Initiate {
            idempotency_key,
            body,
        } => {
            key = Some(idempotency_key);
            (
                CallKind::Initiate,
                "POST",
                "/v1/uploads".to_owned(),
                json(serde_json::to_vec(body)),
            )
        }
        Call::SignParts { upload_id, body } => {
            let path = format!("/v1/uploads/{upload_id}/parts");
            (CallKind::SignParts, "POST", path, json(serde_json::to_vec(body)))
        }
        Call::Status { upload_id } => (
            CallKind::Status,
            "GET",
            format!("/v1/uploads/{upload_id}"),
            Vec::new(),
        ),
        Call::Complete { upload_id, body } => {
            let path = format!("/v1/uploads/{upload_id}/complete");
            (CallKind::Complete, "POST", path, json(serde_json::to_vec(body)))
        }
        Call::CompleteBatch { body } => {
            let path = "/v1/uploads/complete".to_owned();
            (
                CallKind::CompleteBatch,
                "POST",
                path,
                json(serde_json::to_vec(body)),
            )
        }
        Call::Abort { upload_id } => (
            CallKind::Abort,
            "DELETE",
            format!("/v1/uploads/{upload_id}"),
            Vec::new(),
        ),
    };
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("http://edge.test{path}"))
        .header("authorization", format!("Bearer {token}"));
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    (kind, request.body(body).expect("a well-formed request"))
}

/// The answer to a call as the engine takes it; `None` stands for a connection that broke.
pub(crate) fn reply(kind: CallKind, answer: Option<(u16, Vec<u8>)>) -> Result<Reply, CallFailure> {
    let (status, body) = answer.ok_or(CallFailure::Network)?;
    if status >= 400 {
        return Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => CallFailure::Problem(problem),
            Err(_) => CallFailure::Unreadable { status },
        });
    }
    match kind {
        CallKind::Initiate => parse(status, &body).map(Reply::Initiated),
        CallKind::SignParts => parse(status, &body).map(Reply::Signed),
        CallKind::Status => parse(status, &body).map(|status| Reply::Status(Box::new(status))),
        CallKind::Complete => parse(status, &body).map(|record| Reply::Completed(Box::new(record))),
        CallKind::CompleteBatch => parse(status, &body).map(Reply::CompletedBatch),
        CallKind::Abort => parse(status, &body).map(Reply::Aborted),
    }
}

fn parse<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, CallFailure> {
    serde_json::from_slice(body).map_err(|_| CallFailure::Unreadable { status })
}

/// An error as storage words it.
pub(crate) fn storage_error(status: u16, code: &str) -> http::Response<Vec<u8>> {
    let mut response = http::Response::new(format!("<Error><Code>{code}</Code></Error>").into_bytes());
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response
}

/// Polls a future that waits for nothing.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a token needs neither storage nor ledger"),
    }
}

/// Ports that lead nowhere.
struct NoPorts;

impl Storage for NoPorts {
    async fn send(
        &self,
        _: http::Request<Vec<u8>>,
        _: Duration,
        _: usize,
    ) -> Result<http::Response<Vec<u8>>, StorageFailure> {
        Err(StorageFailure::Unreachable)
    }
}

impl Workspaces for NoPorts {
    async fn call(&self, _: &WorkspaceId, _: ledger::Call) -> Result<ledger::Reply, WorkspaceFailure> {
        Err(WorkspaceFailure {
            cause: "nowhere".to_owned(),
        })
    }
}
