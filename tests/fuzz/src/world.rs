//! A coordinator with everything around it: ledgers in memory, a storage that a target puts there, and
//! an external issuer that publishes what the target says.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use futures_util::FutureExt;
use http::{Request, Response};
use serde_json::Value;
use syncsphere_coordinator_core::ledger::{Call, MemoryStore, Reply as LedgerReply, apply};
use syncsphere_coordinator_core::{
    Cause, Config, Context, Coordinator, IdentityProviders, IssuerFailure, PublicKey, Storage,
    StorageFailure, WorkspaceFailure, Workspaces,
};
use syncsphere_protocol::{Problem, WorkspaceId};

/// A time in 2026, in milliseconds since 1970.
pub const START_MS: i64 = 1_795_521_600_000;

/// Bytes in the smallest part.
pub const PART: u64 = 5 * 1024 * 1024;

/// What no reply and no line of the log may hold: targets put it where secrets would be.
pub const CANARY: &str = "canary-3f9a";

/// The secret that an external issuer shares.
pub const SHARED_SECRET: &str = "canary-3f9a: a secret of no less than 32 bytes";

/// The signing key of another deployment.
pub const OTHER_TICKET_SECRET: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// Largest reply that any request has. Source: 100 grants with a ticket each, and 100 URLs.
const MAX_REPLY: usize = 1024 * 1024;

/// The variables of a coordinator that takes everything it can take.
pub fn vars() -> BTreeMap<String, String> {
    let issuers = r#"[
        {"issuer":"https://id.test","audience":"syncsphere","algorithm":"EdDSA","jwksUrl":"https://id.test/jwks"},
        {"issuer":"backend","audience":"syncsphere","algorithm":"HS256","secretVariable":"AUTH_ISSUER_SECRET_B"}
    ]"#;
    let vars = [
        ("S3_ENDPOINT", "https://s3.test"),
        ("S3_BUCKET", "uploads"),
        ("S3_ACCESS_KEY_ID", "id"),
        ("S3_SECRET_ACCESS_KEY", "canary-3f9a-secret"),
        ("AUTH_SIGNING_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("AUTH_GUEST", "on"),
        ("COMPANION_COOKIE", "upload_token"),
        ("AUTH_ISSUERS", issuers),
        ("AUTH_ISSUER_SECRET_B", SHARED_SECRET),
    ];
    vars.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The external issuer's key.
pub fn issuer_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// What answers in storage's place.
pub trait StorageStub {
    /// The answer to one request.
    fn answer(&self, request: &Request<Vec<u8>>) -> Result<Response<Vec<u8>>, StorageFailure>;
}

/// A storage that holds whatever it is asked for, of the one upload that it knows: a part of the
/// smallest size and one byte.
pub struct HonestStorage;

impl StorageStub for HonestStorage {
    fn answer(&self, request: &Request<Vec<u8>>) -> Result<Response<Vec<u8>>, StorageFailure> {
        let query = request.uri().query().unwrap_or_default();
        // The coordinator's look at whether checksums are held to.
        if request.method() == http::Method::PUT {
            let refused = Response::builder().status(400);
            return Ok(refused
                .body(b"<Error><Code>BadDigest</Code></Error>".to_vec())
                .unwrap());
        }
        let body = match request.method().as_str() {
            "POST" if query.contains("uploads") => {
                "<InitiateMultipartUploadResult><UploadId>s1</UploadId></InitiateMultipartUploadResult>"
                    .to_owned()
            }
            "POST" => {
                "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>".to_owned()
            }
            "GET" => format!(
                "<ListPartsResult><IsTruncated>false</IsTruncated>\
                 <Part><PartNumber>1</PartNumber><Size>{PART}</Size><ETag>\"e1\"</ETag></Part>\
                 <Part><PartNumber>2</PartNumber><Size>1</Size><ETag>\"e2\"</ETag></Part></ListPartsResult>"
            ),
            _ => String::new(),
        };
        let response = Response::builder()
            .header("content-length", PART + 1)
            .header("etag", "\"whole-2\"");
        Ok(response.body(body.into_bytes()).unwrap())
    }
}

/// A coordinator and its surroundings.
pub struct World<S = HonestStorage> {
    coordinator: Coordinator,
    ledgers: Ledgers,
    storage: Port<S>,
    issuer: Issuer,
    requests: Cell<u8>,
    /// A guest's token.
    pub token: String,
}

/// What a request was answered.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body, where it is JSON.
    pub json: Value,
    /// The problem, where it is one.
    pub problem: Option<Problem>,
}

impl World {
    /// One whose storage and issuer are as they should be.
    pub fn honest() -> Self {
        Self::with(HonestStorage)
    }
}

