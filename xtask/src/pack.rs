//! `cargo xtask pack`: the npm tarball in target/npm, checked as its users will meet it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use crate::build_products::{Product, Profile};
use crate::process::{command, execute, output};
use crate::{build_products, install, workspace};

/// Makes the tarball and checks exports, types and size.
pub fn run_checks() -> Result<(PathBuf, PackageSize)> {
    build_products::build(&[Product::Package], Profile::Release)?;
    let tarball = tarball()?;
    let programs = workspace::path("node_modules/.bin");
    let path = install::path_with_node_programs()?;
    execute(command(programs.join("publint")).env("PATH", &path).arg(&tarball))?;
    // The package is ES modules alone, by intention, and says so in its exports. `worker` and `wasm` are files for
    // browsers to fetch; nobody imports them.
    execute(
        command(programs.join("attw"))
            .env("PATH", &path)
            .args([
                "--profile",
                "esm-only",
                "--exclude-entrypoints",
                "worker",
                "wasm",
                "--",
            ])
            .arg(&tarball),
    )?;
    let size = PackageSize::measure()?;
    for (what, bytes, budget) in [
        ("the package, brotli", size.brotli, BROTLI_BUDGET),
        ("the package, gzip", size.gzip, GZIP_BUDGET),
        ("the page's script, gzip", size.page_gzip, PAGE_GZIP_BUDGET),
    ] {
        if bytes > budget {
            bail!("{what}, has {bytes} bytes as sent, over its budget of {budget}");
        }
    }
    Ok((tarball, size))
}

/// `run_checks`, reported.
pub fn run() -> Result<ExitCode> {
    let (tarball, size) = run_checks()?;
    println!("{}", tarball.display());
    println!(
        "scripts and WebAssembly: {} bytes, as sent {} (brotli), {} (gzip); the page's script {} (gzip)",
        size.plain, size.brotli, size.gzip, size.page_gzip
    );
    Ok(ExitCode::SUCCESS)
}

/// Scripts and WebAssembly of the package, in bytes.
pub struct PackageSize {
    /// As they are on disk.
    pub plain: u64,
    /// Each compressed on its own, as web servers send them.
    pub brotli: u64,
    /// The same for the servers that know gzip only.
    pub gzip: u64,
    /// Of those, what the page itself loads: the rest goes to workers.
    pub page_gzip: u64,
}

// Source: issues 6 and 16 ask for 64,000. Reached are 70,003, with folders, a page's own `fetch`, what Firefox and WebKit
// need, an engine that keeps what is stored, MD5 for storages that know no CRC64NVME, speed limits, priorities and
// workers from another host; docs/client.md says what they consist of and what is left to try.
pub const BROTLI_BUDGET: u64 = 70_200;

// Source: issue 6, "The page-side script stays under 8 KB gzip".
pub const PAGE_GZIP_BUDGET: u64 = 8_000;

// Source: issue 2 asks for 120,000; reached are 79,600.
pub const GZIP_BUDGET: u64 = 79_900;

impl PackageSize {
    /// Of what every page that uploads loads, `index.js` and the workers' files. Source maps and types are no part of
    /// it, since browsers do not load them by themselves; nor are the other entries, which a page loads by choice.
    pub fn measure() -> Result<Self> {
        let mut size = Self {
            plain: 0,
            brotli: 0,
            gzip: 0,
            page_gzip: 0,
        };
        for name in ["index.js", "worker.js", "uploader.wasm"] {
            let bytes = fs::read(build_products::npm_dist().join(name))?;
            size.plain += bytes.len() as u64;
            size.brotli += brotli_size(&bytes)?;
            let gzip = gzip_size(&bytes)?;
            size.gzip += gzip;
            if name == "index.js" {
                size.page_gzip = gzip;
            }
        }
        Ok(size)
    }
}

fn gzip_size(bytes: &[u8]) -> Result<u64> {
    // Source: zlib manual; 6 is the level that servers use unless told otherwise
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}

fn brotli_size(bytes: &[u8]) -> Result<u64> {
    // What build tools make beforehand: the best quality, and the default window.
    let best = brotli::enc::BrotliEncoderParams::default();
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut compressed, &best)?;
    Ok(compressed.len() as u64)
}

fn tarball() -> Result<PathBuf> {
    let folder = workspace::target().join("npm");
    fs::create_dir_all(&folder)?;
    let packed = output(
        command("npm")
            .args(["pack", "--json", "--ignore-scripts", "--pack-destination"])
            .arg(&folder)
            .current_dir(workspace::path("uploader-wasm/npm")),
    )?;
    Ok(folder.join(packed_file(&packed)?))
}

fn packed_file(json: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Packed {
        filename: String,
    }
    let packed: Vec<Packed> = serde_json::from_str(json).context("reading what npm pack printed")?;
    let filename = packed
        .into_iter()
        .next()
        .context("npm pack made nothing")?
        .filename;
    Ok(Path::new(&filename)
        .file_name()
        .context("npm pack named no file")?
        .into())
}
