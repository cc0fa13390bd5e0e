//! The world of one run: a virtual clock, the network between page, coordinator and storage, and
//! everything that goes wrong on it.

use std::collections::{BTreeMap, BTreeSet};

use syncsphere_coordinator_core::ledger::{self, MemoryStore};
use syncsphere_coordinator_core::{Context, StorageFailure, WorkspaceFailure};
use syncsphere_protocol::{PartRange, WorkspaceId};
use syncsphere_upload_core::{AttemptId, CallId, Input, Reply, TaskState, TransferFailure};

use crate::api;
use crate::edge::{Ask, Edge, Outgoing, Slot};
use crate::page::Page;
use crate::pipe::Pipe;
use crate::scenario::{Happening, Scenario};
use crate::storage::{FakeStorage, Put};

/// The wall clock at the start of every run, in milliseconds since 1970 (2026-11-24).
const EPOCH_MS: i64 = 1_795_500_000_000;

/// A run that has not ended by then is stuck.
const LONGEST_RUN: u64 = 12 * 3600 * 1000;

/// How long the page's shell waits for the coordinator, in milliseconds.
const CALL_PATIENCE: u64 = 30_000;

/// How often requests report their progress, in milliseconds.
const PROGRESS_EVERY: u64 = 1_000;

/// A file on the user's disk.
#[derive(Debug, Clone)]
pub struct DiskFile {
    /// Bytes.
    pub size: u64,
    /// What its content grows from; an edit changes it.
    pub seed: u64,
    /// Changes with each edit.
    pub modified: i64,
}

pub(crate) enum Event {
    Happens(Happening),
    NetworkBack,
    StorageUp,
    CoordinatorUp,
    PageOpens,
    Resume(usize),
    Wake(u32),
    Hashed(u32, AttemptId, usize, PartRange),
    FlowStarts(u32, AttemptId),
    FlowEnds(u64),
    Reset(u32, AttemptId),
    Progress,
    PutArrives(u32, AttemptId),
    PutAnswered(u32, AttemptId, Option<(u16, String)>),
    CallArrives(u32, CallId, u64),
    CallAnswered(u32, CallId, Option<(u16, Vec<u8>)>),
    CallTimesOut(u32, CallId),
    Port(Outgoing, bool),
    PortAnswered(u64, Box<dyn FnOnce()>),
}

/// A part on its way.
pub(crate) struct Sending {
    pub file: usize,
    pub range: PartRange,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub seed: u64,
    pub flow: u64,
    /// When its first byte reached storage.
    pub began_ms: i64,
}

/// How a run ended, for reports and for the coverage of what runs reach.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The last state of each file.
    pub ends: Vec<Option<TaskState>>,
    /// Milliseconds until the last one ended.
    pub took: u64,
    /// How often something happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// Bytes that parts had when they arrived at storage.
    pub bytes_arrived: u64,
    /// Requests to the coordinator.
    pub calls: u64,
}

/// The world.
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) random: fastrand::Rng,
    pub(crate) now: u64,
    events: BTreeMap<(u64, u64), Event>,
    event_count: u64,
    pub(crate) disk: Vec<DiskFile>,
    /// Every version that a file has had: size and seed.
    versions: Vec<(u64, u64)>,
    pub(crate) page: Option<Page>,
    pub(crate) generation: u32,
    pub(crate) kept: BTreeMap<usize, String>,
    pub(crate) done: BTreeMap<usize, TaskState>,
    pub(crate) sending: BTreeMap<AttemptId, Sending>,
    pipe: Pipe,
    flows: BTreeMap<u64, AttemptId>,
    flow_count: u64,
    edge: Edge,
    routes: BTreeMap<u64, (u32, CallId)>,
    requests: BTreeMap<u64, http::Request<Vec<u8>>>,
    request_count: u64,
    ledgers: BTreeMap<WorkspaceId, MemoryStore>,
    storage: FakeStorage,
    network_gone: u32,
    storage_down: u32,
    coordinator_down: u32,
    pub(crate) token: String,
    pub(crate) outcome: Outcome,
}

impl World {
    /// Runs a scenario to its end and checks every invariant on the way.
    ///
    /// # Panics
    ///
    /// Where an invariant is broken or the run gets stuck.
    pub fn run(scenario: Scenario) -> Outcome {
        let mut world = Self::new(scenario);
        while !world.is_over() {
            let Some(((at, _), event)) = world.events.pop_first() else {
                panic!("stuck: nothing left to wait for, page {:?}", world.page);
            };
            assert!(
                at < LONGEST_RUN,
                "stuck: the run does not end, files {:?}",
                world.done
            );
            world.now = at;
            world.take(event);
        }
        world.finish()
    }

