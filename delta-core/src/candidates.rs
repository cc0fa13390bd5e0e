//! Which known files a new one may still be the same as.

use crate::cutting::Cutting;
use crate::index::{Chunk, Index};

/// Compares a file with known ones, chunk by chunk.
pub struct Candidates {
    cutting: Cutting,
    left: Vec<Index>,
    /// Chunks that have been compared.
    compared: usize,
}

impl Candidates {
    /// None yet, for a file that is cut so.
    pub fn new(cutting: Cutting) -> Self {
        Self {
            cutting,
            left: Vec::new(),
            compared: 0,
        }
    }

    /// Adds a known file, before the first chunk. One that was cut otherwise is none: its content id is another.
    pub fn add(&mut self, known: Index) {
        if known.cutting() == self.cutting {
            self.left.push(known);
        }
    }

    /// The file's next chunk.
    pub fn take(&mut self, chunk: &Chunk) {
        let place = self.compared;
        self.left.retain(|known| known.chunks().get(place) == Some(chunk));
        self.compared += 1;
    }

    /// Whether the file is none of them, whatever follows.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use syncsphere_protocol::{Crc64Nvme, MIB, Sha256};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::cutting::CutBy;

    const LENGTH: u64 = 8 * MIB;

    fn cutting(by: CutBy) -> Cutting {
        Cutting::new(by, 0).expect("it is a level")
    }

    fn index(by: CutBy, contents: [u8; 3]) -> Index {
        let chunks = contents.map(|content| Chunk {
            length: LENGTH as u32,
            crc64nvme: Crc64Nvme::from_u64(7),
            sha256: Sha256::from_bytes([content; 32]),
        });
        Index::new(cutting(by), chunks.to_vec()).expect("the sizes are the cutting's")
    }

    #[test]
    fn a_file_can_be_a_known_one_up_to_the_first_other_chunk() {
        let file = index(CutBy::Content, [1, 2, 3]);
        let until_new = |known: &[Index]| {
            let mut candidates = Candidates::new(file.cutting());
            for known in known {
                candidates.add(known.clone());
            }
            let mut chunks = file.chunks().iter();
            let mut compared = 0;
            while !candidates.is_empty() {
                candidates.take(chunks.next()?);
                compared += 1;
            }
            Some(compared)
        };
        assert_eq!(until_new(&[]), Some(0));
        assert_eq!(until_new(&[index(CutBy::Grid, [1, 2, 3])]), Some(0));
        assert_eq!(until_new(&[index(CutBy::Content, [9, 2, 3])]), Some(1));
        let late = index(CutBy::Content, [1, 2, 9]);
        assert_eq!(
            until_new(&[index(CutBy::Content, [1, 9, 3]), late.clone()]),
            Some(3)
        );
        assert_eq!(until_new(&[late, file.clone()]), None, "it is that one");
    }
}
