//! CRC64NVME values: their text form and how two of them combine.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The polynomial `1` in the reflected representation, where the highest bit holds x^0.
const ONE: u64 = 1 << 63;

/// The polynomial x^8: a message longer by one byte.
const X_TO_8: u64 = 1 << 55;

/// A CRC64NVME checksum. On the wire it is the base64 of its 8 big-endian bytes, as S3 writes it.
///
/// It is the one algorithm with full-object support on both AWS S3 and Cloudflare R2, and it
/// combines: the checksum of a file follows from those of its parts.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = "^[A-Za-z0-9+/]{10}[AEIMQUYcgkosw048]=$")))]
pub struct Crc64Nvme(u64);

/// The text is not the base64 of 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a CRC64NVME checksum is the base64 of 8 big-endian bytes")]
pub struct InvalidChecksum;

impl Crc64Nvme {
    /// The checksum of no bytes at all.
    pub const EMPTY: Self = Self(0);

    /// The polynomial, reflected.
    ///
    /// Source: NVM Express NVM Command Set Specification, 64b CRC; the same catalogue entry that the
    /// `crc` crate calls `CRC_64_NVME`.
    pub const POLYNOMIAL: u64 = 0x9A6C_9329_AC4B_C9B5;

    /// Wraps a finished CRC-64/NVME value.
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The value as a number.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The checksum of this content followed by `next`, which has `next_length` bytes.
    ///
    /// Costs one polynomial product for each 1 among the length's binary digits.
    pub fn combine(self, next: Self, next_length: u64) -> Self {
        // crc(A‖B) = crc(A)·x^(8·|B|) + crc(B); the initial value and the final XOR cancel out.
        Self(multiply(self.0, x_to_8_times(next_length)) ^ next.0)
    }
}

impl fmt::Display for Crc64Nvme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl fmt::Debug for Crc64Nvme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc64Nvme({self})")
    }
}

impl FromStr for Crc64Nvme {
    type Err = InvalidChecksum;

    fn from_str(text: &str) -> Result<Self, InvalidChecksum> {
        let digits = text.strip_suffix('=').ok_or(InvalidChecksum)?.as_bytes();
        let (last, digits) = digits.split_last().ok_or(InvalidChecksum)?;
        let last = value_of(*last).ok_or(InvalidChecksum)?;
        if digits.len() != 10 || last & 3 != 0 {
            return Err(InvalidChecksum);
        }
        let mut value = 0;
        for digit in digits {
            value = (value << 6) | value_of(*digit).ok_or(InvalidChecksum)?;
        }
        Ok(Self((value << 4) | (last >> 2)))
    }
}

impl TryFrom<String> for Crc64Nvme {
    type Error = InvalidChecksum;

    fn try_from(text: String) -> Result<Self, InvalidChecksum> {
        text.parse()
    }
}

impl From<Crc64Nvme> for String {
    fn from(checksum: Crc64Nvme) -> String {
        let mut text = String::new();
        for n in 1..=10 {
            text.push(digit_of(checksum.0.rotate_left(6 * n)));
        }
        text.push(digit_of(checksum.0 << 2));
        text.push('=');
        text
    }
}

/// The base64 digit of the last six bits.
///
/// Source: RFC 4648, section 4. By hand, since 64 bits are always eleven digits and a filler, and what does it for any
/// length is 4 KB more for each page to download.
pub(crate) fn digit_of(bits: u64) -> char {
    let six = (bits & 63) as u8;
    char::from(match six {
        0..26 => b'A' + six,
        26..52 => b'a' + (six - 26),
        52..62 => b'0' + (six - 52),
        62 => b'+',
        _ => b'/',
    })
}

pub(crate) fn value_of(digit: u8) -> Option<u64> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// The product of two polynomials over GF(2), reduced by [`Crc64Nvme::POLYNOMIAL`].
fn multiply(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    let mut bit = ONE;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = if b & 1 == 0 {
            b >> 1
        } else {
            (b >> 1) ^ Crc64Nvme::POLYNOMIAL
        };
        bit >>= 1;
    }
    product
}

