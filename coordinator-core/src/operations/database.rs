use syncsphere_protocol::DatabaseStatus;

use super::errors::unexpected_reply;
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, not_found};
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::ports::Workspaces;

/// How far the metadata database is with the workspace.
pub(crate) async fn status<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
) -> Result<DatabaseStatus, ApiError> {
    ask(op, principal, Command::Database).await
}

/// Has everything that the workspace knows written to the database again.
pub(crate) async fn rebuild<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
) -> Result<DatabaseStatus, ApiError> {
    ask(op, principal, Command::Replay).await
}

async fn ask<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    command: Command,
) -> Result<DatabaseStatus, ApiError> {
    match op.ask(&principal.workspace, command).await? {
        Reply::Database(status) => Ok(status),
        Reply::Missing => Err(not_found("this deployment has no metadata database")),
        other => Err(unexpected_reply(&other)),
    }
}
