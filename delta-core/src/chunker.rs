//! Finds where chunks end, byte by byte, as the bytes come.
//!
//! Source: Xia et al., "FastCDC: A Fast and Efficient Content-Defined Chunking Approach for Data Deduplication", 2016: bytes
//! before the least size are skipped, and places to cut are rarer before the aimed size than after it.

use crate::cutting::ChunkSizes;
use crate::gear::{WINDOW, rolled};

/// Cuts one file, in order. In which pieces its bytes come makes no difference.
pub struct Chunker {
    sizes: ChunkSizes,
    /// Of the last bytes; those before its window make no difference, nor those of the chunk before.
    hash: u64,
    /// Bytes of the chunk so far.
    length: u32,
}

impl Chunker {
    /// At the beginning of a file.
    pub fn new(sizes: ChunkSizes) -> Self {
        Self {
            sizes,
            hash: 0,
            length: 0,
        }
    }

    /// Bytes of the chunk that has not ended yet.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Ends the chunk at the end of the file, and gives its bytes, if any.
    pub fn end(&mut self) -> u32 {
        std::mem::take(&mut self.length)
    }

    /// Takes the bytes that come next. Where the chunk ends among them, it takes no more than that, and gives how many those
    /// are; `None` where all are taken.
    pub fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let ChunkSizes { least, aimed, most } = self.sizes;
        // The first place that counts needs a whole window before it.
        let (_, mut rest) = bytes.split_at(self.room(bytes, least.saturating_sub(WINDOW)));
        self.length += (bytes.len() - rest.len()) as u32;
        // Source: simulated: with these, chunks are of 8.2 MiB on average where 8 are aimed at, and those of a file that has
        // something inserted end where they did before after 15 MiB on average. With places ever more common after the aimed
        // size it takes longer, as with ever rarer ones before it.
        let rare = one_in(aimed / 2);
        let common = one_in(aimed / 4);
        for (end, is_place) in [(least, 0), (aimed, rare), (most, common)] {
            let (part, next) = rest.split_at(self.room(rest, end));
            let place = self.roll(part, is_place);
            if let Some(place) = place {
                self.length = 0;
                return Some(bytes.len() - rest.len() + place);
            }
            rest = next;
        }
        if self.length < most {
            return None;
        }
        self.length = 0;
        Some(bytes.len() - rest.len())
    }

    /// How many of the bytes belong to the chunk before it has so many.
    fn room(&self, bytes: &[u8], end: u32) -> usize {
        bytes.len().min(end.saturating_sub(self.length) as usize)
    }

    /// Takes bytes up to the first after which the hash is below `limit`, and gives how many; `None` where all are taken.
    fn roll(&mut self, bytes: &[u8], limit: u64) -> Option<usize> {
        let mut hash = self.hash;
        let place = bytes.iter().position(|byte| {
            hash = rolled(hash, *byte);
            hash < limit
        });
        self.hash = hash;
        let taken = place.map_or(bytes.len(), |last| last + 1);
        self.length += taken as u32;
        place.map(|_| taken)
    }
}

/// One hash in so many is below it.
fn one_in(number: u32) -> u64 {
    u64::MAX / u64::from(number.max(1))
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// As those of files, made small.
    pub const SMALL: ChunkSizes = ChunkSizes {
        least: 500,
        aimed: 800,
        most: 1_600,
    };

    const GRID: ChunkSizes = ChunkSizes {
        least: 700,
        aimed: 700,
        most: 700,
    };

    /// Bytes of all kinds that repeat for nobody.
    pub fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..length).map(|_| random.u8(..)).collect()
    }

    /// The lengths of all chunks of a file that comes in these pieces.
    pub fn lengths<'a>(sizes: ChunkSizes, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<usize> {
        let mut chunker = Chunker::new(sizes);
        let mut lengths = vec![0];
        for mut piece in pieces {
            while let Some(taken) = chunker.take(piece) {
                *lengths.last_mut().expect("one is open") += taken;
                lengths.push(0);
                piece = &piece[taken..];
            }
            *lengths.last_mut().expect("one is open") += piece.len();
        }
        if lengths.last() == Some(&0) {
            lengths.pop();
        }
        lengths
    }

    #[test]
    fn chunks_come_near_the_aimed_size() {
        let lengths = lengths(SMALL, [noise(1, 4_000_000).as_slice()]);
        let average = 4_000_000 / lengths.len();
        assert!((780..860).contains(&average), "{average}");
        let forced = lengths.iter().filter(|length| **length == 1_600).count();
        assert!(forced < lengths.len() / 50, "{forced} of {}", lengths.len());
    }

    #[test]
    fn bytes_that_are_all_the_same_are_cut_too() {
        for byte in 0..=u8::MAX {
            for length in lengths(SMALL, [[byte; 16_000].as_slice()]) {
                assert!(length <= 1_600, "{byte}");
            }
        }
    }

    #[test]
    fn a_grid_has_chunks_of_one_size() {
        assert_eq!(lengths(GRID, [noise(2, 1_500).as_slice()]), [700, 700, 100]);
        assert_eq!(lengths(GRID, [noise(2, 1_400).as_slice()]), [700, 700]);
        assert_eq!(lengths(GRID, [[].as_slice()]), [0; 0]);
    }

    proptest! {
        #[test]
        fn where_chunks_end_does_not_depend_on_the_pieces(
            seed: u64,
            length in 0_usize..20_000,
            pieces in prop::collection::vec(1_usize..3_000, 1..40),
        ) {
            let content = noise(seed, length);
            let mut rest = content.as_slice();
            let mut cut = Vec::new();
            for piece in pieces {
                let (next, after) = rest.split_at(piece.min(rest.len()));
                cut.push(next);
                rest = after;
            }
            cut.push(rest);
            for sizes in [SMALL, GRID] {
                let whole = lengths(sizes, [content.as_slice()]);
                prop_assert_eq!(&lengths(sizes, cut.iter().copied()), &whole);
                prop_assert_eq!(whole.iter().sum::<usize>(), length);
                if let Some((last, others)) = whole.split_last() {
                    prop_assert!(*last <= sizes.most as usize);
                    for length in others {
                        prop_assert!((sizes.least..=sizes.most).contains(&(*length as u32)));
                    }
                }
            }
        }
    }
}
