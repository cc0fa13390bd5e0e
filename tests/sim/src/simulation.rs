//! One run: a virtual clock, the network between page, coordinator and storage, and
//! everything that goes wrong on it.

use std::collections::BTreeMap;

use syncsphere_coordinator_core::ledger::MemoryStore;
use syncsphere_protocol::{PartRange, WorkspaceId};
use syncsphere_upload_core::{AttemptId, FileDescription, Input, PartRequest, TaskState, TransferFailure};

use crate::alarm::Alarm;
use crate::api;
use crate::caller::{Answer, Caller};
use crate::clock::EPOCH_MS;
use crate::edge::{Edge, Outgoing};
use crate::editor_shell::PutAsk;
use crate::editors::Editors;
use crate::object_content::Content;
use crate::page::Page;
use crate::pipe::Pipe;
use crate::scenario::{Incident, Scenario};
use crate::storage::FakeStorage;

/// How long the page's shell waits for the coordinator, in milliseconds.
pub(crate) const CALL_TIMEOUT: u64 = 30_000;

/// How often requests report their progress, in milliseconds.
pub(crate) const PROGRESS_EVERY: u64 = 1_000;

/// A file on the user's disk.
#[derive(Debug, Clone)]
pub struct DiskFile {
    /// Bytes.
    pub size: u64,
    /// What its content grows from; an edit changes it.
    pub seed: u64,
    /// Changes with each edit.
    pub modified: i64,
    /// What an editor has saved there.
    pub saved: Option<SavedFile>,
}

/// A file that an editor has the engine upload.
#[derive(Debug, Clone)]
pub struct SavedFile {
    /// What the engine is told of it.
    pub description: FileDescription,
    /// Its bytes.
    pub content: Content,
}

impl DiskFile {
    /// What a range of it held when it grew from `seed`.
    pub fn content(&self, seed: u64, range: PartRange) -> Content {
        match &self.saved {
            Some(saved) => saved.content.range(range),
            None => Content::of_seed(seed, range),
        }
    }
}

pub(crate) enum Event {
    Incident(Incident),
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
    Examined(u32),
    CallArrives(u32, Caller, u64),
    CallAnswered(u32, Caller, Answer),
    CallTimesOut(u32, Caller),
    EditorAnswered(u32, usize, Box<dyn FnOnce()>),
    EditorPutArrives(u32, usize, Box<PutAsk>),
    Alarm(WorkspaceId),
    Port(Box<Outgoing>, bool),
    PortAnswered(u64, Box<dyn FnOnce()>),
}

impl Event {
    /// Whether it happens away from the user's computer, and so goes on while that sleeps.
    fn is_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::StorageUp
                | Self::CoordinatorUp
                | Self::PutArrives(..)
                | Self::CallArrives(..)
                | Self::EditorPutArrives(..)
                | Self::Alarm(..)
                | Self::Port(..)
                | Self::PortAnswered(..)
        )
    }
}

/// A part on its way.
pub(crate) struct Sending {
    pub file: usize,
    pub range: PartRange,
    pub request: PartRequest,
    pub seed: u64,
    pub flow: u64,
    /// When its first byte reached storage.
    pub began_ms: i64,
    /// Whether it waits inside the browser, since all connections to its address are busy.
    pub waits: bool,
}

/// How a run ended, for reports and for the coverage of what runs reach.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The last state of each file.
    pub ends: Vec<Option<TaskState>>,
    /// When the first byte of each file set out, in milliseconds.
    pub began_at: Vec<Option<u64>>,
    /// When each file ended, in milliseconds.
    pub ended_at: Vec<Option<u64>>,
    /// Milliseconds until the last one ended.
    pub took: u64,
    /// How often something happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// Bytes that parts had when they arrived at storage.
    pub bytes_arrived: u64,
    /// Requests to the coordinator.
    pub calls: u64,
    /// What the page was told of the time left: when, and how many milliseconds.
    pub forecasts: Vec<(u64, f64)>,
}

/// One run: its clock, its events and everything on it.
pub struct Simulation {
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
    /// How far the page's clock is behind the simulation's.
    pub(crate) lag: u64,
    asleep_until: u64,
    pub(crate) kept: BTreeMap<usize, String>,
    pub(crate) began: BTreeMap<usize, u64>,
    pub(crate) done: BTreeMap<usize, (TaskState, u64)>,
    pub(crate) sending: BTreeMap<AttemptId, Sending>,
    pub(crate) pipe: Pipe,
    pub(crate) flows: BTreeMap<u64, AttemptId>,
    pub(crate) flow_count: u64,
    pub(crate) edge: Edge,
    pub(crate) routes: BTreeMap<u64, (u32, Caller)>,
    pub(crate) requests: BTreeMap<u64, http::Request<Vec<u8>>>,
    pub(crate) request_count: u64,
    pub(crate) ledgers: BTreeMap<WorkspaceId, MemoryStore>,
    pub(crate) alarms: BTreeMap<WorkspaceId, Alarm>,
    pub(crate) storage: FakeStorage,
    pub(crate) network_gone: u32,
    pub(crate) storage_down: u32,
    pub(crate) coordinator_down: u32,
    pub(crate) editors: Editors,
    token: String,
    /// When the page got it.
    token_since: u64,
    pub(crate) outcome: Outcome,
}

impl Simulation {
    /// Runs a scenario to its end and checks every invariant on the way.
    ///
    /// # Panics
    ///
    /// Where an invariant is broken or the run gets stuck.
    pub fn run(scenario: Scenario) -> Outcome {
        let mut simulation = Self::new(scenario);
        while !simulation.is_over() {
            let Some(((at, _), event)) = simulation.events.pop_first() else {
                panic!("stuck: nothing left to wait for, page {:?}", simulation.page);
            };
            assert!(
                at < simulation.scenario.longest_run,
                "stuck: the run does not end, files {:?}",
                simulation.done
            );
            simulation.now = at;
            simulation.handle(event);
        }
        simulation.finish()
    }

