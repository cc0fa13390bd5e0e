//! The browser shell of the delta core, inside `delta-worker.js`. What has no result gives `undefined`.

use syncsphere_delta_core::{Candidates, CutBy, Cutting, Index, Planner, Segment, plan};
use syncsphere_protocol::Sha256;
use wasm_bindgen::prelude::wasm_bindgen;

/// As in the engine's shell: small, and of constant time.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// Makes the content index of one file, and plans it meanwhile.
#[wasm_bindgen]
pub struct Indexer {
    indexer: syncsphere_delta_core::Indexer,
    cutting: Cutting,
    planner: Option<Planner>,
    candidates: Candidates,
}

#[wasm_bindgen]
impl Indexer {
    /// For a file of so many bytes: on the grid or by content, at the level told or else the one for its size. `undefined` where
    /// it could have too many chunks.
    #[must_use]
    pub fn begin(size: f64, grid: bool, level: Option<u8>) -> Option<Self> {
        let by = if grid { CutBy::Grid } else { CutBy::Content };
        let size = size as u64;
        let cutting = match level {
            Some(level) => Cutting::new(by, level),
            None => Cutting::for_size(by, size),
        };
        let cutting = cutting.filter(|cutting| cutting.fits(size))?;
        Some(Self {
            indexer: syncsphere_delta_core::Indexer::new(cutting),
            cutting,
            planner: None,
            candidates: Candidates::new(cutting),
        })
    }

    /// Plans the file against that of a packed index, before its first byte. `false` where it is none.
    pub fn compare(&mut self, base: &[u8]) -> bool {
        self.planner = Index::parse(base)
            .ok()
            .map(|base| Planner::new(&base, self.cutting));
        self.planner.is_some()
    }

    /// The file may be that of a packed index, of as many bytes; told before its first byte. `false` where it is none.
    pub fn expect(&mut self, known: &[u8]) -> bool {
        Index::parse(known)
            .map(|known| self.candidates.add(known))
            .is_ok()
    }

    /// Takes bytes up to the end of a chunk, and gives how many; `undefined` where all are taken.
    pub fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        self.indexer.take(bytes)
    }

    /// All bytes have come.
    pub fn end(&mut self) {
        self.indexer.end();
    }

    /// Takes the digest of the first chunk that lacks it, and gives the segments that are certain now, as [`segments`] does.
    /// `undefined` where no such chunk has ended.
    pub fn digest(&mut self, digest: &[u8]) -> Option<Vec<u64>> {
        let digest = Sha256::from_bytes(digest.try_into().ok()?);
        let (chunk, pieces) = self.indexer.digest(digest)?;
        self.candidates.take(&chunk);
        let planner = self.planner.as_mut();
        Some(planner.map_or_else(Vec::new, |planner| numbers(planner.take(&chunk, &pieces))))
    }

    /// Whether the file is none of those that it could have been.
    #[wasm_bindgen(getter, js_name = isNew)]
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.candidates.is_empty()
    }

    /// The segments after those that were given, at the end.
    pub fn rest(&mut self) -> Vec<u64> {
        numbers(self.planner.take().and_then(Planner::finish))
    }

    /// The packed index; `undefined` where a chunk lacks its digest.
    #[must_use]
    pub fn finish(self) -> Option<Vec<u8>> {
        Some(self.indexer.finish().ok()?.pack())
    }
}

/// The CRC64NVME of the file that a packed index is of; `undefined` where it is none.
#[wasm_bindgen]
#[must_use]
pub fn crc64nvme(packed: &[u8]) -> Option<u64> {
    Some(Index::parse(packed).ok()?.crc64nvme().to_u64())
}

/// The parts of the file of the index `next`, four numbers each: offset, length, CRC64NVME, and the offset in the file of the index
/// `base`, or all bits set for what has to travel. `undefined` where one of them is no index.
#[wasm_bindgen]
#[must_use]
pub fn segments(base: &[u8], next: &[u8]) -> Option<Vec<u64>> {
    let segments = plan(&Index::parse(base).ok()?, &Index::parse(next).ok()?);
    Some(numbers(segments))
}

fn numbers(segments: impl IntoIterator<Item = Segment>) -> Vec<u64> {
    let numbers = segments.into_iter().flat_map(|segment| {
        [
            segment.offset,
            segment.length,
            segment.crc64nvme.to_u64(),
            segment.from.unwrap_or(u64::MAX),
        ]
    });
    numbers.collect()
}
