//! The browser shell of the delta core, inside `delta-worker.js`. What has no result gives `undefined`.

use syncsphere_delta_core::{CutBy, Cutting, Index, plan};
use syncsphere_protocol::Sha256;
use wasm_bindgen::prelude::wasm_bindgen;

/// As in the engine's shell: small, and of constant time.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// Makes the content index of one file.
#[wasm_bindgen]
pub struct Indexer(syncsphere_delta_core::Indexer);

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
        Some(Self(syncsphere_delta_core::Indexer::new(cutting)))
    }

    /// Takes bytes up to the end of a chunk, and gives how many; `undefined` where all are taken.
    pub fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        self.0.take(bytes)
    }

    /// The packed index, with the digests of all chunks, one after the other; `undefined` where they are not as many.
    #[must_use]
    pub fn finish(self, digests: &[u8]) -> Option<Vec<u8>> {
        let (digests, _) = digests.as_chunks();
        let digests = digests.iter().map(|digest| Sha256::from_bytes(*digest));
        Some(self.0.finish(digests).ok()?.pack())
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
    let numbers = segments.iter().flat_map(|segment| {
        [
            segment.offset,
            segment.length,
            segment.crc64nvme.to_u64(),
            segment.from.unwrap_or(u64::MAX),
        ]
    });
    Some(numbers.collect())
}
