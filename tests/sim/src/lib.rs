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

mod aftermath;
mod alarm;
mod alarms;
mod api;
mod caller;
mod calls;
mod clock;
mod content;
mod delta_page;
mod document;
mod edge;
mod editing;
mod editor;
mod editor_shell;
mod editors;
mod invariants;
mod object_content;
mod page;
mod page_shell;
mod pipe;
mod scenario;
mod signature;
mod simulation;
mod storage;
mod storage_copies;
mod transfers;
mod version_invariants;

pub use scenario::{Editing, Faults, Incident, LINKS, Link, Scenario};
pub use simulation::{Outcome, Simulation};
