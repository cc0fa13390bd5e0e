//! The ledger, storage and the operations between them against a model that any reader can check: requests run alone
//! or side by side, step by step in every order, and die between any two steps (the intent, the call to storage,
//! the outcome, each before or after it took effect). Whatever happens, a file is only ever in a state that the
//! model allows; and in the end, when the workspace's alarm has done its work, nothing is half done: storage holds
//! exactly what the ledger calls available.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use crate::common::bucket::{Bucket, CRC, PART};
use crate::common::crash_model::{
    MAX_LIFETIME_MS, MINUTE_MS, Models, Op, Reference, START_MS, Step, UPLOAD_LIFE_MS, URL_LIFE_MS,
};
use crate::common::sqlite::Sqlite;
use futures_executor::block_on;
use futures_util::FutureExt;
use http::{Request, Response};
use proptest::prelude::*;
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use serde_json::{Value, json};
use syncsphere_coordinator_core::ledger::{Call, Job, Reply, SqlStore, Store, apply};
use syncsphere_coordinator_core::{
    Config, Context, Coordinator, NoIdentityProviders, Storage, StorageFailure, WorkspaceFailure, Workspaces,
};
use syncsphere_protocol::{Change, FileStatus, Timestamp, WorkspaceId};

/// The ledger and the bucket, and what the client was told.
struct World {
    coordinator: Coordinator,
    store: RefCell<SqlStore<Sqlite>>,
    bucket: RefCell<Bucket>,
    grants: RefCell<BTreeMap<usize, Value>>,
    token: String,
    now_ms: i64,
    requests: u64,
}

impl Storage for World {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        _timeout: Duration,
        _reply_limit: usize,
    ) -> Result<Response<Vec<u8>>, StorageFailure> {
        turn().await;
        let response = self.bucket.borrow_mut().answer(&request);
        turn().await;
        Ok(response)
    }
}

impl Workspaces for World {
    async fn call(&self, _: &WorkspaceId, call: Call) -> Result<Reply, WorkspaceFailure> {
        turn().await;
        let applied = apply(&mut *self.store.borrow_mut(), call).expect("the store works");
        turn().await;
        Ok(applied.reply)
    }
}

