//! What a run is made of: files, a network, and everything that goes wrong.

use syncsphere_upload_core::{Concurrency, Config, Connections};

/// A kind of network.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Its name in reports.
    pub name: &'static str,
    /// Round trip in milliseconds.
    pub round_trip: u64,
    /// Bytes a millisecond on one connection.
    pub rate_each: f64,
    /// Bytes a millisecond on all connections together.
    pub rate_total: f64,
    /// Probability that a part's connection is reset on the way.
    pub resets: f64,
    /// The network goes away for this long, this often, both in milliseconds; 0 for never.
    pub flap: (u64, u64),
}

/// The coordinator's default of `UPLOAD_MAX_LIFETIME_SECONDS` (60 days).
const UPLOAD_MAX_LIFETIME: u64 = 60 * 86_400;

/// Milliseconds after which most runs are stuck (12 hours).
const LONGEST_RUN: u64 = 12 * 3600 * 1000;

/// The networks of the reports.
pub const LINKS: [Link; 6] = [
    Link {
        name: "lan",
        round_trip: 1,
        rate_each: 100_000.0,
        rate_total: 110_000.0,
        resets: 0.0,
        flap: (0, 0),
    },
    Link {
        name: "fibre",
        round_trip: 12,
        rate_each: 12_000.0,
        rate_total: 40_000.0,
        resets: 0.0,
        flap: (0, 0),
    },
    Link {
        name: "lte",
        round_trip: 60,
        rate_each: 1_500.0,
        rate_total: 3_000.0,
        resets: 0.01,
        flap: (0, 0),
    },
    Link {
        name: "lossy_wifi",
        round_trip: 30,
        rate_each: 2_000.0,
        rate_total: 6_000.0,
        resets: 0.08,
        flap: (0, 0),
    },
    Link {
        name: "satellite",
        round_trip: 600,
        rate_each: 800.0,
        rate_total: 4_000.0,
        resets: 0.01,
        flap: (0, 0),
    },
    Link {
        name: "flapping",
        round_trip: 40,
        rate_each: 3_000.0,
        rate_total: 10_000.0,
        resets: 0.02,
        flap: (8_000, 30_000),
    },
];

/// Probabilities of what may go wrong, each between 0 and 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Storage answers a part with 503 or 500.
    pub part_refused: f64,
    /// A part arrives and is stored, but the answer is lost.
    pub part_reply_lost: f64,
    /// A part is damaged on the way.
    pub part_damaged: f64,
    /// A part stops moving for ever.
    pub part_stalled: f64,
    /// A part crawls at a tenth of the speed.
    pub part_slow: f64,
    /// A request to the coordinator is lost on the way there.
    pub call_lost: f64,
    /// The coordinator's answer is lost on the way back.
    pub call_reply_lost: f64,
    /// The coordinator dies in the middle of a request.
    pub edge_crash: f64,
    /// A request from the coordinator to storage fails before it acts.
    pub storage_failed: f64,
    /// Storage acts on it, but the answer is lost.
    pub storage_reply_lost: f64,
    /// Storage answers Complete with 200 and an error inside, without acting.
    pub storage_late_error: f64,
    /// Storage answers a part that it is to copy with an error, under 503 or 200.
    pub copy_refused: f64,
    /// Storage copies other bytes than it was asked to.
    pub copy_wrong: f64,
    /// Storage states no checksum of a part that it has copied.
    pub copy_unstated: f64,
}

/// Something that happens at a moment, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// The page is closed or crashes, and a new one goes on after this many milliseconds.
    Crash(u64),
    /// The network is gone for this long; the flag says whether the browser notices.
    NetworkGone(u64, bool),
    /// Storage answers 503 for this long, to pages and coordinator.
    StorageDown(u64),
    /// The coordinator is unreachable for this long.
    CoordinatorDown(u64),
    /// The computer sleeps for this long: page and network stand still, and, where the flag says
    /// so, the page's monotonic clock as well.
    Sleep(u64, bool),
    /// A file is paused, and resumed after this long.
    Pause(usize, u64),
    /// A file gets another priority.
    Prioritize(usize, i32),
    /// The speed limit changes, in bytes a second.
    Limit(Option<u64>),
    /// A file is given up.
    Abort(usize),
    /// A file's content changes on disk.
    Edit(usize),
}

