//! What several rooms speak of and none of them owns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use syncsphere_protocol::Redacted;

/// A bucket's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(String);

/// Why a text is no bucket's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no bucket name")]
pub struct InvalidBucketName;

impl BucketName {
    /// The name as storage has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 3 to 63 letters, digits, dashes, dots and underscores, beginning with a letter or digit.
///
/// Source of the rules: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>,
/// widened by upper case and underscores, which other providers allow.
impl TryFrom<String> for BucketName {
    type Error = InvalidBucketName;

    fn try_from(name: String) -> Result<Self, InvalidBucketName> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let fits = (3..=63).contains(&name.len())
            && name.bytes().all(is_plain)
            && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        match fits {
            true => Ok(Self(name)),
            false => Err(InvalidBucketName),
        }
    }
}

impl FromStr for BucketName {
    type Err = InvalidBucketName;

    fn from_str(name: &str) -> Result<Self, InvalidBucketName> {
        name.to_owned().try_into()
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> Self {
        name.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in storage's lists of multipart uploads, of which every bucket has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadMarker {
    /// The bucket, where it is not `S3_BUCKET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// An object's key.
    pub key: Option<Redacted<String>>,
    /// Storage's name of an upload.
    pub upload: Option<Redacted<String>>,
}

/// What a file may come to whose size was not known when its upload began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeferredLength {
    /// Largest size, in bytes.
    pub max_size: u64,
    /// What all its owner's files may come to, in bytes.
    pub max_bytes: Option<u64>,
    /// Whether it is an upload of `POST /v1/uploads`: its parts have one size, and the client tells the file's when it
    /// completes it. Clients of Companion and S3 cut as they like and tell nothing.
    #[serde(rename = "streamed", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_streamed: bool,
}

impl DeferredLength {
    /// Whether Companion's or S3's calls have begun the upload: only its client knows which parts make the file, and it
    /// states no checksums.
    #[must_use]
    pub fn is_of_other_calls(deferred_length: Option<Self>) -> bool {
        deferred_length.is_some_and(|deferred_length| !deferred_length.is_streamed)
    }
}
