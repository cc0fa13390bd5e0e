//! The coordinator as workerd and Cloudflare run it: edge-coordinator/build.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::profile::Profile;
use super::wasm::{self, WORKER};
use crate::fingerprint::{Inputs, Product, is_current, when_changed};
use crate::install;
use crate::process::command;
use crate::steps::Step;
use crate::workspace;

/// Makes it and puts it where wrangler and the stack look for it.
pub fn put_in_place(profile: Profile) -> Result<()> {
    let made = make(profile)?;
    let product = Product {
        name: "worker in its place",
        seconds: 1,
        outputs: FILES.map(|file| place().join(file)).to_vec(),
    };
    let inputs = FILES
        .iter()
        .try_fold(Inputs::default(), |inputs, file| inputs.file(&made.join(file)))?;
    when_changed(&product, inputs, |_| publish(&made))
}

/// Makes it where it has changed; returns the folder that holds it.
pub fn make(profile: Profile) -> Result<PathBuf> {
    if profile == Profile::Thin && is_current(&product(Profile::Release), inputs()?)? {
        return Ok(made(Profile::Release));
    }
    when_changed(&product(profile), inputs()?, |step| compile(profile, step))?;
    Ok(made(profile))
}

/// Whether there is nothing to make.
pub fn is_made(profile: Profile) -> Result<bool> {
    Ok(is_current(&product(Profile::Release), inputs()?)? || is_current(&product(profile), inputs()?)?)
}

fn product(profile: Profile) -> Product {
    Product {
        name: profile.either("worker (thin)", "worker"),
        // Source: measured, see docs/architecture.md, "The first start".
        seconds: profile.either(10, 240),
        outputs: FILES.map(|file| made(profile).join(file)).to_vec(),
    }
}

fn made(profile: Profile) -> PathBuf {
    workspace::target().join("edge-coordinator").join(profile.name())
}

fn place() -> PathBuf {
    workspace::path("edge-coordinator/build")
}

/// The module first, for the script names it.
const FILES: [&str; 2] = [MODULE, SCRIPT];

/// The module as its script names it.
const MODULE: &str = "index_bg.wasm";
/// What wrangler.toml names as `main`.
const SCRIPT: &str = "index.js";

fn inputs() -> Result<Inputs> {
    wasm::rust_inputs()?.paths(&[
        "protocol",
        "delta-core",
        "coordinator-core",
        "edge-coordinator",
        "package-lock.json",
    ])
}

fn compile(profile: Profile, step: &Step) -> Result<()> {
    let compiled = wasm::compile(WORKER, profile, &[], step)?;
    let made = made(profile);
    let parts = made.join("parts");
    if made.exists() {
        fs::remove_dir_all(&made)?;
    }
    wasm::bind(&compiled, &parts, "index", |bindgen| {
        Ok(bindgen
            .module(true)?
            .typescript(false)
            // By which edge-coordinator/entry.js starts anew after a trap.
            .reset_state_function(true)
            .force_enable_abort_handler(true))
    })?;
    let module = made.join(MODULE);
    fs::rename(parts.join(MODULE), &module)?;
    if profile == Profile::Release {
        // With the names of functions, so that a trap's stack can be read.
        wasm::optimise(
            &module,
            ["-O", "--enable-exception-handling", "--debuginfo"],
            step,
        )?;
    }
    bundle(&parts, &made.join(SCRIPT), step)?;
    // Every script of the folder is loaded.
    Ok(fs::remove_dir_all(parts)?)
}

/// entry.js, with the scripts that wasm-bindgen made, as one script. The platform loads the module and its own modules.
fn bundle(parts: &Path, script: &Path, step: &Step) -> Result<()> {
    fs::copy(
        workspace::path("edge-coordinator/entry.js"),
        parts.join("entry.js"),
    )?;
    step.execute(
        command(workspace::path("node_modules/.bin/esbuild"))
            .env("PATH", install::path_with_node_programs()?)
            .current_dir(parts)
            .args([
                "entry.js",
                "--bundle",
                "--minify",
                "--format=esm",
                "--log-level=warning",
            ])
            .args(["--external:./index_bg.wasm", "--external:cloudflare:*"])
            .arg(format!("--outfile={}", script.display())),
    )?;
    // wasm-bindgen imports the module in the source phase; to the platform it is an ordinary import.
    let code = fs::read_to_string(script)?;
    Ok(fs::write(script, code.replace("import source ", "import "))?)
}

/// Copies the files, and leaves nothing else where they go: every script of that folder is loaded.
fn publish(made: &Path) -> Result<()> {
    let place = place();
    fs::create_dir_all(&place)?;
    for entry in fs::read_dir(&place)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if !FILES.iter().any(|file| entry.file_name() == *file) {
            fs::remove_file(entry.path())?;
        }
    }
    for file in FILES {
        let unfinished = place.join(format!("{file}.unfinished"));
        fs::copy(made.join(file), &unfinished)?;
        fs::rename(unfinished, place.join(file))?;
    }
    Ok(())
}
