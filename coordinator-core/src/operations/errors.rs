//! How operations fail, and what a ledger's answer means for whoever asked.

use syncsphere_protocol::{ErrorCode, FileRecord, FileStatus, PartNumber};

use crate::api_error::{ApiError, internal, not_found};
use crate::ledger::{Reply, Upload};

/// How an upload that is over is answered.
pub(super) fn outcome(file: FileRecord) -> Result<FileRecord, ApiError> {
    match file.status {
        FileStatus::Available => Ok(file),
        _ => Err(gone()),
    }
}

/// An upload and its file, as the ledger has answered.
pub(super) fn upload_and_file(reply: Reply) -> Result<(Upload, FileRecord), ApiError> {
    match reply {
        Reply::Upload {
            upload,
            file: Some(file),
            ..
        } => Ok((*upload, *file)),
        Reply::Upload { file: None, .. } | Reply::Missing => Err(no_such_upload()),
        other => Err(unexpected_reply(&other)),
    }
}

/// Storage's content is not what the checksums tell.
pub(super) fn mismatch(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::ChecksumMismatch, detail)
}

pub(super) fn parts_missing(parts: impl IntoIterator<Item = PartNumber>) -> ApiError {
    ApiError::new(
        ErrorCode::PartsMissing,
        "storage does not hold all of the file yet",
    )
    .naming(parts)
}

pub(super) fn wrong_length(parts: impl IntoIterator<Item = PartNumber>) -> ApiError {
    ApiError::new(
        ErrorCode::PartSizeMismatch,
        "storage holds parts of another length than planned",
    )
    .naming(parts)
}

pub(super) fn gone() -> ApiError {
    ApiError::new(ErrorCode::UploadGone, "the upload was aborted or has expired")
}

pub(super) fn over_quota() -> ApiError {
    let detail = "the file goes beyond what its subject may keep here, or have open at once";
    ApiError::new(ErrorCode::QuotaExceeded, detail)
}

/// The ledger answered something that this command is never answered.
pub(crate) fn unexpected_reply(reply: &Reply) -> ApiError {
    let kind = match reply {
        Reply::Head { .. } => "a head",
        Reply::Begun { .. } => "begun uploads",
        Reply::Uploads { .. } => "uploads",
        Reply::KeyReused => "a reused key",
        Reply::OverQuota => "that the quota is used up",
        Reply::Upload { .. } => "an upload",
        Reply::File { .. } => "a file",
        Reply::Base(_) => "a base",
        Reply::OtherContent => "that the content is another",
        Reply::TooLarge => "that the file is too large",
        Reply::Bases { .. } => "bases",
        Reply::Chunks { .. } => "chunks",
        Reply::Versions { .. } => "versions",
        Reply::Files(_) => "files",
        Reply::OpenUploads(_) => "open uploads",
        Reply::Changes(_) => "changes",
        Reply::Jobs { .. } => "jobs",
        Reply::Orphans { .. } => "orphans",
        Reply::Delivery { .. } => "a delivery",
        Reply::Database(_) => "how far the database is",
        Reply::Done => "done",
        Reply::Unreadable => "unreadable",
        Reply::Missing => "missing",
        Reply::Several { .. } => "several",
        Reply::Messages { .. } => "messages",
        Reply::Destination(_) | Reply::Destinations(_) => "destinations",
        Reply::DeadLetters(_) => "dead letters",
    };
    internal(format!("unexpected reply of the ledger: {kind}"))
}

pub(crate) fn no_such_upload() -> ApiError {
    not_found("there is no such upload in this workspace")
}

pub(crate) fn no_such_file() -> ApiError {
    not_found("there is no such file in this workspace")
}
