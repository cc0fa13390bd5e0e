//! What the page is told and what is kept for a later page.

use std::time::Duration;

use super::{Engine, TimerReason};
use crate::io::{Action, Notice, TaskId};
use crate::time::Moment;
use crate::upload::Purpose;
use crate::vec_map::VecMap;

/// Shortest time between two progress notices of one task.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Shortest time between two checkpoints of one task.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(1000);

impl Engine {
    /// Tells and keeps what has changed since the last time.
    pub(super) fn report(&mut self) {
        for task in self.active.clone() {
            self.measure(task);
            self.report_state(task);
            if self.progress_due(task).is_some_and(|at| at <= self.now) {
                self.report_progress(task);
            }
            if self.checkpoint_due(task).is_some_and(|at| at <= self.now) {
                self.save(task);
            }
        }
    }

    /// When something that is held back comes due.
    pub(super) fn report_timers(&self) -> impl Iterator<Item = (Moment, TimerReason)> {
        self.active.iter().flat_map(|task| {
            let progress = self.progress_due(*task).map(|at| (at, TimerReason::Progress));
            let checkpoint = self.checkpoint_due(*task).map(|at| (at, TimerReason::Checkpoint));
            progress.into_iter().chain(checkpoint)
        })
    }

    pub(super) fn report_state(&mut self, task: TaskId) {
        let outage =
            !self.online || self.outage.is_down() || self.calls.is_failing() || self.waits_for_answers();
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let state = upload.state(outage);
        if upload.reported.state != Some(state) {
            upload.reported.state = Some(state);
            self.notify(task, Notice::State(state));
        }
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

    /// Counts a task's bytes: what storage holds, and of each part in flight what its furthest
    /// request has handed to the network.
    fn measure(&mut self, task: TaskId) {
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let mut in_flight = VecMap::new();
        for attempt in self.attempts.values() {
            if attempt.task == task && attempt.purpose == Purpose::Send {
                let most = upload.parts.range(attempt.part).length;
                let furthest = in_flight.get(&attempt.part).copied().unwrap_or(0_u64);
                in_flight.insert(attempt.part, attempt.loaded.min(most).max(furthest));
            }
        }
        let loaded = upload.parts.stored_bytes() + in_flight.values().sum::<u64>();
        if !upload.paused {
            upload.rate.update(loaded, self.now);
        }
    }

    fn progress_due(&self, task: TaskId) -> Option<Moment> {
        let upload = self.uploads.get(&task)?;
        let news = upload.rate.progress(upload.file.size);
        let is_news = upload
            .reported
            .progress
            .is_none_or(|told| told.loaded != news.loaded);
        is_news.then(|| {
            upload
                .reported
                .progress_at
                .map_or(self.now, |at| at + PROGRESS_EVERY)
        })
    }

    fn checkpoint_due(&self, task: TaskId) -> Option<Moment> {
        let upload = self.uploads.get(&task)?;
        let is_known = upload.unsaved && upload.session().is_some();
        is_known.then(|| upload.saved_at.map_or(self.now, |at| at + CHECKPOINT_EVERY))
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
