//! What the worker's TypeScript calls. Its other side is `npm/src/worker/conductor.ts`.

use syncsphere_protocol::{Crc64Nvme, ErrorCode, Md5, Problem};
use syncsphere_upload_core::{
    AttemptId, CallFailure, Checkpoint, Connections, Input, InvalidCheckpoint, Json, Reason, TaskId,
    TransferFailure,
};
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use crate::host::{ConductorHost, LaneLink};
use crate::json;
use crate::options::Options;
use crate::shell::Shell;

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
        Ok(Self(Box::leak(Box::new(Shell::new(host, lanes, options, seed)))))
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

    /// Has a file go before all of a lower priority.
    pub fn prioritize(&self, task: u32, priority: i32) {
        self.0.feed(Input::Prioritize(TaskId(task), priority));
    }

    /// Most bytes a second from now on; `undefined` for no limit.
    #[wasm_bindgen(js_name = maxRate)]
    pub fn max_rate(&self, rate: Option<f64>) {
        self.0.feed(Input::MaxRate(rate.map(|rate| rate as u64)));
    }

    /// The browser says that there is a network, or none.
    pub fn network(&self, online: bool) {
        self.0.feed(Input::Network { online });
    }

    /// Whether files are to be read once more before they are finalized: `false` once it is known that this browser does not
    /// read on in a file that has changed.
    #[wasm_bindgen(js_name = readAgain)]
    pub fn read_again(&self, wanted: bool) {
        self.0.feed(Input::ReadAgain(wanted));
    }

    /// The moment that `wake` named has come.
    pub fn awake(&self) {
        self.0.awake();
    }

    /// Has the host told, by `activity`, what the engine does at the moment.
    #[wasm_bindgen(js_name = showActivity)]
    pub fn show_activity(&self) {
        self.0.show_activity();
    }

    /// Has the host told, by `parts`, where the parts of a task stand; of one that is not under way it
    /// hears nothing.
    #[wasm_bindgen(js_name = showParts)]
    pub fn show_parts(&self, task: u32) {
        self.0.show_parts(TaskId(task));
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

    /// What keeps this page from storage, in the word of `UploadError.reason`; `undefined` where nothing was found. `passes` is the
    /// largest body that was seen to pass, in bytes.
    pub fn examined(&self, reason: Option<String>, passes: f64) {
        let reason = reason.and_then(|word| Reason::of_no_answer(&word, passes as u64));
        self.0.feed(Input::Examined(reason));
    }

    /// A lane has computed a checksum.
    pub fn hashed(&self, attempt: u64, crc64nvme: u64) {
        self.0.answered(AttemptId(attempt), |attempt| Input::Hashed {
            attempt,
            checksum: Crc64Nvme::from_u64(crc64nvme).into(),
        });
    }

    /// A lane has computed an MD5 digest, of 16 bytes.
    pub fn digested(&self, attempt: u64, md5: &[u8]) {
        let Ok(bytes) = <[u8; 16]>::try_from(md5) else {
            return;
        };
        self.0.answered(AttemptId(attempt), |attempt| Input::Hashed {
            attempt,
            checksum: Md5::from_bytes(bytes).into(),
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

fn read_kept(checkpoint: &str) -> Result<Checkpoint, InvalidCheckpoint> {
    let json = json::parse(checkpoint).map_err(|_| InvalidCheckpoint::Damaged)?;
    Checkpoint::read(json)
}
