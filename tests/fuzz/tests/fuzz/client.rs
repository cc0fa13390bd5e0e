//! What the engine and its shells read: checkpoints, frames of the feed, replies.

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use syncsphere_fuzz::{foreign, proptest_config, seeds};
use syncsphere_protocol::{ChangesPage, Frame, InitiateReply, Problem, SignPartsReply, UploadStatus};
use syncsphere_upload_core::Checkpoint;

/// A checkpoint that is taken means one thing only, and agrees with itself.
fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(read) = Checkpoint::from_json(text) else {
        return false;
    };
    assert_eq!(Checkpoint::from_json(&read.to_json()).as_ref(), Ok(&read));
    let plan = read.plan().unwrap();
    assert!(
        read.loaded() <= read.size || has_part_twice(&read),
        "more loaded than there is"
    );
    assert!(plan.part_count() <= 10_000);
    assert!(!format!("{read:?}").contains("film"), "the file's name is shown");
    true
}

fn has_part_twice(checkpoint: &Checkpoint) -> bool {
    let mut numbers: Vec<_> = checkpoint.parts.iter().map(|known| known.part).collect();
    numbers.sort();
    numbers.windows(2).any(|pair| pair[0] == pair[1])
}

/// What is understood at all is understood the same once it was written again.
fn same_again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else {
        return false;
    };
    let written = serde_json::to_vec(&read).unwrap();
    assert!(written.len() <= 8 * bytes.len() + 1024);
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), read);
    true
}

fn any_reply(bytes: &[u8]) -> bool {
    [
        same_again::<InitiateReply>(bytes),
        same_again::<UploadStatus>(bytes),
        same_again::<SignPartsReply>(bytes),
        same_again::<ChangesPage>(bytes),
        same_again::<Problem>(bytes),
    ]
    .contains(&true)
}

#[test]
fn the_corpus_is_understood() {
    let understood: Vec<_> = seeds("checkpoint")
        .iter()
        .map(|bytes| checkpoint(bytes))
        .collect();
    // current.json, future.json, single.json
    assert_eq!(understood, [true, false, true]);
    assert!(seeds("frames").iter().all(|bytes| same_again::<Frame>(bytes)));
    assert!(seeds("replies").iter().all(|bytes| any_reply(bytes)));
}

proptest! {
    #![proptest_config(proptest_config(1000))]

    #[test]
    fn whatever_is_kept_as_a_checkpoint(bytes in foreign(seeds("checkpoint"))) {
        checkpoint(&bytes);
    }

    #[test]
    fn whatever_comes_as_a_frame(bytes in foreign(seeds("frames"))) {
        same_again::<Frame>(&bytes);
    }

    #[test]
    fn whatever_comes_as_a_reply(bytes in foreign(seeds("replies"))) {
        any_reply(&bytes);
    }
}
