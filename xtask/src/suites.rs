//! The suites of tests: what each needs, how it is run, how its counts are read.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::build_products::{Product, Profile, build};
use crate::install::{self, WASM_TARGET};
use crate::outcome::Outcome;
use crate::process::{cargo, guarded, run_reading};
use crate::test_output::{closing_counts, failed_test, tap_outcome};
use crate::{browser, build_products, costs, postgres, storage, workspace};

/// The suites that run only where they are named.
pub const BY_NAME: [&str; 1] = [FRAMEWORKS];

const BROWSERS: &str = "browsers";

/// It installs some gigabyte of other people's tools, and builds with all of them.
const FRAMEWORKS: &str = "frameworks";

/// The suite that installs what it needs only where it is named: one of its servers takes minutes to build, another wants apt.
pub const STORAGE: &str = "storage";

/// A set of tests that runs in one place.
pub struct Suite {
    /// What `cargo xtask test NAME` calls it.
    pub name: &'static str,
    /// For people.
    pub about: &'static str,
    /// Installs, builds and runs.
    pub run: fn() -> Result<Outcome>,
}

/// All of them, the quick ones first.
pub const SUITES: [Suite; 12] = [
    Suite {
        name: "native",
        about: "unit and property tests of the cores and of xtask",
        run: native,
    },
    Suite {
        name: "sim",
        about: "both cores together on a virtual clock: scenarios, and 10,000 runs made of chance",
        run: sim,
    },
    Suite {
        name: "costs",
        about: "the instructions of what is often done, held against their budgets",
        run: costs::suite,
    },
    Suite {
        name: "wasm",
        about: "the WebAssembly crates in headless Chromium, and the cores on wasm32",
        run: wasm,
    },
    Suite {
        name: "package",
        about: "the npm package as it ships, outside a browser",
        run: package,
    },
    Suite {
        name: "worker",
        about: "the built worker in workerd against SeaweedFS and PostgreSQL",
        run: worker,
    },
    Suite {
        name: "browser",
        about: "the demo page in Chromium",
        run: in_browser,
    },
    Suite {
        name: BROWSERS,
        about: "the package and the demo page in Chromium, Firefox and WebKit",
        run: browsers,
    },
    Suite {
        name: "stack",
        about: "the demo command and the local stack",
        run: stack,
    },
    Suite {
        name: STORAGE,
        about: "uploads to every storage that can be had here: SeaweedFS, Garage, Ceph",
        run: on_every_storage,
    },
    Suite {
        name: FRAMEWORKS,
        about: "the examples for Next.js, React Router, Vue, Nuxt, SvelteKit, Angular and Astro in Chromium; Bun and Deno",
        run: in_frameworks,
    },
    Suite {
        name: SHIPS,
        about: "uploads, listings and panics with the worker as it ships: the other suites use one that is built quickly",
        run: ships,
    },
];

fn native() -> Result<Outcome> {
    install::wasm_target()?;
    cargo_test(cargo().args(["test", "--no-fail-fast"]))
}

/// The simulator has a profile of its own: its runs want some speed, and its assertions.
fn sim() -> Result<Outcome> {
    cargo_test(cargo().args([
        "test",
        "--no-fail-fast",
        "--profile",
        "sim",
        "--package",
        "syncsphere-sim",
    ]))
}

/// In which place they run (browser or Node) each crate says itself: Node unless told otherwise.
fn wasm() -> Result<Outcome> {
    install::wasm_target()?;
    install::node_packages()?;
    let mut cores = cargo();
    cores.args(["test", "--no-fail-fast", "--target", WASM_TARGET, "--lib"]);
    for krate in CORES {
        cores.args(["--package", krate]);
    }
    let mut engine = cargo();
    engine.args([
        "test",
        "--no-fail-fast",
        "--target",
        WASM_TARGET,
        "--package",
        "syncsphere-uploader-wasm",
    ]);

    let mut outcome = Outcome::default();
    for tests in [&mut cores, &mut engine] {
        let found = cargo_test(with_wasm_runner(tests)?)?;
        outcome.passed += found.passed;
        outcome.failed.extend(found.failed);
    }
    Ok(outcome)
}

const CORES: [&str; 4] = [
    "syncsphere-protocol",
    "syncsphere-upload-core",
    "syncsphere-delta-core",
    "syncsphere-coordinator-core",
];

fn with_wasm_runner(command: &mut Command) -> Result<&mut Command> {
    Ok(command
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            install::wasm_test_runner()?,
        )
        .env("CHROMEDRIVER", browser::chromedriver()?)
        .env("PATH", install::path_with_node_programs()?)
        // Source: wasm-bindgen's guide, wasm-bindgen-test usage: seconds until the runner gives up (20 unless set)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "300"))
}

fn package() -> Result<Outcome> {
    build(&[Product::Package], Profile::Release)?;
    node_test("package", Concurrency::One)
}

fn worker() -> Result<Outcome> {
    postgres::programs()?;
    build(&[Product::Worker], Profile::Thin)?;
    node_test("worker", Concurrency::Three)
}

fn in_browser() -> Result<Outcome> {
    build_products::everything(Profile::Thin)?;
    node_test("browser", Concurrency::Two)
}

