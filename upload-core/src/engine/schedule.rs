//! What to do next: who begins, what is hashed, signed, sent, hedged and finalized.
//!
//! Runs after every input. Each step only looks at uploads under way, in the order in which they
//! began, so that earlier files finish first.

use std::time::Duration;

use syncsphere_protocol::{
    CompleteRequest, CompletedPart, InitiateRequest, MAX_FILES_PER_INITIATE, MAX_PARTS_PER_SIGNING, NewFile,
    PartNumber, PartToSign, SignPartsRequest, UploadKind,
};

use super::{Engine, TimerReason};
use crate::calls::About;
use crate::io::{Action, Call, TaskId};
use crate::parts::{Part, Proof};
use crate::time::Moment;
use crate::upload::{Attempt, Phase, Purpose, Upload};

/// Most uploads under way at a time: two initiate requests' worth, so that one can be filled while
/// the other's parts are sent.
const MAX_ACTIVE: usize = 2 * MAX_FILES_PER_INITIATE;

/// Files begin early enough that this many bytes, at the least, wait to be sent.
const BYTES_AHEAD: u64 = 64 * 1024 * 1024;

/// Parts are hashed and signed this many windows ahead of being sent.
const WINDOWS_AHEAD: usize = 2;

/// Parts that are hashed at the same time. Source: measured, see `docs/client.md`; a core hashes
/// faster than any network sends, and more readers only delay the first part.
const HASHES_AT_ONCE: usize = 3;

/// Initiate requests under way at a time: one travels while the next fills up.
const INITIATIONS_AT_ONCE: usize = 2;

/// Share of all bytes sent that may be sent twice to overtake slow requests, in percent.
const HEDGE_PERCENT: u64 = 2;

/// A request is late enough to be hedged, within that share, once it will take this many times as
/// long as a new one.
const HEDGE_FACTOR: f64 = 2.0;

/// A request this late is no matter of chance on a healthy network: it is hedged whatever the share.
const SICK_FACTOR: f64 = 4.0;

/// A request is never judged before it has been under way for this long.
const HEDGE_GRACE: Duration = Duration::from_secs(2);

impl Engine {
    pub(super) fn advance(&mut self) {
        self.cut_stalled();
        self.repeat_calls();
        self.wake_rested();
        self.begin_uploads();
        self.start_hashing();
        self.initiate();
        self.ask_after_restored();
        self.sign();
        self.send();
        self.hedge();
        self.complete();
    }

    /// When to look again, and why.
    pub(super) fn timers(&self) -> impl Iterator<Item = (Moment, TimerReason)> {
        let rests = self
            .active_uploads()
            .flat_map(|upload| upload.parts.open())
            .filter_map(|(_, part)| match part {
                Part::Resting { until, .. } => Some((*until, TimerReason::RetryPart)),
                _ => None,
            });
        let patience = self.stalls.patience();
        let sends = self
            .attempts
            .values()
            .filter(|attempt| attempt.purpose == Purpose::Send);
        let stalls = sends.map(move |attempt| (attempt.moved_at + patience, TimerReason::Stalled));
        let calls = self.calls.next_retry().map(|at| (at, TimerReason::RetryCall));
        let probe = self
            .outage
            .next_probe(self.now)
            .map(|at| (at, TimerReason::ProbeStorage));
        let hedge = self.next_hedge_look().map(|at| (at, TimerReason::Hedge));
        rests
            .chain(stalls)
            .chain(calls)
            .chain(probe)
            .chain(hedge)
            .chain(self.report_timers())
    }

    /// Whether a part could be sent at once if the window allowed it.
    pub(super) fn has_part_ready(&self) -> bool {
        self.sending_uploads().any(|upload| {
            upload
                .parts
                .open()
                .any(|(_, part)| matches!(part, Part::Ready { .. }))
        })
    }

