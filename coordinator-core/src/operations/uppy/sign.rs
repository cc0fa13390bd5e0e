use syncsphere_protocol::{
    PartNumber, Redacted, S3Method, S3SignReply, S3SignRequest, StringMap, UploadKind,
};

use super::naming::name_and_folder;
use super::{signed, whole_file};
use crate::auth::{Creation, Principal, S3Call, S3CallKind, Ticket};
use crate::operations::open_end::{self, Wanted};
use crate::operations::{Desk, initiate};
use crate::ports::{Storage, Workspaces};
use crate::refusal::{Refusal, invalid};
use crate::routes::parsed;

/// Where Uppy sends one S3 request. What sends bytes goes to storage, and what decides anything to the coordinator, by an
/// address that permits this call. Only a whole file is begun here, since storage is all that hears of it.
pub(crate) async fn sign<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    body: &[u8],
    idempotency_key: Option<String>,
) -> Result<S3SignReply, Refusal> {
    let request: S3SignRequest = parsed(body)?;
    match (request.method, &request.upload_id, request.part_number) {
        (S3Method::Put, None, None) => {
            let idempotency = initiate::idempotency(principal, idempotency_key, body);
            let wanted = wanted(desk, &request)?;
            let upload = open_end::begin(desk, principal, wanted, idempotency).await?;
            whole(desk, &Ticket::for_upload(&upload, &principal.subject))
        }
        (S3Method::Post, None, None) => create(desk, principal, &request),
        (S3Method::Put, Some(upload), Some(number)) => {
            let ticket = ticket(desk, principal, &request, upload)?;
            part(desk, &ticket, number)
        }
        (method, Some(upload), None) if method != S3Method::Put => {
            let ticket = Box::new(ticket(desk, principal, &request, upload)?);
            call(
                desk,
                match method {
                    S3Method::Get => S3CallKind::List(ticket),
                    S3Method::Post => S3CallKind::Complete(ticket),
                    S3Method::Put | S3Method::Delete => S3CallKind::Abort(ticket),
                },
            )
        }
        _ => Err(invalid("an upload makes no such request of storage")),
    }
}

fn wanted<S, W>(desk: &Desk<'_, S, W>, request: &S3SignRequest) -> Result<Wanted, Refusal> {
    let (name, path) = name_and_folder(&request.key)?;
    Ok(Wanted {
        kind: UploadKind::Single,
        upload_id: desk.new_upload_id()?,
        file_id: desk.new_file_id()?,
        name,
        path,
        content_type: request.content_type.clone(),
        metadata: StringMap::default(),
    })
}

fn whole<S, W>(desk: &Desk<'_, S, W>, ticket: &Ticket) -> Result<S3SignReply, Refusal> {
    Ok(S3SignReply {
        key: Some(ticket.key.clone()),
        ..part(desk, ticket, whole_file()?)?
    })
}

fn part<S, W>(desk: &Desk<'_, S, W>, ticket: &Ticket, number: PartNumber) -> Result<S3SignReply, Refusal> {
    let signed = signed(desk, ticket, number)?;
    Ok(S3SignReply {
        url: signed.url,
        key: None,
        headers: signed.headers,
        fields: signed.fields,
    })
}

/// Permission to begin a multipart upload. Nothing is begun yet, so this may be asked for again as often as one likes.
fn create<S, W>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    request: &S3SignRequest,
) -> Result<S3SignReply, Refusal> {
    let (name, path) = name_and_folder(&request.key)?;
    let creation = Creation {
        workspace: principal.workspace.clone(),
        subject: principal.subject.clone(),
        limits: principal.limits.clone(),
        upload_id: desk.new_upload_id()?,
        file_id: desk.new_file_id()?,
        name,
        path,
    };
    let key = crate::policy::object_key(&creation.workspace, &creation.file_id, &creation.name);
    let reply = call(desk, S3CallKind::Create(Box::new(creation)))?;
    Ok(S3SignReply {
        key: Some(key),
        ..reply
    })
}

fn call<S, W>(desk: &Desk<'_, S, W>, what: S3CallKind) -> Result<S3SignReply, Refusal> {
    let permission = S3Call::new(what, desk.cx.now_ms).seal(&desk.config.auth.keys)?;
    Ok(S3SignReply {
        url: Redacted(format!("calls/{}", permission.0)),
        key: None,
        headers: StringMap::default(),
        fields: StringMap::default(),
    })
}

fn ticket<S, W>(
    desk: &Desk<'_, S, W>,
    principal: &Principal,
    request: &S3SignRequest,
    upload: &str,
) -> Result<Ticket, Refusal> {
    let ticket = Ticket::open_ended(upload, principal, &desk.config.auth.keys)?;
    ticket.require_alive(desk.cx.now_ms)?;
    if ticket.key != request.key {
        return Err(invalid("the key is not the upload's"));
    }
    Ok(ticket)
}
