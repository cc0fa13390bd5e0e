//! What the page is told and what is kept for a later page.

use std::time::Duration;

use syncsphere_protocol::PartNumber;

use super::Engine;
use crate::io::{Action, Notice, TaskId, TaskState};
use crate::time::Moment;
use crate::upload::{Phase, Purpose, Upload};

/// Shortest time between two progress notices of one task.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Shortest time between two checkpoints of one task.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(1000);

impl Engine {
    /// Tells and keeps what has changed since the last time.
    pub(super) fn report(&mut self) {
        let in_flight = self.bytes_in_flight();
        let (now, outage) = (self.now, self.is_held_up());
        let mut at = 0;
        while let Some((task, upload)) = self.uploads.active_at_mut(at) {
            at += 1;
            if !upload.paused && !is_restoring(upload) {
                let mut loaded = upload.parts.stored_bytes();
                for (_, _, bytes) in in_flight.iter().filter(|(of, ..)| *of == task) {
                    loaded += bytes;
                }
                upload.rate.update(loaded, now);
            }
            let state = upload.state(outage);
            let mut progress = progress_due(upload, now).is_some_and(|at| at <= now);
            let checkpoint = checkpoint_due(upload, now).is_some_and(|at| at <= now);
            if upload.reported.state != Some(state) {
                self.report_state(task);
                // With a state the speed may be news.
                let upload = self.uploads.get(&task);
                let due = upload.and_then(|upload| progress_due(upload, now));
                progress = due.is_some_and(|at| at <= now);
            }
            if progress {
                self.report_progress(task);
            }
            if checkpoint {
                self.save(task);
            }
        }
    }

    pub(super) fn report_state(&mut self, task: TaskId) {
        let outage = self.is_held_up();
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let state = upload.state(outage);
        if upload.reported.state != Some(state) {
            upload.reported.state = Some(state);
            if matches!(state, TaskState::Paused | TaskState::Offline) {
                // The last speed must not stay on show.
                upload.rate.interrupt();
                upload.reported.progress = None;
            }
            self.notify(task, Notice::State(state));
        }
    }

    /// Whether neither this page nor a file is to blame for a standstill.
    fn is_held_up(&self) -> bool {
        !self.online || self.outage.is_down() || self.calls.is_failing() || self.waits_for_answers()
    }

    pub(super) fn report_progress(&mut self, task: TaskId) {
        let now = self.now;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let progress = upload.rate.progress(upload.file.size);
        upload.reported.progress = Some(progress);
        upload.reported.progress_at = Some(now);
        self.notify(task, Notice::Progress(progress));
    }

    /// What is on its way: of each part the bytes that its furthest request has handed to the network.
    fn bytes_in_flight(&self) -> Vec<(TaskId, PartNumber, u64)> {
        let mut parts: Vec<(TaskId, PartNumber, u64)> = Vec::new();
        for attempt in self.attempts.values() {
            if attempt.purpose != Purpose::Send {
                continue;
            }
            let loaded = attempt.loaded.min(attempt.length);
            let is_it = |(task, part, _): &&mut (TaskId, PartNumber, u64)| {
                (*task, *part) == (attempt.task, attempt.part)
            };
            match parts.iter_mut().find(is_it) {
                Some((_, _, furthest)) => *furthest = loaded.max(*furthest),
                None => parts.push((attempt.task, attempt.part, loaded)),
            }
        }
        parts
    }

    pub(super) fn save(&mut self, task: TaskId) {
        let now = self.now;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        upload.unsaved = false;
        upload.saved_at = Some(now);
        if let Some(checkpoint) = upload.checkpoint() {
            self.push(Action::Save {
                task,
                checkpoint: Box::new(checkpoint),
            });
        }
    }
}

/// When progress that is held back comes due.
pub(super) fn progress_due(upload: &Upload, now: Moment) -> Option<Moment> {
    let told = upload.reported.progress;
    let is_news = told.is_none_or(|told| told.loaded != upload.rate.shown());
    let last = upload.reported.progress_at;
    (is_news && !is_restoring(upload)).then(|| last.map_or(now, |at| at + PROGRESS_EVERY))
}

/// When a checkpoint that is held back comes due.
pub(super) fn checkpoint_due(upload: &Upload, now: Moment) -> Option<Moment> {
    let is_known = upload.unsaved && upload.session().is_some();
    is_known.then(|| upload.saved_at.map_or(now, |at| at + CHECKPOINT_EVERY))
}

/// Whether nobody has said yet what an earlier page stored: that is no speed, and no progress that could be told.
fn is_restoring(upload: &Upload) -> bool {
    matches!(upload.phase, Phase::Restoring { .. })
}
