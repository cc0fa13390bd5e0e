//! Content indexes, and their packed form.

use syncsphere_protocol::{Crc64Nvme, Sha256};

use crate::cutting::{CutBy, Cutting, MAX_CHUNKS};

/// A file's chunks in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    cutting: Cutting,
    chunks: Vec<Chunk>,
}

/// A range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes, at least one.
    pub length: u32,
    /// The checksum of its bytes.
    pub crc64nvme: Crc64Nvme,
    /// SHA-256 over the SHA-256 digests of its pieces of 1 MiB, the last of which may be shorter.
    pub sha256: Sha256,
}

/// The bytes are no packed index, or of an unknown format, or the chunks' sizes are not those of its cutting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no content index")]
pub struct InvalidIndex;

impl Index {
    /// Refuses more than [`MAX_CHUNKS`], and sizes that the cutting does not give.
    pub fn new(cutting: Cutting, chunks: Vec<Chunk>) -> Result<Self, InvalidIndex> {
        let sizes = cutting.sizes();
        let all_but_last = chunks.len().saturating_sub(1);
        let is_cut_so = |(place, chunk): (usize, &Chunk)| {
            let least = if place < all_but_last { sizes.least } else { 1 };
            (least..=sizes.most).contains(&chunk.length)
        };
        if chunks.len() > MAX_CHUNKS || !chunks.iter().enumerate().all(is_cut_so) {
            return Err(InvalidIndex);
        }
        Ok(Self { cutting, chunks })
    }

    /// Reads a packed index.
    pub fn parse(packed: &[u8]) -> Result<Self, InvalidIndex> {
        let (header, entries) = packed.split_first_chunk().ok_or(InvalidIndex)?;
        let cutting = cutting_of(*header).ok_or(InvalidIndex)?;
        let (entries, rest) = entries.as_chunks::<ENTRY>();
        if !rest.is_empty() || entries.len() > MAX_CHUNKS {
            return Err(InvalidIndex);
        }
        let chunks: Option<Vec<Chunk>> = entries.iter().map(|entry| chunk_of(entry)).collect();
        Self::new(cutting, chunks.ok_or(InvalidIndex)?)
    }

    /// The bytes by which it travels: a header of 4 bytes, then for each chunk its length (4 bytes), its CRC64NVME (8) and its
    /// SHA-256 (32), all big-endian.
    pub fn pack(&self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(HEADER + self.chunks.len() * ENTRY);
        packed.extend(header_of(self.cutting));
        for chunk in &self.chunks {
            packed.extend(chunk.length.to_be_bytes());
            packed.extend(chunk.crc64nvme.to_u64().to_be_bytes());
            packed.extend(chunk.sha256.as_bytes());
        }
        packed
    }

    /// How the file was cut.
    pub fn cutting(&self) -> Cutting {
        self.cutting
    }

    /// In the file's order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The file's bytes.
    pub fn size(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.length)).sum()
    }

    /// The checksum of the whole file.
    pub fn crc64nvme(&self) -> Crc64Nvme {
        self.chunks.iter().fold(Crc64Nvme::EMPTY, |whole, chunk| {
            whole.combine(chunk.crc64nvme, chunk.length.into())
        })
    }
}

const FORMAT: u8 = 1;
const BY_CONTENT: u8 = 1;
const BY_GRID: u8 = 2;

/// Bytes of the packed form.
const HEADER: usize = 4;
const ENTRY: usize = 44;

fn header_of(cutting: Cutting) -> [u8; HEADER] {
    let by = match cutting.by() {
        CutBy::Content => BY_CONTENT,
        CutBy::Grid => BY_GRID,
    };
    [FORMAT, by, cutting.level(), 0]
}

fn cutting_of(header: [u8; HEADER]) -> Option<Cutting> {
    let [FORMAT, by, level, 0] = header else {
        return None;
    };
    let by = match by {
        BY_CONTENT => CutBy::Content,
        BY_GRID => CutBy::Grid,
        _ => return None,
    };
    Cutting::new(by, level)
}

