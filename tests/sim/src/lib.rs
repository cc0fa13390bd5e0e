//! Both real cores on a virtual clock.
//!
//! A run takes a [`Scenario`]: files, a network, faults. The page's engine (`upload-core`) and the
//! coordinator (`coordinator-core`) are the real ones; the clock, the network, the ledger's rows
//! and an S3 that keeps checksums instead of bytes are simulated. S3 checks every presigned URL
//! with a signer of its own. A seed gives the same run every time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "a run is a test: it panics where a promise is broken"
)]

mod api;
mod calls;
mod checks;
mod content;
mod edge;
mod page;
mod pipe;
mod scenario;
mod signature;
mod storage;
mod transit;
mod world;

pub use scenario::{Faults, Happening, LINKS, Link, Scenario};
pub use world::{Outcome, World};
