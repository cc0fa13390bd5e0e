//! What becomes of attempts to hash and to send parts.

use std::time::Duration;

use syncsphere_protocol::{Crc64Nvme, PartNumber};

use super::Engine;
use crate::error::UploadError;
use crate::failure::FailureClass;
use crate::io::{Action, AttemptId, TaskId, TransferFailure};
use crate::parts::{Part, Verification};
use crate::time::Moment;
use crate::upload::{Attempt, Phase, Purpose};

/// Weight of the newest part in the smoothed speed of a connection. Source: own choice; the last
/// five parts or so decide.
const CONNECTION_RATE_WEIGHT: f64 = 0.3;

/// How often storage may refuse a part without saying that its URL's time was over.
///
/// Source: own choice; once for a word for expiry that is not known here, once for luck.
const MAX_DENIALS: u32 = 3;

/// Longest wait where no answer came at all: a network that returns does not always say so, and one
/// probe at a time is no burden.
///
/// Source: own choice.
const MAX_DELAY_WITHOUT_ANSWER: Duration = Duration::from_secs(4);

/// A timer that is late by more than this means that the computer slept or the tab was frozen:
/// silence until then proves nothing.
///
/// Source: own choice; background tabs get their timers once a minute at worst, but the engine
/// lives in a worker, which is not throttled that far.
const SLEEP: Duration = Duration::from_secs(20);

/// Without a timer, the engine waits for an answer of the coordinator, which takes no longer.
///
/// Source: the timeout of the coordinator for a storage that assembles an object.
const LONGEST_CALL: Duration = Duration::from_secs(300);

impl Engine {
    pub(super) fn hashed(&mut self, id: AttemptId, crc: Crc64Nvme) {
        let Some(Attempt {
            task, part, purpose, ..
        }) = self.attempts.remove(&id)
        else {
            return;
        };
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        if purpose == Purpose::Verify {
            match upload.parts.get(part).and_then(Part::crc) {
                Some(sent) if sent != crc => self.fail(task, UploadError::file_changed()),
                _ => upload.parts.set(
                    part,
                    Part::Stored {
                        crc: Some(crc),
                        verification: Verification::Verified,
                    },
                ),
            }
            return;
        }
        upload.parts.set(part, Part::Hashed { crc: Some(crc) });
    }

    pub(super) fn sent(&mut self, id: AttemptId, loaded: u64) {
        let now = self.now;
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if loaded > attempt.loaded {
            attempt.loaded = loaded;
            attempt.longest_silence = attempt.longest_silence.max(now.since(attempt.last_progress_at));
            attempt.last_progress_at = now;
        }
    }

    pub(super) fn stored(&mut self, id: AttemptId) {
        let in_flight = self.in_flight();
        let Some(attempt) = self.attempts.remove(&id) else {
            return;
        };
        let Attempt {
            task,
            part,
            started,
            last_progress_at,
            longest_silence,
            is_form,
            ..
        } = attempt;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let crc = upload.parts.get(part).and_then(Part::crc);
        let duplicates = match upload.parts.get(part) {
            Some(Part::Sending { attempts, .. }) => attempts.clone(),
            _ => Vec::new(),
        };
        let length = upload.parts.range(part).length;
        upload.parts.set(
            part,
            Part::Stored {
                crc,
                verification: Verification::Verified,
            },
        );
        upload.unsaved = true;
        for duplicate in duplicates.into_iter().filter(|duplicate| *duplicate != id) {
            self.attempts.remove(&duplicate);
            self.push(Action::Cancel { attempt: duplicate });
        }

        let took = self.now.since(started).as_secs_f64().max(0.001);
        let rate = length as f64 / took;
        self.connection_rate = Some(match self.connection_rate {
            Some(known) => known + CONNECTION_RATE_WEIGHT * (rate - known),
            None => rate,
        });
        self.sent_bytes = self.sent_bytes.saturating_add(length);
        self.stalls
            .observe(longest_silence.max(self.now.since(last_progress_at)));
        self.outage.reset();
        self.diagnosis(is_form).on_answer();
        let limited = self.has_part_ready();
        self.window.on_stored(length, in_flight, limited, self.now);
    }

