use md5::Digest as _;
use syncsphere_protocol::Crc64Nvme;
use wasm_bindgen::prelude::wasm_bindgen;

/// What each byte does to the checksum, by how many bytes follow it in its block.
type Tables = [[u64; 256]; BLOCK];

/// Bytes taken at a time.
///
/// Source: measured, `docs/client.md`: the loop is bound by its look-ups, one a byte whatever the block, and 32 KiB of
/// tables are what a processor keeps next to it.
const BLOCK: usize = 16;

thread_local! {
    // Built at the first call in a worker: as a constant they would lie in the module's data section, and every page
    // would download them.
    static TABLES: Tables = tables();
}

/// The CRC64NVME of bytes that follow others: `before` is the checksum of those, 0 where there are none.
#[wasm_bindgen]
#[must_use]
#[allow(
    clippy::indexing_slicing,
    reason = "a byte is no index beyond 255, nor are the constants beyond 15"
)]
pub fn crc64nvme(before: u64, bytes: &[u8]) -> u64 {
    TABLES.with(|tables| {
        let effect =
            |following: usize, word: u64, bit: u32| tables[following][usize::from((word >> bit) as u8)];
        // A checksum begins with all bits set, and ends by turning them all over.
        let mut crc = !before;
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            let both = u128::from_le_bytes(*block);
            let (first, second) = (both as u64 ^ crc, (both >> 64) as u64);
            crc = effect(15, first, 0)
                ^ effect(14, first, 8)
                ^ effect(13, first, 16)
                ^ effect(12, first, 24)
                ^ effect(11, first, 32)
                ^ effect(10, first, 40)
                ^ effect(9, first, 48)
                ^ effect(8, first, 56)
                ^ effect(7, second, 0)
                ^ effect(6, second, 8)
                ^ effect(5, second, 16)
                ^ effect(4, second, 24)
                ^ effect(3, second, 32)
                ^ effect(2, second, 40)
                ^ effect(1, second, 48)
                ^ effect(0, second, 56);
        }
        for byte in rest {
            crc = (crc >> 8) ^ effect(0, crc ^ u64::from(*byte), 0);
        }
        !crc
    })
}

#[allow(clippy::indexing_slicing, reason = "a byte is no index beyond 255")]
fn tables() -> Tables {
    let mut tables = [[0; 256]; BLOCK];
    for byte in 0..=u8::MAX {
        let mut crc = u64::from(byte);
        for table in &mut tables {
            for _ in 0..8 {
                crc = (crc >> 1) ^ if crc & 1 == 0 { 0 } else { Crc64Nvme::POLYNOMIAL };
            }
            table[usize::from(byte)] = crc;
        }
    }
    tables
}

/// An MD5 digest in the making, for storages that know no CRC64NVME. `free` it, finished or not.
#[wasm_bindgen]
#[derive(Default)]
pub struct Md5Digest(md5::Md5);

#[wasm_bindgen]
impl Md5Digest {
    /// Of no bytes yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that come next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest's 16 bytes.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        self.0.clone().finalize().to_vec()
    }
}
