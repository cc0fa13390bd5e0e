use syncsphere_protocol::ChangesPage;

use super::errors::unexpected_reply;
use super::operation_context::OperationContext;
use crate::api_error::ApiError;
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::ports::Workspaces;

/// One page of the workspace's change feed.
pub(crate) async fn page<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    since: u64,
    limit: u32,
) -> Result<ChangesPage, ApiError> {
    let command = Command::Changes { since, limit };
    match op.ask(&principal.workspace, command).await? {
        Reply::Changes(page) => Ok(page),
        other => Err(unexpected_reply(&other)),
    }
}
