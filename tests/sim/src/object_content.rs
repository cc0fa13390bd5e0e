//! What a file or an object consists of: ranges of what grows from seeds, one after the other.

use syncsphere_protocol::{Crc64Nvme, PartRange};

use crate::content::checksum;

/// Bytes without the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    seed: u64,
    range: PartRange,
}

impl Content {
    /// A range of what grows from `seed`.
    pub fn of_seed(seed: u64, range: PartRange) -> Self {
        let mut content = Self::default();
        content.push(Piece { seed, range });
        content
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.range.length).sum()
    }

    /// As much of a range as there is.
    pub fn range(&self, range: PartRange) -> Self {
        let end = range.offset + range.length;
        let mut content = Self::default();
        let mut begin = 0;
        for piece in &self.pieces {
            let from = range.offset.clamp(begin, begin + piece.range.length);
            let to = end.clamp(begin, begin + piece.range.length);
            content.push(Piece {
                seed: piece.seed,
                range: PartRange {
                    offset: piece.range.offset + from - begin,
                    length: to - from,
                },
            });
            begin += piece.range.length;
        }
        content
    }

    /// More behind it.
    pub fn append(&mut self, more: &Self) {
        for piece in &more.pieces {
            self.push(piece.clone());
        }
    }

    /// The true CRC64NVME.
    pub fn checksum(&self) -> Crc64Nvme {
        self.pieces.iter().fold(Crc64Nvme::EMPTY, |whole, piece| {
            whole.combine(checksum(piece.seed, piece.range), piece.range.length)
        })
    }

    fn push(&mut self, piece: Piece) {
        match self.pieces.last_mut() {
            _ if piece.range.length == 0 => {}
            Some(last)
                if last.seed == piece.seed && last.range.offset + last.range.length == piece.range.offset =>
            {
                last.range.length += piece.range.length;
            }
            _ => self.pieces.push(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(offset: u64, length: u64) -> PartRange {
        PartRange { offset, length }
    }

    #[test]
    fn a_content_is_its_ranges_in_order() {
        let whole = Content::of_seed(1, range(0, 9_000_000));
        let mut joined = whole.range(range(0, 5_000_000));
        joined.append(&whole.range(range(5_000_000, 9_000_000)));
        assert_eq!(joined, whole);

        let mut mixed = Content::of_seed(1, range(3, 5));
        mixed.append(&Content::of_seed(2, range(0, 10)));
        let across = mixed.range(range(4, 6));
        let expected = checksum(1, range(7, 1)).combine(checksum(2, range(0, 5)), 5);
        assert_eq!((across.size(), across.checksum()), (6, expected));
    }
}
