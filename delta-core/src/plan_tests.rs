use proptest::prelude::*;
use syncsphere_protocol::{Crc64Nvme, MIB, Sha256};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::chunker::tests::{SMALL, lengths, noise};
use crate::cutting::{CutBy, Cutting};
use crate::index::{Chunk, Index};
use crate::plan::{Limits, Planner, Segment, plan};

/// As those of files, made small.
const LIMITS: Limits = Limits {
    least_part: SMALL.least,
    longest_copy: 6_400,
    piece: 100,
};

const CRC: crc::Crc<u64, crc::Table<1>> = crc::Crc::<u64, crc::Table<1>>::new(&crc::CRC_64_NVME);

fn crc_of(bytes: &[u8]) -> Crc64Nvme {
    Crc64Nvme::from_u64(CRC.checksum(bytes))
}

/// The chunks of a file. In place of SHA-256 they have a hash that is as good for these tests.
fn chunks(content: &[u8]) -> Vec<Chunk> {
    let mut rest = content;
    lengths(SMALL, [content])
        .into_iter()
        .map(|length| {
            let (bytes, after) = rest.split_at(length);
            rest = after;
            let mut sha256 = [0; 32];
            sha256[..8].copy_from_slice(&CRC.checksum(bytes).to_be_bytes());
            sha256[8..16].copy_from_slice(&CRC.checksum(&[bytes, b"!"].concat()).to_be_bytes());
            Chunk {
                length: length as u32,
                crc64nvme: crc_of(bytes),
                sha256: Sha256::from_bytes(sha256),
            }
        })
        .collect()
}

/// The checksums of its pieces.
fn pieces(content: &[u8]) -> Vec<Crc64Nvme> {
    content.chunks(LIMITS.piece as usize).map(crc_of).collect()
}

fn planned(base: &[u8], next: &[u8]) -> Vec<Segment> {
    let chunks_of_next = chunks(next);
    let without_pieces = chunks_of_next.iter().map(|chunk| (chunk, [].as_slice()));
    Planner::of_chunks(&chunks(base), LIMITS).all(without_pieces)
}

/// The same where pieces are known.
fn split(base: &[u8], next: &[u8]) -> Vec<Segment> {
    let chunks_of_next = chunks(next);
    let mut rest = next;
    let pieces_of_chunks: Vec<_> = chunks_of_next
        .iter()
        .map(|chunk| {
            let (bytes, after) = rest.split_at(chunk.length as usize);
            rest = after;
            pieces(bytes)
        })
        .collect();
    let with_pieces = chunks_of_next
        .iter()
        .zip(pieces_of_chunks.iter().map(Vec::as_slice));
    Planner::of_chunks(&chunks(base), LIMITS).all(with_pieces)
}

/// Bytes that have to travel.
fn sent(base: &[u8], next: &[u8]) -> u64 {
    let sent = planned(base, next)
        .into_iter()
        .filter(|segment| segment.from.is_none());
    sent.map(|segment| segment.length).sum()
}

#[derive(Clone, Debug)]
enum Edit {
    Replace(Vec<u8>),
    Insert(Vec<u8>),
    Delete(usize),
    Append(Vec<u8>),
    Truncate(usize),
    /// Exchanges what lies before a place, so many bytes, and what lies behind it.
    Swap(usize),
}

