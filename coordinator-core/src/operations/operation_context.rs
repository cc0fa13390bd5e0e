//! What every operation works with.

use std::borrow::Cow;
use std::cell::OnceCell;

use syncsphere_protocol::{ErrorCode, Problem, Redacted, UploadId, WorkspaceId};

use super::errors::unexpected_reply;
use super::storage_health::StorageHealth;
use super::workspaces_in_use::WorkspacesInUse;
use crate::api_error::ApiError;
use crate::auth::Principal;
use crate::config::Config;
use crate::context::Context;
use crate::ledger::{Call, Command, Reply, Upload};
use crate::model::BucketName;
use crate::policy::KeyParts;
use crate::ports::Workspaces;
use crate::s3::{Bucket, S3};

/// Requests to storage that one request has under way at once.
///
/// Source: a worker may have six connections open:
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
pub(super) const STORAGE_CALLS_AT_ONCE: usize = 6;

/// What an operation works with: the configuration, the request's surroundings, the two ports, and what is
/// known of storage.
pub(crate) struct OperationContext<'a, S, W> {
    pub config: &'a Config,
    pub cx: &'a Context,
    pub storage: &'a S,
    pub workspaces: &'a W,
    pub storage_health: &'a StorageHealth,
    pub workspaces_in_use: &'a WorkspacesInUse,
    /// The workspace of whoever asks, once it is known.
    pub workspace: OnceCell<WorkspaceId>,
}

impl<S, W> OperationContext<'_, S, W> {
    /// The key of a file's object.
    pub(crate) fn object_key(&self, parts: &KeyParts<'_>) -> Redacted<String> {
        Redacted(self.config.key_template.key(parts))
    }
}

impl<S, W: Workspaces> OperationContext<'_, S, W> {
    /// Has the workspace's ledger carry out a command.
    pub(crate) async fn ask(&self, workspace: &WorkspaceId, command: Command) -> Result<Reply, ApiError> {
        /// Seconds to wait when a workspace is away, at least, and how many more than those at random, so that not all who
        /// were refused come back at once. Source: own choice; objects move in seconds.
        const RETRY_AFTER: u32 = 1;
        const JITTER: u8 = 3;
        let [chance, ..] = self.cx.random;
        let retry_after = RETRY_AFTER.saturating_add(u32::from(chance % JITTER));
        self.workspaces
            .call(workspace, self.call(command))
            .await
            .map_err(|failure| {
                let problem =
                    Problem::new(ErrorCode::Internal, "the workspace does not answer at the moment");
                ApiError::from(problem.retry_after(retry_after))
                    .with_status(503)
                    .because(failure.to_string())
            })
    }

    /// An upload as the ledger has it now; `None` where it knows none of that id.
    pub(crate) async fn upload(
        &self,
        workspace: &WorkspaceId,
        upload_id: &UploadId,
    ) -> Result<Option<Upload>, ApiError> {
        let upload_id = upload_id.clone();
        match self.ask(workspace, Command::Upload { upload_id }).await? {
            Reply::Upload { upload, .. } => Ok(Some(*upload)),
            _ => Ok(None),
        }
    }

    /// The command as a call.
    pub(crate) fn call(&self, command: Command) -> Call {
        Call {
            now_ms: self.cx.now_ms,
            keep_changes_ms: self.config.changes_ttl_ms(),
            retention: self.config.retention(),
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

    /// A bucket that ledger or ticket name; `None` is `S3_BUCKET`.
    pub(crate) fn bucket(&self, recorded: Option<&BucketName>) -> Cow<'a, Bucket> {
        self.config.recorded_bucket(recorded)
    }

    /// Storage, as this request asks it for what lies in this bucket.
    pub(crate) fn s3(&self, recorded: Option<&BucketName>) -> S3<'a, S> {
        S3 {
            bucket: self.bucket(recorded),
            storage: self.storage,
            now_ms: self.cx.now_ms,
        }
    }
}
