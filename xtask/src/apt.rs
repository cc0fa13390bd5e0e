//! System packages, by Debian's apt where we may use it.

use std::path::Path;

use anyhow::Result;

use crate::process::{command, on_path, output};
use crate::steps::step;

/// Installs a package; whether that could be tried.
pub fn install(package: &str) -> Result<bool> {
    if !may_use_apt() {
        return Ok(false);
    }
    step(&format!("installing {package} with apt"), 60, |step| {
        step.execute(command("apt-get").args(["update", "--quiet"]))?;
        step.execute(
            command("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends", package])
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    })?;
    Ok(true)
}

fn may_use_apt() -> bool {
    let root = output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    root && Path::new("/etc/debian_version").exists() && on_path("apt-get")
}
