//! A workspace of sixteen objects, as docs/scale.md has it: real ledgers as shards, each with its deliveries, and a model of
//! the sequencer and of the relays. Whoever dies between any two steps, the one feed has no gap and no repeat, and the changes
//! of a file are in order.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use syncsphere_coordinator_core::ledger::{
    Call, Command, Delivery, FileDraft, MemoryStore, Reply, UploadDraft, apply,
};
use syncsphere_protocol::{Change, UploadKind};

const SHARDS: usize = 16;
const FILES_OF_A_SHARD: u64 = 8;
const LISTENERS: usize = 20;

/// Longer than the lease of a delivery.
const LEASE_MS: i64 = 31_000;

/// Gives every change of every shard its number in the feed. All of it is durable.
#[derive(Default)]
struct Sequencer {
    /// Of each shard, the last of its changes that has a number.
    taken: [u64; SHARDS],
    feed: Vec<(usize, Change)>,
    /// Whether it knows what it has taken before.
    forgets: bool,
}

impl Sequencer {
    /// One transaction.
    fn take(&mut self, shard: usize, changes: &[Change]) {
        for change in changes {
            if change.seq <= self.taken[shard] && !self.forgets {
                continue;
            }
            self.taken[shard] = change.seq;
            self.feed.push((shard, change.clone()));
        }
    }
}

/// Somebody who listens at a relay, and goes on at another from what they have heard when it dies.
#[derive(Default)]
struct Listener {
    heard: Vec<u64>,
}

struct World {
    random: fastrand::Rng,
    now_ms: i64,
    shards: Vec<MemoryStore>,
    sequencer: Sequencer,
    listeners: Vec<Listener>,
}

impl World {
    fn new(seed: u64, forgets: bool) -> Self {
        let mut shards = vec![MemoryStore::default(); SHARDS];
        for shard in &mut shards {
            // The deliveries, which here lead to the sequencer.
            shard.set_has_database(true);
        }
        Self {
            random: fastrand::Rng::with_seed(seed),
            now_ms: 1_000,
            shards,
            sequencer: Sequencer {
                forgets,
                ..Sequencer::default()
            },
            listeners: (0..LISTENERS).map(|_| Listener::default()).collect(),
        }
    }

    fn ask(&mut self, shard: usize, command: Command) -> Reply {
        let call = Call {
            now_ms: self.now_ms,
            keep_changes_ms: 1 << 50,
            retention: None,
            command,
        };
        let Ok(applied) = apply(&mut self.shards[shard], call);
        applied.reply
    }

    fn step(&mut self) {
        self.now_ms += self.random.i64(0..400);
        let shard = self.random.usize(0..SHARDS);
        match self.random.u8(0..10) {
            0..5 => self.change(shard),
            5..8 => self.hand_over(shard),
            8 => self.now_ms += LEASE_MS,
            _ => self.listen(),
        }
    }

    /// Something happens to a file.
    fn change(&mut self, shard: usize) {
        let file = self.random.u64(0..FILES_OF_A_SHARD);
        let (upload_id, file_id) = (id("u", shard, file), id("f", shard, file));
        let upload_id = upload_id.parse().unwrap();
        let command = match self.random.u8(0..4) {
            0 => Command::Begin {
                idempotency: None,
                drafts: vec![draft(shard, file)],
                max_bytes: None,
            },
            1 => Command::Finish {
                upload_id,
                etag: "\"e\"".to_owned(),
                crc64nvme: None,
                md5: None,
                urls_dead_ms: 0,
            },
            2 => Command::Abort {
                upload_id,
                urls_dead_ms: 0,
            },
            _ => Command::Delete {
                file_id: file_id.parse().unwrap(),
                urls_dead_ms: 0,
            },
        };
        self.ask(shard, command);
    }

    /// The shard hands over what is next in its feed; it, or the sequencer, may die at any step.
    fn hand_over(&mut self, shard: usize) {
        let Some(delivery) = self.take(shard) else {
            return;
        };
        if self.random.u8(0..4) == 0 {
            return;
        }
        self.sequencer.take(shard, &delivery.changes);
        if self.random.u8(0..4) == 0 {
            return;
        }
        let receipt = delivery.receipt;
        self.ask(shard, Command::SettleDelivery { receipt });
    }

