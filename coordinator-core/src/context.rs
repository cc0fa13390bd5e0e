//! What surrounds a request, and the limits that several rooms share.

use sha2::{Digest, Sha256};
use syncsphere_protocol::{FileId, InvalidId, UploadId};

use crate::api_error::{ApiError, internal};

/// Largest request body that any endpoint takes, in bytes. A shell may stop reading one byte
/// beyond: what it hands over is refused all the same.
///
/// Source: Complete of 10,000 parts with ETag and checksum has about 1.1 MB.
pub(crate) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// Largest number that JavaScript and SQLite's binding hold exactly (2^53 - 1).
pub(crate) const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// What surrounds one request. Nothing in it may be used for a second request.
#[derive(Debug, Clone)]
pub struct Context {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Fresh, unpredictable bytes: ids follow from them.
    pub random: [u8; 32],
    /// Names the request in replies and logs.
    pub request_id: String,
}

impl Context {
    /// The `index`th id of this kind that the request makes: 32 hexadecimal digits.
    pub(crate) fn id(&self, kind: &str, index: usize) -> String {
        let mut digest = Sha256::new_with_prefix(self.random);
        digest.update(kind);
        digest.update(index.to_be_bytes());
        let bytes = digest.finalize();
        bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The id of the `index`th upload that the request begins.
    pub(crate) fn upload_id(&self, index: usize) -> Result<UploadId, ApiError> {
        let id = self.id("upload", index).parse();
        id.map_err(|error: InvalidId| internal(error.to_string()))
    }

    /// The id of its file.
    pub(crate) fn file_id(&self, index: usize) -> Result<FileId, ApiError> {
        let id = self.id("file", index).parse();
        id.map_err(|error: InvalidId| internal(error.to_string()))
    }
}