    fn new(scenario: Scenario) -> Self {
        let (coordinator, token, verifier) = api::coordinator(&scenario, EPOCH_MS);
        let disk: Vec<DiskFile> = scenario
            .files
            .iter()
            .zip(1..)
            .map(|(size, number)| DiskFile {
                size: *size,
                seed: scenario.seed ^ number << 48,
                modified: 1,
            })
            .collect();
        let mut world = Self {
            random: fastrand::Rng::with_seed(scenario.seed),
            now: 0,
            events: BTreeMap::new(),
            event_count: 0,
            versions: disk.iter().map(|file| (file.size, file.seed)).collect(),
            disk,
            page: None,
            generation: 0,
            kept: BTreeMap::new(),
            done: BTreeMap::new(),
            sending: BTreeMap::new(),
            pipe: Pipe::new(scenario.link.rate_each, scenario.link.rate_total),
            flows: BTreeMap::new(),
            flow_count: 0,
            edge: Edge::new(coordinator),
            routes: BTreeMap::new(),
            requests: BTreeMap::new(),
            request_count: 0,
            ledgers: BTreeMap::new(),
            storage: FakeStorage::new(verifier, scenario.speaks_r2),
            network_gone: 0,
            storage_down: 0,
            coordinator_down: 0,
            token,
            outcome: Outcome::default(),
            scenario,
        };
        for (at, happening) in world.scenario.happenings.clone() {
            world.at(at, Event::Happens(happening));
        }
        let (gone, every) = world.scenario.link.flap;
        if every > 0 {
            for round in 1..40 {
                world.at(
                    round * every,
                    Event::Happens(Happening::NetworkGone(gone, round % 2 == 0)),
                );
            }
        }
        world.open_page();
        world
    }

    fn is_over(&self) -> bool {
        self.done.len() == self.disk.len() && self.routes.is_empty()
    }

    fn finish(mut self) -> Outcome {
        self.outcome.ends = (0..self.disk.len())
            .map(|file| self.done.get(&file).copied())
            .collect();
        for ledger in self.ledgers.values() {
            crate::checks::feed_is_sound(ledger);
            crate::checks::available_means_stored(ledger, &self.storage, &self.versions);
        }
        self.outcome
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.event_count += 1;
        self.events.insert((at, self.event_count), event);
    }

    pub(crate) fn later(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.random.f64() < probability
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.outcome.counts.entry(what).or_default() += 1;
    }

    /// The wall clock, in milliseconds since 1970.
    pub(crate) fn wall_ms(&self) -> i64 {
        EPOCH_MS + self.now as i64
    }

