//! What to do next: who begins, what is hashed, signed, sent, hedged and finalized.
//!
//! Runs after every input. Each step only looks at uploads under way, in the order in which they
//! began, so that earlier files finish first; but short files pass long ones, on up to half of the
//! requests, so that a file which is done in seconds is not kept waiting for one that takes hours.

use syncsphere_protocol::{Checksum, MAX_FILES_PER_INITIATE, PartNumber};

use super::attempts::{answer_overdue_at, read_overdue_at};
use super::report::{checkpoint_due, progress_due};
use super::{Engine, TimerReason};
use crate::error::UploadError;
use crate::io::{Action, TaskId};
use crate::part::{Kind, Part, Verification};
use crate::parts::Parts;
use crate::queue::{Class, TURNS};
use crate::time::Moment;
use crate::upload::{Attempt, Phase, Purpose, Upload};

/// Most uploads under way at a time: two initiate requests' worth, so that one can be filled while
/// the other's parts are sent.
const MAX_ACTIVE: usize = 2 * MAX_FILES_PER_INITIATE;

/// Files begin early enough that this many bytes, at the least, wait to be sent.
const BYTES_AHEAD: u64 = 64 * 1024 * 1024;

/// Parts are hashed and signed this many windows ahead of being sent.
pub(super) const WINDOWS_AHEAD: usize = 2;

/// But no more bytes of a file than this where its parts are large, as long as there is one for each that is hashed at a time.
///
/// Source: own choice; what is read so far ahead has left the system's cache when it is sent, and is read from the disk twice.
const MOST_BYTES_AHEAD: u64 = 1024 * 1024 * 1024;

/// Parts that are hashed at the same time. Source: measured, see `docs/client.md`; a core hashes
/// faster than any network sends, and more readers only delay the first part.
const HASHES_AT_ONCE: usize = 3;

/// And before anything has been opened: the first part's checksum is what everybody waits for.
const FIRST_HASHES_AT_ONCE: usize = 2;

impl Engine {
    pub(super) fn advance(&mut self) {
        self.cut_stalled();
        self.end_due_backoffs();
        self.begin_uploads();
        self.read_again();
        self.start_hashing();
        self.initiate();
        self.request_status();
        self.sign();
        self.send();
        self.hedge();
        self.complete();
        self.send_calls();
    }

    /// When to look again, and why.
    pub(super) fn next_timer(&self) -> Option<(Moment, TimerReason)> {
        let mut timer = None;
        for (id, attempt) in self.attempts.iter() {
            sooner(&mut timer, self.stalls_at(*id, attempt), TimerReason::Stalled);
            // Once it has waited so long for its answer, that is worth showing.
            let overdue = answer_overdue_at(attempt).filter(|at| *at > self.now);
            sooner(&mut timer, overdue, TimerReason::Stalled);
            let overdue = read_overdue_at(attempt).filter(|at| *at > self.now);
            sooner(&mut timer, overdue, TimerReason::ReadFile);
        }
        // Without a network, calls wait for its return, not for a time.
        let calls = self.calls.next_send(self.now).filter(|_| self.online);
        sooner(&mut timer, calls, TimerReason::RetryCall);
        sooner(
            &mut timer,
            self.outage.next_probe(self.now),
            TimerReason::ProbeStorage,
        );
        sooner(&mut timer, self.next_hedge_check(), TimerReason::Hedge);
        sooner(&mut timer, self.next_batch(), TimerReason::Complete);
        let paced = self.pacer.next_start(self.now);
        sooner(
            &mut timer,
            paced.filter(|_| self.has_part_ready()),
            TimerReason::Pace,
        );
        for upload in self.active_uploads() {
            for part in upload.parts.of_kind(Kind::BackingOff) {
                if let Some(Part::BackingOff { until, .. }) = upload.parts.get(part) {
                    sooner(&mut timer, Some(*until), TimerReason::RetryPart);
                }
            }
            sooner(
                &mut timer,
                upload.reads.rests_until(self.now),
                TimerReason::ReadFile,
            );
            if matches!(upload.phase, Phase::Resyncing(_, None)) && !upload.paused {
                let rests = upload.disagreements.rests_until(self.now);
                sooner(&mut timer, rests, TimerReason::Resync);
            }
            sooner(&mut timer, self.next_opening(upload), TimerReason::Initiate);
            sooner(&mut timer, progress_due(upload, self.now), TimerReason::Progress);
            sooner(
                &mut timer,
                checkpoint_due(upload, self.now),
                TimerReason::Checkpoint,
            );
        }
        timer
    }

