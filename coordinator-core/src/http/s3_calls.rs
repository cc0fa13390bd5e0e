//! Calls that a client makes of the coordinator as if it were S3. The address is the permission.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use syncsphere_protocol::{ErrorCode, FileStatus, StringMap, UploadKind};

use super::routes::Found;
use super::s3_xml as xml;
use crate::api_error::{ApiError, invalid};
use crate::auth::{Creation, PresignedAction, PresignedCall, Ticket};
use crate::operations::deferred_length::{self, Wanted};
use crate::operations::operation_context::OperationContext;
use crate::operations::tickets::ticket_for;
use crate::operations::uploads;
use crate::operations::uppy::parts::stored_parts;
use crate::policy::FileName;
use crate::ports::{RequestBody, Storage, Workspaces};

/// The reply, an error included, as S3 would write it.
pub(crate) async fn answer<S: Storage, W: Workspaces, B: RequestBody>(
    op: &OperationContext<'_, S, W>,
    found: &Found<'_>,
    head: &Parts,
    body: B,
) -> Response<Vec<u8>> {
    let answered = carry_out(op, found, head, body).await;
    answered.unwrap_or_else(|error| xml::error(error, &op.cx.request_id))
}

async fn carry_out<S: Storage, W: Workspaces, B: RequestBody>(
    op: &OperationContext<'_, S, W>,
    found: &Found<'_>,
    head: &Parts,
    body: B,
) -> Result<Response<Vec<u8>>, ApiError> {
    let permission = found.ids.first().copied().unwrap_or_default();
    let permitted = PresignedCall::open(permission, &op.config.auth.keys, op.cx.now_ms);
    let Some(permitted) = permitted else {
        let detail = "the address is not the coordinator's, or has expired";
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    };
    let method = match &permitted {
        PresignedAction::Create(_) | PresignedAction::Complete(_) => Method::POST,
        PresignedAction::List(_) => Method::GET,
        PresignedAction::Abort(_) => Method::DELETE,
    };
    if head.method != method {
        return Err(invalid("the address permits another method")
            .with_status(405)
            .allowing(&[method]));
    }
    let workspace = match &permitted {
        PresignedAction::Create(creation) => &creation.workspace,
        PresignedAction::List(ticket)
        | PresignedAction::Complete(ticket)
        | PresignedAction::Abort(ticket) => &ticket.workspace,
    };
    let body = match found.route(&method) {
        Some(route) => route.read(body).await?,
        None => Vec::new(),
    };
    // One request has one permission, so nothing was there before.
    let _ = op.workspace.set(workspace.clone());
    match permitted {
        PresignedAction::Create(creation) => create(op, head, *creation).await,
        PresignedAction::List(ticket) => list(op, &ticket).await,
        PresignedAction::Complete(ticket) => complete(op, &body, &ticket).await,
        PresignedAction::Abort(ticket) => abort(op, &ticket).await,
    }
}

async fn create<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    head: &Parts,
    creation: Creation,
) -> Result<Response<Vec<u8>>, ApiError> {
    let principal = creation.principal();
    let declared = head.headers.get(http::header::CONTENT_TYPE);
    let wanted = Wanted {
        kind: UploadKind::Multipart,
        upload_id: creation.upload_id,
        file_id: creation.file_id,
        name: FileName {
            name: creation.name,
            original: creation.original_name,
        },
        path: creation.path,
        begun_ms: creation.begun_ms.unwrap_or(op.cx.now_ms),
        content_type: match declared.map(|declared| declared.to_str()) {
            None => None,
            Some(declared) => Some(
                declared
                    .map_err(|_| invalid("the content type is no text"))?
                    .to_owned(),
            ),
        },
        metadata: StringMap::default(),
    };
    let upload = deferred_length::begin(op, &principal, wanted, None).await?;
    let ticket = ticket_for(&upload, &principal.subject);
    let upload_id = ticket.seal(&op.config.auth.keys)?;
    let bucket = op.bucket(ticket.bucket.as_ref());
    xml::created(bucket.name.as_str(), &ticket.key, &upload_id)
}

async fn list<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, ApiError> {
    let parts = stored_parts(op, ticket).await?;
    let upload_id = ticket.seal(&op.config.auth.keys)?;
    let bucket = op.bucket(ticket.bucket.as_ref());
    xml::parts(bucket.name.as_str(), &ticket.key, &upload_id, &parts)
}

async fn complete<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    body: &[u8],
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, ApiError> {
    let parts = xml::parts_to_complete(body)?;
    let file = deferred_length::complete(op, ticket, &parts).await?;
    let bucket = op.bucket(ticket.bucket.as_ref());
    let location = bucket.public_url(&ticket.key, 0);
    let etag = file.etag.unwrap_or_default();
    xml::completed(&location, bucket.name.as_str(), &ticket.key, &etag)
}

async fn abort<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, ApiError> {
    let aborted = uploads::abort(op, &ticket.workspace, &ticket.upload_id).await?;
    if aborted.status == FileStatus::Available {
        return Err(ApiError::new(
            ErrorCode::UploadGone,
            "the upload has been completed",
        ));
    }
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
