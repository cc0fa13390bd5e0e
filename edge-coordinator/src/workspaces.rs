//! The way from the worker to a workspace's Durable Object, and the form of what travels there.

use serde::{Deserialize, Serialize};
use syncsphere_coordinator_core::ledger::{Call, Reply};
use syncsphere_coordinator_core::{Listener, WorkspaceFailure, Workspaces};
use syncsphere_protocol::WorkspaceId;
use worker::{Env, Headers, Method, Request, RequestInit, Response, Result, Stub};

use crate::call_timings::CallTimings;

/// The Durable Object binding in `wrangler.toml`.
const BINDING: &str = "WORKSPACES";

/// Where calls go inside an object. The host is never resolved.
pub(crate) const CALL_URL: &str = "https://workspace/call";

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

/// A WebSocket as it is asked for. Only the worker can reach an object, so it is believed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub since: Option<u64>,
    pub expires_ms: i64,
}

/// The workspaces, each in its Durable Object.
pub(crate) struct RemoteWorkspaces<'a> {
    env: &'a Env,
    timings: &'a CallTimings,
}

impl<'a> RemoteWorkspaces<'a> {
    pub(crate) fn new(env: &'a Env, timings: &'a CallTimings) -> Self {
        Self { env, timings }
    }
}

impl Workspaces for RemoteWorkspaces<'_> {
    async fn call(
        &self,
        workspace: &WorkspaceId,
        call: Call,
    ) -> std::result::Result<Reply, WorkspaceFailure> {
        let envelope = Envelope {
            workspace: workspace.clone(),
            call,
        };
        self.timings
            .measure(call_object(self.env, &envelope))
            .await
            .map_err(|error| WorkspaceFailure {
                cause: error.to_string(),
            })
    }
}

/// Hands a WebSocket over to its workspace's object.
pub(crate) async fn connect(env: &Env, listener: &Listener) -> Result<Response> {
    let subscription = Subscription {
        since: listener.since,
        expires_ms: listener.expires_ms,
    };
    let headers = Headers::new();
    headers.set("upgrade", "websocket")?;
    headers.set("sec-websocket-protocol", listener.protocol)?;
    headers.set(SUBSCRIPTION_HEADER, &serde_json::to_string(&subscription)?)?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let request = Request::new_with_init(LISTEN_URL, &init)?;
    object(env, &listener.workspace)?
        .fetch_with_request(request)
        .await
}

async fn call_object(env: &Env, envelope: &Envelope) -> Result<Reply> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_body(Some(serde_json::to_string(envelope)?.into()));
    let request = Request::new_with_init(CALL_URL, &init)?;
    let mut response = object(env, &envelope.workspace)?
        .fetch_with_request(request)
        .await?;
    if response.status_code() != 200 {
        return Err(worker::Error::RustError(format!(
            "the object answered {}",
            response.status_code()
        )));
    }
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}

fn object(env: &Env, workspace: &WorkspaceId) -> Result<Stub> {
    env.durable_object(BINDING)?.get_by_name(workspace.as_str())
}
