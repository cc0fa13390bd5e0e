//! Runs with a purpose: how files share the line, and how much of it they use.

#![allow(missing_docs)]

mod common;

use common::{MIB, all_available, count};
use syncsphere_sim::{Faults, Incident, LINKS, Link, Outcome, Scenario, Simulation};
use syncsphere_upload_core::{Concurrency, Config, Connections};

#[test]
fn small_files_do_not_wait_for_a_large_one() {
    let link = LINKS[2];
    let mut sizes = vec![200 * MIB];
    sizes.extend([64 * 1024; 20]);
    let size: u64 = sizes.iter().sum();
    let outcome = Simulation::run(Scenario {
        link,
        ..Scenario::calm(21, sizes)
    });
    all_available(&outcome);
    let last_small = outcome.ended_at.iter().skip(1).flatten().max();
    assert!(last_small < Some(&10_000), "{outcome:?}");
    let least = size as f64 / link.rate_total;
    assert!(
        (outcome.took as f64) < least * 1.1,
        "and the large one loses nothing: {outcome:?}"
    );
}

#[test]
fn a_large_file_does_not_wait_for_small_ones() {
    let mut sizes = vec![64 * 1024; 500];
    sizes.push(50 * MIB);
    sizes.extend([64 * 1024; 1000]);
    let outcome = Simulation::run(Scenario {
        link: LINKS[2],
        ..Scenario::calm(22, sizes)
    });
    all_available(&outcome);
    let large = outcome.ended_at.get(500).copied().flatten();
    assert!(
        large < Some(outcome.took * 3 / 4),
        "{large:?} of {}",
        outcome.took
    );
}

#[test]
fn a_speed_limit_is_kept_and_used_to_the_full() {
    for limit in [5_000_000_u64, 25_000_000] {
        let sizes = vec![200 * MIB, 100 * MIB, 64 * 1024, 64 * 1024];
        let size: u64 = sizes.iter().sum();
        let outcome = Simulation::run(Scenario {
            config: Config {
                max_rate: Some(limit),
                ..Config::default()
            },
            ..Scenario::calm(23, sizes)
        });
        all_available(&outcome);
        let share = size as f64 * 1000.0 / limit as f64 / outcome.took as f64;
        assert!((0.95..=1.05).contains(&share), "{share} of {limit}: {outcome:?}");
    }
}

#[test]
fn the_more_important_file_arrives_first_though_it_came_last() {
    let run = |priority| {
        let outcome = Simulation::run(Scenario {
            incidents: vec![(100, Incident::Prioritize(2, priority))],
            ..Scenario::calm(24, vec![200 * MIB; 3])
        });
        all_available(&outcome);
        let ended: Vec<u64> = outcome.ended_at.iter().flatten().copied().collect();
        let took = outcome.took;
        (ended, took)
    };
    let (in_turn, took) = run(0);
    assert!(in_turn.is_sorted(), "{in_turn:?}");
    let (important, took_too) = run(1);
    assert!(
        important[2] < important[0] && important[2] < important[1],
        "{important:?}"
    );
    assert!(
        took_too * 100 < took * 105,
        "and all together take no longer: {took_too} of {took}"
    );
}

#[test]
fn a_link_is_used_to_the_full() {
    for link in LINKS.iter().filter(|link| link.resets == 0.0) {
        let size = (link.rate_total * 20_000.0) as u64;
        let outcome = Simulation::run(Scenario {
            link: *link,
            ..Scenario::calm(4, vec![size])
        });
        all_available(&outcome);
        let rate = link.rate_total.min(link.rate_each * 6.0);
        let efficiency = size as f64 / rate / outcome.took as f64;
        assert!(efficiency > 0.92, "{}: {efficiency} {outcome:?}", link.name);
    }
}

#[test]
fn a_fixed_window_is_respected() {
    let config = Config {
        concurrency: Concurrency::Fixed(1),
        ..Config::default()
    };
    let outcome = Simulation::run(Scenario {
        config,
        ..Scenario::calm(15, vec![100 * MIB])
    });
    all_available(&outcome);
}

/// A gibibyte over a line that twelve connections fill.
fn over_a_wide_line(seed: u64, connections: Connections, tells_connections: bool, addresses: u8) -> Outcome {
    let link = Link {
        rate_each: 1_000.0,
        rate_total: 12_000.0,
        ..LINKS[1]
    };
    let outcome = Simulation::run(Scenario {
        link,
        connections,
        tells_connections,
        addresses,
        ..Scenario::calm(seed, vec![1024 * MIB])
    });
    all_available(&outcome);
    outcome
}

#[test]
fn more_connections_are_used_where_they_carry_more() {
    let run = |connections| over_a_wide_line(18, connections, true, 1).took;
    let (six, many) = (run(Connections::Http1), run(Connections::Multiplexed));
    assert!(many * 13 < six * 10, "{many} ms against {six} ms");
}

#[test]
fn a_connection_that_requests_share_is_known_by_a_seventh_that_moves() {
    let untold = over_a_wide_line(18, Connections::Multiplexed, false, 1);
    let told = over_a_wide_line(18, Connections::Multiplexed, true, 1);
    assert!(
        untold.took * 10 < told.took * 11,
        "{} ms, and {} where the browser tells",
        untold.took,
        told.took
    );
}

