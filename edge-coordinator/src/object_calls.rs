//! What travels to a workspace's Durable Object and back, and in which form.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use syncsphere_coordinator_core::ledger::{Call, Reply};
use syncsphere_protocol::WorkspaceId;
use worker::{Env, Method, Request, RequestInit, Result, Stub};

use crate::http_types::read_whole;

/// The Durable Object binding in `wrangler.toml`.
const BINDING: &str = "WORKSPACES";

/// Where calls go inside an object. The host is never resolved.
pub(crate) const CALL_URL: &str = "https://workspace/call";

/// Where several calls go together, as [`Envelopes`]; the answer is an [`Answer`] for each.
pub(crate) const CALLS_URL: &str = "https://workspace/calls";

/// Where WebSockets go inside an object.
pub(crate) const LISTEN_URL: &str = "https://workspace/listen";

/// Carries a [`Subscription`] into the object: the request itself has to stay a plain upgrade.
pub(crate) const SUBSCRIPTION_HEADER: &str = "x-syncsphere-subscription";

/// A call as it travels: an object does not reliably know its own name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub workspace: WorkspaceId,
    pub call: Call,
}

/// Several calls as they travel: each is carried out by itself, one after the other.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelopes {
    pub workspace: WorkspaceId,
    pub calls: Vec<Call>,
}

/// What came of one of several calls.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    Reply(Box<Reply>),
    /// It failed, for this reason; the others did not.
    Failed(String),
}

/// A WebSocket as it is asked for. Only the worker can reach an object, so it is believed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub since: Option<u64>,
    pub expires_ms: i64,
    /// Whose it is, by a digest; absent where a worker of an earlier release asks.
    #[serde(default)]
    pub subject: String,
}

/// One call, by itself.
pub(crate) async fn call_object(env: &Env, workspace: &WorkspaceId, call: Call) -> Result<Reply> {
    let envelope = Envelope {
        workspace: workspace.clone(),
        call,
    };
    ask_object(env, workspace, CALL_URL, serde_json::to_string(&envelope)?).await
}

/// Sends a body to a workspace's object and gives its answer.
pub(crate) async fn ask_object<T: DeserializeOwned>(
    env: &Env,
    workspace: &WorkspaceId,
    url: &str,
    body: String,
) -> Result<T> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(body.into()));
    let request = Request::new_with_init(url, &init)?;
    let response = object(env, workspace)?.fetch_with_request(request).await?;
    if response.status_code() != 200 {
        return Err(worker::Error::RustError(format!(
            "the object answered {}",
            response.status_code()
        )));
    }
    Ok(serde_json::from_slice(&read_whole(&response).await?)?)
}

/// The workspace's object.
pub(crate) fn object(env: &Env, workspace: &WorkspaceId) -> Result<Stub> {
    env.durable_object(BINDING)?.get_by_name(workspace.as_str())
}
