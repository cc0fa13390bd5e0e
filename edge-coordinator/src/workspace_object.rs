use std::cell::{Cell, RefCell};
use std::rc::Rc;

use syncsphere_coordinator_core::ledger::{Applied, Call, Command, Reply, SqlStore, apply};
use syncsphere_coordinator_core::{WorkspaceFailure, Workspaces};
use syncsphere_protocol::{Frame, WorkspaceId};
use worker::js_sys::{self, Function, Reflect};
use worker::wasm_bindgen::{self, JsCast, JsValue, closure::Closure};
use worker::worker_sys::WebSocketRequestResponsePair;
use worker::{
    DurableObject, Env, Error, Request, Response, ResponseBuilder, Result, ScheduledTime, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, console_error, durable_object,
};

use crate::database::ObjectDatabase;
use crate::environment::{self, now_ms};
use crate::listeners;
use crate::meter::Meter;
use crate::storage::FetchStorage;
use crate::workspaces::{Envelope, SUBSCRIPTION_HEADER, Subscription};

/// When to look after the chores again where it cannot be told, in milliseconds. Source: own choice.
const BLIND_PAUSE_MS: i64 = 60_000;

/// Changes read at once while a listener catches up. Source: own choice; about 700 KB.
const REPLAY_PAGE: u32 = 1000;

/// One workspace: its ledger in SQLite, its listeners, its alarm.
///
/// The object is single threaded and a call never waits between reading and writing, so calls are
/// carried out one after the other.
#[durable_object]
pub struct WorkspaceObject {
    state: State,
    env: Env,
    /// Whether the schema is known to be up to date.
    is_migrated: Cell<bool>,
    /// Whether the database is known to hold the workspace's name.
    is_identified: Cell<bool>,
    /// When the alarm is known to ring; the inner `None` means never.
    alarm: Cell<Option<Option<i64>>>,
}

impl DurableObject for WorkspaceObject {
    fn new(state: State, env: Env) -> Self {
        // Answered by the platform without waking the object.
        if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pair);
        }
        Self {
            state,
            env,
            is_migrated: Cell::new(false),
            is_identified: Cell::new(false),
            alarm: Cell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let answer = match request.headers().get(SUBSCRIPTION_HEADER)? {
            Some(subscription) => self.listen(&subscription, &request),
            None => self.answer_call(&request.bytes().await?).await,
        };
        answer.or_else(|error| {
            console_error!("{}", environment::log_line("workspace", 500, &error.to_string()));
            Response::error("the workspace failed", 500)
        })
    }

    async fn alarm(&self) -> Result<Response> {
        // The platform gives up after six failures, so nothing here is allowed to fail: whatever
        // happens, the alarm is set again.
        self.alarm.set(Some(None));
        let again_ms = match self.tend().await {
            Ok(wake_ms) => wake_ms,
            Err(error) => {
                console_error!("{}", environment::log_line("alarm", 500, &error.to_string()));
                Some(now_ms().saturating_add(BLIND_PAUSE_MS))
            }
        };
        self.arm(again_ms).await?;
        Response::empty()
    }

    async fn websocket_message(&self, _socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        // Listeners have nothing to say; pings are answered by the platform.
        Ok(())
    }

    async fn websocket_close(
        &self,
        _socket: WebSocket,
        _code: usize,
        _reason: String,
        _clean: bool,
    ) -> Result<()> {
        // The platform answers the close by itself.
        Ok(())
    }

    async fn websocket_error(&self, _socket: WebSocket, _error: Error) -> Result<()> {
        // The socket is gone; its client comes back and catches up.
        Ok(())
    }
}

impl WorkspaceObject {
    async fn answer_call(&self, body: &[u8]) -> Result<Response> {
        let Envelope { workspace, call } = serde_json::from_slice(body)?;
        let reply = self.carry_out(Some(workspace), call).await?;
        Response::from_json(&reply)
    }

    /// Carries out a call, tells the listeners, and sets the alarm.
    async fn carry_out(&self, workspace: Option<WorkspaceId>, call: Call) -> Result<Reply> {
        let now = call.now_ms;
        let applied = self.apply(workspace, call)?;
        listeners::broadcast(&self.state, applied.changes, now)?;
        self.arm(applied.wake_ms).await?;
        Ok(applied.reply)
    }

    /// Carries out a call in one transaction.
    fn apply(&self, workspace: Option<WorkspaceId>, call: Call) -> Result<Applied> {
        let store = self.store();
        let is_migrated = self.is_migrated.get();
        let to_identify = workspace.filter(|_| !self.is_identified.get());
        let is_identified = self.is_identified.get() || to_identify.is_some();
        let applied = self.transaction(move || {
            let mut store = store;
            if !is_migrated {
                store.migrate().map_err(|error| error.to_string())?;
            }
            if let Some(workspace) = &to_identify {
                store.set_identity(workspace).map_err(|error| error.to_string())?;
            }
            apply(&mut store, call).map_err(|error| error.to_string())
        })?;
        self.is_migrated.set(true);
        self.is_identified.set(is_identified);
        Ok(applied)
    }

