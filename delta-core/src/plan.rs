//! Which ranges of a new file storage can copy from an old one, and which have to travel.

use std::collections::BTreeMap;

use syncsphere_protocol::{Crc64Nvme, MIB, MIN_PART_SIZE};

use crate::cutting::CutBy;
use crate::index::{Chunk, Index};

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

/// Longest part that is copied, in bytes, where it is more than one chunk.
///
/// Source: own choice: fewer requests, each of which storage answers in seconds.
const LONGEST_COPY: u64 = 256 * MIB;

/// The new file's parts, in order and without gaps: as many as it has chunks at the most, and none but the last below 5 MiB.
///
/// What travels goes chunk by chunk, so that several parts are under way; what is copied is joined where it lies side by side
/// in both files. On the grid nothing is joined, for there all parts but the last have to be of one size.
pub fn plan(base: &Index, next: &Index) -> Vec<Segment> {
    let longest_copy = match next.cutting().by() {
        CutBy::Content => LONGEST_COPY,
        CutBy::Grid => 0,
    };
    // Storage copies no ranges of smaller objects.
    // Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>, x-amz-copy-source-range
    let base = if base.size() > MIN_PART_SIZE {
        base.chunks()
    } else {
        &[]
    };
    segments(base, next.chunks(), longest_copy)
}

/// The same of chunks of any size.
pub fn segments(base: &[Chunk], next: &[Chunk], longest_copy: u64) -> Vec<Segment> {
    let mut matcher = Matcher::new(base);
    let mut segments: Vec<Segment> = Vec::new();
    let mut offset = 0;
    for chunk in next {
        let segment = Segment {
            offset,
            length: chunk.length.into(),
            crc64nvme: chunk.crc64nvme,
            from: matcher.find(chunk),
        };
        offset += segment.length;
        match segments.last_mut() {
            Some(last) if last.is_continued_by(&segment) && last.length + segment.length <= longest_copy => {
                last.append(&segment);
            }
            _ => segments.push(segment),
        }
    }
    segments
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

/// Finds the new file's chunks, in order, in the old one.
struct Matcher<'a> {
    base: &'a [Chunk],
    /// Where each chunk of the old file begins.
    offsets: Vec<u64>,
    /// The first of each content.
    first: BTreeMap<Content, usize>,
    /// The one after that which was found last.
    continued: usize,
}

/// Chunks of one content. CRC64NVME is no part of it: who wants two contents to look alike can have that.
type Content = (u32, [u8; 32]);

fn content(chunk: &Chunk) -> Content {
    (chunk.length, *chunk.sha256.as_bytes())
}

impl<'a> Matcher<'a> {
    fn new(base: &'a [Chunk]) -> Self {
        let mut end = 0;
        let offsets = base.iter().map(|chunk| {
            let offset = end;
            end += u64::from(chunk.length);
            offset
        });
        // The first of several remains.
        let contents = base.iter().enumerate().rev();
        Self {
            base,
            offsets: offsets.collect(),
            first: contents.map(|(place, chunk)| (content(chunk), place)).collect(),
            continued: 0,
        }
    }

    /// Where the old file has it. Where it has it several times, best where it goes on from the chunk before.
    fn find(&mut self, chunk: &Chunk) -> Option<u64> {
        let wanted = content(chunk);
        let goes_on = self
            .base
            .get(self.continued)
            .is_some_and(|next| content(next) == wanted);
        let place = if goes_on {
            self.continued
        } else {
            *self.first.get(&wanted)?
        };
        self.continued = place + 1;
        self.offsets.get(place).copied()
    }
}
