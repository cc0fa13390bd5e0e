use std::cell::OnceCell;

use syncsphere_protocol::{DatabaseStatus, DestinationStatus, ErrorCode, InvalidId, WorkspaceId};

use crate::api_error::{ApiError, invalid, rate_limited};
use crate::auth::{Authenticator, Scope, VerificationCache, digest_of};
use crate::budget::Budgeted;
use crate::config::{Config, Webhook};
use crate::context::Context;
use crate::http::dispatch::dispatch;
use crate::http::reply::{self, LogFields};
use crate::http::{Query, routes, subprotocol_token};
use crate::ledger::Command;
use crate::operations::deliver::{self, DeliveryOutcome, DeliveryResult};
use crate::operations::events::{self, EventOutcome, EventResult};
use crate::operations::jobs;
use crate::operations::operation_context::OperationContext;
use crate::operations::orphans::OrphanReport;
use crate::operations::storage_health::StorageHealth;
use crate::operations::workspaces_in_use::WorkspacesInUse;
use crate::ports::{
    EventQueue, IdentityProviders, MetadataDatabase, RequestBody, Storage, WebhookSender, WorkspaceFailure,
    Workspaces,
};

/// The WebSocket subprotocol of the change feed. Source: the contract, `docs/api.md`.
const EVENTS_PROTOCOL: &str = "syncsphere.v1";

/// The workspace whose ledger remembers how far the bucket has been looked through. Where somebody uses a
/// workspace of this name, neither is in the way of the other.
const ORPHANS_WORKSPACE: &str = "_strays";

/// The coordinator: what an operator has configured, and the keys of external issuers as far as they have
/// been fetched. One of them serves many requests, also at once.
#[derive(Debug)]
pub struct Coordinator {
    config: Config,
    known: VerificationCache,
    storage_health: StorageHealth,
    workspaces_in_use: WorkspacesInUse,
}

/// Somebody who may listen to a workspace's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whose changes.
    pub workspace: WorkspaceId,
    /// Replay everything after this sequence number; `None`: only what happens from now on.
    pub since: Option<u64>,
    /// When the token dies, in milliseconds since 1970: the connection has to end by then.
    pub expires_ms: i64,
    /// Who listens, by a digest that tells no more than that it is the same again.
    pub subject: String,
    /// The subprotocol to answer with.
    pub protocol: &'static str,
}

impl Coordinator {
    /// A coordinator with this configuration.
    pub fn new(config: Config) -> Self {
        Self {
            known: VerificationCache::none(&config.auth),
            storage_health: StorageHealth::default(),
            workspaces_in_use: WorkspacesInUse::default(),
            config,
        }
    }

