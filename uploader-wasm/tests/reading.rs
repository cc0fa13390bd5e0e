//! Reading and checksumming slices, in a real worker of a real browser.
#![cfg(target_arch = "wasm32")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests, which the lints' own exemption does not recognise by this attribute"
)]

use js_sys::{Array, Uint8Array};
use syncsphere_protocol::Crc64Nvme;
use syncsphere_uploader_wasm::{
    Checksum, Scratch, checksum_by_pieces, checksum_by_stream, checksum_of, copy_of,
};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::Blob;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const MIB: usize = 1024 * 1024;

fn blob(bytes: &[u8]) -> Blob {
    let parts = Array::of1(&Uint8Array::from(bytes));
    Blob::new_with_u8_array_sequence(&parts).expect("a blob of bytes")
}

/// Bytes that repeat in no part or piece.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn checksum(bytes: &[u8]) -> Crc64Nvme {
    let mut checksum = Checksum::new();
    checksum.update(bytes);
    checksum.finish()
}

/// Source: ceph/s3-tests, test_multipart_use_cksum_helper_crc64nvme.
#[wasm_bindgen_test]
fn published_vectors_hold() {
    assert_eq!(checksum(b"123456789").to_u64(), 0xae8b_1486_0a79_9888);
    let parts = [b'A', b'B', b'C'].map(|byte| checksum(&vec![byte; 5 * MIB]));
    assert_eq!(
        parts.map(|part| part.to_string()),
        ["L/E4WYn8v98=", "xW1l19VobYM=", "cK5MnNaWrW4="]
    );
    let whole = parts.into_iter().fold(Crc64Nvme::EMPTY, |whole, part| {
        whole.followed_by(part, 5 * MIB as u64)
    });
    assert_eq!(whole.to_string(), "i+6LR0y3eFo=");
}

#[wasm_bindgen_test]
async fn stream_and_pieces_agree_whatever_the_size() {
    let mut scratch = Scratch::default();
    for size in [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 7] {
        let bytes = noise(size);
        let expected = checksum(&bytes);
        let slice = blob(&bytes);
        assert_eq!(
            checksum_by_stream(&slice, &mut scratch).await,
            Some(expected),
            "{size} by stream"
        );
        assert_eq!(
            checksum_by_pieces(&slice, &mut scratch).await,
            Ok(expected),
            "{size} by pieces"
        );
        assert_eq!(
            checksum_of(&slice, &mut scratch, || true).await,
            Ok(Some(expected)),
            "{size}"
        );
    }
}

#[wasm_bindgen_test]
async fn a_slice_has_the_checksum_of_its_own_bytes() {
    let bytes = noise(4 * MIB);
    let whole = blob(&bytes);
    let slice = whole
        .slice_with_f64_and_f64(3.0, (2 * MIB + 5) as f64)
        .expect("a slice");
    let mut scratch = Scratch::default();
    let expected = bytes.get(3..2 * MIB + 5).map(checksum);
    assert_eq!(checksum_of(&slice, &mut scratch, || true).await, Ok(expected));
}

#[wasm_bindgen_test]
async fn reading_ends_once_it_is_not_wanted() {
    let slice = blob(&noise(3 * MIB));
    let asked = std::cell::Cell::new(0);
    let wanted = || asked.replace(asked.get() + 1) < 2;
    assert_eq!(
        checksum_of(&slice, &mut Scratch::default(), wanted).await,
        Ok(None)
    );
}

#[wasm_bindgen_test]
async fn a_copy_holds_the_bytes_of_its_slice_alone() {
    let bytes = noise(3 * MIB + 1);
    let slice = blob(&bytes)
        .slice_with_f64_and_f64(1.0, 2.0 * MIB as f64 + 3.0)
        .expect("a slice");
    let copy = copy_of(&slice, || true).await.expect("readable").expect("wanted");
    let read = checksum_of(&copy, &mut Scratch::default(), || true).await;
    assert_eq!(copy.size(), 2.0 * MIB as f64 + 2.0);
    assert_eq!(read, Ok(Some(checksum(&bytes[1..2 * MIB + 3]))));
}

#[wasm_bindgen_test]
async fn a_copy_that_is_no_longer_wanted_is_not_made() {
    assert!(matches!(copy_of(&blob(&noise(10)), || false).await, Ok(None)));
}
