//! The S3 servers that only `cargo xtask test storage` needs, beside SeaweedFS, which every suite has.
//!
//! Where one cannot be had, the suite goes on without it and names its tests as not run. Both take minutes to install, so
//! that only who names the suite waits for them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process::{cargo, execute, on_path};
use crate::{apt, cache};

/// Source: the newest release on crates.io when the tests were written against it.
const GARAGE: &str = "2.5.0";

/// What the tests start of Ceph, by its Debian packages.
const CEPH_PACKAGES: [&str; 4] = ["radosgw", "ceph-mon", "ceph-osd", "ceph-common"];

/// One program of each of them.
const CEPH_PROGRAMS: [&str; 4] = ["radosgw", "ceph-mon", "ceph-osd", "ceph"];

/// Garage's program: what `SYNCSPHERE_GARAGE` names, else built once into the cache.
pub fn garage() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("SYNCSPHERE_GARAGE") {
        return Ok(program.into());
    }
    let folder = cache::folder(&format!("garage-{GARAGE}"), |dir| {
        eprintln!("building Garage {GARAGE} for the storage tests, which takes ten minutes or more, once");
        build_garage(dir)
    })?;
    Ok(folder.join("bin/garage"))
}

/// A debug build, which compiles several times faster, without symbols, which would take gigabytes, and with some
/// optimisation, for it moves bytes.
fn build_garage(dir: &Path) -> Result<()> {
    execute(
        cargo()
            .args(["install", "garage", "--version", GARAGE, "--locked"])
            .args(["--debug", "--quiet", "--root"])
            .arg(dir)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env_remove("CARGO_TARGET_DIR"),
    )
}

/// Ceph's programs, by apt where we may; whether they are there.
pub fn ceph() -> Result<bool> {
    let is_there = || CEPH_PROGRAMS.iter().all(|program| on_path(program));
    if !is_there() {
        for package in CEPH_PACKAGES {
            apt::install(package)?;
        }
    }
    Ok(is_there())
}
