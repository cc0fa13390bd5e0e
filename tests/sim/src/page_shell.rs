//! The shell of a page: it feeds the real engine, and carries out its actions in the simulated world.

use std::collections::BTreeMap;

use syncsphere_upload_core::{
    Action, Checkpoint, Concurrency, Engine, FileDescription, Input, Moment, Notice, TaskId, TaskState,
    TransferFailure,
};

use crate::api;
use crate::caller::Caller;
use crate::invariants::EngineInvariants;
use crate::page::Page;
use crate::simulation::{DiskFile, Event, Sending, Simulation};

/// Time to hash a mebibyte, in milliseconds.
const HASH_MS_PER_MIB: u64 = 1;

impl Simulation {
    /// A page opens and takes up every file that has not ended: where an earlier page left a
    /// checkpoint, from there.
    pub(crate) fn open_page(&mut self) {
        if self.page.is_some() {
            return;
        }
        self.generation += 1;
        let seed = self.random.u64(..);
        self.page = Some(Page {
            engine: Engine::new(self.scenario.config.clone(), seed),
            invariants: EngineInvariants::default(),
            calls: BTreeMap::new(),
            given: BTreeMap::new(),
            wake_at: None,
        });
        if self.scenario.tells_connections {
            self.feed(Input::Storage(self.scenario.connections));
        }
        for file in 0..self.disk.len() {
            self.take_up(file);
        }
        self.open_editors();
    }

    /// Gives the engine a file that has not ended.
    pub(crate) fn take_up(&mut self, file: usize) {
        let (Some(on_disk), Some(page)) = (self.disk.get(file).cloned(), &mut self.page) else {
            return;
        };
        if self.done.contains_key(&file) {
            return;
        }
        page.given.insert(file, (on_disk.seed, on_disk.modified));
        let description = on_disk
            .saved
            .as_ref()
            .map_or_else(|| plain(file, &on_disk), |saved| saved.description.clone());
        let task = task(file);
        let input = match self.kept.get(&file).map(|text| Checkpoint::from_json(text)) {
            Some(checkpoint) => {
                self.count("restored");
                let checkpoint = checkpoint.expect("what an engine kept can be read again");
                Input::Restore {
                    task,
                    file: description,
                    checkpoint,
                }
            }
            None => Input::Add {
                task,
                file: description,
            },
        };
        self.feed(input);
    }

    pub(crate) fn close_page(&mut self) {
        self.forget_page();
        self.close_editors();
        self.page = None;
        self.generation += 1;
    }

    pub(crate) fn wake(&mut self) {
        if let Some(page) = &mut self.page {
            page.wake_at = None;
        }
        self.feed(Input::Timeout);
    }

    pub(crate) fn feed_task(&mut self, file: usize, input: impl FnOnce(TaskId) -> Input) {
        if !self.done.contains_key(&file) {
            self.feed(input(task(file)));
        }
    }

    pub(crate) fn abort(&mut self, file: usize) {
        let Some(page) = &mut self.page else { return };
        if self.done.contains_key(&file) {
            return;
        }
        page.invariants.aborted(task(file));
        self.count("aborted");
        self.feed(Input::Abort(task(file)));
    }

    /// One mutation, then drain.
    pub(crate) fn feed(&mut self, input: Input) {
        let now = Moment::from_millis(self.now - self.lag);
        let Some(page) = &mut self.page else { return };
        if let Input::Stored { attempt } | Input::AttemptFailed { attempt, .. } = &input {
            page.invariants.attempt_ended(*attempt);
        }
        page.engine.handle_input(input, now);
        while let Some(action) = self.page.as_mut().and_then(|page| page.engine.poll_action()) {
            self.perform(action);
        }
        self.set_alarm();
    }

    fn set_alarm(&mut self) {
        let Some(page) = &mut self.page else { return };
        let Some((at, why)) = page.engine.poll_timeout() else {
            return;
        };
        // A timer that is already over would keep a page's processor busy for nothing.
        assert!(
            at.as_millis() + self.lag > self.now,
            "the timer {why:?} is over and asked for again"
        );
        let at = at.as_millis() + self.lag;
        if page.wake_at.is_none_or(|set| at < set) {
            page.wake_at = Some(at);
            self.at(at, Event::Wake(self.generation));
        }
    }

