//! The checksum that the browser's lanes compute, without their reading and sending.

use syncsphere_uploader_wasm::Checksum;
use wasm_bindgen::prelude::wasm_bindgen;

/// The CRC64NVME of `times` repetitions of `bytes`, which are copied into WASM memory once.
#[wasm_bindgen(js_name = crc64nvme)]
#[must_use]
pub fn crc64nvme(bytes: &[u8], times: u32) -> u64 {
    let mut checksum = Checksum::new();
    for _ in 0..times {
        checksum.update(bytes);
    }
    checksum.finish().to_u64()
}
