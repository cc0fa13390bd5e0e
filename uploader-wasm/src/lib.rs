//! The browser shell of the upload engine, compiled to one WASM module for two kinds of workers.
//!
//! - The conductor (one worker) has [`Conductor`] run the engine's loop, and hands hashing and sending to lanes.
//! - Lanes (a few workers) read slices of files, have [`crc64nvme`] compute their checksums, and send them.
//!
//! The TypeScript around it (`npm/src`) starts the workers, carries messages between them, reads and sends, asks the
//! coordinator, and keeps timers and, in IndexedDB, checkpoints. No bytes of a file ever pass between workers: a `File` travels as a
//! handle, and each lane reads its own slices.

mod checksum;
mod clock;
mod conductor;
mod dispatcher;
mod host;
mod json;
mod options;
mod shell;

pub use checksum::{Md5Digest, crc64nvme};
pub use conductor::{Conductor, loaded_bytes};
pub use host::{ConductorHost, LaneLink};
pub use json::parse;
pub use syncsphere_upload_core::{Json, Malformed};

/// Takes constant time as the standard one, `dlmalloc`, does not, and is 2 KB less for each page to download, brotli.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
