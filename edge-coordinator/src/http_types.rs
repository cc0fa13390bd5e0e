//! The platform's requests and responses as plain ones, and back.

use futures_util::StreamExt;
use http::header::{HeaderName, HeaderValue};
use worker::{ByteStream, Error, Headers, Request, Response, ResponseBuilder, Result};

/// The request with at most `limit` bytes and one chunk of its body: what is longer is cut off and
/// still longer than `limit`.
pub(crate) async fn plain_request(request: &mut Request, limit: usize) -> Result<http::Request<Vec<u8>>> {
    let inner = request.inner();
    let mut plain = http::Request::builder()
        .method(inner.method().as_str())
        .uri(inner.url())
        .body(Vec::new())
        .map_err(unreadable)?;
    copy_headers(request.headers(), plain.headers_mut());
    if inner.body().is_some() {
        *plain.body_mut() = match stated_length(plain.headers()) {
            // In one piece, which costs a third of the stream. The platform lets nobody send more than he states.
            Some(length) if length <= limit => request.bytes().await?,
            _ => read_up_to(request.stream()?, limit).await?,
        };
    }
    Ok(plain)
}

fn stated_length(headers: &http::HeaderMap) -> Option<usize> {
    headers
        .get(http::header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The response as the platform sends it.
pub(crate) fn platform_response(response: http::Response<Vec<u8>>) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let headers = Headers::new();
    for (name, value) in &parts.headers {
        headers.append(name.as_str(), value.to_str().map_err(unreadable)?)?;
    }
    let builder = ResponseBuilder::new()
        .with_status(parts.status.as_u16())
        .with_headers(headers);
    Ok(match body.is_empty() {
        true => builder.empty(),
        false => builder.fixed(body),
    })
}

/// Copies headers; one that no HTTP library would take is left out.
pub(crate) fn copy_headers(from: &Headers, to: &mut http::HeaderMap) {
    for (name, value) in from.entries() {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            to.append(name, value);
        }
    }
}

/// The stream's bytes, until there are more than `limit`.
pub(crate) async fn read_up_to(mut stream: ByteStream, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() <= limit
        && let Some(chunk) = stream.next().await
    {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

fn unreadable(error: impl std::error::Error) -> Error {
    Error::RustError(error.to_string())
}