    fn active_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.active.iter().filter_map(|task| self.uploads.get(task))
    }

    /// Uploads under way that are not paused. Parts that wait in a paused one feed no connection, so
    /// they must not count where the engine asks whether it has prepared enough.
    fn sending_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.active_uploads().filter(|upload| !upload.paused)
    }

    fn repeat_calls(&mut self) {
        while self.online
            && let Some((call, request)) = self.calls.next_due(self.now)
        {
            self.push(Action::Call {
                call,
                request: Box::new(request),
            });
        }
    }

    /// Parts whose rest is over, or whose URL has grown old, go back to where they can start again.
    fn wake_rested(&mut self) {
        let (now, integrity) = (self.now, self.config.integrity);
        for task in &self.active {
            let Some(upload) = self.uploads.get_mut(task) else {
                continue;
            };
            let woken: Vec<(PartNumber, Part)> = upload
                .parts
                .open()
                .filter_map(|(number, part)| match part {
                    Part::Resting {
                        crc,
                        lease: Some(lease),
                        until,
                    } if *until <= now && lease.is_usable(now) => Some((
                        number,
                        Part::Ready {
                            crc: *crc,
                            lease: lease.clone(),
                        },
                    )),
                    Part::Resting { crc: None, until, .. } if *until <= now && integrity => {
                        Some((number, Part::Waiting))
                    }
                    Part::Resting { crc, until, .. } if *until <= now => {
                        Some((number, Part::Hashed { crc: *crc }))
                    }
                    Part::Ready { crc, lease } if !lease.is_usable(now) => {
                        Some((number, Part::Hashed { crc: *crc }))
                    }
                    _ => None,
                })
                .collect();
            for (number, part) in woken {
                upload.parts.set(number, part);
            }
        }
    }

    /// Takes files from the queue while the network could run dry.
    fn begin_uploads(&mut self) {
        let mut waiting_parts = 0;
        let mut waiting_bytes = 0;
        for upload in self.sending_uploads() {
            let plan = upload.parts.plan();
            let left = plan.size().saturating_sub(upload.parts.stored_bytes());
            waiting_bytes += left;
            waiting_parts += left.div_ceil(plan.part_size()).max(1);
        }
        let enough_parts = (self.window.limit() * (WINDOWS_AHEAD + 1)) as u64;
        let mut at = 0;
        while self.active.len() < MAX_ACTIVE
            && (waiting_parts < enough_parts || waiting_bytes < BYTES_AHEAD)
            && let Some(task) = self.queue.get(at).copied()
        {
            let Some(upload) = self.uploads.get_mut(&task).filter(|upload| !upload.paused) else {
                at += 1;
                continue;
            };
            upload.phase = Phase::Opening;
            waiting_bytes += upload.parts.plan().size();
            waiting_parts += u64::from(upload.parts.plan().part_count());
            self.queue.remove(at);
            self.active.push(task);
        }
    }

    /// Computes the checksums of the parts that come next and, when nothing else is to be read, of
    /// those that an earlier page has stored.
    fn start_hashing(&mut self) {
        let mut ahead: usize = self.sending_uploads().map(|upload| upload.parts.ahead()).sum();
        let mut hashing = self
            .attempts
            .values()
            .filter(|attempt| attempt.purpose != Purpose::Send)
            .count();
        let most_ahead = self.window.limit() * WINDOWS_AHEAD;
        for task in self.active.clone() {
            let Some(upload) = self.uploads.get(&task).filter(|upload| upload.may_hash()) else {
                continue;
            };
            // A file begins with its first part, so that its URL comes with the grant; small files
            // may all have theirs hashed, since one request opens a hundred of them.
            let is_first =
                |upload: &Upload| matches!(upload.phase, Phase::Opening) && upload.parts.ahead() == 0;
            let mut may_have = ahead < most_ahead || is_first(upload);
            while may_have
                && let Some(upload) = self.uploads.get_mut(&task)
                && let Some(part) = upload.parts.next_waiting()
            {
                if self.config.integrity {
                    if hashing >= HASHES_AT_ONCE {
                        return;
                    }
                    hashing += 1;
                    self.start(task, part, Purpose::Hash);
                } else {
                    upload.parts.set(part, Part::Hashed { crc: None });
                }
                ahead += 1;
                may_have = ahead < most_ahead;
            }
        }
        for task in self.active.clone() {
            while hashing < HASHES_AT_ONCE
                && let Some(upload) = self.uploads.get(&task).filter(|upload| upload.may_hash())
                && let Some(part) = first(upload, |part| {
                    matches!(
                        part,
                        Part::Stored {
                            proof: Proof::Owed,
                            ..
                        }
                    )
                })
            {
                hashing += 1;
                self.start(task, part, Purpose::Prove);
            }
        }
    }

    /// Begins an attempt to hash a part.
    fn start(&mut self, task: TaskId, part: PartNumber, purpose: Purpose) {
        let attempt = self.attempt(Attempt::new(task, part, purpose, self.now));
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let range = upload.parts.range(part);
        let state = match upload.parts.get(part) {
            Some(Part::Stored { crc, .. }) => Part::Stored {
                crc: *crc,
                proof: Proof::Checking,
            },
            _ => Part::Hashing,
        };
        upload.parts.set(part, state);
        self.push(Action::Hash { attempt, task, range });
    }

    /// Opens, in one request, all uploads whose first part is ready to be signed.
    fn initiate(&mut self) {
        let ready: usize = self
            .sending_uploads()
            .map(|upload| count(upload, |part| matches!(part, Part::Ready { .. })))
            .sum();
        let is_urgent = ready < self.window.limit() * WINDOWS_AHEAD;
        let gathered = self
            .active_uploads()
            .filter(|upload| may_initiate(upload))
            .count();
        // While enough is ready to be sent, files are gathered so that they share a request.
        while self.online
            && self.calls.initiations() < INITIATIONS_AT_ONCE
            && (is_urgent || gathered >= MAX_FILES_PER_INITIATE)
        {
            let mut tasks = Vec::new();
            let mut files = Vec::new();
            let mut room = MAX_PARTS_PER_SIGNING;
            for task in &self.active {
                if tasks.len() == MAX_FILES_PER_INITIATE || room == 0 {
                    break;
                }
                let Some(upload) = self.uploads.get_mut(task) else {
                    continue;
                };
                if !may_initiate(upload) {
                    continue;
                }
                let parts = take_hashed(upload, room);
                room -= parts.len();
                tasks.push(*task);
                files.push(new_file(*task, upload, parts));
            }
            if tasks.is_empty() {
                return;
            }
            let idempotency_key = format!("{:032x}", self.random.u128(..));
            let request = Call::Initiate {
                idempotency_key,
                body: InitiateRequest { files },
            };
            self.call(request, About::Initiation(tasks.clone()));
            for task in tasks {
                if let Some(upload) = self.uploads.get_mut(&task) {
                    upload.phase = Phase::Initiating;
                }
            }
        }
    }

    /// Asks how uploads stand that an earlier page left, or that storage and engine see differently.
    fn ask_after_restored(&mut self) {
        for task in self.active.clone() {
            let Some(upload) = self.uploads.get(&task).filter(|upload| !upload.paused) else {
                continue;
            };
            if !matches!(
                upload.phase,
                Phase::Restoring { call: None, .. } | Phase::Resyncing(_, None)
            ) {
                continue;
            }
            let Some(upload_id) = upload.upload_id().cloned() else {
                continue;
            };
            let asked = self.call(Call::Status { upload_id }, About::Upload(task));
            if let Some(upload) = self.uploads.get_mut(&task)
                && let Phase::Restoring { call, .. } | Phase::Resyncing(_, call) = &mut upload.phase
            {
                *call = Some(asked);
            }
        }
    }

    /// Asks for URLs, for all hashed parts of an upload at once, before the ready ones run out.
    fn sign(&mut self) {
        let limit = self.window.limit();
        for task in self.active.clone() {
            let Some(upload) = self.uploads.get_mut(&task) else {
                continue;
            };
            let ready = count(upload, |part| matches!(part, Part::Ready { .. }));
            let hashed = count(upload, |part| matches!(part, Part::Hashed { .. }));
            let is_urgent = ready < limit || hashed >= limit * WINDOWS_AHEAD;
            let Some(session) = upload.transferring() else {
                continue;
            };
            if hashed == 0 || !is_urgent || session.signing.is_some() {
                continue;
            }
            let (upload_id, ticket) = (session.upload_id.clone(), session.ticket.clone());
            let parts = take_hashed(upload, MAX_PARTS_PER_SIGNING);
            let body = SignPartsRequest { ticket, parts };
            let call = self.call(Call::SignParts { upload_id, body }, About::Upload(task));
            if let Some(session) = self.uploads.get_mut(&task).and_then(Upload::transferring) {
                session.signing = Some(call);
            }
        }
    }

    fn send(&mut self) {
        if !self.online {
            return;
        }
        let room = |engine: &Self| {
            engine
                .outage
                .cap(engine.window.limit(), engine.now)
                .saturating_sub(engine.in_flight())
        };
        let mut free = room(self);
        for task in self.active.clone() {
            while free > 0
                && let Some(upload) = self.uploads.get_mut(&task)
                && upload.transferring().is_some()
                && let Some(part) = first(upload, |part| matches!(part, Part::Ready { .. }))
            {
                self.start_sending(task, part);
                free -= 1;
            }
        }
    }

    fn start_sending(&mut self, task: TaskId, part: PartNumber) {
        let id = self.attempt(Attempt::new(task, part, Purpose::Send, self.now));
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let range = upload.parts.range(part);
        let (crc, lease, mut attempts) = match upload.parts.get(part).cloned() {
            Some(Part::Ready { crc, lease }) => (crc, lease, Vec::new()),
            Some(Part::Sending { crc, lease, attempts }) => (crc, lease, attempts),
            _ => return,
        };
        attempts.push(id);
        let (method, url, headers) = (lease.method.clone(), lease.url.clone(), lease.headers.clone());
        upload.parts.set(part, Part::Sending { crc, lease, attempts });
        self.push(Action::Send {
            attempt: id,
            task,
            range,
            method,
            url,
            headers,
        });
    }

    /// Sends the latest request of the tail a second time where a new one should end sooner.
    fn hedge(&mut self) {
        while let Some((lateness, attempt)) = self.latest_straggler()
            && self.online
            && !self.outage.is_braking()
            && self.window.limit() > self.in_flight()
        {
            let Attempt { task, part, .. } = attempt;
            let Some(upload) = self.uploads.get(&task) else {
                return;
            };
            let length = upload.parts.range(part).length;
            let within_share = self.hedged_bytes + length <= self.sent_bytes / 100 * HEDGE_PERCENT;
            let usable = matches!(upload.parts.get(part), Some(Part::Sending { lease, .. }) if lease.is_usable(self.now));
            if !usable || !(within_share || lateness >= SICK_FACTOR) {
                return;
            }
            self.hedged_bytes += length;
            self.start_sending(task, part);
        }
    }

    /// The request, alone for its part, that a new one would overtake by the widest margin, and how
    /// many times as long as a new one it will still take; only where no part is left to begin with.
    fn latest_straggler(&self) -> Option<(f64, Attempt)> {
        let rate = self.lane_rate?;
        let tail = self.queue.is_empty()
            && self
                .active_uploads()
                .filter(|upload| !upload.paused)
                .all(|upload| {
                    matches!(upload.phase, Phase::Transferring(_) | Phase::Completing(..))
                        && upload.parts.next_waiting().is_none()
                        && upload.parts.ahead() == 0
                });
        if !tail {
            return None;
        }
        let lateness = |attempt: &Attempt| {
            let upload = self.uploads.get(&attempt.task)?;
            let alone = matches!(upload.parts.get(attempt.part), Some(Part::Sending { attempts, .. }) if attempts.len() == 1);
            let age = self.now.since(attempt.started);
            if !alone || attempt.purpose != Purpose::Send || age < HEDGE_GRACE {
                return None;
            }
            let length = upload.parts.range(attempt.part).length as f64;
            let speed = attempt.loaded as f64 / age.as_secs_f64();
            let left = if speed > 1.0 {
                (length - attempt.loaded as f64) / speed
            } else {
                f64::INFINITY
            };
            let silent = self.now.since(attempt.moved_at).as_secs_f64();
            let fresh = length / rate.max(1.0);
            let lateness = left.max(silent) / fresh.max(0.001);
            (lateness >= HEDGE_FACTOR).then_some(lateness)
        };
        self.attempts
            .values()
            .filter_map(|attempt| Some((lateness(attempt)?, *attempt)))
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    /// While slots are free and requests are in flight, lateness is looked at each second.
    fn next_hedge_look(&self) -> Option<Moment> {
        let in_flight = self.in_flight();
        let may_hedge = in_flight > 0 && in_flight < self.window.limit() && self.queue.is_empty();
        may_hedge.then(|| self.now + Duration::from_secs(1))
    }

    /// Finalizes uploads whose parts are all stored and proven.
    fn complete(&mut self) {
        for task in self.active.clone() {
            let integrity = self.config.integrity;
            let Some(upload) = self
                .uploads
                .get_mut(&task)
                .filter(|upload| upload.parts.all_done())
            else {
                continue;
            };
            let Some(session) = upload.transferring() else {
                continue;
            };
            let session = session.clone();
            let crc64nvme = upload.parts.whole_crc().filter(|_| integrity);
            let is_multipart = session.kind == UploadKind::Multipart;
            let parts = (is_multipart && crc64nvme.is_some()).then(|| completed_parts(upload));
            let body = CompleteRequest {
                ticket: session.ticket.clone(),
                crc64nvme,
                parts,
            };
            let upload_id = session.upload_id.clone();
            let call = self.call(Call::Complete { upload_id, body }, About::Upload(task));
            if let Some(upload) = self.uploads.get_mut(&task) {
                upload.phase = Phase::Completing(session, call);
            }
        }
    }
}