/// The tests of an engine that cannot be had here are named as not run.
fn browsers() -> Result<Outcome> {
    browser::other_engines();
    build_products::everything(Profile::Thin)?;
    node_test(BROWSERS, Concurrency::Two)
}

fn stack() -> Result<Outcome> {
    postgres::programs()?;
    // What is deployed is tried as well, and wrangler has it built: here nothing runs out of time over that.
    build_products::everything(Profile::Release)?;
    node_test("stack", Concurrency::Two)
}

fn on_every_storage() -> Result<Outcome> {
    for (server, had) in [
        ("Garage", storage::garage().map(|_| true)),
        ("Ceph", storage::ceph()),
    ] {
        match had {
            Ok(true) => {}
            Ok(false) => eprintln!("{server} cannot be installed here: its tests are not run"),
            Err(error) => eprintln!("{server} cannot be installed here: its tests are not run: {error:#}"),
        }
    }
    on_installed_storages()
}

/// The suite `storage` with the servers that are there; the tests of others are named as not run.
pub fn on_installed_storages() -> Result<Outcome> {
    build_products::everything(Profile::Thin)?;
    node_test(STORAGE, Concurrency::Two)
}

fn in_frameworks() -> Result<Outcome> {
    build_products::everything(Profile::Thin)?;
    node_test(FRAMEWORKS, Concurrency::One)
}

/// The suite of the worker that ships, which takes minutes to build.
pub const SHIPS: &str = "ships";

fn ships() -> Result<Outcome> {
    postgres::programs()?;
    // Where it is being built already, this waits for it.
    let worker = build_products::shipped_worker()?;
    let files = SHIPS_TESTS.map(|test| workspace::path("tests/worker").join(format!("{test}.test.mjs")));
    run_node_tests(SHIPS, &files, Concurrency::Two, |node| {
        node.env("SYNCSPHERE_WORKER", worker)
    })
}

/// What a different build could break: the entry script, signatures, the ledger, starting anew.
const SHIPS_TESTS: [&str; 4] = ["uploads", "listing", "auth", "panic"];

/// Runs a Cargo test command and adds up the closing lines of its test binaries.
fn cargo_test(command: &mut Command) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut failures = 0;
    let ended_well = run_reading(command, |line| {
        if let Some((passed, failed)) = closing_counts(line) {
            outcome.passed += passed;
            failures += failed;
        } else if let Some(name) = failed_test(line) {
            outcome.failed.push(name.to_owned());
        }
    })?;
    // Where a runner prints failures another way, they still count.
    for number in outcome.failed.len() as u64..failures {
        outcome.failed.push(format!("unnamed test {}", number + 1));
    }
    if !ended_well && outcome.failed.is_empty() {
        outcome
            .failed
            .push("the tests did not build, or a test program crashed".to_owned());
    }
    Ok(outcome)
}

/// How many files of a suite run at a time. Each starts servers of its own, and the machine may have two cores: the more a
/// suite waits for clocks, the more lanes it gains by.
#[derive(Clone, Copy)]
enum Concurrency {
    One = 1,
    Two = 2,
    Three = 3,
}

/// Runs the tests of tests/SUITE.
fn node_test(suite: &str, concurrency: Concurrency) -> Result<Outcome> {
    run_node_tests(suite, &test_files(suite)?, concurrency, |node| node)
}

/// Runs `node --test`: readable on the terminal, and as TAP into a file that we count.
fn run_node_tests(
    suite: &str,
    files: &[PathBuf],
    concurrency: Concurrency,
    adjust: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Outcome> {
    if files.is_empty() {
        return Ok(Outcome {
            failed: vec![format!("tests/{suite} holds no *.test.mjs")],
            ..Outcome::default()
        });
    }
    install::node_packages()?;
    let node = install::node()?;
    let report = workspace::target().join("xtask").join(format!("{suite}.tap"));
    fs::create_dir_all(workspace::target().join("xtask"))?;
    let _ = fs::remove_file(&report);

    let mut command = guarded(&node);
    install::with_tools(&mut command)?
        .env("CHROME_BIN", browser::chromium()?)
        // Each file's process loads the same megabytes of scripts.
        .env("NODE_COMPILE_CACHE", workspace::target().join("xtask/scripts"))
        .env("SYNCSPHERE_XTASK", workspace::own_program()?)
        .args(["--test", "--test-timeout=300000", "--test-force-exit"])
        .arg(format!("--test-concurrency={}", concurrency as u8))
        .args([
            "--test-reporter=spec",
            "--test-reporter-destination=stdout",
            "--test-reporter=tap",
        ])
        .arg(format!("--test-reporter-destination={}", report.display()))
        .args(files);
    let ended_well = run_reading(adjust(&mut command), |_| {})?;
    let mut outcome = tap_outcome(&fs::read_to_string(&report).unwrap_or_default());
    if !ended_well && outcome.failed.is_empty() {
        outcome
            .failed
            .push("the test runner ended without a verdict".to_owned());
    }
    Ok(outcome)
}

fn test_files(suite: &str) -> Result<Vec<PathBuf>> {
    let folder = workspace::path("tests").join(suite);
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".test.mjs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
