//! The token endpoint. Source: RFC 6749.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use syncsphere_protocol::{Redacted, TokenError, TokenReply, WorkspaceId};

use super::auth_config::AuthConfig;
use super::clients::Client;
use super::limits::Limits;
use super::principal::{MAX_SUBJECT_LENGTH, Principal};
use super::scope::Scope;
use crate::api_error::ApiError;
use crate::context::Context;
use crate::policy;

/// The grant that lets anybody in, where the operator has switched it on.
const GUEST_GRANT: &str = "urn:syncsphere:guest";

/// The grant by which a backend gets tokens for its users. Source: RFC 6749 section 4.4.
const CLIENT_GRANT: &str = "client_credentials";

/// The workspace of guests who name none. Source: the contract, `docs/api.md`.
const GUEST_WORKSPACE: &str = "demo";

/// Most media types that a token is limited to. Source: own choice; with each a token stays well
/// below what headers hold.
const MAX_CONTENT_TYPES: usize = 32;

/// Answers a token request with the form fields of `body`.
///
/// The outer error is a fault of the coordinator, the inner one the client's.
pub(crate) fn grant_token(
    headers: &HeaderMap,
    body: &[u8],
    auth: &AuthConfig,
    cx: &Context,
) -> Result<Result<TokenReply, TokenError>, ApiError> {
    let granted = Form::parse(body).and_then(|form| match form.text("grant_type") {
        None => Err(wrong("the form field grant_type is missing")),
        Some(GUEST_GRANT) => guest(&form, auth, cx),
        Some(CLIENT_GRANT) if !auth.clients.is_empty() => {
            let (id, secret) = credentials(headers, &form)?;
            match auth.clients.authenticate(&id, &secret) {
                Some(client) => minted(client, &form, auth, cx),
                None => Err(invalid_client(
                    "there is no such client, or this is not its secret",
                )),
            }
        }
        Some(_) => {
            let description = "this grant type is not offered here";
            Err(token_error("unsupported_grant_type", description))
        }
    });
    let principal = match granted {
        Ok(principal) => principal,
        Err(error) => return Ok(Err(error)),
    };
    let scope: Vec<_> = principal.scopes.iter().map(|scope| scope.as_str()).collect();
    let lifetime_ms = principal.expires_ms.saturating_sub(cx.now_ms);
    Ok(Ok(TokenReply {
        scope: scope.join(" "),
        token_type: "Bearer".to_owned(),
        expires_in: u64::try_from(lifetime_ms.div_euclid(1000)).unwrap_or(0),
        workspace: principal.workspace.clone(),
        access_token: principal.into_token(auth, cx.now_ms)?,
    }))
}

fn guest(form: &Form, auth: &AuthConfig, cx: &Context) -> Result<Principal, TokenError> {
    if !auth.guests {
        return Err(token_error("unauthorized_client", "guests are not allowed here"));
    }
    let scopes = form.scopes()?.unwrap_or(Scope::GUEST.into());
    if scopes.contains(&Scope::Admin) {
        return Err(token_error("invalid_scope", "guests are granted less than that"));
    }
    Ok(Principal {
        subject: Redacted(format!("guest-{}", cx.id("guest", 0))),
        workspace: workspace(form.text("workspace").unwrap_or(GUEST_WORKSPACE))?,
        scopes,
        limits: Limits::default(),
        expires_ms: expiry(auth.token_ttl, cx),
    })
}

