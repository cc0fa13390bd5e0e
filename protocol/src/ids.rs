//! Identifiers. Each is a newtype over a short, URL-safe string, so that one can never stand in
//! for another and none can smuggle a path segment.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest identifier accepted, in bytes.
///
/// Source: own choice; generated ids have 32 bytes and workspace names are chosen by people. Three
/// of them and a file name fit S3's 1,024-byte key limit with room to spare.
const MAX_ID_LENGTH: usize = 64;

/// The string is no identifier: 1 to 64 of `A-Z a-z 0-9 _ -`, not starting with a hyphen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 of A-Z, a-z, 0-9, _ and -, and does not start with a hyphen")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")))]
        pub struct $name(String);

        impl $name {
            /// The id as it stands in URLs and JSON.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(value: String) -> Result<Self, InvalidId> {
                if is_id(&value) { Ok(Self(value)) } else { Err(InvalidId) }
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::try_from(value.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id! {
    /// One upload as the coordinator names it. It is not the storage's own upload ID, which only
    /// the ticket carries.
    UploadId
}
id! {
    /// One file of a workspace; it outlives its upload.
    FileId
}
id! {
    /// The space whose files, quota and change feed belong together.
    WorkspaceId
}

/// The file that a new one becomes the next version of: its id, or that with a `?` behind it. With the `?` it need not be
/// there, and the new file comes without it then: so a client names what it has found by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\??$")))]
pub struct VersionBase(String);

impl VersionBase {
    /// As it stands in JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which file.
    pub fn file_id(&self) -> FileId {
        FileId(id_of_base(&self.0).to_owned())
    }

    /// Whether it need not be there.
    pub fn is_optional(&self) -> bool {
        self.0.ends_with('?')
    }
}

impl TryFrom<String> for VersionBase {
    type Error = InvalidId;

    fn try_from(value: String) -> Result<Self, InvalidId> {
        if is_id(id_of_base(&value)) {
            Ok(Self(value))
        } else {
            Err(InvalidId)
        }
    }
}

impl From<VersionBase> for String {
    fn from(base: VersionBase) -> Self {
        base.0
    }
}

fn id_of_base(value: &str) -> &str {
    value.strip_suffix('?').unwrap_or(value)
}

fn is_id(value: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&value.len())
        && !value.starts_with('-')
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn ids_hold_only_url_safe_characters() {
        assert!("0f3a-Z_9".parse::<FileId>().is_ok());
        for bad in ["", "-a", "a/b", "..", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(bad.parse::<UploadId>(), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn a_base_that_need_not_be_there_has_a_question_mark() {
        for (text, is_optional) in [("f-1", false), ("f-1?", true)] {
            let base = VersionBase::try_from(text.to_owned()).unwrap();
            assert_eq!(
                (base.file_id().as_str(), base.is_optional()),
                ("f-1", is_optional)
            );
            assert_eq!(base.as_str(), text);
        }
        for bad in ["", "?", "f??", "?f"] {
            assert_eq!(VersionBase::try_from(bad.to_owned()), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_id_in_json_is_refused() {
        assert!(serde_json::from_str::<WorkspaceId>("\"../x\"").is_err());
        assert!(serde_json::from_str::<WorkspaceId>("\"demo\"").is_ok());
    }
}
