//! The wire types of SyncSphere Uploader, written once.
//!
//! The browser engine (`upload-core`) and the coordinator (`coordinator-core`) both speak these
//! types, so neither can drift from the other. This crate is pure: no clock, no randomness, no
//! input or output.
//!
//! JSON is camelCase. Anything personal or secret (names, paths, presigned URLs, tickets) is held
//! in [`Redacted`], which keeps it out of `Debug` output and therefore out of logs.

mod changes;
mod checksum;
mod chunks;
mod completion;
mod copies;
mod database;
mod destinations;
mod files;
mod ids;
mod integrity;
mod md5;
mod parts;
mod problem;
mod redacted;
mod sha256;
mod signing;
mod storage_codes;
mod string_map;
mod timestamp;
mod token;
mod uploads;
mod uppy;
mod versions;

pub use changes::{Change, ChangeKind, ChangesPage, Frame};
pub use checksum::{Crc64Nvme, InvalidChecksum};
pub use chunks::{BaseFile, BasesReply, BasesRequest, ChunksReply, PutChunksReply, PutChunksRequest};
pub use completion::{
    CompleteBatchReply, CompleteBatchRequest, CompleteRequest, CompleteResult, CompletedPart,
    MAX_UPLOADS_PER_COMPLETION, UploadToComplete,
};
pub use copies::{CopiedPart, CopyPartsReply, CopyPartsRequest, MAX_PARTS_PER_COPY, PartToCopy};
pub use database::{DatabaseStatus, ParkedRow, UnreadableRow};
pub use destinations::{
    DeadLetter, DeadLetterList, DestinationKind, DestinationList, DestinationStatus, EventData, EventMessage,
};
pub use files::{ContentLink, FileChecksum, FileList, FileRecord, FileStatus};
pub use ids::{FileId, InvalidId, UploadId, VersionBase, WorkspaceId};
pub use integrity::{Checksum, Integrity};
pub use md5::{InvalidMd5, Md5};
pub use parts::{
    InvalidPartNumber, InvalidPlan, MAX_OBJECT_SIZE, MAX_PART_COUNT, MAX_PART_SIZE, MIB, MIN_PART_SIZE,
    PartNumber, PartPlan, PartRange, SINGLE_REQUEST_LIMIT, Tail, default_part_size,
};
pub use problem::{ErrorCode, Problem};
pub use redacted::Redacted;
pub use sha256::{InvalidSha256, Sha256};
pub use signing::{MAX_PARTS_PER_SIGNING, PartToSign, SignPartsReply, SignPartsRequest, SignedPart};
pub use storage_codes::StorageCode;
pub use string_map::StringMap;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use token::{TokenError, TokenReply};
pub use uploads::{
    AbortReply, InitiateReply, InitiateRequest, InitiateResult, Layout, MAX_FILES_PER_INITIATE, NewFile,
    NoLayout, OpenUpload, OpenUploadList, StoredPart, UploadGrant, UploadKind, UploadStatus,
};
pub use uppy::{CompanionToken, CompanionTokenRequest, S3Method, S3SignReply, S3SignRequest};
pub use versions::{ReferenceReply, ReferenceRequest, VersionList};
