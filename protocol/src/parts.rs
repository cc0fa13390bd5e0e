//! Part numbers, part sizes and the plan that cuts a file into parts.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// One mebibyte, in bytes.
pub const MIB: u64 = 1024 * 1024;

/// Smallest size of every part but the last, in bytes (5 MiB).
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MIN_PART_SIZE: u64 = 5 * MIB;

/// Largest size of a part, in bytes (5 GiB).
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>. Cloudflare R2 stops
/// 5 MiB short of it, which no plan of [`default_part_size`] comes near.
pub const MAX_PART_SIZE: u64 = 5 * 1024 * MIB;

/// Most parts of one multipart upload.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MAX_PART_COUNT: u64 = 10_000;

/// Largest object, in bytes: 10,000 parts of 5 GiB (48.8 TiB).
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MAX_OBJECT_SIZE: u64 = MAX_PART_COUNT * MAX_PART_SIZE;

/// Files up to this size, in bytes, go as one request unless the client names a part size.
///
/// Source: own choice. Below it, the two extra round trips of a multipart upload cost more than a
/// repeated request would.
pub const SINGLE_REQUEST_LIMIT: u64 = 16 * MIB;

/// A part's number, 1 to 10,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u16")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "u16", extend("minimum" = 1, "maximum" = 10_000)))]
pub struct PartNumber(NonZeroU16);

/// The number is not a part number: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part number is 1 to 10000")]
pub struct InvalidPartNumber;

impl PartNumber {
    /// The number itself.
    pub fn get(self) -> u16 {
        self.0.get()
    }

    /// Position in a list of all parts, counted from 0.
    pub fn index(self) -> usize {
        usize::from(self.0.get() - 1)
    }

    /// The part at a position counted from 0.
    pub fn from_index(index: usize) -> Result<Self, InvalidPartNumber> {
        let number = u64::try_from(index).map_err(|_| InvalidPartNumber)?;
        Self::try_from(number.saturating_add(1))
    }
}

impl TryFrom<u64> for PartNumber {
    type Error = InvalidPartNumber;

    fn try_from(number: u64) -> Result<Self, InvalidPartNumber> {
        if number > MAX_PART_COUNT {
            return Err(InvalidPartNumber);
        }
        u16::try_from(number)
            .ok()
            .and_then(NonZeroU16::new)
            .map(Self)
            .ok_or(InvalidPartNumber)
    }
}

impl From<PartNumber> for u16 {
    fn from(number: PartNumber) -> u16 {
        number.get()
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartNumber({})", self.0)
    }
}

/// Where a part lies in its file: `length` bytes from `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRange {
    /// First byte, counted from 0.
    pub offset: u64,
    /// Bytes; 0 only for the single part of an empty file.
    pub length: u64,
}

/// How a file is cut: parts of one size, then, where there is a tail, parts of a smaller one, and a last one with the rest.
///
/// Without a tail all sizes are equal, which is no matter of taste where Cloudflare R2 refuses anything else at Complete.
/// Source: <https://developers.cloudflare.com/r2/objects/multipart-objects/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_size: u64,
    tail: Option<Tail>,
}

/// The smaller parts at the end of a file. They come last, so that connections end together: what one of them lost on the
/// way, by a part that had to be sent again, the others make up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tail {
    /// How many parts of the ordinary size come before it, at least 1.
    pub after: u16,
    /// The size of every part of it but the last, in bytes; no larger than the parts before it.
    pub part_size: u64,
}

/// Why a size and a part size make no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum InvalidPlan {
    /// The file is larger than any object can be.
    FileTooLarge,
    /// The part size is outside 5 MiB to 5 GiB.
    PartSizeOutOfRange,
    /// The file would need more than 10,000 parts.
    TooManyParts,
    /// The tail begins before the second part or behind the file, or its parts are of no size for a tail.
    TailOutOfRange,
}

impl InvalidPlan {
    /// The same in words, without what formats numbers, which pages would have to download.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FileTooLarge => "the file is larger than 53687091200000 bytes",
            Self::PartSizeOutOfRange => "a part size is 5242880 to 5368709120 bytes",
            Self::TooManyParts => "the file would need more than 10000 parts of this size",
            Self::TailOutOfRange => {
                "a tail begins within the file, after its first part, and has smaller parts"
            }
        }
    }
}

impl PartPlan {
    /// A plan for a file of `size` bytes in parts of `part_size` bytes. An empty file has one,
    /// empty, part.
    pub fn new(size: u64, part_size: u64) -> Result<Self, InvalidPlan> {
        if size > MAX_OBJECT_SIZE {
            return Err(InvalidPlan::FileTooLarge);
        }
        if !(MIN_PART_SIZE..=MAX_PART_SIZE).contains(&part_size) {
            return Err(InvalidPlan::PartSizeOutOfRange);
        }
        if size.div_ceil(part_size) > MAX_PART_COUNT {
            return Err(InvalidPlan::TooManyParts);
        }
        Ok(Self {
            size,
            part_size,
            tail: None,
        })
    }

