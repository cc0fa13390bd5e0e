//! The upload engine for browsers: the WebAssembly module and the script that loads it, in target/uploader-wasm.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::profile::Profile;
use super::wasm::{self, ENGINE};
use crate::fingerprint::{Inputs, Product, is_current, when_changed};
use crate::install;
use crate::steps::Step;
use crate::workspace;

/// The built engine.
pub struct BrowserEngine {
    /// Where both files are.
    pub folder: PathBuf,
    /// The script that loads the module.
    pub glue: PathBuf,
    /// The module.
    pub wasm: PathBuf,
}

impl BrowserEngine {
    /// Makes it where it has changed.
    pub fn make(profile: Profile) -> Result<Self> {
        if profile == Profile::Thin && Self::is_made(Profile::Release)? {
            return Ok(Self::of(Profile::Release));
        }
        let engine = Self::of(profile);
        when_changed(&engine.product(profile), inputs()?, |step| {
            engine.compile(profile, step)
        })?;
        Ok(engine)
    }

    /// Whether there is nothing to make.
    pub fn is_made(profile: Profile) -> Result<bool> {
        let is_current = |profile| is_current(&Self::of(profile).product(profile), inputs()?);
        Ok(is_current(Profile::Release)? || is_current(profile)?)
    }

    fn of(profile: Profile) -> Self {
        let folder = workspace::target().join("uploader-wasm").join(profile.name());
        Self {
            glue: folder.join(format!("{NAME}.js")),
            wasm: folder.join(format!("{NAME}_bg.wasm")),
            folder,
        }
    }

    fn product(&self, profile: Profile) -> Product {
        Product {
            name: profile.either("browser engine (thin)", "browser engine"),
            // Source: measured, see docs/architecture.md, "The first start".
            seconds: profile.either(10, 70),
            outputs: vec![self.glue.clone(), self.wasm.clone()],
        }
    }

    fn compile(&self, profile: Profile, step: &Step) -> Result<()> {
        let compiled = wasm::compile(ENGINE, profile, &small_code()?, step)?;
        wasm::bind(&compiled, &self.folder, NAME, |bindgen| {
            Ok(bindgen.web(true)?.typescript(true))
        })?;
        if profile == Profile::Release {
            without_panics(&self.wasm, step)?;
            wasm::optimise(&self.wasm, SMALL_AS_SENT, step)?;
            step.execute(install::node_script(SHORT_NAMES)?.args([&self.wasm, &self.glue]))?;
        }
        Ok(())
    }
}

/// The name by which the package's build script looks for it.
const NAME: &str = "syncsphere_uploader";

fn inputs() -> Result<Inputs> {
    wasm::rust_inputs()?.text(&SMALL_AS_SENT.concat()).paths(&[
        "protocol",
        "upload-core",
        "uploader-wasm/src",
        "uploader-wasm/Cargo.toml",
        WITHOUT_PANICS,
        SHORT_NAMES,
        "package-lock.json",
    ])
}

/// Compiler flags for code that travels: little inlining, and no paths of this machine in panic messages.
fn small_code() -> Result<[String; 2]> {
    // Source: measured on the engine of issue 2, gzip: default threshold 142 KB, 0: 110 KB, 15: 100 KB, 25: 101 KB;
    // the checksum's loop is as fast.
    let inlining = "-Cllvm-args=--inline-threshold=15".to_owned();
    let home = std::env::home_dir().context("no home folder")?;
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let sources = cargo_home.join("registry/src");
    Ok([inlining, format!("--remap-path-prefix={}=", sources.display())])
}

fn without_panics(wasm: &Path, step: &Step) -> Result<()> {
    let emptied = wasm.with_extension("emptied");
    step.execute(install::node_script(WITHOUT_PANICS)?.args([wasm, &emptied]))?;
    std::fs::rename(emptied, wasm)?;
    Ok(())
}

/// Empties what runs only once Rust has panicked.
const WITHOUT_PANICS: &str = "uploader-wasm/npm/without-panics.mjs";

/// Shortens the names of what the module imports and exports.
const SHORT_NAMES: &str = "uploader-wasm/npm/short-names.mjs";

/// What wasm-opt does, so that the module is small once it is compressed.
///
/// Source: measured, brotli: 51.2 KB by `-Oz -Oz`; 50.0 where functions are left apart that are called once, for
/// compression finds more that is alike in them; 49.6 with those beside each other whose names begin alike. Rebuilding
/// the control flow first (binaryen's optimizer cookbook) is 0.1 of it. No gain: `-Os`, `--gufa`,
/// `--merge-similar-functions`, `--coalesce-locals-learning`, `--reorder-locals`.
const SMALL_AS_SENT: [&str; 9] = [
    "--one-caller-inline-max-function-size=0",
    "--flatten",
    "--rereloop",
    "-Oz",
    "--converge",
    "--reorder-functions-by-name",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
];
