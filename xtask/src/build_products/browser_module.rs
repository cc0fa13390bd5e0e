//! What browsers load of Rust: WebAssembly modules, each with the script that loads it, in target/uploader-wasm.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::profile::Profile;
use super::wasm::{self, Module};
use crate::fingerprint::{Inputs, Product, is_current, when_changed};
use crate::install;
use crate::steps::Step;
use crate::workspace;

/// One of them.
pub struct BrowserModule {
    module: Module,
    /// What it is called while it is made: quickly, and as it ships.
    products: [&'static str; 2],
    /// The name by which the package's build script looks for it.
    file: &'static str,
    /// What it is made from besides what every module is.
    sources: &'static [&'static str],
}

/// The upload engine.
pub const ENGINE: BrowserModule = BrowserModule {
    module: wasm::ENGINE,
    products: ["browser engine (thin)", "browser engine"],
    file: "syncsphere_uploader",
    sources: &[
        "protocol",
        "upload-core",
        "uploader-wasm/src",
        "uploader-wasm/Cargo.toml",
    ],
};

/// What finds the changes between two versions of a file.
pub const DELTA: BrowserModule = BrowserModule {
    module: wasm::DELTA,
    products: ["delta module (thin)", "delta module"],
    file: "syncsphere_delta",
    sources: &["protocol", "delta-core", "delta-wasm"],
};

/// A built module.
pub struct Built {
    /// Where both files are.
    pub folder: PathBuf,
    /// The script that loads the module.
    pub glue: PathBuf,
    /// The module.
    pub wasm: PathBuf,
}

impl BrowserModule {
    /// Makes it where it has changed.
    pub fn make(&self, profile: Profile) -> Result<Built> {
        if profile == Profile::Thin && self.is_current(Profile::Release)? {
            return Ok(self.built(Profile::Release));
        }
        when_changed(&self.product(profile), self.inputs()?, |step| {
            self.compile(profile, step)
        })?;
        Ok(self.built(profile))
    }

    /// Whether there is nothing to make.
    pub fn is_made(&self, profile: Profile) -> Result<bool> {
        Ok(self.is_current(Profile::Release)? || self.is_current(profile)?)
    }

    fn is_current(&self, profile: Profile) -> Result<bool> {
        is_current(&self.product(profile), self.inputs()?)
    }

    fn built(&self, profile: Profile) -> Built {
        let folder = workspace::target().join("uploader-wasm").join(profile.name());
        Built {
            glue: folder.join(format!("{}.js", self.file)),
            wasm: folder.join(format!("{}_bg.wasm", self.file)),
            folder,
        }
    }

    fn product(&self, profile: Profile) -> Product {
        let [thin, release] = self.products;
        let Built { glue, wasm, .. } = self.built(profile);
        Product {
            name: profile.either(thin, release),
            // Source: measured, see docs/architecture.md, "The first start".
            seconds: profile.either(10, 70),
            outputs: vec![glue, wasm],
        }
    }

    fn inputs(&self) -> Result<Inputs> {
        wasm::rust_inputs()?
            .text(&SMALL_AS_SENT.concat())
            .paths(self.sources)?
            .paths(&[WITHOUT_PANICS, SHORT_NAMES, "package-lock.json"])
    }

    fn compile(&self, profile: Profile, step: &Step) -> Result<()> {
        let compiled = wasm::compile(self.module, profile, &small_code()?, step)?;
        let Built { folder, glue, wasm } = self.built(profile);
        wasm::bind(&compiled, &folder, self.file, |bindgen| {
            Ok(bindgen.web(true)?.typescript(true))
        })?;
        if profile == Profile::Release {
            without_panics(&wasm, step)?;
            wasm::optimise(&wasm, SMALL_AS_SENT, step)?;
            step.execute(install::node_script(SHORT_NAMES)?.args([&wasm, &glue]))?;
        }
        Ok(())
    }
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
/// the control flow first (binaryen's optimizer cookbook) is 0.1 of it. That nothing lies in the first KiB of memory, which
/// is the far end of Rust's stack, lets loads and stores add constants themselves: 0.2. No gain: `-Os`, `--gufa`,
/// `--merge-similar-functions`, `--coalesce-locals-learning`, `--reorder-locals`, `--local-cse`, `--const-hoisting`,
/// `--ignore-implicit-traps`, `--zero-filled-memory`, `--no-stack-ir`. More inlining than at -Oz (the limit is 2 there) is 0.2
/// at a limit of 5, and costs from 8 on; ends that branches share, kept once, are 0.2, where what that leaves is optimised
/// again.
const SMALL_AS_SENT: [&str; 13] = [
    "--low-memory-unused",
    "--one-caller-inline-max-function-size=0",
    "--always-inline-max-function-size=5",
    "--flatten",
    "--rereloop",
    "-Oz",
    "--converge",
    "--code-folding",
    "-Oz",
    "--reorder-functions-by-name",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
];
