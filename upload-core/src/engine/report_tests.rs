//! What a page is told: the speed of bytes that move, none where nothing moves, and no outage where there is none.

use std::time::Duration;

use syncsphere_protocol::{
    FileRecord, FileStatus, PartNumber, PartPlan, Redacted, StoredPart, Timestamp, UploadKind, UploadStatus,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::harness::{Harness, PART};
use crate::checkpoint::{Checkpoint, KnownPart};
use crate::io::{
    CallFailure, FileDescription, Input, Notice, Progress, Reply, TaskId, TaskState, TransferFailure,
};

const SECOND: Duration = Duration::from_secs(1);
const PARTS: u16 = 20;

fn told(harness: &Harness) -> impl Iterator<Item = Progress> {
    harness.told.iter().filter_map(|(_, notice)| match notice {
        Notice::Progress(progress) => Some(*progress),
        _ => None,
    })
}

fn last(harness: &Harness) -> Progress {
    told(harness).last().expect("progress was told")
}

/// One part goes at half a part a second.
fn move_half_a_part(harness: &mut Harness) {
    let attempt = harness.sending[0];
    for step in 1..=4 {
        harness.pass(SECOND / 4);
        let loaded = PART / 8 * step;
        harness.feed(Input::Sent { attempt, loaded });
    }
}

#[test]
fn what_an_earlier_page_stored_is_no_speed() {
    let mut harness = Harness::new();
    let size = u64::from(PARTS) * PART;
    let numbers: Vec<PartNumber> = (0..19)
        .map(|index| PartNumber::from_index(index).expect("few"))
        .collect();
    let known = numbers.iter().map(|part| KnownPart {
        part: *part,
        checksum: None,
        stored: true,
    });
    let plan = PartPlan::new(size, PART).expect("a plan");
    let upload_id = "u1".parse().expect("an id");
    let checkpoint = Checkpoint::new(
        upload_id,
        UploadKind::Multipart,
        plan,
        String::new().into(),
        None,
        known.collect(),
    );
    harness.feed(Input::Restore {
        task: TaskId(1),
        file: FileDescription {
            size,
            ..FileDescription::default()
        },
        checkpoint,
    });
    harness.pass(SECOND);
    let status = UploadStatus {
        upload_id: "u1".parse().expect("an id"),
        file_id: "f1".parse().expect("an id"),
        status: FileStatus::Uploading,
        kind: UploadKind::Multipart,
        size,
        part_size: PART,
        tail: None,
        part_count: PARTS,
        parts: numbers
            .into_iter()
            .map(|part_number| StoredPart {
                part_number,
                size: PART,
                etag: "e".to_owned(),
                crc64nvme: None,
            })
            .collect(),
        ticket: Some("t".into()),
        expires_at: Timestamp::from_unix_millis(0),
        file: record(size),
    };
    let call = harness.unanswered[0];
    harness.feed(Input::Replied {
        call,
        result: Ok(Reply::Status(Box::new(status))),
    });
    move_half_a_part(&mut harness);
    assert!(
        told(&harness).all(|told| told.loaded >= 19 * PART),
        "nothing that falls is told"
    );
    let fastest = told(&harness).map(|told| told.rate).fold(0.0, f64::max);
    assert!(fastest > 0.0, "the part that moves is seen");
    assert!(fastest < PART as f64, "{fastest} bytes a second");
}

#[test]
fn a_pause_and_an_outage_show_no_speed() {
    let mut harness = Harness::new();
    harness.add(1, 8 * PART);
    move_half_a_part(&mut harness);
    assert!(last(&harness).rate > 0.0);
    harness.feed(Input::Pause(TaskId(1)));
    harness.pass(SECOND / 4);
    assert_eq!(last(&harness).rate, 0.0);

    harness.feed(Input::Resume(TaskId(1)));
    move_half_a_part(&mut harness);
    move_half_a_part(&mut harness);
    harness.feed(Input::Network { online: false });
    let failing = harness.sending.clone();
    for attempt in failing {
        let failure = TransferFailure::Network;
        harness.feed(Input::AttemptFailed { attempt, failure });
    }
    assert!(
        harness
            .told
            .contains(&(TaskId(1), Notice::State(TaskState::Offline)))
    );
    harness.pass(SECOND / 4);
    assert_eq!(last(&harness).rate, 0.0);
}

#[test]
fn a_leftover_that_cannot_be_freed_shows_no_upload_offline() {
    let mut harness = Harness::new();
    harness.add(1, 8 * PART);
    harness.add(2, PART);
    harness.feed(Input::Abort(TaskId(2)));
    let [call] = harness.unanswered.clone()[..] else {
        panic!("one upload is given up");
    };
    for _ in 0..6 {
        harness.feed(Input::Replied {
            call,
            result: Err(CallFailure::Network),
        });
        // It is sent again before this is over.
        move_half_a_part(&mut harness);
        harness.pass(10 * SECOND);
    }
    assert!(harness.unanswered.len() > 4, "it is tried again");
    assert!(
        !harness
            .told
            .contains(&(TaskId(1), Notice::State(TaskState::Offline)))
    );
}

fn record(size: u64) -> FileRecord {
    FileRecord {
        file_id: "f1".parse().expect("an id"),
        workspace: "demo".to_owned().try_into().expect("a workspace"),
        name: "name".to_owned().into(),
        original_name: None,
        path: String::new().into(),
        size,
        content_type: String::new(),
        status: FileStatus::Uploading,
        checksum: Default::default(),
        etag: None,
        owner: "somebody".to_owned().into(),
        metadata: Redacted(Default::default()),
        created_at: Timestamp::from_unix_millis(0),
        updated_at: Timestamp::from_unix_millis(0),
        seq: 1,
        version: None,
        previous: None,
        conflict: None,
    }
}
