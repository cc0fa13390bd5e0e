//! Calls that a client makes of the coordinator as if it were S3. The address is the permission.

use http::{Method, Request, Response, StatusCode};
use syncsphere_protocol::{ErrorCode, FileStatus, StoredPart, StringMap, UploadKind};

use super::xml;
use crate::auth::{Creation, S3Call, S3CallKind, Ticket};
use crate::operations::open_end::{self, Wanted};
use crate::operations::{Desk, uploads};
use crate::ports::{Storage, Workspaces};
use crate::refusal::{Refusal, invalid};
use crate::s3::S3Failure;

/// The reply, an error included, as S3 would write it.
pub(crate) async fn answer<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    request: &Request<Vec<u8>>,
    permission: &str,
) -> Response<Vec<u8>> {
    let answered = carry_out(desk, request, permission).await;
    answered.unwrap_or_else(|refusal| xml::error(refusal, &desk.cx.request_id))
}

async fn carry_out<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    request: &Request<Vec<u8>>,
    permission: &str,
) -> Result<Response<Vec<u8>>, Refusal> {
    let permitted = S3Call::open(permission, &desk.config.auth.keys, desk.cx.now_ms);
    let Some(permitted) = permitted else {
        let detail = "the address is not the coordinator's, or has expired";
        return Err(Refusal::new(ErrorCode::Forbidden, detail));
    };
    let method = match &permitted {
        S3CallKind::Create(_) | S3CallKind::Complete(_) => Method::POST,
        S3CallKind::List(_) => Method::GET,
        S3CallKind::Abort(_) => Method::DELETE,
    };
    if *request.method() != method {
        return Err(invalid("the address permits another method")
            .with_status(405)
            .allowing(&[method]));
    }
    let workspace = match &permitted {
        S3CallKind::Create(creation) => &creation.workspace,
        S3CallKind::List(ticket) | S3CallKind::Complete(ticket) | S3CallKind::Abort(ticket) => {
            &ticket.workspace
        }
    };
    // One request has one permission, so nothing was there before.
    let _ = desk.workspace.set(workspace.clone());
    match permitted {
        S3CallKind::Create(creation) => create(desk, request, *creation).await,
        S3CallKind::List(ticket) => list(desk, &ticket).await,
        S3CallKind::Complete(ticket) => complete(desk, request, &ticket).await,
        S3CallKind::Abort(ticket) => abort(desk, &ticket).await,
    }
}

async fn create<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    request: &Request<Vec<u8>>,
    creation: Creation,
) -> Result<Response<Vec<u8>>, Refusal> {
    let principal = creation.principal();
    let declared = request.headers().get(http::header::CONTENT_TYPE);
    let wanted = Wanted {
        kind: UploadKind::Multipart,
        upload_id: creation.upload_id,
        file_id: creation.file_id,
        name: creation.name,
        path: creation.path,
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
    let upload = open_end::begin(desk, &principal, wanted, None).await?;
    let ticket = Ticket::for_upload(&upload, &principal.subject);
    let upload_id = ticket.seal(&desk.config.auth.keys)?;
    xml::created(&desk.config.bucket.name, &ticket.key, &upload_id)
}

async fn list<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, Refusal> {
    let parts = stored_parts(desk, ticket).await?;
    let upload_id = ticket.seal(&desk.config.auth.keys)?;
    xml::parts(&desk.config.bucket.name, &ticket.key, &upload_id, &parts)
}

async fn complete<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    request: &Request<Vec<u8>>,
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, Refusal> {
    let parts = xml::parts_to_complete(request.body())?;
    let file = open_end::complete(desk, ticket, &parts).await?;
    let bucket = &desk.config.bucket;
    let location = bucket.public_url(&ticket.key, 0);
    let etag = file.etag.unwrap_or_default();
    xml::completed(&location, &bucket.name, &ticket.key, &etag)
}

async fn abort<S: Storage, W: Workspaces>(
    desk: &Desk<'_, S, W>,
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, Refusal> {
    let aborted = uploads::abort(desk, &ticket.workspace, &ticket.upload_id).await?;
    if aborted.status == FileStatus::Available {
        return Err(Refusal::new(
            ErrorCode::UploadGone,
            "the upload has been completed",
        ));
    }
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// All parts that storage holds of an upload, the last of each number.
pub(super) async fn stored_parts<S: Storage, W>(
    desk: &Desk<'_, S, W>,
    ticket: &Ticket,
) -> Result<Vec<StoredPart>, Refusal> {
    let Some(upload) = &ticket.storage_upload_id else {
        return Err(invalid("the upload goes as one request and has no parts"));
    };
    match desk.s3().parts(&ticket.key, upload).await {
        Ok(stored) => Ok(uploads::latest(stored)),
        Err(S3Failure::NotFound) => {
            let detail = "the upload has been completed, was aborted or has expired";
            Err(Refusal::new(ErrorCode::UploadGone, detail))
        }
        Err(failure) => Err(failure.into()),
    }
}
