//! When an object that a `HEAD` does not find is taken for gone.
//!
//! A `HEAD` has no body, so its 404 may be an ingress's while storage restarts. Nothing is destroyed for one of them: the
//! first is written down, and only another one a while later counts.

use syncsphere_protocol::{ErrorCode, Problem};

use super::errors::unexpected_reply;
use super::operation_context::OperationContext;
use crate::api_error::ApiError;
use crate::ledger::{ABSENCE_PROVEN_MS, Command, Reply, Upload};
use crate::ports::Workspaces;

/// Whether the upload's object, which was not found just now, was not found long enough ago either. Where it was not, the
/// workspace's alarm looks again.
pub(super) async fn is_proven<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    upload: &Upload,
) -> Result<bool, ApiError> {
    let command = Command::NoteAbsence {
        upload_id: upload.upload_id.clone(),
    };
    match op.ask(&upload.file.workspace, command).await? {
        Reply::Upload { upload, .. } => Ok(upload
            .absent_since_ms
            .is_none_or(|since| op.cx.now_ms >= since.saturating_add(ABSENCE_PROVEN_MS))),
        Reply::Missing => Ok(true),
        other => Err(unexpected_reply(&other)),
    }
}

/// The answer until it is proven.
pub(super) fn not_proven() -> ApiError {
    /// Seconds to wait. Source: [`ABSENCE_PROVEN_MS`], in seconds.
    const RETRY_AFTER: u32 = 60;
    let detail = "storage shows neither the upload nor its file; whether they are gone is looked at again";
    ApiError::from(Problem::new(ErrorCode::StorageUnavailable, detail).retry_after(RETRY_AFTER))
}
