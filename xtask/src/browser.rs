//! Chromium and its driver: `CHROME_BIN` and `CHROMEDRIVER` where set, else the system's, else installed with apt where
//! we may.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::apt;

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
    if apt::install(package)?
        && let Some(path) = existing()
    {
        return Ok(path);
    }
    bail!(
        "{what} is missing: uploads are tested in a real browser; install it (on Debian: apt-get install {package}) \
         or set {variable} to its path"
    )
}
