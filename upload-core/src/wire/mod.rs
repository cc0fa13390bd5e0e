//! The client's own reading and writing of what travels: requests and replies of the coordinator, and
//! checkpoints.
//!
//! `protocol` says what the types are, and `serde` reads and writes them in the coordinator. What it derives is
//! fast and large, one reader for each type: 30 KB of the compressed browser module. Here the types are few and
//! small, so they are read from one tree of values, name by name. The tests hold every reader and every writer to
//! what `serde` does with the same type.

mod calls;
#[cfg(test)]
mod fixtures;
mod json;
mod replies;
mod requests;
#[cfg(test)]
mod tests;
mod writer;

pub use calls::Request;
pub use json::{Json, Malformed, Object};
pub(crate) use replies::{known_checksum, part_number, tail, upload_id, upload_kind};
pub use requests::file_record_json;
pub(crate) use requests::write_tail;
pub(crate) use writer::{Writer, push_digits};
