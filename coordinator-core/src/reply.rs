//! Replies: JSON, problems, redirects, and the headers that all of them carry.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderName,
    HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use syncsphere_protocol::ErrorCode;

use crate::config::ConfigError;
use crate::refusal::{Refusal, internal, invalid};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Seconds that browsers may remember a preflight.
///
/// Source: the most that Chromium honours, `kMaxPreflightCacheTimeout`.
const PREFLIGHT_LIFE: HeaderValue = HeaderValue::from_static("7200");

/// For the log, never for the client: what lies behind a problem. Found among a response's
/// extensions. It holds no name, token or URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(pub String);

/// The reply of a coordinator that cannot start: it names the variable and no value.
pub fn misconfigured(error: &ConfigError, request_id: &str) -> Response<Vec<u8>> {
    let refusal = Refusal::new(ErrorCode::Internal, error.to_string()).because(error.to_string());
    finish(problem(refusal, request_id), request_id, None)
}

/// The reply to a request that a shell cannot even pass on.
pub fn unreadable(request_id: &str) -> Response<Vec<u8>> {
    let refusal = invalid("the request's address or headers cannot be read");
    finish(problem(refusal, request_id), request_id, None)
}

/// A JSON reply.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response<Vec<u8>>, Refusal> {
    let body = serde_json::to_vec(body).map_err(|error| internal(error.to_string()))?;
    Ok(respond(
        status,
        HeaderValue::from_static("application/json"),
        body,
    ))
}

/// A problem+json reply. Source: RFC 9457.
pub(crate) fn problem(refusal: Refusal, request_id: &str) -> Response<Vec<u8>> {
    let (mut problem, cause) = refusal.into_parts();
    problem.request_id = request_id.to_owned();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let media_type = HeaderValue::from_static("application/problem+json");
    let mut response = respond(status, media_type, body);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if problem.code == ErrorCode::Unauthenticated {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    if let Some(cause) = cause {
        response.extensions_mut().insert(Cause(cause));
    }
    response
}

/// A redirect that is not to be remembered.
pub(crate) fn redirect(to: &str) -> Result<Response<Vec<u8>>, Refusal> {
    let location = HeaderValue::from_str(to).map_err(|error| internal(error.to_string()))?;
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The answer to a CORS preflight; [`finish`] adds the origin where it is allowed.
pub(crate) fn preflight() -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, DELETE"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, idempotency-key"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFE);
    response
}

/// The request's origin, if pages from there may read replies. The comparison is exact.
pub(crate) fn allowed_origin(headers: &HeaderMap, allowed: &[String]) -> Option<String> {
    let origin = headers.get(ORIGIN)?.to_str().ok()?;
    allowed.iter().find(|allowed| *allowed == origin).cloned()
}

/// What every reply carries: the request's id, and nobody may store it or guess at its type.
pub(crate) fn finish(
    mut response: Response<Vec<u8>>,
    request_id: &str,
    origin: Option<&str>,
) -> Response<Vec<u8>> {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after, x-request-id"),
        );
    }
    response
}

fn respond(status: StatusCode, media_type: HeaderValue, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
