//! Everything the coordinator decides: who may do what, what storage is asked, what the workspace
//! remembers, and what clients are told.
//!
//! The crate is pure: no clock, no randomness, no network. [`Coordinator::handle`] answers a
//! request; `now`, a seed and the request's id are arguments ([`Context`]), and every side effect
//! goes through one of four ports: [`Storage`], [`Workspaces`], [`Entrance`] and [`MetadataDatabase`]. The worker in `edge-coordinator`
//! and the simulator in `tests/sim` are two shells around the same code.

mod auth;
mod budget;
mod companion;
mod config;
mod coordinator;
pub mod ledger;
mod operations;
mod policy;
mod ports;
mod refusal;
mod reply;
mod routes;
mod s3;

pub use auth::{Algorithm, Clients, OutsideIssuers, PublicKey, SigningKeys};
pub use budget::Budgeted;
pub use config::{AuthConfig, Config, ConfigError, StrayUploads, VARIABLES};
pub use coordinator::{Context, Coordinator, Listener, MAX_BODY_BYTES};
pub use operations::deliver::Delivered;
pub use operations::strays::{Stray, StrayReport};
pub use ports::{
    DatabaseFailure, Entrance, IssuerFailure, MetadataDatabase, PlainEntrance, Storage, StorageFailure,
    WorkspaceFailure, Workspaces,
};
pub use reply::{Cause, Handled, misconfigured, unreadable};
pub use s3::{Addressing, Bucket, Endpoint, Provider, PublicEndpoints, WrongEndpoint};
