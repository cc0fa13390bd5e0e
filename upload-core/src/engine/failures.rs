//! What becomes of attempts that fail: who is to blame, when the part is tried again, and what ends an upload.

use std::time::Duration;

use super::Engine;
use crate::error::UploadError;
use crate::failure::{Cause, FailureClass};
use crate::io::{AttemptId, TaskId, TransferFailure};
use crate::part::Part;
use crate::upload::{Attempt, Phase, Purpose};

/// How often storage may refuse a part without saying that its URL's time was over.
///
/// Source: own choice; once for a word for expiry that is not known here, once for luck.
const MAX_DENIALS: u32 = 3;

/// A part is blamed for failures without an answer only after this many times as many as with one: a connection that
/// breaks says less than an error.
///
/// Source: own choice; on a line where every tenth connection breaks, no part of a million gets there.
const SILENT_SHARE: u32 = 2;

/// So many failures of a part while storage takes others are worth a look. Source: own choice; one is bad luck.
const FAILURES_TO_LOOK_AT: u32 = 2;

/// Of a part that was never taken.
const REFUSED_AGAIN: &str = "storage refused the same part again and again";

/// Longest wait where no answer came at all: a network that returns does not always say so, and one
/// probe at a time is no burden.
///
/// Source: own choice.
const MAX_DELAY_WITHOUT_ANSWER: Duration = Duration::from_secs(4);

/// How often a file is read that cannot be: with the pauses in between, for some seconds.
///
/// Source: own choice; a drive has woken up and a virus scanner has let go by then, and a person who deleted the file hears of it.
const MOST_READS: u32 = 5;

impl Engine {
    /// An attempt to hash or to send a part has failed.
    pub(super) fn attempt_failed(&mut self, id: AttemptId, failure: &TransferFailure) {
        if failure.is_there_already() && self.is_written_once(id) {
            self.stored(id);
            return;
        }
        let Some(attempt) = self.end_attempt(id) else {
            return;
        };
        if attempt.purpose == Purpose::Send {
            if !matches!(failure, TransferFailure::Network) {
                self.diagnosis(attempt.is_form).on_answer(0);
            }
            if self.has_duplicate(&attempt, id) && !matches!(failure.class(), FailureClass::Fatal(_)) {
                // The other request for the same part is still on its way.
                return;
            }
        }
        let most = self.config.retry.max_attempts;
        match failure.class() {
            FailureClass::Fatal(error) => self.fail(attempt.task, error),
            // Only storage can be out of order; a file that cannot be hashed cannot be read.
            _ if attempt.purpose != Purpose::Send => self.unreadable(attempt),
            FailureClass::Unreadable => self.unreadable(attempt),
            FailureClass::Outage { retry_after } => self.back_off(attempt, failure, retry_after),
            FailureClass::Resync => {
                let text = "the coordinator knows the upload, storage does not";
                let retryable = true;
                self.contradicted(attempt.task, failure.refused(text, retryable));
            }
            FailureClass::Reread => self.repeat(attempt, failure, None, most),
            FailureClass::RenewUrl(Cause::Denied) => {
                self.repeat(attempt, failure, Some(Cause::Denied), most.min(MAX_DENIALS));
            }
            FailureClass::RenewUrl(cause) => self.repeat(attempt, failure, Some(cause), most),
        }
    }

    /// Whether an attempt's request asks storage not to replace anything.
    fn is_written_once(&self, id: AttemptId) -> bool {
        let attempt = self.attempts.get(&id);
        let part = attempt.and_then(|attempt| self.uploads.get(&attempt.task)?.parts.get(attempt.part));
        let Some(Part::Sending { lease, .. }) = part else {
            return false;
        };
        lease
            .request
            .headers
            .iter()
            .any(|(name, _)| name == "if-none-match")
    }

    /// A file could not be read, perhaps only for a moment (a drive asleep or away, a virus scanner's lock): it is left
    /// alone for a while, unless that has happened too often in a row.
    fn unreadable(&mut self, attempt: Attempt) {
        let Attempt { task, part, .. } = attempt;
        let policy = self.config.retry;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let most = policy.max_attempts.min(MOST_READS);
        // What was being read when another part failed tells of the same moment.
        let is_known = upload.reads.rests_until(self.now).is_some();
        if !is_known && upload.reads.count(&policy, None, &mut self.random, self.now) >= most {
            self.fail(task, UploadError::file_unreadable());
            return;
        }
        upload.parts.set_back(part);
        self.retries = self.retries.saturating_add(1);
    }

