use std::sync::{Mutex, PoisonError};

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

/// How long an answer of storage holds, in milliseconds, so that whoever asks for the health asks no more of storage than
/// one does. Source: own choice; monitors ask every few seconds.
const HOLDS_MS: i64 = 5_000;

/// What storage answered last, and when. One for each coordinator.
#[derive(Debug, Default)]
pub(crate) struct StorageHealth(Mutex<Option<(i64, Result<(), ApiError>)>>);

impl StorageHealth {
    fn known(&self, now_ms: i64) -> Option<Result<(), ApiError>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |asked_ms: i64| (0..HOLDS_MS).contains(&now_ms.saturating_sub(asked_ms));
        known
            .as_ref()
            .filter(|(asked_ms, _)| holds(*asked_ms))
            .map(|(_, answer)| answer.clone())
    }

    fn remember(&self, now_ms: i64, answer: &Result<(), ApiError>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((now_ms, answer.clone()));
    }
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
        S3Failure::Unavailable(_) | S3Failure::NotRetryable(_) | S3Failure::Broken(_) => {
            return failure.into();
        }
    };
    let (_, cause) = ApiError::from(failure).into_parts();
    ApiError::new(ErrorCode::Internal, detail).because(cause.unwrap_or_default())
}
