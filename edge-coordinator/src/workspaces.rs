//! The way from the worker to a workspace's Durable Object.

use syncsphere_coordinator_core::ledger::{Call, Reply};
use syncsphere_coordinator_core::{Listener, WorkspaceFailure, Workspaces};
use syncsphere_protocol::WorkspaceId;
use worker::{Context, Env, Headers, Request, RequestInit, Response, Result};

use crate::call_timings::CallTimings;
use crate::gathered_calls;
use crate::object_calls::{LISTEN_URL, SUBSCRIPTION_HEADER, Subscription, call_object, object};

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
