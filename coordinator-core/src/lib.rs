//! Everything the coordinator decides: who may do what, what storage is asked, what the workspace
//! remembers, and what clients are told.
//!
//! The crate is pure: no clock, no randomness, no network. [`Coordinator::handle`] answers a
//! request; `now`, a seed and the request's id are arguments ([`Context`]), and every side effect
//! goes through one of four ports: [`Storage`], [`Workspaces`], [`IdentityProviders`] and [`MetadataDatabase`]. The worker in `edge-coordinator`
//! and the simulator in `tests/sim` are two shells around the same code.

mod api_error;
mod auth;
mod budget;
mod companion;
mod config;
mod coordinator;
pub mod ledger;
mod operations;
mod policy;
mod ports;
mod reply;
mod routes;
mod s3;

pub use auth::{Algorithm, Clients, ExternalIssuers, PublicKey, SigningKeys};
pub use budget::Budgeted;
pub use config::{AuthConfig, Config, ConfigError, OrphanUploads, VARIABLES};
pub use coordinator::{Context, Coordinator, Listener, MAX_BODY_BYTES};
pub use operations::deliver::DeliveryOutcome;
pub use operations::orphans::{OrphanReport, OrphanedUpload};
pub use ports::{
    DatabaseFailure, IdentityProviders, IssuerFailure, MetadataDatabase, NoIdentityProviders, Storage,
    StorageFailure, WorkspaceFailure, Workspaces,
};
pub use reply::{Cause, LogFields, misconfigured, unreadable};
pub use s3::{Addressing, Bucket, Endpoint, InvalidEndpoint, Provider, PublicEndpoints};
