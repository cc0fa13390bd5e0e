use futures_util::future::join;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use syncsphere_protocol::{ErrorCode, WorkspaceId};

use super::errors::unexpected_reply;
use super::operation_context::{OperationContext, STORAGE_CALLS_AT_ONCE};
use crate::api_error::{ApiError, internal};
use crate::ledger::{Command, Reply};
use crate::model::BucketName;
use crate::ports::{Storage, Workspaces};
use crate::s3::{OTHER_REGION, S3Failure};

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
            let answer = check_buckets(op).await;
            op.storage_health.remember(now_ms, &answer);
            answer?;
        }
    }
    match op.ask(&workspace, Command::Head).await? {
        Reply::Head { .. } => Ok(Health { status: "ok" }),
        other => Err(unexpected_reply(&other)),
    }
}

/// Asks storage for every configured bucket, and for the main one where browsers reach it; the answer is the first that is none.
async fn check_buckets<S: Storage, W>(op: &OperationContext<'_, S, W>) -> Result<(), ApiError> {
    let main = op.s3(None);
    let (answer, is_elsewhere) = join(check_each_bucket(op), main.is_elsewhere_for_browsers()).await;
    answer?;
    match is_elsewhere {
        true => Err(ApiError::new(
            ErrorCode::Internal,
            "the variable S3_REGION, or S3_PUBLIC_ENDPOINT, names another region than the bucket's",
        )),
        false => Ok(()),
    }
}

async fn check_each_bucket<S: Storage, W>(op: &OperationContext<'_, S, W>) -> Result<(), ApiError> {
    let further = op.config.further_buckets().into_iter().map(|bucket| &bucket.name);
    let names: Vec<Option<&BucketName>> = [None].into_iter().chain(further.map(Some)).collect();
    let answers: Vec<Result<(), ApiError>> = stream::iter(names)
        .map(|name| async move {
            let answer = op.s3(name).check_bucket().await;
            answer.map_err(|failure| misconfigured(failure, name.is_none()))
        })
        .buffered(STORAGE_CALLS_AT_ONCE)
        .collect()
        .await;
    answers.into_iter().collect()
}

/// Says which variables the operator should look at, as a missing one is named: no value is told, and nobody else can
/// do anything with it.
fn misconfigured(failure: S3Failure, is_main: bool) -> ApiError {
    let detail = match &failure {
        S3Failure::NotFound | S3Failure::BareNotFound if is_main => {
            "the variable S3_BUCKET names a bucket that storage does not have"
        }
        S3Failure::NotFound | S3Failure::BareNotFound => {
            "the variable S3_BUCKETS names a bucket that storage does not have"
        }
        // Pages look for the variable's name: a browser does not show them such an answer.
        S3Failure::Refused { code, .. } if code == OTHER_REGION => {
            "the variable S3_REGION, or S3_ENDPOINT, names another region than the bucket's"
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
