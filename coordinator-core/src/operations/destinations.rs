use syncsphere_protocol::{DeadLetterList, DestinationList, DestinationStatus};

use super::errors::unexpected_reply;
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, not_found};
use crate::auth::Principal;
use crate::ledger::{Command, Reply};
use crate::ports::Workspaces;

/// Where the workspace's changes go, and how far each destination is.
pub(crate) async fn list<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
) -> Result<DestinationList, ApiError> {
    match op.ask(&principal.workspace, Command::Destinations).await? {
        Reply::Destinations(list) => Ok(list),
        other => Err(unexpected_reply(&other)),
    }
}

/// The messages of a destination that are not sent again by themselves, after a change.
pub(crate) async fn dead_letters<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    destination: &str,
    since: u64,
    limit: u32,
) -> Result<DeadLetterList, ApiError> {
    let command = Command::DeadLetters {
        destination: destination.to_owned(),
        since,
        limit,
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::DeadLetters(list) => Ok(list),
        Reply::Missing => Err(not_found("there is no such webhook or queue")),
        other => Err(unexpected_reply(&other)),
    }
}

/// Has dead letters sent again: all of a destination, or that of one change.
pub(crate) async fn resend<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    destination: &str,
    seq: Option<u64>,
) -> Result<DestinationStatus, ApiError> {
    let command = Command::Resend {
        destination: destination.to_owned(),
        seq,
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::Destination(status) => Ok(status),
        Reply::Missing => Err(not_found("there is no such webhook, queue or dead letter")),
        other => Err(unexpected_reply(&other)),
    }
}