    fn half_trip(&self) -> u64 {
        self.scenario.link.round_trip.div_ceil(2)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Happens(happening) => self.happens(happening),
            Event::NetworkBack => {
                self.network_gone -= 1;
                if self.network_gone == 0 {
                    self.feed(Input::Network { online: true });
                }
            }
            Event::StorageUp => self.storage_down -= 1,
            Event::CoordinatorUp => self.coordinator_down -= 1,
            Event::PageOpens => self.open_page(),
            Event::Resume(file) => self.feed_task(file, Input::Resume),
            Event::Wake(page) if page == self.generation => self.wake(),
            Event::Wake(_) => {}
            Event::Hashed(page, attempt, file, range) if page == self.generation => {
                self.hashed(attempt, file, range);
            }
            Event::Hashed(..) => {}
            Event::FlowStarts(page, attempt) if page == self.generation => self.flow_starts(attempt),
            Event::FlowStarts(..) => {}
            Event::FlowEnds(flow) => self.flow_ends(flow),
            Event::Reset(page, attempt) if page == self.generation => {
                self.fail_sending(attempt, TransferFailure::Network);
            }
            Event::Reset(..) => {}
            Event::Progress => self.progress(),
            Event::PutArrives(page, attempt) => self.put_arrives(page, attempt),
            Event::PutAnswered(page, attempt, answer) if page == self.generation => {
                self.put_answered(attempt, answer);
            }
            Event::PutAnswered(..) => {}
            Event::CallArrives(page, call, request) => self.call_arrives(page, call, request),
            Event::CallAnswered(page, call, answer) => {
                if page == self.generation {
                    self.call_answered(call, answer);
                }
            }
            Event::CallTimesOut(page, call) => {
                if page == self.generation {
                    self.call_answered(call, None);
                }
            }
            Event::Port(outgoing, reply_lost) => self.port(outgoing, reply_lost),
            Event::PortAnswered(task, answer) => {
                answer();
                self.go_on(task);
            }
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Crash(span) => {
                self.count("page crashed");
                self.close_page();
                self.later(span, Event::PageOpens);
            }
            Happening::NetworkGone(span, told) => {
                self.count("network gone");
                self.network_gone += 1;
                self.later(span, Event::NetworkBack);
                if told {
                    self.feed(Input::Network { online: false });
                }
                let cut: Vec<AttemptId> = self.sending.keys().copied().collect();
                for attempt in cut {
                    self.fail_sending(attempt, TransferFailure::Network);
                }
            }
            Happening::StorageDown(span) => {
                self.storage_down += 1;
                self.later(span, Event::StorageUp);
            }
            Happening::CoordinatorDown(span) => {
                self.coordinator_down += 1;
                self.later(span, Event::CoordinatorUp);
            }
            Happening::Sleep(span) => self.sleep(span),
            Happening::Pause(file, span) => {
                self.count("paused");
                self.feed_task(file, Input::Pause);
                self.later(span, Event::Resume(file));
            }
            Happening::Abort(file) => self.abort(file),
            Happening::Edit(file) => {
                let Some(on_disk) = self.disk.get_mut(file) else {
                    return;
                };
                on_disk.seed = on_disk.seed.wrapping_mul(31).wrapping_add(7);
                on_disk.modified += 1;
                self.versions.push((on_disk.size, on_disk.seed));
            }
        }
    }

    /// The computer sleeps: connections die, and nothing on it sees the time pass.
    fn sleep(&mut self, span: u64) {
        self.count("slept");
        let cut: Vec<AttemptId> = self.sending.keys().copied().collect();
        for attempt in cut {
            if let Some(sending) = self.sending.get(&attempt) {
                self.flows.remove(&sending.flow);
                self.pipe.remove(sending.flow, self.now);
            }
            self.later(span + 1000, Event::Reset(self.generation, attempt));
        }
        let late: Vec<(u64, u64)> = self.events.keys().copied().collect();
        for key in late {
            if matches!(
                self.events.get(&key),
                Some(Event::Wake(_) | Event::Progress | Event::Hashed(..))
            ) && let Some(event) = self.events.remove(&key)
            {
                self.events.insert((key.0 + span, key.1), event);
            }
        }
    }

    // The way of a part.

    /// A part sets out: its preflight travels first.
    pub(crate) fn set_out(&mut self, attempt: AttemptId, sending: Sending) {
        self.sending.insert(attempt, sending);
        if self.network_gone > 0 {
            self.later(50, Event::Reset(self.generation, attempt));
            return;
        }
        let preflight = self.scenario.link.round_trip;
        self.later(preflight, Event::FlowStarts(self.generation, attempt));
        if self.chance(self.scenario.link.resets) {
            self.count("part reset");
            let when = preflight + self.random.u64(0..5000);
            self.later(when, Event::Reset(self.generation, attempt));
        }
    }

    fn flow_starts(&mut self, attempt: AttemptId) {
        let Some(sending) = self.sending.get_mut(&attempt) else {
            return;
        };
        self.flow_count += 1;
        sending.flow = self.flow_count;
        let (flow, length) = (sending.flow, sending.range.length);
        let share = if self.chance(self.scenario.faults.part_slow) {
            0.1
        } else {
            1.0
        };
        self.pipe.start(flow, length, share, self.now);
        if self.chance(self.scenario.faults.part_stalled) {
            self.count("part stalled");
            self.pipe.freeze(flow, self.now);
        }
        if self.flows.is_empty() {
            self.later(PROGRESS_EVERY, Event::Progress);
        }
        self.flows.insert(flow, attempt);
        self.expect_end();
    }

    fn expect_end(&mut self) {
        if let Some((at, flow)) = self.pipe.next_end() {
            self.at(at.max(self.now), Event::FlowEnds(flow));
        }
    }

    fn flow_ends(&mut self, flow: u64) {
        self.pipe.sent(self.now);
        // The forecast may be old: others have joined or left since.
        if self
            .pipe
            .next_end()
            .is_none_or(|(at, next)| at > self.now || next != flow)
        {
            self.expect_end();
            return;
        }
        if let Some(attempt) = self.flows.remove(&flow) {
            self.pipe.remove(flow, self.now);
            let length = self
                .sending
                .get(&attempt)
                .map_or(0, |sending| sending.range.length);
            self.feed(Input::Sent {
                attempt,
                loaded: length,
            });
            self.later(self.half_trip(), Event::PutArrives(self.generation, attempt));
        }
        self.expect_end();
    }

    fn progress(&mut self) {
        for (flow, sent) in self.pipe.sent(self.now) {
            if let Some(attempt) = self.flows.get(&flow).copied() {
                self.feed(Input::Sent {
                    attempt,
                    loaded: sent,
                });
            }
        }
        if !self.flows.is_empty() {
            self.later(PROGRESS_EVERY, Event::Progress);
        }
    }

    /// A request ends without an answer, or is cancelled.
    pub(crate) fn end_sending(&mut self, attempt: AttemptId) -> Option<Sending> {
        let sending = self.sending.remove(&attempt)?;
        if self.flows.remove(&sending.flow).is_some() {
            self.pipe.remove(sending.flow, self.now);
            self.expect_end();
        }
        Some(sending)
    }

    fn fail_sending(&mut self, attempt: AttemptId, failure: TransferFailure) {
        if self.end_sending(attempt).is_some() {
            self.feed(Input::AttemptFailed { attempt, failure });
        }
    }

    fn put_arrives(&mut self, page: u32, attempt: AttemptId) {
        let Some(sending) = self.sending.get(&attempt).filter(|_| page == self.generation) else {
            return;
        };
        let faults = self.scenario.faults;
        // A browser notices while it reads that a file has changed since the page got it.
        let on_disk = self.disk.get(sending.file).map(|file| file.seed);
        if on_disk != Some(sending.seed) {
            self.count("edit noticed while sending");
            self.fail_sending(attempt, TransferFailure::FileChanged);
            return;
        }
        let mut crc = crate::content::checksum(sending.seed, sending.range);
        if self.storage_down > 0 || self.chance(faults.part_refused) {
            self.count("part refused");
            let answer = if self.random.bool() {
                Some((503, "<Error><Code>SlowDown</Code></Error>".into()))
            } else {
                None
            };
            self.later(self.half_trip(), Event::PutAnswered(page, attempt, answer));
            return;
        }
        if self.chance(faults.part_damaged) {
            self.count("part damaged");
            crc = syncsphere_protocol::Crc64Nvme::from_u64(crc.to_u64() ^ 1);
        }
        let Some(sending) = self.sending.get(&attempt) else {
            return;
        };
        self.outcome.bytes_arrived += sending.range.length;
        let put = Put {
            url: &sending.url,
            headers: &sending.headers,
            length: sending.range.length,
            crc,
            began_ms: sending.began_ms,
        };
        let answer = self.storage.put(&put);
        if answer.1.contains("SignatureDoesNotMatch") {
            panic!(
                "a part was sent with a signature that does not hold: {}",
                answer.1
            );
        }
        let answer = if self.chance(faults.part_reply_lost) {
            self.count("part reply lost");
            None
        } else {
            Some(answer)
        };
        self.later(self.half_trip() + 2, Event::PutAnswered(page, attempt, answer));
    }

    fn put_answered(&mut self, attempt: AttemptId, answer: Option<(u16, String)>) {
        if self.end_sending(attempt).is_none() {
            return;
        }
        let input = match answer {
            Some((200, _)) => Input::Stored { attempt },
            Some((status, body)) => {
                if body.contains("xpired") {
                    self.count("URL expired");
                }
                let failure = TransferFailure::Refused {
                    status,
                    body,
                    retry_after: None,
                };
                Input::AttemptFailed { attempt, failure }
            }
            None => Input::AttemptFailed {
                attempt,
                failure: TransferFailure::Network,
            },
        };
        self.feed(input);
    }

    // The way of a call.

    /// A call sets out for the coordinator.
    pub(crate) fn call_sets_out(&mut self, call: CallId, request: http::Request<Vec<u8>>) {
        self.outcome.calls += 1;
        self.request_count += 1;
        self.requests.insert(self.request_count, request);
        let page = self.generation;
        if self.network_gone > 0 || self.coordinator_down > 0 {
            self.requests.remove(&self.request_count);
            self.later(50, Event::CallAnswered(page, call, None));
        } else if self.chance(self.scenario.faults.call_lost) {
            self.count("call lost");
            self.requests.remove(&self.request_count);
            self.later(CALL_PATIENCE, Event::CallTimesOut(page, call));
        } else {
            self.later(
                self.half_trip(),
                Event::CallArrives(page, call, self.request_count),
            );
        }
    }

    fn call_arrives(&mut self, page: u32, call: CallId, number: u64) {
        let Some(request) = self.requests.remove(&number) else {
            return;
        };
        let context = Context {
            now_ms: self.wall_ms(),
            random: std::array::from_fn(|_| self.random.u8(..)),
            request_id: format!("r{number}"),
        };
        self.routes.insert(number, (page, call));
        self.edge.start(number, request, context);
        self.go_on(number);
    }

    /// Lets a coordinator request go on, and sends on its way what it asks of the world.
    fn go_on(&mut self, task: u64) {
        let (response, outgoing) = self.edge.poll(task);
        for outgoing in outgoing {
            if self.chance(self.scenario.faults.edge_crash / 4.0) && self.edge.crash(task) {
                self.count("coordinator crashed");
                // What it had asked for may still be done; nobody hears of it.
                self.port(outgoing, true);
                self.answer_call(task, None);
                return;
            }
            let faults = self.scenario.faults;
            let reply_lost =
                matches!(outgoing.ask, Ask::Storage { .. }) && self.chance(faults.storage_reply_lost);
            self.later(3, Event::Port(outgoing, reply_lost));
        }
        if let Some(response) = response {
            let status = response.status().as_u16();
            assert!(
                status != 500,
                "the coordinator failed: {}",
                String::from_utf8_lossy(response.body())
            );
            self.answer_call(task, Some((status, response.into_body())));
        }
    }

    fn answer_call(&mut self, task: u64, answer: Option<(u16, Vec<u8>)>) {
        let Some((page, call)) = self.routes.remove(&task) else {
            return;
        };
        if self.network_gone > 0 || self.chance(self.scenario.faults.call_reply_lost) {
            self.count("call reply lost");
            self.later(CALL_PATIENCE, Event::CallTimesOut(page, call));
        } else {
            self.later(self.half_trip(), Event::CallAnswered(page, call, answer));
        }
    }

    /// The coordinator's request reaches storage or ledger, which act on it.
    fn port(&mut self, outgoing: Outgoing, reply_lost: bool) {
        let Outgoing { task, ask } = outgoing;
        match ask {
            Ask::Ledger {
                workspace,
                call,
                slot,
            } => {
                let store = self.ledgers.entry(workspace).or_default();
                let reply = ledger::apply(store, call)
                    .map(|applied| applied.reply)
                    .map_err(|_| WorkspaceFailure {
                        cause: "infallible".to_owned(),
                    });
                crate::checks::feed_is_sound(store);
                self.answer_port(task, slot, reply);
            }
            Ask::Storage { request, slot } => {
                let faults = self.scenario.faults;
                let is_completion = request.method() == "POST" && !request.body().is_empty();
                let answer = if self.storage_down > 0 {
                    Ok(api::storage_error(503, "ServiceUnavailable"))
                } else if self.chance(faults.storage_failed) {
                    Err(StorageFailure::Unreachable)
                } else if is_completion && self.chance(faults.storage_late_error) {
                    self.count("200 with an error inside");
                    Ok(api::storage_error(200, "InternalError"))
                } else {
                    Ok(self.storage.handle(&request))
                };
                let answer = if reply_lost {
                    self.count("storage reply lost");
                    Err(StorageFailure::TimedOut)
                } else {
                    answer
                };
                self.answer_port(task, slot, answer);
            }
        }
    }

    fn answer_port<T: 'static>(&mut self, task: u64, slot: Slot<T>, answer: T) {
        self.later(
            3,
            Event::PortAnswered(task, Box::new(move || slot.answer(answer))),
        );
    }

    fn call_answered(&mut self, call: CallId, answer: Option<(u16, Vec<u8>)>) {
        let Some(kind) = self.page.as_mut().and_then(|page| page.calls.remove(&call)) else {
            return;
        };
        let result = api::reply(kind, answer);
        if let Ok(Reply::Completed(_)) = &result {
            self.count("completed");
        }
        self.feed(Input::Replied { call, result });
    }

    /// Numbers of requests in flight, to see that a page's end leaves nothing behind.
    pub(crate) fn forget_page(&mut self) {
        let attempts: BTreeSet<AttemptId> = self.sending.keys().copied().collect();
        for attempt in attempts {
            self.end_sending(attempt);
        }
    }
}