fn may_initiate(upload: &Upload) -> bool {
    let is_hashed = |part: &Part| matches!(part, Part::Hashed { .. });
    !upload.paused && matches!(upload.phase, Phase::Opening) && count(upload, is_hashed) > 0
}

fn count(upload: &Upload, is: impl Fn(&Part) -> bool) -> usize {
    upload.parts.open().filter(|(_, part)| is(part)).count()
}

fn first(upload: &Upload, is: impl Fn(&Part) -> bool) -> Option<PartNumber> {
    upload
        .parts
        .open()
        .find(|(_, part)| is(part))
        .map(|(number, _)| number)
}

/// Moves up to `most` hashed parts to signing; gives what to ask for.
fn take_hashed(upload: &mut Upload, most: usize) -> Vec<PartToSign> {
    let parts: Vec<PartToSign> = upload
        .parts
        .open()
        .filter_map(|(part_number, part)| match part {
            Part::Hashed { crc } => Some(PartToSign {
                part_number,
                crc64nvme: *crc,
            }),
            _ => None,
        })
        .take(most)
        .collect();
    for part in &parts {
        upload
            .parts
            .set(part.part_number, Part::Signing { crc: part.crc64nvme });
    }
    parts
}

fn new_file(task: TaskId, upload: &Upload, parts: Vec<PartToSign>) -> NewFile {
    let file = &upload.file;
    NewFile {
        client_ref: task.0.to_string(),
        name: file.name.clone(),
        size: file.size,
        content_type: Some(file.content_type.clone()).filter(|kind| !kind.is_empty()),
        last_modified: file.last_modified,
        path: file.path.clone(),
        metadata: file.metadata.clone(),
        part_size: Some(upload.parts.plan().part_size()),
        parts,
    }
}

fn completed_parts(upload: &Upload) -> Vec<CompletedPart> {
    let numbers = upload.parts.plan().part_numbers();
    let crc = |number| upload.parts.get(number).and_then(Part::crc);
    numbers
        .map(|part_number| CompletedPart {
            part_number,
            etag: None,
            crc64nvme: crc(part_number),
        })
        .collect()
}
