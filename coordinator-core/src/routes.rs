//! Which operation answers which request. Authentication comes before the body is looked at, and
//! the body's size before its content.

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::de::DeserializeOwned;
use syncsphere_protocol::{ErrorCode, FileId, FileStatus, Timestamp, UploadId};

use crate::api_error::{ApiError, invalid, not_found};
use crate::auth::{Authenticator, Principal, Scope, bearer_token, grant_token};
use crate::companion;
use crate::coordinator::MAX_BODY_BYTES;
use crate::ledger::Listing;
use crate::operations::{
    OperationContext, changes, complete, content, database, files, health, initiate, sign_parts, uploads,
    uppy,
};
use crate::policy;
use crate::ports::{IdentityProviders, Storage, Workspaces};
use crate::reply::{json, json_text, redirect};

/// The API's description. `tests/openapi.rs` holds it to the wire types.
const OPENAPI: &str = include_str!("../openapi.json");

/// Largest body of a token request, in bytes. Source: own choice; three short form fields.
const MAX_FORM: usize = 8 * 1024;

/// Largest body of initiate, in bytes.
///
/// Source: 100 files with the longest name, folder and a few metadata come to about 300 KB.
const MAX_INITIATE: usize = 1024 * 1024;

/// Largest body of a signing request, in bytes. Source: a ticket and 100 parts of 60 bytes.
const MAX_SIGNING: usize = 64 * 1024;

/// Entries on a page where the client names no number, and the most it may ask for.
/// Source: own choice; a thousand records of some 700 bytes are a good answer's size.
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// Largest number that JavaScript and SQLite's binding hold exactly (2^53 - 1).
pub(crate) const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// The reply to a request, or why there is none.
pub(crate) async fn dispatch<S: Storage, W: Workspaces, I: IdentityProviders>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, ApiError> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let method = request.method().clone();
    let ok = StatusCode::OK;
    match segments.as_slice() {
        ["openapi.json"] => {
            allow(&method, &[Method::GET])?;
            Ok(json_text(OPENAPI))
        }
        ["healthz"] => {
            allow(&method, &[Method::GET])?;
            json(ok, &health::check(op).await?)
        }
        [".well-known", "jwks.json"] => {
            allow(&method, &[Method::GET])?;
            json(ok, &op.config.auth.keys.jwks())
        }
        ["v1", "auth", "token"] => {
            allow(&method, &[Method::POST])?;
            token(op, &request)
        }
        ["v1", "uploads"] => {
            allow(&method, &[Method::POST])?;
            let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
            let key = initiate::idempotency_key(request.headers())?;
            let body = body(&request, MAX_INITIATE)?;
            json(ok, &initiate::initiate(op, &principal, body, key).await?)
        }
        ["v1", "uploads", "complete"] => {
            allow(&method, &[Method::POST])?;
            let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
            let body = parsed(body(&request, MAX_BODY_BYTES)?)?;
            json(ok, &complete::complete_batch(op, &principal, &body).await?)
        }
        ["v1", "uploads", id] => {
            allow(&method, &[Method::GET, Method::DELETE])?;
            let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
            let id = upload_id(id)?;
            if method == Method::DELETE {
                json(ok, &uploads::abort(op, &principal.workspace, &id).await?)
            } else {
                json(ok, &uploads::status(op, &principal, &id).await?)
            }
        }
        ["v1", "uploads", id, "parts"] => {
            allow(&method, &[Method::POST])?;
            let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
            let id = upload_id(id)?;
            let body = parsed(body(&request, MAX_SIGNING)?)?;
            json(ok, &sign_parts::sign_parts(op, &principal, &id, &body)?)
        }
        ["v1", "uploads", id, "complete"] => {
            allow(&method, &[Method::POST])?;
            let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
            let id = upload_id(id)?;
            let body = parsed(body(&request, MAX_BODY_BYTES)?)?;
            json(ok, &complete::complete(op, &principal, &id, &body).await?)
        }
        ["v1", "files"] => {
            allow(&method, &[Method::GET])?;
            let principal = authenticate(op, authenticator, &request, Scope::Read).await?;
            let query = Query::of(request.uri())?;
            json(ok, &files::list(op, &principal, query.listing()?).await?)
        }
        ["v1", "files", id] => {
            allow(&method, &[Method::GET, Method::DELETE])?;
            if method == Method::DELETE {
                let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
                json(ok, &files::delete(op, &principal, &file_id(id)?).await?)
            } else {
                let principal = authenticate(op, authenticator, &request, Scope::Read).await?;
                json(ok, &files::get(op, &principal, &file_id(id)?).await?)
            }
        }
        ["v1", "files", id, "content"] => {
            allow(&method, &[Method::GET])?;
            let principal = authenticate(op, authenticator, &request, Scope::Read).await?;
            let link = content::link(op, &principal, &file_id(id)?).await?;
            if wants_json(&request) {
                json(ok, &link)
            } else {
                redirect(&link.url)
            }
        }
        ["v1", "changes"] => {
            allow(&method, &[Method::GET])?;
            let principal = authenticate(op, authenticator, &request, Scope::Read).await?;
            let query = Query::of(request.uri())?;
            let since = query.number("since")?.unwrap_or(0);
            json(ok, &changes::page(op, &principal, since, query.limit()?).await?)
        }
        ["v1", "database"] => {
            allow(&method, &[Method::GET])?;
            let principal = authenticate(op, authenticator, &request, Scope::Admin).await?;
            json(ok, &database::status(op, &principal).await?)
        }
        ["v1", "database", "rebuild"] => {
            allow(&method, &[Method::POST])?;
            let principal = authenticate(op, authenticator, &request, Scope::Admin).await?;
            json(ok, &database::rebuild(op, &principal).await?)
        }
        ["v1", "s3", "sign"] => {
            allow(&method, &[Method::POST])?;
            let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
            let key = initiate::idempotency_key(request.headers())?;
            let body = body(&request, MAX_SIGNING)?;
            json(ok, &uppy::sign::sign(op, &principal, body, key).await?)
        }
        ["v1", "s3", "calls", permission] => Ok(uppy::calls::answer(op, &request, permission).await),
        ["v1", "companion", "token"] => {
            allow(&method, &[Method::POST])?;
            let principal = authenticate(op, authenticator, &request, Scope::Write).await?;
            let body = body(&request, MAX_FORM)?;
            json(ok, &uppy::token::token(op, &principal, body)?)
        }
        ["v1", "companion", "s3", path @ ..] => {
            Ok(companion::answer(op, authenticator, &request, None, path).await)
        }
        ["v1", "companion", token, "s3", path @ ..] => {
            Ok(companion::answer(op, authenticator, &request, Some(token), path).await)
        }
        // Shells take WebSockets to `Coordinator::authorize_listener`; this is not one.
        ["v1", "events"] => {
            allow(&method, &[Method::GET])?;
            authenticate(op, authenticator, &request, Scope::Read).await?;
            Query::of(request.uri())?.number("since")?;
            Err(invalid("this endpoint speaks WebSocket").with_status(426))
        }
        _ => Err(not_found("there is no such endpoint")),
    }
}

