//! Requests to the coordinator.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_net::http::{Method, RequestBuilder};
use gloo_timers::callback::Timeout;
use serde::Serialize;
use serde::de::DeserializeOwned;
use syncsphere_protocol::{ErrorCode, Problem};
use syncsphere_upload_core::{Call, CallFailure, Reply};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, RequestCache};

use crate::host::ConductorHost;
use crate::json::from_json;

/// Longest wait for most answers, in ms.
///
/// Source: own choice; initiating 100 files makes the coordinator call storage 100 times.
const PATIENCE: u32 = 60_000;

/// Longest wait for the answer to Complete, in ms.
///
/// Source: assembling many parts "can take several minutes",
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
const PATIENCE_FOR_COMPLETE: u32 = 300_000;

/// Longest answer that is looked at, in bytes.
///
/// Source: own choice; 10,000 parts of a `GET /v1/uploads/{uploadId}` take about 1.2 MB.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;

/// The coordinator as the conductor sees it.
pub(crate) struct Coordinator {
    endpoint: String,
    host: Rc<ConductorHost>,
    token: RefCell<Option<String>>,
}

/// An answer's status and body.
struct Answer {
    status: u16,
    body: String,
}

impl Coordinator {
    pub fn new(endpoint: String, host: Rc<ConductorHost>) -> Self {
        Self {
            endpoint,
            host,
            token: RefCell::new(None),
        }
    }

    /// Whether a URL is of the coordinator's own origin.
    pub fn is_at(&self, url: &str) -> bool {
        // Scheme, nothing, and host with port.
        let origin = url.splitn(4, '/').take(3);
        origin.eq(self.endpoint.splitn(4, '/').take(3))
    }

    /// Asks once; a 401 is answered by asking the page for another token and asking once more.
    pub async fn call(&self, call: &Call) -> Result<Reply, CallFailure> {
        let known = self.token.borrow().clone();
        let token = match known {
            Some(token) => token,
            None => self.fresh_token(None).await?,
        };
        let answer = self.exchange(call, &token).await?;
        if answer.status != 401 {
            return answer.into_reply(call);
        }
        let fresh = self.fresh_token(Some(token.clone())).await?;
        if fresh == token {
            return answer.into_reply(call);
        }
        self.exchange(call, &fresh).await?.into_reply(call)
    }

    async fn fresh_token(&self, stale: Option<String>) -> Result<String, CallFailure> {
        match JsFuture::from(self.host.token(stale)).await {
            Ok(token) => {
                let token = token.as_string().unwrap_or_default();
                *self.token.borrow_mut() = Some(token.clone());
                Ok(token)
            }
            Err(error) if error.is_instance_of::<js_sys::TypeError>() => Err(CallFailure::Network),
            Err(_) => Err(CallFailure::Problem(Problem::new(
                ErrorCode::Unauthenticated,
                "the page gave no access token",
            ))),
        }
    }

    async fn exchange(&self, call: &Call, token: &str) -> Result<Answer, CallFailure> {
        let deadline = Deadline::after(patience(call)).ok_or(CallFailure::Network)?;
        let request = match call {
            Call::Initiate {
                idempotency_key,
                body,
            } => {
                let request = self.request(Method::POST, &["/v1/uploads"], token, &deadline);
                json(request.header("Idempotency-Key", idempotency_key), body)
            }
            Call::SignParts { upload_id, body } => {
                let path = ["/v1/uploads/", upload_id.as_str(), "/parts"];
                json(self.request(Method::POST, &path, token, &deadline), body)
            }
            Call::Status { upload_id } => {
                let path = ["/v1/uploads/", upload_id.as_str()];
                self.request(Method::GET, &path, token, &deadline).build()
            }
            Call::Complete { upload_id, body } => {
                let path = ["/v1/uploads/", upload_id.as_str(), "/complete"];
                json(self.request(Method::POST, &path, token, &deadline), body)
            }
            Call::CompleteBatch { body } => json(
                self.request(Method::POST, &["/v1/uploads/complete"], token, &deadline),
                body,
            ),
            Call::Abort { upload_id } => {
                let path = ["/v1/uploads/", upload_id.as_str()];
                self.request(Method::DELETE, &path, token, &deadline).build()
            }
        };
        let request = request.map_err(|_| CallFailure::Network)?;
        let response = request.send().await.map_err(|_| deadline.failure())?;
        let body = response.text().await.map_err(|_| deadline.failure())?;
        Ok(Answer {
            status: response.status(),
            body,
        })
    }

    fn request(&self, method: Method, path: &[&str], token: &str, deadline: &Deadline) -> RequestBuilder {
        let url = [self.endpoint.as_str(), &path.concat()].concat();
        RequestBuilder::new(&url)
            .method(method)
            .cache(RequestCache::NoStore)
            .header("Authorization", &["Bearer ", token].concat())
            .abort_signal(Some(&deadline.controller.signal()))
    }
}

impl Answer {
    fn into_reply(self, call: &Call) -> Result<Reply, CallFailure> {
        if !(200..300).contains(&self.status) {
            return Err(match self.read::<Problem>() {
                Ok(problem) => CallFailure::Problem(problem),
                Err(unreadable) => unreadable,
            });
        }
        Ok(match call {
            Call::Initiate { .. } => Reply::Initiated(self.read()?),
            Call::SignParts { .. } => Reply::Signed(self.read()?),
            Call::Status { .. } => Reply::Status(self.read()?),
            Call::Complete { .. } => Reply::Completed(self.read()?),
            Call::CompleteBatch { .. } => Reply::CompletedBatch(self.read()?),
            Call::Abort { .. } => Reply::Aborted(self.read()?),
        })
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, CallFailure> {
        let unreadable = CallFailure::Unreadable { status: self.status };
        if self.body.len() > LONGEST_ANSWER {
            return Err(unreadable);
        }
        from_json(&self.body).map_err(|_| unreadable)
    }
}

fn patience(call: &Call) -> u32 {
    match call {
        Call::Complete { .. } | Call::CompleteBatch { .. } => PATIENCE_FOR_COMPLETE,
        _ => PATIENCE,
    }
}

fn json<T: Serialize>(request: RequestBuilder, body: &T) -> Result<gloo_net::http::Request, gloo_net::Error> {
    request.json(body)
}

/// Aborts a request that takes too long, and one whose caller has gone.
struct Deadline {
    controller: AbortController,
    passed: Rc<Cell<bool>>,
    _timer: Timeout,
}

impl Deadline {
    fn after(millis: u32) -> Option<Self> {
        let controller = AbortController::new().ok()?;
        let passed = Rc::new(Cell::new(false));
        let timer = Timeout::new(millis, {
            let (controller, passed) = (controller.clone(), passed.clone());
            move || {
                passed.set(true);
                controller.abort();
            }
        });
        Some(Self {
            controller,
            passed,
            _timer: timer,
        })
    }

    fn failure(&self) -> CallFailure {
        if self.passed.get() {
            CallFailure::TimedOut
        } else {
            CallFailure::Network
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.controller.abort();
    }
}
