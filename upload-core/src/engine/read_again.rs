//! Whether a file stayed as it was while it was sent, where nothing else would tell.

use super::Engine;
use crate::queue::Class;
use crate::upload::Phase;

impl Engine {
    /// Has files whose parts have all been read once be read once more, each part as soon as it is stored.
    ///
    /// Each part's checksum holds for the moment when the part was read. Two readings of all parts that agree, the second
    /// begun after the first had ended, show the file as it was at the moment between them. That moment is long before all
    /// is stored, so that most of the second reading takes place while the last parts are sent. A part of its own needs
    /// none: storage has compared it with its one checksum.
    pub(super) fn read_again(&mut self) {
        if !(self.config.read_again && self.config.integrity) {
            return;
        }
        let mut at = 0;
        while let Some((_, upload)) = self.uploads.active_at_mut(at) {
            at += 1;
            if upload.class() != Class::Single && matches!(upload.phase, Phase::Transferring(_)) {
                upload.parts.read_again();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use syncsphere_protocol::Crc64Nvme;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use crate::config::{Concurrency, Config};
    use crate::engine::harness::{Harness, PART};
    use crate::io::{Input, Notice, TaskId, TransferFailure};

    /// All parts of a file of three have been read, each with its number as its checksum, and two are being sent.
    fn read(read_again: bool) -> Harness {
        let mut harness = Harness::with(Config {
            concurrency: Concurrency::Fixed(2),
            part_size: Some(PART),
            ..Config::default()
        });
        harness.feed(Input::ReadAgain(read_again));
        harness.add(1, 3 * PART);
        harness.answer_hashing([1, 2, 3]);
        assert_eq!((harness.hashed, harness.sending.len()), (3, 2));
        harness
    }

    fn store_one(harness: &mut Harness) {
        let attempt = harness.sending[0];
        harness.feed(Input::Stored { attempt });
    }

    /// All are stored, with nothing said of a second reading so far.
    fn stored(read_again: bool) -> Harness {
        let mut harness = read(read_again);
        for _ in 0..3 {
            store_one(&mut harness);
        }
        harness
    }

    /// Then the file reads so.
    fn after(read_again: bool, reads: [u64; 3]) -> Harness {
        let mut harness = stored(read_again);
        harness.answer_hashing(reads);
        harness
    }

    fn error(harness: &Harness) -> Option<&str> {
        harness.told.iter().find_map(|(task, notice)| match notice {
            Notice::Failed(error) if *task == TaskId(1) => Some(error.code.as_str()),
            _ => None,
        })
    }

    #[test]
    fn a_file_that_reads_as_it_did_is_finalized_after_one_more_reading() {
        let harness = after(true, [1, 2, 3]);
        assert_eq!(
            (harness.hashed, harness.completions, error(&harness)),
            (6, 1, None)
        );
    }

    #[test]
    fn what_is_stored_is_read_again_while_the_rest_is_sent() {
        let mut harness = read(true);
        assert!(harness.hashing.is_empty(), "nothing is stored yet");
        store_one(&mut harness);
        harness.answer_hashing([1, 2, 3]);
        assert_eq!((harness.hashed, harness.sending.len()), (4, 2));
        store_one(&mut harness);
        harness.answer_hashing([1, 2, 3]);
        assert_eq!((harness.hashed, harness.completions), (5, 0));
        store_one(&mut harness);
        harness.answer_hashing([1, 2, 3]);
        assert_eq!((harness.hashed, harness.completions), (6, 1));
    }

    #[test]
    fn a_part_that_is_read_anew_has_all_others_compared_with_it() {
        let mut harness = read(true);
        store_one(&mut harness);
        harness.answer_hashing([1, 2, 3]);
        let attempt = harness.sending[0];
        harness.feed(Input::AttemptFailed {
            attempt,
            failure: TransferFailure::Refused {
                status: 400,
                body: "<Error><Code>BadDigest</Code></Error>".to_owned(),
                retry_after: None,
            },
        });
        harness.pass(Duration::from_secs(1));
        // The first part was read again before the second was read for good: that proves nothing.
        harness.answer_hashing([9, 2, 3]);
        assert_eq!((harness.completions, error(&harness)), (0, Some("file_changed")));
    }

    #[test]
    fn one_reading_that_is_wrong_ends_nothing() {
        let mut harness = stored(true);
        let wrong = harness.hashing.remove(0);
        harness.feed(Input::Hashed {
            attempt: wrong,
            checksum: Crc64Nvme::from_u64(9).into(),
        });
        harness.answer_hashing([1, 2, 3]);
        assert_eq!((harness.completions, error(&harness)), (1, None));
    }

    #[test]
    fn a_file_that_reads_otherwise_is_never_finalized() {
        for reads in [[9, 2, 3], [1, 9, 3], [1, 2, 9]] {
            let harness = after(true, reads);
            assert_eq!((harness.completions, error(&harness)), (0, Some("file_changed")));
        }
    }

    #[test]
    fn where_files_stay_as_they_were_they_are_read_once() {
        let harness = after(false, [9, 9, 9]);
        assert_eq!(
            (harness.hashed, harness.completions, error(&harness)),
            (3, 1, None)
        );
    }
}
