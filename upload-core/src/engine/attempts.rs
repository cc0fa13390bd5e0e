//! What becomes of attempts to hash and to send parts.

use std::time::Duration;

use syncsphere_protocol::{Checksum, PartNumber};

use super::Engine;
use crate::error::UploadError;
use crate::io::{Action, AttemptId, Connections, TaskId, TransferFailure};
use crate::part::{Kind, Part, Verification};
use crate::stall_detector::BUFFERED;
use crate::time::Moment;
use crate::upload::{Attempt, Purpose};
use crate::window::BROWSER_CONNECTIONS;

/// Weight of the newest part in the smoothed speed of a connection. Source: own choice; the last
/// five parts or so decide.
const CONNECTION_RATE_WEIGHT: f64 = 0.3;

/// The smallest part that tells of a connection's speed, in bytes: one that is smaller tells of the round trip.
///
/// Source: own choice; at 100 MB/s and 50 ms a round trip half of the time goes into one of 5 MB, but every large file has
/// parts above it.
const MEASURABLE: u64 = 1024 * 1024;

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

/// How long all requests may wait for their answers before the page is told that storage is away.
///
/// Source: own choice; an answer after the last byte mostly takes a second.
const UNANSWERED: Duration = Duration::from_secs(20);

/// A part that has been read for so long, and for what its bytes take from a slow disk, may never be read to its end: others
/// no longer wait for it.
///
/// Source: own choice; longer than a lane waits for a file that says nothing before it goes on with others
/// (`uploader-wasm/npm/src/worker/lane.ts`).
const LONGEST_READ: Duration = Duration::from_secs(20);

/// Such a disk, in bytes a microsecond. Source: own choice.
const SLOW_DISK: u64 = 8;

/// A request that has shown nothing for so long beside six others that do has no connection. Source: own choice; one that
/// has sets out after a round trip or two, and reports after some 50 ms.
const LONG_WAIT: Duration = Duration::from_secs(2);

/// How late a lane's word of a request may come after another lane's: one whose end is not told yet must not count among
/// those that move. Source: own choice; a lane that hashes is busy for some milliseconds at a time.
const LATEST_WORD: Duration = Duration::from_millis(300);

impl Engine {
    pub(super) fn hashed(&mut self, id: AttemptId, checksum: Checksum) {
        let Some(Attempt {
            task, part, purpose, ..
        }) = self.attempts.remove(&id)
        else {
            return;
        };
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        upload.reads.reset();
        // Where all is read again at the end, that decides: one reading may be wrong though the file is not.
        if upload.parts.was_other(part, checksum) && !self.config.read_again {
            // Storage would take the new bytes, and the file would be a mix of two versions.
            self.fail(task, UploadError::file_changed());
            return;
        }
        if purpose == Purpose::Verify {
            match upload.parts.get(part).and_then(Part::checksum) {
                Some(sent) if sent != checksum => {
                    let may_be_wrong = self.config.read_again && upload.parts.doubt(part);
                    if !may_be_wrong {
                        self.fail(task, UploadError::file_changed());
                    }
                }
                _ => upload.parts.set(
                    part,
                    Part::Stored {
                        checksum: Some(checksum),
                        verification: Verification::Verified,
                    },
                ),
            }
            return;
        }
        // Meanwhile storage may have turned out to prove content by another algorithm.
        let hashed = match checksum.integrity() == self.checksums {
            true => Part::Hashed {
                checksum: Some(checksum),
            },
            false => Part::Waiting,
        };
        upload.parts.set(part, hashed);
    }

