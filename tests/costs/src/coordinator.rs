//! What the coordinator does most often: it reads a token and signs URLs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, Response};
use serde_json::{Value, json};
use syncsphere_coordinator_core::ledger::{Call, MemoryStore, Reply, apply};
use syncsphere_coordinator_core::{
    Config, Context, Coordinator, NoIdentityProviders, Storage, StorageFailure, WorkspaceFailure, Workspaces,
};
use syncsphere_protocol::{MIB, WorkspaceId};

/// A time in 2026, in milliseconds since 1970.
const NOW_MS: i64 = 1_795_521_600_000;

/// More tokens than the coordinator remembers (1,024), so that each is verified anew when its turn comes.
const TOKENS: u16 = 1_100;

/// A coordinator that signs the URLs of one upload's parts.
pub struct SignUrl {
    world: Surroundings,
    token: String,
    path: String,
    body: Vec<u8>,
}

impl SignUrl {
    /// URLs in one request.
    pub const BATCH: u64 = 100;

    /// Opens an upload, and signs so many URLs once, so that what is kept for a day is there.
    pub fn new(urls: u64) -> Self {
        let world = Surroundings::new();
        let token = world.token(0);
        let file =
            json!({"clientRef": "f", "name": "f.bin", "size": Self::BATCH * 8 * MIB, "partSize": 8 * MIB});
        let opened = world.send(
            "POST",
            "/v1/uploads",
            &token,
            json!({ "files": [file] }).to_string(),
        );
        let reply: Value = serde_json::from_slice(opened.body()).expect("the reply is JSON");
        let grant = reply.pointer("/uploads/0").expect("the upload is open");
        let upload_id = grant
            .get("uploadId")
            .and_then(Value::as_str)
            .expect("a grant has an id");
        let part = |number| json!({"partNumber": number, "crc64nvme": "AAAAAAAAAAA="});
        let parts: Vec<Value> = (1..=urls).map(part).collect();
        let signer = Self {
            path: format!("/v1/uploads/{upload_id}/parts"),
            body: json!({"ticket": grant.get("ticket"), "parts": parts})
                .to_string()
                .into(),
            token,
            world,
        };
        signer.sign();
        signer
    }

    /// Has the URLs signed by one request.
    pub fn sign(&self) {
        let reply = self
            .world
            .send("POST", &self.path, &self.token, self.body.clone());
        assert_eq!(reply.status(), 200, "{}", String::from_utf8_lossy(reply.body()));
    }
}

/// A coordinator that reads one token after the other.
pub struct TokenReader {
    world: Surroundings,
    tokens: Vec<String>,
    next: usize,
}

impl TokenReader {
    /// Has the tokens issued.
    pub fn new() -> Self {
        let world = Surroundings::new();
        let tokens = (0..TOKENS).map(|number| world.token(number)).collect();
        Self {
            world,
            tokens,
            next: 0,
        }
    }

    /// Has the next token read, by a request that is refused once its token was found to be good.
    pub fn read(&mut self) {
        let token = self.tokens.get(self.next).expect("there are tokens");
        let reply = self
            .world
            .send("GET", "/v1/uploads/no-such-upload", token, Vec::new());
        assert_eq!(reply.status(), 404, "{}", String::from_utf8_lossy(reply.body()));
        self.next = (self.next + 1) % self.tokens.len();
    }
}

/// The coordinator, a storage that opens uploads, and ledgers in memory.
struct Surroundings {
    coordinator: Coordinator,
    storage: OpeningStorage,
    ledgers: Ledgers,
}

impl Surroundings {
    fn new() -> Self {
        let vars = [
            ("S3_ENDPOINT", "https://s3.test"),
            ("S3_BUCKET", "uploads"),
            ("S3_ACCESS_KEY_ID", "id"),
            ("S3_SECRET_ACCESS_KEY", "secret"),
            ("AUTH_SIGNING_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("AUTH_GUEST", "on"),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_vars(&BTreeMap::from(vars)).expect("the configuration is complete");
        Self {
            coordinator: Coordinator::new(config),
            storage: OpeningStorage,
            ledgers: Ledgers::default(),
        }
    }

    /// A guest's token; each number has another.
    fn token(&self, number: u16) -> String {
        let request = Request::post("http://edge.test/v1/auth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(b"grant_type=urn%3Asyncsphere%3Aguest".to_vec());
        let random = std::array::from_fn(|at| number.to_be_bytes().get(at).copied().unwrap_or(7));
        let reply = self.handle(request.expect("a request"), random);
        let grant: Value = serde_json::from_slice(reply.body()).expect("the grant is JSON");
        grant
            .get("access_token")
            .and_then(Value::as_str)
            .expect("a guest gets a token")
            .to_owned()
    }

    fn send(&self, method: &str, path: &str, token: &str, body: impl Into<Vec<u8>>) -> Response<Vec<u8>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .body(body.into());
        self.handle(request.expect("a request"), [9; 32])
    }

    fn handle(&self, request: Request<Vec<u8>>, random: [u8; 32]) -> Response<Vec<u8>> {
        let context = Context {
            now_ms: NOW_MS,
            random,
            request_id: "r".to_owned(),
        };
        self.coordinator
            .handle(
                request,
                context,
                &self.storage,
                &self.ledgers,
                &NoIdentityProviders,
            )
            .now_or_never()
            .expect("nothing here waits")
    }
}

/// Opens multipart uploads, and is asked nothing else.
struct OpeningStorage;

impl Storage for OpeningStorage {
    async fn send(
        &self,
        _: Request<Vec<u8>>,
        _: Duration,
        _: usize,
    ) -> Result<Response<Vec<u8>>, StorageFailure> {
        let body = "<InitiateMultipartUploadResult><UploadId>s1</UploadId></InitiateMultipartUploadResult>";
        Ok(Response::new(body.into()))
    }
}

#[derive(Default)]
struct Ledgers(RefCell<BTreeMap<WorkspaceId, MemoryStore>>);

impl Workspaces for Ledgers {
    async fn call(&self, workspace: &WorkspaceId, call: Call) -> Result<Reply, WorkspaceFailure> {
        let mut ledgers = self.0.borrow_mut();
        let store = ledgers.entry(workspace.clone()).or_default();
        let Ok(applied) = apply(store, call);
        Ok(applied.reply)
    }
}
