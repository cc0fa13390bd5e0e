//! The checksums of a chunk's pieces: from them follow those of the chunk, and of every part of it that ends between two.

use std::sync::OnceLock;

use crc::{CRC_64_NVME, Crc, Digest, Table};
use syncsphere_protocol::{Crc64Nvme, MIB};

/// Bytes of every piece of a chunk but its last.
///
/// Source: own choice: the least sizes of chunks are multiples of it, and the checksums of a file take little memory.
pub const PIECE: u32 = MIB as u32;

/// Computes the checksums of one chunk after the other.
pub struct PieceChecksums {
    /// Of the piece that has not ended.
    checksum: Digest<'static, u64, Tables>,
    /// Its bytes so far.
    length: u32,
    /// Of the chunk's pieces that have ended.
    ended: Vec<Crc64Nvme>,
}

impl PieceChecksums {
    /// At the beginning of a chunk.
    pub fn new() -> Self {
        Self {
            checksum: crc64nvme().digest(),
            length: 0,
            ended: Vec::new(),
        }
    }

    /// The chunk's next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = (PIECE - self.length) as usize;
            let (taken, next) = rest.split_at(rest.len().min(room));
            self.checksum.update(taken);
            self.length += taken.len() as u32;
            if self.length == PIECE {
                self.end_piece();
            }
            rest = next;
        }
    }

    /// Those of the chunk, which ends here.
    pub fn end_chunk(&mut self) -> Vec<Crc64Nvme> {
        if self.length > 0 {
            self.end_piece();
        }
        std::mem::take(&mut self.ended)
    }

    fn end_piece(&mut self) {
        let checksum = std::mem::replace(&mut self.checksum, crc64nvme().digest());
        self.ended.push(Crc64Nvme::from_u64(checksum.finalize()));
        self.length = 0;
    }
}

/// The checksum of pieces that come to `length` bytes, of which every one but the last has `piece`.
pub fn combined(pieces: &[Crc64Nvme], piece: u32, length: u64) -> Crc64Nvme {
    let mut rest = length;
    pieces.iter().fold(Crc64Nvme::EMPTY, |whole, next| {
        let next_length = rest.min(piece.into());
        rest -= next_length;
        whole.combine(*next, next_length)
    })
}

/// Sixteen bytes at a step.
type Tables = Table<16>;

fn crc64nvme() -> &'static Crc<u64, Tables> {
    // Built when first asked for: as a constant, each page that uses it would download 32 KiB.
    static ALGORITHM: OnceLock<Crc<u64, Tables>> = OnceLock::new();
    ALGORITHM.get_or_init(|| Crc::<u64, Tables>::new(&CRC_64_NVME))
}
