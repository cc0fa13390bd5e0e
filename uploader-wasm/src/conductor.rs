use std::cell::{Cell, RefCell};

use syncsphere_protocol::{Crc64Nvme, ErrorCode, Problem, Redacted};
use syncsphere_upload_core::{
    Action, AttemptId, Call, CallFailure, CallId, Checkpoint, Connections, Engine, FileDescription, Input,
    InvalidCheckpoint, Json, Malformed, Moment, Notice, Reason, Reply, TaskId, TaskState, TransferFailure,
    UploadError, file_record_json,
};
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use crate::dispatcher::Dispatcher;
use crate::host::{ConductorHost, LaneLink, performance};
use crate::json;
use crate::options::Options;

/// Runs the upload engine for all files of a page. One per `Uploader`, in a worker of its own.
#[wasm_bindgen]
pub struct Conductor(&'static Shell);

/// How many bytes storage had taken of the upload that a kept checkpoint is of; `undefined` if it is damaged or a newer
/// version wrote it. Where there is a number, the checkpoint is JSON with the file's `name` and `size`.
#[wasm_bindgen(js_name = loadedBytes)]
pub fn loaded_bytes(checkpoint: &str) -> Option<f64> {
    let checkpoint = read_kept(checkpoint).ok()?;
    Some(checkpoint.loaded() as f64)
}

#[wasm_bindgen]
impl Conductor {
    /// Starts with the page's options as JSON. `seed` must be random: it makes idempotency keys.
    /// Fails only on options that the page should have refused.
    #[wasm_bindgen(constructor)]
    pub fn new(host: ConductorHost, lanes: Vec<LaneLink>, options: &str, seed: u64) -> Result<Self, JsError> {
        let options = json::parse(options)
            .and_then(Options::read)
            .map_err(|_| JsError::new("the options are not valid"))?;
        // For as long as its worker lives: nothing would be gained by code that frees it.
        Ok(Self(Box::leak(Box::new(Shell {
            engine: RefCell::new(Engine::new(options.config, seed)),
            dispatcher: RefCell::new(Dispatcher::new(lanes)),
            files: js_sys::Map::new(),
            endpoint: options.endpoint,
            asked: RefCell::default(),
            host,
            storage: Cell::default(),
            alarm: Cell::default(),
        }))))
    }

    /// Takes a file to upload; `description` is JSON. `task` must be a number not used before.
    pub fn add(&self, task: u32, file: Blob, description: &str) -> Result<(), JsError> {
        let file_description = self.0.take_file(task, file, description)?;
        self.0.feed(Input::Add {
            task: TaskId(task),
            file: file_description,
        });
        Ok(())
    }

    /// Goes on with an upload of an earlier page, whose file is at hand again.
    pub fn restore(&self, task: u32, file: Blob, description: &str, checkpoint: &str) -> Result<(), JsError> {
        let checkpoint = read_kept(checkpoint).map_err(|_| JsError::new("the checkpoint is not valid"))?;
        let file_description = self.0.take_file(task, file, description)?;
        self.0.feed(Input::Restore {
            task: TaskId(task),
            file: file_description,
            checkpoint,
        });
        Ok(())
    }

    /// Frees what storage holds of an upload that an earlier page left.
    pub fn discard(&self, upload_id: &str) {
        if let Ok(upload_id) = upload_id.parse() {
            self.0.feed(Input::Discard(upload_id));
        }
    }

    /// Stops sending; keeps what is stored.
    pub fn pause(&self, task: u32) {
        self.0.feed(Input::Pause(TaskId(task)));
    }

    /// Goes on after a pause.
    pub fn resume(&self, task: u32) {
        self.0.feed(Input::Resume(TaskId(task)));
    }

    /// Gives an upload up.
    pub fn abort(&self, task: u32) {
        self.0.feed(Input::Abort(TaskId(task)));
    }

    /// The browser says that there is a network, or none.
    pub fn network(&self, online: bool) {
        self.0.feed(Input::Network { online });
    }

    /// The moment that `wake` named has come.
    pub fn awake(&self) {
        // The engine may ask for the same moment again.
        self.0.alarm.set(None);
        self.0.feed(Input::Timeout);
    }

    /// Has the host told, by `activity`, what the engine does at the moment.
    #[wasm_bindgen(js_name = showActivity)]
    pub fn show_activity(&self) {
        let now = self.0.engine.borrow().activity();
        self.0.host.activity(
            now.window as u32,
            now.in_flight as u32,
            now.waiting as u32,
            now.retries,
            now.hedges,
        );
    }

    /// Has the host told, by `parts`, where the parts of a task stand; of one that is not under way it
    /// hears nothing.
    #[wasm_bindgen(js_name = showParts)]
    pub fn show_parts(&self, task: u32) {
        let parts = self.0.engine.borrow().parts(TaskId(task));
        if let Some(parts) = parts {
            let states: Vec<u8> = parts.states.into_iter().map(|state| state as u8).collect();
            self.0.host.parts(task, parts.part_size as f64, &states);
        }
    }

    /// The coordinator has answered a call. A body that is none of ours, or too long, is told as empty.
    pub fn replied(&self, call: u64, status: u16, body: &str) {
        let body = json::parse(body).unwrap_or(Json::Null);
        self.0.replied(call, |asked| asked.answered(status, body));
    }

    /// There is no answer to a call; the words are those of `ConductorHost`.
    pub fn unanswered(&self, call: u64, failure: &str) {
        let failure = match failure {
            "timed_out" => CallFailure::TimedOut,
            "no_token" => {
                let text = "the page gave no access token";
                CallFailure::Problem(Problem::new(ErrorCode::Unauthenticated, text))
            }
            _ => CallFailure::Network,
        };
        self.0.replied(call, |_| Err(failure));
    }

    /// What keeps this page from storage, in the word of `UploadError.reason`; `undefined` where nothing was found.
    pub fn examined(&self, reason: Option<String>) {
        let reason = reason.and_then(|word| Reason::of_no_answer(&word));
        self.0.feed(Input::Examined(reason));
    }

    /// A lane has computed a checksum.
    pub fn hashed(&self, attempt: u64, crc64nvme: u64) {
        self.0.answered(AttemptId(attempt), |attempt| Input::Hashed {
            attempt,
            crc64nvme: Crc64Nvme::from_u64(crc64nvme),
        });
    }

    /// A lane has handed bytes to the network.
    pub fn sent(&self, attempt: u64, loaded: f64) {
        self.0.feed(Input::Sent {
            attempt: AttemptId(attempt),
            loaded: loaded as u64,
        });
    }

    /// Storage has taken a part from a lane, over this protocol, where the browser tells.
    pub fn stored(&self, attempt: u64, protocol: Option<String>) {
        // Source: the IANA registry of ALPN names; anything else is a version of HTTP/1.
        if protocol.is_some_and(|name| name.starts_with("h2") || name.starts_with("h3")) {
            self.0.learn(Connections::Multiplexed);
        }
        self.0
            .answered(AttemptId(attempt), |attempt| Input::Stored { attempt });
    }

    /// A lane has failed; the words are those of its message.
    #[wasm_bindgen(js_name = attemptFailed)]
    pub fn attempt_failed(
        &self,
        attempt: u64,
        failure: &str,
        status: u16,
        body: String,
        retry_after: Option<u32>,
    ) {
        let failure = match failure {
            "refused" => TransferFailure::Refused {
                status,
                body,
                retry_after,
            },
            "file_changed" => TransferFailure::FileChanged,
            "file_unreadable" => TransferFailure::FileUnreadable,
            _ => TransferFailure::Network,
        };
        self.0
            .answered(AttemptId(attempt), |attempt| Input::AttemptFailed {
                attempt,
                failure,
            });
    }
}

struct Shell {
    engine: RefCell<Engine>,
    dispatcher: RefCell<Dispatcher>,
    /// By task. A JavaScript map, for it holds JavaScript objects and costs no code to load.
    files: js_sys::Map,
    endpoint: String,
    /// The calls that have not been answered.
    asked: RefCell<Vec<(CallId, Box<Call>)>>,
    host: ConductorHost,
    storage: Cell<Connections>,
    /// When the host is to wake the engine.
    alarm: Cell<Option<Moment>>,
}

impl Shell {
    fn take_file(&self, task: u32, file: Blob, description: &str) -> Result<FileDescription, JsError> {
        let description = json::parse(description)
            .and_then(|json| read_description(json, file.size() as u64))
            .map_err(|_| JsError::new("the description is not valid"))?;
        self.files.set(&task.into(), &file);
        Ok(description)
    }

    fn file(&self, task: TaskId) -> Option<Blob> {
        self.files.get(&task.0.into()).dyn_into().ok()
    }

    fn answered(&self, attempt: AttemptId, input: impl FnOnce(AttemptId) -> Input) {
        self.dispatcher.borrow_mut().ended(attempt);
        self.feed(input(attempt));
    }

    /// One mutation, then drain.
    fn feed(&self, input: Input) {
        self.engine.borrow_mut().handle_input(input, now());
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

    fn perform(&self, action: Action) {
        match action {
            Action::Hash { attempt, task, range } => {
                if let Some(file) = self.file(task) {
                    self.dispatcher.borrow_mut().hash(attempt, &file, range);
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
            Action::Examine { request } => self.host.examine(&request.method, &request.url),
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
        origin(url) == origin(&self.endpoint)
    }

    /// The coordinator has answered a call, or will not.
    fn replied(&self, call: u64, read: impl FnOnce(&Call) -> Result<Reply, CallFailure>) {
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
    fn learn(&self, seen: Connections) {
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
            &error.message,
            &error.request_id,
            error.status,
        );
    }

    fn set_alarm(&self) {
        let wanted = self.engine.borrow().poll_timeout().map(|(at, _why)| at);
        if self.alarm.replace(wanted) != wanted {
            self.host.wake(wanted.map(millis_until));
        }
    }
}

/// The beginning of a URL: its scheme, and its host with port.
fn origin(url: &str) -> &str {
    let slashes = url.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
    let end = slashes.map(|(at, _)| at).nth(2);
    end.and_then(|end| url.get(..end)).unwrap_or(url)
}

fn read_kept(checkpoint: &str) -> Result<Checkpoint, InvalidCheckpoint> {
    let json = json::parse(checkpoint).map_err(|_| InvalidCheckpoint::Damaged)?;
    Checkpoint::read(json)
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
    })
}

/// The worker's monotonic clock.
fn now() -> Moment {
    Moment::from_millis(performance().now() as u64)
}

/// Rounded up, so that the moment has come when the timer rings; at most what a browser's timer takes.
fn millis_until(at: Moment) -> u32 {
    let millis = (at.as_millis() as f64 - performance().now()).ceil();
    (millis as u32).min(i32::MAX as u32)
}
