//! Runs made of chance. `SIM_RUNS` sets how many and `SIM_SEED` where they begin; a seed that fails
//! is printed and becomes a scenario of its own.

#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use syncsphere_sim::{Scenario, Simulation};

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
    let number = |name: &str, default| {
        std::env::var(name)
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let (from, runs) = (number("SIM_SEED", 0_u64), number("SIM_RUNS", 10_000_u64));
    let next = AtomicU64::new(from);
    let lane = || {
        let mut counts = BTreeMap::<&'static str, u64>::new();
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + runs {
                return (counts, failed);
            }
            let scenario = Scenario::random(seed);
            match catch_unwind(AssertUnwindSafe(|| Simulation::run(scenario))) {
                Ok(outcome) => add(&mut counts, outcome.counts),
                Err(_) => failed.push(seed),
            }
        }
    };
    let mut counts = BTreeMap::new();
    let mut failed = Vec::new();
    thread::scope(|scope| {
        let lanes = thread::available_parallelism().map_or(1, NonZero::get);
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            let (counted, seeds) = lane.join().unwrap();
            add(&mut counts, counted);
            failed.extend(seeds);
        }
    });
    failed.sort_unstable();
    assert!(failed.is_empty(), "failing seeds: {failed:?}");
    println!("{counts:#?}");
    if runs >= 10_000 {
        for what in MUST_HAPPEN {
            assert!(counts.contains_key(what), "no run ever reached: {what}");
        }
    }
}

fn add(counts: &mut BTreeMap<&'static str, u64>, more: BTreeMap<&'static str, u64>) {
    for (what, times) in more {
        *counts.entry(what).or_default() += times;
    }
}

#[test]
#[ignore = "for looking at one seed: SIM_SEED=n"]
fn one_seed() {
    let seed = std::env::var("SIM_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let scenario = Scenario::random(seed);
    println!("{scenario:#?}");
    println!("{:#?}", Simulation::run(scenario));
}
