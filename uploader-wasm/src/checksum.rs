use std::sync::OnceLock;

use crc::{CRC_64_NVME, Crc, Digest, Table};
use syncsphere_protocol::Crc64Nvme;

type Slicing16 = Crc<u64, Table<16>>;

/// A CRC64NVME in the making.
pub struct Checksum(Digest<'static, u64, Table<16>>);

impl Checksum {
    /// The checksum of no bytes yet. The first call in a worker builds the 32 KiB of tables.
    pub fn new() -> Self {
        // Built at run time: as a constant the tables would lie in the module's data section, and
        // every page would download them.
        static TABLES: OnceLock<Slicing16> = OnceLock::new();
        Self(TABLES.get_or_init(|| Slicing16::new(&CRC_64_NVME)).digest())
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes taken.
    pub fn finish(self) -> Crc64Nvme {
        Crc64Nvme::from_u64(self.0.finalize())
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}
