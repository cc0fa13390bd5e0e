//! Calls of one worker to one ledger that go there together.
//!
//! Whoever finds no call under way goes at once and alone. Who finds one gathers with others for a moment: the first of
//! them sends all. So a quiet workspace waits for nobody, and a busy one is asked by few calls.

use std::collections::BTreeMap;

use syncsphere_protocol::WorkspaceId;

use super::calls::Command;

/// Most commands of a batch, each counted as [`weight`] has it. Source: own choice; as many as one request may bring, so
/// that a batch keeps the object no longer than that does.
const MAX_WEIGHT: usize = 100;

/// Most bytes of a batch, as its calls travel, unless a single one is larger. Source: own choice, a small part of the
/// 128 MB that an object has: <https://developers.cloudflare.com/durable-objects/platform/limits/>
const MAX_BYTES: usize = 512 * 1024;

/// After so long, in milliseconds, a call under way or a batch that was not sent is taken for lost, with whoever had it in
/// hand. Source: own choice, well above what a call takes.
const LOST_AFTER_MS: i64 = 30_000;

/// The calls of one worker that are under way or about to be, by workspace. `T` is a call with whoever waits for it.
#[derive(Debug)]
pub struct Gathering<T> {
    lanes: BTreeMap<WorkspaceId, Lane<T>>,
    batches_begun: u64,
}

/// What to do with a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<T> {
    /// Send it now, alone, and [`Gathering::end`] it.
    Alone(T),
    /// It is the first of this batch: [`Gathering::take`] that in a moment, send it, and [`Gathering::end`] it.
    First(u64),
    /// It goes with a batch that somebody else sends.
    Further,
}

/// One workspace's.
#[derive(Debug)]
struct Lane<T> {
    /// Calls that have been sent and not answered.
    under_way: usize,
    /// When the last of them was sent, in milliseconds since 1970.
    sent_ms: i64,
    /// What gathers, oldest first: further calls go into the last.
    batches: Vec<Batch<T>>,
}

#[derive(Debug)]
struct Batch<T> {
    id: u64,
    begun_ms: i64,
    weight: usize,
    bytes: usize,
    calls: Vec<T>,
}

/// As how many commands one counts; `None` for those that never wait for others nor keep them waiting: their answers are
/// whole pages.
pub fn weight(command: &Command) -> Option<usize> {
    match command {
        Command::Several { commands } => commands.iter().map(weight).sum(),
        Command::Begin { drafts, .. } => Some(drafts.len().max(1)),
        Command::Open { opened } => Some(opened.len().max(1)),
        Command::Head
        | Command::Upload { .. }
        | Command::NoteChecksum { .. }
        | Command::StartCompletion { .. }
        | Command::StopCompletion { .. }
        | Command::NoteAbsence { .. }
        | Command::Finish { .. }
        | Command::Abort { .. }
        | Command::Extend { .. }
        | Command::Expire { .. }
        | Command::File { .. }
        | Command::Delete { .. }
        | Command::Base(_)
        | Command::Reference { .. }
        | Command::Restore { .. } => Some(1),
        Command::Files(_)
        | Command::OpenUploads { .. }
        | Command::Versions { .. }
        | Command::Chunks { .. }
        | Command::PutChunks { .. }
        | Command::Bases(_)
        | Command::Changes { .. }
        | Command::TakeJobs { .. }
        | Command::SettleJob { .. }
        | Command::LookForOrphans { .. }
        | Command::Orphans { .. }
        | Command::TakeDelivery { .. }
        | Command::SettleDelivery { .. }
        | Command::RefuseDelivery(_)
        | Command::PutOffDelivery
        | Command::Replay
        | Command::Database
        | Command::TakeMessages { .. }
        | Command::SettleMessages { .. }
        | Command::PutOffMessages { .. }
        | Command::Destinations
        | Command::DeadLetters { .. }
        | Command::Resend { .. } => None,
    }
}

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            batches_begun: 0,
        }
    }
}

impl<T> Gathering<T> {
    /// Takes a call in, of this [`weight`] and so many bytes.
    pub fn join(
        &mut self,
        workspace: &WorkspaceId,
        weight: usize,
        bytes: usize,
        call: T,
        now_ms: i64,
    ) -> Joined<T> {
        let lane = self.lanes.entry(workspace.clone()).or_insert_with(|| Lane {
            under_way: 0,
            sent_ms: now_ms,
            batches: Vec::new(),
        });
        lane.forget_lost(now_ms);
        if lane.under_way == 0 && lane.batches.is_empty() {
            lane.send(now_ms);
            return Joined::Alone(call);
        }
        if let Some(batch) = lane.batches.last_mut().filter(|batch| batch.takes(weight, bytes)) {
            batch.weight += weight;
            batch.bytes += bytes;
            batch.calls.push(call);
            return Joined::Further;
        }
        self.batches_begun += 1;
        lane.batches.push(Batch {
            id: self.batches_begun,
            begun_ms: now_ms,
            weight,
            bytes,
            calls: vec![call],
        });
        Joined::First(self.batches_begun)
    }

