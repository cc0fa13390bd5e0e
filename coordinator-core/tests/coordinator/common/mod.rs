//! What the integration tests share: a coordinator, a ledger in memory, and a storage that answers
//! by a script, for the faults that no real server can be made to have.

pub mod bucket;
pub mod companion_paths;
pub mod crash_model;
pub mod drafts;
pub mod sqlite;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use syncsphere_coordinator_core::ledger::{Call, MemoryStore, Reply, apply};
use syncsphere_coordinator_core::{
    Config, Context, Coordinator, NoIdentityProviders, OrphanReport, Storage, StorageFailure,
    WorkspaceFailure, Workspaces,
};
use syncsphere_protocol::WorkspaceId;

/// A time in 2026, in milliseconds since 1970.
pub const START_MS: i64 = 1_795_521_600_000;

/// Bytes in the smallest part.
pub const PART: u64 = 5 * 1024 * 1024;

/// One exchange with storage: what is asked (method and the query's names) and what is answered.
pub type Exchange = (&'static str, Result<Response<Vec<u8>>, StorageFailure>);

/// A storage that answers by a script and insists on being asked for it in order; and what it was asked.
#[derive(Default)]
pub struct Script(
    RefCell<VecDeque<Exchange>>,
    pub RefCell<Vec<Request<Vec<u8>>>>,
    RefCell<Option<Answer>>,
);

/// How a storage answers that has no script.
pub type Answer = fn(&Request<Vec<u8>>) -> Result<Response<Vec<u8>>, StorageFailure>;

impl Storage for Script {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        _timeout: Duration,
        _reply_limit: usize,
    ) -> Result<Response<Vec<u8>>, StorageFailure> {
        let names: Vec<_> = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .map(|(name, _)| name.into_owned())
            .filter(|name| name != "max-parts")
            .collect();
        let asked = format!("{} {}", request.method(), names.join(" "));
        assert_signs_what_no_hop_rewrites(&request);
        if let Some(answer) = *self.2.borrow() {
            let reply = answer(&request);
            self.1.borrow_mut().push(request);
            return reply;
        }
        let (expected, answer) = self
            .0
            .borrow_mut()
            .pop_front()
            .unwrap_or_else(|| panic!("storage was asked once too often: {asked}"));
        assert_eq!(asked.trim_end(), expected);
        self.1.borrow_mut().push(request);
        answer
    }
}

/// Every request of every test is signed, and over nothing that a proxy or an edge on the way may change.
pub fn assert_signs_what_no_hop_rewrites(request: &Request<Vec<u8>>) {
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let signed = authorization.split("SignedHeaders=").nth(1).unwrap();
    for name in signed.split(',').next().unwrap().split(';') {
        let stays = ["host", "content-type", "content-length", "content-md5"].contains(&name);
        assert!(
            stays || name.starts_with("x-amz-"),
            "{name} is signed: {} {}",
            request.method(),
            request.uri()
        );
    }
}

/// Ledgers in memory, and how often they were called.
#[derive(Default)]
pub struct Ledgers(pub RefCell<BTreeMap<WorkspaceId, MemoryStore>>, pub Cell<u32>);

impl Workspaces for Ledgers {
    async fn call(&self, workspace: &WorkspaceId, call: Call) -> Result<Reply, WorkspaceFailure> {
        self.1.set(self.1.get() + 1);
        let mut ledgers = self.0.borrow_mut();
        let store = ledgers.entry(workspace.clone()).or_default();
        let Ok(applied) = apply(store, call);
        Ok(applied.reply)
    }
}

/// A coordinator with everything around it, and a guest's token.
pub struct Harness {
    pub coordinator: Coordinator,
    pub ledgers: Ledgers,
    pub storage: Script,
    pub now_ms: i64,
    requests: u16,
    token: String,
}

impl Harness {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With these variables besides the usual ones.
    pub fn with(vars: &[(&str, &str)]) -> Self {
        let mut harness = Self {
            coordinator: Coordinator::new(config(vars)),
            ledgers: Ledgers::default(),
            storage: Script::default(),
            now_ms: START_MS,
            requests: 0,
            token: String::new(),
        };
        harness.enter("");
        harness
    }

    /// Goes on as another guest, whose token is asked for with these fields besides.
    pub fn enter(&mut self, fields: &str) {
        let form = format!("grant_type=urn:syncsphere:guest{fields}").into_bytes();
        let (_, reply) = self.exchange(Request::post("/v1/auth/token").body(form).unwrap());
        self.token = reply["access_token"].as_str().unwrap().to_owned();
    }

