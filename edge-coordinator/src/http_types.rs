//! The platform's requests and responses as plain ones, and back.

use futures_util::StreamExt;
use http::header::{HeaderName, HeaderValue};
use syncsphere_coordinator_core::{RequestBody, UnreadableBody};
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::Uint8Array;
use worker::{ByteStream, Error, Headers, Request, Response, ResponseBody, ResponseBuilder, Result, web_sys};

/// The request, whose body is still to be read.
pub(crate) fn plain_request(request: Request) -> Result<http::Request<PlatformBody>> {
    let inner = request.inner();
    let plain = http::Request::builder()
        .method(inner.method().as_str())
        .uri(inner.url());
    let mut headers = http::HeaderMap::new();
    copy_headers(request.headers(), &mut headers);
    let mut plain = plain.body(PlatformBody(request)).map_err(unreadable)?;
    *plain.headers_mut() = headers;
    Ok(plain)
}

/// The body of a request of the platform.
pub(crate) struct PlatformBody(Request);

impl RequestBody for PlatformBody {
    /// In one piece where its length is stated, which costs a third of the stream: the platform lets nobody send more than
    /// that. Otherwise at most one chunk more than `limit` bytes.
    async fn read(self, limit: usize) -> std::result::Result<Vec<u8>, UnreadableBody> {
        let Self(mut request) = self;
        if request.inner().body().is_none() {
            return Ok(Vec::new());
        }
        let read = match stated_length(request.headers()) {
            Some(length) if length <= limit => request.bytes().await,
            _ => match request.stream() {
                Ok(stream) => read_up_to(stream, limit).await,
                Err(error) => Err(error),
            },
        };
        read.map_err(|_| UnreadableBody)
    }
}

/// The body of an answer, in one piece where its length is stated, as bodies of requests are read. Otherwise at most one chunk
/// more than `limit` bytes.
pub(crate) async fn read_response(response: &mut Response, limit: usize) -> Result<Vec<u8>> {
    match stated_length(response.headers()) {
        Some(length) if length <= limit => read_whole(response).await,
        _ => match response.stream() {
            Ok(stream) => read_up_to(stream, limit).await,
            // There is none.
            Err(_) => Ok(Vec::new()),
        },
    }
}

/// The whole body of an answer, however large, in one piece. `Response::bytes` would go chunk by chunk.
pub(crate) async fn read_whole(response: &Response) -> Result<Vec<u8>> {
    let ResponseBody::Stream(stream) = response.body() else {
        return Ok(Vec::new());
    };
    let body = web_sys::Response::new_with_opt_readable_stream(Some(stream))?;
    let bytes = JsFuture::from(body.array_buffer()?).await?;
    Ok(Uint8Array::new(&bytes).to_vec())
}

/// The length of a body that comes as it is stated: one that is compressed on the way becomes longer.
fn stated_length(headers: &Headers) -> Option<usize> {
    if headers.has("content-encoding").ok()? {
        return None;
    }
    headers.get("content-length").ok()??.parse().ok()
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
async fn read_up_to(mut stream: ByteStream, limit: usize) -> Result<Vec<u8>> {
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
