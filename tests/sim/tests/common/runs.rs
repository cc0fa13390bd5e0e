//! Many runs made of chance.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use syncsphere_sim::{Scenario, Simulation};

/// Runs a scenario for each of many seeds, and shows how often what happened in all of them. `SIM_SEED` says where they begin;
/// the variable, how many there are. As many as usual must, together, have reached all of `must_happen`.
pub fn run_all(variable: &str, usual: u64, scenario: fn(u64) -> Scenario, must_happen: &[&str]) {
    let runs = number(variable, usual);
    let counts = counted(number("SIM_SEED", 0), runs, scenario);
    println!("{counts:#?}");
    if runs >= usual {
        for what in must_happen {
            assert!(counts.contains_key(what), "no run ever reached: {what}");
        }
    }
}

/// Runs the scenario of the seed that `SIM_SEED` names, and shows both.
pub fn run_one(scenario: fn(u64) -> Scenario) {
    let scenario = scenario(number("SIM_SEED", 0));
    println!("{scenario:#?}");
    println!("{:#?}", Simulation::run(scenario));
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn counted(from: u64, runs: u64, scenario: fn(u64) -> Scenario) -> BTreeMap<&'static str, u64> {
    let next = AtomicU64::new(from);
    let lane = || {
        let mut counts = BTreeMap::new();
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + runs {
                return (counts, failed);
            }
            match catch_unwind(AssertUnwindSafe(|| Simulation::run(scenario(seed)))) {
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
            let (counted, seeds) = lane.join().unwrap_or_else(|panic| resume_unwind(panic));
            add(&mut counts, counted);
            failed.extend(seeds);
        }
    });
    failed.sort_unstable();
    assert!(failed.is_empty(), "failing seeds: {failed:?}");
    counts
}

fn add(counts: &mut BTreeMap<&'static str, u64>, more: BTreeMap<&'static str, u64>) {
    for (what, times) in more {
        *counts.entry(what).or_default() += times;
    }
}
