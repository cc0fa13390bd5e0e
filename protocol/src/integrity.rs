use serde::{Deserialize, Serialize};

use crate::checksum::Crc64Nvme;
use crate::md5::Md5;

/// By what storage proves that it holds what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Integrity {
    /// Each part's CRC64NVME, and the whole file's.
    #[default]
    Crc64Nvme,
    /// Each part's MD5, and the ETag that they make.
    Md5,
    /// By nothing.
    None,
}

impl Integrity {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Crc64Nvme, Self::Md5, Self::None];

    /// The word as it stands on the wire and in `S3_CHECKSUM`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "crc64nvme",
            Self::Md5 => "md5",
            Self::None => "none",
        }
    }
}

/// A checksum of one part, by whichever algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// CRC64NVME.
    Crc64Nvme(Crc64Nvme),
    /// MD5.
    Md5(Md5),
}

impl Checksum {
    /// The algorithm.
    pub fn integrity(self) -> Integrity {
        match self {
            Self::Crc64Nvme(_) => Integrity::Crc64Nvme,
            Self::Md5(_) => Integrity::Md5,
        }
    }

    /// The CRC64NVME, if it is one.
    pub fn crc64nvme(self) -> Option<Crc64Nvme> {
        match self {
            Self::Crc64Nvme(crc) => Some(crc),
            Self::Md5(_) => None,
        }
    }

    /// The MD5, if it is one.
    pub fn md5(self) -> Option<Md5> {
        match self {
            Self::Md5(md5) => Some(md5),
            Self::Crc64Nvme(_) => None,
        }
    }
}

impl From<Crc64Nvme> for Checksum {
    fn from(crc: Crc64Nvme) -> Self {
        Self::Crc64Nvme(crc)
    }
}

impl From<Md5> for Checksum {
    fn from(md5: Md5) -> Self {
        Self::Md5(md5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_text_of_a_word_is_its_wire_form() -> Result<(), serde_json::Error> {
        for integrity in Integrity::ALL {
            assert_eq!(serde_json::to_value(integrity)?, integrity.as_str());
        }
        Ok(())
    }
}