/// Who edits files, saves them by what changed, and deletes and restores versions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Editing {
    /// How many edit at once.
    pub editors: usize,
    /// How many files they edit: each works on one.
    pub files: usize,
    /// How often each saves.
    pub saves: u32,
    /// Whether they do nothing but edit and save.
    pub only_saves: bool,
    /// How many versions the deployment keeps; absent: all.
    pub versions_keep: Option<u64>,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Feeds all chance.
    pub seed: u64,
    /// Sizes of the files in bytes.
    pub files: Vec<u64>,
    /// The network.
    pub link: Link,
    /// What may go wrong.
    pub faults: Faults,
    /// What does happen, and when.
    pub incidents: Vec<(u64, Incident)>,
    /// The engine's configuration.
    pub config: Config,
    /// Life of a presigned URL in seconds.
    pub url_ttl: u64,
    /// How long an upload lives at most while its parts arrive, in seconds.
    pub upload_max_lifetime: u64,
    /// A run that has not ended by then, in milliseconds, is stuck.
    pub longest_run: u64,
    /// Whether storage words an expired URL as R2 does.
    pub speaks_r2: bool,
    /// Whether storage takes whole objects as forms.
    pub forms: bool,
    /// How the page's requests reach storage.
    pub connections: Connections,
    /// Whether the browser tells the page that, as it does where storage sends `Timing-Allow-Origin`.
    pub tells_connections: bool,
    /// Under how many addresses browsers reach it.
    pub addresses: u8,
    /// Whether nothing answers at the last of several.
    pub one_is_dead: bool,
    /// Who edits files meanwhile, and has only what changed sent.
    pub editing: Editing,
}

impl Scenario {
    /// Nothing goes wrong on a fibre line.
    pub fn calm(seed: u64, files: Vec<u64>) -> Self {
        Self {
            seed,
            files,
            link: LINKS[1],
            faults: Faults::default(),
            incidents: Vec::new(),
            config: Config {
                concurrency: Concurrency::Adaptive { max: 12 },
                ..Config::default()
            },
            url_ttl: 900,
            upload_max_lifetime: UPLOAD_MAX_LIFETIME,
            longest_run: LONGEST_RUN,
            speaks_r2: false,
            forms: false,
            connections: Connections::Http1,
            tells_connections: true,
            addresses: 1,
            one_is_dead: false,
            editing: Editing::default(),
        }
    }

    /// Everything by chance.
    pub fn random(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut files = Vec::new();
        for _ in 0..random.usize(1..=4) {
            files.push(match random.u8(0..6) {
                0 => 0,
                1 => random.u64(1..1_000_000),
                2 => 5 * 1024 * 1024,
                _ => random.u64(1..150_000_000),
            });
        }
        if random.u8(0..6) == 0 {
            files.extend(std::iter::repeat_with(|| random.u64(0..100_000)).take(30));
        }
        let mut incidents = Vec::new();
        for _ in 0..random.usize(0..4) {
            let file = random.usize(0..files.len());
            let span = random.u64(100..60_000);
            let incident = match random.u8(0..8) {
                0 => Incident::Crash(span),
                1 => Incident::NetworkGone(span, random.bool()),
                2 => Incident::StorageDown(span),
                3 => Incident::CoordinatorDown(span),
                4 => Incident::Sleep(span * 100, random.bool()),
                5 => Incident::Pause(file, span),
                6 => Incident::Abort(file),
                _ => Incident::Edit(file),
            };
            incidents.push((random.u64(0..60_000), incident));
        }
        let mut chance = |most: f64| {
            if random.u8(0..3) == 0 {
                most * random.f64()
            } else {
                0.0
            }
        };
        let mut faults = Faults {
            part_refused: chance(0.3),
            part_reply_lost: chance(0.1),
            part_damaged: chance(0.1),
            part_stalled: chance(0.1),
            part_slow: chance(0.1),
            call_lost: chance(0.2),
            call_reply_lost: chance(0.2),
            edge_crash: chance(0.1),
            storage_failed: chance(0.2),
            storage_reply_lost: chance(0.2),
            storage_late_error: chance(0.3),
            ..Faults::default()
        };
        let concurrency = match random.u8(0..3) {
            0 => Concurrency::Fixed(random.u16(1..8)),
            _ => Concurrency::Adaptive {
                max: random.u16(1..12),
            },
        };
        let config = Config {
            concurrency,
            integrity: random.u8(0..5) != 0,
            ..Config::default()
        };
        if !config.integrity {
            // Without checksums nobody can tell.
            faults.part_damaged = 0.0;
        }
        let mut scenario = Self {
            seed,
            files,
            link: random.choice(LINKS).unwrap_or(LINKS[1]),
            faults,
            incidents,
            config,
            url_ttl: random.u64(20..900),
            upload_max_lifetime: UPLOAD_MAX_LIFETIME,
            longest_run: LONGEST_RUN,
            speaks_r2: random.bool(),
            forms: random.bool(),
            connections: *random
                .choice(&[
                    Connections::Http1,
                    Connections::Http1Shared,
                    Connections::Multiplexed,
                ])
                .unwrap_or(&Connections::Http1),
            tells_connections: random.bool(),
            addresses: random.u8(1..=3),
            one_is_dead: random.u8(0..8) == 0,
            editing: Editing::default(),
        };
        if random.u8(0..8) == 0 {
            let limit = random.u64(1_000_000..50_000_000);
            scenario.config.max_rate = Some(limit);
            let next = random.bool().then_some(limit / 2);
            let change = (random.u64(0..60_000), Incident::Limit(next));
            scenario.incidents.push(change);
        }
        if random.u8(0..4) == 0 {
            let file = random.usize(0..scenario.files.len());
            let incident = Incident::Prioritize(file, random.i32(-1..=1));
            scenario.incidents.push((random.u64(0..60_000), incident));
        }
        scenario
    }
}
