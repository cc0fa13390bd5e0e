//! Who may speak to the endpoints that answer as Companion does, and how they are told that they may not.
//!
//! Their clients can set no header of ours, so a request is let in by a token in its address that is good for nothing else,
//! by a cookie of the page's own origin, or, where a client can set headers after all, by the usual one.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use serde_json::json;
use syncsphere_protocol::{ErrorCode, Problem};

use super::credentials::{bearer_token, cookie_value};
use super::reply::{self, Caller};
use crate::api_error::{ApiError, unauthenticated};
use crate::auth::{Authenticator, Principal, Scope};
use crate::operations::operation_context::OperationContext;
use crate::ports::IdentityProviders;

pub(super) async fn admit<S, W, I: IdentityProviders>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    head: &Parts,
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
        None => authenticator.authenticate(sent_along(op, head)?).await?,
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
fn sent_along<'a, S, W>(op: &OperationContext<'_, S, W>, head: &'a Parts) -> Result<&'a str, ApiError> {
    let headers: &HeaderMap = &head.headers;
    let cookie = op.config.companion_cookie.as_deref();
    match cookie {
        Some(name) if !headers.contains_key(http::header::AUTHORIZATION) => {
            let token = cookie_value(headers, name)
                .ok_or_else(|| unauthenticated("the request has neither a bearer token nor the cookie"))?;
            match reply::caller(head, &op.config.allowed_origins) {
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
pub(super) fn refused(error: ApiError, request_id: &str) -> Response<Vec<u8>> {
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
