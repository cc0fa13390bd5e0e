//! What each endpoint of the API reads of a request, which operation it asks, and how it writes the outcome.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use syncsphere_protocol::CompanionTokenRequest;

use super::reply::{json, json_text, redirect};
use super::request::{Query, file_id, idempotency, parsed, upload_id, wants_json};
use super::routes::{Open, Scoped};
use super::token_form::token_request;
use crate::api_error::{ApiError, invalid};
use crate::auth::{Principal, grant_token};
use crate::operations::operation_context::OperationContext;
use crate::operations::{
    changes, chunks, complete, content, copy_parts, database, destinations, files, health, initiate,
    sign_parts, uploads, uppy, versions,
};
use crate::ports::{Storage, Workspaces};

/// The API's description. `tests/openapi.rs` holds it to the wire types, and `routes.rs` to the table of endpoints.
const OPENAPI: &str = include_str!("../../openapi.json");

type Reply = Result<Response<Vec<u8>>, ApiError>;

/// Endpoints for everybody.
pub(super) async fn open<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    endpoint: Open,
    head: &Parts,
    body: &[u8],
) -> Reply {
    match endpoint {
        Open::Description => Ok(json_text(OPENAPI)),
        Open::Health => json(StatusCode::OK, &health::check(op).await?),
        Open::Jwks => json(StatusCode::OK, &op.config.auth.keys.jwks()),
        Open::Token => token(op, head, body),
    }
}

/// Endpoints for whoever has a token with the endpoint's scope; `ids` stand in the path.
pub(super) async fn scoped<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    endpoint: Scoped,
    principal: &Principal,
    ids: &[&str],
    head: &Parts,
    body: &[u8],
) -> Reply {
    let ok = StatusCode::OK;
    let id = ids.first().copied().unwrap_or_default();
    match endpoint {
        Scoped::ListUploads => {
            let listing = Query::of(&head.uri)?.open_uploads()?;
            json(ok, &uploads::list_open(op, principal, listing).await?)
        }
        Scoped::Initiate => {
            let idempotency = idempotency(&head.headers, principal, body)?;
            json(
                ok,
                &initiate::initiate(op, principal, &parsed(body)?, idempotency).await?,
            )
        }
        Scoped::CompleteBatch => json(
            ok,
            &complete::complete_batch(op, principal, &parsed(body)?).await?,
        ),
        Scoped::UploadStatus => json(ok, &uploads::status(op, principal, &upload_id(id)?).await?),
        Scoped::AbortUpload => json(
            ok,
            &uploads::abort(op, &principal.workspace, &upload_id(id)?).await?,
        ),
        Scoped::SignParts => {
            let id = upload_id(id)?;
            json(
                ok,
                &sign_parts::sign_parts(op, principal, &id, &parsed(body)?).await?,
            )
        }
        Scoped::CopyParts => {
            let id = upload_id(id)?;
            json(
                ok,
                &copy_parts::copy_parts(op, principal, &id, &parsed(body)?).await?,
            )
        }
        Scoped::Complete => {
            let id = upload_id(id)?;
            json(ok, &complete::complete(op, principal, &id, &parsed(body)?).await?)
        }
        Scoped::ListFiles => {
            let query = Query::of(&head.uri)?;
            json(ok, &files::list(op, principal, query.listing()?).await?)
        }
        Scoped::File => json(ok, &files::get(op, principal, &file_id(id)?).await?),
        Scoped::DeleteFile => json(ok, &files::delete(op, principal, &file_id(id)?).await?),
        Scoped::Reference => {
            let idempotency = idempotency(&head.headers, principal, body)?;
            json(
                ok,
                &versions::reference(op, principal, &parsed(body)?, idempotency).await?,
            )
        }
        Scoped::Bases => json(ok, &chunks::bases(op, principal, &parsed(body)?).await?),
        Scoped::Chunks => json(ok, &chunks::get(op, principal, &file_id(id)?).await?),
        Scoped::PutChunks => json(
            ok,
            &chunks::put(op, principal, &file_id(id)?, &parsed(body)?).await?,
        ),
        Scoped::Versions => json(ok, &versions::list(op, principal, &file_id(id)?).await?),
        Scoped::Restore => json(ok, &versions::restore(op, principal, &file_id(id)?).await?),
        Scoped::Content => {
            let wanted = Query::of(&head.uri)?.link_options()?;
            let link = content::link(op, principal, &file_id(id)?, wanted).await?;
            match wants_json(&head.headers) {
                true => json(ok, &link),
                false => redirect(&link.url),
            }
        }
        Scoped::Changes => {
            let query = Query::of(&head.uri)?;
            let since = query.number("since")?.unwrap_or(0);
            json(ok, &changes::page(op, principal, since, query.limit()?).await?)
        }
        // Shells take WebSockets to `Coordinator::authorize_listener`; this is not one.
        Scoped::Events => {
            Query::of(&head.uri)?.number("since")?;
            Err(invalid("this endpoint speaks WebSocket").with_status(426))
        }
        Scoped::DatabaseStatus => json(ok, &database::status(op, principal).await?),
        Scoped::RebuildDatabase => json(ok, &database::rebuild(op, principal).await?),
        Scoped::Destinations => json(ok, &destinations::list(op, principal).await?),
        Scoped::DeadLetters => {
            let query = Query::of(&head.uri)?;
            let since = query.number("since")?.unwrap_or(0);
            let limit = query.limit()?;
            json(
                ok,
                &destinations::dead_letters(op, principal, id, since, limit).await?,
            )
        }
        Scoped::Resend => {
            let seq = Query::of(&head.uri)?.number("seq")?;
            json(ok, &destinations::resend(op, principal, id, seq).await?)
        }
        Scoped::SignS3 => {
            let idempotency = idempotency(&head.headers, principal, body)?;
            json(
                ok,
                &uppy::sign::sign(op, principal, &parsed(body)?, idempotency).await?,
            )
        }
        Scoped::CompanionToken => {
            let wanted = match body {
                [] => CompanionTokenRequest::default(),
                body => parsed(body)?,
            };
            json(ok, &uppy::token::token(op, principal, &wanted)?)
        }
    }
}

fn token<S, W>(op: &OperationContext<'_, S, W>, head: &Parts, form: &[u8]) -> Reply {
    let granted = match token_request(&head.headers, form) {
        Ok(request) => grant_token(&request, &op.config.auth, op.cx)?,
        Err(error) => Err(error),
    };
    match granted {
        Ok(reply) => json(StatusCode::OK, &reply),
        // Source: RFC 6749 section 5.2.
        Err(error) if error.error == "invalid_client" => {
            let mut response = json(StatusCode::UNAUTHORIZED, &error)?;
            let scheme = HeaderValue::from_static("Basic realm=\"syncsphere\"");
            response
                .headers_mut()
                .insert(http::header::WWW_AUTHENTICATE, scheme);
            Ok(response)
        }
        Err(error) => json(StatusCode::BAD_REQUEST, &error),
    }
}
