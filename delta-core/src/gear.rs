//! The rolling hash that finds where to cut: a gear hash over the last 64 bytes.
//!
//! Source: Xia et al., "Ddelta: A Deduplication-Inspired Fast Delta Compression Approach", 2014.

/// Bytes that the hash depends on: each byte's effect is shifted out after as many as the hash has bits.
pub const WINDOW: u32 = u64::BITS;

/// The hash once one more byte has come.
pub fn rolled(hash: u64, byte: u8) -> u64 {
    // No bounds are checked: a byte is no index beyond 255.
    #[allow(clippy::indexing_slicing, reason = "a byte is no index beyond 255")]
    let effect = EFFECTS[usize::from(byte)];
    (hash << 1).wrapping_add(effect)
}

/// What each byte adds: the first 256 outputs of SplitMix64 with the seed 0. Part of the format of content indexes, for
/// other numbers cut elsewhere.
static EFFECTS: [u64; 256] = effects();

const fn effects() -> [u64; 256] {
    let mut effects = [0; 256];
    let mut state = 0_u64;
    let mut byte = 0;
    while byte < effects.len() {
        // Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014; constants as in Java's
        // SplittableRandom.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        #[allow(clippy::indexing_slicing, reason = "the loop ends before the array does")]
        {
            effects[byte] = mixed ^ (mixed >> 31);
        }
        byte += 1;
    }
    effects
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Source: <https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64> has other seeds; the first output of seed 0
    /// is that of Vigna's splitmix64.c.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        assert_eq!(EFFECTS[..2], [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
    }

    proptest! {
        #[test]
        fn the_hash_depends_on_the_window_alone(a: u64, b: u64, window: [u8; WINDOW as usize]) {
            let after = |before| window.iter().fold(before, |hash, byte| rolled(hash, *byte));
            prop_assert_eq!(after(a), after(b));
        }
    }
}