    fn take(&mut self, shard: usize) -> Option<Delivery> {
        let limit = self.random.u32(1..5);
        match self.ask(shard, Command::TakeDelivery { limit }) {
            Reply::Delivery { delivery } => delivery.map(|delivery| *delivery),
            other => panic!("{other:?}"),
        }
    }

    /// Whether the sequencer has yet to be given something of the shard.
    fn is_waiting(&mut self, shard: usize) -> bool {
        match self.ask(shard, Command::Database) {
            Reply::Database(status) => status.waiting > 0,
            other => panic!("{other:?}"),
        }
    }

    /// A listener hears a page of the feed; its relay may die before the end of it.
    fn listen(&mut self) {
        let listener = self.random.usize(0..LISTENERS);
        let page = self.random.usize(0..20);
        let listener = &mut self.listeners[listener];
        let since = listener.heard.last().copied().unwrap_or(0);
        let newest = self.sequencer.feed.len() as u64;
        let next = since + 1..=newest;
        listener.heard.extend(next.take(page));
    }

    /// Until nothing is on its way any more.
    fn settle(&mut self) {
        for shard in 0..SHARDS {
            while self.is_waiting(shard) {
                self.now_ms += LEASE_MS;
                self.hand_over(shard);
            }
        }
        let newest = self.sequencer.feed.len();
        while self
            .listeners
            .iter()
            .any(|listener| listener.heard.len() < newest)
        {
            self.listen();
        }
    }

    /// Whether the feed is what it promises: every change of every shard once, those of a shard and so of a file in order.
    fn is_sound(&self) -> bool {
        let mut told: BTreeMap<usize, Vec<Change>> = BTreeMap::new();
        for (shard, change) in &self.sequencer.feed {
            told.entry(*shard).or_default().push(change.clone());
        }
        (0..SHARDS).all(|shard| {
            let happened: Vec<Change> = self.shards[shard].all_changes().cloned().collect();
            told.remove(&shard).unwrap_or_default() == happened
        })
    }
}

fn id(kind: &str, shard: usize, file: u64) -> String {
    format!("_{shard:x}{kind}{file}")
}

fn draft(shard: usize, file: u64) -> UploadDraft {
    UploadDraft {
        upload_id: id("u", shard, file).parse().unwrap(),
        kind: UploadKind::Single,
        part_size: 5 * 1024 * 1024,
        tail: None,
        expires_ms: 1 << 50,
        has_free_layout: false,
        latest_expiry_ms: None,
        crc64nvme: None,
        unattended_from_ms: None,
        abilities: Default::default(),
        staging_key: None,
        deferred_length: None,
        storage_upload_id: None,
        file: FileDraft {
            file_id: id("f", shard, file).parse().unwrap(),
            workspace: "large".parse().unwrap(),
            name: "a".into(),
            original_name: None,
            path: "".into(),
            size: 1,
            content_type: "a/b".to_owned(),
            owner: "ann".into(),
            metadata: Default::default(),
            key: "large/a".into(),
            bucket: None,
            previous: None,
        },
    }
}

fn run(seed: u64, forgets: bool) -> World {
    let mut world = World::new(seed, forgets);
    for _ in 0..3_000 {
        world.step();
    }
    world.settle();
    world
}

#[test]
fn the_feed_of_sixteen_shards_has_no_gap_and_no_repeat_whoever_dies() {
    for seed in 0..40 {
        let world = run(seed, false);
        let newest = world.sequencer.feed.len() as u64;
        assert!(newest > 150, "seed {seed}: {newest} changes");
        assert!(world.is_sound(), "seed {seed}");
        for listener in &world.listeners {
            assert!(listener.heard.iter().copied().eq(1..=newest), "seed {seed}");
        }
    }
}

#[test]
fn a_sequencer_that_forgets_what_it_has_taken_is_found_out() {
    assert!((0..5).any(|seed| !run(seed, true).is_sound()));
}
