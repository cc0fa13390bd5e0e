//! Finds the chunks of a new file in an old one.

use std::collections::BTreeMap;

use crate::index::Chunk;

/// Finds the new file's chunks, in order, in the old one.
pub struct Matcher {
    /// What each chunk of the old file consists of, and where it begins.
    base: Vec<(Content, u64)>,
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

impl Matcher {
    /// Of the old file's chunks.
    pub fn new(base: &[Chunk]) -> Self {
        let mut end = 0;
        let mut first = BTreeMap::new();
        // Collecting them would sort them first, by code that is a third of the module.
        for (place, chunk) in base.iter().enumerate() {
            first.entry(content(chunk)).or_insert(place);
        }
        let base = base.iter().map(|chunk| {
            let offset = end;
            end += u64::from(chunk.length);
            (content(chunk), offset)
        });
        Self {
            base: base.collect(),
            first,
            continued: 0,
        }
    }

    /// Where the old file has it. Where it has it several times, best where it goes on from the chunk before.
    pub fn find(&mut self, chunk: &Chunk) -> Option<u64> {
        let wanted = content(chunk);
        let goes_on = self
            .base
            .get(self.continued)
            .is_some_and(|(next, _)| *next == wanted);
        let place = if goes_on {
            self.continued
        } else {
            *self.first.get(&wanted)?
        };
        self.continued = place + 1;
        self.base.get(place).map(|(_, offset)| *offset)
    }
}
