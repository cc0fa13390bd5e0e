//! From a crate to a WebAssembly module that browsers and workerd load: Cargo, wasm-bindgen, and for what ships wasm-opt.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use super::profile::Profile;
use crate::fingerprint::{Inputs, Product, when_changed};
use crate::install::{self, WASM_TARGET};
use crate::process::{cargo, command};
use crate::steps::Step;
use crate::workspace;

/// A crate that becomes a WebAssembly module.
#[derive(Clone, Copy)]
pub struct Module {
    package: &'static str,
    /// How Cargo names the file.
    file: &'static str,
    /// The Cargo profile of what ships.
    release_profile: &'static str,
}

/// The coordinator.
pub const WORKER: Module = Module {
    package: "syncsphere-edge-coordinator",
    file: "syncsphere_edge_coordinator.wasm",
    release_profile: "release",
};

/// The upload engine of pages.
pub const ENGINE: Module = Module {
    package: "syncsphere-uploader-wasm",
    file: "syncsphere_uploader_wasm.wasm",
    release_profile: "browser",
};

/// What finds the changes between two versions of a file, for pages.
pub const DELTA: Module = Module {
    package: "syncsphere-delta-wasm",
    file: "syncsphere_delta_wasm.wasm",
    release_profile: "browser",
};

/// What Cargo makes of a module; `flags` are for the Rust compiler, and count for what ships alone.
pub fn compile(module: Module, profile: Profile, flags: &[String], step: &Step) -> Result<PathBuf> {
    if profile == Profile::Thin {
        compile_thin()?;
    } else {
        // Cargo joins these to the flags of .cargo/config.toml.
        let flags = format!("target.{WASM_TARGET}.rustflags={flags:?}");
        step.execute_cargo(cargo_build(&[module], module.release_profile).args(["--config", &flags]))?;
    }
    Ok(module.compiled(profile))
}

/// Compiles the thin modules of all crates in one go, so that what they share is compiled once, and that no core waits
/// for the last crate of one of them.
pub fn compile_thin() -> Result<()> {
    let modules = [WORKER, ENGINE, DELTA];
    let product = Product {
        name: "thin WebAssembly modules",
        // Source: measured, see docs/architecture.md, "The first start".
        seconds: 100,
        outputs: modules.map(|module| module.compiled(Profile::Thin)).to_vec(),
    };
    let inputs = rust_inputs()?.paths(&[
        "protocol",
        "upload-core",
        "coordinator-core",
        "uploader-wasm/src",
        "uploader-wasm/Cargo.toml",
        "delta-core",
        "delta-wasm",
        "edge-coordinator",
    ])?;
    when_changed(&product, inputs, |step| {
        step.execute_cargo(&mut cargo_build(&modules, THIN))
    })
}

const THIN: &str = "thin";

fn cargo_build(modules: &[Module], profile: &str) -> std::process::Command {
    let mut build = cargo();
    build.args(["build", "--lib", "--target", WASM_TARGET, "--profile", profile]);
    for module in modules {
        build.args(["--package", module.package]);
    }
    // Has wasm-bindgen's macro use js-sys' futures, as the `worker` crate wants it. Source: worker-build 0.8.7
    build.env("WASM_BINDGEN_USE_JS_SYS", "1");
    build
}

impl Module {
    fn compiled(self, profile: Profile) -> PathBuf {
        let profile = match profile {
            Profile::Thin => THIN,
            Profile::Release => self.release_profile,
        };
        workspace::target()
            .join(WASM_TARGET)
            .join(profile)
            .join(self.file)
    }
}

/// Has wasm-bindgen write the module and its script into a folder, as `NAME_bg.wasm` and `NAME.js`.
pub fn bind(
    compiled: &Path,
    folder: &Path,
    name: &str,
    options: impl FnOnce(&mut Bindgen) -> Result<&mut Bindgen>,
) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(compiled)
        .out_name(name)
        // As the command line has it, other than the library: a script finds the module beside it.
        .omit_default_module_path(false);
    options(&mut bindgen)?
        .generate(folder)
        .with_context(|| format!("binding {}", compiled.display()))
}

/// Runs wasm-opt over a module, in place.
pub fn optimise<S: AsRef<OsStr>>(
    wasm: &Path,
    options: impl IntoIterator<Item = S>,
    step: &Step,
) -> Result<()> {
    let optimised = wasm.with_extension("optimised");
    step.execute(
        command(workspace::path("node_modules/.bin/wasm-opt"))
            .env("PATH", install::path_with_node_programs()?)
            .arg(wasm)
            .args(options)
            .args(FEATURES)
            .args(["-o".as_ref(), optimised.as_os_str()]),
    )?;
    std::fs::rename(optimised, wasm)?;
    Ok(())
}

// What rustc uses by default, and so what wasm-opt must accept and may use.
// Source: rustc book, platform support, wasm32-unknown-unknown, "Enabled WebAssembly features"
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// What every module is made from besides its sources.
pub fn rust_inputs() -> Result<Inputs> {
    let compiler = crate::process::output(command("rustc").arg("--version"))?;
    Inputs::default()
        .text(compiler.trim())
        .paths(&["Cargo.toml", "Cargo.lock", ".cargo/config.toml"])
}