impl<S: StorageStub> World<S> {
    /// One with this storage.
    pub fn with(storage: S) -> Self {
        let mut world = Self {
            coordinator: Coordinator::new(Config::from_vars(&vars()).unwrap()),
            ledgers: Ledgers::default(),
            storage: Port(storage),
            issuer: Issuer {
                published: RefCell::default(),
                fetches: Cell::new(0),
            },
            requests: Cell::new(0),
            token: String::new(),
        };
        let x = URL_SAFE_NO_PAD.encode(issuer_key().verifying_key());
        world.publish(
            format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}]}}"#).into_bytes(),
        );
        let grant = world.send("POST", "/v1/auth/token", &[], b"grant_type=urn:syncsphere:guest");
        world.token = grant.json["access_token"].as_str().unwrap().to_owned();
        world
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        &self.storage.0
    }

    /// What the external issuer answers from now on.
    pub fn publish(&self, document: Vec<u8>) {
        *self.issuer.published.borrow_mut() = document;
    }

    /// How often the external issuer was asked.
    pub fn fetches(&self) -> u32 {
        self.issuer.fetches.get()
    }

    /// Asks with the guest's token.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        self.send(method, path, &[("authorization", bearer.as_bytes())], body)
    }

    /// Opens a multipart upload of two parts and gives its grant.
    pub fn open(&self) -> Value {
        let file = format!(
            r#"{{"files":[{{"clientRef":"f","name":"f.bin","size":{},"partSize":{PART}}}]}}"#,
            PART + 1
        );
        let reply = self.ask("POST", "/v1/uploads", file.as_bytes());
        reply.json["uploads"][0].clone()
    }

    /// Sends a request, and checks what has to hold of every reply: its size, that an error is a problem
    /// with a code that clients know, and that neither it nor the log tells a secret.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Reply {
        self.try_send(method, path, headers, body)
            .expect("the request can be made")
    }

    /// The same for a path or header that may not even be one: `None`, since no platform passes it on.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> Option<Reply> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).ok()?;
        let context = self.context();
        let response = self
            .coordinator
            .handle(request, context, &self.storage, &self.ledgers, &self.issuer)
            .now_or_never()
            .expect("nothing here waits");
        Some(read(&response, path.starts_with("/v1/auth/token")))
    }
}

impl<S: StorageStub> World<S> {
    /// Looks for multipart uploads that no ledger knows, as the workspace of that job does, and gives how
    /// many were listed, found orphans and aborted.
    pub fn look_for_orphans(&self) -> Option<(usize, usize, usize)> {
        let context = self.context();
        let begun = self
            .coordinator
            .look_for_orphans(&context, &self.storage, &self.ledgers);
        begun.now_or_never().expect("nothing here waits").unwrap();
        let ledgers = self.ledgers.0.borrow().keys().cloned().collect::<Vec<_>>();
        let mut reports = ledgers.iter().filter_map(|workspace| {
            let tended = self
                .coordinator
                .run_due_jobs(workspace, &context, &self.storage, &self.ledgers);
            tended.now_or_never().expect("nothing here waits")
        });
        let report = reports.next()?;
        let told = format!("{report:?}");
        assert!(!told.contains(CANARY), "a secret is told: {told}");
        Some((report.listed, report.orphans.len(), report.aborted))
    }

    fn context(&self) -> Context {
        self.requests.set(self.requests.get().wrapping_add(1));
        Context {
            now_ms: START_MS,
            random: [self.requests.get(); 32],
            request_id: "r".to_owned(),
        }
    }
}

fn read(response: &Response<Vec<u8>>, is_grant: bool) -> Reply {
    let status = response.status().as_u16();
    assert!(
        response.body().len() <= MAX_REPLY,
        "{} bytes",
        response.body().len()
    );
    let text = String::from_utf8(response.body().clone()).expect("replies are text");
    let cause = response.extensions().get::<Cause>();
    let told = text.clone() + cause.map_or("", |cause| cause.0.as_str());
    assert!(!told.contains(CANARY), "a secret is told: {told}");
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    let media_type = response
        .headers()
        .get("content-type")
        .map(|value| value.as_bytes());
    let problem = (media_type == Some(b"application/problem+json"))
        .then(|| serde_json::from_str::<Problem>(&text).expect("a problem with a known code"));
    if status >= 400 {
        assert!(
            problem.is_some() || (is_grant && json["error"].is_string()) || is_foreign_error(&text, &json),
            "{status} {text}"
        );
    }
    if let Some(problem) = &problem {
        assert_eq!(problem.status, status);
    }
    Reply {
        status,
        json,
        problem,
    }
}

/// An error in the words of Companion, or of S3.
fn is_foreign_error(text: &str, json: &Value) -> bool {
    json["message"].is_string() && json["code"].is_string() || text.contains("<Error><Code>")
}

struct Port<S>(S);

impl<S: StorageStub> Storage for Port<S> {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        _timeout: Duration,
        reply_limit: usize,
    ) -> Result<Response<Vec<u8>>, StorageFailure> {
        let answer = self.0.answer(&request)?;
        match answer.body().len() > reply_limit {
            true => Err(StorageFailure::ReplyTooLarge),
            false => Ok(answer),
        }
    }
}

#[derive(Default)]
struct Ledgers(RefCell<BTreeMap<WorkspaceId, MemoryStore>>);

impl Workspaces for Ledgers {
    async fn call(&self, workspace: &WorkspaceId, call: Call) -> Result<LedgerReply, WorkspaceFailure> {
        let mut ledgers = self.0.borrow_mut();
        let store = ledgers.entry(workspace.clone()).or_default();
        let Ok(applied) = apply(store, call);
        Ok(applied.reply)
    }
}

struct Issuer {
    published: RefCell<Vec<u8>>,
    fetches: Cell<u32>,
}

impl IdentityProviders for Issuer {
    async fn fetch_keys(&self, _: &http::Uri, _: Duration, limit: usize) -> Result<Vec<u8>, IssuerFailure> {
        self.fetches.set(self.fetches.get() + 1);
        let document = self.published.borrow().clone();
        Some(document)
            .filter(|document| document.len() <= limit)
            .ok_or(IssuerFailure)
    }

    async fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let x = key.jwk().iter().find(|(name, _)| *name == "x");
        let x = URL_SAFE_NO_PAD
            .decode(&x.expect("a vetted key has its members").1)
            .unwrap();
        let key = VerifyingKey::from_bytes(&x.try_into().unwrap());
        let signature = signature.try_into().expect("signatures have their length");
        key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    async fn pause(&self, _: Duration) {}

    async fn count_request(&self, _: &str) -> Result<(), u32> {
        Ok(())
    }
}
