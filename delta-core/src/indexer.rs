//! Makes a file's content index as its bytes come.

use std::collections::VecDeque;

use syncsphere_protocol::{Crc64Nvme, Sha256};

use crate::chunker::Chunker;
use crate::cutting::{Cutting, MAX_CHUNKS};
use crate::index::{Chunk, Index, InvalidIndex};
use crate::pieces::{PIECE, PieceChecksums, combined};

/// Cuts one file and computes its chunks' checksums; their SHA-256 comes from outside, some time after they have ended.
pub struct Indexer {
    cutting: Cutting,
    chunker: Chunker,
    checksums: PieceChecksums,
    /// The chunks that have ended, whose SHA-256 has not come.
    ended: VecDeque<(u32, Vec<Crc64Nvme>)>,
    chunks: Vec<Chunk>,
}

impl Indexer {
    /// At the beginning of a file.
    pub fn new(cutting: Cutting) -> Self {
        Self {
            cutting,
            chunker: Chunker::new(cutting.sizes()),
            checksums: PieceChecksums::new(),
            ended: VecDeque::new(),
            chunks: Vec::new(),
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
        self.checksums.update(taken);
        if end.is_some() {
            self.end_chunk(before + taken.len() as u32);
        }
        end
    }

    /// All bytes have come: the last chunk ends.
    pub fn end(&mut self) {
        let length = self.chunker.end();
        if length > 0 {
            self.end_chunk(length);
        }
    }

    /// Takes the SHA-256 of the first chunk whose SHA-256 has not come, and gives the chunk and the checksums of its pieces of
    /// [`PIECE`] bytes. `None` where no such chunk has ended.
    pub fn digest(&mut self, sha256: Sha256) -> Option<(Chunk, Vec<Crc64Nvme>)> {
        let (length, pieces) = self.ended.pop_front()?;
        let chunk = Chunk {
            length,
            crc64nvme: combined(&pieces, PIECE, length.into()),
            sha256,
        };
        self.chunks.push(chunk);
        Some((chunk, pieces))
    }

    /// The index, once the file has ended and every chunk's SHA-256 has come; refused before, and where there are more chunks
    /// than an index may have.
    pub fn finish(self) -> Result<Index, InvalidIndex> {
        let is_whole = self.chunker.length() == 0 && self.ended.is_empty();
        if !is_whole || self.chunks.len() > MAX_CHUNKS {
            return Err(InvalidIndex);
        }
        Index::new(self.cutting, self.chunks)
    }

    fn end_chunk(&mut self, length: u32) {
        self.ended.push_back((length, self.checksums.end_chunk()));
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::chunker::tests::noise;
    use crate::cutting::CutBy;

    const MIB: usize = 1 << 20;
    const CRC: crc::Crc<u64, crc::Table<1>> = crc::Crc::<u64, crc::Table<1>>::new(&crc::CRC_64_NVME);

    #[test]
    fn chunks_have_the_checksums_of_their_bytes() {
        let content = noise(3, 41 * MIB);
        for by in [CutBy::Content, CutBy::Grid] {
            let cutting = Cutting::for_size(by, content.len() as u64).expect("it is no large file");
            let mut indexer = Indexer::new(cutting);
            let digest_of = |number| Sha256::from_bytes([number; 32]);
            let mut ended = 0;
            for mut piece in content.chunks(MIB - 1) {
                while let Some(taken) = indexer.take(piece) {
                    piece = &piece[taken..];
                    let (chunk, pieces) = indexer.digest(digest_of(ended)).expect("a chunk has ended");
                    assert_eq!(pieces.len(), (chunk.length as usize).div_ceil(MIB));
                    ended += 1;
                }
            }
            assert_eq!(indexer.digest(digest_of(ended)), None);
            indexer.end();
            assert!(indexer.digest(digest_of(ended)).is_some(), "of the last one");
            let index = indexer.finish().expect("there is a digest for each");
            assert_eq!(index.size(), content.len() as u64);
            assert_eq!(index.crc64nvme().to_u64(), CRC.checksum(&content), "of the whole");
            let mut rest = content.as_slice();
            for (number, chunk) in index.chunks().iter().enumerate() {
                let (bytes, after) = rest.split_at(chunk.length as usize);
                assert_eq!(chunk.crc64nvme.to_u64(), CRC.checksum(bytes));
                assert_eq!(chunk.sha256, Sha256::from_bytes([number as u8; 32]));
                rest = after;
            }
        }
    }

    #[test]
    fn an_empty_file_has_no_chunk_and_digests_are_counted() {
        let cutting = Cutting::for_size(CutBy::Content, 0).expect("it is no large file");
        let mut empty = Indexer::new(cutting);
        empty.end();
        let index = empty.finish().expect("no digest is right");
        assert_eq!((index.chunks().len(), index.crc64nvme()), (0, Crc64Nvme::EMPTY));
        let digest = Sha256::from_bytes([7; 32]);
        let mut indexer = Indexer::new(cutting);
        assert_eq!((indexer.take(&[1]), indexer.digest(digest)), (None, None));
        assert_eq!(
            indexer.finish(),
            Err(InvalidIndex),
            "its last chunk has not ended"
        );
        let mut indexer = Indexer::new(cutting);
        indexer.take(&[1]);
        indexer.end();
        assert_eq!(indexer.finish(), Err(InvalidIndex), "its digest is missing");
    }
}
