use syncsphere_protocol::{
    PartNumber, Redacted, S3Method, S3SignReply, S3SignRequest, StringMap, UploadKind,
};

use super::naming::name_and_folder;
use super::parts::{signed, whole_file};
use crate::api_error::{ApiError, invalid};
use crate::auth::{Creation, PresignedAction, PresignedCall, Principal, Ticket};
use crate::ledger::Idempotency;
use crate::operations::deferred_length::{self, Wanted};
use crate::operations::operation_context::OperationContext;
use crate::operations::tickets::ticket_for;
use crate::policy::KeyParts;
use crate::ports::{Storage, Workspaces};

/// Where Uppy sends one S3 request. What sends bytes goes to storage, and what decides anything to the coordinator, by an
/// address that permits this call. Only a whole file is begun here, since storage is all that hears of it.
pub(crate) async fn sign<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &S3SignRequest,
    idempotency: Option<Idempotency>,
) -> Result<S3SignReply, ApiError> {
    match (request.method, &request.upload_id, request.part_number) {
        (S3Method::Put, None, None) => {
            let wanted = wanted(op, request)?;
            let upload = deferred_length::begin(op, principal, wanted, idempotency).await?;
            whole(op, &ticket_for(&upload, &principal.subject))
        }
        (S3Method::Post, None, None) => create(op, principal, request),
        (S3Method::Put, Some(upload), Some(number)) => {
            let ticket = ticket(op, principal, request, upload)?;
            part(op, &ticket, number)
        }
        (method, Some(upload), None) if method != S3Method::Put => {
            let ticket = Box::new(ticket(op, principal, request, upload)?);
            call(
                op,
                match method {
                    S3Method::Get => PresignedAction::List(ticket),
                    S3Method::Post => PresignedAction::Complete(ticket),
                    S3Method::Put | S3Method::Delete => PresignedAction::Abort(ticket),
                },
            )
        }
        _ => Err(invalid("an upload makes no such request of storage")),
    }
}

fn wanted<S, W>(op: &OperationContext<'_, S, W>, request: &S3SignRequest) -> Result<Wanted, ApiError> {
    let (name, path) = name_and_folder(&request.key)?;
    Ok(Wanted {
        kind: UploadKind::Single,
        upload_id: op.cx.upload_id(0)?,
        file_id: op.cx.file_id(0)?,
        name,
        path,
        begun_ms: op.cx.now_ms,
        content_type: request.content_type.clone(),
        metadata: StringMap::default(),
    })
}

fn whole<S, W>(op: &OperationContext<'_, S, W>, ticket: &Ticket) -> Result<S3SignReply, ApiError> {
    Ok(S3SignReply {
        key: Some(ticket.key.clone()),
        ..part(op, ticket, whole_file()?)?
    })
}

fn part<S, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    number: PartNumber,
) -> Result<S3SignReply, ApiError> {
    let signed = signed(op, ticket, number)?;
    Ok(S3SignReply {
        url: signed.url,
        key: None,
        headers: signed.headers,
        fields: signed.fields,
    })
}

/// Permission to begin a multipart upload. Nothing is begun yet, so this may be asked for again as often as one likes.
fn create<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &S3SignRequest,
) -> Result<S3SignReply, ApiError> {
    let (name, path) = name_and_folder(&request.key)?;
    let creation = Creation {
        workspace: principal.workspace.clone(),
        subject: principal.subject.clone(),
        limits: principal.limits.clone(),
        upload_id: op.cx.upload_id(0)?,
        file_id: op.cx.file_id(0)?,
        name: name.name,
        original_name: name.original,
        path,
        begun_ms: Some(op.cx.now_ms),
    };
    let key = op.object_key(&KeyParts {
        workspace: &creation.workspace,
        file_id: &creation.file_id,
        name: &creation.name,
        path: &creation.path,
        owner: &creation.subject,
        begun_ms: op.cx.now_ms,
    });
    let reply = call(op, PresignedAction::Create(Box::new(creation)))?;
    Ok(S3SignReply {
        key: Some(key),
        ..reply
    })
}

fn call<S, W>(op: &OperationContext<'_, S, W>, what: PresignedAction) -> Result<S3SignReply, ApiError> {
    let permission = PresignedCall::new(what, op.cx.now_ms).seal(&op.config.auth.keys)?;
    Ok(S3SignReply {
        url: Redacted(format!("calls/{}", permission.0)),
        key: None,
        headers: StringMap::default(),
        fields: StringMap::default(),
    })
}

fn ticket<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &S3SignRequest,
    upload: &str,
) -> Result<Ticket, ApiError> {
    let ticket = Ticket::open_deferred_length(upload, principal, &op.config.auth.keys)?;
    ticket.require_alive(op.cx.now_ms)?;
    if ticket.key != request.key {
        return Err(invalid("the key is not the upload's"));
    }
    Ok(ticket)
}
