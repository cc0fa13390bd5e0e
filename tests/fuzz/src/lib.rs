//! Every parser of foreign bytes under arbitrary input and under damaged copies of what is right.
//!
//! The targets are in `tests/`, one file a surface. Each states what has to hold of whatever comes
//! out, not only that nothing panics. What they begin from is in `corpus/`, one folder a target; each
//! file there is also run as it is, so a finding is kept by putting its bytes into a file. What
//! proptest finds it writes beside the test (`*.found`), to be committed.
//!
//! `FUZZ_CASES=100000 cargo test -p syncsphere-fuzz --release` runs longer than the few hundred cases
//! a target of the usual run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod corpus;
mod mutation;
mod world;

pub use corpus::seeds;
pub use mutation::{foreign, mutated};
pub use world::{
    CANARY, HonestStorage, OTHER_TICKET_SECRET, PART, Reply, SHARED_SECRET, START_MS, StorageStub, World,
    issuer_key, vars,
};

/// How each target is run: how often, and where proptest keeps what it has found.
pub fn proptest_config(cases: u32) -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, FileFailurePersistence};
    let wanted = std::env::var("FUZZ_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    Config {
        cases: wanted.unwrap_or(cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("found"))),
        ..Config::default()
    }
}
