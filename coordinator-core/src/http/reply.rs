//! Replies: JSON, problems, redirects, and the headers that all of them carry.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY,
    RETRY_AFTER, STRICT_TRANSPORT_SECURITY, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use serde::Serialize;
use syncsphere_protocol::{ErrorCode, Problem, WorkspaceId};

use crate::api_error::{ApiError, internal, invalid};
use crate::config::{AllowedOrigins, ConfigError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Browsers come by HTTPS alone for a year; they take it to heart only when it came by HTTPS.
/// Source: RFC 6797.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// No reply of the API is a page.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Seconds that browsers may remember a preflight.
///
/// Source: the most that Chromium honours, `kMaxPreflightCacheTimeout`.
const PREFLIGHT_LIFE: HeaderValue = HeaderValue::from_static("7200");

/// For the log, never for the client: what lies behind a problem. Found among a response's
/// extensions. It holds no name, token or URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(pub String);

/// For the log: what a request was about. Found among a response's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFields {
    /// The endpoint's path as `docs/api.md` writes it; empty where there is no such endpoint.
    pub route: &'static str,
    /// Whose workspace, once the token has told.
    pub workspace: Option<WorkspaceId>,
}

/// The reply of a coordinator that cannot start: it names the variable and no value.
pub fn misconfigured(error: &ConfigError, request_id: &str) -> Response<Vec<u8>> {
    let error = ApiError::new(ErrorCode::Internal, error.to_string()).because(error.to_string());
    finish(problem(error, request_id), request_id, None)
}

/// The reply to a request that a shell cannot even pass on.
pub fn unreadable(request_id: &str) -> Response<Vec<u8>> {
    let error = invalid("the request's address or headers cannot be read");
    finish(problem(error, request_id), request_id, None)
}

/// A JSON reply.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response<Vec<u8>>, ApiError> {
    let body = serde_json::to_vec(body).map_err(|error| internal(error.to_string()))?;
    Ok(respond(
        status,
        HeaderValue::from_static("application/json"),
        body,
    ))
}

/// A JSON reply that is text already.
pub(crate) fn json_text(body: &str) -> Response<Vec<u8>> {
    respond(
        StatusCode::OK,
        HeaderValue::from_static("application/json"),
        body.as_bytes().to_vec(),
    )
}

/// A problem+json reply. Source: RFC 9457.
pub(crate) fn problem(error: ApiError, request_id: &str) -> Response<Vec<u8>> {
    let media_type = HeaderValue::from_static("application/problem+json");
    refused(error, request_id, media_type, |problem| {
        serde_json::to_vec(problem).unwrap_or_default()
    })
}

/// The reply to what is refused, in the form that `write` gives it: besides its body, all refusals are told alike.
pub(crate) fn refused(
    error: ApiError,
    request_id: &str,
    media_type: HeaderValue,
    write: impl FnOnce(&Problem) -> Vec<u8>,
) -> Response<Vec<u8>> {
    let allowed = error.allowed_methods().map(HeaderValue::from_str);
    let (mut problem, cause) = error.into_parts();
    problem.request_id = request_id.to_owned();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, media_type, write(&problem));
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    // Source: RFC 9110 section 15.5.6: a 405 has to name them.
    if let Some(Ok(allowed)) = allowed {
        response.headers_mut().insert(ALLOW, allowed);
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
pub(crate) fn redirect(to: &str) -> Result<Response<Vec<u8>>, ApiError> {
    let location = HeaderValue::from_str(to).map_err(|error| internal(error.to_string()))?;
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The answer to a CORS preflight; [`finish`] adds the origin where it is allowed.
pub(crate) fn preflight(route: &str, methods: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(match is_companion(route) {
            false => "authorization, content-type, idempotency-key",
            // What its clients may send; of ours they know none.
            true => "authorization, content-type, uppy-auth-token, uppy-credentials-params",
        }),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFE);
    response
}

/// The request's origin, if pages from there may read replies. The comparison is exact.
pub(crate) fn allowed_origin(headers: &HeaderMap, allowed: &AllowedOrigins) -> Option<String> {
    let origin = headers.get(ORIGIN)?.to_str().ok()?;
    allowed.contains(origin).then(|| origin.to_owned())
}

/// Whether a page may open a WebSocket here: our own site's may, and those of the allowed origins.
/// Who names no origin is no browser.
pub(crate) fn may_connect<B>(request: &Request<B>, allowed: &AllowedOrigins) -> bool {
    match request.headers().get(ORIGIN) {
        None => true,
        Some(origin) => is_ours(origin, request.uri(), request.headers(), allowed),
    }
}

/// Whose page makes a browser ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Our own site's, or one of an allowed origin.
    Ours,
    /// Another's, or nobody knows whose.
    Foreign,
}

/// Whose page makes a browser ask with cookies. A reading request of one's own origin names no origin; browsers tell then
/// by `Sec-Fetch-Site`.
///
/// Source: <https://www.w3.org/TR/fetch-metadata/>
pub(crate) fn caller(head: &Parts, allowed: &AllowedOrigins) -> Caller {
    let is_ours = match head.headers.get(ORIGIN) {
        Some(origin) => is_ours(origin, &head.uri, &head.headers, allowed),
        None => head
            .headers
            .get("sec-fetch-site")
            .is_some_and(|site| site.as_bytes() == b"same-origin"),
    };
    match is_ours {
        true => Caller::Ours,
        false => Caller::Foreign,
    }
}

fn is_ours(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap, allowed: &AllowedOrigins) -> bool {
    let own = uri.authority().map(Authority::as_str);
    let own = own.or(headers.get(HOST).and_then(|host| host.to_str().ok()));
    // Of our own origin the host counts: what ends TLS may stand before the worker.
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let is_own = host.is_some_and(|(_, host)| Some(host) == own);
    is_own || allowed_origin(headers, allowed).is_some()
}

/// What every reply carries: the request's id, and nobody may store it, guess at its type, or show
/// it as a page.
pub(crate) fn finish(
    mut response: Response<Vec<u8>>,
    request_id: &str,
    origin: Option<&str>,
) -> Response<Vec<u8>> {
    let route = response.extensions().get::<LogFields>();
    let with_cookies = route.is_some_and(|log_fields| is_companion(log_fields.route));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    headers.insert(CONTENT_SECURITY_POLICY, NO_PAGE);
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if with_cookies {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after, x-request-id"),
        );
    }
    response
}

fn is_companion(route: &str) -> bool {
    route.starts_with("/v1/companion")
}

fn respond(status: StatusCode, media_type: HeaderValue, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
