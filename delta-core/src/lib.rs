//! What a new version of a file shares with an old one: files are cut into chunks, and equal chunks are not sent again.
//!
//! An [`Indexer`] cuts a file as its bytes come, by their content or by a fixed grid ([`Cutting`]), and makes its content
//! index ([`Index`]). [`plan`] compares two of them: which ranges of the new file storage can copy from the old one, and
//! which have to travel.
//!
//! This crate is pure. It computes no SHA-256: browsers do, faster and on other threads.

mod chunker;
mod cutting;
mod gear;
mod index;
mod indexer;
mod plan;
#[cfg(test)]
mod plan_tests;

pub use cutting::{ChunkSizes, CutBy, Cutting, MAX_CHUNKS, MAX_LEVEL};
pub use index::{Chunk, Index, InvalidIndex};
pub use indexer::Indexer;
pub use plan::{Segment, plan};
