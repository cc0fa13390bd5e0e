//! Bodies of the endpoints that finalize uploads.

use serde::{Deserialize, Serialize};

use crate::checksum::Crc64Nvme;
use crate::files::FileRecord;
use crate::ids::UploadId;
use crate::integrity::Checksum;
use crate::md5::Md5;
use crate::parts::PartNumber;
use crate::problem::Problem;
use crate::redacted::Redacted;

/// Most uploads in one request to complete several. Source: `docs/api.md`, section "Uploads".
pub const MAX_UPLOADS_PER_COMPLETION: usize = 100;

/// A part as the client believes it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompletedPart {
    /// Which part.
    pub part_number: PartNumber,
    /// The ETag that storage answered, where the client could read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The checksum of the bytes that the client sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// Their MD5, in its place where storage proves content by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
}

impl CompletedPart {
    /// A part that was sent, with its checksum, where it has one.
    pub fn new(part_number: PartNumber, checksum: Option<Checksum>) -> Self {
        Self {
            part_number,
            etag: None,
            crc64nvme: checksum.and_then(Checksum::crc64nvme),
            md5: checksum.and_then(Checksum::md5),
        }
    }
}

/// Body of `POST /v1/uploads/{uploadId}/complete`. The reply is the [`FileRecord`].
///
/// `Size` is `()` for clients that have named it when the upload began, as the engine has, and `Option<u64>` for whoever reads
/// what clients send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(bound(serialize = "Size: Serialize + Default + PartialEq"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        rename = "CompleteRequest",
        description = "Body of `POST /v1/uploads/{uploadId}/complete`. The reply is the [`FileRecord`].",
        bound = "Size: schemars::JsonSchema + Serialize + Default + PartialEq"
    )
)]
pub struct CompleteRequest<Size = ()> {
    /// The upload's ticket.
    pub ticket: Redacted<String>,
    /// Size of the whole file in bytes, at least 1: required of an upload that was begun without one.
    #[serde(default, skip_serializing_if = "is_not_told")]
    pub size: Size,
    /// Checksum of the whole file; storage and coordinator both compare it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// The parts, where the client wants them compared one by one. What storage lists is the truth
    /// all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<CompletedPart>>,
}

fn is_not_told<Size: Default + PartialEq>(size: &Size) -> bool {
    *size == Size::default()
}

/// Body of `POST /v1/uploads/complete`: several uploads in one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompleteBatchRequest {
    /// 1 to 100 uploads, none of them twice.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 100)))]
    pub uploads: Vec<UploadToComplete>,
}

/// One upload of a [`CompleteBatchRequest`]; the fields are those of a [`CompleteRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadToComplete {
    /// Which upload.
    pub upload_id: UploadId,
    /// Its ticket.
    pub ticket: Redacted<String>,
    /// Checksum of the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// The parts, where the client wants them compared one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<CompletedPart>>,
}

/// Reply of `POST /v1/uploads/complete`: one result for each upload, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompleteBatchReply {
    /// The results.
    pub uploads: Vec<CompleteResult>,
}

/// What became of one upload: exactly one of `file` and `error` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompleteResult {
    /// Which upload.
    pub upload_id: UploadId,
    /// The finalized file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Box<FileRecord>>,
    /// Why it could not be finalized; the others are not touched by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_size_is_told_or_not() -> Result<(), serde_json::Error> {
        type Read = CompleteRequest<Option<u64>>;
        let without = CompleteRequest {
            ticket: "t".into(),
            size: (),
            crc64nvme: None,
            parts: None,
        };
        let text = serde_json::to_string(&without)?;
        assert_eq!(text, r#"{"ticket":"t"}"#);
        assert_eq!(serde_json::from_str::<Read>(&text)?.size, None);
        let text = r#"{"ticket":"t","size":7}"#;
        let with: Read = serde_json::from_str(text)?;
        assert_eq!(with.size, Some(7));
        assert_eq!(serde_json::to_string(&with)?, text);
        assert!(serde_json::from_str::<CompleteRequest>(text).is_err());
        Ok(())
    }
}
