//! What a run leaves behind once everybody has gone: storage holds what is available, and nothing else.

use syncsphere_coordinator_core::Context;
use syncsphere_coordinator_core::ledger::{MemoryStore, Store, apply};
use syncsphere_protocol::{FileId, FileStatus, WorkspaceId};

use crate::clock::EPOCH_MS;
use crate::edge::PortCall;
use crate::simulation::Simulation;

/// The jobs that clean up, by kind.
const KINDS: [&str; 5] = ["expire", "resolve", "sweep", "watch", "strays"];

/// Until the bucket is looked through, in milliseconds: longer than what is in it has to be old.
const TWO_DAYS: u64 = 2 * 24 * 3600 * 1000;

impl Simulation {
    /// Time passes in which nobody comes and nothing fails: alarms ring, and the bucket is looked through once.
    pub(crate) fn leave_alone(&mut self) {
        self.now += TWO_DAYS;
        let (task, context) = self.next_task();
        self.edge.strike(task, context);
        self.drive(task);
        self.ring_alarms();
    }

    /// Somebody deletes one available file after the other. What others need stays, and at last nothing is left.
    pub(crate) fn delete_everything(&mut self) {
        let files = self.ledgers.values().flat_map(MemoryStore::all_files);
        let available = files.filter(|file| file.record.status == FileStatus::Available);
        let ids: Vec<FileId> = available.map(|file| file.record.file_id.clone()).collect();
        for id in ids {
            let request = http::Request::delete(format!("http://edge.test/v1/files/{id}"))
                .header("authorization", format!("Bearer {}", self.token()))
                .body(Vec::new())
                .expect("a well-formed request");
            let (task, context) = self.next_task();
            self.edge.start(task, request, context);
            self.drive(task);
            self.ring_alarms();
            self.check_what_is_stored();
        }
        assert!(self.storage.objects().is_empty(), "an object outlives all files");
    }

    /// Rings every alarm that is set, one after the other, until none is.
    fn ring_alarms(&mut self) {
        for _ in 0..10_000 {
            let Some((due_ms, kind, workspace)) = self.next_job() else {
                return;
            };
            self.now = self.now.max(u64::try_from(due_ms - EPOCH_MS).unwrap_or(0));
            let before = self.storage.open_uploads();
            let (task, context) = self.next_task();
            self.edge.ring(task, workspace, context);
            self.drive(task);
            if kind == "strays" && self.storage.open_uploads() < before {
                self.count("orphan aborted");
            }
        }
        panic!("the alarms never come to rest: {:?}", self.next_job());
    }

    fn next_task(&mut self) -> (u64, Context) {
        self.request_count += 1;
        let context = Context {
            now_ms: self.wall_ms(),
            random: std::array::from_fn(|_| self.random.u8(..)),
            request_id: format!("l{}", self.request_count),
        };
        (self.request_count, context)
    }

    /// The job that is due first: when, of which kind, and whose.
    fn next_job(&self) -> Option<(i64, &'static str, WorkspaceId)> {
        let jobs = self.ledgers.iter().flat_map(|(workspace, ledger)| {
            KINDS.into_iter().flat_map(move |kind| {
                let Ok(due) = ledger.due_jobs(kind, i64::MAX, 1);
                due.into_iter()
                    .map(move |job| (job.due_ms, kind, workspace.clone()))
            })
        });
        jobs.min()
    }

    /// Lets a task run to its end, each of its calls answered at once.
    fn drive(&mut self, task: u64) {
        while self.edge.is_running(task) {
            let (_, outgoing) = self.edge.poll(task);
            let is_stuck = outgoing.is_empty() && self.edge.is_running(task);
            assert!(!is_stuck, "a task waits for nothing");
            for outgoing in outgoing {
                match outgoing.ask {
                    PortCall::Ledger {
                        workspace,
                        call,
                        slot,
                    } => {
                        let Ok(applied) = apply(self.ledgers.entry(workspace).or_default(), call);
                        slot.answer(Ok(applied.reply));
                    }
                    PortCall::Storage { request, slot } => slot.answer(Ok(self.storage.handle(&request))),
                }
            }
        }
    }
}