/// A token for whom the backend names. It vouches for them, within what it may do itself.
fn minted(client: &Client, form: &Form, auth: &AuthConfig, cx: &Context) -> Result<Principal, TokenError> {
    let subject = form.text("sub").unwrap_or_default();
    if subject.is_empty() || subject.len() > MAX_SUBJECT_LENGTH {
        return Err(wrong("the form field sub has to be 1 to 255 bytes"));
    }
    let workspace = workspace(form.text("workspace").unwrap_or_default())?;
    if !client.may_open(&workspace) {
        let description = "this client mints no tokens for that workspace";
        return Err(token_error("unauthorized_client", description));
    }
    let scopes = form.scopes()?.unwrap_or_else(|| client.scopes.clone());
    if !scopes.is_subset(&client.scopes) {
        return Err(token_error("invalid_scope", "this client grants less than that"));
    }
    let lifetime = form
        .number("expires_in")?
        .map_or(auth.token_ttl, Duration::from_secs);
    if lifetime.is_zero() || lifetime > auth.token_ttl {
        return Err(wrong("tokens do not live so long, or not at all"));
    }
    Ok(Principal {
        subject: Redacted(subject.to_owned()),
        workspace,
        scopes,
        limits: Limits {
            max_file_size: form.number("max_file_size")?,
            max_bytes: form.number("max_bytes")?,
            content_types: form.content_types()?,
        },
        expires_ms: expiry(lifetime, cx),
    })
}

/// Who the client says it is: by HTTP Basic or by form fields, not both.
///
/// Source: RFC 6749 section 2.3.1.
fn credentials(headers: &HeaderMap, form: &Form) -> Result<(String, Redacted<String>), TokenError> {
    let fields = (form.text("client_id"), form.text("client_secret"));
    if let Some(header) = headers.get(AUTHORIZATION) {
        if fields.1.is_some() {
            return Err(wrong("the client authenticates twice"));
        }
        let basic = header.to_str().ok().and_then(basic_credentials);
        return basic.ok_or_else(|| invalid_client("the Authorization header holds no client's credentials"));
    }
    match fields {
        (Some(id), Some(secret)) => Ok((id.to_owned(), secret.into())),
        _ => Err(invalid_client("the client has to name its id and secret")),
    }
}

fn basic_credentials(header: &str) -> Option<(String, Redacted<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id), Redacted(form_decoded(secret))))
}

/// Source: RFC 6749 section 2.3.1, both are form encoded before they are joined.
fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}

fn workspace(name: &str) -> Result<WorkspaceId, TokenError> {
    WorkspaceId::from_str(name).map_err(|_| wrong("a workspace is 1 to 64 of A-Z, a-z, 0-9, _ and -"))
}

fn expiry(lifetime: Duration, cx: &Context) -> i64 {
    let lifetime_ms = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    cx.now_ms.saturating_add(lifetime_ms)
}

/// The fields of a token request.
struct Form(BTreeMap<String, String>);

impl Form {
    /// Source: RFC 6749 section 3.2: no parameter may come twice, and an empty one is as absent.
    fn parse(body: &[u8]) -> Result<Self, TokenError> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(wrong("a form field comes twice"));
            }
        }
        fields.retain(|_, value| !value.is_empty());
        Ok(Self(fields))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, TokenError> {
        let number = self.text(name).map(u64::from_str).transpose();
        number.map_err(|_| wrong("a form field that is a number is none"))
    }

    fn words(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        let text = self.text(name)?;
        Some(text.split(' ').filter(|word| !word.is_empty()))
    }

    fn scopes(&self) -> Result<Option<BTreeSet<Scope>>, TokenError> {
        let named =
            |name| Scope::named(name).ok_or_else(|| token_error("invalid_scope", "there is no such scope"));
        self.words("scope")
            .map(|names| names.map(named).collect())
            .transpose()
    }

    fn content_types(&self) -> Result<Option<Vec<String>>, TokenError> {
        let Some(words) = self.words("content_types") else {
            return Ok(None);
        };
        let types: Vec<_> = words.map(str::to_owned).collect();
        if types.len() > MAX_CONTENT_TYPES || !types.iter().all(|range| policy::is_media_range(range)) {
            return Err(wrong(
                "content_types are at most 32 media types such as image/png or video/*",
            ));
        }
        Ok(Some(types))
    }
}

fn wrong(description: &str) -> TokenError {
    token_error("invalid_request", description)
}

fn invalid_client(description: &str) -> TokenError {
    token_error("invalid_client", description)
}

fn token_error(error: &str, description: &str) -> TokenError {
    TokenError {
        error: error.to_owned(),
        error_description: description.to_owned(),
    }
}
