//! SHA-256 digests, which say that two contents are the same: their text form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::checksum::{digit_of, value_of};

/// A SHA-256 digest. On the wire it is the base64 of its 32 bytes.
///
/// Unlike CRC64NVME it holds against somebody who wants two contents to look alike.
/// Source: FIPS 180-4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(with = "String", extend("pattern" = "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"))
)]
pub struct Sha256([u8; 32]);

/// The text is not the base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is the base64 of 32 bytes")]
pub struct InvalidSha256;

impl Sha256 {
    /// Wraps a finished digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Self, InvalidSha256> {
        let digits = text.strip_suffix('=').ok_or(InvalidSha256)?;
        let mut bytes = Vec::with_capacity(33);
        // The last group lacks its fourth digit, which would be zeros.
        for group in digits.as_bytes().chunks(4) {
            let mut bits = 0;
            for place in 0..4 {
                let value = group.get(place).map_or(Some(0), |digit| value_of(*digit));
                bits = (bits << 6) | value.ok_or(InvalidSha256)?;
            }
            bytes.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
        }
        if digits.len() != 43 || bytes.pop() != Some(0) {
            return Err(InvalidSha256);
        }
        bytes.try_into().map(Self).map_err(|_| InvalidSha256)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = InvalidSha256;

    fn try_from(text: String) -> Result<Self, InvalidSha256> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> String {
        let groups = digest.0.chunks(3).flat_map(|group| {
            let bits = (0..3).fold(0, |bits, place| {
                (bits << 8) | group.get(place).map_or(0, |byte| u64::from(*byte))
            });
            [bits >> 18, bits >> 12, bits >> 6, bits].map(digit_of)
        });
        groups.take(43).chain(['=']).collect()
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

    #[test]
    fn text_that_is_not_thirty_two_bytes_is_refused() {
        let good = "A".repeat(43);
        assert!(format!("{good}=").parse::<Sha256>().is_ok());
        for bad in [
            String::new(),
            "=".to_owned(),
            good.clone(),
            format!("{good}=="),
            format!("{good}A="),
            format!("{}=", &good[1..]),
            format!("{}B=", &good[1..]),
            format!("_{}=", &good[1..]),
        ] {
            assert_eq!(bad.parse::<Sha256>(), Err(InvalidSha256), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn text_is_base64_and_survives_a_round_trip(bytes: [u8; 32]) {
            let digest = Sha256::from_bytes(bytes);
            prop_assert_eq!(digest.to_string(), STANDARD.encode(bytes));
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }
    }
}
