use syncsphere_protocol::ChangesPage;

use super::{Desk, out_of_turn};
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::ports::Workspaces;
use crate::refusal::Refusal;

/// One page of the workspace's change feed.
pub(crate) async fn page<S, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    since: u64,
    limit: u32,
) -> Result<ChangesPage, Refusal> {
    let command = Command::Changes { since, limit };
    match desk.ask(&principal.workspace, command).await? {
        Reply::Changes(page) => Ok(page),
        other => Err(out_of_turn(&other)),
    }
}
