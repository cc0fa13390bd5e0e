//! Runs in which files are edited, and only what changed is sent, beside files that go as a whole.

#![allow(missing_docs)]

mod common;
#[path = "common/runs.rs"]
mod runs;

use common::{MIB, all_available, count};
use runs::{run_all, run_one};
use syncsphere_sim::{Editing, Faults, Scenario, Simulation};

/// What the random runs, together, must have reached.
const MUST_HAPPEN: [&str; 14] = [
    "saved as a whole",
    "saved by reference",
    "saved by what changed",
    "version deleted",
    "version restored",
    "named base gone",
    "told of a conflict",
    "copy refused",
    "another range copied",
    "copied without a checksum",
    "page crashed",
    "part refused",
    "part damaged",
    "coordinator crashed",
];

#[test]
fn of_an_edited_file_only_what_changed_is_sent() {
    let mut by_what_changed = 0;
    for seed in 0..40 {
        let outcome = Simulation::run(Scenario {
            editing: Editing {
                editors: 1,
                files: 1,
                saves: 6,
                only_saves: true,
                ..Editing::default()
            },
            ..Scenario::calm(seed, vec![20 * MIB])
        });
        all_available(&outcome);
        by_what_changed += count(&outcome, "saved by what changed");
    }
    assert!(by_what_changed > 100, "{by_what_changed} of 240");
}

/// Edits, with everything by chance.
fn edited(seed: u64) -> Scenario {
    let scenario = Scenario::random(seed);
    let mut random = fastrand::Rng::with_seed(!seed);
    let mut chance = |most: f64| match random.u8(0..3) {
        0 => most * random.f64(),
        _ => 0.0,
    };
    Scenario {
        faults: Faults {
            copy_refused: chance(0.5),
            copy_wrong: chance(0.3),
            copy_unstated: chance(0.3),
            ..scenario.faults
        },
        editing: Editing {
            editors: random.usize(1..4),
            files: random.usize(1..3),
            saves: random.u32(2..6),
            only_saves: false,
            versions_keep: random.bool().then(|| random.u64(1..4)),
        },
        // Parts are proven by their checksums here, or not at all.
        speaks_r2: false,
        ..scenario
    }
}

#[test]
fn every_version_is_what_its_page_has_saved_whatever_happens() {
    run_all("SIM_EDITED_RUNS", 400, edited, &MUST_HAPPEN);
}

#[test]
#[ignore = "for looking at one seed: SIM_SEED=n"]
fn one_seed() {
    run_one(edited);
}
