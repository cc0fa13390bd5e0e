//! The run loop: inputs go into the engine, and its actions are carried out.

use std::cell::{Cell, RefCell};

use syncsphere_protocol::{Redacted, VersionBase};
use syncsphere_upload_core::{
    Action, AttemptId, Call, CallFailure, CallId, Connections, Engine, FileDescription, Input, Json,
    Malformed, Moment, Notice, Reason, Reply, TaskId, TaskState, UploadError, file_record_json, origin_of,
};
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use crate::clock::Clock;
use crate::dispatcher::Dispatcher;
use crate::host::{ConductorHost, LaneLink};
use crate::json;
use crate::options::Options;

/// The engine with all that its actions need. Every input and every action passes here.
pub(crate) struct Shell {
    engine: RefCell<Engine>,
    dispatcher: RefCell<Dispatcher>,
    /// By task. A JavaScript map, for it holds JavaScript objects and costs no code to load.
    files: js_sys::Map,
    endpoint: String,
    /// The calls that have not been answered.
    asked: RefCell<Vec<(CallId, Box<Call>)>>,
    host: ConductorHost,
    storage: Cell<Connections>,
    clock: Clock,
    /// When the host is to wake the engine.
    alarm: Cell<Option<Moment>>,
}

impl Shell {
    /// An engine that has nothing to do, with these lanes.
    pub(crate) fn new(host: ConductorHost, lanes: Vec<LaneLink>, options: Options, seed: u64) -> Self {
        Self {
            engine: RefCell::new(Engine::new(options.config, seed)),
            dispatcher: RefCell::new(Dispatcher::new(lanes)),
            files: js_sys::Map::new(),
            endpoint: options.endpoint,
            asked: RefCell::default(),
            host,
            storage: Cell::default(),
            clock: Clock::default(),
            alarm: Cell::default(),
        }
    }

    /// Takes the file of a new task, and reads what the page says of it.
    pub(crate) fn take_file(
        &self,
        task: u32,
        file: Blob,
        description: &str,
    ) -> Result<FileDescription, JsError> {
        let description = json::parse(description)
            .and_then(|json| read_description(json, file.size() as u64))
            .map_err(|_| JsError::new("the description is not valid"))?;
        self.files.set(&task.into(), &file);
        Ok(description)
    }

    fn file(&self, task: TaskId) -> Option<Blob> {
        self.files.get(&task.0.into()).dyn_into().ok()
    }

    /// A lane has ended an attempt.
    pub(crate) fn answered(&self, attempt: AttemptId, input: impl FnOnce(AttemptId) -> Input) {
        self.dispatcher.borrow_mut().ended(attempt);
        self.feed(input(attempt));
    }

    /// One mutation, then drain.
    pub(crate) fn feed(&self, input: Input) {
        self.engine.borrow_mut().handle_input(input, self.clock.now());
        loop {
            // Bound first, so that the engine is free again while the action is performed.
            let action = self.engine.borrow_mut().poll_action();
            match action {
                Some(action) => self.perform(action),
                None => break,
            }
        }
        self.set_alarm();
    }

    /// The moment that `wake` named has come.
    pub(crate) fn awake(&self) {
        // The engine may ask for the same moment again.
        self.alarm.set(None);
        self.feed(Input::Timeout);
    }

    /// Tells the host what the engine does at the moment.
    pub(crate) fn show_activity(&self) {
        let now = self.engine.borrow().activity();
        self.host.activity(
            now.window as u32,
            now.in_flight as u32,
            now.waiting as u32,
            now.retries,
            now.hedges,
        );
    }

    /// Tells the host where the parts of a task stand that is under way.
    pub(crate) fn show_parts(&self, task: TaskId) {
        let parts = self.engine.borrow().parts(task);
        if let Some(parts) = parts {
            let states: Vec<u8> = parts.states.into_iter().map(|state| state as u8).collect();
            self.host.parts(task.0, parts.part_size as f64, &states);
        }
    }