/// A path as `docs/api.md` writes it, with the ids' names in their places; empty where there is no
/// such endpoint.
pub(crate) fn template(path: &str) -> &'static str {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["openapi.json"] => "/openapi.json",
        ["healthz"] => "/healthz",
        [".well-known", "jwks.json"] => "/.well-known/jwks.json",
        ["v1", "auth", "token"] => "/v1/auth/token",
        ["v1", "uploads"] => "/v1/uploads",
        ["v1", "uploads", "complete"] => "/v1/uploads/complete",
        ["v1", "uploads", _] => "/v1/uploads/{uploadId}",
        ["v1", "uploads", _, "parts"] => "/v1/uploads/{uploadId}/parts",
        ["v1", "uploads", _, "complete"] => "/v1/uploads/{uploadId}/complete",
        ["v1", "files"] => "/v1/files",
        ["v1", "files", _] => "/v1/files/{fileId}",
        ["v1", "files", _, "content"] => "/v1/files/{fileId}/content",
        ["v1", "changes"] => "/v1/changes",
        ["v1", "events"] => "/v1/events",
        ["v1", "database"] => "/v1/database",
        ["v1", "database", "rebuild"] => "/v1/database/rebuild",
        ["v1", "s3", "sign"] => "/v1/s3/sign",
        ["v1", "s3", "calls", _] => "/v1/s3/calls/{permission}",
        ["v1", "companion", "token"] => "/v1/companion/token",
        ["v1", "companion", "s3", path @ ..] | ["v1", "companion", _, "s3", path @ ..] => {
            companion::template(path)
        }
        _ => "",
    }
}

