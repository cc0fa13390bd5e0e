//! A seventh request to an address whose protocol nobody knows.

use std::time::Duration;

use super::harness::{Harness, PART};
use crate::config::Config;
use crate::io::{AttemptId, Input};

const SECOND: Duration = Duration::from_secs(1);

/// Seven requests are in flight: the six that an HTTP/1.1 address has connections for have moved lately, one has not.
fn with_seven() -> (Harness, Vec<AttemptId>) {
    let mut harness = Harness::with(Config {
        part_size: Some(PART),
        integrity: false,
        ..Config::default()
    });
    harness.add(1, 200 * PART);
    while harness.sending.len() < 7 {
        let sending = harness.sending.clone();
        assert!(harness.requests.len() < 30, "a seventh is tried soon");
        move_all(&mut harness, &sending, 1);
        harness.feed(Input::Stored { attempt: sending[0] });
        harness.pass(SECOND);
    }
    let six = harness.sending[..6].to_vec();
    move_all(&mut harness, &six, 2);
    (harness, six)
}

fn move_all(harness: &mut Harness, attempts: &[AttemptId], step: u64) {
    for attempt in attempts {
        let loaded = PART / 10 + step * 1024;
        harness.feed(Input::Sent {
            attempt: *attempt,
            loaded,
        });
    }
}

#[test]
fn one_that_waits_for_a_connection_is_not_cut_and_is_the_next() {
    let (mut harness, six) = with_seven();
    let seventh = harness.sending[6];
    for step in 3..60 {
        harness.pass(SECOND);
        move_all(&mut harness, &six, step);
    }
    assert_eq!(harness.sending.len(), 7, "silence is no stall where it waits");
    harness.feed(Input::Stored { attempt: six[0] });
    assert!(harness.sending.contains(&seventh));
    assert_eq!(harness.sending.len(), 6, "six are what the address has");
    // From now on it has a connection, and has to move.
    for step in 60..63 {
        harness.pass(SECOND);
        move_all(&mut harness, &six[1..], step);
    }
    assert!(harness.sending.contains(&seventh));
    for step in 63..130 {
        harness.pass(SECOND);
        move_all(&mut harness, &six[1..], step);
    }
    assert!(!harness.sending.contains(&seventh));
}

#[test]
fn one_that_moves_beside_six_others_tells_that_they_share_a_connection() {
    let (mut harness, _) = with_seven();
    let seven = harness.sending.clone();
    for step in 3..5 {
        assert_eq!(
            harness.engine.window.limit_for_each_origin(),
            7,
            "one report may be late"
        );
        harness.pass(SECOND);
        move_all(&mut harness, &seven, step);
    }
    assert_eq!(harness.engine.window.limit_for_each_origin(), usize::MAX);
}

#[test]
fn one_whose_predecessor_has_ended_unheard_tells_nothing() {
    let (mut harness, six) = with_seven();
    let seventh = harness.sending[6];
    // The first of the six is done; its lane has not said so, and the seventh has its connection.
    for step in 3..10 {
        harness.pass(SECOND / 5);
        move_all(&mut harness, &six[1..], step);
        move_all(&mut harness, &[seventh], step);
    }
    harness.feed(Input::Stored { attempt: six[0] });
    assert_eq!(harness.engine.window.limit_for_each_origin(), 7);
}

#[test]
fn it_is_tried_three_times_and_no_more() {
    let (mut harness, _) = with_seven();
    let mut tries = 0;
    for step in 3..100 {
        let sending = harness.sending.clone();
        harness.pass(3 * SECOND);
        move_all(&mut harness, &sending[..6], step);
        tries += usize::from(sending.len() == 7);
        harness.feed(Input::Stored { attempt: sending[0] });
    }
    assert_eq!((tries, harness.sending.len()), (3, 6));
}
