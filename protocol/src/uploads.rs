//! Bodies of the endpoints that open an upload, tell how it stands, and give it up.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::checksum::Crc64Nvme;
use crate::files::{FileRecord, FileStatus};
use crate::ids::{FileId, UploadId, VersionBase};
use crate::integrity::Integrity;
use crate::parts::{PartNumber, Tail};
use crate::problem::Problem;
use crate::redacted::Redacted;
use crate::signing::{PartToSign, SignedPart};
use crate::string_map::StringMap;
use crate::timestamp::Timestamp;

/// Most files in one initiate request. Source: `docs/api.md`, section "Uploads".
pub const MAX_FILES_PER_INITIATE: usize = 100;

/// Body of `POST /v1/uploads`. `Size` and `Cut` are those of [`NewFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InitiateRequest"))]
#[cfg_attr(feature = "schema", schemars(description = "Body of `POST /v1/uploads`."))]
pub struct InitiateRequest<Size = u64, Cut = NoLayout> {
    /// 1 to 100 files.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 100)))]
    pub files: Vec<NewFile<Size, Cut>>,
}

/// A file that is about to be uploaded.
///
/// `Size` is `u64` for clients that know it, as the engine does, and `Option<u64>` for whoever reads what clients send: a
/// stream's size is told when its upload is completed. `Cut` is [`NoLayout`] for the engine, and [`Layout`] for whoever reads what
/// clients send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "NewFile"))]
#[cfg_attr(
    feature = "schema",
    schemars(description = "A file that is about to be uploaded.")
)]
pub struct NewFile<Size = u64, Cut = NoLayout> {
    /// The client's own name for this entry; the reply repeats it.
    pub client_ref: String,
    /// The file's name without its folder, 1 to 255 UTF-16 units in NFC; control characters are replaced.
    pub name: Redacted<String>,
    /// Size in bytes. Absent where it is not known yet: then the upload goes in parts, all but the last of `partSize`, and the
    /// size is told when it is completed.
    pub size: Size,
    /// Media type; guessed from the name where it is absent or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Last modification, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<i64>,
    /// Folder inside the workspace, slash separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Redacted<String>>,
    /// Anything the client wants kept with the file: at most 256 entries with keys of 1 to 256 bytes, 16 KiB in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Redacted<StringMap>>,
    /// The part size the client would like, in bytes; the reply's `partSize` rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// Smaller parts at the end that the client would like, after ones of that size; the reply's `tail` rules. Left out
    /// where storage takes parts of one size only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// `free` where the client cuts the file as it likes. Such an upload goes in parts of 5 MiB to 5 GiB, the last one of
    /// less, numbered from 1 without a gap: at most 10,000. Only for files of 5 MiB or more, where storage proves content by
    /// CRC64NVME; wishes for parts are left aside. Absent: the coordinator cuts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Cut>,
    /// What checksums the client is going to state; where absent, its first part tells. `none` spares storages the
    /// headers that announce them, which some do not know and others hold every part to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
    /// The whole file's checksum, where the client knows it already; as in a request for URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// Whether the client can send a form (`method: "POST"` with `fields`). Others get a `PUT`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forms: bool,
    /// Parts whose URLs should come in the reply, at most 100 in the whole request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartToSign>,
    /// The file that this one becomes the next version of. With a `?` behind the id the upload begins without it where that
    /// file is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<VersionBase>,
}

/// A layout for the engine, which leaves it to the coordinator how a file is cut: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoLayout {}

/// Who cuts a file into parts, where that is not the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Layout {
    /// The client, as it likes.
    Free,
}

/// Reply of `POST /v1/uploads`: one result for each file, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitiateReply {
    /// The results.
    pub uploads: Vec<InitiateResult>,
}

/// What became of one file of an initiate request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum InitiateResult {
    /// The upload is open.
    Granted(Box<UploadGrant>),
    /// This file was refused; the others are not touched by it.
    #[serde(rename_all = "camelCase")]
    Refused {
        /// The client's own name for the entry.
        client_ref: String,
        /// Why.
        error: Problem,
    },
}

// Written out, because what serde derives for an untagged enum keeps a second deserializer for every
// type within: 12 KB of the gzipped browser module.
impl<'de> Deserialize<'de> for InitiateResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Either {
            client_ref: String,
            error: Option<Problem>,
            upload_id: Option<UploadId>,
            file_id: Option<FileId>,
            kind: Option<UploadKind>,
            part_size: Option<u64>,
            tail: Option<Tail>,
            part_count: Option<u16>,
            ticket: Option<Redacted<String>>,
            expires_at: Option<Timestamp>,
            expires_in: Option<u64>,
            checksum: Option<Integrity>,
            urls: Option<Vec<SignedPart>>,
        }

        let either = Either::deserialize(deserializer)?;
        if let Some(error) = either.error {
            let client_ref = either.client_ref;
            return Ok(Self::Refused { client_ref, error });
        }
        let missing = D::Error::missing_field;
        Ok(Self::Granted(Box::new(UploadGrant {
            client_ref: either.client_ref,
            upload_id: either.upload_id.ok_or_else(|| missing("uploadId"))?,
            file_id: either.file_id.ok_or_else(|| missing("fileId"))?,
            kind: either.kind.ok_or_else(|| missing("kind"))?,
            part_size: either.part_size.ok_or_else(|| missing("partSize"))?,
            tail: either.tail,
            part_count: either.part_count.ok_or_else(|| missing("partCount"))?,
            ticket: either.ticket.ok_or_else(|| missing("ticket"))?,
            expires_at: either.expires_at.ok_or_else(|| missing("expiresAt"))?,
            expires_in: either.expires_in.ok_or_else(|| missing("expiresIn"))?,
            checksum: either.checksum.unwrap_or_default(),
            urls: either.urls.ok_or_else(|| missing("urls"))?,
        })))
    }
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum UploadKind {
    /// Parts, assembled by Complete.
    Multipart,
    /// One request for the whole file: its only part is number 1.
    Single,
}

