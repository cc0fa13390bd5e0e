//! Requests that leave the worker, over the platform's `fetch`.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use worker::js_sys::Uint8Array;
use worker::{
    AbortController, AbortSignal, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
    Result,
};

use crate::http_types::{copy_headers, read_response};

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchFailure {
    Unreachable,
    TimedOut,
    TooLarge,
}

/// Sends a request and gives the whole answer, of at most `reply_limit` bytes and within `timeout`.
pub(crate) async fn send(
    request: http::Request<Vec<u8>>,
    timeout: Duration,
    reply_limit: usize,
) -> std::result::Result<http::Response<Vec<u8>>, FetchFailure> {
    let controller = AbortController::default();
    let signal = controller.signal();
    let exchange = pin!(exchange(request, &signal, reply_limit));
    let deadline = pin!(Delay::from(timeout));
    match select(exchange, deadline).await {
        Either::Left((Ok(response), _)) if response.body().len() > reply_limit => {
            controller.abort();
            Err(FetchFailure::TooLarge)
        }
        Either::Left((Ok(response), _)) => Ok(response),
        Either::Left((Err(_), _)) => Err(FetchFailure::Unreachable),
        Either::Right(((), _)) => {
            controller.abort();
            Err(FetchFailure::TimedOut)
        }
    }
}

/// Sends a request and gives the answer's status, within `timeout`. Its body is not read.
pub(crate) async fn status(
    request: http::Request<Vec<u8>>,
    timeout: Duration,
) -> std::result::Result<http::StatusCode, FetchFailure> {
    let controller = AbortController::default();
    let signal = controller.signal();
    let answered = pin!(answered(request, &signal));
    let outcome = match select(answered, pin!(Delay::from(timeout))).await {
        Either::Left((answered, _)) => answered.map_err(|_| FetchFailure::Unreachable),
        Either::Right(((), _)) => Err(FetchFailure::TimedOut),
    };
    // Of the answer, too, nothing is waited for any more.
    controller.abort();
    outcome
}

async fn answered(request: http::Request<Vec<u8>>, signal: &AbortSignal) -> Result<http::StatusCode> {
    let response = Fetch::Request(platform_request(request)?)
        .send_with_signal(signal)
        .await?;
    http::StatusCode::from_u16(response.status_code())
        .map_err(|error| worker::Error::RustError(error.to_string()))
}

async fn exchange(
    request: http::Request<Vec<u8>>,
    signal: &AbortSignal,
    reply_limit: usize,
) -> Result<http::Response<Vec<u8>>> {
    let mut response = Fetch::Request(platform_request(request)?)
        .send_with_signal(signal)
        .await?;
    let mut plain = http::Response::new(Vec::new());
    *plain.status_mut() = http::StatusCode::from_u16(response.status_code())
        .map_err(|error| worker::Error::RustError(error.to_string()))?;
    copy_headers(response.headers(), plain.headers_mut());
    *plain.body_mut() = read_response(&mut response, reply_limit).await?;
    Ok(plain)
}

fn platform_request(request: http::Request<Vec<u8>>) -> Result<Request> {
    let (parts, body) = request.into_parts();
    let headers = Headers::new();
    for (name, value) in &parts.headers {
        let value = value
            .to_str()
            .map_err(|error| worker::Error::RustError(error.to_string()))?;
        headers.append(name.as_str(), value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(parts.method.as_str().to_owned()))
        .with_headers(headers)
        // Credentials go where they were meant to go and nowhere else.
        .with_redirect(RequestRedirect::Manual);
    if !body.is_empty() {
        init.with_body(Some(Uint8Array::from(body.as_slice()).into()));
    }
    Request::new_with_init(&parts.uri.to_string(), &init)
}