    /// What it was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// `storage` for one invocation of a worker, which may ask it so often and no more
    /// ([`Config::storage_requests`]).
    pub fn within_budget<'a, S>(&self, storage: &'a S) -> Budgeted<'a, S> {
        Budgeted::new(storage, self.config.storage_requests())
    }

    /// Answers a request, whose body is read once it is known who asks. It never fails: whatever goes wrong becomes an
    /// `application/problem+json` reply, with a [`Cause`](crate::Cause) among the response's
    /// extensions where there is something that only the log may know.
    ///
    /// May be dropped at any await: an operation writes its intent before it asks storage, unless what a crash leaves there
    /// is found without it, and may be repeated.
    pub async fn handle<S: Storage, W: Workspaces, I: IdentityProviders, B: RequestBody>(
        &self,
        request: http::Request<B>,
        cx: Context,
        storage: &S,
        workspaces: &W,
        identity_providers: &I,
    ) -> http::Response<Vec<u8>> {
        let origin = reply::allowed_origin(request.headers(), &self.config.allowed_origins);
        let (head, body) = request.into_parts();
        let found = routes::find(head.uri.path());
        let op = self.operation_context(&cx, storage, workspaces);
        let mut response = if head.method == http::Method::OPTIONS {
            reply::preflight(found.template, &routes::all_methods())
        } else {
            match dispatch(
                &op,
                &self.authenticator(identity_providers, &cx),
                &found,
                &head,
                body,
            )
            .await
            {
                Ok(response) => response,
                Err(error) => reply::problem(error, &cx.request_id),
            }
        };
        response.extensions_mut().insert(LogFields {
            route: found.template,
            workspace: op.workspace.into_inner(),
        });
        reply::finish(response, &cx.request_id, origin.as_deref())
    }

    /// The reply to a client that asks too often: it may ask again after so many seconds.
    pub fn rate_limited<B>(
        &self,
        request: &http::Request<B>,
        cx: &Context,
        seconds: u32,
    ) -> http::Response<Vec<u8>> {
        self.refused(request, cx, rate_limited(seconds))
    }

    /// Whether a request for `GET /v1/events` may listen; the refusing reply where it may not.
    pub async fn authorize_listener<B, I: IdentityProviders>(
        &self,
        request: &http::Request<B>,
        cx: &Context,
        identity_providers: &I,
    ) -> Result<Listener, Box<http::Response<Vec<u8>>>> {
        self.listener(request, cx, identity_providers)
            .await
            .map_err(|error| Box::new(self.refused(request, cx, error)))
    }

    /// Carries out the jobs of a workspace that are due: expires uploads, resolves completions
    /// that were not heard of again, removes what nobody owns. Each job is put off before it is
    /// begun and settled after it, so that a crash loses none. Gives what was found of multipart
    /// uploads that no ledger knows, if that was among them.
    pub async fn run_due_jobs<S: Storage, W: Workspaces>(
        &self,
        workspace: &WorkspaceId,
        cx: &Context,
        storage: &S,
        workspaces: &W,
    ) -> Option<OrphanReport> {
        jobs::run_due_jobs(&self.operation_context(cx, storage, workspaces), workspace).await
    }

    /// Begins to look through the bucket for multipart uploads that no ledger knows. That is the
    /// job of one workspace, page by page, in which otherwise nothing happens.
    pub async fn look_for_orphans<S: Storage, W: Workspaces>(
        &self,
        cx: &Context,
        storage: &S,
        workspaces: &W,
    ) -> Result<(), WorkspaceFailure> {
        let workspace = ORPHANS_WORKSPACE.to_owned().try_into();
        let workspace = workspace.map_err(|error: InvalidId| WorkspaceFailure {
            cause: error.to_string(),
        })?;
        let command = Command::LookForOrphans { after: None };
        let call = self.operation_context(cx, storage, workspaces).call(command);
        workspaces.call(&workspace, call).await.map(drop)
    }

    /// Makes the workspace's next delivery to the metadata database, if one is due, and tells the
    /// ledger of the one before, whose result that is. Meant to be repeated, each time in a fresh
    /// context, and ended by [`Self::finish_deliveries`].
    pub async fn deliver<W: Workspaces, D: MetadataDatabase>(
        &self,
        workspace: &WorkspaceId,
        cx: &Context,
        workspaces: &W,
        database: &D,
        before: Option<DeliveryResult>,
    ) -> DeliveryOutcome {
        let op = self.operation_context(cx, &(), workspaces);
        deliver::deliver(&op, workspace, database, before).await
    }

    /// Tells the workspace's ledger how the last delivery went: by its result, or that it failed.
    /// Gives how far the database is.
    pub async fn finish_deliveries<W: Workspaces>(
        &self,
        workspace: &WorkspaceId,
        cx: &Context,
        workspaces: &W,
        result: Option<DeliveryResult>,
    ) -> Option<DatabaseStatus> {
        deliver::conclude(&self.operation_context(cx, &(), workspaces), workspace, result).await
    }

    /// Makes the workspace's next delivery to a webhook, if one is due, and tells the ledger of the one before, whose
    /// result that is. Meant to be repeated, each time in a fresh context, and ended by [`Self::finish_events`].
    pub async fn post_events<W: Workspaces, H: WebhookSender>(
        &self,
        workspace: &WorkspaceId,
        cx: &Context,
        workspaces: &W,
        webhook: &Webhook,
        sender: &H,
        before: Option<EventResult>,
    ) -> EventOutcome {
        let op = self.operation_context(cx, &(), workspaces);
        events::post(&op, workspace, webhook, sender, before).await
    }

    /// The same for the queue.
    pub async fn enqueue_events<W: Workspaces, Q: EventQueue>(
        &self,
        workspace: &WorkspaceId,
        cx: &Context,
        workspaces: &W,
        queue: &Q,
        before: Option<EventResult>,
    ) -> EventOutcome {
        let op = self.operation_context(cx, &(), workspaces);
        events::enqueue(&op, workspace, queue, before).await
    }

    /// Tells the workspace's ledger how the last delivery went. Gives how far the destination is.
    pub async fn finish_events<W: Workspaces>(
        &self,
        workspace: &WorkspaceId,
        cx: &Context,
        workspaces: &W,
        result: EventResult,
    ) -> Option<DestinationStatus> {
        events::conclude(&self.operation_context(cx, &(), workspaces), workspace, result).await
    }

    fn refused<B>(
        &self,
        request: &http::Request<B>,
        cx: &Context,
        error: ApiError,
    ) -> http::Response<Vec<u8>> {
        let origin = reply::allowed_origin(request.headers(), &self.config.allowed_origins);
        let mut response = reply::problem(error, &cx.request_id);
        response.extensions_mut().insert(LogFields {
            route: routes::find(request.uri().path()).template,
            workspace: None,
        });
        reply::finish(response, &cx.request_id, origin.as_deref())
    }

    fn operation_context<'a, S, W>(
        &'a self,
        cx: &'a Context,
        storage: &'a S,
        workspaces: &'a W,
    ) -> OperationContext<'a, S, W> {
        OperationContext {
            config: &self.config,
            cx,
            storage,
            workspaces,
            storage_health: &self.storage_health,
            workspaces_in_use: &self.workspaces_in_use,
            workspace: OnceCell::new(),
        }
    }

    fn authenticator<'a, I>(&'a self, identity_providers: &'a I, cx: &Context) -> Authenticator<'a, I> {
        Authenticator {
            auth: &self.config.auth,
            known: &self.known,
            identity_providers,
            now_ms: cx.now_ms,
        }
    }

    async fn listener<B, I: IdentityProviders>(
        &self,
        request: &http::Request<B>,
        cx: &Context,
        identity_providers: &I,
    ) -> Result<Listener, ApiError> {
        let is_upgrade = request
            .headers()
            .get(http::header::UPGRADE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !is_upgrade {
            return Err(invalid("this endpoint speaks WebSocket").with_status(426));
        }
        if !reply::may_connect(request, &self.config.allowed_origins) {
            let detail = "pages of this origin may not listen here";
            return Err(ApiError::new(ErrorCode::Forbidden, detail));
        }
        let token = subprotocol_token(request.headers(), EVENTS_PROTOCOL)?;
        let principal = self
            .authenticator(identity_providers, cx)
            .authenticate(token)
            .await?;
        principal.require(Scope::Read)?;
        Ok(Listener {
            since: Query::of(request.uri())?.number("since")?,
            subject: digest_of(&principal),
            workspace: principal.workspace,
            expires_ms: principal.expires_ms,
            protocol: EVENTS_PROTOCOL,
        })
    }
}

impl Listener {
    /// What the log may know of it.
    pub fn log_fields(&self) -> LogFields {
        LogFields {
            route: routes::find("/v1/events").template,
            workspace: Some(self.workspace.clone()),
        }
    }
}
