//! The upload engine of SyncSphere Uploader: it decides, the shell does.
//!
//! The engine plans parts, asks for signed URLs, sends parts in parallel, retries, finalizes and
//! keeps checkpoints, for all files of a page together. It does no input or output and knows no
//! clock and no randomness: the shell feeds [`Input`]s with the current [`Moment`] and carries out
//! [`Action`]s.
//!
//! ```text
//! engine.handle_input(input, now);
//! while let Some(action) = engine.poll_action() { shell.perform(action); }
//! match engine.poll_timeout() { Some((at, why)) => shell.wake_at(at, why), None => shell.sleep() }
//! ```
//!
//! After the moment that [`Engine::poll_timeout`] named, the shell feeds [`Input::Timeout`].

mod backoff;
mod checkpoint;
mod config;
mod diagnosis;
mod engine;
mod error;
mod failure;
mod io;
mod origins;
mod outage;
mod parts;
mod pending_calls;
mod plan;
mod queue;
mod rate_estimator;
mod stall_detector;
mod time;
mod upload;
mod vec_map;
mod window;
mod wire;

pub use checkpoint::{Checkpoint, InvalidCheckpoint, KnownPart};
pub use config::{Concurrency, Config, RetryPolicy};
pub use engine::{Activity, Engine, PartMap, PartState, TimerReason};
pub use error::{Reason, UploadError, UploadErrorCode};
pub use io::{
    Action, AttemptId, Call, CallFailure, CallId, Connections, FileDescription, Input, Notice, PartRequest,
    Progress, Reply, TaskId, TaskState, TransferFailure,
};
pub use time::Moment;
pub use wire::{Json, Malformed, Object, Request, file_record_json};
