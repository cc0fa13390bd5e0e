use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use syncsphere_protocol::{ErrorCode, FileId, FileList, FileRecord, FileStatus, Timestamp};

use super::cleanup::sweep;
use super::errors::{no_such_file, unexpected_reply};
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, internal, invalid};
use crate::auth::Principal;
use crate::context::MAX_SAFE_INTEGER;
use crate::ledger::{Command, ListPosition, Listing, Reply, StoredFile};
use crate::ports::{Storage, Workspaces};

/// Longest cursor that is read, in bytes. Source: a place by name, with the longest name, in base64.
const MAX_CURSOR: usize = 2_048;

/// One page of the workspace's files.
pub(crate) async fn list<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    listing: Listing,
) -> Result<FileList, ApiError> {
    match op.ask(&principal.workspace, Command::Files(listing)).await? {
        Reply::Files(page) => Ok(FileList {
            files: page.files,
            next_cursor: page.next.as_ref().map(cursor_of).transpose()?,
        }),
        other => Err(unexpected_reply(&other)),
    }
}

/// The place that a cursor stands for. It is foreign input like any other: whoever makes one up reads from
/// there, within the same workspace.
pub(crate) fn position_of(cursor: &str, by_name: bool) -> Result<ListPosition, ApiError> {
    let read = || -> Option<ListPosition> {
        let cursor = Some(cursor).filter(|cursor| cursor.len() <= MAX_CURSOR)?;
        let json = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let place: ListPosition = serde_json::from_slice(&json).ok()?;
        let is_sound = match &place {
            ListPosition::Time { created_at, seq } => {
                let same = created_at.as_str().parse::<Timestamp>().ok();
                !by_name && same.as_ref() == Some(created_at) && *seq <= MAX_SAFE_INTEGER
            }
            // Whatever text it is, it is a place among the names; some are of before they were measured in NFC.
            ListPosition::Name { seq, .. } => by_name && *seq <= MAX_SAFE_INTEGER,
        };
        is_sound.then_some(place)
    };
    read().ok_or_else(|| invalid("the cursor is none that this listing has given"))
}

/// A place as the text that stands for it.
pub(super) fn cursor_of(place: &ListPosition) -> Result<String, ApiError> {
    let json = serde_json::to_vec(place).map_err(|error| internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// One file, whatever its state.
pub(crate) async fn get<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<FileRecord, ApiError> {
    let command = Command::File {
        file_id: file_id.clone(),
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::File { file, .. } => Ok(file.record),
        Reply::Missing => Err(no_such_file()),
        other => Err(unexpected_reply(&other)),
    }
}

/// An available file of the caller's own. Every other one is answered as if there were none: what a file holds is its
/// uploader's word, and nobody learns by asking which files there are that they may not read.
pub(super) async fn own_file<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<StoredFile, ApiError> {
    let command = Command::File {
        file_id: file_id.clone(),
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::File { file, .. } if file.is_available_and_of(&principal.subject) => Ok(*file),
        Reply::File { .. } | Reply::Missing => Err(no_such_file()),
        other => Err(unexpected_reply(&other)),
    }
}

/// Removes an available file. The second time answers as the first.
pub(crate) async fn delete<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<FileRecord, ApiError> {
    let command = Command::Delete {
        file_id: file_id.clone(),
        urls_dead_ms: op.urls_dead_ms(),
    };
    let (file, job) = match op.ask(&principal.workspace, command).await? {
        Reply::File { file, job } => (file.record, job),
        Reply::Missing => return Err(no_such_file()),
        other => return Err(unexpected_reply(&other)),
    };
    if let Some(job) = job {
        // What fails here is repeated by the workspace's alarm.
        sweep(op, &principal.workspace, &job).await;
    }
    match file.status {
        FileStatus::Deleted => Ok(file),
        FileStatus::Uploading => Err(ApiError::new(
            ErrorCode::Conflict,
            "the file is still being uploaded: abort its upload instead",
        )),
        FileStatus::Available | FileStatus::Aborted | FileStatus::Expired => Err(no_such_file()),
    }
}
