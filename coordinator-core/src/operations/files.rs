use syncsphere_protocol::{ErrorCode, FileId, FileList, FileRecord, FileStatus};

use super::chores::sweep;
use super::{Desk, no_such_file, out_of_turn};
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::ports::{Storage, Workspaces};
use crate::refusal::Refusal;

/// Which files a listing shows.
pub(crate) struct Page {
    /// Where the page before ended.
    pub cursor: Option<u64>,
    /// Only these.
    pub statuses: Vec<FileStatus>,
    /// At most so many.
    pub limit: u32,
}

/// One page of the workspace's files, newest first.
pub(crate) async fn list<S, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    page: Page,
) -> Result<FileList, Refusal> {
    let command = Command::Files {
        cursor: page.cursor,
        statuses: page.statuses,
        limit: page.limit,
    };
    match desk.ask(&principal.workspace, command).await? {
        Reply::Files(page) => Ok(FileList {
            files: page.files,
            next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
        }),
        other => Err(out_of_turn(&other)),
    }
}

/// One file, whatever its state.
pub(crate) async fn get<S, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<FileRecord, Refusal> {
    let command = Command::File {
        file_id: file_id.clone(),
    };
    match desk.ask(&principal.workspace, command).await? {
        Reply::File { file, .. } => Ok(file.record),
        Reply::Missing => Err(no_such_file()),
        other => Err(out_of_turn(&other)),
    }
}

/// Removes an available file. The second time answers as the first.
pub(crate) async fn delete<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<FileRecord, Refusal> {
    let command = Command::Delete {
        file_id: file_id.clone(),
        urls_dead_ms: desk.urls_dead_ms(),
    };
    let (file, chore) = match desk.ask(&principal.workspace, command).await? {
        Reply::File { file, chore } => (file.record, chore),
        Reply::Missing => return Err(no_such_file()),
        other => return Err(out_of_turn(&other)),
    };
    if let Some(chore) = chore {
        // What fails here is repeated by the workspace's alarm.
        sweep(desk, &principal.workspace, &chore).await;
    }
    match file.status {
        FileStatus::Deleted => Ok(file),
        FileStatus::Uploading => Err(Refusal::new(
            ErrorCode::Conflict,
            "the file is still being uploaded: abort its upload instead",
        )),
        FileStatus::Available | FileStatus::Aborted | FileStatus::Expired => Err(no_such_file()),
    }
}