    /// The plan that these three describe, as they stand in tickets, ledgers, checkpoints and replies.
    pub fn of(size: u64, part_size: u64, tail: Option<Tail>) -> Result<Self, InvalidPlan> {
        Self::new(size, part_size)?.with_tail(tail)
    }

    /// The same plan with a tail, or without one.
    pub fn with_tail(self, tail: Option<Tail>) -> Result<Self, InvalidPlan> {
        let plan = Self { tail, ..self };
        let Some(Tail { after, part_size }) = tail else {
            return Ok(plan);
        };
        let is_within = after > 0 && plan.tail_offset(after) < self.size;
        if !is_within || !(MIN_PART_SIZE..=self.part_size).contains(&part_size) {
            return Err(InvalidPlan::TailOutOfRange);
        }
        if plan.count() > MAX_PART_COUNT {
            return Err(InvalidPlan::TooManyParts);
        }
        Ok(plan)
    }

    /// The plan that [`default_part_size`] gives.
    pub fn for_size(size: u64) -> Result<Self, InvalidPlan> {
        Self::new(size, default_part_size(size))
    }

    /// The plan of the largest file of at most `limit` bytes that parts of this size make, for an upload whose file has no
    /// size yet.
    pub fn of_largest(limit: u64, part_size: u64) -> Result<Self, InvalidPlan> {
        let largest = part_size.saturating_mul(MAX_PART_COUNT).min(MAX_OBJECT_SIZE);
        Self::new(limit.min(largest), part_size)
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The size of every part before the tail, in bytes, and of every part but the last where there is none.
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The smaller parts at the end, where there are any.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// How many parts there are, 1 to 10,000.
    pub fn part_count(&self) -> u16 {
        // Both ways to make a plan hold the number at 10,000 or below.
        u16::try_from(self.count()).unwrap_or(u16::MAX)
    }

    fn count(&self) -> u64 {
        match self.tail {
            None => self.size.div_ceil(self.part_size).max(1),
            Some(Tail { after, part_size }) => {
                let rest = self.size.saturating_sub(self.tail_offset(after));
                u64::from(after) + rest.div_ceil(part_size)
            }
        }
    }

    fn tail_offset(&self, after: u16) -> u64 {
        u64::from(after).saturating_mul(self.part_size)
    }

    /// Where a part lies, or `None` if the plan has no such part.
    pub fn range(&self, part: PartNumber) -> Option<PartRange> {
        if part.get() > self.part_count() {
            return None;
        }
        let before = part.get() - 1;
        let (offset, part_size) = match self.tail {
            Some(tail) if before >= tail.after => (
                self.tail_offset(tail.after) + u64::from(before - tail.after) * tail.part_size,
                tail.part_size,
            ),
            _ => (u64::from(before) * self.part_size, self.part_size),
        };
        Some(PartRange {
            offset,
            length: part_size.min(self.size - offset),
        })
    }

    /// All part numbers of the plan, in order.
    pub fn part_numbers(&self) -> impl DoubleEndedIterator<Item = PartNumber> + use<> {
        (1..=self.part_count()).filter_map(|n| PartNumber::try_from(u64::from(n)).ok())
    }
}

/// The part size, in bytes, that the coordinator takes where the client names none.
///
/// Every part costs a browser one CORS preflight, since the preflight cache is keyed by the full
/// URL, so large files get large parts: at least 16 MiB, up to 64 MiB while that keeps the file
/// within about 160 parts, and more only where 10,000 parts would not suffice.
pub fn default_part_size(size: u64) -> u64 {
    const SMALLEST: u64 = 16 * MIB;
    const LARGEST: u64 = 64 * MIB;
    const PARTS_AIMED_AT: u64 = 64;

    let wanted = size
        .div_ceil(PARTS_AIMED_AT)
        .next_multiple_of(MIB)
        .clamp(SMALLEST, LARGEST);
    let needed = size.div_ceil(MAX_PART_COUNT).next_multiple_of(MIB);
    wanted.max(needed).min(MAX_PART_SIZE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn part_numbers_run_from_1_to_10000() {
        assert!(PartNumber::try_from(0).is_err());
        assert!(PartNumber::try_from(10_001).is_err());
        assert!(PartNumber::try_from(65_537).is_err());
        assert_eq!(PartNumber::try_from(10_000).map(PartNumber::get), Ok(10_000));
        assert!(serde_json::from_str::<PartNumber>("-1").is_err());
        assert!(serde_json::from_str::<PartNumber>("1.5").is_err());
    }

    #[test]
    fn an_empty_file_is_one_empty_part() {
        let plan = PartPlan::for_size(0).expect("0 bytes are a file");
        assert_eq!(plan.part_count(), 1);
        let first = PartNumber::from_index(0).expect("part 1");
        assert_eq!(plan.range(first), Some(PartRange { offset: 0, length: 0 }));
    }

    #[test]
    fn limits_are_refused_by_name() {
        assert_eq!(
            PartPlan::new(MAX_OBJECT_SIZE + 1, MAX_PART_SIZE),
            Err(InvalidPlan::FileTooLarge)
        );
        assert_eq!(
            PartPlan::new(1, MIN_PART_SIZE - 1),
            Err(InvalidPlan::PartSizeOutOfRange)
        );
        assert_eq!(
            PartPlan::new(MIN_PART_SIZE * 10_000 + 1, MIN_PART_SIZE),
            Err(InvalidPlan::TooManyParts)
        );
    }

    #[test]
    fn the_largest_file_has_as_many_parts_as_there_may_be() {
        let largest = |limit, part_size| {
            let plan = PartPlan::of_largest(limit, part_size).expect("a plan");
            (plan.size(), plan.part_count())
        };
        assert_eq!(largest(u64::MAX, MIN_PART_SIZE), (MIN_PART_SIZE * 10_000, 10_000));
        assert_eq!(largest(u64::MAX, MAX_PART_SIZE), (MAX_OBJECT_SIZE, 10_000));
        assert_eq!(largest(MIN_PART_SIZE + 1, MIN_PART_SIZE), (MIN_PART_SIZE + 1, 2));
        assert_eq!(largest(0, MIN_PART_SIZE), (0, 1));
        assert_eq!(
            PartPlan::of_largest(1, MIN_PART_SIZE - 1),
            Err(InvalidPlan::PartSizeOutOfRange)
        );
    }

    #[test]
    fn refusals_name_the_limits() {
        let names = |refusal: InvalidPlan, limits: &[u64]| {
            let text = refusal.to_string();
            limits.iter().all(|limit| text.contains(&limit.to_string()))
        };
        assert!(names(InvalidPlan::FileTooLarge, &[MAX_OBJECT_SIZE]));
        assert!(names(
            InvalidPlan::PartSizeOutOfRange,
            &[MIN_PART_SIZE, MAX_PART_SIZE]
        ));
        assert!(names(InvalidPlan::TooManyParts, &[MAX_PART_COUNT]));
    }

    #[test]
    fn a_tail_has_smaller_parts_within_the_file() {
        let plan = PartPlan::new(100 * MIB, 16 * MIB).expect("seven parts");
        let with = |after, part_size| plan.with_tail(Some(Tail { after, part_size }));
        assert_eq!(with(4, 6 * MIB).map(|plan| plan.part_count()), Ok(10));
        assert_eq!(with(6, 16 * MIB).map(|plan| plan.part_count()), Ok(7));
        for (after, part_size) in [(0, 6 * MIB), (7, 6 * MIB), (4, 5 * MIB - 1), (4, 17 * MIB)] {
            assert_eq!(with(after, part_size), Err(InvalidPlan::TailOutOfRange));
        }
        let large = PartPlan::new(MIN_PART_SIZE * 20_000, MAX_PART_SIZE).expect("20 parts");
        let many = Tail {
            after: 1,
            part_size: MIN_PART_SIZE,
        };
        assert_eq!(large.with_tail(Some(many)), Err(InvalidPlan::TooManyParts));
    }

    /// Checks that a plan's parts lie side by side, from the file's first byte to its last.
    fn covers(plan: PartPlan) -> Result<(), TestCaseError> {
        let mut end = 0;
        for part in plan.part_numbers() {
            let range = plan.range(part).expect("own parts have a range");
            prop_assert_eq!(range.offset, end);
            prop_assert!(range.length <= plan.part_size());
            end += range.length;
            prop_assert!(range.length >= MIN_PART_SIZE || end == plan.size());
        }
        prop_assert_eq!(end, plan.size());
        let beyond = PartNumber::from_index(usize::from(plan.part_count()));
        prop_assert!(beyond.is_err() || plan.range(beyond.expect("checked")).is_none());
        Ok(())
    }

    proptest! {
        #[test]
        fn a_default_plan_covers_every_file_exactly(size in 0..=MAX_OBJECT_SIZE) {
            covers(PartPlan::for_size(size).expect("every size up to the limit has a plan"))?;
        }

        #[test]
        fn so_does_one_with_a_tail(
            size in prop_oneof![0..=MAX_OBJECT_SIZE, 0..=1024 * MIB],
            part_size in MIN_PART_SIZE..=64 * MIB,
            after: u16,
            tail_size in prop_oneof![any::<u64>(), 0..=64 * MIB],
        ) {
            let tail = Tail { after, part_size: tail_size };
            if let Ok(plan) = PartPlan::new(size, part_size).and_then(|plan| plan.with_tail(Some(tail))) {
                covers(plan)?;
            }
        }
    }
}