    /// The coordinator is started again with other variables; what ledgers and tickets hold stays.
    pub fn restart_with(&mut self, vars: &[(&str, &str)]) {
        self.coordinator = Coordinator::new(config(vars));
    }

    /// Method, path and, where it copies, source of what storage was asked since the last call.
    pub fn asked_of_storage(&self) -> Vec<String> {
        let asked = self.storage.1.borrow_mut().drain(..).collect::<Vec<_>>();
        let line = |request: &Request<Vec<u8>>| {
            let source = request.headers().get("x-amz-copy-source");
            let source = source.map_or(String::new(), |source| {
                format!(" from {}", source.to_str().unwrap())
            });
            format!("{} {}{source}", request.method(), request.uri().path())
        };
        asked.iter().map(line).collect()
    }

    /// Asks for a path with a JSON body while storage answers by `script`, all of which has to be
    /// used up.
    pub fn ask(&mut self, method: &str, path: &str, body: Value, script: Vec<Exchange>) -> (u16, Value) {
        self.storage.0.borrow_mut().extend(script);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .body(match body {
                Value::Null => Vec::new(),
                body => serde_json::to_vec(&body).unwrap(),
            })
            .unwrap();
        let answer = self.exchange(request);
        self.assert_used_up();
        answer
    }

    /// The header that brings the guest's token.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Begins uploads under an idempotency key.
    pub fn ask_by_key(&mut self, key: &str, body: Value, script: Vec<Exchange>) -> (u16, Value) {
        self.storage.0.borrow_mut().extend(script);
        let request = Request::post("/v1/uploads")
            .header("authorization", format!("Bearer {}", self.token))
            .header("idempotency-key", key)
            .body(serde_json::to_vec(&body).unwrap())
            .unwrap();
        let answer = self.exchange(request);
        self.assert_used_up();
        answer
    }

    /// The same while storage answers whatever it is asked, as often as it is.
    pub fn ask_freely(&mut self, method: &str, path: &str, body: Value, answer: Answer) -> (u16, Value) {
        self.storage.2.replace(Some(answer));
        let told = self.ask(method, path, body, vec![]);
        self.storage.2.replace(None);
        told
    }

    /// Opens a multipart upload of two parts.
    pub fn open(&mut self) -> Value {
        let file = json!({"clientRef": "f", "name": "f.bin", "size": PART + 1, "partSize": PART});
        let body = json!({ "files": [file] });
        let (status, reply) = self.ask("POST", "/v1/uploads", body, vec![created()]);
        assert_eq!(status, 200, "{reply}");
        reply["uploads"][0].clone()
    }

    /// Asks for the URLs of parts.
    pub fn sign(&mut self, grant: &Value, mut body: Value) -> (u16, Value) {
        body["ticket"] = grant["ticket"].clone();
        let path = format!("/v1/uploads/{}/parts", grant["uploadId"].as_str().unwrap());
        self.ask("POST", &path, body, vec![])
    }

    pub fn complete(&mut self, grant: &Value, mut body: Value, script: Vec<Exchange>) -> (u16, Value) {
        body["ticket"] = grant["ticket"].clone();
        let path = format!("/v1/uploads/{}/complete", grant["uploadId"].as_str().unwrap());
        self.ask("POST", &path, body, script)
    }

    pub fn file(&mut self, grant: &Value) -> Value {
        let path = format!("/v1/files/{}", grant["fileId"].as_str().unwrap());
        self.ask("GET", &path, Value::Null, vec![]).1
    }

    /// Lets the workspace's alarm ring.
    pub fn run_due_jobs(&mut self, script: Vec<Exchange>) {
        self.run_due_jobs_of("demo", script);
    }

    /// The same for another workspace, and what was found of orphaned uploads.
    pub fn run_due_jobs_of(&mut self, workspace: &str, script: Vec<Exchange>) -> Option<OrphanReport> {
        self.storage.0.borrow_mut().extend(script);
        let cx = self.context();
        let workspace = workspace.parse().unwrap();
        let report = self
            .coordinator
            .run_due_jobs(
                &workspace,
                &cx,
                &self.coordinator.within_budget(&self.storage),
                &self.ledgers,
            )
            .now_or_never()
            .expect("nothing here waits");
        self.assert_used_up();
        report
    }

    /// The same while storage answers whatever it is asked, as often as it is.
    pub fn run_due_jobs_freely(&mut self, answer: Answer) {
        self.storage.2.replace(Some(answer));
        self.run_due_jobs(vec![]);
        self.storage.2.replace(None);
    }

