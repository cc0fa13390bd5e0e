//! Attempts as fields meet them: proxies that answer late, pages that hear no progress, files that are away for a moment.

use std::time::Duration;

use syncsphere_protocol::Crc64Nvme;

use super::harness::{Harness, PART};
use crate::config::{Concurrency, Config};
use crate::error::UploadErrorCode;
use crate::io::{AttemptId, Input, Notice, TaskId, TaskState, TransferFailure};

const SECOND: Duration = Duration::from_secs(1);

fn failed(harness: &Harness) -> Vec<UploadErrorCode> {
    let errors = harness.told.iter().filter_map(|(_, notice)| match notice {
        Notice::Failed(error) => Some(error.code),
        _ => None,
    });
    errors.collect()
}

/// A small file goes through at once, with progress, so that the engine takes the network for a lively one.
fn one_quick_file(harness: &mut Harness) {
    harness.add(90, 3 * PART);
    for _ in 0..3 {
        let attempt = harness.sending[0];
        for loaded in [PART / 2, PART] {
            harness.feed(Input::Sent { attempt, loaded });
        }
        harness.feed(Input::Stored { attempt });
    }
}

#[test]
fn a_part_that_was_taken_whole_may_be_answered_after_minutes_and_goes_once() {
    let mut harness = Harness::new();
    one_quick_file(&mut harness);
    harness.add(1, 2 * PART);
    let waiting = harness.sending.clone();
    for attempt in waiting.clone() {
        harness.feed(Input::Sent {
            attempt,
            loaded: PART,
        });
    }
    harness.pass(75 * SECOND);
    assert_eq!(
        harness.sending, waiting,
        "nothing is cut and nothing sent a second time"
    );
    let offline = Notice::State(TaskState::Offline);
    assert!(
        harness.told.contains(&(TaskId(1), offline)),
        "but the page is told"
    );
}

#[test]
fn a_request_in_the_middle_of_its_bytes_is_cut_as_soon_as_before() {
    let mut harness = Harness::new();
    one_quick_file(&mut harness);
    harness.add(1, 2 * PART);
    let stalled = harness.sending[0];
    harness.feed(Input::Sent {
        attempt: stalled,
        loaded: PART / 2,
    });
    harness.pass(30 * SECOND);
    assert!(!harness.sending.contains(&stalled));
}

#[test]
fn a_page_that_hears_of_no_progress_waits_as_long_as_its_bytes_take() {
    let config = Config {
        concurrency: Concurrency::Fixed(1),
        part_size: Some(12 * 1024 * 1024),
        integrity: false,
        ..Config::default()
    };
    let mut harness = Harness::with(config);
    harness.add(1, 12 * 1024 * 1024);
    // 150 KB/s, and a service worker in between.
    for _ in 0..3 {
        let waiting = harness.sending.clone();
        assert_eq!(waiting.len(), 1);
        harness.pass(84 * SECOND);
        assert_eq!(harness.sending, waiting);
        harness.feed(Input::Stored { attempt: waiting[0] });
        harness.add(u32::try_from(harness.told.len()).unwrap() + 10, 12 * 1024 * 1024);
    }
    assert_eq!(failed(&harness), []);
}

#[test]
fn bytes_that_travel_end_a_silence() {
    let mut harness = Harness::new();
    harness.add(1, 4 * PART);
    let first = harness.sending[0];
    let failure = TransferFailure::Network;
    harness.feed(Input::AttemptFailed {
        attempt: first,
        failure: failure.clone(),
    });
    // A line so slow that nothing is stored for more than an hour, and yet it moves.
    for step in 1..=61_u64 {
        harness.pass(60 * SECOND);
        for attempt in harness.sending.clone() {
            harness.feed(Input::Sent {
                attempt,
                loaded: 2 * 1024 * 1024 + step * 1024,
            });
        }
    }
    let attempt = harness.sending[0];
    harness.feed(Input::AttemptFailed { attempt, failure });
    harness.pass(SECOND);
    assert_eq!(failed(&harness), []);
}