    /// A batch's calls, in the order in which they came: nothing joins it any more, and it is under way from now on. None
    /// where it was taken for lost.
    pub fn take(&mut self, workspace: &WorkspaceId, batch: u64, now_ms: i64) -> Vec<T> {
        let Some(lane) = self.lanes.get_mut(workspace) else {
            return Vec::new();
        };
        let Some(index) = lane.batches.iter().position(|open| open.id == batch) else {
            return Vec::new();
        };
        lane.send(now_ms);
        lane.batches.remove(index).calls
    }

    /// A call or batch has been answered, or failed.
    pub fn end(&mut self, workspace: &WorkspaceId) {
        if let Some(lane) = self.lanes.get_mut(workspace) {
            lane.under_way = lane.under_way.saturating_sub(1);
            if lane.under_way == 0 && lane.batches.is_empty() {
                self.lanes.remove(workspace);
            }
        }
    }
}

impl<T> Lane<T> {
    fn send(&mut self, now_ms: i64) {
        self.under_way += 1;
        self.sent_ms = now_ms;
    }

    fn forget_lost(&mut self, now_ms: i64) {
        let is_lost = |since_ms: i64| now_ms.saturating_sub(since_ms) > LOST_AFTER_MS;
        if is_lost(self.sent_ms) {
            self.under_way = 0;
        }
        self.batches.retain(|batch| !is_lost(batch.begun_ms));
    }
}

impl<T> Batch<T> {
    fn takes(&self, weight: usize, bytes: usize) -> bool {
        self.weight + weight <= MAX_WEIGHT && self.bytes + bytes <= MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const T: i64 = 1_795_521_600_000;

    fn workspace(name: &str) -> WorkspaceId {
        name.parse().expect("it is a workspace's name")
    }

    fn join(gathering: &mut Gathering<u32>, call: u32) -> Joined<u32> {
        gathering.join(&workspace("a"), 1, 100, call, T)
    }

    #[test]
    fn whoever_finds_nothing_under_way_goes_at_once() {
        let mut gathering = Gathering::default();
        for call in 0..3 {
            assert_eq!(join(&mut gathering, call), Joined::Alone(call));
            assert_eq!(
                gathering.join(&workspace("b"), 1, 1, call, T),
                Joined::Alone(call),
                "another workspace's calls are no reason to wait"
            );
            gathering.end(&workspace("a"));
            gathering.end(&workspace("b"));
        }
        assert!(gathering.lanes.is_empty(), "nothing is kept of a quiet workspace");
    }

    #[test]
    fn who_finds_one_under_way_goes_with_the_others_in_order() {
        let mut gathering = Gathering::default();
        assert_eq!(join(&mut gathering, 0), Joined::Alone(0));
        assert_eq!(join(&mut gathering, 1), Joined::First(1));
        assert_eq!(join(&mut gathering, 2), Joined::Further);
        gathering.end(&workspace("a"));
        assert_eq!(
            join(&mut gathering, 3),
            Joined::Further,
            "nobody overtakes what gathers"
        );
        assert_eq!(gathering.take(&workspace("a"), 1, T), [1, 2, 3]);
        assert_eq!(
            join(&mut gathering, 4),
            Joined::First(2),
            "what has been sent is closed"
        );
        assert_eq!(gathering.take(&workspace("a"), 2, T), [4]);
        gathering.end(&workspace("a"));
        gathering.end(&workspace("a"));
        assert_eq!(join(&mut gathering, 5), Joined::Alone(5));
    }

    #[test]
    fn a_batch_is_bounded_in_commands_and_in_bytes() {
        for (weight, bytes, fit) in [
            (1, 10, MAX_WEIGHT),
            (40, 10, 2),
            (1, MAX_BYTES / 3, 3),
            (500, 1, 1),
        ] {
            let mut gathering = Gathering::default();
            assert_eq!(join(&mut gathering, 0), Joined::Alone(0));
            let mut first = 0;
            for call in 0..=fit {
                match gathering.join(&workspace("a"), weight, bytes, 7, T) {
                    Joined::First(batch) => {
                        first += 1;
                        assert!(
                            call == 0 || call == fit,
                            "{weight} × {bytes}: {call} begins {batch}"
                        );
                    }
                    joined => assert_eq!(joined, Joined::Further),
                }
            }
            assert_eq!(first, 2);
            assert_eq!(gathering.take(&workspace("a"), 1, T).len(), fit);
        }
    }

    #[test]
    fn a_batch_whose_sender_is_gone_keeps_nobody_waiting() {
        let mut gathering = Gathering::default();
        assert_eq!(join(&mut gathering, 0), Joined::Alone(0));
        assert_eq!(join(&mut gathering, 1), Joined::First(1));
        let later = T + LOST_AFTER_MS + 1;
        assert_eq!(
            gathering.join(&workspace("a"), 1, 100, 2, later),
            Joined::Alone(2)
        );
        assert!(gathering.take(&workspace("a"), 1, later).is_empty());
    }

    #[test]
    fn whole_pages_go_alone() {
        let upload_id = "0".repeat(32).parse().expect("it is an id");
        let look_up = Command::Upload { upload_id };
        let pair = Command::Several {
            commands: vec![look_up.clone(), look_up],
        };
        assert_eq!(weight(&pair), Some(2));
        let page = Command::Changes { since: 0, limit: 1 };
        assert_eq!(weight(&page), None);
        let with_a_page = Command::Several {
            commands: vec![Command::Head, page],
        };
        assert_eq!(weight(&with_a_page), None);
    }
}
