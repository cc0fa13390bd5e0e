//! Versions of a file, and files that are made of another's content: no bytes move for either.

use syncsphere_protocol::{
    ErrorCode, FileId, FileRecord, FileStatus, ReferenceReply, ReferenceRequest, VersionBase, VersionList,
};

use super::errors::{mismatch, no_such_file, over_quota, unexpected_reply};
use super::files;
use super::open_uploads::allowed_type;
use super::operation_context::OperationContext;
use crate::api_error::{ApiError, internal};
use crate::auth::{Principal, Scope};
use crate::ledger::{Allowance, Base, Command, Idempotency, Previous, Reference, ReferenceDraft, Reply};
use crate::policy::{self, FileName};
use crate::ports::Workspaces;

/// The versions that new files follow, in the order asked; `None` for a file without a base.
///
/// A base that goes before its next version is there is no base any more, and the version comes all the same.
pub(super) async fn previous<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    bases: Vec<Option<&VersionBase>>,
) -> Result<Vec<Result<Option<Previous>, ApiError>>, ApiError> {
    let commands = bases
        .iter()
        .flatten()
        .map(|named| Command::Base(base(principal, named)));
    let mut replies = op
        .ask_all(&principal.workspace, commands.collect())
        .await?
        .into_iter();
    let previous = bases.iter().map(|base| match base {
        None => Ok(None),
        Some(base) => match replies.next() {
            Some(Reply::Base(previous)) => Ok(Some(previous)),
            Some(Reply::Missing) if base.is_optional() => Ok(None),
            Some(Reply::Missing) => Err(no_such_base()),
            Some(other) => Err(unexpected_reply(&other)),
            None => Err(internal("fewer answers than commands")),
        },
    });
    Ok(previous.collect())
}

/// A base as this caller may name it: whoever may not list files learns nothing of those of others.
fn base(principal: &Principal, named: &VersionBase) -> Base {
    let may_read = principal.scopes.contains(&Scope::Read);
    Base {
        file_id: named.file_id(),
        is_optional: named.is_optional(),
        owner: (!may_read).then(|| principal.subject.clone()),
    }
}

/// Makes a file of the content that another of the caller's own has.
pub(crate) async fn reference<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &ReferenceRequest,
    idempotency: Option<Idempotency>,
) -> Result<ReferenceReply, ApiError> {
    let FileName { name, original } = policy::file_name(&request.name)?;
    let path = policy::folder(request.path.as_ref().map_or("", |path| path.as_str()))?;
    let content_type = allowed_type(principal, request.content_type.as_deref(), &name)?;
    let command = Command::Reference {
        idempotency,
        wanted: Box::new(Reference {
            from: request.from.clone(),
            content: request.content,
            base: request.base.as_ref().map(|named| base(principal, named)),
            file: ReferenceDraft {
                file_id: op.cx.file_id(0)?,
                name,
                original_name: original,
                path,
                content_type,
                owner: principal.subject.clone(),
                metadata: policy::metadata(request.metadata.as_deref())?,
            },
        }),
        allowance: allowance(op, principal),
    };
    referred(op, principal, command).await
}

/// Makes a version the newest of its file again. The newest stays it, and is answered.
pub(crate) async fn restore<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<ReferenceReply, ApiError> {
    principal.require(Scope::Read)?;
    let version = files::get(op, principal, file_id).await?;
    if version.status != FileStatus::Available {
        return Err(no_such_file());
    }
    allowed_type(principal, Some(&version.content_type), &version.name)?;
    let command = Command::Restore {
        file_id: file_id.clone(),
        new_id: op.cx.file_id(0)?,
        owner: principal.subject.clone(),
        allowance: allowance(op, principal),
    };
    referred(op, principal, command).await
}

/// The available versions of a file, newest first.
pub(crate) async fn list<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    file_id: &FileId,
) -> Result<VersionList, ApiError> {
    let command = Command::Versions {
        file_id: file_id.clone(),
    };
    match op.ask(&principal.workspace, command).await? {
        Reply::Versions { versions } => Ok(VersionList { versions }),
        Reply::Missing => Err(no_such_file()),
        other => Err(unexpected_reply(&other)),
    }
}

fn allowance<S, W>(op: &OperationContext<'_, S, W>, principal: &Principal) -> Allowance {
    Allowance {
        max_size: op.largest_file(principal),
        max_bytes: principal.limits.max_bytes,
    }
}

async fn referred<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    command: Command,
) -> Result<ReferenceReply, ApiError> {
    let file: FileRecord = match op.ask(&principal.workspace, command).await? {
        Reply::File { file, .. } => file.record,
        Reply::Missing => return Err(no_such_file()),
        Reply::OtherContent => return Err(mismatch("the file's content is not known to be this")),
        Reply::TooLarge => return Err(policy::too_large(op.largest_file(principal))),
        Reply::OverQuota => return Err(over_quota()),
        Reply::KeyReused => {
            let detail = "the idempotency key belongs to another request";
            return Err(ApiError::new(ErrorCode::Conflict, detail));
        }
        other => return Err(unexpected_reply(&other)),
    };
    Ok(ReferenceReply { file })
}

fn no_such_base() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        "there is no such file in this workspace to be a new version of",
    )
}
