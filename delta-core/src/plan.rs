//! Which ranges of a new file storage can copy from an old one, and which have to travel.

use syncsphere_protocol::{Crc64Nvme, MIB, MIN_PART_SIZE};

use crate::cutting::{CutBy, Cutting};
use crate::index::{Chunk, Index};
use crate::matcher::Matcher;
use crate::pieces::{PIECE, combined};

/// A part of the new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in the new file.
    pub offset: u64,
    /// Bytes, at least one.
    pub length: u64,
    /// The checksum of its bytes.
    pub crc64nvme: Crc64Nvme,
    /// Where the same bytes begin in the old file; `None` for what has to travel.
    pub from: Option<u64>,
}

impl Segment {
    /// Whether both are copied, and lie side by side in the old file as well.
    fn is_continued_by(&self, next: &Self) -> bool {
        self.from
            .is_some_and(|from| next.from == Some(from + self.length))
    }

    fn append(&mut self, next: &Self) {
        self.crc64nvme = self.crc64nvme.combine(next.crc64nvme, next.length);
        self.length += next.length;
    }
}

/// Longest part that is copied, in bytes, where it is more than one chunk.
///
/// Source: own choice: copying begins as soon as so much has been read, and several parts are copied at a time; each is one
/// request of many that storage answers in a second or so.
const LONGEST_COPY: u64 = 64 * MIB;

/// The new file's parts, as a [`Planner`] gives them; what travels goes chunk by chunk.
pub fn plan(base: &Index, next: &Index) -> Vec<Segment> {
    let planner = Planner::new(base, next.cutting());
    let chunks = next.chunks().iter().map(|chunk| (chunk, [].as_slice()));
    planner.all(chunks)
}

/// Plans a new file as its chunks become known: its parts, in order and without gaps, at most 10,000, and none but the last
/// below 5 MiB.
///
/// What travels goes in parts as small as they may be, so that several are under way; what is copied is joined where it lies
/// side by side in both files. On the grid nothing is joined or split, for there all parts but the last have to be of one size.
pub struct Planner {
    matcher: Matcher,
    limits: Limits,
    /// Where the next chunk begins.
    offset: u64,
    /// What is copied, and may go on.
    open: Option<Segment>,
}

/// Sizes in bytes.
#[derive(Clone, Copy)]
pub struct Limits {
    /// No part but a file's last has fewer.
    pub least_part: u32,
    /// Joined chunks have no more.
    pub longest_copy: u64,
    /// Of the pieces that checksums are known of; the least part has a whole number of them.
    pub piece: u32,
}

impl Planner {
    /// For a file that is cut so.
    pub fn new(base: &Index, next: Cutting) -> Self {
        // Storage copies no ranges of smaller objects.
        // Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>, x-amz-copy-source-range
        let base = if base.size() > MIN_PART_SIZE {
            base.chunks()
        } else {
            &[]
        };
        let longest_copy = match next.by() {
            CutBy::Content => LONGEST_COPY,
            CutBy::Grid => 0,
        };
        let limits = Limits {
            least_part: next.sizes().least,
            longest_copy,
            piece: PIECE,
        };
        Self::of_chunks(base, limits)
    }

    /// The same for chunks of any size.
    pub fn of_chunks(base: &[Chunk], limits: Limits) -> Self {
        Self {
            matcher: Matcher::new(base),
            limits,
            offset: 0,
            open: None,
        }
    }

    /// Takes the chunk that comes next, and gives the segments that it has made certain. Where the checksums of its pieces are
    /// told, it goes as several parts if it has to travel and is long enough; without, as one.
    pub fn take(&mut self, chunk: &Chunk, pieces: &[Crc64Nvme]) -> Vec<Segment> {
        let next = Segment {
            offset: self.offset,
            length: chunk.length.into(),
            crc64nvme: chunk.crc64nvme,
            from: self.matcher.find(chunk),
        };
        self.offset += next.length;
        if next.from.is_none() {
            let before = self.open.take().into_iter();
            return before.chain(self.limits.split(next, pieces)).collect();
        }
        let before = match &mut self.open {
            Some(open) if self.limits.joins(open, &next) => {
                open.append(&next);
                None
            }
            open => open.replace(next),
        };
        let full = self.open.take_if(|open| self.limits.is_full(open));
        before.into_iter().chain(full).collect()
    }

    /// The last segment, where it could still have gone on.
    pub fn finish(self) -> Option<Segment> {
        self.open
    }

    /// All segments of a file of these chunks.
    pub fn all<'a>(mut self, chunks: impl Iterator<Item = (&'a Chunk, &'a [Crc64Nvme])>) -> Vec<Segment> {
        let mut segments = Vec::new();
        for (chunk, pieces) in chunks {
            segments.extend(self.take(chunk, pieces));
        }
        segments.extend(self.finish());
        segments
    }
}

impl Limits {
    fn joins(&self, open: &Segment, next: &Segment) -> bool {
        open.is_continued_by(next) && open.length + next.length <= self.longest_copy
    }

    /// Whether no chunk has room in it, but perhaps a file's last one.
    fn is_full(&self, open: &Segment) -> bool {
        open.length + u64::from(self.least_part) > self.longest_copy
    }

    /// As many parts as there can be, of about one size, each of them whole pieces but the last.
    fn split(&self, whole: Segment, pieces: &[Crc64Nvme]) -> Vec<Segment> {
        let piece = u64::from(self.piece);
        let count = whole.length / u64::from(self.least_part);
        if count < 2 || pieces.len() as u64 != whole.length.div_ceil(piece) {
            return vec![whole];
        }
        let full_pieces = whole.length / piece;
        let mut rest = pieces;
        let mut offset = 0;
        let parts = (1..=count).map(|number| {
            let end = number * full_pieces / count * piece;
            let length = if number < count { end } else { whole.length } - offset;
            let (own, after) = rest.split_at(length.div_ceil(piece) as usize);
            let part = Segment {
                offset: whole.offset + offset,
                length,
                crc64nvme: combined(own, self.piece, length),
                from: None,
            };
            rest = after;
            offset = end;
            part
        });
        parts.collect()
    }
}
