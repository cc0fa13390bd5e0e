//! The engine: takes inputs, moves uploads on, and hands out actions.
//!
//! This file holds the engine's face and the life of a task; its other rooms are
//! [`schedule`] (what to do next), [`sending`] (which parts are sent), [`attempts`] and [`failures`] (what becomes of
//! hashing and sending, done and failed), [`hedge`]
//! (overtaking late requests), [`examination`] (of a storage that never answered), [`requests`] and
//! [`replies`] (what the coordinator is asked and what it answers), [`read_again`] (whether a file stayed as it was),
//! [`completion`] (finalizing),
//! [`report`] (what page and checkpoint are told) and [`snapshot`] (what there is to see).

mod attempts;
#[cfg(test)]
mod attempts_tests;
mod completion;
mod examination;
mod failures;
#[cfg(test)]
mod harness;
mod hedge;
#[cfg(test)]
mod hung_reads_tests;
#[cfg(test)]
mod pacing_tests;
mod planning;
#[cfg(test)]
mod priority_tests;
#[cfg(test)]
mod proof_tests;
mod read_again;
#[cfg(test)]
mod repeated_answers;
mod replies;
mod report;
#[cfg(test)]
mod report_tests;
mod requests;
mod schedule;
mod sending;
#[cfg(test)]
mod seventh_tests;
mod snapshot;

use std::{fmt, mem, vec};

use syncsphere_protocol::{Integrity, UploadId};

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::diagnosis::Diagnosis;
use crate::error::{Fate, UploadError, UploadErrorCode};
use crate::io::{Action, AttemptId, Call, CallId, FileDescription, Input, Notice, TaskId, TaskState};
use crate::origins::{Origin, Origins};
use crate::outage::Outage;
use crate::pacer::Pacer;
use crate::pending_calls::{CallSubject, PendingCalls};
use crate::queue::Queue;
use crate::stall_detector::StallDetector;
use crate::time::Moment;
use crate::upload::{Attempt, IdGenerator, Phase, Purpose, Upload};
use crate::uploads::Uploads;
use crate::vec_map::VecMap;
use crate::window::Window;

pub use snapshot::{Activity, PartMap, PartState};

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerReason {
    /// A part's wait before its next attempt ends.
    RetryPart,
    /// A call's wait before its next attempt ends.
    RetryCall,
    /// Storage counts as down and may be probed again.
    ProbeStorage,
    /// An attempt that shows no progress will count as stalled.
    Stalled,
    /// A part in flight may be late enough to be sent a second time.
    Hedge,
    /// A file that could not be read may be read again.
    ReadFile,
    /// The coordinator may be asked again how an upload stands.
    Resync,
    /// A file has waited long enough for more of its first parts to be hashed.
    Initiate,
    /// The speed limit lets the next request begin.
    Pace,
    /// Small files have waited long enough to be finalized together.
    Complete,
    /// Progress that has been held back is due.
    Progress,
    /// A checkpoint that has been held back is due.
    Checkpoint,
}

