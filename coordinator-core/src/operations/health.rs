use serde::Serialize;
use syncsphere_protocol::{ErrorCode, WorkspaceId};

use super::errors::unexpected_reply;
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, internal};
use crate::ledger::{Command, Reply};
use crate::ports::{Storage, Workspaces};
use crate::s3::S3Failure;

/// The workspace that is asked. Nobody's files are in it; a token could name it and do no harm.
const WORKSPACE: &str = "healthz";

/// That everything the coordinator stands on answers.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// Asks storage, unless that has been done a moment ago, and a workspace's ledger.
pub(crate) async fn check<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
) -> Result<Health, ApiError> {
    let workspace: WorkspaceId = WORKSPACE.parse().map_err(|_| internal("an id of our own"))?;
    let now_ms = op.cx.now_ms;
    match op.storage_health.known(now_ms) {
        Some(answer) => answer?,
        None => {
            let answer = op.s3().check_bucket().await.map_err(misconfigured);
            op.storage_health.remember(now_ms, &answer);
            answer?;
        }
    }
    match op.ask(&workspace, Command::Head).await? {
        Reply::Head { .. } => Ok(Health { status: "ok" }),
        other => Err(unexpected_reply(&other)),
    }
}

/// Says which variables the operator should look at, as a missing one is named: no value is told, and nobody else can
/// do anything with it.
fn misconfigured(failure: S3Failure) -> ApiError {
    let detail = match &failure {
        S3Failure::NotFound | S3Failure::BareNotFound => {
            "the variable S3_BUCKET names a bucket that storage does not have"
        }
        S3Failure::Refused { .. } => {
            "storage refuses the coordinator: its key, the key's permissions or the region are not right"
        }
        S3Failure::Unavailable(_)
        | S3Failure::NotRetryable(_)
        | S3Failure::Unreadable(_)
        | S3Failure::Broken(_) => {
            return failure.into();
        }
    };
    let (_, cause) = ApiError::from(failure).into_parts();
    ApiError::new(ErrorCode::Internal, detail).because(cause.unwrap_or_default())
}
