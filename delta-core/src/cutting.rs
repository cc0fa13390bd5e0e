//! The ways to cut a file, and the sizes of chunks that they give.

use syncsphere_protocol::{MIB, MIN_PART_SIZE};

/// Most chunks of a file: each can become a part.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MAX_CHUNKS: usize = 10_000;

/// Chunks of the aimed size that a file may have before it is cut at the next level.
///
/// Source: own choice: chunks of the least size are fewer than [`MAX_CHUNKS`] then, and the file can grow to its double
/// before another level cuts its next version otherwise.
const CHUNKS_AIMED: u64 = 5_000;

/// The highest level: chunks of the next would be 4 GiB, whose length has no room in an index.
pub const MAX_LEVEL: u8 = 7;

/// The least size is what storage takes as a part.
const CONTENT: ChunkSizes = ChunkSizes {
    least: MIN_PART_SIZE as u32,
    aimed: AIMED,
    most: 2 * AIMED,
};

const GRID: ChunkSizes = ChunkSizes {
    least: AIMED,
    aimed: AIMED,
    most: AIMED,
};

/// Source: own choice: what one edit costs, against requests and the length of indexes.
const AIMED: u32 = 8 * MIB as u32;

/// What decides where a chunk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutBy {
    /// The bytes around the place: behind an insertion, the same places are found again.
    Content,
    /// The distance from the beginning of the file, for storage that wants parts of one size.
    Grid,
}

/// How a file is cut. Indexes of two files can be compared where it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutting {
    by: CutBy,
    level: u8,
}

/// Bytes of a chunk; the last one of a file may have fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSizes {
    /// No chunk has fewer.
    pub least: u32,
    /// What most chunks come near.
    pub aimed: u32,
    /// No chunk has more.
    pub most: u32,
}

impl Cutting {
    /// Each level doubles the sizes of the one before; `None` beyond [`MAX_LEVEL`].
    pub fn new(by: CutBy, level: u8) -> Option<Self> {
        (level <= MAX_LEVEL).then_some(Self { by, level })
    }

    /// The lowest level that gives a file of so many bytes no more than 5,000 chunks of the aimed size; `None` where none does.
    pub fn for_size(by: CutBy, size: u64) -> Option<Self> {
        (0..=MAX_LEVEL)
            .map(|level| Self { by, level })
            .find(|cutting| size <= CHUNKS_AIMED * u64::from(cutting.sizes().aimed))
    }

    /// What decides.
    pub fn by(self) -> CutBy {
        self.by
    }

    /// From 0.
    pub fn level(self) -> u8 {
        self.level
    }

    /// The sizes of its chunks.
    pub fn sizes(self) -> ChunkSizes {
        let ChunkSizes { least, aimed, most } = match self.by {
            CutBy::Content => CONTENT,
            CutBy::Grid => GRID,
        };
        let [least, aimed, most] = [least, aimed, most].map(|size| size << self.level);
        ChunkSizes { least, aimed, most }
    }

    /// Whether no file of so many bytes has more than [`MAX_CHUNKS`].
    pub fn fits(self, size: u64) -> bool {
        size <= MAX_CHUNKS as u64 * u64::from(self.sizes().least)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_file_is_cut_at_the_lowest_level_that_is_enough() {
        let level = |size| Cutting::for_size(CutBy::Content, size).map(Cutting::level);
        assert_eq!(level(0), Some(0));
        assert_eq!(level(40_000 * MIB), Some(0));
        assert_eq!(level(40_000 * MIB + 1), Some(1));
        assert_eq!(level((40_000 * MIB) << 7), Some(7));
        assert_eq!(level(((40_000 * MIB) << 7) + 1), None);
    }

    #[test]
    fn sizes_double_with_the_level_and_have_room_in_an_index() {
        for by in [CutBy::Content, CutBy::Grid] {
            for level in 0..=MAX_LEVEL {
                let cutting = Cutting::new(by, level).expect("it is one of the levels");
                let sizes = cutting.sizes();
                assert!(sizes.least >= (5 << 20) << level && sizes.least <= sizes.aimed);
                assert_eq!(
                    (sizes.aimed, sizes.most >> 3),
                    ((8 << 20) << level, sizes.most >> 3)
                );
                assert!(sizes.aimed <= sizes.most);
                let largest = CHUNKS_AIMED * u64::from(sizes.aimed);
                assert!(cutting.fits(largest), "{cutting:?}");
            }
            assert_eq!(Cutting::new(by, MAX_LEVEL + 1), None);
        }
    }
}
