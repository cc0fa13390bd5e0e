//! Requests to the coordinator that are under way or wait for another try.

use std::time::Duration;

use crate::config::RetryPolicy;
use crate::error::{UploadError, UploadErrorCode};
use crate::io::{Call, CallFailure, CallId, TaskId};
use crate::outage::Outage;
use crate::status::{StatusClass, status_class};
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
}

/// A call that has not been answered yet.
#[derive(Debug)]
pub(crate) struct PendingCall {
    pub request: Call,
    pub subject: CallSubject,
    /// When it was last sent.
    pub asked_at: Moment,
    failures: u32,
    /// Failures that it answers for itself.
    own_failures: u32,
    failed_at: Option<Moment>,
    failing_since: Option<Moment>,
    /// Set while it waits to be sent.
    due_at: Option<Moment>,
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
    /// The brake that all of them share.
    outage: Outage,
    answered_at: Option<Moment>,
}

impl PendingCalls {
    pub(crate) fn insert(&mut self, call: CallId, request: Call, subject: CallSubject, now: Moment) {
        let pending = PendingCall {
            request,
            subject,
            asked_at: now,
            failures: 0,
            own_failures: 0,
            failed_at: None,
            failing_since: None,
            due_at: Some(now),
        };
        self.pending.insert(call, pending);
    }

    /// Takes a call out because it was answered.
    pub(crate) fn answered(&mut self, call: CallId, now: Moment) -> Option<PendingCall> {
        let pending = self.pending.remove(&call)?;
        self.answered_at = Some(now);
        self.outage.reset();
        Some(pending)
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
            .any(|pending| pending.subject != CallSubject::Cleanup && pending.failures >= FAILURES_TO_SHOW)
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
        let Failure {
            error,
            server_asks,
            is_answered,
            kind,
        } = classify(failure);
        if kind == Kind::Final {
            self.answered_at = Some(now);
            self.outage.reset();
            return Some(AfterFailure::GivenUp(Box::new(pending), error));
        }
        pending.failures += 1;
        // Where others were answered since it last failed, it fails by its own fault.
        let others_work = pending
            .failed_at
            .is_some_and(|at| self.answered_at.is_some_and(|answered| answered > at));
        pending.own_failures += u32::from(kind == Kind::Own || others_work);
        pending.failed_at = Some(now);
        let since = *pending.failing_since.get_or_insert(now);
        if !online {
            // Time without a network is nobody's failure.
            pending.failing_since = None;
        } else if pending.own_failures >= policy.max_attempts || now.since(since) > policy.outage_timeout {
            return Some(AfterFailure::GivenUp(Box::new(pending), error));
        }
        let mut delay = policy.delay(pending.failures, server_asks, random);
        // What only has to be freed harms nobody while it waits, and holds nobody up.
        if pending.subject != CallSubject::Cleanup && kind == Kind::Outage {
            let shared =
                self.outage
                    .on_failure(pending.asked_at, is_answered, server_asks, policy, random, now);
            delay = delay.max(shared);
        }
        pending.due_at = Some(now + delay);
        self.pending.insert(call, pending);
        Some(AfterFailure::Retries)
    }

    /// The next call that may be sent; it counts as sent now. While the coordinator counts as down, one at a time.
    pub(crate) fn next_due(&mut self, now: Moment) -> Option<(CallId, Call)> {
        if !self.may_send(now) {
            return None;
        }
        let is_due = |pending: &PendingCall| pending.due_at.is_some_and(|at| at <= now);
        let (call, pending) = self.pending.iter_mut().find(|(_, pending)| is_due(pending))?;
        pending.due_at = None;
        pending.asked_at = now;
        Some((*call, pending.request.clone()))
    }

    /// Ends all waits: the network is back.
    pub(crate) fn on_network(&mut self, now: Moment) {
        self.outage.reset();
        for pending in self.pending.values_mut() {
            if pending.due_at.is_some() {
                pending.due_at = Some(now);
            }
        }
    }

    /// When a call may be sent next, where nothing but time is waited for.
    pub(crate) fn next_send(&self, now: Moment) -> Option<Moment> {
        let due = self.pending.values().filter_map(|pending| pending.due_at).min()?;
        match self.outage.next_probe(now) {
            Some(probe) => Some(due.max(probe)),
            None => self.may_send(now).then_some(due),
        }
    }

    fn may_send(&self, now: Moment) -> bool {
        let asked = self.pending.values().filter(|pending| pending.due_at.is_none());
        asked.count() < self.outage.cap(usize::MAX, now)
    }

    /// So much of the time since the last failure was slept through.
    pub(crate) fn discount(&mut self, slept: Duration) {
        self.outage.discount(slept);
        for since in self
            .pending
            .values_mut()
            .filter_map(|pending| pending.failing_since.as_mut())
        {
            *since += slept;
        }
    }
}

/// What a failed call was told.
struct Failure {
    error: UploadError,
    server_asks: Option<Duration>,
    is_answered: bool,
    kind: Kind,
}

/// Whom a failure is to be blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The coordinator has decided: asking again changes nothing.
    Final,
    /// The call itself, which may be sent again a few times.
    Own,
    /// The coordinator or the way to it.
    Outage,
}

fn classify(failure: CallFailure) -> Failure {
    match failure {
        CallFailure::Problem(problem) => {
            let asked = problem.retry_after;
            let kind = match problem.code.is_retryable() {
                true => Kind::Outage,
                false => Kind::Final,
            };
            Failure {
                server_asks: asked.map(|seconds| Duration::from_secs(seconds.into())),
                error: problem.into(),
                is_answered: true,
                kind,
            }
        }
        // Whatever this is, it is not the coordinator that speaks.
        CallFailure::Unreadable { status } if status_class(status) != StatusClass::Busy => {
            let mut error = UploadError::new(
                UploadErrorCode::ProtocolViolation,
                true,
                "the coordinator's answer is not of this protocol",
            );
            error.status = Some(status);
            Failure {
                error,
                server_asks: None,
                is_answered: true,
                kind: Kind::Own,
            }
        }
        CallFailure::Unreadable { .. } | CallFailure::Network | CallFailure::TimedOut => Failure {
            error: UploadError::new(
                UploadErrorCode::CoordinatorUnreachable,
                true,
                "the coordinator cannot be reached",
            ),
            server_asks: None,
            is_answered: matches!(failure, CallFailure::Unreadable { .. }),
            kind: Kind::Outage,
        },
    }
}

/// Failures in a row after which a page is told that an upload waits for the coordinator.
const FAILURES_TO_SHOW: u32 = 2;