    pub(super) fn sent(&mut self, id: AttemptId, loaded: u64) {
        let now = self.now;
        let Some(attempt) = self
            .attempts
            .get_mut(&id)
            .filter(|attempt| loaded > attempt.loaded)
        else {
            return;
        };
        if attempt.loaded == 0 {
            attempt.moved_at = now;
        }
        attempt.loaded = loaded;
        attempt.handed_over = loaded >= attempt.length;
        attempt.longest_silence = attempt.longest_silence.max(now.since(attempt.last_progress_at));
        attempt.last_progress_at = now;
        if !attempt.handed_over {
            self.stalls.on_progress();
            if loaded > BUFFERED {
                self.outage.on_movement(attempt.started);
            }
        }
        if self.queued().is_some() && self.all_move() {
            self.window.set_connections(Connections::Multiplexed);
        }
    }

    /// The request that may wait inside the browser for a connection: the seventh.
    fn queued(&self) -> Option<AttemptId> {
        if !self.window.may_queue() {
            return None;
        }
        let mut before = BROWSER_CONNECTIONS;
        for (id, attempt) in self.attempts.iter() {
            if attempt.purpose == Purpose::Send {
                before = match before.checked_sub(1) {
                    Some(left) => left,
                    None => return Some(*id),
                };
            }
        }
        None
    }

    /// A request ends: the one that has waited longest inside the browser begins.
    pub(super) fn connection_is_free(&mut self) {
        let Some(queued) = self.queued().filter(|_| self.stalls.hears_progress()) else {
            return;
        };
        if let Some(waiting) = self
            .attempts
            .get_mut(&queued)
            .filter(|attempt| attempt.loaded == 0)
        {
            if self.now.since(waiting.started) >= LONG_WAIT {
                self.window.on_seventh_waited();
            }
            waiting.started = self.now;
            waiting.last_progress_at = self.now;
        }
    }

    /// Whether all requests are in the middle of their bytes: each has gone on since the last of them set out.
    fn all_move(&self) -> bool {
        let (mut all_moved_at, mut all_moved_until) = (Moment::default(), self.now);
        for attempt in self.attempts.values() {
            if attempt.purpose == Purpose::Send {
                if attempt.loaded == 0 || attempt.handed_over {
                    return false;
                }
                all_moved_at = all_moved_at.max(attempt.moved_at);
                all_moved_until = all_moved_until.min(attempt.last_progress_at);
            }
        }
        all_moved_until > all_moved_at + LATEST_WORD
    }

    pub(super) fn stored(&mut self, id: AttemptId) {
        let in_flight = self.in_flight();
        self.connection_is_free();
        let Some(attempt) = self.attempts.remove(&id) else {
            return;
        };
        let Attempt {
            task,
            part,
            started,
            loaded,
            longest_silence,
            length,
            is_form,
            ..
        } = attempt;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let checksum = upload.parts.get(part).and_then(Part::checksum);
        let duplicates = match upload.parts.get(part) {
            Some(Part::Sending { attempts, .. }) => attempts.clone(),
            _ => Vec::new(),
        };
        let stored = Part::Stored {
            checksum,
            verification: Verification::Verified,
        };
        upload.parts.set(part, stored.clone());
        if upload.parts.was_second_reading(id) {
            upload.parts.set(part, stored);
        }
        upload.unsaved = true;
        upload.reads.reset();
        for duplicate in duplicates.into_iter().filter(|duplicate| *duplicate != id) {
            self.end_attempt(duplicate);
            self.push(Action::Cancel { attempt: duplicate });
        }

        if length >= MEASURABLE {
            let took = self.now.since(started).as_secs_f64().max(0.001);
            let rate = length as f64 / took;
            self.connection_rate = Some(match self.connection_rate {
                Some(known) => known + CONNECTION_RATE_WEIGHT * (rate - known),
                None => rate,
            });
        }
        self.sent_bytes = self.sent_bytes.saturating_add(length);
        if loaded > 0 {
            self.stalls.observe(longest_silence);
        }
        self.stored_at = Some(self.now);
        self.outage.reset();
        self.diagnosis(is_form).on_answer(length);
        let limited = self.has_part_ready();
        self.window.on_stored(length, in_flight, limited, self.now);
    }