impl UploadKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Multipart, Self::Single];

    /// The kind as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Multipart => "multipart",
            Self::Single => "single",
        }
    }
}

/// An open upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadGrant {
    /// The client's own name for the entry.
    pub client_ref: String,
    /// Names the upload in all further calls.
    pub upload_id: UploadId,
    /// Names the file once it is available.
    pub file_id: FileId,
    /// How the bytes travel.
    pub kind: UploadKind,
    /// The size of every part but the last, in bytes; with a tail, of every part before it; with a free layout, the least.
    pub part_size: u64,
    /// The smaller parts at the end, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// How many parts there are; where the size is not known yet or the layout is free, how many there may be.
    pub part_count: u16,
    /// Opaque capability for this upload; send it back with every further call.
    pub ticket: Redacted<String>,
    /// When the upload is given up unless it is completed or, in parts, more of them arrive.
    pub expires_at: Timestamp,
    /// The same as seconds from now.
    pub expires_in: u64,
    /// By which checksums of parts storage proves content. A client that had computed others computes these, and asks for
    /// its URLs anew: none come with others. Absent from coordinators that know CRC64NVME only.
    #[serde(default)]
    pub checksum: Integrity,
    /// URLs for the parts that were asked for.
    pub urls: Vec<SignedPart>,
}

/// A part that storage holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredPart {
    /// Which part.
    pub part_number: PartNumber,
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, quoted as storage gave it.
    pub etag: String,
    /// Its checksum, where storage lists one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
}

/// Reply of `GET /v1/uploads/{uploadId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadStatus {
    /// The upload.
    pub upload_id: UploadId,
    /// The file it makes.
    pub file_id: FileId,
    /// Where the file stands.
    pub status: FileStatus,
    /// How the bytes travel.
    pub kind: UploadKind,
    /// Size in bytes; 0 while it is not known.
    pub size: u64,
    /// The size of every part but the last, in bytes; with a tail, of every part before it; with a free layout, the least.
    pub part_size: u64,
    /// The smaller parts at the end, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// How many parts there are; where the size is not known yet or the layout is free, how many there may be.
    pub part_count: u16,
    /// The parts that storage holds, in order; empty once the upload has ended.
    pub parts: Vec<StoredPart>,
    /// A fresh ticket while the upload is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Redacted<String>>,
    /// When the upload is given up unless it is completed or, in parts, more of them arrive.
    pub expires_at: Timestamp,
    /// The file as the workspace knows it.
    pub file: FileRecord,
}

/// An upload that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenUpload {
    /// The upload.
    pub upload_id: UploadId,
    /// The file as the workspace knows it.
    pub file: FileRecord,
    /// When the upload is given up if it has not been completed.
    pub expires_at: Timestamp,
}

/// Reply of `GET /v1/uploads`: one page of the subject's own open uploads, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenUploadList {
    /// The uploads of this page; there may be none on one that is not the last.
    pub uploads: Vec<OpenUpload>,
    /// By which checksums of parts storage proves content.
    pub checksum: Integrity,
    /// Pass it as `cursor` to read on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `DELETE /v1/uploads/{uploadId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AbortReply {
    /// The upload.
    pub upload_id: UploadId,
    /// Where its file stands now: `aborted`, or `available` where Complete was faster.
    pub status: FileStatus,
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn both_results_of_initiate_survive_a_round_trip() -> Result<(), Box<dyn std::error::Error>> {
        let reply = InitiateReply {
            uploads: vec![
                InitiateResult::Granted(Box::new(UploadGrant {
                    client_ref: "f1".to_owned(),
                    upload_id: "u1".parse()?,
                    file_id: "x1".parse()?,
                    kind: UploadKind::Single,
                    part_size: 16,
                    tail: Some(Tail {
                        after: 1,
                        part_size: 8,
                    }),
                    part_count: 1,
                    ticket: "t".into(),
                    expires_at: Timestamp::from_unix_millis(0),
                    checksum: Integrity::Crc64Nvme,
                    expires_in: 60,
                    urls: Vec::new(),
                })),
                InitiateResult::Refused {
                    client_ref: "f2".to_owned(),
                    error: Problem::new(crate::problem::ErrorCode::FileTooLarge, "too large"),
                },
            ],
        };
        let text = serde_json::to_string(&reply)?;
        assert_eq!(serde_json::from_str::<InitiateReply>(&text)?, reply);
        Ok(())
    }

    #[test]
    fn a_grant_that_lacks_a_field_is_refused_by_name() {
        let error = serde_json::from_str::<InitiateResult>(r#"{"clientRef":"f1","uploadId":"u1"}"#)
            .expect_err("half a grant");
        assert!(error.to_string().contains("fileId"), "{error}");
    }
}
