use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use syncsphere_coordinator_core::ledger::{
    Applied, Call, Command, Destination, Reply, SqlStore, Store, apply,
};
use syncsphere_coordinator_core::{Coordinator, Storage, WorkspaceFailure, Workspaces};
use syncsphere_protocol::WorkspaceId;
use worker::js_sys::{self, Function, Reflect};
use worker::wasm_bindgen::{self, JsCast, JsValue, closure::Closure};
use worker::worker_sys::WebSocketRequestResponsePair;
use worker::{
    Delay, DurableObject, Env, Error, Request, Response, ResponseBuilder, Result, ScheduledTime, State,
    WebSocket, WebSocketIncomingMessage, WebSocketPair, console_error, durable_object,
};

use crate::call_timings::CallTimings;
use crate::database::{ObjectDatabase, store_of};
use crate::deliveries;
use crate::environment::{self, now_ms};
use crate::event_deliveries::{self, Company};
use crate::event_destinations::BoundQueue;
use crate::listeners::Listeners;
use crate::metadata_database;
use crate::object_calls::{Answer, CALLS_URL, Envelope, Envelopes, SUBSCRIPTION_HEADER, Subscription};
use crate::orphans;
use crate::storage::FetchStorage;
use crate::unreadable_rows;
use crate::workspaces::RemoteWorkspaces;

/// When to look after the jobs again where they cannot be carried out at all, in milliseconds: as long after as
/// they are overdue, so that it doubles each time, within these limits. Source: own choice.
const SHORTEST_FALLBACK_DELAY_MS: i64 = 2_000;
const LONGEST_FALLBACK_DELAY_MS: i64 = 60 * 60 * 1000;

/// Source: RFC 6455, section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

/// Between two looks for jobs while the metadata database keeps a delivery waiting. Source: own choice.
const JOBS_PAUSE: Duration = Duration::from_secs(1);

/// One workspace: its ledger in SQLite, its listeners, its alarm.
///
/// The object is single threaded and a call never waits between reading and writing, so calls are
/// carried out one after the other.
#[durable_object]
pub struct WorkspaceObject {
    state: Rc<State>,
    env: Env,
    listeners: Listeners,
    /// Whether the schema is known to be up to date.
    is_migrated: Cell<bool>,
    /// Whether the database is known to hold the workspace's name.
    is_identified: Cell<bool>,
    /// When the alarm is known to ring; the inner `None` means never.
    alarm: Cell<Option<Option<i64>>>,
    /// Whether the deployment has a metadata database.
    has_metadata_database: bool,
    /// Where else changes go.
    destinations: Rc<[Destination]>,
    /// Rows that could not be read and that the log has been told of.
    unreadable_told: Cell<u64>,
}