/// The engine for all uploads of a page.
///
/// After each [`Engine::handle_input`], drain [`Engine::poll_action`]; the order of actions is the
/// order to carry them out in. Costs grow with the files under way (at most 200 that are not paused), not with those
/// that wait.
pub struct Engine {
    config: Config,
    random: fastrand::Rng,
    ids: IdGenerator,
    now: Moment,
    online: bool,
    uploads: Uploads,
    /// Uploads that wait for their turn.
    queue: Queue,
    attempts: VecMap<AttemptId, Attempt>,
    calls: PendingCalls,
    window: Window,
    pacer: Pacer,
    origins: Origins,
    outage: Outage,
    /// Of requests without a form, and with one.
    diagnoses: [Diagnosis; 2],
    stalls: StallDetector,
    /// When storage last took a part.
    stored_at: Option<Moment>,
    /// Bytes a second that one connection has lately carried.
    connection_rate: Option<f64>,
    /// Whether files may end in smaller parts: true until storage turns out to take parts of one size only.
    tails: bool,
    /// The largest body that something on the way to storage lets through, in bytes, where there is a limit.
    largest_body: Option<u64>,
    /// By which checksums storage proves content: CRC64NVME until a grant says otherwise.
    checksums: Integrity,
    /// Since when small files wait to be finalized together.
    batching_since: Option<Moment>,
    /// Requests begun since one was for a file that others go before.
    turns: u32,
    /// Bytes sent, and of those the bytes sent a second time to overtake a slow request.
    sent_bytes: u64,
    hedged_bytes: u64,
    /// Requests to storage that were repeated after a failure, and sent to overtake others.
    retries: u32,
    hedges: u32,
    /// What is to be done, in order, once those that are `due` have been taken.
    actions: Vec<Action>,
    due: vec::IntoIter<Action>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("uploads", &self.uploads.len())
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine without uploads. `seed` feeds the jitter of its waits and its idempotency keys,
    /// so it must differ from page to page.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            window: Window::new(config.concurrency),
            pacer: Pacer::new(config.max_rate),
            config,
            random: fastrand::Rng::with_seed(seed),
            ids: IdGenerator::default(),
            now: Moment::default(),
            online: true,
            uploads: Uploads::default(),
            queue: Queue::default(),
            attempts: VecMap::new(),
            calls: PendingCalls::default(),
            origins: Origins::default(),
            outage: Outage::default(),
            diagnoses: Default::default(),
            stalls: StallDetector::default(),
            stored_at: None,
            connection_rate: None,
            tails: true,
            largest_body: None,
            checksums: Integrity::Crc64Nvme,
            batching_since: None,
            turns: 0,
            sent_bytes: 0,
            hedged_bytes: 0,
            retries: 0,
            hedges: 0,
            actions: Vec::new(),
            due: Vec::new().into_iter(),
        }
    }

    /// Takes one thing that happened. Then drain [`Engine::poll_action`].
    pub fn handle_input(&mut self, input: Input, now: Moment) {
        self.discount_sleep(now);
        self.now = self.now.max(now);
        match input {
            Input::Add { task, file } => self.add(task, file),
            Input::Restore {
                task,
                file,
                checkpoint,
            } => self.restore(task, file, checkpoint),
            Input::Pause(task) => self.pause(task),
            Input::Resume(task) => self.resume(task),
            Input::Prioritize(task, priority) => {
                self.queue.set_priority(task, priority);
                self.uploads.set_priority(task, priority);
            }
            Input::Abort(task) => self.abort(task),
            Input::Discard(upload_id) => self.free(upload_id),
            Input::Network { online } => self.network(online),
            Input::ReadAgain(wanted) => self.config.read_again = wanted,
            Input::MaxRate(rate) => self.pacer.set_rate(rate, self.now),
            Input::Storage(connections) => self.window.set_connections(connections),
            Input::Hashed { attempt, checksum } => self.hashed(attempt, checksum),
            Input::Sent { attempt, loaded } => self.sent(attempt, loaded),
            Input::Stored { attempt } => self.stored(attempt),
            Input::AttemptFailed { attempt, failure } => self.attempt_failed(attempt, &failure),
            Input::Examined(found) => self.examined(found),
            Input::Replied { call, result } => self.replied(call, result),
            Input::Timeout => {}
        }
        self.advance();
        self.report();
    }

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        let next = self.due.next();
        next.or_else(|| {
            self.due = mem::take(&mut self.actions).into_iter();
            self.due.next()
        })
    }

    /// When to feed [`Input::Timeout`], and why. Changes with every input.
    pub fn poll_timeout(&self) -> Option<(Moment, TimerReason)> {
        self.next_timer()
    }

    fn add(&mut self, task: TaskId, file: FileDescription) {
        if self.uploads.contains_key(&task) {
            return;
        }
        match self.plan(file.size) {
            Ok(plan) => {
                let upload = Upload::new(file, plan, Phase::Queued);
                self.queue.push(task, upload.class(), upload.file.priority);
                self.uploads.insert(task, upload);
                self.report_state(task);
            }
            Err(_) => self.notify(task, Notice::Failed(Box::new(UploadError::file_too_large()))),
        }
    }

    fn restore(&mut self, task: TaskId, file: FileDescription, checkpoint: Checkpoint) {
        if self.uploads.contains_key(&task) {
            return;
        }
        let Ok(plan) = checkpoint.plan() else {
            let text = "the checkpoint is damaged";
            let error = UploadError::new(UploadErrorCode::CheckpointInvalid, true, text);
            self.notify(task, Notice::Failed(Box::new(error)));
            return;
        };
        let same_file = file.size == checkpoint.size
            && file.name == checkpoint.name
            && file.last_modified == checkpoint.last_modified;
        if !same_file {
            self.notify(task, Notice::Failed(Box::new(UploadError::file_changed())));
            return;
        }
        let phase = Phase::Restoring {
            checkpoint: Box::new(checkpoint),
            call: None,
        };
        self.uploads.insert(task, Upload::new(file, plan, phase));
        self.uploads.begin(task);
    }

    fn pause(&mut self, task: TaskId) {
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        // What is being finalized has no bytes left to hold back.
        if matches!(upload.phase, Phase::Completing(..)) || upload.paused {
            return;
        }
        upload.paused = true;
        self.cancel_attempts(task);
        self.report_state(task);
    }

    fn resume(&mut self, task: TaskId) {
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        upload.paused = false;
        self.report_state(task);
    }

    fn abort(&mut self, task: TaskId) {
        let Some(upload) = self.uploads.get(&task) else {
            return;
        };
        let upload_id = upload.upload_id().cloned();
        self.remove(task);
        self.push(Action::Forget { task });
        // An initiation under way is aborted when its answer comes.
        if let Some(upload_id) = upload_id {
            self.free(upload_id);
        }
        self.notify(task, Notice::State(TaskState::Aborted));
    }

    fn network(&mut self, online: bool) {
        self.online = online;
        if online {
            self.outage.reset();
            self.diagnoses.iter_mut().for_each(Diagnosis::reset);
            self.calls.on_network(self.now);
            self.end_all_backoffs(true);
        }
    }

    /// Ends a task that failed. What storage holds of it is kept for another try, unless it is of no use any more.
    fn fail(&mut self, task: TaskId, mut error: UploadError) {
        let Some(upload) = self.uploads.get(&task) else {
            return;
        };
        let upload_id = upload.upload_id().cloned();
        match (error.fate_of_stored(), upload_id) {
            (Fate::Kept, Some(_)) => {
                error.resumable = true;
                if upload.unsaved {
                    self.save(task);
                }
            }
            (Fate::Freed, Some(upload_id)) => {
                self.push(Action::Forget { task });
                self.free(upload_id);
            }
            (Fate::Gone, _) | (_, None) => self.push(Action::Forget { task }),
        }
        self.remove(task);
        self.notify(task, Notice::State(TaskState::Failed));
        self.notify(task, Notice::Failed(Box::new(error)));
    }

    /// Has the coordinator free an upload that no task cares for any more.
    fn free(&mut self, upload_id: UploadId) {
        self.call(Call::Abort { upload_id }, CallSubject::Cleanup);
    }

    /// Forgets a task: its attempts are cancelled and answers to its calls will be ignored.
    fn remove(&mut self, task: TaskId) {
        self.cancel_attempts(task);
        let Some(upload) = self.uploads.remove(task) else {
            return;
        };
        if let Some(call) = upload.own_call() {
            self.calls.drop_own(call, task);
        }
        if matches!(upload.phase, Phase::Queued) {
            self.queue.remove(task);
        }
    }

    /// Asks the coordinator, as soon as it may be asked.
    fn call(&mut self, request: Call, subject: CallSubject) -> CallId {
        let call = self.ids.call();
        self.calls.insert(call, request, subject, self.now);
        call
    }

    fn attempt(&mut self, attempt: Attempt) -> AttemptId {
        let id = self.ids.attempt();
        self.attempts.insert(id, attempt);
        id
    }

    /// Ends an attempt; what it has not sent is left of the speed limit.
    fn end_attempt(&mut self, id: AttemptId) -> Option<Attempt> {
        self.connection_is_free();
        let attempt = self.attempts.remove(&id)?;
        if attempt.purpose == Purpose::Send {
            self.pacer
                .on_unsent(attempt.length.saturating_sub(attempt.loaded));
        }
        Some(attempt)
    }

    fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn notify(&mut self, task: TaskId, notice: Notice) {
        self.push(Action::Notify { task, notice });
    }

    /// Requests to storage that are in flight.
    fn in_flight(&self) -> usize {
        self.attempts
            .values()
            .filter(|attempt| attempt.purpose == Purpose::Send)
            .count()
    }

    /// Whether one more request may go to this address of storage: what its connections cannot carry would wait inside
    /// the browser, and look stalled.
    fn has_room(&self, origin: Origin) -> bool {
        let there = self
            .attempts
            .values()
            .filter(|attempt| attempt.purpose == Purpose::Send && attempt.origin == origin);
        there.count() < self.window.limit_for_each_origin()
    }
}
