//! Sending a slice to storage.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, FormData, PerformanceResourceTiming, ProgressEvent, XmlHttpRequest};

use crate::host::performance;

/// Shortest time between two reports of progress, in ms.
///
/// Source: own choice; the engine passes ten a second on to the page.
const BETWEEN_REPORTS: f64 = 100.0;

/// How much of an error's body is kept, in bytes; S3's error documents have a few hundred.
const LONGEST_BODY: usize = 4096;

/// A part to send, exactly as signed.
pub struct PartRequest {
    /// HTTP method.
    pub method: String,
    /// Presigned URL.
    pub url: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    /// Names and values in turn; where there are any, the body is a form that ends with the slice.
    pub fields: Vec<String>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Storage took the part.
    Stored {
        /// The protocol that carried it, as ALPN names it; browsers tell only where storage allows it
        /// (`Timing-Allow-Origin`).
        protocol: Option<String>,
    },
    /// Storage answered with an error.
    Refused {
        /// HTTP status.
        status: u16,
        /// Start of the body.
        body: String,
        /// `Retry-After` in seconds, where it was readable.
        retry_after: Option<u32>,
    },
    /// No answer that may be read.
    Network,
}

/// Sends a slice as the body of `xhr`, so that its bytes go from disk to network without passing
/// through this worker's memory. Aborting `xhr` ends it with [`Outcome::Network`].
///
/// It is an `XMLHttpRequest` because `fetch` does not tell how far an upload is.
pub async fn send(
    xhr: &XmlHttpRequest,
    slice: &Blob,
    request: &PartRequest,
    report: impl Fn(f64) + 'static,
) -> Outcome {
    match exchange(xhr, slice, request, report).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Network,
    }
}

async fn exchange(
    xhr: &XmlHttpRequest,
    slice: &Blob,
    request: &PartRequest,
    report: impl Fn(f64) + 'static,
) -> Result<Outcome, JsValue> {
    // Listeners come before `open`: set later, they would not be told of the upload.
    let on_progress = throttled(slice.size(), report);
    xhr.upload()?
        .set_onprogress(Some(on_progress.as_ref().unchecked_ref()));
    let ended = Promise::new(&mut |resolve, _reject| xhr.set_onloadend(Some(&resolve)));
    xhr.open(&request.method, &request.url)?;
    for header in request.headers.chunks_exact(2) {
        if let [name, value] = header {
            xhr.set_request_header(name, value)?;
        }
    }
    if request.fields.is_empty() {
        xhr.send_with_opt_blob(Some(slice))?;
    } else {
        xhr.send_with_opt_form_data(Some(&form(slice, &request.fields)?))?;
    }
    JsFuture::from(ended).await?;
    xhr.upload()?.set_onprogress(None);
    outcome(xhr, &request.url)
}

fn form(slice: &Blob, fields: &[String]) -> Result<FormData, JsValue> {
    let form = FormData::new()?;
    for field in fields.chunks_exact(2) {
        if let [name, value] = field {
            form.append_with_str(name, value)?;
        }
    }
    form.append_with_blob("file", slice)?;
    Ok(form)
}

/// Reports how much of a slice of `size` bytes is sent; what a form puts around it goes first.
fn throttled(size: f64, report: impl Fn(f64) + 'static) -> Closure<dyn FnMut(ProgressEvent)> {
    let mut last = f64::MIN;
    Closure::new(move |event: ProgressEvent| {
        let now = performance().now();
        if now - last >= BETWEEN_REPORTS {
            last = now;
            report((event.loaded() - (event.total() - size).max(0.0)).max(0.0));
        }
    })
}

fn outcome(xhr: &XmlHttpRequest, url: &str) -> Result<Outcome, JsValue> {
    let status = xhr.status()?;
    if status == 0 {
        return Ok(Outcome::Network);
    }
    if (200..300).contains(&status) {
        let protocol = protocol_of(url);
        return Ok(Outcome::Stored { protocol });
    }
    // All headers at once: asking for one that CORS hides puts an error on the console.
    let headers = xhr.get_all_response_headers()?;
    Ok(Outcome::Refused {
        status,
        body: start_of(xhr.response_text()?.unwrap_or_default()),
        retry_after: header(&headers, "retry-after").and_then(|seconds| seconds.parse().ok()),
    })
}

fn protocol_of(url: &str) -> Option<String> {
    let entries = performance().get_entries_by_name(url);
    let entry: PerformanceResourceTiming = entries.iter().last()?.dyn_into().ok()?;
    Some(entry.next_hop_protocol()).filter(|protocol| !protocol.is_empty())
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    let fields = headers.lines().filter_map(|line| line.split_once(':'));
    let mut found = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

fn start_of(mut body: String) -> String {
    body.truncate(body.floor_char_boundary(LONGEST_BODY));
    body
}