    /// Runs `work` in a transaction: its writes are kept if it succeeds, and undone if it fails.
    fn transaction<T: 'static>(
        &self,
        work: impl FnOnce() -> std::result::Result<T, String> + 'static,
    ) -> Result<T> {
        let outcome = Rc::new(RefCell::new(None));
        let result = Rc::clone(&outcome);
        let body = Closure::once_into_js(move || -> std::result::Result<JsValue, JsValue> {
            let done = work().map_err(|cause| JsValue::from(js_sys::Error::new(&cause)))?;
            result.replace(Some(done));
            Ok(JsValue::UNDEFINED)
        });
        let storage = self.state.storage();
        let storage: &JsValue = storage.as_raw().as_ref();
        let transaction_sync: Function = Reflect::get(storage, &"transactionSync".into())?.dyn_into()?;
        transaction_sync.call1(storage, &body)?;
        outcome
            .take()
            .ok_or_else(|| Error::RustError("a transaction without an outcome".to_owned()))
    }

    /// Lets a listener in: first where the feed stands, then what it has missed, then, since
    /// nothing is waited for in between, every change to come.
    fn listen(&self, subscription: &str, request: &Request) -> Result<Response> {
        let subscription: Subscription = serde_json::from_str(subscription)?;
        let pair = WebSocketPair::new()?;
        listeners::accept(&self.state, &pair.server, subscription.expires_ms)?;
        let seq = match self.apply(None, self.call(Command::Head))?.reply {
            Reply::Head { seq } => seq,
            _ => return Err(Error::RustError("a head was asked for".to_owned())),
        };
        listeners::send(&pair.server, &Frame::Hello { seq })?;
        if let Some(since) = subscription.since {
            self.replay(&pair.server, since)?;
        }
        let protocol = request
            .headers()
            .get("sec-websocket-protocol")?
            .unwrap_or_default();
        Ok(ResponseBuilder::new()
            .with_status(101)
            .with_header("sec-websocket-protocol", &protocol)?
            .with_websocket(pair.client)
            .empty())
    }

    fn replay(&self, socket: &WebSocket, mut since: u64) -> Result<()> {
        loop {
            let command = Command::Changes {
                since,
                limit: REPLAY_PAGE,
            };
            let Reply::Changes(page) = self.apply(None, self.call(command))?.reply else {
                return Err(Error::RustError("changes were asked for".to_owned()));
            };
            if let Some(seq) = page.reset {
                return listeners::send(socket, &Frame::Reset { seq });
            }
            let Some(last) = page.changes.last() else {
                return Ok(());
            };
            since = last.seq;
            for change in page.changes {
                listeners::send(socket, &Frame::Change(Box::new(change)))?;
            }
        }
    }

    /// Carries out the chores that are due and gives the time of the next.
    async fn tend(&self) -> Result<Option<i64>> {
        let store = self.store();
        let failed = |error: &dyn std::error::Error| Error::RustError(error.to_string());
        store.migrate().map_err(|error| failed(&error))?;
        let workspace = store.identity().map_err(|error| failed(&error))?;
        let coordinator = environment::coordinator(&self.env).map_err(|error| failed(&error))?;
        let Some(workspace) = workspace else {
            // Nobody has ever called, so there is nothing to do.
            return Ok(None);
        };
        let cx = environment::context()?;
        coordinator
            .tend(&workspace, &cx, &FetchStorage::new(&Meter::default()), self)
            .await;
        let head = self.apply(None, self.call(Command::Head))?;
        Ok(head.wake_ms)
    }

    /// Sets the alarm, if it is not set to that time already.
    async fn arm(&self, wake_ms: Option<i64>) -> Result<()> {
        if self.alarm.get() == Some(wake_ms) {
            return Ok(());
        }
        let storage = self.state.storage();
        match wake_ms {
            None => storage.delete_alarm().await?,
            Some(at_ms) => {
                #[allow(clippy::cast_precision_loss)]
                let at = js_sys::Date::new(&JsValue::from_f64(at_ms as f64));
                storage.set_alarm(ScheduledTime::new(at)).await?;
            }
        }
        self.alarm.set(Some(wake_ms));
        Ok(())
    }

    fn store(&self) -> SqlStore<ObjectDatabase> {
        SqlStore::new(ObjectDatabase(self.state.storage().sql()))
    }

    fn call(&self, command: Command) -> Call {
        Call {
            now_ms: now_ms(),
            command,
        }
    }
}

/// The alarm asks its own ledger, without leaving the object.
impl Workspaces for WorkspaceObject {
    async fn call(
        &self,
        _workspace: &WorkspaceId,
        call: Call,
    ) -> std::result::Result<Reply, WorkspaceFailure> {
        self.carry_out(None, call)
            .await
            .map_err(|error| WorkspaceFailure {
                cause: error.to_string(),
            })
    }
}
