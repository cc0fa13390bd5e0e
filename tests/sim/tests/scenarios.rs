//! Runs with a purpose: each shows one capability under the fault that it is for.

#![allow(missing_docs)]

use syncsphere_sim::{Faults, Incident, LINKS, Link, Outcome, Scenario, Simulation};
use syncsphere_upload_core::{Concurrency, Config, Connections, TaskState};

const MIB: u64 = 1024 * 1024;

fn all_available(outcome: &Outcome) {
    assert!(
        outcome.ends.iter().all(|end| *end == Some(TaskState::Available)),
        "{outcome:?}"
    );
}

fn count(outcome: &Outcome, what: &str) -> u64 {
    outcome.counts.get(what).copied().unwrap_or(0)
}

#[test]
fn files_of_awkward_sizes_arrive() {
    let sizes = vec![0, 1, 5 * MIB, 16 * MIB, 16 * MIB + 1, 300 * MIB];
    let outcome = Simulation::run(Scenario::calm(1, sizes.clone()));
    all_available(&outcome);
    assert_eq!(
        outcome.bytes_arrived,
        sizes.iter().sum::<u64>(),
        "nothing is sent twice: {outcome:?}"
    );
}

#[test]
fn ten_gibibytes_arrive_in_few_calls() {
    let outcome = Simulation::run(Scenario::calm(2, vec![10 * 1024 * MIB]));
    all_available(&outcome);
    assert!(outcome.calls < 40, "{outcome:?}");
}

#[test]
fn many_small_files_share_their_calls() {
    let outcome = Simulation::run(Scenario::calm(3, vec![64 * 1024; 1000]));
    all_available(&outcome);
    assert!(outcome.calls <= 28, "{} calls", outcome.calls);
}

#[test]
fn whole_objects_go_as_forms_where_storage_takes_them() {
    let sizes = vec![0, 1, 64 * 1024, 16 * MIB, 40 * MIB];
    let outcome = Simulation::run(Scenario {
        forms: true,
        ..Scenario::calm(23, sizes.clone())
    });
    all_available(&outcome);
    assert_eq!(
        count(&outcome, "form sent"),
        4,
        "all but the one in parts: {outcome:?}"
    );
    let without = Simulation::run(Scenario::calm(23, sizes));
    assert_eq!(count(&without, "form sent"), 0);
}

#[test]
fn forms_are_renewed_when_they_expire() {
    let outcome = Simulation::run(Scenario {
        forms: true,
        url_ttl: 5,
        incidents: vec![(100, Incident::Sleep(60_000, true))],
        ..Scenario::calm(24, vec![15 * MIB; 3])
    });
    all_available(&outcome);
}

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
fn damaged_parts_are_refused_and_sent_again() {
    let faults = Faults {
        part_damaged: 0.2,
        ..Faults::default()
    };
    let outcome = Simulation::run(Scenario {
        faults,
        ..Scenario::calm(5, vec![200 * MIB])
    });
    all_available(&outcome);
    assert!(count(&outcome, "part damaged") > 0);
}

#[test]
fn a_refused_part_is_retried_and_an_outage_waited_out() {
    let incidents = vec![(2_000, Incident::StorageDown(120_000))];
    let outcome = Simulation::run(Scenario {
        incidents,
        ..Scenario::calm(6, vec![200 * MIB])
    });
    all_available(&outcome);
    assert!(count(&outcome, "offline") > 0);
    assert!(
        outcome.took < 160_000,
        "goes on soon after the outage: {outcome:?}"
    );
    let refusals = count(&outcome, "part refused");
    assert!(
        refusals < 40,
        "{refusals} requests stormed a storage that was down"
    );
}

#[test]
fn hours_without_a_network_are_survived() {
    let hours = 5 * 3600 * 1000;
    let incidents = vec![(1_000, Incident::NetworkGone(hours, true))];
    let outcome = Simulation::run(Scenario {
        incidents,
        ..Scenario::calm(7, vec![100 * MIB])
    });
    all_available(&outcome);
    assert!(outcome.took < hours + 10_000, "{outcome:?}");
}

#[test]
fn urls_are_renewed_when_they_expire() {
    let link = LINKS[4];
    let scenario = Scenario {
        link,
        url_ttl: 5,
        ..Scenario::calm(8, vec![60 * MIB])
    };
    let outcome = Simulation::run(scenario);
    all_available(&outcome);
}

#[test]
fn a_stalled_part_is_cut_and_sent_again() {
    let faults = Faults {
        part_stalled: 0.15,
        ..Faults::default()
    };
    let outcome = Simulation::run(Scenario {
        faults,
        ..Scenario::calm(9, vec![300 * MIB])
    });
    all_available(&outcome);
    assert!(count(&outcome, "part stalled") > 0);
    assert!(outcome.took < 120_000, "{outcome:?}");
}