#[test]
fn a_file_that_is_away_for_a_moment_is_read_again() {
    let mut harness = Harness::with(with_checksums());
    harness.add(1, 2 * PART);
    for _ in 0..3 {
        let attempt = harness.hashing[0];
        harness.feed(Input::AttemptFailed {
            attempt,
            failure: TransferFailure::FileUnreadable,
        });
        assert!(harness.hashing.len() < 2, "it is left alone for a while");
        harness.pass(20 * SECOND);
    }
    assert_eq!(failed(&harness), []);
    assert!(!harness.hashing.is_empty());

    for _ in 0..20 {
        for attempt in harness.hashing.clone() {
            harness.feed(Input::AttemptFailed {
                attempt,
                failure: TransferFailure::FileUnreadable,
            });
        }
        harness.pass(30 * SECOND);
    }
    assert_eq!(failed(&harness), [UploadErrorCode::FileUnreadable]);
}

#[test]
fn two_readings_of_a_part_that_differ_end_the_upload() {
    let damaged = TransferFailure::Refused {
        status: 400,
        body: "<Error><Code>BadDigest</Code></Error>".to_owned(),
        retry_after: None,
    };
    for (second, expected) in [(1, vec![]), (2, vec![UploadErrorCode::FileChanged])] {
        let mut harness = Harness::with(with_checksums());
        harness.add(1, PART);
        hash(&mut harness, 1);
        let attempt = harness.sending[0];
        harness.feed(Input::AttemptFailed {
            attempt,
            failure: damaged.clone(),
        });
        harness.pass(SECOND);
        hash(&mut harness, second);
        harness.pass(SECOND);
        assert_eq!(failed(&harness), expected);
    }
}

#[test]
fn a_part_that_storage_refuses_while_it_takes_others_is_counted() {
    let mut harness = Harness::new();
    harness.add(1, 400 * PART);
    let mut tries = 0;
    while failed(&harness).is_empty() && tries < 100 {
        for attempt in harness.sending.clone() {
            let is_first = harness.offsets.contains(&(attempt, 0));
            tries += u32::from(is_first);
            harness.feed(match is_first {
                true => Input::AttemptFailed {
                    attempt,
                    failure: TransferFailure::Refused {
                        status: 500,
                        body: String::new(),
                        retry_after: None,
                    },
                },
                false => Input::Stored { attempt },
            });
        }
        harness.pass(SECOND);
    }
    assert_eq!(failed(&harness), [UploadErrorCode::StorageRefused]);
    assert!((7..12).contains(&tries), "{tries}");
}

#[test]
fn an_abort_shows_at_once() {
    let mut harness = Harness::new();
    harness.add(1, 3 * PART);
    harness.told.clear();
    harness.feed(Input::Abort(TaskId(1)));
    assert_eq!(
        harness.told,
        [(TaskId(1), Notice::State(TaskState::Aborted))],
        "whatever the coordinator takes to free storage"
    );
}

#[test]
fn uploads_that_are_paused_hold_no_place() {
    let mut harness = Harness::new();
    for task in 1..=200 {
        harness.add(task, PART);
        harness.feed(Input::Pause(TaskId(task)));
    }
    harness.add(201, PART);
    assert_eq!(harness.sending.len(), 1);
}

fn with_checksums() -> Config {
    Config {
        concurrency: Concurrency::Fixed(2),
        part_size: Some(PART),
        ..Config::default()
    }
}

/// Whatever is being hashed has this checksum.
fn hash(harness: &mut Harness, checksum: u64) {
    let hashing: Vec<AttemptId> = std::mem::take(&mut harness.hashing);
    assert!(!hashing.is_empty());
    for attempt in hashing {
        let checksum = Crc64Nvme::from_u64(checksum).into();
        harness.feed(Input::Hashed { attempt, checksum });
    }
}
