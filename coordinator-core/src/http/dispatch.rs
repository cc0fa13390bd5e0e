//! From a request to its reply. Who asks is settled by the request's head alone; only then is the body read, as
//! much of it as the endpoint takes.

use http::request::Parts;
use http::{Method, Response};
use syncsphere_protocol::ErrorCode;

use super::credentials::bearer_token;
use super::routes::{Found, Handler, Route};
use super::{companion, companion_access, handlers, s3_calls};
use crate::api_error::{ApiError, not_found};
use crate::auth::{Authenticator, Principal, Scope};
use crate::operations::operation_context::OperationContext;
use crate::ports::{IdentityProviders, RequestBody, Storage, Workspaces};

/// The reply to a request, or why there is none.
pub(crate) async fn dispatch<S: Storage, W: Workspaces, I: IdentityProviders, B: RequestBody>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    found: &Found<'_>,
    head: &Parts,
    body: B,
) -> Result<Response<Vec<u8>>, ApiError> {
    if found.companion.is_some() {
        let answered = as_companion(op, authenticator, found, head, body).await;
        return Ok(answered.unwrap_or_else(|error| companion_access::refused(error, &op.cx.request_id)));
    }
    if found.routes.is_empty() {
        return Err(not_found("there is no such endpoint"));
    }
    if found.routes.iter().any(|route| route.handler == Handler::S3Call) {
        return Ok(s3_calls::answer(op, found, head, body).await);
    }
    let route = route(found, &head.method)?;
    let ids = found.ids.as_slice();
    match route.handler {
        Handler::Open(open) => handlers::open(op, open, head, &route.read(body).await?).await,
        Handler::Scoped(scope, scoped) => {
            let principal = authenticate(op, authenticator, head, scope).await?;
            let body = route.read(body).await?;
            handlers::scoped(op, scoped, &principal, ids, head, &body).await
        }
        // Both are answered above.
        Handler::Companion(_) | Handler::S3Call => Err(not_found("there is no such endpoint")),
    }
}

async fn as_companion<S: Storage, W: Workspaces, I: IdentityProviders, B: RequestBody>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    found: &Found<'_>,
    head: &Parts,
    body: B,
) -> Result<Response<Vec<u8>>, ApiError> {
    let token = found.companion.flatten();
    let principal = companion_access::admit(op, authenticator, head, token).await?;
    if found.routes.is_empty() {
        // Credentials for the bucket are given to nobody.
        return Err(not_found("Not Found"));
    }
    let route = route(found, &head.method)?;
    let body = route.read(body).await?;
    match route.handler {
        Handler::Companion(endpoint) => {
            companion::answer(op, &principal, endpoint, &found.ids, head, &body).await
        }
        Handler::Open(_) | Handler::Scoped(..) | Handler::S3Call => Err(not_found("Not Found")),
    }
}

async fn authenticate<S, W, I: IdentityProviders>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    head: &Parts,
    scope: Scope,
) -> Result<Principal, ApiError> {
    let token = bearer_token(&head.headers)?;
    let principal = authenticator.authenticate(token).await?;
    // One request has one token, so nothing was there before.
    let _ = op.workspace.set(principal.workspace.clone());
    principal.require(scope)?;
    Ok(principal)
}

/// The endpoint for this method; who takes another is told which there are.
fn route(found: &Found<'_>, method: &Method) -> Result<&'static Route, ApiError> {
    found.route(method).ok_or_else(|| {
        let detail = "this endpoint does not know the request's method";
        ApiError::new(ErrorCode::InvalidRequest, detail)
            .with_status(405)
            .allowing(&found.methods())
    })
}