#[test]
fn a_straggler_is_overtaken() {
    let faults = Faults {
        part_slow: 0.1,
        ..Faults::default()
    };
    let hedged = (0..40).find_map(|seed| {
        let outcome = Simulation::run(Scenario {
            faults,
            ..Scenario::calm(seed, vec![300 * MIB])
        });
        all_available(&outcome);
        (count(&outcome, "hedged") > 0).then_some(outcome)
    });
    assert!(hedged.is_some(), "no straggler was ever hedged");
}

#[test]
fn after_a_crash_only_parts_in_flight_are_sent_again() {
    let incidents = vec![(5_000, Incident::Crash(1_000))];
    let config = Config {
        part_size: Some(8 * MIB),
        ..Config::default()
    };
    let outcome = Simulation::run(Scenario {
        incidents,
        config,
        ..Scenario::calm(11, vec![400 * MIB])
    });
    all_available(&outcome);
    assert_eq!(count(&outcome, "restored"), 1);
    let again = outcome.bytes_arrived - 400 * MIB;
    assert!(again <= 6 * 8 * MIB, "{again} bytes were sent again");
}

#[test]
fn a_file_that_changed_is_told_and_never_mixed() {
    let incidents = vec![(2_000, Incident::Edit(0))];
    let outcome = Simulation::run(Scenario {
        incidents,
        ..Scenario::calm(12, vec![300 * MIB])
    });
    assert_eq!(outcome.ends, [Some(TaskState::Failed)]);
    assert_eq!(count(&outcome, "file_changed"), 1);
}

#[test]
fn an_edit_between_two_pages_is_noticed() {
    let incidents = vec![(3_000, Incident::Crash(2_000)), (4_000, Incident::Edit(0))];
    let outcome = Simulation::run(Scenario {
        incidents,
        ..Scenario::calm(13, vec![300 * MIB])
    });
    assert_eq!(count(&outcome, "file_changed"), 1, "{outcome:?}");
}

#[test]
fn pause_keeps_what_is_stored_and_abort_ends() {
    let incidents = vec![(1_500, Incident::Pause(0, 60_000)), (1_000, Incident::Abort(1))];
    let outcome = Simulation::run(Scenario {
        incidents,
        ..Scenario::calm(14, vec![200 * MIB, 200 * MIB])
    });
    assert_eq!(
        outcome.ends,
        [Some(TaskState::Available), Some(TaskState::Aborted)]
    );
    assert!(outcome.took > 60_000);
}

#[test]
fn lost_and_late_answers_of_complete_are_resolved() {
    let faults = Faults {
        call_reply_lost: 0.3,
        storage_reply_lost: 0.3,
        storage_late_error: 0.5,
        edge_crash: 0.3,
        ..Faults::default()
    };
    for seed in 0..50 {
        let outcome = Simulation::run(Scenario {
            faults,
            ..Scenario::calm(seed, vec![40 * MIB, 3])
        });
        all_available(&outcome);
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

#[test]
fn urls_that_died_while_the_clock_stood_still_are_renewed() {
    let incidents = vec![(2_000, Incident::Sleep(3_600_000, true))];
    let outcome = Simulation::run(Scenario {
        incidents,
        ..Scenario::calm(16, vec![300 * MIB])
    });
    all_available(&outcome);
    assert!(count(&outcome, "URL expired") > 0, "{outcome:?}");
}

#[test]
fn a_night_asleep_is_no_outage() {
    for clock_stops in [false, true] {
        let incidents = vec![(2_000, Incident::Sleep(8 * 3_600_000, clock_stops))];
        let outcome = Simulation::run(Scenario {
            incidents,
            ..Scenario::calm(17, vec![300 * MIB])
        });
        all_available(&outcome);
        assert!(outcome.took < 8 * 3_600_000 + 60_000, "{outcome:?}");
    }
}

/// How long a gibibyte takes over a line that twelve connections fill, in milliseconds.
fn over_a_wide_line(seed: u64, connections: Connections, addresses: u8) -> u64 {
    let link = Link {
        rate_each: 1_000.0,
        rate_total: 12_000.0,
        ..LINKS[1]
    };
    let outcome = Simulation::run(Scenario {
        link,
        connections,
        addresses,
        ..Scenario::calm(seed, vec![1024 * MIB])
    });
    all_available(&outcome);
    outcome.took
}

#[test]
fn more_connections_are_used_where_they_carry_more() {
    let run = |connections| over_a_wide_line(18, connections, 1);
    let (six, many) = (run(Connections::Http1), run(Connections::Multiplexed));
    assert!(many * 13 < six * 10, "{many} ms against {six} ms");
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
    let run = |addresses| over_a_wide_line(24, Connections::Http1, addresses);
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
    assert!(equal > 1.22, "{equal}");
}
