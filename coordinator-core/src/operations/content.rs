use std::time::Duration;

use syncsphere_protocol::{ContentLink, ErrorCode, FileId, FileStatus, Redacted, Timestamp};

use super::errors::{no_such_file, unexpected_reply};
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, internal};
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::policy::{content_disposition, download_type};
use crate::ports::Workspaces;
use crate::s3::Download;

/// Life of a download link. Source: own choice: it is followed at once, and a leaked one soon dies.
const LIFE: Duration = Duration::from_secs(300);

/// A short-lived link that downloads the file under its own name.
pub(crate) async fn link<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<ContentLink, ApiError> {
    let command = Command::File {
        file_id: file_id.clone(),
    };
    let file = match op.ask(&principal.workspace, command).await? {
        Reply::File { file, .. } => *file,
        Reply::Missing => return Err(no_such_file()),
        other => return Err(unexpected_reply(&other)),
    };
    match file.record.status {
        FileStatus::Available => {}
        FileStatus::Uploading => {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                "the file is still being uploaded",
            ));
        }
        FileStatus::Aborted | FileStatus::Expired => {
            return Err(ApiError::new(
                ErrorCode::UploadGone,
                "the file's upload was given up",
            ));
        }
        FileStatus::Deleted => return Err(no_such_file()),
    }
    let life = LIFE.min(op.config.url_ttl);
    let download = Download {
        key: &file.key,
        disposition: &content_disposition(&file.record.name),
        content_type: download_type(&file.record.content_type),
    };
    let url = op
        .config
        .bucket
        .presign_download(&download, life, op.cx.now_ms)
        .map_err(|failure| internal(failure.to_string()))?;
    let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
    Ok(ContentLink {
        url: Redacted(url),
        expires_at: Timestamp::from_unix_millis(op.cx.now_ms.saturating_add(life_ms)),
        expires_in: life.as_secs(),
    })
}
