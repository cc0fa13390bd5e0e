//! The token endpoint. Source: RFC 6749.

use std::collections::BTreeMap;

use syncsphere_protocol::{Redacted, TokenError, TokenReply, WorkspaceId};

use super::bearer::{Principal, Scope};
use crate::config::AuthConfig;
use crate::coordinator::Context;
use crate::refusal::Refusal;

/// The grant that lets anybody in, where the operator has switched it on.
const GUEST_GRANT: &str = "urn:syncsphere:guest";

/// The workspace of guests who name none. Source: the contract, `docs/api.md`.
const GUEST_WORKSPACE: &str = "demo";

/// Answers a token request with the form fields of `body`.
///
/// The outer error is a fault of the coordinator, the inner one the client's.
pub(crate) fn grant_token(
    body: &[u8],
    auth: &AuthConfig,
    cx: &Context,
) -> Result<Result<TokenReply, TokenError>, Refusal> {
    let form = match form_fields(body) {
        Ok(form) => form,
        Err(description) => return Ok(Err(token_error("invalid_request", description))),
    };
    match form.get("grant_type").map(String::as_str) {
        None => Ok(Err(token_error(
            "invalid_request",
            "the form field grant_type is missing",
        ))),
        Some(GUEST_GRANT) => grant_guest(&form, auth, cx),
        Some(_) => Ok(Err(token_error(
            "unsupported_grant_type",
            "this grant type is not offered here",
        ))),
    }
}

fn grant_guest(
    form: &BTreeMap<String, String>,
    auth: &AuthConfig,
    cx: &Context,
) -> Result<Result<TokenReply, TokenError>, Refusal> {
    if !auth.guests {
        return Ok(Err(token_error(
            "unauthorized_client",
            "guests are not allowed here",
        )));
    }
    let workspace = form.get("workspace").map_or(GUEST_WORKSPACE, String::as_str);
    let Ok(workspace) = workspace.parse::<WorkspaceId>() else {
        return Ok(Err(token_error(
            "invalid_request",
            "a workspace is 1 to 64 of A-Z, a-z, 0-9, _ and -",
        )));
    };
    let scopes = match form.get("scope") {
        None => Scope::ALL.into(),
        Some(wanted) => {
            let known = |name: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
            match wanted
                .split(' ')
                .filter(|name| !name.is_empty())
                .map(known)
                .collect()
            {
                Some(scopes) => scopes,
                None => return Ok(Err(token_error("invalid_scope", "there is no such scope"))),
            }
        }
    };
    let principal = Principal {
        subject: Redacted(format!("guest-{}", cx.id("guest", 0))),
        workspace: workspace.clone(),
        scopes,
        max_file_size: None,
        expires_ms: cx
            .now_ms
            .saturating_add(i64::try_from(auth.token_ttl.as_millis()).unwrap_or(i64::MAX)),
    };
    let scope: Vec<_> = principal.scopes.iter().map(|scope| scope.as_str()).collect();
    Ok(Ok(TokenReply {
        scope: scope.join(" "),
        token_type: "Bearer".to_owned(),
        expires_in: auth.token_ttl.as_secs(),
        workspace,
        access_token: principal.into_token(auth, cx.now_ms)?,
    }))
}

/// Source: RFC 6749 section 3.2: no parameter may come twice.
fn form_fields(body: &[u8]) -> Result<BTreeMap<String, String>, &'static str> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err("a form field comes twice");
        }
    }
    Ok(fields)
}

fn token_error(error: &str, description: &str) -> TokenError {
    TokenError {
        error: error.to_owned(),
        error_description: description.to_owned(),
    }
}
