//! What a new version of a file shares with an old one: files are cut into chunks, and equal chunks are not sent again.
//!
//! An [`Indexer`] cuts a file as its bytes come, by their content or by a fixed grid ([`Cutting`]), and makes its content
//! index ([`Index`]). A [`Planner`] compares it with another one while it is made, or [`plan`] afterwards: which ranges of the
//! new file storage can copy from the old one, and which have to travel. [`Candidates`] tells as soon as it is none of the
//! known files.
//!
//! This crate is pure. It computes no SHA-256: browsers do, faster and on other threads.

mod candidates;
mod chunker;
mod cutting;
mod gear;
mod index;
mod indexer;
mod matcher;
mod pieces;
mod plan;
#[cfg(test)]
mod plan_tests;

pub use candidates::Candidates;
pub use cutting::{ChunkSizes, CutBy, Cutting, MAX_CHUNKS, MAX_LEVEL};
pub use index::{Chunk, Index, InvalidIndex};
pub use indexer::Indexer;
pub use plan::{Planner, Segment, plan};
