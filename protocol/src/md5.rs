//! MD5 digests, for storages that know no better: their text form, and how those of parts make an ETag.

use std::fmt;
use std::str::FromStr;

use md5::Digest as _;
use serde::{Deserialize, Serialize};

use crate::checksum::{digit_of, value_of};

/// An MD5 digest. On the wire it is the base64 of its 16 bytes, as in `Content-MD5`.
///
/// It finds damage; it proves nothing against somebody who wants two contents to look alike.
/// Source: RFC 1864; RFC 6151 on what it is no longer good for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = "^[A-Za-z0-9+/]{21}[AQgw]==$")))]
pub struct Md5([u8; 16]);

/// The text is not the base64 of 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an MD5 digest is the base64 of 16 bytes")]
pub struct InvalidMd5;

impl Md5 {
    /// Wraps a finished digest.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(md5::Md5::digest(bytes).into())
    }

    /// The digest in hexadecimal, as S3 writes it in the ETag of an object that came as a whole.
    pub fn to_hex(self) -> String {
        let mut text = String::new();
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        text
    }

    /// The digest of the digests of parts: S3 gives it, and after a hyphen their number, as the ETag of an object that was
    /// assembled of them.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>, on ETags of
    /// multipart uploads.
    pub fn of_parts(parts: impl Iterator<Item = Self>) -> Self {
        let mut whole = md5::Md5::new();
        for part in parts {
            whole.update(part.0);
        }
        Self(whole.finalize().into())
    }
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5({self})")
    }
}

impl FromStr for Md5 {
    type Err = InvalidMd5;

    fn from_str(text: &str) -> Result<Self, InvalidMd5> {
        let digits = text.strip_suffix("==").ok_or(InvalidMd5)?.as_bytes();
        let (last, digits) = digits.split_last().ok_or(InvalidMd5)?;
        let last = value_of(*last).ok_or(InvalidMd5)?;
        // 21 digits are 126 of the 128 bits.
        if digits.len() != 21 || last & 15 != 0 {
            return Err(InvalidMd5);
        }
        let mut value = 0_u128;
        for digit in digits {
            value = (value << 6) | u128::from(value_of(*digit).ok_or(InvalidMd5)?);
        }
        Ok(Self(((value << 2) | u128::from(last >> 4)).to_be_bytes()))
    }
}

impl TryFrom<String> for Md5 {
    type Error = InvalidMd5;

    fn try_from(text: String) -> Result<Self, InvalidMd5> {
        text.parse()
    }
}

impl From<Md5> for String {
    fn from(digest: Md5) -> String {
        let value = u128::from_be_bytes(digest.0);
        let mut text = String::new();
        for n in 1..=21 {
            text.push(digit_of(value.rotate_left(6 * n) as u64));
        }
        text.push(digit_of((value << 4) as u64));
        text.push_str("==");
        text
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Source: RFC 1321, appendix A.5; RFC 1864, section 2.
    #[test]
    fn published_vectors_hold() {
        assert_eq!(Md5::of(b"").to_hex(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(Md5::of(b"abc").to_hex(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            "Q2hlY2sgSW50ZWdyaXR5IQ==".parse::<Md5>().map(|digest| digest.0),
            Ok(*b"Check Integrity!")
        );
    }

    /// Source: `(printf a | md5sum; printf b | md5sum) | cut -c1-32 | xxd -r -p | md5sum`
    #[test]
    fn parts_make_the_digest_of_their_digests() {
        let parts = [Md5::of(b"a"), Md5::of(b"b")];
        assert_eq!(
            Md5::of_parts(parts.into_iter()).to_hex(),
            "96e024ba2074fe77e8e965ba43a704be"
        );
    }

    #[test]
    fn text_that_is_not_sixteen_bytes_is_refused() {
        for bad in [
            "",
            "==",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAB==",
            "AAAAAAAAAAAAAAAAAAAAAAA==",
            "_AAAAAAAAAAAAAAAAAAAAA==",
        ] {
            assert_eq!(bad.parse::<Md5>(), Err(InvalidMd5), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn text_is_base64_and_survives_a_round_trip(bytes: [u8; 16]) {
            let digest = Md5::from_bytes(bytes);
            prop_assert_eq!(digest.to_string(), STANDARD.encode(bytes));
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }
    }
}
