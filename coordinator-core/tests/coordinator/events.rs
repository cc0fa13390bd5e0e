//! Messages to webhooks and queues against random changes, failures, crashes and waits: in order a file, at least once,
//! and nothing waits behind what fails; in memory and in SQLite alike.

use crate::common::drafts;
use crate::common::sqlite::Sqlite;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use syncsphere_coordinator_core::ledger::{
    Applied, Call, Command, Destination, MemoryStore, MessageDelivery, MessageOutcome, MessageResult, Reply,
    Store, UploadDraft, apply,
};
use syncsphere_protocol::{ChangeKind, DeadLetter, DestinationKind, DestinationStatus, FileId, UploadKind};

const NAME: &str = "orders";
const DAY_MS: i64 = 86_400_000;

fn orders(kinds: &[ChangeKind]) -> Vec<Destination> {
    vec![Destination {
        name: NAME.to_owned(),
        kind: DestinationKind::Webhook,
        kinds: kinds.to_vec(),
    }]
}

fn memory(kinds: &[ChangeKind]) -> MemoryStore {
    let mut store = MemoryStore::default();
    store.set_destinations(orders(kinds));
    store
}

/// A ledger, its destination, and what that was told.
struct World<S> {
    store: S,
    now_ms: i64,
    keep_changes_ms: i64,
    wake_ms: Option<i64>,
    /// Every change that is wanted, with its file.
    wanted: BTreeMap<u64, FileId>,
    sent: BTreeSet<u64>,
    kinds: Vec<ChangeKind>,
}

