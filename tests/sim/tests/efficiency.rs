//! How well each kind of network is used, and how honest the forecasts are. Prints a table.

#![allow(missing_docs)]

use syncsphere_sim::{LINKS, Link, Outcome, Scenario, Simulation};
use syncsphere_upload_core::TaskState;

/// Seconds that each run would take on a perfect engine.
const IDEAL_SECONDS: u64 = 120;

fn run(link: Link, seed: u64) -> (Outcome, f64) {
    let carried = link.rate_total.min(link.rate_each * 6.0);
    let size = (carried * 1000.0) as u64 * IDEAL_SECONDS;
    let outcome = Simulation::run(Scenario {
        link,
        ..Scenario::calm(seed, vec![size])
    });
    assert_eq!(outcome.ends, [Some(TaskState::Available)]);
    let (gone, every) = link.flap;
    let usable = if every == 0 {
        1.0
    } else {
        1.0 - gone as f64 / every as f64
    };
    let efficiency = size as f64 / (carried * usable * outcome.took as f64);
    (outcome, efficiency)
}

/// Time against bytes ÷ bandwidth; a network that comes and goes counts only while it is there.
#[test]
fn every_network_is_used_well() {
    println!("network     efficiency  sent twice");
    for (link, least) in LINKS.iter().zip([0.97, 0.97, 0.95, 0.90, 0.90, 0.50]) {
        let runs: Vec<(Outcome, f64)> = (0..5).map(|seed| run(*link, seed)).collect();
        let efficiency = runs.iter().map(|(_, efficiency)| efficiency).sum::<f64>() / runs.len() as f64;
        let size = (link.rate_total.min(link.rate_each * 6.0) * 1000.0) as u64 * IDEAL_SECONDS;
        let twice: u64 = runs
            .iter()
            .map(|(outcome, _)| outcome.bytes_arrived.saturating_sub(size))
            .sum();
        let share = twice as f64 / (size * runs.len() as u64) as f64;
        println!(
            "{:<12}{:>9.1} %{:>10.2} %",
            link.name,
            efficiency * 100.0,
            share * 100.0
        );
        assert!(efficiency >= least, "{}: {efficiency}", link.name);
        assert!(share <= 0.02, "{}: {share} of the bytes arrived twice", link.name);
    }
}

#[test]
fn forecasts_are_honest() {
    for link in LINKS.iter().filter(|link| link.resets == 0.0) {
        let (outcome, _) = run(*link, 7);
        let told = outcome.forecasts.iter().filter(|(at, _)| *at > outcome.took / 10);
        for (at, eta) in told {
            let end = *at as f64 + eta;
            let off = (end - outcome.took as f64).abs() / outcome.took as f64;
            assert!(
                off < 0.1,
                "{} at {at}: told {end}, was {}",
                link.name,
                outcome.took
            );
        }
    }
}