    pub(super) fn attempt_failed(&mut self, id: AttemptId, failure: &TransferFailure) {
        let Some(attempt) = self.attempts.remove(&id) else {
            return;
        };
        if attempt.purpose == Purpose::Send {
            if !matches!(failure, TransferFailure::Network) {
                self.diagnosis(attempt.is_form).on_answer();
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
            _ if attempt.purpose != Purpose::Send => self.fail(attempt.task, UploadError::file_unreadable()),
            FailureClass::Outage { retry_after } => self.back_off(attempt, failure, retry_after),
            FailureClass::Resync => self.resync(attempt.task),
            FailureClass::Retry => self.repeat(attempt, failure, false, most),
            FailureClass::RenewUrl { expired: true } => self.repeat(attempt, failure, true, most),
            FailureClass::RenewUrl { expired: false } => {
                self.repeat(attempt, failure, true, most.min(MAX_DENIALS))
            }
        }
    }

    /// Sends a part again that failed for a reason of its own, unless it has failed so often.
    fn repeat(&mut self, attempt: Attempt, failure: &TransferFailure, keep_checksum: bool, most: u32) {
        let Attempt { task, part, .. } = attempt;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let failures = upload.parts.count_failure(part);
        if failures >= most {
            let text = "storage refused the same part again and again";
            self.fail(task, failure.refused(text, true));
            return;
        }
        self.retries = self.retries.saturating_add(1);
        let crc = upload
            .parts
            .get(part)
            .and_then(Part::crc)
            .filter(|_| keep_checksum);
        let until = match failures {
            // A URL that has just expired needs no wait: the new one comes from elsewhere.
            1 if keep_checksum => self.now,
            _ => self.now + self.config.retry.delay(failures, None, &mut self.random),
        };
        upload.parts.set(
            part,
            Part::BackingOff {
                crc,
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
        self.window.on_congestion(self.now);
        let mut policy = self.config.retry;
        if matches!(failure, TransferFailure::Network) {
            policy.max_delay = policy.max_delay.min(MAX_DELAY_WITHOUT_ANSWER);
        }
        let delay = self
            .outage
            .on_failure(started, retry_after, &policy, &mut self.random, self.now);
        let timeout = self.config.retry.outage_timeout;
        let diagnosis = self.diagnosis(is_form);
        let (found, verdict) = (diagnosis.found(), diagnosis.verdict());
        if self.online && (verdict.is_some() || self.outage.duration(self.now) > timeout) {
            self.fail(task, UploadError::storage_unreachable(found));
            return;
        }
        self.retries = self.retries.saturating_add(1);
        let until = self.now + delay;
        // Where storage has several addresses, another may answer when this one does not; but where none ever has, the
        // request is what an examination needs.
        let keeps_address = self.origins.count() == 1
            || !matches!(failure, TransferFailure::Network)
            || !self.diagnosis(is_form).was_answered();
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let waiting = match upload.parts.get(part) {
            Some(Part::Sending { crc, lease, .. }) => Part::BackingOff {
                crc: *crc,
                lease: keeps_address.then(|| lease.clone()),
                until,
            },
            _ => return,
        };
        upload.parts.set(part, waiting);
        self.examine(task, part);
    }

    /// Cuts requests that have shown no progress for longer than healthy ones do.
    pub(super) fn cut_stalled(&mut self) {
        let timeout = self.stalls.timeout();
        let is_stalled = |attempt: &Attempt| {
            attempt.purpose == Purpose::Send && self.now.since(attempt.last_progress_at) >= timeout
        };
        let stalled: Vec<AttemptId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| is_stalled(attempt))
            .map(|(id, _)| *id)
            .collect();
        if stalled.is_empty() {
            return;
        }
        self.stalls.back_off();
        for id in stalled {
            self.push(Action::Cancel { attempt: id });
            self.attempt_failed(id, &TransferFailure::Network);
        }
    }

    /// After a sleep, takes the time slept out of every reckoning of silence and failure: nobody
    /// could have answered.
    pub(super) fn discount_sleep(&mut self, now: Moment) {
        if now.since(self.now) < SLEEP {
            return;
        }
        let expected = self
            .poll_timeout()
            .map_or(self.now + LONGEST_CALL, |(at, _)| at.max(self.now));
        let overslept = now.since(expected);
        if overslept < SLEEP {
            return;
        }
        for attempt in self.attempts.values_mut() {
            attempt.started += overslept;
            attempt.last_progress_at += overslept;
        }
        self.outage.discount(overslept);
        self.calls.discount(overslept);
    }

    /// Ends all waits of parts: the network is back.
    pub(super) fn end_all_backoffs(&mut self) {
        let now = self.now;
        for task in self.active.clone() {
            let Some(upload) = self.uploads.get_mut(&task) else {
                continue;
            };
            let waiting: Vec<PartNumber> = upload
                .parts
                .open()
                .filter(|(_, part)| matches!(part, Part::BackingOff { .. }))
                .map(|(number, _)| number)
                .collect();
            for number in waiting {
                if let Some(Part::BackingOff { crc, lease, .. }) = upload.parts.get(number).cloned() {
                    upload.parts.set(
                        number,
                        Part::BackingOff {
                            crc,
                            lease,
                            until: now,
                        },
                    );
                }
            }
        }
    }

    /// Cancels whatever a task has under way; its parts go back to where they can start again.
    pub(super) fn cancel_attempts(&mut self, task: TaskId) {
        let ids: Vec<AttemptId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.task == task)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let Some(attempt) = self.attempts.remove(&id) else {
                continue;
            };
            self.push(Action::Cancel { attempt: id });
            if let Some(upload) = self.uploads.get_mut(&task) {
                let back = match upload.parts.get(attempt.part).cloned() {
                    Some(Part::Hashing) => Part::Waiting,
                    Some(Part::Sending { crc, lease, .. }) => Part::Ready { crc, lease },
                    Some(Part::Stored {
                        crc,
                        verification: Verification::Running,
                    }) => Part::Stored {
                        crc,
                        verification: Verification::Due,
                    },
                    _ => continue,
                };
                upload.parts.set(attempt.part, back);
            }
        }
    }

    /// Stops sending and has the coordinator say how the upload stands.
    pub(super) fn resync(&mut self, task: TaskId) {
        self.cancel_attempts(task);
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        if let Some(call) = upload.own_call() {
            self.calls.drop_own(call, task);
        }
        if let Phase::Transferring(session) | Phase::Completing(session, _) = &upload.phase {
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
        let Some(Part::Sending { crc, lease, attempts }) = upload.parts.get(attempt.part).cloned() else {
            return false;
        };
        let attempts: Vec<AttemptId> = attempts.into_iter().filter(|other| *other != id).collect();
        let has_duplicate = !attempts.is_empty();
        upload
            .parts
            .set(attempt.part, Part::Sending { crc, lease, attempts });
        has_duplicate
    }
}
