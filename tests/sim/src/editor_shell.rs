//! What an editor's page asks of the world around it: the coordinator, storage, the engine, and time.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncsphere_protocol::{ErrorCode, FileRecord, Problem};
use syncsphere_upload_core::{FileDescription, PartRequest};

use crate::caller::Answer;
use crate::edge::Oneshot;
use crate::object_content::Content;

/// Between two attempts, in milliseconds.
const PAUSE: u64 = 1_000;

/// Something that an editor's page waits for.
pub enum Ask {
    /// The coordinator's answer. The request lacks its token.
    Call(Box<http::Request<Vec<u8>>>, Oneshot<Answer>),
    /// Storage's.
    Put(Box<PutAsk>),
    /// So many milliseconds.
    Wait(u64, Oneshot<()>),
    /// The end of a file that the engine uploads.
    Whole(Box<WholeAsk>),
}

/// A part on its way to storage.
pub struct PutAsk {
    /// The presigned request.
    pub request: PartRequest,
    /// Its body.
    pub content: Content,
    /// Takes status and body; `None` for a connection that broke.
    pub slot: Oneshot<Option<(u16, String)>>,
}

/// A file for the engine.
pub struct WholeAsk {
    /// What is said of it.
    pub description: FileDescription,
    /// Its bytes.
    pub content: Content,
    /// Takes what becomes of it.
    pub slot: Oneshot<Result<FileRecord, ErrorCode>>,
}

/// The way out of an editor's page.
#[derive(Clone, Default)]
pub struct Shell(Rc<RefCell<Vec<Ask>>>);

impl Shell {
    /// Everything that was asked since.
    pub fn take(&self) -> Vec<Ask> {
        self.0.take()
    }

    /// Lets time pass.
    pub async fn wait(&self, ms: u64) {
        self.ask(|slot| Ask::Wait(ms, slot)).await;
    }

    /// Asks the coordinator until it answers.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        loop {
            let request = request(method, path, key, body);
            match self.ask(|slot| Ask::Call(Box::new(request), slot)).await {
                Some((status, body)) if status < 400 => {
                    return Ok(serde_json::from_slice(&body).expect("an answer as docs/api.md has it"));
                }
                Some((_, body)) => {
                    let problem: Problem = serde_json::from_slice(&body).expect("a problem");
                    if !problem.code.is_retryable() {
                        return Err(problem);
                    }
                }
                None => {}
            }
            self.wait(PAUSE).await;
        }
    }

    /// Sends a part once; whether storage has it.
    pub async fn put(&self, request: PartRequest, content: Content) -> bool {
        let put = |slot| {
            Ask::Put(Box::new(PutAsk {
                request,
                content,
                slot,
            }))
        };
        let is_stored = matches!(self.ask(put).await, Some((200, _)));
        if !is_stored {
            self.wait(PAUSE).await;
        }
        is_stored
    }

    /// Has the engine upload a file.
    pub async fn upload_whole(
        &self,
        description: FileDescription,
        content: Content,
    ) -> Result<FileRecord, ErrorCode> {
        let whole = |slot| {
            Ask::Whole(Box::new(WholeAsk {
                description,
                content,
                slot,
            }))
        };
        self.ask(whole).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(Oneshot<T>) -> Ask) -> T {
        let (ours, theirs) = Oneshot::new();
        self.0.borrow_mut().push(ask(theirs));
        ours.wait().await
    }
}

fn request(method: &str, path: &str, key: Option<&str>, body: &impl Serialize) -> http::Request<Vec<u8>> {
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("http://edge.test{path}"));
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let mut body = serde_json::to_vec(body).expect("wire types serialize");
    if matches!(method, "GET" | "DELETE") {
        body.clear();
    } else {
        request = request.header("content-type", "application/json");
    }
    request.body(body).expect("a well-formed request")
}
