//! Who may speak to the endpoints that answer as Companion does, and how they are told that they may not.
//!
//! Their clients can set no header of ours, so a request is let in by a token in its address that is good for nothing else,
//! by a cookie of the page's own origin, or, where a client can set headers after all, by the usual one.

use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::json;
use syncsphere_protocol::{ErrorCode, Problem};

use crate::api_error::{ApiError, unauthenticated};
use crate::auth::{Authenticator, Principal, Scope, bearer_token, cookie_value};
use crate::operations::OperationContext;
use crate::operations::uppy::companion;
use crate::ports::{IdentityProviders, Storage, Workspaces};
use crate::reply::{self, Caller};

/// The reply to a request for `/s3/` and what follows it, `path`. `token` stood in its address.
pub(crate) async fn answer<S: Storage, W: Workspaces, I: IdentityProviders>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    request: &Request<Vec<u8>>,
    token: Option<&str>,
    path: &[&str],
) -> Response<Vec<u8>> {
    let answered = match admit(op, authenticator, request, token).await {
        Ok(principal) => companion::answer(op, &principal, request, path).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| refused(error, &op.cx.request_id))
}

/// The endpoint's path for the log, without ids and tokens.
pub(crate) fn template(path: &[&str]) -> &'static str {
    match path {
        ["params"] => "/v1/companion/s3/params",
        ["multipart"] => "/v1/companion/s3/multipart",
        ["multipart", _] => "/v1/companion/s3/multipart/{uploadId}",
        ["multipart", _, "complete"] => "/v1/companion/s3/multipart/{uploadId}/complete",
        ["multipart", _, "batch"] => "/v1/companion/s3/multipart/{uploadId}/batch",
        ["multipart", _, _] => "/v1/companion/s3/multipart/{uploadId}/{partNumber}",
        _ => "/v1/companion",
    }
}

async fn admit<S, W, I: IdentityProviders>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    request: &Request<Vec<u8>>,
    token: Option<&str>,
) -> Result<Principal, ApiError> {
    let principal = match token {
        Some(token) => {
            let principal = authenticator.authenticate(token).await?;
            if principal.scopes != [Scope::Upload].into() {
                let detail = "a token in an address may have the scope files:upload and no other";
                return Err(ApiError::new(ErrorCode::Forbidden, detail));
            }
            principal
        }
        None => authenticator.authenticate(sent_along(op, request)?).await?,
    };
    // One request has one token, so nothing was there before.
    let _ = op.workspace.set(principal.workspace.clone());
    if !principal.scopes.contains(&Scope::Upload) {
        principal.require(Scope::Write)?;
    }
    Ok(principal)
}

/// The token that a request carries in its headers. A cookie goes along whoever makes the browser ask, so it counts only
/// where the browser says that a page asks which may.
fn sent_along<'a, S, W>(
    op: &OperationContext<'_, S, W>,
    request: &'a Request<Vec<u8>>,
) -> Result<&'a str, ApiError> {
    let headers: &HeaderMap = request.headers();
    let cookie = op.config.companion_cookie.as_deref();
    match cookie {
        Some(name) if !headers.contains_key(http::header::AUTHORIZATION) => {
            let token = cookie_value(headers, name)
                .ok_or_else(|| unauthenticated("the request has neither a bearer token nor the cookie"))?;
            match reply::caller(request, &op.config.allowed_origins) {
                Caller::Ours => Ok(token),
                Caller::Foreign => {
                    let detail = "pages of this origin may not upload here";
                    Err(ApiError::new(ErrorCode::Forbidden, detail))
                }
            }
        }
        _ => bearer_token(headers),
    }
}

/// A refusal as Companion tells it: `error` where the request is wrong, and the `message` that its clients show.
fn refused(error: ApiError, request_id: &str) -> Response<Vec<u8>> {
    let media_type = HeaderValue::from_static("application/json");
    reply::refused(error, request_id, media_type, |problem| {
        let Problem { code, detail, .. } = problem;
        let mut body = json!({ "message": detail, "code": code, "requestId": request_id });
        if *code == ErrorCode::InvalidRequest
            && let Some(members) = body.as_object_mut()
        {
            members.insert("error".to_owned(), json!(detail));
        }
        body.to_string().into_bytes()
    })
}
