//! The upload engine of SyncSphere Uploader: it decides, the shell does.
//!
//! The engine plans parts, asks for signed URLs, sends parts in parallel, retries, finalizes and
//! keeps checkpoints, for all files of a page together. It does no input or output and knows no
//! clock and no randomness: the shell feeds [`Input`]s with the current [`Moment`] and carries out
//! [`Action`]s.
//!
//! # The run loop
//!
//! There is one engine a page, and one thread that runs it. Whatever happens, the shell does the same three steps:
//!
//! ```text
//! engine.handle_input(input, now);
//! while let Some(action) = engine.poll_action() { shell.perform(action); }
//! match engine.poll_timeout() { Some((at, why)) => shell.wake_at(at, why), None => shell.sleep() }
//! ```
//!
//! What the shell promises:
//!
//! - **All actions are taken** before the next input, and carried out in their order. `perform` only sets work going: what
//!   comes of it is an input of its own, fed once the loop has ended. An input fed before means that actions wait, not that
//!   they are lost.
//! - **`now` comes from one monotonic clock.** A moment that lies before an earlier one counts as that.
//! - **The timer replaces the one before it**, after every input. When it rings, [`Input::Timeout`] is fed; to feed it
//!   sooner, later or twice does no harm. `None` means that nothing happens until the shell has something to tell.
//! - **Ids are not used twice**: a [`TaskId`] names one file for the engine's whole life. An [`Input::Add`] of a known one
//!   does nothing.
//! - **Each [`Action::Hash`], [`Action::Send`] and [`Action::Call`] is answered**, by success or failure, unless it was
//!   cancelled. A call that is never answered is waited for, so the shell sets calls a time limit; requests to storage need
//!   none, since the engine cancels those that stall.
//!
//! What the engine promises:
//!
//! - It never panics and never blocks, and what an input costs is bounded.
//! - **Answers may come in any order and too late.** One to an attempt or a call that has ended, was cancelled or never was
//!   is ignored; so are pause, resume and abort of a task that has ended.
//! - **Cancelling**: after [`Action::Cancel`] no answer is expected. After [`Input::Abort`] the task's attempts are
//!   cancelled, its checkpoint is forgotten, and its last notice is [`TaskState::Aborted`].
//! - **A task ends once**: by [`Notice::Available`], [`Notice::Failed`] or the state `aborted`, and nothing follows that.
//! - **[`Action::Save`] and [`Action::Forget`]** name all that has to outlive the page. A checkpoint taken at any moment
//!   leads to the same end by [`Input::Restore`].
//! - No timer is asked for that is already over.
//!
//! # One upload, answered by hand
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use syncsphere_protocol::*;
//! use syncsphere_upload_core::{
//!     Action, Call, Config, Engine, FileDescription, Input, Moment, Notice, Reply, TaskId,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut engine = Engine::new(Config::default(), 4711);
//! let mut now = Moment::from_millis(0);
//! let file = FileDescription { name: "a.txt".into(), size: 3, ..FileDescription::default() };
//! let mut inputs = VecDeque::from([Input::Add { task: TaskId(1), file }]);
//! let mut asked = Vec::new();
//! let available = 'run: loop {
//!     // What has happened, or, where nothing has, the moment that the engine waits for.
//!     let input = inputs.pop_front().unwrap_or_else(|| {
//!         let (at, _why) = engine.poll_timeout().expect("the engine waits for something");
//!         now = at;
//!         Input::Timeout
//!     });
//!     engine.handle_input(input, now);
//!     while let Some(action) = engine.poll_action() {
//!         match action {
//!             Action::Hash { attempt, .. } => {
//!                 let checksum = Crc64Nvme::from_u64(0x5C5C).into();
//!                 inputs.push_back(Input::Hashed { attempt, checksum });
//!             }
//!             Action::Call { call, request } => {
//!                 asked.push(request.request().path);
//!                 let result = Ok(coordinator_answers(*request)?);
//!                 inputs.push_back(Input::Replied { call, result });
//!             }
//!             Action::Send { attempt, range, request, .. } => {
//!                 assert_eq!((range.offset, range.length), (0, 3));
//!                 assert_eq!(*request.url, "https://s3.example/signed");
//!                 inputs.push_back(Input::Sent { attempt, loaded: 3 });
//!                 inputs.push_back(Input::Stored { attempt });
//!             }
//!             Action::Notify { notice: Notice::Available(file), .. } => break 'run file,
//!             Action::Notify { notice: Notice::Failed(error), .. } => panic!("{error}"),
//!             _ => {}
//!         }
//!     }
//! };
//! assert_eq!(*available.name, "a.txt");
//! assert_eq!(asked, ["/v1/uploads", "/v1/uploads/complete"]);
//! # Ok(())
//! # }
//! #
//! # fn coordinator_answers(call: Call) -> Result<Reply, Box<dyn std::error::Error>> {
//! #     let at = Timestamp::from_unix_millis(0);
//! #     Ok(match call {
//! #         Call::Initiate { body, .. } => Reply::Initiated(InitiateReply {
//! #             uploads: vec![InitiateResult::Granted(Box::new(UploadGrant {
//! #                 client_ref: body.files[0].client_ref.clone(),
//! #                 upload_id: "u1".parse()?,
//! #                 file_id: "f1".parse()?,
//! #                 kind: UploadKind::Single,
//! #                 part_size: body.files[0].part_size.ok_or("the engine plans")?,
//! #                 tail: None,
//! #                 part_count: 1,
//! #                 ticket: "ticket".into(),
//! #                 expires_at: at.clone(),
//! #                 expires_in: 3600,
//! #                 checksum: Integrity::Crc64Nvme,
//! #                 urls: vec![SignedPart {
//! #                     part_number: PartNumber::try_from(1)?,
//! #                     method: "PUT".to_owned(),
//! #                     url: "https://s3.example/signed".into(),
//! #                     headers: StringMap::default(),
//! #                     fields: StringMap::default(),
//! #                     expires_at: at,
//! #                     expires_in: 900,
//! #                 }],
//! #             }))],
//! #         }),
//! #         Call::CompleteBatch { body } => Reply::CompletedBatch(CompleteBatchReply {
//! #             uploads: vec![CompleteResult {
//! #                 upload_id: body.uploads[0].upload_id.clone(),
//! #                 file: Some(Box::new(FileRecord {
//! #                     file_id: "f1".parse()?,
//! #                     workspace: "w".parse()?,
//! #                     name: "a.txt".into(),
//! #                     original_name: None,
//! #                     path: "".into(),
//! #                     size: 3,
//! #                     content_type: "text/plain".to_owned(),
//! #                     status: FileStatus::Available,
//! #                     checksum: FileChecksum {
//! #                         crc64nvme: Some(Crc64Nvme::from_u64(0x5C5C)),
//! #                         md5: None,
//! #                     },
//! #                     etag: None,
//! #                     owner: "guest".into(),
//! #                     metadata: Redacted(StringMap::default()),
//! #                     created_at: at.clone(),
//! #                     updated_at: at,
//! #                     seq: 1,
//! #                     version: None,
//! #                     previous: None,
//! #                     conflict: None,
//! #                 })),
//! #                 error: None,
//! #             }],
//! #         }),
//! #         other => panic!("one small file needs no {other:?}"),
//! #     })
//! # }
//! ```

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
mod pacer;
mod part;
mod parts;
#[cfg(test)]
mod parts_tests;
mod pending_calls;
mod plan;
mod queue;
mod rate_estimator;
mod stall_detector;
mod status;
mod time;
mod upload;
mod uploads;
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
pub use origins::origin_of;
pub use time::Moment;
pub use wire::{Json, Malformed, Object, Request, file_record_json};
