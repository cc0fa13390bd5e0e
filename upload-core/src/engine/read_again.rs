//! Whether a file stayed as it was while it was sent, where nothing else would tell.

use super::Engine;
use crate::queue::Class;
use crate::upload::Phase;

impl Engine {
    /// Has files whose parts have all been read once be read once more.
    ///
    /// Each part's checksum holds for the moment when the part was read. Two readings of all parts that agree, the second
    /// begun after the first had ended, show the file as it was at the moment between them. Sending is such a reading, for
    /// storage compares what arrives with the checksum. So files are read ahead of being sent as fast as that goes
    /// ([`Engine::start_hashing`]), and only parts whose sending had begun by the end of that are read once more, each as
    /// soon as it is stored. A part of its own needs none: storage has compared it with its one checksum.
    pub(super) fn read_again(&mut self) {
        if !(self.config.read_again && self.config.integrity) {
            return;
        }
        let last = self.ids.last();
        let mut at = 0;
        while let Some((_, upload)) = self.uploads.active_at_mut(at) {
            at += 1;
            if upload.class() != Class::Single && matches!(upload.phase, Phase::Transferring(_)) {
                upload.parts.read_again(last);
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
    use crate::io::{AttemptId, Input, Notice, TaskId, TransferFailure};

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

    fn answer_one(harness: &mut Harness) {
        let attempt = harness.hashing.remove(0);
        let checksum = Crc64Nvme::from_u64(0).into();
        harness.feed(Input::Hashed { attempt, checksum });
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

    /// Storage says that what came of a part is not what its checksum says, and the part is read anew.
    fn refuse(harness: &mut Harness, attempt: AttemptId) {
        harness.feed(Input::AttemptFailed {
            attempt,
            failure: TransferFailure::Refused {
                status: 400,
                body: "<Error><Code>BadDigest</Code></Error>".to_owned(),
                retry_after: None,
            },
        });
        harness.pass(Duration::from_secs(1));
    }

    #[test]
    fn a_file_that_reads_as_it_did_is_finalized_after_one_more_reading() {
        let harness = after(true, [1, 2, 3]);
        assert_eq!((harness.completions, error(&harness)), (1, None));
    }

    #[test]
    fn what_is_sent_after_all_has_been_read_is_read_no_more() {
        let mut harness = read(true);
        assert!(harness.hashing.is_empty(), "nothing is stored yet");
        for (hashed, sending) in [(4, 2), (5, 1), (5, 0)] {
            store_one(&mut harness);
            harness.answer_hashing([1, 2, 3]);
            assert_eq!((harness.hashed, harness.sending.len()), (hashed, sending));
        }
        assert_eq!(harness.completions, 1);
    }

    #[test]
    fn what_was_sent_before_a_part_was_read_anew_is_read_again() {
        let mut harness = read(true);
        store_one(&mut harness);
        harness.answer_hashing([1, 2, 3]);
        let [second, third] = harness.sending[..] else {
            panic!("{:?}", harness.sending);
        };
        refuse(&mut harness, second);
        harness.answer_hashing([1, 2, 3]);
        harness.feed(Input::Stored { attempt: third });
        harness.answer_hashing([1, 2, 9]);
        assert_eq!((harness.completions, error(&harness)), (0, Some("file_changed")));
    }

    #[test]
    fn files_that_are_read_twice_are_read_on_before_they_are_sent() {
        const PARTS: u64 = 40;
        for (read_again, ahead) in [(true, PARTS), (false, 6)] {
            let mut harness = Harness::with(Config {
                concurrency: Concurrency::Fixed(2),
                part_size: Some(PART),
                read_again,
                ..Config::default()
            });
            harness.add(1, PARTS * PART);
            harness.answer_hashing([0; 40]);
            assert_eq!(u64::from(harness.hashed), ahead);
            assert!(harness.signed <= 3, "{} requests for URLs", harness.signed);
            while !harness.sending.is_empty() {
                store_one(&mut harness);
                harness.answer_hashing([0; 40]);
            }
            // URLs for four at a time, after those that came with the grant.
            assert!(harness.signed >= 8, "{} requests for URLs", harness.signed);
            let again = if read_again { 2 } else { 0 };
            assert_eq!(u64::from(harness.hashed), PARTS + again);
            assert_eq!(harness.completions, 1);
        }
    }

    #[test]
    fn reading_on_keeps_no_other_file_waiting() {
        let mut harness = Harness::with(Config {
            concurrency: Concurrency::Fixed(2),
            read_again: true,
            ..Config::default()
        });
        harness.add(1, 4000 * PART);
        for _ in 0..40 {
            answer_one(&mut harness);
        }
        let before = harness.offsets.len();
        harness.add(2, PART);
        // Its only part begins where it begins, and the large one's first is long sent.
        let begins = |harness: &Harness| harness.offsets[before..].iter().any(|(_, offset)| *offset == 0);
        while !begins(&harness) {
            answer_one(&mut harness);
            assert!(harness.offsets.len() <= before + 4, "the small file waits");
        }
    }

    #[test]
    fn a_part_that_is_read_anew_has_all_others_compared_with_it() {
        let mut harness = read(true);
        store_one(&mut harness);
        harness.answer_hashing([1, 2, 3]);
        let attempt = harness.sending[0];
        refuse(&mut harness, attempt);
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
        for reads in [[9, 2, 3], [1, 9, 3]] {
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
