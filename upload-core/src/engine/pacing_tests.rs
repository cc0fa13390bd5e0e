//! The speed limit, with files whose requests each take a while.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::config::Config;
use crate::engine::harness::Harness;
use crate::io::{Input, TaskId, TransferFailure};
use crate::time::Moment;

const MB: u64 = 1_000_000;
const SPAN: Duration = Duration::from_secs(5);

fn limited(rate: u64) -> Harness {
    Harness::with(Config {
        integrity: false,
        max_rate: Some(rate),
        ..Config::default()
    })
}

/// Storage takes each request after so long, for so many seconds.
fn go_on(harness: &mut Harness, took: Duration, seconds: u64) {
    let until = harness.now + Duration::from_secs(seconds);
    while harness.now < until {
        harness.pass(Duration::from_millis(5));
        let now = harness.now;
        let is_due = |(began, attempt, _): &&(Moment, _, _)| {
            harness.sending.contains(attempt) && now.since(*began) >= took
        };
        let due: Vec<_> = harness
            .requests
            .iter()
            .filter(is_due)
            .map(|(_, attempt, _)| *attempt)
            .collect();
        for attempt in due {
            harness.feed(Input::Stored { attempt });
        }
    }
}

/// Bytes of the requests that began from a second on, for so long.
fn begun(harness: &Harness, from: Moment, span: Duration) -> u64 {
    let within = harness
        .requests
        .iter()
        .filter(|(at, ..)| *at >= from && *at < from + span);
    within.map(|(_, _, bytes)| bytes).sum()
}

/// Whether all spans of five seconds between two seconds keep the limit, give or take a twentieth.
fn assert_kept(harness: &Harness, rate: u64, seconds: std::ops::Range<u64>) {
    let wanted = (rate * SPAN.as_secs()) as f64;
    let mut from = Moment::from_millis(seconds.start * 1000);
    while from + SPAN <= Moment::from_millis(seconds.end * 1000) {
        let share = begun(harness, from, SPAN) as f64 / wanted;
        assert!(
            (0.95..=1.05).contains(&share),
            "{share} of {rate} from {from:?} on"
        );
        from += Duration::from_millis(100);
    }
}

#[test]
fn large_files_together_keep_the_limit_within_a_twentieth_over_five_seconds() {
    for rate in [22 * MB, 40 * MB, 90 * MB] {
        let mut harness = limited(rate);
        harness.add(1, 2_000 * MB);
        harness.add(2, 2_000 * MB);
        go_on(&mut harness, Duration::from_millis(60), 25);
        assert_kept(&harness, rate, 1..25);
    }
}

#[test]
fn small_files_together_keep_it_too() {
    let mut harness = limited(MB);
    (0..200).for_each(|task| {
        harness.feed(Input::Add {
            task: TaskId(task),
            file: crate::io::FileDescription {
                size: 100_000,
                ..Default::default()
            },
        });
    });
    go_on(&mut harness, Duration::from_millis(60), 20);
    assert_kept(&harness, MB, 1..20);
}

#[test]
fn the_limit_is_changed_and_lifted_while_files_travel() {
    let mut harness = limited(22 * MB);
    harness.add(1, 4_000 * MB);
    go_on(&mut harness, Duration::from_millis(60), 10);
    harness.feed(Input::MaxRate(Some(44 * MB)));
    go_on(&mut harness, Duration::from_millis(60), 10);
    assert_kept(&harness, 22 * MB, 1..10);
    assert_kept(&harness, 44 * MB, 11..20);
    harness.feed(Input::MaxRate(None));
    let lifted = harness.now;
    go_on(&mut harness, Duration::from_millis(60), 5);
    assert!(begun(&harness, lifted, SPAN) > 5 * 300 * MB);
}

#[test]
fn below_it_the_limit_is_kept_but_for_a_part() {
    let mut harness = limited(MB);
    harness.add(1, 300 * MB);
    go_on(&mut harness, Duration::from_millis(500), 120);
    let begun = begun(&harness, Moment::default(), Duration::from_secs(120));
    assert!(begun.abs_diff(120 * MB) <= 6 * MB, "{begun}");
}

#[test]
fn what_fails_counts_as_far_as_it_was_sent() {
    let mut harness = limited(MB);
    harness.add(1, 300 * MB);
    let attempt = harness.sending[0];
    harness.feed(Input::Sent { attempt, loaded: MB });
    let failure = TransferFailure::Network;
    harness.feed(Input::AttemptFailed { attempt, failure });
    harness.pass(Duration::from_secs(2));
    assert_eq!(harness.requests.len(), 2, "and not after five");
}

#[test]
fn a_line_slower_than_the_limit_is_used_to_the_full() {
    let mut harness = limited(90 * MB);
    harness.add(1, 4_000 * MB);
    go_on(&mut harness, Duration::from_millis(4_000), 40);
    let limit = harness.engine.activity().window;
    let begun = harness.requests.len();
    assert!(begun >= 9 * limit, "{begun} requests by {limit}");
}
