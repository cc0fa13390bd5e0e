//! Which files go before which.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::config::{Concurrency, Config};
use crate::engine::harness::{Harness, PART};
use crate::io::{FileDescription, Input, Notice, TaskId, TaskState};

/// Parts of a file of the class that takes its time.
const PARTS: usize = 100;

fn two_at_a_time() -> Harness {
    Harness::with(Config {
        concurrency: Concurrency::Fixed(2),
        part_size: Some(PART),
        ..Config::default()
    })
}

fn add(harness: &mut Harness, task: u32, priority: i32, parts: usize) {
    let file = FileDescription {
        size: parts as u64 * PART,
        priority,
        ..FileDescription::default()
    };
    let task = TaskId(task);
    harness.feed(Input::Add { task, file });
    harness.answer_hashing([0; PARTS]);
}

fn prioritize(harness: &mut Harness, task: u32, priority: i32) {
    harness.feed(Input::Prioritize(TaskId(task), priority));
    harness.answer_hashing([0; PARTS]);
}

/// Storage takes so many parts; how many of each of these files are stored then.
fn store<const TASKS: usize>(harness: &mut Harness, parts: usize, tasks: [u32; TASKS]) -> [usize; TASKS] {
    for _ in 0..parts {
        let Some(attempt) = harness.sending.first().copied() else {
            break;
        };
        harness.feed(Input::Stored { attempt });
        harness.answer_hashing([0; PARTS]);
    }
    tasks.map(|task| {
        let parts = harness.engine.parts(TaskId(task));
        let is_stored = |state: &&crate::PartState| **state as u8 == 3;
        parts.map_or(PARTS, |parts| parts.states.iter().filter(is_stored).count())
    })
}

#[test]
fn a_more_important_file_goes_before_one_that_is_under_way_and_does_not_starve_it() {
    let mut harness = two_at_a_time();
    add(&mut harness, 1, 0, PARTS);
    add(&mut harness, 2, 1, PARTS);
    let [first, important] = store(&mut harness, 42, [1, 2]);
    assert_eq!(first + important, 42);
    assert!(
        (34..=36).contains(&important),
        "{important} of 42, two were in flight before"
    );
}

#[test]
fn what_is_prepared_of_less_important_files_holds_nothing_up() {
    let mut harness = Harness::with(Config {
        concurrency: Concurrency::Fixed(6),
        part_size: Some(PART),
        ..Config::default()
    });
    add(&mut harness, 1, 0, PARTS);
    add(&mut harness, 2, 1, PARTS);
    let [important] = store(&mut harness, 18, [2]);
    assert!(important >= 10, "{important} of 18, six were in flight before");
}

#[test]
fn a_priority_is_changed_while_files_travel() {
    let mut harness = two_at_a_time();
    add(&mut harness, 1, 0, PARTS);
    add(&mut harness, 2, 0, PARTS);
    assert_eq!(store(&mut harness, 20, [1, 2]), [20, 0], "in turn");
    prioritize(&mut harness, 2, 7);
    let [_, important] = store(&mut harness, 22, [1, 2]);
    assert!(important >= 16, "{important} of 22");
    prioritize(&mut harness, 2, -7);
    let [before, _] = store(&mut harness, 2, [1, 2]);
    let [after, _] = store(&mut harness, 16, [1, 2]);
    assert!(after - before >= 13, "{} of 16", after - before);
}

#[test]
fn small_files_of_less_importance_take_no_share_of_the_requests() {
    let mut harness = two_at_a_time();
    add(&mut harness, 1, 1, PARTS);
    (2..40).for_each(|task| add(&mut harness, task, 0, 1));
    let [important] = store(&mut harness, 42, [1]);
    assert!(important >= 35, "{important} of 42");
}

#[test]
fn what_waits_begins_by_priority() {
    let mut harness = two_at_a_time();
    (1..6).for_each(|task| add(&mut harness, task, 0, PARTS));
    let is_queued = |harness: &Harness, task| {
        let mut states = harness.told.iter().filter_map(|(of, notice)| match notice {
            Notice::State(state) if *of == TaskId(task) => Some(*state),
            _ => None,
        });
        states.next_back() == Some(TaskState::Queued)
    };
    assert!(is_queued(&harness, 2) && is_queued(&harness, 5));
    prioritize(&mut harness, 5, 1);
    assert!(is_queued(&harness, 2) && !is_queued(&harness, 5));
}