impl DurableObject for WorkspaceObject {
    fn new(state: State, env: Env) -> Self {
        // Answered by the platform without waking the object.
        if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pair);
        }
        let state = Rc::new(state);
        Self {
            listeners: Listeners::new(Rc::clone(&state)),
            has_metadata_database: metadata_database::is_bound(&env),
            destinations: destinations(&env),
            state,
            env,
            is_migrated: Cell::new(false),
            is_identified: Cell::new(false),
            alarm: Cell::new(None),
            unreadable_told: Cell::new(0),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let answer = match request.headers().get(SUBSCRIPTION_HEADER)? {
            Some(subscription) => self.listen(&subscription, &request),
            None if request.url()?.as_str() == CALLS_URL => self.answer_calls(&request.bytes().await?).await,
            None => self.answer_call(&request.bytes().await?).await,
        };
        answer.or_else(|error| {
            console_error!("{}", environment::log_line("workspace", 500, &error.to_string()));
            Response::error("the workspace failed", 500)
        })
    }

    async fn alarm(&self) -> Result<Response> {
        // The platform gives up after six failures, and a machine may die in the middle of the jobs. So the
        // next alarm is set before anything else, and nothing here fails.
        self.alarm.set(Some(None));
        let fallback_ms = now_ms().saturating_add(self.fallback_delay_ms());
        let outcome = match self.set_alarm_at(Some(fallback_ms)).await {
            Ok(()) => self.run_due_jobs().await,
            Err(error) => Err(error),
        };
        let armed = match outcome {
            Ok(wake_ms) => self.set_alarm_at(wake_ms).await,
            Err(error) => Err(error),
        };
        if let Err(error) = armed {
            console_error!("{}", environment::log_line("alarm", 500, &error.to_string()));
        }
        Response::empty()
    }

    async fn websocket_message(&self, _socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        // Listeners have nothing to say; pings are answered by the platform.
        Ok(())
    }

    async fn websocket_close(
        &self,
        socket: WebSocket,
        _code: usize,
        _reason: String,
        _clean: bool,
    ) -> Result<()> {
        // Whoever leaves waits for the answer, browsers for ten seconds. One that is gone needs none.
        let _ = socket.close(Some(NORMAL_CLOSURE), Some("goodbye"));
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

    /// Carries out several calls in one turn, each in a transaction of its own: the platform writes all of them to disk at
    /// once, and one that fails undoes no other.
    async fn answer_calls(&self, body: &[u8]) -> Result<Response> {
        let Envelopes { workspace, calls } = serde_json::from_slice(body)?;
        let mut changes = Vec::new();
        let mut wake_ms = None;
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            answers.push(match self.apply(Some(workspace.clone()), call) {
                Ok(applied) => {
                    changes.extend(applied.changes);
                    wake_ms = Some(applied.wake_ms);
                    Answer::Reply(Box::new(applied.reply))
                }
                Err(error) => {
                    console_error!("{}", environment::log_line("workspace", 500, &error.to_string()));
                    Answer::Failed(error.to_string())
                }
            });
        }
        self.listeners.broadcast(changes)?;
        if let Some(wake_ms) = wake_ms {
            self.set_alarm_at(wake_ms).await?;
        }
        Response::from_json(&answers)
    }

    /// Carries out a call, tells the listeners, and sets the alarm.
    async fn carry_out(&self, workspace: Option<WorkspaceId>, call: Call) -> Result<Reply> {
        let applied = self.apply(workspace, call)?;
        self.listeners.broadcast(applied.changes)?;
        self.set_alarm_at(applied.wake_ms).await?;
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

    fn store(&self) -> SqlStore<ObjectDatabase> {
        store_of(&self.state)
            .with_metadata_database(self.has_metadata_database)
            .with_destinations(Rc::clone(&self.destinations))
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

    /// Lets a listener in.
    fn listen(&self, subscription: &str, request: &Request) -> Result<Response> {
        let subscription: Subscription = serde_json::from_str(subscription)?;
        if !self.is_migrated.get() {
            self.apply(None, self.call(Command::Head))?;
        }
        if !self.listeners.has_room_for(&subscription) {
            return Response::error("too many listeners of one subject", 429);
        }
        let pair = WebSocketPair::new()?;
        self.listeners.admit(pair.server, &subscription)?;
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

    /// Carries out the jobs and the deliveries that are due and gives the time of the next.
    async fn run_due_jobs(&self) -> Result<Option<i64>> {
        let store = self.store();
        let failed = |error: &dyn std::error::Error| Error::RustError(error.to_string());
        store.migrate().map_err(|error| failed(&error))?;
        let workspace = store.identity().map_err(|error| failed(&error))?;
        let coordinator = environment::coordinator(&self.env).map_err(|error| failed(&error))?;
        let Some(workspace) = workspace else {
            // Nobody has ever called, so there is nothing to do.
            return Ok(None);
        };
        self.run_jobs_and_deliveries(&coordinator, &workspace).await?;
        let (unreadable, last) = self.store().unreadable().map_err(|error| failed(&error))?;
        if unreadable > self.unreadable_told.replace(unreadable) {
            unreadable_rows::log(&workspace, unreadable, last.as_ref());
        }
        let head = self.apply(None, self.call(Command::Head))?;
        Ok(head.wake_ms)
    }

    /// Carries out the jobs that are due, and makes deliveries beside them. While the metadata database
    /// keeps a delivery waiting, jobs are carried out as they become due.
    async fn run_jobs_and_deliveries(
        &self,
        coordinator: &Coordinator,
        workspace: &WorkspaceId,
    ) -> Result<()> {
        let timings = CallTimings::default();
        let workspaces = LocalWorkspaces {
            object: self,
            own: workspace,
            others: RemoteWorkspaces::new(&self.env, &timings),
        };
        // One invocation, however often jobs are looked for in it.
        let storage = FetchStorage::new(&timings);
        let storage = coordinator.within_budget(&storage);
        let company = Company::begin();
        let to_database =
            company.work(async || deliveries::make(&self.env, coordinator, workspace, &workspaces).await);
        let events =
            event_deliveries::make(&self.env, coordinator, workspace, &workspaces, &storage, &company);
        let deliveries = async {
            let (to_database, events) = join(to_database, events).await;
            to_database.and(events)
        };
        let mut deliveries = pin!(deliveries);
        loop {
            let jobs = pin!(self.run_jobs(coordinator, workspace, &storage, &workspaces));
            match select(deliveries.as_mut(), jobs).await {
                Either::Left((delivered, jobs)) => return jobs.await.and(delivered),
                Either::Right((carried_out, _)) => carried_out?,
            }
            let pause = pin!(Delay::from(JOBS_PAUSE));
            if let Either::Left((delivered, _)) = select(deliveries.as_mut(), pause).await {
                return delivered;
            }
        }
    }

    async fn run_jobs(
        &self,
        coordinator: &Coordinator,
        workspace: &WorkspaceId,
        storage: &impl Storage,
        workspaces: &LocalWorkspaces<'_>,
    ) -> Result<()> {
        let cx = environment::context()?;
        let report = coordinator
            .run_due_jobs(workspace, &cx, storage, workspaces)
            .await;
        if let Some(report) = report {
            orphans::log(&report);
        }
        Ok(())
    }

    fn fallback_delay_ms(&self) -> i64 {
        let due_ms = store_of(&self.state).next_due();
        let overdue_ms = due_ms
            .ok()
            .flatten()
            .map_or(0, |due_ms| now_ms().saturating_sub(due_ms));
        overdue_ms.clamp(SHORTEST_FALLBACK_DELAY_MS, LONGEST_FALLBACK_DELAY_MS)
    }

    /// Sets the alarm, if it is not set to that time already.
    async fn set_alarm_at(&self, wake_ms: Option<i64>) -> Result<()> {
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

    fn call(&self, command: Command) -> Call {
        Call {
            now_ms: now_ms(),
            keep_changes_ms: i64::MAX,
            retention: None,
            command,
        }
    }
}

/// Where changes go one by one. A deployment whose variables are wrong answers nothing, so there are none.
fn destinations(env: &Env) -> Rc<[Destination]> {
    let has_queue = BoundQueue::of(env).is_some();
    let coordinator = environment::coordinator(env).ok();
    coordinator.map_or_else(Rc::default, |coordinator| {
        coordinator.config().destinations(has_queue).into()
    })
}

/// The workspaces as the alarm asks them: its own without leaving the object.
struct LocalWorkspaces<'a> {
    object: &'a WorkspaceObject,
    own: &'a WorkspaceId,
    others: RemoteWorkspaces<'a>,
}

impl Workspaces for LocalWorkspaces<'_> {
    async fn call(
        &self,
        workspace: &WorkspaceId,
        call: Call,
    ) -> std::result::Result<Reply, WorkspaceFailure> {
        if workspace != self.own {
            return self.others.call(workspace, call).await;
        }
        self.object
            .carry_out(None, call)
            .await
            .map_err(|error| WorkspaceFailure {
                cause: error.to_string(),
            })
    }
}
