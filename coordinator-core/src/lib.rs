//! Everything the coordinator decides: who may do what, what storage is asked, what the workspace
//! remembers, and what clients are told.
//!
//! The crate is pure: no clock, no randomness, no network. The time, a seed and the request's id are arguments
//! ([`Context`]), and every side effect goes through one of six ports: [`Storage`], [`Workspaces`], [`IdentityProviders`],
//! [`MetadataDatabase`], [`WebhookSender`] and [`EventQueue`]. The worker in `edge-coordinator` and the simulator in `tests/sim` are two shells around the
//! same code.
//!
//! # The contract
//!
//! - [`Coordinator::handle`] answers every request but a WebSocket's, which goes to [`Coordinator::authorize_listener`]. It never
//!   fails and never panics: what goes wrong is a reply. One `Coordinator` serves many requests, also at once.
//! - Each request has a [`Context`] of its own, never used again: its seed makes the ids, and the same request in the same
//!   context, with the same answers from the ports, gets the same reply.
//! - A shell calls [`Coordinator::run_due_jobs`] when the time has come that a ledger's
//!   [`Applied::wake_ms`](ledger::Applied::wake_ms) named, and may call it at any other time.
//! - It calls [`Coordinator::look_for_orphans`] about once a day.
//! - A future may be dropped at any await, which is what a crash is. The intent is in the ledger before storage is asked,
//!   unless what is left there is found without it, and the outcome after it: so the request may be repeated, and what
//!   nobody repeats a job finds, or the search for orphans.
//! - [`Workspaces::call`] has to be one transaction: all of it or nothing, one after the other within a workspace.
//! - Nothing is `available` before storage itself has said that it is complete; no change is announced that is not
//!   written down.
//!
//! # Example
//!
//! A shell in memory, which asks whether everything is well:
//!
//! ```
//! use std::cell::RefCell;
//! use std::collections::BTreeMap;
//! use std::time::Duration;
//!
//! use syncsphere_coordinator_core::ledger::{self, MemoryStore};
//! use syncsphere_coordinator_core::{
//!     Config, Context, Coordinator, NoIdentityProviders, Storage, StorageFailure, UnreadableBody, WorkspaceFailure, Workspaces,
//! };
//! use syncsphere_protocol::WorkspaceId;
//!
//! /// A storage that has the bucket and nothing in it.
//! struct EmptyBucket;
//!
//! impl Storage for EmptyBucket {
//!     async fn send(
//!         &self,
//!         request: http::Request<Vec<u8>>,
//!         _timeout: Duration,
//!         _reply_limit: usize,
//!     ) -> Result<http::Response<Vec<u8>>, StorageFailure> {
//!         assert!(request.headers().contains_key("authorization"), "the core has signed it");
//!         Ok(http::Response::new(Vec::new()))
//!     }
//! }
//!
//! /// A ledger for each workspace.
//! #[derive(Default)]
//! struct Ledgers(RefCell<BTreeMap<WorkspaceId, MemoryStore>>);
//!
//! impl Workspaces for Ledgers {
//!     async fn call(&self, workspace: &WorkspaceId, call: ledger::Call) -> Result<ledger::Reply, WorkspaceFailure> {
//!         let mut ledgers = self.0.borrow_mut();
//!         let Ok(applied) = ledger::apply(ledgers.entry(workspace.clone()).or_default(), call);
//!         Ok(applied.reply)
//!     }
//! }
//!
//! let vars = [
//!     ("S3_ENDPOINT", "https://s3.example.com"),
//!     ("S3_BUCKET", "uploads"),
//!     ("S3_ACCESS_KEY_ID", "id"),
//!     ("S3_SECRET_ACCESS_KEY", "secret"),
//!     ("AUTH_SIGNING_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
//! ];
//! let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
//! let coordinator = Coordinator::new(Config::from_vars(&vars.into())?);
//!
//! let context = Context { now_ms: 1_795_521_600_000, random: [7; 32], request_id: "r1".to_owned() };
//! let request = http::Request::get("/healthz").body(Vec::new())?;
//! let response = futures_executor::block_on(coordinator.handle(
//!     request,
//!     context,
//!     &EmptyBucket,
//!     &Ledgers::default(),
//!     &NoIdentityProviders,
//! ));
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.body(), br#"{"status":"ok"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod api_error;
mod auth;
mod budget;
mod config;
mod context;
mod coordinator;
mod http;
pub mod ledger;
mod model;
mod operations;
mod policy;
mod ports;
mod public_key;
mod s3;
mod workspace_pattern;

pub use crate::http::reply::{Cause, LogFields, misconfigured, unreadable};
pub use auth::{AuthConfig, Clients, ExternalIssuers, SigningKeys};
pub use budget::Budgeted;
pub use config::{BucketPatterns, Config, ConfigError, OrphanUploads, VARIABLES, VersionsKept, Webhook};
pub use context::Context;
pub use coordinator::{Coordinator, Listener};
pub use model::{BucketName, InvalidBucketName};
pub use operations::deliver::{DeliveryOutcome, DeliveryResult};
pub use operations::events::{EventOutcome, EventResult};
pub use operations::orphans::{OrphanReport, OrphanedUpload};
pub use ports::{
    DatabaseFailure, EventQueue, IdentityProviders, IssuerFailure, MetadataDatabase, NoIdentityProviders,
    QueueFailure, RequestBody, Storage, StorageFailure, UnreadableBody, WebhookFailure, WebhookSender,
    WorkspaceFailure, Workspaces,
};
pub use public_key::{Algorithm, PublicKey};
pub use s3::{Addressing, Bucket, Endpoint, InvalidEndpoint, Provider, PublicEndpoints};
