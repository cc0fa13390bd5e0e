//! What the project ships: the coordinator worker, the npm package, the demo site. Each is built only where something
//! that it is made from has changed.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::fingerprint::{Inputs, when_changed};
use crate::install::{self, WASM_TARGET};
use crate::process::{cargo, command, execute, output};
use crate::workspace;

/// What can be asked for by name.
#[derive(Clone, Copy, ValueEnum)]
pub enum Product {
    /// The coordinator for workerd and Cloudflare
    Worker,
    /// The npm package @syncsphere/uploader
    Package,
    /// The demo site, with the package that it uses
    Site,
}

/// Builds the named products, or all.
pub fn run(products: &[Product]) -> Result<ExitCode> {
    let products = if products.is_empty() {
        Product::value_variants()
    } else {
        products
    };
    install::wasm_target()?;
    install::node_packages()?;
    for product in products {
        match product {
            Product::Worker => worker()?,
            Product::Package => npm_package()?,
            Product::Site => {
                npm_package()?;
                demo_site()?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds all three.
pub fn everything() -> Result<()> {
    install::wasm_target()?;
    install::node_packages()?;
    worker()?;
    npm_package()?;
    demo_site()
}

/// The coordinator as workerd and Cloudflare run it: edge-coordinator/build.
pub fn worker() -> Result<()> {
    let build = workspace::path("edge-coordinator/build");
    let inputs = rust_inputs()?.paths(&["protocol", "coordinator-core", "edge-coordinator"])?;
    when_changed(
        "worker",
        inputs,
        &[build.join("index.js"), build.join("index_bg.wasm")],
        || {
            let programs = workspace::path("node_modules/.bin");
            execute(
                command(install::worker_build()?)
                    .arg("--release")
                    .current_dir(workspace::path("edge-coordinator"))
                    .env("PATH", install::path_with_node_programs()?)
                    // Without these it downloads its own from hosts that may be out of reach, and in versions not locked.
                    .env("WASM_BINDGEN_BIN", install::wasm_bindgen()?.join("wasm-bindgen"))
                    .env("WASM_OPT_BIN", programs.join("wasm-opt"))
                    .env("ESBUILD_BIN", programs.join("esbuild")),
            )
        },
    )
}

/// The npm package `@syncsphere/uploader`: uploader-wasm/npm/dist.
pub fn npm_package() -> Result<()> {
    let engine = browser_engine()?;
    let dist = npm_dist();
    let inputs = Inputs::default()
        .paths(&["uploader-wasm/npm", "package-lock.json"])?
        .file(&engine.glue)?
        .file(&engine.wasm)?;
    when_changed(
        "npm package",
        inputs,
        &[dist.join("index.js"), dist.join("index.d.ts")],
        || execute(node_script("uploader-wasm/npm/build.mjs")?.env("WASM_DIR", &engine.folder)),
    )
}

/// The demo site as the worker serves it: demo-site/dist.
pub fn demo_site() -> Result<()> {
    let inputs = Inputs::default()
        .paths(&["demo-site", "package-lock.json"])?
        // Named as a path of its own, for folders of products are skipped below a named one.
        .paths(&["uploader-wasm/npm/dist"])?;
    when_changed(
        "demo site",
        inputs,
        &[workspace::path("demo-site/dist/index.html")],
        || execute(&mut node_script("demo-site/build.mjs")?),
    )
}

/// Where the built npm package is.
pub fn npm_dist() -> PathBuf {
    workspace::path("uploader-wasm/npm/dist")
}

/// The upload engine for browsers: the WebAssembly module and the script that loads it.
struct BrowserEngine {
    folder: PathBuf,
    glue: PathBuf,
    wasm: PathBuf,
}

fn browser_engine() -> Result<BrowserEngine> {
    let folder = workspace::target().join("uploader-wasm");
    let engine = BrowserEngine {
        glue: folder.join(format!("{ENGINE}.js")),
        wasm: folder.join(format!("{ENGINE}_bg.wasm")),
        folder,
    };
    let inputs = rust_inputs()?.text(&SMALL_AS_SENT.concat()).paths(&[
        "protocol",
        "upload-core",
        "uploader-wasm/src",
        "uploader-wasm/Cargo.toml",
        WITHOUT_PANICS,
        "package-lock.json",
    ])?;
    when_changed(
        "browser engine",
        inputs,
        &[engine.glue.clone(), engine.wasm.clone()],
        || compile_engine(&engine),
    )?;
    Ok(engine)
}

fn compile_engine(engine: &BrowserEngine) -> Result<()> {
    execute(
        cargo()
            .args([
                "build",
                "--profile",
                "browser",
                "--package",
                "syncsphere-uploader-wasm",
            ])
            .args(["--target", WASM_TARGET, "--config", &small_code()?]),
    )?;
    let compiled = workspace::target()
        .join(WASM_TARGET)
        .join("browser/syncsphere_uploader_wasm.wasm");
    execute(
        command(install::wasm_bindgen()?.join("wasm-bindgen"))
            .args(["--target", "web", "--out-name", ENGINE, "--out-dir"])
            .args([&engine.folder, &compiled]),
    )?;
    optimise(&engine.wasm)
}

/// The name by which the package's build script looks for it.
const ENGINE: &str = "syncsphere_uploader";

/// Compiler flags for code that travels: little inlining, and no paths of this machine in panic messages.
fn small_code() -> Result<String> {
    // Source: measured on the engine of issue 2, gzip: default threshold 142 KB, 0: 110 KB, 15: 100 KB, 25: 101 KB;
    // the checksum's loop is as fast.
    let inlining = "-Cllvm-args=--inline-threshold=15";
    let home = std::env::home_dir().context("no home folder")?;
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let remap = format!(
        "--remap-path-prefix={}=",
        cargo_home.join("registry/src").display()
    );
    // Cargo joins these to the flags of .cargo/config.toml.
    Ok(format!("target.{WASM_TARGET}.rustflags={:?}", [inlining, &remap]))
}

fn optimise(wasm: &Path) -> Result<()> {
    let (emptied, optimised) = (wasm.with_extension("emptied"), wasm.with_extension("optimised"));
    execute(node_script(WITHOUT_PANICS)?.args([wasm, &emptied]))?;
    execute(
        command(workspace::path("node_modules/.bin/wasm-opt"))
            .env("PATH", install::path_with_node_programs()?)
            .args(SMALL_AS_SENT)
            .args(WASM_FEATURES)
            .args(["-o".as_ref(), optimised.as_os_str(), emptied.as_os_str()]),
    )?;
    std::fs::remove_file(emptied)?;
    std::fs::rename(optimised, wasm)?;
    Ok(())
}

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

/// Empties what runs only once Rust has panicked.
const WITHOUT_PANICS: &str = "uploader-wasm/npm/without-panics.mjs";

// What rustc uses by default, and so what wasm-opt must accept and may use.
// Source: rustc book, platform support, wasm32-unknown-unknown, "Enabled WebAssembly features"
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

fn rust_inputs() -> Result<Inputs> {
    let compiler = output(command("rustc").arg("--version"))?;
    Inputs::default()
        .text(compiler.trim())
        .paths(&["Cargo.toml", "Cargo.lock", ".cargo/config.toml"])
}

fn node_script(script: &str) -> Result<Command> {
    let mut node = command(install::node()?);
    node.arg(workspace::path(script))
        .env("PATH", install::path_with_node_programs()?);
    Ok(node)
}
