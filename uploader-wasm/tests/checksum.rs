//! CRC64NVME as lanes have it computed.
#![cfg(target_arch = "wasm32")]

use syncsphere_protocol::Crc64Nvme;
use syncsphere_uploader_wasm::crc64nvme;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const MIB: usize = 1024 * 1024;

fn checksum(bytes: &[u8]) -> Crc64Nvme {
    Crc64Nvme::from_u64(crc64nvme(0, bytes))
}

/// Source: ceph/s3-tests, test_multipart_use_cksum_helper_crc64nvme.
#[wasm_bindgen_test]
fn published_vectors_hold() {
    assert_eq!(crc64nvme(0, b""), 0);
    assert_eq!(crc64nvme(0, b"123456789"), 0xae8b_1486_0a79_9888);
    let parts = [b'A', b'B', b'C'].map(|byte| checksum(&vec![byte; 5 * MIB]));
    assert_eq!(
        parts.map(|part| part.to_string()),
        ["L/E4WYn8v98=", "xW1l19VobYM=", "cK5MnNaWrW4="]
    );
    let whole = parts.into_iter().fold(Crc64Nvme::EMPTY, |whole, part| {
        whole.combine(part, 5 * MIB as u64)
    });
    assert_eq!(whole.to_string(), "i+6LR0y3eFo=");
}

#[wasm_bindgen_test]
fn it_goes_on_from_any_byte() {
    let bytes: Vec<u8> = (0..100_u32).map(|n| (n * n) as u8).collect();
    let whole = crc64nvme(0, &bytes);
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(crc64nvme(crc64nvme(0, head), tail), whole, "from byte {at}");
        let combined = checksum(head).combine(checksum(tail), tail.len() as u64);
        assert_eq!(combined.to_u64(), whole, "combined at byte {at}");
    }
}