    /// Kinds of the workspace's changes, in order.
    pub fn kinds(&mut self) -> Vec<String> {
        let (_, page) = self.ask("GET", "/v1/changes", Value::Null, vec![]);
        let changes = page["changes"].as_array().unwrap().iter();
        changes
            .map(|change| change["kind"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Sends a request without a token while storage answers by `script`; gives status and body.
    pub fn send(&mut self, request: Request<Vec<u8>>, script: Vec<Exchange>) -> (u16, String) {
        self.storage.0.borrow_mut().extend(script);
        let response = self.answer(request);
        self.assert_used_up();
        let body = String::from_utf8(response.body().clone()).unwrap();
        (response.status().as_u16(), body)
    }

    fn exchange(&mut self, request: Request<Vec<u8>>) -> (u16, Value) {
        let response = self.answer(request);
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status().as_u16(), body)
    }

    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let cx = self.context();
        self.coordinator
            .handle(
                request,
                cx,
                &self.coordinator.within_budget(&self.storage),
                &self.ledgers,
                &NoIdentityProviders,
            )
            .now_or_never()
            .expect("nothing here waits")
    }

    fn context(&mut self) -> Context {
        self.requests += 1;
        let mut random = [0; 32];
        random[..2].copy_from_slice(&self.requests.to_be_bytes());
        Context {
            now_ms: self.now_ms,
            random,
            request_id: format!("r{}", self.requests),
        }
    }

    fn assert_used_up(&self) {
        let left = self.storage.0.borrow();
        assert!(left.is_empty(), "storage was never asked: {}", left[0].0);
    }
}

/// The usual variables, and these.
fn config(more: &[(&str, &str)]) -> Config {
    let usual = [
        ("S3_ENDPOINT", "https://s3.test"),
        ("S3_BUCKET", "uploads"),
        ("S3_CONDITIONAL_WRITES", "on"),
        ("S3_ACCESS_KEY_ID", "id"),
        ("S3_SECRET_ACCESS_KEY", "secret"),
        ("AUTH_SIGNING_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("AUTH_GUEST", "on"),
        ("UPLOAD_TTL_SECONDS", "86400"),
        ("AUTH_TOKEN_TTL_SECONDS", "864000"),
    ];
    let vars = usual.iter().chain(more);
    let vars = vars.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_vars(&vars.collect()).unwrap()
}

/// An answer with an XML body.
pub fn xml(status: u16, body: &str) -> Result<Response<Vec<u8>>, StorageFailure> {
    let mut response = Response::new(body.as_bytes().to_vec());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

/// An S3 error answer.
pub fn error(status: u16, code: &str) -> Result<Response<Vec<u8>>, StorageFailure> {
    xml(status, &format!("<Error><Code>{code}</Code></Error>"))
}

/// Storage opens a multipart upload.
pub fn created() -> Exchange {
    let body = "<InitiateMultipartUploadResult><UploadId>s1</UploadId></InitiateMultipartUploadResult>";
    ("POST uploads", xml(200, body))
}

/// Storage assembles the parts, and says nothing of a checksum.
pub fn completed() -> Exchange {
    ("POST uploadId", xml(200, "<CompleteMultipartUploadResult/>"))
}

/// Nothing of a multipart upload stays in storage.
pub fn removed() -> [Exchange; 2] {
    [("DELETE uploadId", xml(204, "")), ("DELETE", xml(204, ""))]
}

/// An answer to a listing of parts: number and size of each.
pub fn parts(parts: &[(u16, u64)]) -> Result<Response<Vec<u8>>, StorageFailure> {
    let parts: String = parts
        .iter()
        .map(|(number, size)| {
            format!(
                "<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>\"e{number}\"</ETag></Part>"
            )
        })
        .collect();
    xml(
        200,
        &format!("<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>"),
    )
}

/// The answer to a listing of both parts of [`Harness::open`].
pub fn both_parts() -> Result<Response<Vec<u8>>, StorageFailure> {
    parts(&[(1, PART), (2, 1)])
}

/// The answer to a `HEAD` of the object.
pub fn object(size: u64, crc64nvme: Option<&str>) -> Result<Response<Vec<u8>>, StorageFailure> {
    let mut response = Response::builder()
        .header("content-length", size)
        .header("etag", "\"whole-2\"");
    if let Some(checksum) = crc64nvme {
        response = response.header("x-amz-checksum-crc64nvme", checksum);
    }
    Ok(response.body(Vec::new()).unwrap())
}

/// The answer to a `HEAD` of nothing.
pub fn nothing() -> Result<Response<Vec<u8>>, StorageFailure> {
    xml(404, "")
}
