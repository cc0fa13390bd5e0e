//! What reads foreign bytes, under arbitrary and under damaged input.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod client;
mod companion;
mod deltas;
mod requests;
mod storage;