    fn new(scenario: Scenario) -> Self {
        let (coordinator, verifier) = api::coordinator(&scenario);
        let token = api::token(&coordinator, EPOCH_MS);
        let disk: Vec<DiskFile> = scenario
            .files
            .iter()
            .zip(1..)
            .map(|(size, number)| DiskFile {
                size: *size,
                seed: scenario.seed ^ number << 48,
                modified: 1,
                saved: None,
            })
            .collect();
        let mut simulation = Self {
            random: fastrand::Rng::with_seed(scenario.seed),
            now: 0,
            events: BTreeMap::new(),
            event_count: 0,
            versions: disk.iter().map(|file| (file.size, file.seed)).collect(),
            disk,
            page: None,
            generation: 0,
            lag: 0,
            asleep_until: 0,
            kept: BTreeMap::new(),
            began: BTreeMap::new(),
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
            alarms: BTreeMap::new(),
            storage: FakeStorage::new(verifier, scenario.speaks_r2),
            network_gone: 0,
            storage_down: 0,
            coordinator_down: 0,
            editors: Editors::new(&scenario),
            token,
            token_since: 0,
            outcome: Outcome::default(),
            scenario,
        };
        for (at, incident) in simulation.scenario.incidents.clone() {
            simulation.at(at, Event::Incident(incident));
        }
        let (gone, every) = simulation.scenario.link.flap;
        if every > 0 {
            for round in 1..40 {
                simulation.at(
                    round * every,
                    Event::Incident(Incident::NetworkGone(gone, round % 2 == 0)),
                );
            }
        }
        simulation.open_page();
        simulation
    }

    fn is_over(&self) -> bool {
        self.done.len() == self.disk.len() && self.routes.is_empty() && self.editors.are_done()
    }

    fn finish(mut self) -> Outcome {
        let ends = (0..self.disk.len()).map(|file| self.done.get(&file).copied());
        (self.outcome.ends, self.outcome.ended_at) = ends
            .map(|end| (end.map(|(state, _)| state), end.map(|(_, at)| at)))
            .unzip();
        self.outcome.began_at = (0..self.disk.len())
            .map(|file| self.began.get(&file).copied())
            .collect();
        self.leave_alone();
        self.check_what_is_stored();
        if self.scenario.editing.editors > 0 {
            self.delete_everything();
        }
        self.outcome
    }

    /// Nobody is at work any more: storage holds what is available, and nothing else.
    pub(crate) fn check_what_is_stored(&self) {
        for ledger in self.ledgers.values() {
            crate::invariants::feed_is_sound(ledger);
            crate::invariants::available_means_stored(ledger, &self.storage, &self.versions);
            crate::version_invariants::versions_count_up(ledger);
        }
        crate::invariants::nothing_else_is_stored(self.ledgers.values(), &self.storage);
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

    /// The page's token, renewed in time.
    pub(crate) fn token(&mut self) -> String {
        if self.now - self.token_since > api::TOKEN_RENEWAL {
            self.token = api::token(self.edge.coordinator(), self.wall_ms());
            self.token_since = self.now;
        }
        self.token.clone()
    }

    pub(crate) fn half_trip(&self) -> u64 {
        self.scenario.link.round_trip.div_ceil(2)
    }

    fn handle(&mut self, event: Event) {
        if self.now < self.asleep_until && !event.is_elsewhere() {
            self.at(self.asleep_until, event);
            return;
        }
        match event {
            Event::Incident(incident) => self.incident(incident),
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
            // This storage is set up well: whatever kept a page from it is going to pass.
            Event::Examined(page) if page == self.generation => self.feed(Input::Examined(None)),
            Event::Examined(_) => {}
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
            Event::EditorAnswered(page, editor, answer) if page == self.generation => {
                answer();
                self.poll_editor(editor);
            }
            Event::EditorAnswered(..) => {}
            Event::EditorPutArrives(page, editor, put) => self.editor_put_arrives(page, editor, *put),
            Event::Alarm(workspace) => self.alarm(workspace),
            Event::Port(outgoing, reply_lost) => self.port(*outgoing, reply_lost),
            Event::PortAnswered(task, answer) => {
                answer();
                self.poll_request(task);
            }
        }
    }

    fn incident(&mut self, incident: Incident) {
        match incident {
            Incident::Crash(span) => {
                self.count("page crashed");
                self.close_page();
                self.later(span, Event::PageOpens);
            }
            Incident::NetworkGone(span, told) => {
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
            Incident::StorageDown(span) => {
                self.storage_down += 1;
                self.later(span, Event::StorageUp);
            }
            Incident::CoordinatorDown(span) => {
                self.coordinator_down += 1;
                self.later(span, Event::CoordinatorUp);
            }
            Incident::Sleep(span, clock_stops) => {
                self.sleep(span);
                if clock_stops {
                    self.lag += span;
                }
            }
            Incident::Prioritize(file, priority) => {
                self.feed_task(file, |task| Input::Prioritize(task, priority));
            }
            Incident::Limit(rate) => self.feed(Input::MaxRate(rate)),
            Incident::Pause(file, span) => {
                self.count("paused");
                self.feed_task(file, Input::Pause);
                self.later(span, Event::Resume(file));
            }
            Incident::Abort(file) => self.abort(file),
            Incident::Edit(file) => {
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
        self.asleep_until = self.now + span;
    }
}
