//! Files of any size without their bytes: zeros, with eight bytes of chance at the start of every
//! block. Their checksums are the true CRC64NVME of that content, whatever range is asked for.

use std::cell::RefCell;
use std::collections::BTreeMap;

use syncsphere_protocol::{Crc64Nvme, PartRange};

/// Smaller than any part, so that no two parts of a file are alike.
const BLOCK: u64 = 4 * 1024 * 1024;

const DIGEST: crc::Crc<u64, crc::Table<1>> = crc::Crc::<u64, crc::Table<1>>::new(&crc::CRC_64_NVME);

/// The checksum of a range of the file that grew from `seed`.
pub fn checksum(seed: u64, range: PartRange) -> Crc64Nvme {
    let mut whole = Crc64Nvme::EMPTY;
    let mut at = range.offset;
    let end = range.offset + range.length;
    while at < end {
        let (block, within) = (at / BLOCK, at % BLOCK);
        let marker = marker(seed, block);
        let (piece, length) = if within < 8 {
            let bytes = marker.get(within as usize..).unwrap_or_default();
            let bytes = bytes
                .get(..bytes.len().min((end - at) as usize))
                .unwrap_or_default();
            (Crc64Nvme::from_u64(DIGEST.checksum(bytes)), bytes.len() as u64)
        } else {
            let length = (BLOCK - within).min(end - at);
            (zeros(length), length)
        };
        whole = whole.combine(piece, length);
        at += length;
    }
    whole
}

fn marker(seed: u64, block: u64) -> [u8; 8] {
    fastrand::Rng::with_seed(seed ^ block.rotate_left(32))
        .u64(..)
        .to_le_bytes()
}

thread_local! {
    /// Checksums of zeros by their number: a run asks for the same few again and again.
    static ZEROS: RefCell<BTreeMap<u64, Crc64Nvme>> = const { RefCell::new(BTreeMap::new()) };
}

/// The checksum of so many zero bytes, by doubling.
fn zeros(length: u64) -> Crc64Nvme {
    if let Some(known) = ZEROS.with_borrow(|zeros| zeros.get(&length).copied()) {
        return known;
    }
    let mut whole = Crc64Nvme::EMPTY;
    let mut power = Crc64Nvme::from_u64(DIGEST.checksum(&[0]));
    let mut power_length = 1;
    let mut left = length;
    while left != 0 {
        if left & 1 == 1 {
            whole = whole.combine(power, power_length);
        }
        power = power.combine(power, power_length);
        power_length *= 2;
        left >>= 1;
    }
    ZEROS.with_borrow_mut(|zeros| zeros.insert(length, whole));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_the_checksum_of_the_bytes_they_stand_for() {
        let size = 2 * BLOCK as usize + 5;
        let mut bytes = vec![0; size];
        for block in 0..3_u64 {
            let start = (block * BLOCK) as usize;
            let end = (start + 8).min(size);
            bytes[start..end].copy_from_slice(&marker(7, block)[..end - start]);
        }
        for (from, to) in [
            (0, size),
            (0, 1),
            (3, 100),
            (4096, 5 << 20),
            (BLOCK as usize, size),
            (size, size),
        ] {
            let to = to.min(size);
            let range = PartRange {
                offset: from as u64,
                length: (to - from) as u64,
            };
            assert_eq!(
                checksum(7, range).to_u64(),
                DIGEST.checksum(&bytes[from..to]),
                "{from}..{to}"
            );
        }
    }
}
