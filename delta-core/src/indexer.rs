//! Makes a file's content index as its bytes come.

use std::sync::OnceLock;

use crc::{CRC_64_NVME, Crc, Digest, Table};
use syncsphere_protocol::{Crc64Nvme, Sha256};

use crate::chunker::Chunker;
use crate::cutting::{Cutting, MAX_CHUNKS};
use crate::index::{Chunk, Index, InvalidIndex};

/// Cuts one file and computes its chunks' checksums; their SHA-256 comes from outside.
pub struct Indexer {
    cutting: Cutting,
    chunker: Chunker,
    checksum: Digest<'static, u64, Tables>,
    /// Of the chunks that have ended.
    ended: Vec<(u32, Crc64Nvme)>,
}

impl Indexer {
    /// At the beginning of a file.
    pub fn new(cutting: Cutting) -> Self {
        Self {
            cutting,
            chunker: Chunker::new(cutting.sizes()),
            checksum: crc64nvme().digest(),
            ended: Vec::new(),
        }
    }

    /// Takes the bytes that come next. Where a chunk ends among them, it takes no more than that, and gives how many those
    /// are: the others are for the next call. `None` where all are taken.
    pub fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let before = self.chunker.length();
        let end = self.chunker.take(bytes);
        let (taken, _) = bytes
            .split_at_checked(end.unwrap_or(bytes.len()))
            .unwrap_or((bytes, &[]));
        self.checksum.update(taken);
        if end.is_some() {
            self.end_chunk(before + taken.len() as u32);
        }
        end
    }

    /// The index, once all bytes have come: with the SHA-256 of every chunk, the last one's included. Refuses another number of
    /// them, and more chunks than an index may have.
    pub fn finish(mut self, digests: impl ExactSizeIterator<Item = Sha256>) -> Result<Index, InvalidIndex> {
        let length = self.chunker.length();
        if length > 0 {
            self.end_chunk(length);
        }
        if digests.len() != self.ended.len() || digests.len() > MAX_CHUNKS {
            return Err(InvalidIndex);
        }
        let chunks = self.ended.into_iter().zip(digests);
        let chunks = chunks.map(|((length, crc64nvme), sha256)| Chunk {
            length,
            crc64nvme,
            sha256,
        });
        Index::new(self.cutting, chunks.collect())
    }

    fn end_chunk(&mut self, length: u32) {
        let checksum = std::mem::replace(&mut self.checksum, crc64nvme().digest());
        self.ended
            .push((length, Crc64Nvme::from_u64(checksum.finalize())));
    }
}

/// Sixteen bytes at a step.
type Tables = Table<16>;

fn crc64nvme() -> &'static Crc<u64, Tables> {
    // Built when first asked for: as a constant, each page that uses it would download 32 KiB.
    static ALGORITHM: OnceLock<Crc<u64, Tables>> = OnceLock::new();
    ALGORITHM.get_or_init(|| Crc::<u64, Tables>::new(&CRC_64_NVME))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::chunker::tests::noise;
    use crate::cutting::CutBy;

    const MIB: usize = 1 << 20;

    #[test]
    fn chunks_have_the_checksums_of_their_bytes() {
        let content = noise(3, 41 * MIB);
        for by in [CutBy::Content, CutBy::Grid] {
            let cutting = Cutting::for_size(by, content.len() as u64).expect("it is no large file");
            let mut indexer = Indexer::new(cutting);
            let mut chunks = 1;
            for mut piece in content.chunks(MIB - 1) {
                while let Some(taken) = indexer.take(piece) {
                    piece = &piece[taken..];
                    chunks += 1;
                }
            }
            let digests = (0..chunks).map(|number| Sha256::from_bytes([number; 32]));
            let index = indexer.finish(digests).expect("there is a digest for each");
            assert_eq!(index.size(), content.len() as u64);
            assert_eq!(
                index.crc64nvme().to_u64(),
                crc64nvme().checksum(&content),
                "of the whole"
            );
            let mut rest = content.as_slice();
            for (number, chunk) in index.chunks().iter().enumerate() {
                let (bytes, after) = rest.split_at(chunk.length as usize);
                assert_eq!(chunk.crc64nvme.to_u64(), crc64nvme().checksum(bytes));
                assert_eq!(chunk.sha256, Sha256::from_bytes([number as u8; 32]));
                rest = after;
            }
        }
    }

    #[test]
    fn an_empty_file_has_no_chunk_and_digests_are_counted() {
        let cutting = Cutting::for_size(CutBy::Content, 0).expect("it is no large file");
        let index = Indexer::new(cutting)
            .finish([].into_iter())
            .expect("no digest is right");
        assert_eq!((index.chunks().len(), index.crc64nvme()), (0, Crc64Nvme::EMPTY));
        let mut indexer = Indexer::new(cutting);
        assert_eq!(indexer.take(&[1]), None);
        assert_eq!(indexer.finish([].into_iter()), Err(InvalidIndex));
    }
}