    /// Sends a part again that failed for a reason of its own, unless it has failed so often: with a new URL for this
    /// cause, or, for none, with bytes that are read anew.
    fn repeat(&mut self, attempt: Attempt, failure: &TransferFailure, renewed: Option<Cause>, most: u32) {
        let Attempt { task, part, .. } = attempt;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let failures = upload.parts.count_failure(part, self.now);
        if failures >= most {
            self.fail(task, failure.refused(REFUSED_AGAIN, true));
            return;
        }
        self.retries = self.retries.saturating_add(1);
        if renewed.is_none() {
            upload.parts.reread(part);
        }
        let checksum = upload.parts.get(part).and_then(Part::checksum);
        let checksum = checksum.filter(|_| renewed.is_some());
        let until = match (failures, renewed) {
            // A URL that has just expired needs no wait: the new one comes from elsewhere.
            (1, Some(Cause::Expired | Cause::Denied)) => self.now,
            _ => self.now + self.config.retry.delay(failures, None, &mut self.random),
        };
        upload.parts.set(
            part,
            Part::BackingOff {
                checksum,
                lease: None,
                until,
            },
        );
    }

    /// Leaves a part alone that failed because storage or the network is in trouble.
    fn back_off(&mut self, attempt: Attempt, failure: &TransferFailure, retry_after: Option<Duration>) {
        let Attempt {
            task,
            part,
            started,
            is_form,
            ..
        } = attempt;
        self.window.on_congestion(started, self.now);
        let mut policy = self.config.retry;
        let is_answered = !matches!(failure, TransferFailure::Network);
        if !is_answered {
            policy.max_delay = policy.max_delay.min(MAX_DELAY_WITHOUT_ANSWER);
        }
        let delay = self.outage.on_failure(
            started,
            is_answered,
            retry_after,
            &policy,
            &mut self.random,
            self.now,
        );
        let timeout = self.config.retry.outage_timeout;
        let length = self
            .uploads
            .get(&task)
            .map_or(0, |upload| upload.parts.range(part).length);
        let diagnosis = self.diagnosis(is_form);
        let (found, verdict) = (diagnosis.found(), diagnosis.verdict(length));
        if self.online && verdict.is_some() {
            self.cannot_get_through(task, found);
            return;
        }
        if self.online && self.outage.duration(self.now) > timeout {
            self.fail(task, UploadError::storage_unreachable(found));
            return;
        }
        self.retries = self.retries.saturating_add(1);
        let until = self.now + delay;
        // Where storage has several addresses, another may answer when this one does not; but where none ever has, the
        // request is what an examination needs.
        let keeps_address =
            self.origins.count() == 1 || is_answered || !self.diagnosis(is_form).was_answered();
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let most = match is_answered {
            true => policy.max_attempts,
            false => policy.max_attempts.saturating_mul(SILENT_SHARE),
        };
        let own_failures = upload.parts.count_outage(part, self.stored_at, self.now);
        if own_failures >= most {
            let error = match is_answered {
                true => failure.refused(REFUSED_AGAIN, true),
                false => UploadError::storage_unreachable(found),
            };
            self.fail(task, error);
            return;
        }
        let rested = match upload.parts.get(part) {
            Some(Part::Sending { checksum, lease, .. }) => Part::BackingOff {
                checksum: *checksum,
                lease: keeps_address.then(|| lease.clone()),
                until,
            },
            _ => return,
        };
        upload.parts.set(part, rested);
        self.examine(task, part, own_failures >= FAILURES_TO_LOOK_AT);
    }

    /// Storage or coordinator contradicts what the engine knows of an upload: after a pause the coordinator says how it
    /// stands, unless that has been asked too often without anything more being stored.
    pub(super) fn contradicted(&mut self, task: TaskId, error: UploadError) {
        let policy = self.config.retry;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let times = upload
            .disagreements
            .count(&policy, None, &mut self.random, self.now);
        if times >= policy.max_attempts {
            self.fail(task, error);
            return;
        }
        self.cancel_attempts(task);
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        if let Some(call) = upload.own_call() {
            self.calls.drop_own(call, task);
        }
        if let Some(session) = upload.session() {
            let mut session = session.clone();
            session.signing = None;
            upload.phase = Phase::Resyncing(session, None);
        }
    }

    /// Whether another request for the attempt's part is in flight.
    fn has_duplicate(&mut self, attempt: &Attempt, id: AttemptId) -> bool {
        let Some(upload) = self.uploads.get_mut(&attempt.task) else {
            return false;
        };
        let Some(Part::Sending {
            checksum,
            lease,
            attempts,
        }) = upload.parts.get(attempt.part).cloned()
        else {
            return false;
        };
        let attempts: Vec<AttemptId> = attempts.into_iter().filter(|other| *other != id).collect();
        let has_duplicate = !attempts.is_empty();
        upload.parts.set(
            attempt.part,
            Part::Sending {
                checksum,
                lease,
                attempts,
            },
        );
        has_duplicate
    }
}
