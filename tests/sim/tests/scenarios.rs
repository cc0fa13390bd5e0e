//! Runs with a purpose: each shows one capability under the fault that it is for.

#![allow(missing_docs)]

mod common;

use common::{MIB, all_available, count};
use syncsphere_sim::{Faults, Incident, LINKS, Link, Scenario, Simulation};
use syncsphere_upload_core::{Config, TaskState};

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

/// Everything is stored; then the coordinator is away until the page is, which comes back after an hour.
fn abandoned(seed: u64, faults: Faults) -> Scenario {
    let hour = 3600 * 1000;
    Scenario {
        faults,
        incidents: vec![
            (1_000, Incident::CoordinatorDown(60_000)),
            (30_000, Incident::Crash(hour)),
        ],
        ..Scenario::calm(seed, vec![100 * MIB, 20 * MIB, 1])
    }
}

#[test]
fn what_is_stored_becomes_available_though_its_page_has_gone() {
    let outcome = Simulation::run(abandoned(60, Faults::default()));
    all_available(&outcome);
    assert!(count(&outcome, "finalized by the alarm") > 0, "{outcome:?}");
    assert_eq!(count(&outcome, "page crashed"), 1);
}

#[test]
fn an_alarm_that_dies_while_it_finalizes_does_so_once_all_the_same() {
    let faults = Faults {
        edge_crash: 0.5,
        storage_failed: 0.2,
        storage_reply_lost: 0.2,
        storage_late_error: 0.3,
        ..Faults::default()
    };
    let mut finalized = 0;
    for seed in 0..40 {
        let outcome = Simulation::run(abandoned(seed, faults));
        all_available(&outcome);
        finalized += count(&outcome, "finalized by the alarm");
    }
    assert!(finalized > 20, "{finalized}");
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
fn a_coordinator_that_dies_between_storage_and_ledger_leaves_nothing() {
    let faults = Faults {
        call_reply_lost: 0.3,
        edge_crash: 0.4,
        ..Faults::default()
    };
    let mut orphans = 0;
    for seed in 0..40 {
        // Begun one after the other, so that most find a workspace that is in use.
        let outcome = Simulation::run(Scenario {
            faults,
            ..Scenario::calm(seed, vec![20 * MIB; 12])
        });
        all_available(&outcome);
        orphans += count(&outcome, "orphan aborted");
    }
    assert!(orphans > 0, "nobody died between storage and ledger");
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

const DAY: u64 = 24 * 3_600_000;

/// A computer that is awake for three minutes every fifth day, in which some 50 of the file's 500 parts get through.
fn awake_every_fifth_day(upload_max_lifetime: u64) -> Scenario {
    let awake = 180_000;
    let sleep = |time: u64| (time * 5 * DAY + awake, Incident::Sleep(5 * DAY - awake, false));
    Scenario {
        link: Link {
            rate_each: 300.0,
            rate_total: 1_500.0,
            ..LINKS[1]
        },
        incidents: (0..12).map(sleep).collect(),
        config: Config {
            part_size: Some(5 * MIB),
            ..Config::default()
        },
        upload_max_lifetime,
        longest_run: 70 * DAY,
        ..Scenario::calm(70, vec![2_500 * MIB])
    }
}

#[test]
fn an_upload_goes_on_for_fifty_days_while_its_parts_arrive() {
    let outcome = Simulation::run(awake_every_fifth_day(60 * 86_400));
    all_available(&outcome);
    assert!((45 * DAY..60 * DAY).contains(&outcome.took), "{outcome:?}");
    // Six days are what an upload has without further parts.
    let outcome = Simulation::run(awake_every_fifth_day(6 * 86_400));
    assert_eq!(outcome.ends, [Some(TaskState::Failed)]);
    assert_eq!(count(&outcome, "upload_gone"), 1, "{outcome:?}");
}
