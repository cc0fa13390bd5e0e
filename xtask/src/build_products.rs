//! What the project ships: the coordinator worker, the npm package, the demo site. Each is built only where something
//! that it is made from has changed.

mod browser_module;
mod profile;
mod wasm;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use self::browser_module::{DELTA, ENGINE};
pub use self::profile::Profile;
use crate::fingerprint::{Inputs, when_changed};
use crate::install;
use crate::steps::side_by_side;
use crate::workspace;

/// What can be asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Product {
    /// The coordinator for workerd and Cloudflare
    Worker,
    /// The npm package @syncsphere/uploader
    Package,
    /// The demo site, with the package that it uses
    Site,
}

/// Builds the named products, or all.
pub fn run(products: &[Product], thin: bool) -> Result<ExitCode> {
    let products = if products.is_empty() {
        Product::value_variants()
    } else {
        products
    };
    build(products, if thin { Profile::Thin } else { Profile::Release })?;
    Ok(ExitCode::SUCCESS)
}

/// Builds all three.
pub fn everything(profile: Profile) -> Result<()> {
    build(Product::value_variants(), profile)
}

/// Builds the named ones and installs what that takes, side by side where nothing waits for anything.
pub fn build(products: &[Product], profile: Profile) -> Result<()> {
    install::wasm_target()?;
    let has_worker = products.contains(&Product::Worker);
    let has_package = products.iter().any(|product| *product != Product::Worker);
    let is_compiled = (!has_worker || worker::is_made(profile)?)
        && (!has_package || ENGINE.is_made(profile)? && DELTA.is_made(profile)?);
    let compile = || match profile {
        Profile::Thin if !is_compiled => wasm::compile_thin(),
        _ => Ok(()),
    };
    let packages = || match profile {
        Profile::Thin => install::demo_packages(),
        Profile::Release => install::node_packages(),
    };
    side_by_side(&[&packages, &compile])?;

    let worker = || {
        if has_worker {
            worker::put_in_place(profile)
        } else {
            Ok(())
        }
    };
    let package = || if has_package { npm_package(profile) } else { Ok(()) };
    side_by_side(&[&worker, &package])?;
    if products.contains(&Product::Site) {
        demo_site()?;
    }
    Ok(())
}

/// The npm package `@syncsphere/uploader`: uploader-wasm/npm/dist.
fn npm_package(profile: Profile) -> Result<()> {
    let engine = ENGINE.make(profile)?;
    let delta = DELTA.make(profile)?;
    let dist = npm_dist();
    let inputs = Inputs::default()
        .paths(&["uploader-wasm/npm", "package-lock.json"])?
        .file(&engine.glue)?
        .file(&engine.wasm)?
        .file(&delta.glue)?
        .file(&delta.wasm)?;
    let product = crate::fingerprint::Product {
        name: "npm package",
        seconds: 10,
        outputs: [
            "index.js",
            "index.d.ts",
            "worker.js",
            "delta-worker.js",
            "uploader.wasm",
        ]
        .map(|file| dist.join(file))
        .to_vec(),
    };
    when_changed(&product, inputs, |step| {
        let mut build = install::node_script("uploader-wasm/npm/build.mjs")?;
        step.execute(
            build
                .env("WASM_DIR", &engine.folder)
                .env("DELTA_DIR", &delta.folder),
        )
    })
}

/// The demo site as the worker serves it: demo-site/dist.
fn demo_site() -> Result<()> {
    let inputs = Inputs::default()
        .paths(&["demo-site", "package-lock.json"])?
        // Named as a path of its own, for folders of products are skipped below a named one.
        .paths(&["uploader-wasm/npm/dist"])?;
    let product = crate::fingerprint::Product {
        name: "demo site",
        seconds: 3,
        outputs: vec![workspace::path("demo-site/dist/index.html")],
    };
    when_changed(&product, inputs, |step| {
        step.execute(&mut install::node_script("demo-site/build.mjs")?)
    })
}

/// The worker as it ships, in a folder of its own: for tests that run while another one is in use.
pub fn shipped_worker() -> Result<PathBuf> {
    install::wasm_target()?;
    install::node_packages()?;
    worker::make(Profile::Release)
}

/// Where the upload engine's module and script are.
pub fn engine_folder(profile: Profile) -> Result<PathBuf> {
    Ok(ENGINE.make(profile)?.folder)
}

/// Where the built npm package is.
pub fn npm_dist() -> PathBuf {
    workspace::path("uploader-wasm/npm/dist")
}
