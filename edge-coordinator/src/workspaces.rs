//! The way from the worker to a workspace's Durable Object, and the form of what travels there.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use syncsphere_coordinator_core::ledger::{Call, Reply};
use syncsphere_coordinator_core::{Listener, WorkspaceFailure, Workspaces};
use syncsphere_protocol::WorkspaceId;
use worker::{Context, Env, Headers, Method, Request, RequestInit, Response, Result, Stub};

use crate::call_timings::CallTimings;
use crate::gathered_calls;

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

/// The workspaces, each in its Durable Object.
pub(crate) struct RemoteWorkspaces<'a> {
    env: &'a Env,
    timings: &'a CallTimings,
    /// The request whose calls may go together with those of others.
    gathering_in: Option<&'a Context>,
}

impl<'a> RemoteWorkspaces<'a> {
    /// Asked one call at a time.
    pub(crate) fn new(env: &'a Env, timings: &'a CallTimings) -> Self {
        Self {
            env,
            timings,
            gathering_in: None,
        }
    }

    /// Asked together with other requests of the isolate.
    pub(crate) fn gathering(env: &'a Env, timings: &'a CallTimings, context: &'a Context) -> Self {
        Self {
            gathering_in: Some(context),
            ..Self::new(env, timings)
        }
    }

    async fn ask(&self, workspace: &WorkspaceId, call: Call) -> Result<Reply> {
        match self.gathering_in {
            Some(context) => gathered_calls::call(self.env, context, workspace, call).await,
            None => call_object(self.env, workspace, call).await,
        }
    }
}

impl Workspaces for RemoteWorkspaces<'_> {
    async fn call(
        &self,
        workspace: &WorkspaceId,
        call: Call,
    ) -> std::result::Result<Reply, WorkspaceFailure> {
        self.timings
            .measure(self.ask(workspace, call))
            .await
            .map_err(|error| WorkspaceFailure {
                cause: error.to_string(),
            })
    }
}

/// Hands a WebSocket over to its workspace's object. Where its subject has too many already the answer is 429.
pub(crate) async fn connect(env: &Env, listener: &Listener) -> Result<Response> {
    let subscription = Subscription {
        since: listener.since,
        expires_ms: listener.expires_ms,
        subject: listener.subject.clone(),
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
    let mut response = object(env, workspace)?.fetch_with_request(request).await?;
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
