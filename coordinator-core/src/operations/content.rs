use std::time::Duration;

use syncsphere_protocol::{ContentLink, ErrorCode, FileId, FileStatus, Redacted, Timestamp};

use super::errors::{no_such_file, unexpected_reply};
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, internal, invalid};
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::policy::{Disposition, content_disposition, download_type, is_shown_inline};
use crate::ports::Workspaces;
use crate::s3::Download;

/// Life of a download link for which none is asked. Source: own choice: it is followed at once, and a leaked one soon dies.
const LIFE: Duration = Duration::from_secs(300);

/// What a client wants of a link.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LinkOptions {
    /// Shown in place; files of types that could do more than be shown are saved all the same.
    pub inline: bool,
    /// How long it is to live, in seconds.
    pub expires: Option<u64>,
}

/// A link that downloads the file under its own name: for five minutes, or as long as is asked for and configured.
pub(crate) async fn link<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
    options: LinkOptions,
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
    let life = life(op, options.expires)?;
    let disposition = match options.inline && is_shown_inline(&file.record.content_type) {
        true => Disposition::Inline,
        false => Disposition::Attachment,
    };
    let download = Download {
        key: &file.key,
        disposition: &content_disposition(disposition, &file.record.name),
        content_type: download_type(&file.record.content_type),
    };
    let url = op
        .bucket(file.bucket.as_ref())
        .presign_download(&download, life, op.cx.now_ms)
        .map_err(|failure| internal(failure.to_string()))?;
    let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
    Ok(ContentLink {
        url: Redacted(url),
        expires_at: Timestamp::from_unix_millis(op.cx.now_ms.saturating_add(life_ms)),
        expires_in: life.as_secs(),
    })
}

fn life<S, W>(op: &OperationContext<'_, S, W>, wanted: Option<u64>) -> Result<Duration, ApiError> {
    let longest = op.config.download_ttl;
    match wanted.map(Duration::from_secs) {
        None => Ok(LIFE.min(op.config.url_ttl).min(longest)),
        Some(wanted) if (Duration::from_secs(1)..=longest).contains(&wanted) => Ok(wanted),
        Some(_) => Err(invalid(format!(
            "expires has to be a whole number from 1 to {}",
            longest.as_secs()
        ))),
    }
}