    /// Whether a part could be sent at once if the window allowed it.
    pub(super) fn has_part_ready(&self) -> bool {
        let mut uploads = self.sending_uploads();
        uploads.any(|upload| upload.parts.count(Kind::Ready) > 0)
    }

    pub(super) fn active_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.active().map(|(_, upload)| upload)
    }

    /// Uploads under way that are not paused. Parts that wait in a paused one feed no connection, so
    /// they must not count where the engine asks whether it has prepared enough.
    pub(super) fn sending_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.active_uploads().filter(|upload| !upload.paused)
    }

    fn send_calls(&mut self) {
        while self.online
            && let Some((call, request)) = self.calls.next_due(self.now)
        {
            self.push(Action::Call {
                call,
                request: Box::new(request),
            });
        }
    }

    /// Parts whose wait is over, or whose URL has grown old, go back to where they can start again.
    fn end_due_backoffs(&mut self) {
        let (now, integrity, policy) = (self.now, self.config.integrity, self.config.retry);
        let mut wasting = Vec::new();
        let mut at = 0;
        while let Some((task, upload)) = self.uploads.active_at_mut(at) {
            at += 1;
            if upload.parts.count(Kind::BackingOff) + upload.parts.count(Kind::Ready) == 0 {
                continue;
            }
            for number in upload.parts.of_kind(Kind::BackingOff) {
                let Some(Part::BackingOff {
                    checksum,
                    lease,
                    until,
                }) = upload.parts.get(number).cloned()
                else {
                    continue;
                };
                if until > now {
                    continue;
                }
                let again = match lease.filter(|lease| lease.is_usable(now)) {
                    Some(lease) => Part::Ready { checksum, lease },
                    None if checksum.is_none() && integrity => Part::Waiting,
                    None => Part::Hashed { checksum },
                };
                upload.parts.set(number, again);
            }
            for number in upload.parts.of_kind(Kind::Ready) {
                let Some(Part::Ready { checksum, lease }) = upload.parts.get(number) else {
                    continue;
                };
                if lease.is_usable(now) {
                    continue;
                }
                let (checksum, is_short) = (*checksum, lease.is_short());
                upload.parts.set(number, Part::Hashed { checksum });
                // URLs that are over before a connection is free would be asked for again and again.
                if is_short {
                    let failures = upload.parts.count_failure(number, now);
                    if failures >= policy.max_attempts {
                        wasting.push(task);
                    }
                    let until = now + policy.delay(failures, None, &mut self.random);
                    let lease = None;
                    upload.parts.set(
                        number,
                        Part::BackingOff {
                            checksum,
                            lease,
                            until,
                        },
                    );
                }
            }
        }
        for task in wasting {
            let text = "the coordinator's URLs are over before use";
            self.fail(task, UploadError::protocol(text));
        }
    }

    /// Takes files from the queue while the network could run dry.
    fn begin_uploads(&mut self) {
        let uploads = &self.uploads;
        let may_begin = |task| uploads.get(&task).is_some_and(|upload| !upload.paused);
        let Some(highest) = self.queue.highest(&may_begin) else {
            return;
        };
        let (mut waiting_parts, mut waiting_bytes) = (0, 0);
        let (mut under_way, mut short) = (0, 0);
        for upload in self.sending_uploads() {
            under_way += 1;
            // What would go after them keeps no files waiting.
            if upload.file.priority < highest {
                continue;
            }
            let plan = upload.parts.plan();
            let left = plan.size().saturating_sub(upload.parts.stored_bytes());
            waiting_bytes += left;
            waiting_parts += left.div_ceil(plan.part_size()).max(1);
            short += usize::from(upload.class() != Class::Long);
        }
        let enough_parts = (self.window.limit() * (WINDOWS_AHEAD + 1)) as u64;
        while under_way < MAX_ACTIVE {
            let may_run_dry = waiting_parts < enough_parts || waiting_bytes < BYTES_AHEAD;
            let uploads = &self.uploads;
            let may_begin = |task| uploads.get(&task).is_some_and(|upload| !upload.paused);
            let task = if may_run_dry {
                self.queue.take(&Class::ALL, &may_begin)
            } else if short < MAX_FILES_PER_INITIATE {
                self.queue.take(&[Class::Single, Class::Short], &may_begin)
            } else {
                None
            };
            let Some(task) = task else { return };
            let planned = self.uploads.get(&task).map(|upload| self.plan(upload.file.size));
            let Some(upload) = self.uploads.get_mut(&task) else {
                return;
            };
            // More is known of network and storage by now than when the page came with the file.
            if let Some(Ok(plan)) = planned
                && plan != upload.parts.plan()
            {
                upload.parts = Parts::new(plan);
            }
            upload.phase = Phase::Opening;
            upload.began = self.now;
            waiting_bytes += upload.parts.plan().size();
            waiting_parts += u64::from(upload.parts.plan().part_count());
            short += usize::from(upload.class() != Class::Long);
            under_way += 1;
            self.uploads.begin(task);
        }
    }

    /// Computes the checksums of the parts that come next and, when nothing else is to be read, of
    /// those that an earlier page has stored and of later ones of files that are read twice.
    fn start_hashing(&mut self) {
        // What is prepared of small files feeds no large one's share of the requests, nor the reverse.
        let mut ahead = Class::ALL.map(|class| (class, 0));
        let mut priority = None;
        let (mut hashing, slow) = self.reading();
        let is_opening = |upload: &Upload| matches!(upload.phase, Phase::Opening);
        let most_hashing = match self.active_uploads().all(is_opening) {
            true => FIRST_HASHES_AT_ONCE,
            false => HASHES_AT_ONCE,
        };
        let most_ahead = self.window.limit() * WINDOWS_AHEAD;
        if let Some((task, part)) = self
            .part_out_of_turn()
            .filter(|(task, _)| hashing < most_hashing && !slow.contains(task))
        {
            hashing += 1;
            self.start(task, part, Purpose::Hash);
        }
        let mut at = 0;
        while let Some((task, upload)) = self.uploads.active_at(at) {
            // Nor does what is prepared of less important files count for more important ones.
            let its_priority = upload.file.priority;
            if priority != Some(its_priority) {
                priority = Some(its_priority);
                self.count_ahead(at, its_priority, &mut ahead);
            }
            at += 1;
            if !upload.may_hash(self.now) || slow.contains(&task) {
                continue;
            }
            let one_at_a_time = upload.reads.has_failed();
            let large_ahead = (MOST_BYTES_AHEAD / upload.parts.plan().part_size().max(1)) as usize;
            let most_ahead = most_ahead.min(large_ahead.max(HASHES_AT_ONCE));
            let class = upload.class();
            let Some((_, ahead)) = ahead.iter_mut().find(|(of, _)| *of == class) else {
                continue;
            };
            // A file begins with its first part, so that its URL comes with the grant; small files
            // may all have theirs hashed, since one request opens a hundred of them.
            let is_first =
                |upload: &Upload| matches!(upload.phase, Phase::Opening) && upload.parts.ahead() == 0;
            let mut may_have = *ahead < most_ahead || is_first(upload);
            while may_have
                && let Some(upload) = self.uploads.get_mut(&task)
                && let Some(part) = upload.parts.next_waiting()
            {
                if upload.parts.would_overtake(part) {
                    break;
                }
                if self.config.integrity {
                    if hashing >= most_hashing {
                        return;
                    }
                    hashing += 1;
                    self.start(task, part, Purpose::Hash);
                } else {
                    upload.parts.set(part, Part::Hashed { checksum: None });
                }
                *ahead += 1;
                may_have = *ahead < most_ahead && !one_at_a_time;
            }
        }
        // Files that are read twice are read on, for what is sent once all of a file has been read is its second reading.
        let reads_on = self.config.read_again && self.config.integrity;
        let mut at = 0;
        while hashing < most_hashing
            && let Some((task, upload)) = self.uploads.active_at(at)
        {
            let due = upload.parts.first(Kind::Due);
            let may_read_on =
                reads_on && !upload.reads.has_failed() && matches!(upload.phase, Phase::Transferring(_));
            let next = due.or_else(|| may_read_on.then_some(upload)?.parts.next_waiting());
            match next.filter(|_| upload.may_hash(self.now) && !slow.contains(&task)) {
                Some(part) => {
                    hashing += 1;
                    let purpose = match due {
                        Some(_) => Purpose::Verify,
                        None => Purpose::Hash,
                    };
                    self.start(task, part, purpose);
                }
                None => at += 1,
            }
        }
    }

    /// How many parts are being read, but for those that may never be read to their end; and the files that no further part
    /// is read of meanwhile, because of those or because reading them has failed lately.
    fn reading(&self) -> (usize, Vec<TaskId>) {
        let (mut reading, mut slow) = (0, Vec::new());
        for attempt in self.attempts.values() {
            let Some(overdue_at) = read_overdue_at(attempt) else {
                continue;
            };
            let is_overdue = overdue_at <= self.now;
            reading += usize::from(!is_overdue);
            let upload = self.uploads.get(&attempt.task);
            if is_overdue || upload.is_some_and(|upload| upload.reads.has_failed()) {
                slow.push(attempt.task);
            }
        }
        (reading, slow)
    }

    /// Counts, for each class, the parts that are prepared of the uploads from here on that have the same priority.
    fn count_ahead(&self, mut at: usize, priority: i32, ahead: &mut [(Class, usize)]) {
        while let Some((_, upload)) = self.uploads.active_at(at)
            && upload.file.priority == priority
        {
            at += 1;
            for (class, ahead) in &mut *ahead {
                if *class == upload.class() && !upload.paused {
                    *ahead += upload.parts.ahead();
                }
            }
        }
    }

    /// The part to be hashed next though others go before, where it is the turn of such a file and none of its parts is
    /// prepared.
    fn part_out_of_turn(&self) -> Option<(TaskId, PartNumber)> {
        let (task, upload) = self.out_of_turn()?;
        let may_hash = self.config.integrity && upload.may_hash(self.now) && upload.parts.ahead() == 0;
        Some((task, upload.parts.next_waiting().filter(|_| may_hash)?))
    }

    /// The upload whose turn it is though others go before it: the one that began first of those with parts to send.
    pub(super) fn out_of_turn(&self) -> Option<(TaskId, &Upload)> {
        if self.turns + 1 < TURNS {
            return None;
        }
        let highest = self.highest_priority()?;
        let mut eldest: Option<(TaskId, &Upload)> = None;
        for (task, upload) in self.uploads.active() {
            let wants_to_send = !upload.paused
                && upload.file.priority < highest
                && (upload.parts.ahead() > 0 || upload.parts.next_waiting().is_some());
            if wants_to_send && eldest.is_none_or(|(_, eldest)| upload.began < eldest.began) {
                eldest = Some((task, upload));
            }
        }
        eldest
    }

    /// The highest priority under way.
    pub(super) fn highest_priority(&self) -> Option<i32> {
        self.sending_uploads().next().map(|upload| upload.file.priority)
    }

    /// Begins an attempt to hash a part.
    fn start(&mut self, task: TaskId, part: PartNumber, purpose: Purpose) {
        let Some(upload) = self.uploads.get(&task) else {
            return;
        };
        let range = upload.parts.range(part);
        let attempt = self.attempt(Attempt::new(task, part, range.length, purpose, self.now));
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        // What is stored is verified by what was computed before it was.
        let known = upload.parts.get(part).and_then(Part::checksum);
        let by = known.map_or(self.checksums, Checksum::integrity);
        let state = match upload.parts.get(part) {
            Some(Part::Stored { checksum, .. }) => Part::Stored {
                checksum: *checksum,
                verification: Verification::Running,
            },
            _ => Part::Hashing,
        };
        upload.parts.set(part, state);
        self.push(Action::Hash {
            attempt,
            task,
            range,
            by,
        });
    }
}

/// An alarm is set to the earliest moment.
fn sooner(timer: &mut Option<(Moment, TimerReason)>, at: Option<Moment>, why: TimerReason) {
    if let Some(at) = at
        && timer.is_none_or(|set| (at, why) < set)
    {
        *timer = Some((at, why));
    }
}
