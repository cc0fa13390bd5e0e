//! The browser shell of the upload engine, compiled to one WASM module that plays two roles, each in
//! its own kind of worker.
//!
//! - [`Conductor`] (one worker) runs the engine's loop, and hands hashing and sending to lanes.
//! - [`Lane`] (a few workers) reads slices of files, computes their CRC64NVME and sends them.
//!
//! The TypeScript around it (`npm/src`) starts the workers, carries messages between them, asks the
//! coordinator, and keeps timers and, in IndexedDB, checkpoints. No bytes of a file ever pass between workers: a `File` travels as a
//! handle, and each lane reads its own slices.

mod checksum;
mod conductor;
mod dispatch;
mod host;
mod json;
mod lane;
mod options;
mod reading;
mod sending;

pub use checksum::Checksum;
pub use conductor::{Conductor, KeptUpload, read_checkpoint};
pub use host::{ConductorHost, LaneHost, LaneLink};
pub use json::parse;
pub use lane::Lane;
pub use reading::{ReadFailure, Scratch, checksum_by_pieces, checksum_by_stream, checksum_of, copy_of};
pub use sending::{Outcome, PartRequest, send};
pub use syncsphere_upload_core::{Json, Malformed};
