//! What is granted to whoever asks for a token. Source: RFC 6749.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
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

/// Characters of a guest's secret.
///
/// Source: own choice; the shortest hold 132 bits where they are random, the longest twice a SHA-512.
const GUEST_SECRET_LENGTH: RangeInclusive<usize> = 22..=128;

/// Most media types that a token is limited to. Source: own choice; with each a token stays well
/// below what headers hold.
const MAX_CONTENT_TYPES: usize = 32;

/// The outer error is a fault of the coordinator, the inner one the client's.
pub(crate) fn grant_token(
    request: &TokenRequest,
    auth: &AuthConfig,
    cx: &Context,
) -> Result<Result<TokenReply, TokenError>, ApiError> {
    let granted = match request.text("grant_type") {
        None => Err(invalid_token_request("the form field grant_type is missing")),
        Some(GUEST_GRANT) => guest(request, auth, cx),
        Some(CLIENT_GRANT) if !auth.clients.is_empty() => {
            request
                .credentials()
                .and_then(|(id, secret)| match auth.clients.authenticate(id, secret) {
                    Some(client) => minted(client, request, auth, cx),
                    None => Err(invalid_client(
                        "there is no such client, or this is not its secret",
                    )),
                })
        }
        Some(_) => {
            let description = "this grant type is not offered here";
            Err(token_error("unsupported_grant_type", description))
        }
    };
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

fn guest(request: &TokenRequest, auth: &AuthConfig, cx: &Context) -> Result<Principal, TokenError> {
    if !auth.guests {
        return Err(token_error("unauthorized_client", "guests are not allowed here"));
    }
    let scopes = request.scopes()?.unwrap_or(Scope::GUEST.into());
    if scopes.contains(&Scope::Admin) {
        return Err(token_error("invalid_scope", "guests are granted less than that"));
    }
    let workspace = workspace(request.text("workspace").unwrap_or(GUEST_WORKSPACE))?;
    let id = match request.guest_secret()? {
        Some(secret) => returning_guest(secret, &workspace),
        None => cx.id("guest", 0),
    };
    Ok(Principal {
        subject: Redacted(format!("guest-{id}")),
        workspace,
        scopes,
        limits: Limits::default(),
        expires_ms: expiry(auth.token_ttl, cx),
    })
}

/// Who is known again by this secret: 32 hexadecimal digits, of which nobody finds the secret. In each workspace others, so
/// that nobody sees who is the same.
fn returning_guest(secret: &Redacted<String>, workspace: &WorkspaceId) -> String {
    let digest = Sha256::new()
        .chain_update("syncsphere guest\n")
        .chain_update(workspace.to_string())
        .chain_update("\n")
        .chain_update(&secret.0)
        .finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A token for whom the backend names. It vouches for them, within what it may do itself.
fn minted(
    client: &Client,
    request: &TokenRequest,
    auth: &AuthConfig,
    cx: &Context,
) -> Result<Principal, TokenError> {
    let subject = request.text("sub").unwrap_or_default();
    if subject.is_empty() || subject.len() > MAX_SUBJECT_LENGTH {
        return Err(invalid_token_request(
            "the form field sub has to be 1 to 255 bytes",
        ));
    }
    let workspace = workspace(request.text("workspace").unwrap_or_default())?;
    if !client.may_open(&workspace) {
        let description = "this client mints no tokens for that workspace";
        return Err(token_error("unauthorized_client", description));
    }
    let scopes = request.scopes()?.unwrap_or_else(|| client.scopes.clone());
    if !scopes.is_subset(&client.scopes) {
        return Err(token_error("invalid_scope", "this client grants less than that"));
    }
    let lifetime = request
        .number("expires_in")?
        .map_or(auth.token_ttl, Duration::from_secs);
    if lifetime.is_zero() || lifetime > auth.token_ttl {
        return Err(invalid_token_request("tokens do not live so long, or not at all"));
    }
    Ok(Principal {
        subject: Redacted(subject.to_owned()),
        workspace,
        scopes,
        limits: Limits {
            max_file_size: request.number("max_file_size")?,
            max_bytes: request.number("max_bytes")?,
            content_types: request.content_types()?,
        },
        expires_ms: expiry(lifetime, cx),
    })
}

fn workspace(name: &str) -> Result<WorkspaceId, TokenError> {
    WorkspaceId::from_str(name)
        .map_err(|_| invalid_token_request("a workspace is 1 to 64 of A-Z, a-z, 0-9, _ and -"))
}

fn expiry(lifetime: Duration, cx: &Context) -> i64 {
    let lifetime_ms = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    cx.now_ms.saturating_add(lifetime_ms)
}

/// A request for a token: the fields of its form, and who its client says it is.
pub(crate) struct TokenRequest {
    fields: BTreeMap<String, String>,
    secret: Redacted<String>,
    guest_secret: Redacted<String>,
    header: ClientHeader,
}

/// What a request's `Authorization` header says of the client.
pub(crate) enum ClientHeader {
    Absent,
    /// Id and secret.
    Basic(String, Redacted<String>),
    /// Something that names no client.
    Other,
}

impl TokenRequest {
    /// Source: RFC 6749 section 3.2: an empty field is as absent.
    pub(crate) fn new(mut fields: BTreeMap<String, String>, header: ClientHeader) -> Self {
        fields.retain(|_, value| !value.is_empty());
        Self {
            secret: Redacted(fields.remove("client_secret").unwrap_or_default()),
            guest_secret: Redacted(fields.remove("guest_secret").unwrap_or_default()),
            fields,
            header,
        }
    }

    /// The client's id and secret, by header or by form, not both.
    ///
    /// Source: RFC 6749 section 2.3.1.
    fn credentials(&self) -> Result<(&str, &Redacted<String>), TokenError> {
        let has_secret = !self.secret.0.is_empty();
        match (&self.header, self.text("client_id")) {
            (ClientHeader::Absent, Some(id)) if has_secret => Ok((id, &self.secret)),
            (ClientHeader::Absent, _) => Err(invalid_client("the client has to name its id and secret")),
            _ if has_secret => Err(invalid_token_request("the client authenticates twice")),
            (ClientHeader::Basic(id, secret), _) => Ok((id, secret)),
            (ClientHeader::Other, _) => {
                let description = "the Authorization header holds no client's credentials";
                Err(invalid_client(description))
            }
        }
    }

    /// What a guest wants to be known again by.
    fn guest_secret(&self) -> Result<Option<&Redacted<String>>, TokenError> {
        let secret = &self.guest_secret.0;
        if secret.is_empty() {
            return Ok(None);
        }
        let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !GUEST_SECRET_LENGTH.contains(&secret.len()) || !secret.bytes().all(is_sound) {
            return Err(invalid_token_request(
                "guest_secret has to be 22 to 128 random characters of A-Z, a-z, 0-9, _ and -",
            ));
        }
        Ok(Some(&self.guest_secret))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, TokenError> {
        let number = self.text(name).map(u64::from_str).transpose();
        number.map_err(|_| invalid_token_request("a form field that is a number is none"))
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
            return Err(invalid_token_request(
                "content_types are at most 32 media types such as image/png or video/*",
            ));
        }
        Ok(Some(types))
    }
}

pub(crate) fn invalid_token_request(description: &str) -> TokenError {
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
