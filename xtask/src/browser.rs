//! Chromium and its driver, Firefox and WebKitGTK: `CHROME_BIN`, `CHROMEDRIVER`, `FIREFOX_BIN` and `WEBKIT_BIN` where set,
//! else the system's, else installed with apt where we may.

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

/// Installs the engines beside Chromium that uploads are tested in, where we may, and says which cannot be had here: what
/// needs those names itself as not run. Stack/browsers finds them in the same places.
pub fn other_engines() {
    for (engine, had) in [("Firefox", firefox()), ("WebKitGTK", webkit())] {
        if let Err(error) = had {
            eprintln!("{engine} cannot be had here, and nothing is run in it: {error:#}");
        }
    }
}

fn firefox() -> Result<()> {
    let places = [
        "/usr/bin/firefox-esr",
        "/usr/bin/firefox",
        "/Applications/Firefox.app/Contents/MacOS/firefox",
    ];
    find("FIREFOX_BIN", &places, "Firefox", "firefox-esr").map(drop)
}

/// The browser, its driver, and a display for it.
fn webkit() -> Result<()> {
    find(
        "WEBKIT_BIN",
        &WEBKIT_PLACES,
        "WebKitGTK's MiniBrowser",
        WEBKIT_DRIVER,
    )?;
    find(
        "WEBKIT_DRIVER",
        &["/usr/bin/WebKitWebDriver"],
        "WebKitWebDriver",
        WEBKIT_DRIVER,
    )?;
    find(
        "XVFB",
        &["/usr/bin/Xvfb"],
        "Xvfb, a display for WebKitGTK",
        "xvfb",
    )?;
    Ok(())
}

/// The browser comes with the library that the driver needs.
const WEBKIT_DRIVER: &str = "webkit2gtk-driver";

const WEBKIT_PLACES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
    "/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
    "/usr/libexec/webkit2gtk-4.1/MiniBrowser",
];

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
