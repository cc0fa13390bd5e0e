//! What each endpoint does, one file each. Every operation may be dropped at any await and asked
//! for again: the intent is in the ledger before storage is asked, the outcome after it.

pub(crate) mod changes;
pub(crate) mod complete;
pub(crate) mod content;
pub(crate) mod database;
mod deferred_length;
pub(crate) mod deliver;
pub(crate) mod files;
mod finalize;
pub(crate) mod health;
pub(crate) mod initiate;
pub(crate) mod jobs;
pub(crate) mod orphans;
mod reported_parts;
pub(crate) mod sign_parts;
pub(crate) mod uploads;
pub(crate) mod uppy;

use std::cell::OnceCell;

use syncsphere_protocol::{ErrorCode, FileId, InvalidId, Problem, UploadId, WorkspaceId};

use crate::api_error::{ApiError, internal, not_found};
use crate::auth::Principal;
use crate::config::Config;
use crate::coordinator::Context;
use crate::ledger::{Call, Command, Reply};
use crate::ports::Workspaces;
use crate::s3::S3;

/// Requests to storage that one request has under way at once.
///
/// Source: a worker may have six connections open:
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
const STORAGE_CALLS_AT_ONCE: usize = 6;

/// What an operation works with: the configuration, the request's surroundings and the two ports.
pub(crate) struct OperationContext<'a, S, W> {
    pub config: &'a Config,
    pub cx: &'a Context,
    pub storage: &'a S,
    pub workspaces: &'a W,
    /// The workspace of whoever asks, once it is known.
    pub workspace: OnceCell<WorkspaceId>,
}

impl<S, W: Workspaces> OperationContext<'_, S, W> {
    /// Has the workspace's ledger carry out a command.
    pub(crate) async fn ask(&self, workspace: &WorkspaceId, command: Command) -> Result<Reply, ApiError> {
        /// Seconds to wait when a workspace is away. Source: own choice; objects move in seconds.
        const RETRY_AFTER: u32 = 1;
        self.workspaces
            .call(workspace, self.call(command))
            .await
            .map_err(|failure| {
                let problem =
                    Problem::new(ErrorCode::Internal, "the workspace does not answer at the moment");
                ApiError::from(problem.retry_after(RETRY_AFTER)).because(failure.to_string())
            })
    }

    /// The command as a call.
    pub(crate) fn call(&self, command: Command) -> Call {
        Call {
            now_ms: self.cx.now_ms,
            keep_changes_ms: self.config.changes_ttl_ms(),
            command,
        }
    }

    /// Has it carry out several commands in one transaction, in this order; gives one reply each.
    pub(crate) async fn ask_all(
        &self,
        workspace: &WorkspaceId,
        commands: Vec<Command>,
    ) -> Result<Vec<Reply>, ApiError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        match self.ask(workspace, Command::Several { commands }).await? {
            Reply::Several { replies } => Ok(replies),
            other => Err(unexpected_reply(&other)),
        }
    }
}

impl<'a, S, W> OperationContext<'a, S, W> {
    /// The problem of one item among several, which tells what a reply of its own would.
    pub(crate) fn problem(&self, error: ApiError) -> Problem {
        let (mut problem, _) = error.into_parts();
        problem.request_id = self.cx.request_id.clone();
        problem
    }

    /// Largest file that somebody may upload, in bytes.
    pub(crate) fn largest_file(&self, principal: &Principal) -> u64 {
        let own = principal.limits.max_file_size.unwrap_or(u64::MAX);
        self.config.max_file_size.min(own)
    }

    /// When every URL that has been signed until now is dead, in milliseconds since 1970.
    pub(crate) fn urls_dead_ms(&self) -> i64 {
        self.cx.now_ms.saturating_add(self.config.url_ttl_ms())
    }

    /// The id of the upload that this request begins, if it begins one.
    pub(crate) fn new_upload_id(&self) -> Result<UploadId, ApiError> {
        let id = self.cx.id("upload", 0).parse();
        id.map_err(|error: InvalidId| internal(error.to_string()))
    }

    /// The id of its file.
    pub(crate) fn new_file_id(&self) -> Result<FileId, ApiError> {
        let id = self.cx.id("file", 0).parse();
        id.map_err(|error: InvalidId| internal(error.to_string()))
    }

    /// Storage, as this request asks it.
    pub(crate) fn s3(&self) -> S3<'a, S> {
        S3 {
            bucket: &self.config.bucket,
            storage: self.storage,
            now_ms: self.cx.now_ms,
        }
    }
}

/// The ledger answered something that this command is never answered.
fn unexpected_reply(reply: &Reply) -> ApiError {
    let kind = match reply {
        Reply::Head { .. } => "a head",
        Reply::Begun { .. } => "begun uploads",
        Reply::Uploads { .. } => "uploads",
        Reply::KeyReused => "a reused key",
        Reply::OverQuota => "that the quota is used up",
        Reply::Upload { .. } => "an upload",
        Reply::File { .. } => "a file",
        Reply::Files(_) => "files",
        Reply::Changes(_) => "changes",
        Reply::Jobs { .. } => "jobs",
        Reply::Orphans { .. } => "orphans",
        Reply::Delivery { .. } => "a delivery",
        Reply::Database(_) => "how far the database is",
        Reply::Done => "done",
        Reply::Missing => "missing",
        Reply::Several { .. } => "several",
    };
    internal(format!("the ledger answered {kind} out of turn"))
}

fn no_such_upload() -> ApiError {
    not_found("there is no such upload in this workspace")
}

fn no_such_file() -> ApiError {
    not_found("there is no such file in this workspace")
}