    fn perform(&self, action: Action) {
        match action {
            Action::Hash {
                attempt,
                task,
                range,
                by,
            } => {
                if let Some(file) = self.file(task) {
                    self.dispatcher.borrow_mut().hash(attempt, &file, range, by);
                }
            }
            Action::Send {
                attempt,
                task,
                range,
                request,
            } => {
                let shared = self.storage.get() == Connections::Http1 && self.is_own_origin(&request.url);
                if let Some(file) = self.file(task) {
                    self.dispatcher.borrow_mut().send(attempt, &file, range, request);
                }
                if shared {
                    self.learn(Connections::Http1Shared);
                }
            }
            Action::Cancel { attempt } => self.dispatcher.borrow_mut().cancel(attempt),
            Action::Examine { request, length } => {
                self.host.examine(&request.method, &request.url, length as f64);
            }
            Action::Call { call, request } => {
                let asked = request.request();
                self.asked.borrow_mut().push((call, request));
                self.host.ask(
                    call.0,
                    asked.method,
                    &asked.path,
                    asked.body,
                    asked.idempotency_key,
                    asked.is_slow,
                );
            }
            Action::Save { task, checkpoint } => {
                let text = checkpoint.to_json();
                self.host.save(task.0, checkpoint.upload_id.as_str(), &text);
            }
            Action::Forget { task } => self.host.forget(task.0),
            Action::Notify { task, notice } => self.notify(task, notice),
        }
    }

    /// Whether a URL is of the coordinator's own origin.
    fn is_own_origin(&self, url: &str) -> bool {
        origin_of(url) == origin_of(&self.endpoint)
    }

    /// The coordinator has answered a call, or will not.
    pub(crate) fn replied(&self, call: u64, read: impl FnOnce(&Call) -> Result<Reply, CallFailure>) {
        let call = CallId(call);
        let asked = {
            let mut asked = self.asked.borrow_mut();
            let index = asked.iter().position(|(known, _)| *known == call);
            index.map(|index| asked.swap_remove(index).1)
        };
        if let Some(asked) = asked {
            let result = read(&asked);
            self.feed(Input::Replied { call, result });
        }
    }

    /// How requests reach storage, which the engine wants to know only when it changes.
    pub(crate) fn learn(&self, seen: Connections) {
        if self.storage.replace(seen) != seen {
            self.feed(Input::Storage(seen));
        }
    }

    fn notify(&self, task: TaskId, notice: Notice) {
        match notice {
            Notice::State(state) => {
                if state.is_final() {
                    self.files.delete(&task.0.into());
                }
                // The page hears of these two with the record or the error, which follow at once.
                if !matches!(state, TaskState::Available | TaskState::Failed) {
                    self.host.state(task.0, state.as_str());
                }
            }
            Notice::Progress(progress) => self.host.progress(
                task.0,
                progress.loaded as f64,
                progress.total as f64,
                progress.rate,
                progress.eta_seconds,
            ),
            Notice::Available(record) => {
                self.host.available(task.0, &file_record_json(&record));
            }
            Notice::Failed(error) => self.report(task, &error),
        }
    }

    fn report(&self, task: TaskId, error: &UploadError) {
        self.host.failed(
            task.0,
            error.code.as_str(),
            error.reason.map(Reason::as_str),
            error.retryable,
            error.resumable,
            &error.message,
            &error.request_id,
            error.status,
        );
    }

    fn set_alarm(&self) {
        let wanted = self.engine.borrow().poll_timeout().map(|(at, _why)| at);
        if self.alarm.replace(wanted) != wanted {
            self.host.wake(wanted.map(|at| self.clock.millis_until(at)));
        }
    }
}

/// What the page says of a file.
fn read_description(json: Json, size: u64) -> Result<FileDescription, Malformed> {
    let mut json = json.object()?;
    Ok(FileDescription {
        name: json.text("name")?.into(),
        size,
        content_type: json.text("contentType")?,
        last_modified: json.optional("lastModified", Json::integer)?,
        path: json.optional("path", Json::text)?.map(Redacted),
        metadata: json.optional("metadata", Json::string_map)?.map(Redacted),
        base: json.optional("base", |json| {
            VersionBase::try_from(json.text()?).map_err(|_| Malformed)
        })?,
        priority: json.optional("priority", Json::integer)?.unwrap_or_default() as i32,
    })
}