fn chunk_of(entry: &[u8]) -> Option<Chunk> {
    let (length, entry) = entry.split_first_chunk()?;
    let (crc64nvme, sha256) = entry.split_first_chunk()?;
    Some(Chunk {
        length: u32::from_be_bytes(*length),
        crc64nvme: Crc64Nvme::from_u64(u64::from_be_bytes(*crc64nvme)),
        sha256: Sha256::from_bytes(sha256.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::MAX_LEVEL;

    fn cutting() -> impl Strategy<Value = Cutting> {
        let by = prop_oneof![Just(CutBy::Content), Just(CutBy::Grid)];
        (by, 0..=MAX_LEVEL).prop_filter_map("it is a level", |(by, level)| Cutting::new(by, level))
    }

    fn index() -> impl Strategy<Value = Index> {
        cutting().prop_flat_map(|cutting| {
            let sizes = cutting.sizes();
            let chunk = |lengths| (lengths, any::<u64>(), any::<[u8; 32]>());
            let chunks = prop::collection::vec(chunk(sizes.least..=sizes.most), 0..20);
            (chunks, prop::option::of(chunk(1..=sizes.most))).prop_map(move |(chunks, last)| {
                let chunks = chunks.into_iter().chain(last).map(|(length, crc, sha256)| Chunk {
                    length,
                    crc64nvme: Crc64Nvme::from_u64(crc),
                    sha256: Sha256::from_bytes(sha256),
                });
                Index::new(cutting, chunks.collect()).expect("the sizes are the cutting's")
            })
        })
    }

    #[test]
    fn the_packed_form_is_as_documented() {
        let cutting = Cutting::new(CutBy::Content, 3).expect("it is a level");
        let chunk = Chunk {
            length: 0x0102_0304,
            crc64nvme: Crc64Nvme::from_u64(0x1112_1314_1516_1718),
            sha256: Sha256::from_bytes([0xAB; 32]),
        };
        let index = Index::new(cutting, vec![chunk]).expect("the last one may be shorter");
        let mut expected = vec![
            1, 1, 3, 0, 1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
        ];
        expected.extend([0xAB; 32]);
        assert_eq!(index.pack(), expected);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let empty = [1, 1, 0, 0];
        assert_eq!(Index::parse(&empty).map(|index| index.size()), Ok(0));
        let entry = |length: u32| [length.to_be_bytes().as_slice(), &[7; 40]].concat();
        let with = |lengths: &[u32]| {
            let entries = lengths.iter().flat_map(|length| entry(*length));
            empty.into_iter().chain(entries).collect::<Vec<u8>>()
        };
        const MIB: u32 = 1 << 20;
        assert!(Index::parse(&with(&[5 * MIB, 16 * MIB, 1])).is_ok());
        for bad in [
            vec![],
            vec![1, 1, 0],
            vec![0, 1, 0, 0],
            vec![2, 1, 0, 0],
            vec![1, 0, 0, 0],
            vec![1, 3, 0, 0],
            vec![1, 1, MAX_LEVEL + 1, 0],
            vec![1, 1, 0, 1],
            [with(&[5 * MIB]), vec![0]].concat(),
            with(&[5 * MIB])[..47].to_vec(),
            with(&[0]),
            with(&[16 * MIB + 1]),
            with(&[5 * MIB - 1, 1]),
            with(&[5 * MIB; MAX_CHUNKS + 1]),
        ] {
            let start = bad.get(..8).unwrap_or(&bad);
            assert_eq!(
                Index::parse(&bad),
                Err(InvalidIndex),
                "{} bytes: {start:?}",
                bad.len()
            );
        }
    }

    proptest! {
        #[test]
        fn packing_survives_a_round_trip(index in index()) {
            prop_assert_eq!(Index::parse(&index.pack()), Ok(index));
        }

        #[test]
        fn hostile_bytes_are_read_as_what_they_say_or_refused(
            header in prop_oneof![Just(vec![1, 1, 0, 0]), Just(vec![1, 2, 7, 0]), any::<Vec<u8>>()],
            entries in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let packed = [header, entries].concat();
            if let Ok(index) = Index::parse(&packed) {
                prop_assert_eq!(index.pack(), packed);
            }
        }
    }
}
