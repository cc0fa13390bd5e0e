//! The coordinator's tests from outside, in one program: each one more takes seconds to build and to link.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod absence;
mod bodies;
mod buckets;
mod checksums;
mod chunks;
mod common;
#[cfg(not(target_arch = "wasm32"))]
mod crashes;
mod deferred_length;
mod deliveries;
mod descriptions;
#[cfg(not(target_arch = "wasm32"))]
mod events;
mod expiry;
mod faults;
mod free_layout;
mod ledger;
mod ledger_calls;
mod open_uploads;
mod openapi;
mod overload;
mod poison;
mod released;
mod sql_store;
mod storage_calls;
mod stored_formats;
mod streamed_uploads;
mod unattended;
mod unreadable;
mod versions;

/// A file that is not named here is not run.
#[test]
fn every_file_is_named_here() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/coordinator");
    let modules = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(modules.contains(&format!("mod {module};")), "{name}");
        }
    }
}
