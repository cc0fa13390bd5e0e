//! Runs made of chance. `SIM_RUNS` sets how many and `SIM_SEED` where they begin; a seed that fails
//! is printed and becomes a scenario of its own.

#![allow(missing_docs)]

#[path = "common/runs.rs"]
mod runs;

use runs::{run_all, run_one};
use syncsphere_sim::Scenario;

/// What the runs, together, must have reached; a run that never gets there tests nothing.
const MUST_HAPPEN: [&str; 22] = [
    "batch completed",
    "batch completed in part",
    "aborted",
    "paused",
    "restored",
    "page crashed",
    "slept",
    "network gone",
    "offline",
    "part reset",
    "part refused",
    "part damaged",
    "part stalled",
    "part reply lost",
    "URL expired",
    "hedged",
    "form sent",
    "call lost",
    "call reply lost",
    "coordinator crashed",
    "storage reply lost",
    "200 with an error inside",
];

#[test]
fn every_invariant_holds_whatever_happens() {
    run_all("SIM_RUNS", 10_000, Scenario::random, &MUST_HAPPEN);
}

#[test]
#[ignore = "for looking at one seed: SIM_SEED=n"]
fn one_seed() {
    run_one(Scenario::random);
}
