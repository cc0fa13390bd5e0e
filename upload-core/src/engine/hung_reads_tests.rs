//! Files that are never read to their end: they keep no others waiting, and are told at last.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::time::Duration;

use syncsphere_protocol::Crc64Nvme;

use super::harness::{Harness, PART};
use crate::config::{Concurrency, Config};
use crate::io::{AttemptId, Input, Notice, TaskId, TransferFailure};

fn harness() -> Harness {
    Harness::with(Config {
        concurrency: Concurrency::Fixed(2),
        part_size: Some(PART),
        ..Config::default()
    })
}

fn hashed(harness: &mut Harness, attempt: AttemptId) {
    harness.hashing.retain(|known| *known != attempt);
    harness.feed(Input::Hashed {
        attempt,
        checksum: Crc64Nvme::from_u64(1).into(),
    });
}

fn unreadable(harness: &mut Harness, attempt: AttemptId) {
    let failure = TransferFailure::FileUnreadable;
    harness.feed(Input::AttemptFailed { attempt, failure });
}

#[test]
fn files_that_are_never_read_to_their_end_keep_no_other_waiting() {
    let mut harness = harness();
    for task in 1..=3 {
        harness.add(task, PART);
    }
    let hung = harness.hashing.clone();
    assert_eq!(hung.len(), 2, "the third waits for its turn");
    harness.pass(Duration::from_secs(30));
    let third: Vec<_> = harness
        .hashing
        .iter()
        .filter(|attempt| !hung.contains(attempt))
        .copied()
        .collect();
    assert_eq!(third.len(), 1, "its turn has come");
    hashed(&mut harness, third[0]);
    assert_eq!(harness.sending.len(), 1);
}

#[test]
fn of_a_file_that_could_not_be_read_one_part_is_tried_at_a_time_and_it_is_told_at_last() {
    let mut harness = harness();
    harness.add(1, 9 * PART);
    let first = harness.hashing[0];
    hashed(&mut harness, first);
    harness.pass(Duration::from_millis(100));
    // All that may be read at a time hangs, and its lane gives it up.
    let hung = harness.hashing.clone();
    assert_eq!(hung.len(), 3);
    unreadable(&mut harness, hung[0]);
    harness.pass(Duration::from_secs(10));
    assert_eq!(
        harness.hashing,
        hung[1..],
        "nothing more is tried while those are"
    );
    for attempt in &hung[1..] {
        unreadable(&mut harness, *attempt);
    }
    for _ in 0..3 {
        harness.pass(Duration::from_secs(20));
        assert_eq!(harness.hashing.len(), 1);
        let again = harness.hashing[0];
        unreadable(&mut harness, again);
    }
    let code = harness.told.iter().find_map(|(task, notice)| match notice {
        Notice::Failed(error) if *task == TaskId(1) => Some((error.code.as_str(), error.resumable)),
        _ => None,
    });
    assert_eq!(code, Some(("file_unreadable", true)));
}

#[test]
fn what_was_being_read_together_and_fails_together_is_one_failure() {
    let mut harness = harness();
    harness.add(1, 9 * PART);
    while harness.sending.len() < 2 {
        let first = harness.hashing[0];
        hashed(&mut harness, first);
        harness.pass(Duration::from_millis(100));
    }
    // A browser that puts a page aside ends all its reads at once.
    let reading = [harness.sending.clone(), harness.hashing.clone()].concat();
    assert_eq!(reading.len(), 5, "as many as a file is tried");
    for attempt in reading {
        unreadable(&mut harness, attempt);
    }
    harness.pass(Duration::from_secs(2));
    assert!(
        harness
            .told
            .iter()
            .all(|(_, notice)| !matches!(notice, Notice::Failed(_)))
    );
    let again = harness.hashing[0];
    hashed(&mut harness, again);
    harness.pass(Duration::from_millis(100));
    assert_eq!(harness.sending.len(), 2, "it goes on");
}