/// Lets the others go on; here a request may die.
async fn turn() {
    let mut was_here = false;
    poll_fn(|context| {
        if was_here {
            return Poll::Ready(());
        }
        was_here = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = World;
    type Reference = Reference;

    fn init_test(_: &Models) -> World {
        let mut world = World {
            coordinator: Coordinator::new(config()),
            store: RefCell::new(Sqlite::empty().store()),
            bucket: RefCell::default(),
            grants: RefCell::default(),
            token: String::new(),
            now_ms: START_MS,
            requests: 0,
        };
        let form = b"grant_type=urn:syncsphere:guest".to_vec();
        let request = Request::post("/v1/auth/token").body(form).unwrap();
        let cx = world.context();
        let reply = world
            .coordinator
            .handle(request, cx, &world, &world, &NoIdentityProviders);
        let reply: Value = serde_json::from_slice(reply.now_or_never().unwrap().body()).unwrap();
        world.token = reply["access_token"].as_str().unwrap().to_owned();
        world
    }

    fn apply(mut world: World, model: &Models, step: Step) -> World {
        match step {
            Step::Pass(ms) => world.now_ms += ms,
            Step::Send(file) => world.send_all(file),
            Step::Run { ops, turns } => world.run(&ops, &turns),
        }
        world.compare(model);
        world
    }

    fn check_invariants(world: &World, _: &Models) {
        world.check_feed();
    }

    fn teardown(mut world: World, _: Models) {
        world.settle();
        world.look_for_orphans();
        world.check_feed();
        world.check_nothing_is_half_done();
    }
}

impl World {
    fn context(&mut self) -> Context {
        self.bucket.borrow_mut().now = Timestamp::from_unix_millis(self.now_ms).as_str().to_owned();
        self.requests += 1;
        let mut random = [0; 32];
        random[..8].copy_from_slice(&self.requests.to_le_bytes());
        Context {
            now_ms: self.now_ms,
            random,
            request_id: self.requests.to_string(),
        }
    }

    /// Lets the clock strike a day later: what no ledger knows is found now.
    fn look_for_orphans(&mut self) {
        self.now_ms += 2 * 24 * 60 * MINUTE_MS;
        let cx = self.context();
        let begun = self.coordinator.look_for_orphans(&cx, &*self, &*self);
        block_on(begun).expect("the ledger answers");
        self.settle();
    }

    /// Polls the requests in turn, each until it has ended or died.
    fn run(&mut self, ops: &[(Op, Option<u8>)], turns: &[u8]) {
        let contexts: Vec<_> = ops.iter().map(|_| self.context()).collect();
        let world = &*self;
        type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
        let mut running: Vec<(Running<'_>, Option<u8>)> = Vec::new();
        for ((op, dies), cx) in ops.iter().zip(contexts) {
            running.push((Box::pin(world.carry_out(*op, cx)), *dies));
        }
        let mut turns = turns.iter().copied();
        let mut context = TaskContext::from_waker(Waker::noop());
        while !running.is_empty() {
            let next = usize::from(turns.next().unwrap_or(0)) % running.len();
            let (request, dies) = &mut running[next];
            let is_over = match dies {
                Some(0) => true,
                Some(turns) => {
                    *turns -= 1;
                    request.as_mut().poll(&mut context).is_ready()
                }
                None => request.as_mut().poll(&mut context).is_ready(),
            };
            if is_over {
                drop(running.swap_remove(next));
            }
        }
    }

    async fn carry_out(&self, op: Op, cx: Context) {
        let grant = |file: usize| self.grants.borrow().get(&file).cloned();
        let id = |grant: &Value, name: &str| grant[name].as_str().unwrap().to_owned();
        match op {
            Op::Alarm => {
                self.coordinator.run_due_jobs(&workspace(), &cx, self, self).await;
            }
            Op::Begin(file) => {
                let size = if file.is_multiple_of(2) { PART + 1 } else { 1 };
                let mut body = json!({"files": [{"clientRef": "f", "name": format!("file-{file}"), "size": size, "partSize": PART}]});
                if states_checksum(file) {
                    body["files"][0]["crc64nvme"] = json!(CRC);
                }
                let key = format!("key-{file}");
                let (status, reply) = self.ask(cx, "POST", "/v1/uploads", body, Some(&key)).await;
                if status == 200 && reply["uploads"][0]["uploadId"].is_string() {
                    self.grants.borrow_mut().insert(file, reply["uploads"][0].clone());
                }
            }
            Op::Complete(file) => {
                let Some(grant) = grant(file) else { return };
                let path = format!("/v1/uploads/{}/complete", id(&grant, "uploadId"));
                let mut body = json!({ "ticket": grant["ticket"] });
                if states_checksum(file) {
                    body["crc64nvme"] = json!(CRC);
                }
                self.ask(cx, "POST", &path, body, None).await;
            }
            Op::Abort(file) => {
                let Some(grant) = grant(file) else { return };
                let path = format!("/v1/uploads/{}", id(&grant, "uploadId"));
                self.ask(cx, "DELETE", &path, Value::Null, None).await;
            }
            Op::Delete(file) => {
                let Some(grant) = grant(file) else { return };
                let path = format!("/v1/files/{}", id(&grant, "fileId"));
                self.ask(cx, "DELETE", &path, Value::Null, None).await;
            }
        }
    }

    async fn ask(
        &self,
        cx: Context,
        method: &str,
        path: &str,
        body: Value,
        key: Option<&str>,
    ) -> (u16, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = match body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(&body).unwrap(),
        };
        let request = request.body(body).unwrap();
        let response = self
            .coordinator
            .handle(request, cx, self, self, &NoIdentityProviders)
            .await;
        let status = response.status().as_u16();
        assert!(
            status != 500,
            "{method} {path}: {:?}",
            String::from_utf8_lossy(response.body())
        );
        (
            status,
            serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        )
    }

    fn send_all(&mut self, file: usize) {
        let Some(grant) = self.grants.borrow().get(&file).cloned() else {
            return;
        };
        let upload_id = grant["uploadId"].as_str().unwrap().parse().unwrap();
        let upload = self
            .store
            .borrow()
            .upload(&upload_id)
            .unwrap()
            .expect("it was granted");
        let begun_ms = match upload.latest_expiry_ms {
            Some(latest_ms) => latest_ms - MAX_LIFETIME_MS,
            None => upload.expires_ms - UPLOAD_LIFE_MS,
        };
        self.bucket.borrow_mut().now = Timestamp::from_unix_millis(self.now_ms).as_str().to_owned();
        if self.now_ms < begun_ms + URL_LIFE_MS {
            let storage_upload_id = upload.storage_upload_id.as_ref().map(|id| id.0.as_str());
            self.bucket
                .borrow_mut()
                .put(&upload.sent_to().0, storage_upload_id);
        }
    }

    fn compare(&self, model: &Models) {
        assert_eq!(self.now_ms, model.now_ms);
        let statuses = self.statuses();
        for (index, file) in model.files.iter().enumerate() {
            let status = statuses.get(&format!("file-{index}")).copied();
            assert!(
                file.may_be.contains(&status),
                "file {index} is {status:?}: {file:?}"
            );
        }
    }

    /// The state of each file, by name.
    fn statuses(&self) -> BTreeMap<String, FileStatus> {
        let mut statuses = BTreeMap::new();
        for change in self.changes() {
            statuses.insert(change.file.name.0.clone(), change.file.status);
        }
        statuses
    }

    fn changes(&self) -> Vec<Change> {
        self.store.borrow().changes(0, 10_000).unwrap()
    }

    /// One number after the other, and each file from one state to one that may follow.
    fn check_feed(&self) {
        use FileStatus::{Aborted, Available, Deleted, Expired, Uploading};
        let mut before = BTreeMap::new();
        for (seq, change) in (1..).zip(self.changes()) {
            assert_eq!(change.seq, seq);
            let status = change.file.status;
            let may_follow = match before.insert(change.file.file_id.clone(), status) {
                None => status == Uploading,
                Some(Uploading) => matches!(status, Available | Aborted | Expired),
                Some(Available) => status == Deleted,
                Some(Aborted | Expired | Deleted) => false,
            };
            assert!(may_follow, "{change:?}");
            if status == Available {
                assert!(change.file.etag.is_some());
            }
        }
    }

    /// Time passes and the alarm rings, without crashes, until nothing is due any more.
    fn settle(&mut self) {
        for _ in 0..200 {
            let Some(due_ms) = self.store.borrow().next_due().unwrap() else {
                return;
            };
            if self.jobs().is_empty() {
                return;
            }
            self.now_ms = self.now_ms.max(due_ms);
            self.run(&[(Op::Alarm, None)], &[]);
        }
        let left = self.jobs();
        panic!("the alarm never comes to rest: {left:?}");
    }

    /// Jobs that are still to be done, but for the feed's.
    fn jobs(&self) -> Vec<Job> {
        let kinds = ["expire", "resolve", "sweep", "watch", "strays", "forget"];
        let due = |kind| self.store.borrow().due_jobs(kind, i64::MAX, 9).unwrap();
        kinds.into_iter().flat_map(due).collect()
    }

    fn check_nothing_is_half_done(&self) {
        let bucket = self.bucket.borrow();
        assert!(bucket.uploads.is_empty(), "{:?}", bucket.uploads);
        let mut kept = BTreeMap::new();
        let mut latest = BTreeMap::new();
        for change in self.changes() {
            latest.insert(change.file.file_id.clone(), change.file);
        }
        let mut bytes = 0;
        for (file_id, record) in latest {
            assert_ne!(record.status, FileStatus::Uploading, "{record:?}");
            let file = self.store.borrow().file(&file_id).unwrap().unwrap();
            assert_eq!(file.record, record);
            if record.status == FileStatus::Available {
                kept.insert(file.key.0, record.size);
                bytes += record.size;
            }
        }
        assert_eq!(bucket.objects, kept);
        let owner = self.changes().first().map(|change| change.file.owner.0.clone());
        let used = owner.map_or(0, |owner| self.store.borrow().usage(&owner).unwrap().bytes);
        assert_eq!(used, bytes);
    }
}

/// One of the files in parts says at once what the whole has to be, so that nothing is written down before its completion.
fn states_checksum(file: usize) -> bool {
    file == 2
}

fn workspace() -> WorkspaceId {
    "demo".parse().unwrap()
}

fn config() -> Config {
    let vars = [
        ("S3_ENDPOINT", "https://s3.test"),
        ("S3_BUCKET", "uploads"),
        ("S3_ACCESS_KEY_ID", "id"),
        ("S3_SECRET_ACCESS_KEY", "secret"),
        ("AUTH_SIGNING_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("AUTH_GUEST", "on"),
        ("AUTH_TOKEN_TTL_SECONDS", "864000"),
        ("UPLOAD_TTL_SECONDS", "10800"),
        ("UPLOAD_MAX_LIFETIME_SECONDS", "11400"),
        ("URL_TTL_SECONDS", "1200"),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::from_vars(&vars.into()).unwrap()
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_file_ends_one_way_whoever_dies_in_between(sequential 1..40 => Test);
}