    /// Cuts requests that have shown no progress for longer than healthy ones do.
    pub(super) fn cut_stalled(&mut self) {
        let stalled: Vec<(AttemptId, bool)> = self
            .attempts
            .iter()
            .filter(|(id, attempt)| self.stalls_at(**id, attempt).is_some_and(|at| self.now >= at))
            .map(|(id, attempt)| (*id, attempt.loaded > 0))
            .collect();
        if stalled.is_empty() {
            return;
        }
        self.stalls.back_off();
        for (id, moved) in stalled {
            self.stalls.on_cut(moved);
            self.push(Action::Cancel { attempt: id });
            self.attempt_failed(id, &TransferFailure::Network);
        }
    }

    /// Whether everything that was sent has been taken, and nothing is answered: the page should say so, though nothing is cut.
    pub(super) fn waits_for_answers(&self) -> bool {
        let mut are_any = false;
        for attempt in self.attempts.values() {
            if attempt.purpose == Purpose::Send {
                are_any = true;
                if answer_overdue_at(attempt).is_none_or(|at| self.now < at) {
                    return false;
                }
            }
        }
        are_any
    }

    /// When a request will have shown no progress for so long that it is cut.
    pub(super) fn stalls_at(&self, id: AttemptId, attempt: &Attempt) -> Option<Moment> {
        if attempt.purpose != Purpose::Send {
            return None;
        }
        let length = attempt.length;
        let timeout = match (attempt.loaded, attempt.handed_over) {
            (_, true) => self.stalls.answer_timeout(length, self.connection_rate),
            (0, false) if self.queued() == Some(id) => {
                self.stalls.answer_timeout(length, self.connection_rate)
            }
            (0, false) => self.stalls.first_timeout(length, self.connection_rate),
            _ => self.stalls.timeout(),
        };
        Some(attempt.last_progress_at + timeout)
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

    /// Ends all waits of parts: the network is back, or, without `keeps_urls`, their URLs are of no use.
    pub(super) fn end_all_backoffs(&mut self, keeps_urls: bool) {
        let now = self.now;
        let mut at = 0;
        while let Some((_, upload)) = self.uploads.active_at_mut(at) {
            at += 1;
            upload.openings.end_rest();
            upload.disagreements.end_rest();
            for number in upload.parts.of_kind(Kind::BackingOff) {
                if let Some(Part::BackingOff { checksum, lease, .. }) = upload.parts.get(number).cloned() {
                    upload.parts.set(
                        number,
                        Part::BackingOff {
                            checksum,
                            lease: lease.filter(|_| keeps_urls),
                            until: now,
                        },
                    );
                }
            }
        }
    }

    /// Cancels whatever a task has under way; its parts go back to where they can start again.
    pub(super) fn cancel_attempts(&mut self, task: TaskId) {
        self.cancel_unless(task, &|_| false);
    }

    /// The same, but for attempts at parts that are kept.
    pub(super) fn cancel_unless(&mut self, task: TaskId, is_kept: &dyn Fn(PartNumber) -> bool) {
        let mut ids = Vec::new();
        for (id, attempt) in self.attempts.iter() {
            if attempt.task == task && !is_kept(attempt.part) {
                ids.push(*id);
            }
        }
        for id in ids {
            let Some(attempt) = self.end_attempt(id) else {
                continue;
            };
            self.push(Action::Cancel { attempt: id });
            if let Some(upload) = self.uploads.get_mut(&task) {
                upload.parts.set_back(attempt.part);
            }
        }
    }
}

/// When a request will have waited so long for its answer that the page is told.
pub(super) fn answer_overdue_at(attempt: &Attempt) -> Option<Moment> {
    attempt.handed_over.then(|| attempt.last_progress_at + UNANSWERED)
}

/// When a part will have been read for so long that no others wait for it.
pub(super) fn read_overdue_at(attempt: &Attempt) -> Option<Moment> {
    let longest = LONGEST_READ + Duration::from_micros(attempt.length / SLOW_DISK);
    (attempt.purpose != Purpose::Send).then(|| attempt.started + longest)
}
