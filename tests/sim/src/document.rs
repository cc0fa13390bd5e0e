//! Files that are edited: blocks, each of which grows from a seed. They are cut into chunks as real files are, but between
//! blocks only: where a chunk ends is decided by the block before, so that behind an insertion the same places are found again.

use sha2::Digest as _;
use syncsphere_delta_core::{Chunk, CutBy, Cutting, Index};
use syncsphere_protocol::{Crc64Nvme, PartRange, Sha256};

use crate::object_content::Content;

/// Lengths of blocks are multiples of this, in bytes.
const GRAIN: u64 = 256 * 1024 + 1;

/// Most of these in a block: no chunk grows from below its least size beyond its most by one block.
const MOST_GRAINS: u64 = 12;

/// Where an edited document is no longer appended to, in blocks.
const MANY: usize = 50;

/// A file that somebody edits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    seed: u64,
    length: u64,
}

impl Block {
    fn new(random: &mut fastrand::Rng) -> Self {
        Self {
            seed: random.u64(..),
            length: GRAIN * random.u64(1..=MOST_GRAINS),
        }
    }

    fn content(self) -> Content {
        let range = PartRange {
            offset: 0,
            length: self.length,
        };
        Content::of_seed(self.seed, range)
    }

    /// Whether a chunk may end behind it.
    fn is_place_to_cut(self) -> bool {
        self.seed.is_multiple_of(3)
    }
}

impl Document {
    /// So many blocks.
    pub fn new(blocks: usize, random: &mut fastrand::Rng) -> Self {
        Self {
            blocks: std::iter::repeat_with(|| Block::new(random))
                .take(blocks)
                .collect(),
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.blocks.iter().map(|block| block.length).sum()
    }

    /// Its bytes.
    pub fn content(&self) -> Content {
        let mut content = Content::default();
        for block in &self.blocks {
            content.append(&block.content());
        }
        content
    }

    /// What somebody has made of it.
    pub fn edited(&self, random: &mut fastrand::Rng) -> Self {
        let mut next = self.clone();
        for _ in 0..random.usize(1..=3) {
            next.edit(random);
        }
        next
    }

    fn edit(&mut self, random: &mut fastrand::Rng) {
        let count = self.blocks.len();
        let at = random.usize(0..=count);
        let to = (at + random.usize(0..4)).min(count);
        let fresh = Self::new(random.usize(1..4), random).blocks;
        match random.u8(0..6) {
            0 => {
                // In place: as many bytes as before.
                for block in self.blocks.get_mut(at..to).unwrap_or_default() {
                    block.seed = random.u64(..);
                }
            }
            1 if count < MANY => drop(self.blocks.splice(at..at, fresh)),
            2 => drop(self.blocks.drain(at..to)),
            3 if count < MANY => self.blocks.extend(fresh),
            4 => self.blocks.truncate(at.max(count / 2)),
            _ => {
                let moved: Vec<Block> = self.blocks.drain(at..to).collect();
                let at = random.usize(0..=self.blocks.len());
                self.blocks.splice(at..at, moved);
            }
        }
    }

    /// Its content index.
    pub fn index(&self) -> Index {
        let cutting = Cutting::for_size(CutBy::Content, self.size()).expect("it is no large file");
        let sizes = cutting.sizes();
        let mut chunks = Vec::new();
        let mut rest = self.blocks.as_slice();
        while !rest.is_empty() {
            let mut length = 0;
            let end = rest.iter().position(|block| {
                let fits = length + block.length <= u64::from(sizes.most);
                let is_enough = length >= u64::from(sizes.least);
                length += block.length;
                !fits || (is_enough && block.is_place_to_cut())
            });
            // The block that does not fit begins the next one.
            let (blocks, next) = match end {
                None => (rest, &[][..]),
                Some(end) if length > u64::from(sizes.most) => rest.split_at(end),
                Some(end) => rest.split_at(end + 1),
            };
            chunks.push(chunk(blocks));
            rest = next;
        }
        Index::new(cutting, chunks).expect("chunks are of the sizes of the cutting")
    }
}

fn chunk(blocks: &[Block]) -> Chunk {
    let mut crc64nvme = Crc64Nvme::EMPTY;
    let mut digest = sha2::Sha256::new();
    let mut length = 0;
    for block in blocks {
        crc64nvme = crc64nvme.combine(block.content().checksum(), block.length);
        digest.update(block.seed.to_be_bytes());
        digest.update(block.length.to_be_bytes());
        length += block.length;
    }
    Chunk {
        length: u32::try_from(length).expect("a chunk is no longer than its most"),
        crc64nvme,
        sha256: Sha256::from_bytes(digest.finalize().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_of_the_documents_bytes_and_an_insertion_moves_few_chunks() {
        let mut random = fastrand::Rng::with_seed(5);
        let document = Document::new(40, &mut random);
        let index = document.index();
        assert_eq!(index.size(), document.size());
        assert_eq!(index.crc64nvme(), document.content().checksum());
        let mut longer = document.clone();
        longer.blocks.insert(0, Block::new(&mut random));
        let chunks = longer.index();
        let known = |chunk: &&Chunk| index.chunks().contains(chunk);
        let same = chunks.chunks().iter().filter(known).count();
        assert!(
            same + 4 >= index.chunks().len(),
            "{same} of {}",
            index.chunks().len()
        );
    }
}