    fn perform(&mut self, action: Action) {
        let most = match self.scenario.config.concurrency {
            Concurrency::Fixed(most) | Concurrency::Adaptive { max: most } => usize::from(most.max(1)),
        };
        let Some(page) = &mut self.page else { return };
        page.invariants.action(&action, most);
        match action {
            Action::Hash {
                attempt,
                task,
                range,
                by: _,
            } => {
                let file = file(task);
                let delay = 1 + range.length / (1 << 20) * HASH_MS_PER_MIB;
                self.later(delay, Event::Hashed(self.generation, attempt, file, range));
            }
            Action::Send {
                attempt,
                task,
                range,
                request,
            } => {
                let file = file(task);
                self.began.entry(file).or_insert(self.now);
                let seed = page.given.get(&file).map_or(0, |given| given.0);
                if self
                    .sending
                    .values()
                    .any(|sending| sending.file == file && sending.range == range)
                {
                    self.count("hedged");
                }
                if request.method == "POST" {
                    self.count("form sent");
                }
                let expiry = crate::signature::expiry_ms(&request).expect("a presigned request");
                assert!(
                    self.wall_ms() - (self.lag as i64) < expiry,
                    "a request starts on an expired URL"
                );
                self.start_sending(
                    attempt,
                    Sending {
                        file,
                        range,
                        request,
                        seed,
                        flow: 0,
                        began_ms: 0,
                        waits: false,
                    },
                );
            }
            Action::Cancel { attempt } => {
                self.end_sending(attempt);
            }
            Action::Examine { .. } => {
                self.count("storage examined");
                self.later(self.scenario.link.round_trip, Event::Examined(self.generation));
            }
            Action::Call { call, request } => {
                let (kind, request) = api::request(&request, &self.token());
                if let Some(page) = &mut self.page {
                    page.calls.insert(call, kind);
                }
                self.send_call(Caller::Engine(call), request);
            }
            Action::Save { task, checkpoint } => {
                let text = checkpoint.to_json();
                assert_eq!(Checkpoint::from_json(&text).as_ref(), Ok(checkpoint.as_ref()));
                self.kept.insert(file(task), text);
            }
            Action::Forget { task } => {
                self.kept.remove(&file(task));
            }
            Action::Notify { task, notice } => self.notified(task, &notice),
        }
    }

    pub(crate) fn hashed(
        &mut self,
        attempt: syncsphere_upload_core::AttemptId,
        file: usize,
        range: syncsphere_protocol::PartRange,
    ) {
        let given = self.page.as_ref().and_then(|page| page.given.get(&file).copied());
        let on_disk = self.disk.get(file).map(|file| (file.seed, file.modified));
        let input = match given {
            Some((seed, _)) if given == on_disk => {
                let content = self.disk.get(file).map(|file| file.content(seed, range));
                Input::Hashed {
                    attempt,
                    checksum: content.unwrap_or_default().checksum().into(),
                }
            }
            _ => {
                self.count("edit noticed while hashing");
                Input::AttemptFailed {
                    attempt,
                    failure: TransferFailure::FileChanged,
                }
            }
        };
        self.feed(input);
    }

    fn notified(&mut self, task: TaskId, notice: &Notice) {
        match notice {
            Notice::State(TaskState::Offline) => self.count("offline"),
            Notice::Failed(error) => {
                self.count(error.code.as_str());
                self.engine_failed(file(task), error);
                self.ended(task, TaskState::Failed);
            }
            Notice::State(state) if state.is_final() && *state != TaskState::Failed => {
                self.ended(task, *state);
            }
            Notice::Progress(progress) => {
                let eta = progress.eta_seconds.map(|seconds| (self.now, seconds * 1000.0));
                self.outcome.forecasts.extend(eta);
            }
            Notice::Available(record) => self.engine_uploaded(file(task), record),
            Notice::State(_) => {}
        }
    }

    fn ended(&mut self, task: TaskId, state: TaskState) {
        self.done.insert(file(task), (state, self.now));
        self.outcome.took = self.now;
    }
}

/// What the page says of a file that nobody has said anything of.
fn plain(file: usize, on_disk: &DiskFile) -> FileDescription {
    FileDescription {
        name: format!("file {file}.bin").into(),
        size: on_disk.size,
        last_modified: Some(on_disk.modified),
        ..FileDescription::default()
    }
}

fn task(file: usize) -> TaskId {
    TaskId(u32::try_from(file).unwrap_or(u32::MAX))
}

fn file(task: TaskId) -> usize {
    task.0 as usize
}