/// A request's query, with each name at most once.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(invalid("a query parameter comes twice"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| *number <= MAX_SAFE_INTEGER);
        number
            .map(Some)
            .ok_or_else(|| invalid(format!("the query parameter {name} is no whole number")))
    }

    fn limit(&self) -> Result<u32, ApiError> {
        let Some(number) = self.number("limit")? else {
            return Ok(DEFAULT_PAGE);
        };
        u32::try_from(number)
            .ok()
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| invalid(format!("limit is a number from 1 to {MAX_PAGE}")))
    }

    fn listing(&self) -> Result<Listing, ApiError> {
        let name_prefix = self.text("name").map(policy::name_prefix).transpose()?;
        let by_name = name_prefix.is_some();
        let after = self
            .text("cursor")
            .map(|cursor| files::position_of(cursor, by_name));
        Ok(Listing {
            statuses: self.statuses()?,
            path: self.text("path").map(policy::folder).transpose()?,
            name_prefix,
            created_from: self.time("createdFrom")?,
            created_before: self.time("createdBefore")?,
            after: after.transpose()?,
            limit: self.limit()?,
        })
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let time = self.text(name).map(str::parse).transpose();
        time.map_err(|_| {
            invalid(format!(
                "the query parameter {name} is no time as RFC 3339 writes it"
            ))
        })
    }

    fn statuses(&self) -> Result<Vec<FileStatus>, ApiError> {
        const ALL: [FileStatus; 5] = [
            FileStatus::Uploading,
            FileStatus::Available,
            FileStatus::Aborted,
            FileStatus::Expired,
            FileStatus::Deleted,
        ];
        let Some(text) = self.text("status") else {
            return Ok(vec![FileStatus::Uploading, FileStatus::Available]);
        };
        text.split(',')
            .map(|name| {
                let found = ALL.into_iter().find(|status| status.as_str() == name);
                found.ok_or_else(|| invalid("status is uploading, available, aborted, expired or deleted"))
            })
            .collect()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Parses a JSON body.
pub(crate) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    /// Most characters of the parser's reason that are passed on. Source: own choice.
    const MAX_COMPLAINT: usize = 200;
    serde_json::from_slice(body).map_err(|error| {
        let reason: String = error.to_string().chars().take(MAX_COMPLAINT).collect();
        invalid(format!("the body is not as this endpoint expects it: {reason}"))
    })
}

fn token<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, ApiError> {
    let form = body(request, MAX_FORM)?;
    match grant_token(request.headers(), form, &op.config.auth, op.cx)? {
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

async fn authenticate<S, W, I: IdentityProviders>(
    op: &OperationContext<'_, S, W>,
    authenticator: &Authenticator<'_, I>,
    request: &Request<Vec<u8>>,
    scope: Scope,
) -> Result<Principal, ApiError> {
    let token = bearer_token(request.headers())?;
    let principal = authenticator.authenticate(token).await?;
    // One request has one token, so nothing was there before.
    let _ = op.workspace.set(principal.workspace.clone());
    principal.require(scope)?;
    Ok(principal)
}

pub(crate) fn body(request: &Request<Vec<u8>>, limit: usize) -> Result<&[u8], ApiError> {
    if request.body().len() > limit {
        return Err(invalid(format!("the body is larger than {limit} bytes")));
    }
    Ok(request.body())
}

pub(crate) fn allow(method: &Method, allowed: &[Method]) -> Result<(), ApiError> {
    if allowed.contains(method) {
        Ok(())
    } else {
        Err(ApiError::new(
            ErrorCode::InvalidRequest,
            "this endpoint does not know the request's method",
        )
        .with_status(405)
        .allowing(allowed))
    }
}

fn wants_json(request: &Request<Vec<u8>>) -> bool {
    let accept = request.headers().get(http::header::ACCEPT);
    accept
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.split(',').any(|kind| kind.trim() == "application/json"))
}

fn upload_id(text: &str) -> Result<UploadId, ApiError> {
    text.parse()
        .map_err(|_| not_found("there is no such upload in this workspace"))
}

fn file_id(text: &str) -> Result<FileId, ApiError> {
    text.parse()
        .map_err(|_| not_found("there is no such file in this workspace"))
}
