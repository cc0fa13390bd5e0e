use syncsphere_protocol::DatabaseStatus;

use super::{Desk, out_of_turn};
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::ports::Workspaces;
use crate::refusal::{Refusal, not_found};

/// How far the metadata database is with the workspace.
pub(crate) async fn status<S, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
) -> Result<DatabaseStatus, Refusal> {
    ask(desk, principal, Command::Database).await
}

/// Has everything that the workspace knows written to the database again.
pub(crate) async fn rebuild<S, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
) -> Result<DatabaseStatus, Refusal> {
    ask(desk, principal, Command::Replay).await
}

async fn ask<S, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    command: Command,
) -> Result<DatabaseStatus, Refusal> {
    match desk.ask(&principal.workspace, command).await? {
        Reply::Database(status) => Ok(status),
        Reply::Missing => Err(not_found("this deployment has no metadata database")),
        other => Err(out_of_turn(&other)),
    }
}
