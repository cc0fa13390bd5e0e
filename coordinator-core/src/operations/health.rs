use serde::Serialize;
use syncsphere_protocol::WorkspaceId;

use super::{Desk, out_of_turn};
use crate::ledger::{Command, Reply};
use crate::ports::{Storage, Workspaces};
use crate::refusal::{Refusal, internal};

/// The workspace that is asked. Nobody's files are in it; a token could name it and do no harm.
const WORKSPACE: &str = "healthz";

/// That everything the coordinator stands on answers.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// Asks storage and a workspace's ledger.
pub(crate) async fn check<S: Storage, W: Workspaces>(desk: &Desk<'_, S, W>) -> Result<Health, Refusal> {
    let workspace: WorkspaceId = WORKSPACE.parse().map_err(|_| internal("an id of our own"))?;
    desk.s3().check_bucket().await?;
    match desk.ask(&workspace, Command::Head).await? {
        Reply::Head { .. } => Ok(Health { status: "ok" }),
        other => Err(out_of_turn(&other)),
    }
}
