use crc::{CRC_64_NVME, Crc, Table};
use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    // Built at run time, at the first call in a worker: as a constant, these 32 KiB would lie in the module's data
    // section, and every page would download them.
    static TABLES: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);
}

/// The CRC64NVME of bytes that follow others: `before` is the checksum of those, 0 where there are none.
#[wasm_bindgen]
#[must_use]
pub fn crc64nvme(before: u64, bytes: &[u8]) -> u64 {
    TABLES.with(|tables| {
        // What to go on from is given to `crc` as an algorithm gives its first value: not yet reflected, and
        // without the inversion that ends each checksum.
        let mut digest = tables.digest_with_initial((!before).reverse_bits());
        digest.update(bytes);
        digest.finalize()
    })
}