impl Edit {
    fn apply(&self, at: usize, content: &[u8]) -> Vec<u8> {
        let (head, tail) = content.split_at(at.min(content.len()));
        let behind = |length: usize| tail.get(length..).unwrap_or_default();
        match self {
            Self::Replace(bytes) => [head, bytes, behind(bytes.len())].concat(),
            Self::Insert(bytes) => [head, bytes, tail].concat(),
            Self::Delete(length) => [head, behind(*length)].concat(),
            Self::Append(bytes) => [content, bytes].concat(),
            Self::Truncate(length) => content[..content.len().saturating_sub(*length)].to_vec(),
            Self::Swap(length) => {
                let (start, before) = head.split_at(head.len().saturating_sub(*length));
                let (after, end) = tail.split_at((*length).min(tail.len()));
                [start, after, before, end].concat()
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..4_000);
    prop_oneof![
        bytes().prop_map(Edit::Replace),
        bytes().prop_map(Edit::Insert),
        (0_usize..9_000).prop_map(Edit::Delete),
        bytes().prop_map(Edit::Append),
        (0_usize..9_000).prop_map(Edit::Truncate),
        (0_usize..9_000).prop_map(Edit::Swap),
    ]
}

proptest! {
    #[test]
    fn parts_are_the_new_file_and_what_is_copied_is_the_same_in_the_old_one(
        seed: u64,
        length in 0_usize..80_000,
        edits in prop::collection::vec((edit(), 0_usize..80_000), 0..4),
    ) {
        let base = noise(seed, length);
        let next = edits.iter().fold(base.clone(), |content, (edit, at)| edit.apply(*at, &content));
        let [planned, split] = [planned, split].map(|planned| planned(&base, &next));
        for (segments, longest) in [(&planned, SMALL.most), (&split, 2 * SMALL.least)] {
            let mut end = 0;
            for (place, segment) in segments.iter().enumerate() {
                prop_assert_eq!(segment.offset, end);
                end += segment.length;
                let bytes = &next[segment.offset as usize..end as usize];
                prop_assert_eq!(segment.crc64nvme, crc_of(bytes));
                // So there are no more of them than an index may have chunks.
                prop_assert!(place + 1 == segments.len() || bytes.len() >= SMALL.least as usize);
                match segment.from {
                    Some(from) => {
                        prop_assert!(segment.length <= LIMITS.longest_copy);
                        prop_assert_eq!(bytes, &base[from as usize..][..bytes.len()]);
                    }
                    None => prop_assert!(segment.length <= longest.into()),
                }
            }
            prop_assert_eq!(end, next.len() as u64);
        }
        let copied = |segments: Vec<Segment>| -> Vec<_> {
            segments.into_iter().filter(|segment| segment.from.is_some()).collect()
        };
        prop_assert_eq!(copied(planned), copied(split));
        if edits.is_empty() {
            prop_assert_eq!(sent(&base, &next), 0);
        }
    }
}

/// Where cuts agree again after an edit is chance, so this takes files of known seeds: most of them send little more than
/// what was edited, none of them much.
#[test]
fn what_no_edit_is_near_does_not_travel() {
    const FILES: u64 = 300;
    const LENGTH: usize = 80_000;
    let most = u64::from(SMALL.most);
    type Edited = fn(&mut fastrand::Rng) -> (Edit, u64);
    let at_front: Edited = |random| (Edit::Insert(noise(random.u64(..), random.usize(1..2_000))), 0);
    let anywhere: [(&str, u64, Edited); 4] = [
        ("replaced", 4, |random| {
            let length = random.usize(1..4_000);
            (Edit::Replace(noise(random.u64(..), length)), length as u64)
        }),
        ("inserted", 4, |random| {
            let length = random.usize(1..4_000);
            (Edit::Insert(noise(random.u64(..), length)), length as u64)
        }),
        ("deleted", 4, |random| (Edit::Delete(random.usize(1..9_000)), 0)),
        ("swapped", 8, |random| (Edit::Swap(random.usize(2_000..9_000)), 0)),
    ];
    let inserted_in_front = [("inserted in front", 4, at_front)];
    for (what, bound, edited) in inserted_in_front.into_iter().chain(anywhere) {
        let mut beyond = 0;
        for seed in 0..FILES {
            let mut random = fastrand::Rng::with_seed(seed);
            let base = noise(seed, LENGTH);
            let at = if what == "inserted in front" {
                0
            } else {
                random.usize(..LENGTH)
            };
            let (edit, length) = edited(&mut random);
            let sent = sent(&base, &edit.apply(at, &base));
            beyond += u64::from(sent > length + bound * most);
            assert!(sent <= length + 3 * bound * most, "{what}: {sent} of file {seed}");
        }
        assert!(
            beyond * 50 <= FILES,
            "{what}: {beyond} files of {FILES} send more"
        );
    }
    for seed in 0..FILES {
        let base = noise(seed, LENGTH);
        let appended = [base.as_slice(), &noise(seed + FILES, 3_000)].concat();
        assert!(sent(&base, &appended) <= 3_000 + most, "appended: file {seed}");
        assert!(sent(&base, &base[..70_000]) <= most, "truncated: file {seed}");
    }
}

#[test]
fn of_repeated_content_the_run_goes_on() {
    let [a, b, c, d] = [1, 2, 3, 4].map(|byte| Chunk {
        length: 10,
        crc64nvme: crc_of(&[byte; 10]),
        sha256: Sha256::from_bytes([byte; 32]),
    });
    let base = [a, b, c, a, d, a];
    let froms = |next: &[Chunk]| -> Vec<_> {
        let chunks = next.iter().map(|chunk| (chunk, [].as_slice()));
        let segments = Planner::of_chunks(&base, LIMITS).all(chunks);
        segments
            .into_iter()
            .map(|segment| (segment.from, segment.length))
            .collect()
    };
    assert_eq!(froms(&[c, a, d, a]), [(Some(20), 40)]);
    assert_eq!(froms(&[d, a, b]), [(Some(40), 20), (Some(10), 10)]);
    assert_eq!(froms(&[a, a]), [(Some(0), 10), (Some(0), 10)]);
}

fn index(by: CutBy, lengths: &[u64]) -> Index {
    let chunks = lengths.iter().enumerate().map(|(number, length)| Chunk {
        length: *length as u32,
        crc64nvme: Crc64Nvme::from_u64(number as u64),
        sha256: Sha256::from_bytes([number as u8; 32]),
    });
    let cutting = Cutting::new(by, 0).expect("it is a level");
    Index::new(cutting, chunks.collect()).expect("the sizes are the cutting's")
}

#[test]
fn copies_are_joined_up_to_64_mib_and_on_the_grid_not_at_all() {
    let lengths = |index: &Index| -> Vec<u64> {
        let segments = plan(index, index);
        assert!(
            segments
                .iter()
                .all(|segment| segment.from == Some(segment.offset))
        );
        segments.iter().map(|segment| segment.length / MIB).collect()
    };
    assert_eq!(lengths(&index(CutBy::Content, &[10 * MIB; 30])), [60; 5]);
    assert_eq!(lengths(&index(CutBy::Grid, &[8 * MIB; 3])), [8, 8, 8]);
}

#[test]
fn nothing_is_copied_of_a_file_too_small_for_it() {
    let sent = |size| {
        let index = index(CutBy::Content, &[size]);
        plan(&index, &index)
            .iter()
            .filter(|segment| segment.from.is_none())
            .count()
    };
    assert_eq!((sent(5 * MIB), sent(5 * MIB + 1)), (1, 0));
}

#[test]
fn a_segment_is_told_once_it_cannot_grow() {
    let base = index(CutBy::Content, &[10 * MIB; 9]);
    let mut planner = Planner::new(&base, base.cutting());
    let mut told = |chunk: &Chunk| -> Vec<_> {
        let segments = planner.take(chunk, &[]).into_iter();
        segments
            .map(|segment| (segment.offset / MIB, segment.from.map(|from| from / MIB)))
            .collect()
    };
    let other = Chunk {
        sha256: Sha256::from_bytes([0xFF; 32]),
        ..base.chunks()[0]
    };
    let [first @ .., sixth] = &base.chunks()[..6] else {
        panic!("it has nine")
    };
    for chunk in first {
        assert_eq!(told(chunk), []);
    }
    assert_eq!(told(sixth), [(0, Some(0))], "none has room in it");
    assert_eq!(told(&base.chunks()[6]), []);
    assert_eq!(told(&base.chunks()[3]), [(60, Some(60))], "it goes on elsewhere");
    assert_eq!(told(&other), [(70, Some(30)), (80, None)]);
    assert_eq!(told(&base.chunks()[8]), []);
    assert_eq!(planner.finish().map(|last| last.offset / MIB), Some(90));
}

#[test]
fn what_travels_is_split_where_it_is_long_enough() {
    let lengths = |length: u64, known: u64, by| -> Vec<_> {
        let base = index(by, &[]);
        let next = index(by, &[length]);
        let mut planner = Planner::new(&base, base.cutting());
        let pieces: Vec<_> = (0..known).map(Crc64Nvme::from_u64).collect();
        let segments = planner.take(&next.chunks()[0], &pieces).into_iter();
        segments.map(|segment| segment.length).collect()
    };
    assert_eq!(lengths(13 * MIB, 13, CutBy::Content), [6 * MIB, 7 * MIB]);
    assert_eq!(lengths(16 * MIB, 16, CutBy::Content), [5 * MIB, 5 * MIB, 6 * MIB]);
    assert_eq!(lengths(10 * MIB + 1, 11, CutBy::Content), [5 * MIB, 5 * MIB + 1]);
    assert_eq!(lengths(10 * MIB - 1, 10, CutBy::Content), [10 * MIB - 1]);
    assert_eq!(
        lengths(13 * MIB, 12, CutBy::Content),
        [13 * MIB],
        "one is missing"
    );
    assert_eq!(lengths(8 * MIB, 8, CutBy::Grid), [8 * MIB]);
}