impl<S: Store> World<S>
where
    S::Error: std::fmt::Debug,
{
    fn new(store: S, kinds: &[ChangeKind]) -> Self {
        Self {
            store,
            now_ms: 1_000,
            keep_changes_ms: 1 << 50,
            wake_ms: None,
            wanted: BTreeMap::new(),
            sent: BTreeSet::new(),
            kinds: kinds.to_vec(),
        }
    }

    fn ask(&mut self, command: Command) -> Reply {
        let call = Call {
            now_ms: self.now_ms,
            keep_changes_ms: self.keep_changes_ms,
            retention: None,
            command,
        };
        let Applied {
            reply,
            changes,
            wake_ms,
        } = apply(&mut self.store, call).unwrap();
        for change in changes {
            if self.kinds.is_empty() || self.kinds.contains(&change.kind) {
                self.wanted.insert(change.seq, change.file.file_id);
            }
        }
        self.wake_ms = wake_ms;
        reply
    }

    fn begin(&mut self, index: usize) {
        let draft = UploadDraft {
            kind: UploadKind::Single,
            ..drafts::draft(index, i64::MAX)
        };
        self.ask(Command::Begin {
            idempotency: None,
            drafts: vec![draft],
            max_bytes: None,
        });
    }

    fn finish(&mut self, index: usize) {
        self.ask(Command::Finish {
            urls_dead_ms: 0,
            upload_id: drafts::upload_id(index),
            etag: "\"e\"".to_owned(),
            crc64nvme: None,
            md5: None,
        });
    }

    fn delete(&mut self, index: usize) {
        self.ask(Command::Delete {
            file_id: drafts::file_id(index),
            urls_dead_ms: 0,
        });
    }

    fn take(&mut self, limit: u32) -> Option<MessageDelivery> {
        let destination = NAME.to_owned();
        match self.ask(Command::TakeMessages { destination, limit }) {
            Reply::Messages { delivery } => delivery.map(|delivery| *delivery),
            other => panic!("{other:?}"),
        }
    }

    fn settle(&mut self, through: u64, results: Vec<MessageResult>) -> DestinationStatus {
        let destination = NAME.to_owned();
        let command = Command::SettleMessages {
            destination,
            through,
            results,
        };
        match self.ask(command) {
            Reply::Destination(status) => status,
            other => panic!("{other:?}"),
        }
    }

    fn dead(&mut self) -> Vec<DeadLetter> {
        let command = Command::DeadLetters {
            destination: NAME.to_owned(),
            since: 0,
            limit: 1000,
        };
        match self.ask(command) {
            Reply::DeadLetters(list) => list.dead_letters,
            other => panic!("{other:?}"),
        }
    }

    fn resend(&mut self, seq: Option<u64>) -> Reply {
        let destination = NAME.to_owned();
        self.ask(Command::Resend { destination, seq })
    }

    fn status(&mut self) -> DestinationStatus {
        match self.ask(Command::Destinations) {
            Reply::Destinations(mut list) => list.destinations.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// One delivery whose messages fare as `outcome` says; a crash tells the ledger nothing of it.
    fn deliver(
        &mut self,
        limit: u32,
        crashes: bool,
        mut outcome: impl FnMut(u64) -> MessageOutcome,
    ) -> usize {
        let Some(delivery) = self.take(limit) else {
            return 0;
        };
        assert!(delivery.changes.len() <= limit as usize);
        let dead: BTreeSet<u64> = self.dead().iter().map(|letter| letter.seq).collect();
        let mut stopped = BTreeSet::new();
        let mut results = Vec::new();
        for change in &delivery.changes {
            let file_id = change.file.file_id.clone();
            let outcome = match stopped.contains(&file_id) {
                true => MessageOutcome::Skipped,
                false => {
                    let earlier = self.wanted.range(..change.seq);
                    for (seq, _) in earlier.filter(|(_, file)| **file == file_id) {
                        assert!(
                            self.sent.contains(seq) || dead.contains(seq),
                            "{seq} waits behind {}",
                            change.seq
                        );
                    }
                    assert!(
                        self.wanted.contains_key(&change.seq),
                        "nobody wants {}",
                        change.seq
                    );
                    outcome(change.seq)
                }
            };
            match outcome {
                MessageOutcome::Sent => {
                    self.sent.insert(change.seq);
                }
                _ => {
                    stopped.insert(file_id.clone());
                }
            }
            results.push(MessageResult {
                seq: change.seq,
                file_id,
                outcome,
            });
        }
        if !crashes {
            self.settle(delivery.through, results);
        }
        delivery.changes.len()
    }

    /// Lets time pass from alarm to alarm, at an endpoint that is well, until nothing waits.
    fn drain(&mut self) {
        for _ in 0..10_000 {
            let status = self.status();
            if status.waiting == 0 && status.retrying == 0 {
                return;
            }
            // Jobs, which nobody carries out here, may be due before.
            if self.deliver(16, false, |_| MessageOutcome::Sent) == 0 {
                self.now_ms += 60_000;
            }
        }
        panic!("it never ends: {:?}", self.status());
    }
}

fn refused(cause: &str) -> MessageOutcome {
    MessageOutcome::Failed {
        cause: cause.to_owned(),
        is_about_message: true,
    }
}

fn away() -> MessageOutcome {
    MessageOutcome::Failed {
        cause: "it cannot be reached".to_owned(),
        is_about_message: false,
    }
}

#[test]
fn a_destination_hears_of_what_it_wants_from_when_it_is_there() {
    let mut world = World::new(memory(&[]), &[]);
    world.store.set_destinations(Vec::new());
    world.begin(1);
    world.finish(1);
    let available = [ChangeKind::Available];
    world.store.set_destinations(orders(&available));
    world.kinds = available.to_vec();
    world.wanted.clear();
    world.begin(3);
    assert_eq!(world.status().waiting, 0, "nothing of it is wanted");
    assert_eq!(world.take(16), None);
    world.finish(3);
    world.now_ms += 100;
    let delivery = world.take(16).unwrap();
    let told: Vec<_> = delivery.changes.iter().map(|change| change.seq).collect();
    assert_eq!(told, [4]);
}

#[test]
fn a_message_that_is_refused_is_passed_by_others_and_holds_up_its_file() {
    let mut world = World::new(memory(&[]), &[]);
    world.begin(1);
    world.begin(3);
    world.now_ms += 100;
    assert_eq!(
        world.deliver(16, false, |seq| if seq == 1 {
            refused("status 422")
        } else {
            MessageOutcome::Sent
        }),
        2
    );
    world.finish(1);
    world.finish(3);
    world.now_ms += 100;
    // 3 is behind 1; 4 goes.
    assert_eq!(world.deliver(16, false, |_| MessageOutcome::Sent), 1);
    assert_eq!(world.sent, BTreeSet::from([2, 4]));
    let status = world.status();
    assert_eq!((status.retrying, status.failures, status.dead_letters), (2, 0, 0));
    world.now_ms += 5_000;
    world.drain();
    assert_eq!(world.sent, BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn a_message_is_dead_after_a_day_and_is_sent_again_when_somebody_says_so() {
    let mut world = World::new(memory(&[]), &[]);
    world.begin(1);
    let began_ms = world.now_ms;
    let mut attempts = 0;
    while world.status().dead_letters == 0 {
        world.now_ms = world.now_ms.max(world.wake_ms.unwrap());
        attempts += world.deliver(16, false, |_| refused("status 400"));
    }
    assert!((8..20).contains(&attempts), "{attempts} attempts");
    assert!((DAY_MS..2 * DAY_MS).contains(&(world.now_ms - began_ms)));
    let dead = world.dead();
    assert_eq!((dead[0].seq, dead[0].cause.as_str()), (1, "status 400"));
    assert_eq!(dead[0].attempts, u32::try_from(attempts).unwrap());
    assert_eq!(world.resend(Some(7)), Reply::Missing);
    assert!(matches!(world.resend(Some(1)), Reply::Destination(_)));
    world.drain();
    assert_eq!(world.sent, BTreeSet::from([1]));
    assert_eq!(world.dead(), []);
}

#[test]
fn an_endpoint_that_is_away_is_asked_by_one_message_at_a_time() {
    let mut world = World::new(memory(&[]), &[]);
    for index in 0..300 {
        world.begin(2 * index + 1);
    }
    let began_ms = world.now_ms;
    let mut most = 0;
    let mut attempts = 0;
    while world.now_ms < began_ms + DAY_MS / 2 {
        world.now_ms = world.now_ms.max(world.wake_ms.unwrap());
        let tried = world.deliver(16, false, |_| away());
        attempts += tried;
        most = most.max(if attempts > 16 { tried } else { 0 });
    }
    assert_eq!(most, 1);
    assert!(attempts < 800, "{attempts} attempts in half a day");
    let status = world.status();
    assert!(status.failures > 100 && status.retrying <= 116, "{status:?}");
    assert_eq!(status.cause.as_deref(), Some("it cannot be reached"));
    world.drain();
    assert_eq!(world.sent.len(), 300);
    assert_eq!(world.status().cause, None);
}

#[test]
fn what_the_feed_forgets_is_counted() {
    let mut world = World::new(memory(&[]), &[]);
    world.keep_changes_ms = 10_000;
    for index in 0..20 {
        world.begin(2 * index + 1);
    }
    world.now_ms += 100;
    world.deliver(4, false, |_| away());
    world.now_ms += 20_000;
    world.ask(Command::TakeJobs { limit: 10 });
    world.begin(101);
    let status = world.status();
    assert_eq!(
        (status.lost, status.delivered_seq, status.retrying),
        (15, 19, 0),
        "{status:?}"
    );
    world.drain();
    assert_eq!(world.sent, BTreeSet::from([20, 21]));
}

#[derive(Debug, Clone)]
enum Step {
    Begin(usize),
    Finish(usize),
    Delete(usize),
    Deliver {
        limit: u32,
        crashes: bool,
        fates: Vec<u8>,
    },
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let file = (0_usize..5).prop_map(|number| 2 * number + 1);
    prop_oneof![
        2 => file.clone().prop_map(Step::Begin),
        2 => file.clone().prop_map(Step::Finish),
        1 => file.prop_map(Step::Delete),
        4 => (1_u32..5, any::<bool>(), prop::collection::vec(0_u8..4, 5))
            .prop_map(|(limit, crashes, fates)| Step::Deliver { limit, crashes, fates }),
        2 => prop_oneof![Just(100), Just(6_000), Just(61_000), Just(5 * 3_600_000)].prop_map(Step::Wait),
    ]
}

fn carry_out<S: Store>(world: &mut World<S>, step: &Step)
where
    S::Error: std::fmt::Debug,
{
    match step {
        Step::Begin(index) => world.begin(*index),
        Step::Finish(index) => world.finish(*index),
        Step::Delete(index) => world.delete(*index),
        Step::Wait(ms) => world.now_ms += ms,
        Step::Deliver {
            limit,
            crashes,
            fates,
        } => {
            let mut fates = fates.iter();
            world.deliver(*limit, *crashes, |_| match fates.next() {
                Some(0) => refused("status 422"),
                Some(1) => away(),
                _ => MessageOutcome::Sent,
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn everything_arrives_in_order_a_file_or_is_dead_until_it_is_sent_again(
        steps in prop::collection::vec(step(), 1..80),
        wants_all in any::<bool>(),
    ) {
        let kinds: &[ChangeKind] = if wants_all { &[] } else { &[ChangeKind::Available, ChangeKind::Deleted] };
        let mut world = World::new(memory(kinds), kinds);
        let sqlite = Sqlite::empty();
        let store = sqlite.store().with_destinations(orders(kinds).into());
        let mut beside = World::new(store, kinds);
        for step in &steps {
            carry_out(&mut world, step);
            carry_out(&mut beside, step);
            prop_assert_eq!(world.status(), beside.status());
            prop_assert_eq!(world.dead(), beside.dead());
            prop_assert_eq!(world.wake_ms, beside.wake_ms);
        }
        world.drain();
        beside.drain();
        let dead: BTreeSet<u64> = world.dead().iter().map(|letter| letter.seq).collect();
        for seq in world.wanted.keys() {
            prop_assert!(world.sent.contains(seq) || dead.contains(seq), "{} is nowhere", seq);
        }
        world.resend(None);
        world.drain();
        prop_assert_eq!(world.dead(), vec![]);
        prop_assert_eq!(world.sent.iter().collect::<Vec<_>>(), world.wanted.keys().collect::<Vec<_>>());
        prop_assert_eq!(&world.sent, &{ beside.resend(None); beside.drain(); beside.sent });
    }
}
