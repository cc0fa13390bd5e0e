//! Chromium and its driver: `CHROME_BIN` and `CHROMEDRIVER` where set, else the system's, else installed with apt where
//! we may.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::process::{command, execute, on_path, output};

/// The browser.
pub fn chromium() -> Result<PathBuf> {
    find(
        "CHROME_BIN",
        &[
            "/usr/bin/chromium",
            "/usr/bin/chromium-browser",
            "/usr/bin/google-chrome",
            "/Applications/Chromium.app/Contents/MacOS/Chromium",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        ],
        "Chromium",
        "chromium",
    )
}

/// The driver through which WebAssembly tests run in the browser.
pub fn chromedriver() -> Result<PathBuf> {
    find(
        "CHROMEDRIVER",
        &[
            "/usr/bin/chromedriver",
            "/usr/lib/chromium-browser/chromedriver",
            "/usr/local/bin/chromedriver",
        ],
        "chromedriver",
        "chromium-driver",
    )
}

fn find(variable: &str, usual: &[&str], what: &str, package: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        bail!("{variable} names {}, which is no file", path.display());
    }
    let existing = || usual.iter().map(PathBuf::from).find(|path| path.is_file());
    if let Some(path) = existing() {
        return Ok(path);
    }
    if may_use_apt() {
        eprintln!("installing {package} with apt");
        execute(command("apt-get").args(["update", "--quiet"]))?;
        execute(
            command("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends", package])
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )?;
        if let Some(path) = existing() {
            return Ok(path);
        }
    }
    bail!(
        "{what} is missing: uploads are tested in a real browser; install it (on Debian: apt-get install {package}) \
         or set {variable} to its path"
    )
}

fn may_use_apt() -> bool {
    let root = output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    root && Path::new("/etc/debian_version").exists() && on_path("apt-get")
}
