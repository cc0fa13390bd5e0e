//! Requests to the coordinator that are under way or wait for another try.

use std::time::Duration;

use crate::config::RetryPolicy;
use crate::error::{UploadError, UploadErrorCode};
use crate::io::{Call, CallFailure, CallId, TaskId};
use crate::time::Moment;
use crate::vec_map::VecMap;

/// Whom an answer concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallSubject {
    /// These uploads, in the order of the request.
    Initiation(Vec<TaskId>),
    /// Several uploads that are finalized together.
    Completion(Vec<TaskId>),
    /// One upload.
    Upload(TaskId),
    /// No task any more: an upload that ended and only has to be freed in storage.
    Cleanup,
    /// A task that waits to hear that its abort went through.
    Abort(TaskId),
}

/// A call that has not been answered yet.
#[derive(Debug)]
pub(crate) struct PendingCall {
    pub request: Call,
    pub subject: CallSubject,
    /// When it was last sent.
    pub asked_at: Moment,
    failures: u32,
    failing_since: Option<Moment>,
    /// Set while it waits for another try.
    retry_at: Option<Moment>,
}

/// What becomes of a call that failed.
#[derive(Debug)]
pub(crate) enum AfterFailure {
    /// It is going to be tried again.
    Retries,
    /// It is over.
    GivenUp(Box<PendingCall>, UploadError),
}

/// All calls that have not been answered.
#[derive(Debug, Default)]
pub(crate) struct PendingCalls {
    pending: VecMap<CallId, PendingCall>,
}

impl PendingCalls {
    pub(crate) fn insert(&mut self, call: CallId, request: Call, subject: CallSubject, now: Moment) {
        let pending = PendingCall {
            request,
            subject,
            asked_at: now,
            failures: 0,
            failing_since: None,
            retry_at: None,
        };
        self.pending.insert(call, pending);
    }

    /// Takes a call out because it was answered, or because nobody wants the answer any more.
    pub(crate) fn take(&mut self, call: CallId) -> Option<PendingCall> {
        self.pending.remove(&call)
    }

    pub(crate) fn get_mut(&mut self, call: CallId) -> Option<&mut PendingCall> {
        self.pending.get_mut(&call)
    }

    /// Drops the call if it concerns this upload alone.
    pub(crate) fn drop_own(&mut self, call: CallId, task: TaskId) {
        if self
            .pending
            .get(&call)
            .is_some_and(|pending| pending.subject == CallSubject::Upload(task))
        {
            self.pending.remove(&call);
        }
    }

    pub(crate) fn initiations(&self) -> usize {
        self.pending
            .values()
            .filter(|pending| matches!(pending.subject, CallSubject::Initiation(_)))
            .count()
    }

    /// Whether the coordinator has been failing lately.
    pub(crate) fn is_failing(&self) -> bool {
        self.pending
            .values()
            .any(|pending| pending.failures >= FAILURES_TO_SHOW)
    }

    /// Books a failure: another try later, or the end.
    pub(crate) fn fail(
        &mut self,
        call: CallId,
        failure: CallFailure,
        policy: &RetryPolicy,
        random: &mut fastrand::Rng,
        online: bool,
        now: Moment,
    ) -> Option<AfterFailure> {
        let mut pending = self.pending.remove(&call)?;
        let (error, server_asks) = match failure {
            CallFailure::Problem(problem) if !problem.code.is_retryable() => {
                return Some(AfterFailure::GivenUp(Box::new(pending), problem.into()));
            }
            CallFailure::Problem(problem) => {
                let asked = problem
                    .retry_after
                    .map(|seconds| Duration::from_secs(seconds.into()));
                (problem.into(), asked)
            }
            CallFailure::Unreadable { status } if (400..500).contains(&status) && status != 429 => {
                let mut error = UploadError::protocol("the coordinator's answer is not of this protocol");
                error.status = Some(status);
                return Some(AfterFailure::GivenUp(Box::new(pending), error));
            }
            CallFailure::Unreadable { .. } | CallFailure::Network | CallFailure::TimedOut => {
                let text = "the coordinator cannot be reached";
                (
                    UploadError::new(UploadErrorCode::CoordinatorUnreachable, true, text),
                    None,
                )
            }
        };
        pending.failures += 1;
        let since = *pending.failing_since.get_or_insert(now);
        if !online {
            // Time without a network is nobody's failure.
            pending.failing_since = None;
        } else if now.since(since) > policy.outage_timeout {
            return Some(AfterFailure::GivenUp(Box::new(pending), error));
        }
        pending.retry_at = Some(now + policy.delay(pending.failures, server_asks, random));
        self.pending.insert(call, pending);
        Some(AfterFailure::Retries)
    }

    /// The next call whose wait is over; it counts as sent now.
    pub(crate) fn next_due(&mut self, now: Moment) -> Option<(CallId, Call)> {
        let is_due = |pending: &PendingCall| pending.retry_at.is_some_and(|at| at <= now);
        let (call, pending) = self.pending.iter_mut().find(|(_, pending)| is_due(pending))?;
        pending.retry_at = None;
        pending.asked_at = now;
        Some((*call, pending.request.clone()))
    }

    /// Ends all waits: the network is back.
    pub(crate) fn retry_all_now(&mut self, now: Moment) {
        for pending in self.pending.values_mut() {
            if pending.retry_at.is_some() {
                pending.retry_at = Some(now);
            }
        }
    }

    /// So much of the time since the last failure was slept through.
    pub(crate) fn discount(&mut self, slept: Duration) {
        for since in self
            .pending
            .values_mut()
            .filter_map(|pending| pending.failing_since.as_mut())
        {
            *since += slept;
        }
    }

    /// When the next wait ends.
    pub(crate) fn next_retry(&self) -> Option<Moment> {
        self.pending.values().filter_map(|pending| pending.retry_at).min()
    }
}

/// Failures in a row after which a page is told that an upload waits for the coordinator.
const FAILURES_TO_SHOW: u32 = 2;