/// x^(8·bytes) by the binary digits of the number of bytes.
fn x_to_8_times(mut bytes: u64) -> u64 {
    // Built when first asked for: as a constant, each page would download it.
    static SQUARES: OnceLock<[u64; 64]> = OnceLock::new();
    let mut result = ONE;
    for square in SQUARES.get_or_init(squares) {
        if bytes & 1 == 1 {
            result = multiply(result, *square);
        }
        bytes >>= 1;
    }
    result
}

/// x^(8·2^n) for every n that a 64-bit length can have.
fn squares() -> [u64; 64] {
    let mut squares = [0; 64];
    let mut next = X_TO_8;
    for square in &mut squares {
        *square = next;
        next = multiply(next, next);
    }
    squares
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const DIGEST: crc::Crc<u64, crc::Table<1>> = crc::Crc::<u64, crc::Table<1>>::new(&crc::CRC_64_NVME);

    fn crc_of(bytes: &[u8]) -> Crc64Nvme {
        Crc64Nvme::from_u64(DIGEST.checksum(bytes))
    }

    /// Source: ceph/s3-tests, test_multipart_use_cksum_helper_crc64nvme: three parts of 5 MiB of
    /// 'A', 'B', 'C' and the full-object value of the three together.
    #[test]
    fn published_vectors_hold() {
        const FIVE_MIB: usize = 5 * 1024 * 1024;
        assert_eq!(crc_of(b"123456789").to_u64(), 0xae8b_1486_0a79_9888);
        let parts = [b'A', b'B', b'C'].map(|byte| crc_of(&vec![byte; FIVE_MIB]));
        assert_eq!(
            parts.map(|part| part.to_string()),
            ["L/E4WYn8v98=", "xW1l19VobYM=", "cK5MnNaWrW4="]
        );
        let whole = parts.into_iter().fold(Crc64Nvme::EMPTY, |whole, part| {
            whole.combine(part, FIVE_MIB as u64)
        });
        assert_eq!(whole.to_string(), "i+6LR0y3eFo=");
    }

    #[test]
    fn text_that_is_not_eight_bytes_is_refused() {
        for bad in [
            "",
            "AAAA",
            "L/E4WYn8v98",
            "L_E4WYn8v98=",
            "L/E4WYn8v98=\n",
            "!!!!!!!!!!!=",
            "AAAAAAAAAAB=",
            "AAAAAAAAAAAA",
            "AAAAAAAAAAAAAAA=",
            "=",
        ] {
            assert_eq!(bad.parse::<Crc64Nvme>(), Err(InvalidChecksum), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn combining_equals_hashing_the_whole(content: Vec<u8>, at in any::<prop::sample::Index>()) {
            let (head, tail) = content.split_at(at.index(content.len() + 1));
            prop_assert_eq!(crc_of(head).combine(crc_of(tail), tail.len() as u64), crc_of(&content));
        }

        #[test]
        fn text_survives_a_round_trip(value: u64) {
            let checksum = Crc64Nvme::from_u64(value);
            prop_assert_eq!(checksum.to_string().parse(), Ok(checksum));
        }

        #[test]
        fn text_is_base64(value: u64) {
            let text = STANDARD.encode(value.to_be_bytes());
            prop_assert_eq!(String::from(Crc64Nvme::from_u64(value)), text);
        }

        #[test]
        fn what_is_read_is_base64_of_eight_bytes(text in "[A-Za-z0-9+/_-]{9,12}={0,2}") {
            let bytes = STANDARD.decode(&text).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
            prop_assert_eq!(text.parse().ok(), bytes.map(u64::from_be_bytes).map(Crc64Nvme::from_u64));
        }
    }
}