#[test]
fn a_seventh_request_that_has_no_connection_costs_nothing() {
    for link in LINKS {
        let size = (link.rate_total.min(link.rate_each * 6.0) * 60_000.0) as u64;
        let run = |tells_connections| {
            let outcome = Simulation::run(Scenario {
                link: Link {
                    resets: 0.0,
                    flap: (0, 0),
                    ..link
                },
                tells_connections,
                ..Scenario::calm(28, vec![size])
            });
            all_available(&outcome);
            outcome
        };
        let (told, untold) = (run(true), run(false));
        assert!(count(&untold, "request queued") > 0, "{}: none waited", link.name);
        assert_eq!(untold.bytes_arrived, size, "{}: {untold:?}", link.name);
        let (with, without) = (untold.took, told.took);
        assert!(
            with * 100 <= without * 101,
            "{}: {with} ms, {without} without",
            link.name
        );
    }
}

#[test]
fn a_paused_upload_holds_nobody_up() {
    let incidents = vec![
        (1_500, Incident::Pause(0, 3_600_000)),
        (1_500, Incident::Pause(1, 3_600_000)),
    ];
    let files = vec![100 * MIB, 100 * MIB, 100 * MIB, 1];
    let outcome = Simulation::run(Scenario {
        incidents: incidents.clone(),
        ..Scenario::calm(19, files.clone())
    });
    all_available(&outcome);
    let last_of_the_others = outcome.ended_at.get(2).copied().flatten().unwrap_or(u64::MAX);
    assert!(last_of_the_others < 20_000, "{outcome:?}");
}

#[test]
fn storage_under_two_addresses_is_reached_over_twice_the_connections() {
    let run = |addresses| over_a_wide_line(24, Connections::Http1, true, addresses).took;
    let (one, two) = (run(1), run(2));
    assert!(two * 15 < one * 10, "{two} ms against {one} ms");
}

#[test]
fn an_address_of_storage_that_is_dead_holds_nobody_up_for_good() {
    let outcome = Simulation::run(Scenario {
        addresses: 2,
        one_is_dead: true,
        ..Scenario::calm(25, vec![300 * MIB, 1, 2, 3])
    });
    all_available(&outcome);
    assert!(count(&outcome, "address dead") > 0, "{outcome:?}");
    assert!(outcome.took < 300_000, "{outcome:?}");
}

#[test]
fn a_file_that_takes_seconds_starts_within_two_whatever_is_on_its_way() {
    for (size, link) in [
        (1, LINKS[2]),
        (MIB, LINKS[2]),
        (17 * MIB, LINKS[1]),
        (60 * MIB, LINKS[0]),
    ] {
        let outcome = Simulation::run(Scenario {
            link,
            // It comes when the long one has been on its way for half a minute.
            incidents: vec![(0, Incident::Pause(1, 30_000))],
            ..Scenario::calm(26, vec![4 * 1024 * MIB, size])
        });
        all_available(&outcome);
        let began = outcome.began_at.get(1).copied().flatten();
        assert!(began < Some(32_000), "{size} bytes over {}: {began:?}", link.name);
    }
}

#[test]
fn a_blip_that_cuts_every_request_costs_no_more_than_itself() {
    // 2 MB/s a connection, and 300 ms without a network every two minutes.
    let link = Link {
        name: "blips",
        round_trip: 30,
        rate_each: 2_000.0,
        rate_total: 24_000.0,
        resets: 0.0,
        flap: (0, 0),
    };
    for connections in [Connections::Http1, Connections::Multiplexed] {
        let run = |incidents| {
            let outcome = Simulation::run(Scenario {
                link,
                connections,
                incidents,
                ..Scenario::calm(27, vec![4 * 1024 * MIB])
            });
            all_available(&outcome);
            outcome
        };
        let blips: Vec<_> = (1..12)
            .map(|round| (round * 120_000, Incident::NetworkGone(300, false)))
            .collect();
        let (clean, with_blips) = (run(Vec::new()), run(blips));
        // Each blip costs what its parts had sent, and a wait.
        let lost = with_blips.bytes_arrived - clean.bytes_arrived.min(with_blips.bytes_arrived);
        assert!(
            with_blips.took < clean.took * 125 / 100,
            "{connections:?}: {} ms against {}, {lost} bytes more arrived",
            with_blips.took,
            clean.took
        );
    }
}

/// How many times as long 256 MiB take where storage refuses some parts as where it does not, on average.
fn slowdown_by_refusals(part_size: Option<u64>) -> f64 {
    let link = Link {
        round_trip: 50,
        rate_each: 5_000.0,
        rate_total: 40_000.0,
        ..LINKS[1]
    };
    let took = |part_refused: f64| -> u64 {
        let run = |seed| {
            let calm = Scenario::calm(seed, vec![256 * MIB]);
            let outcome = Simulation::run(Scenario {
                link,
                faults: Faults {
                    part_refused,
                    ..Faults::default()
                },
                config: Config {
                    part_size,
                    ..calm.config.clone()
                },
                ..calm
            });
            all_available(&outcome);
            outcome.took
        };
        (0..40).map(run).sum()
    };
    took(0.05) as f64 / took(0.0) as f64
}

#[test]
fn what_one_connection_loses_the_others_make_up_for() {
    let equal = slowdown_by_refusals(Some((256 * MIB).div_ceil(18)));
    let with_tail = slowdown_by_refusals(None);
    assert!(with_tail < 1.17, "{with_tail}");
    assert!(equal > 1.2, "{equal}");
}
