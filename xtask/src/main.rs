//! The project's commands, for people and for CI: `cargo xtask demo`, `test`, `check`, `bench`, `pack`.
//!
//! Each command installs what it misses (into a per-user cache, never system-wide, except for the browser and PostgreSQL) and builds
//! what has changed, so that a fresh clone needs nothing but Rust, Node and Python.

mod apt;
mod bench;
mod browser;
mod bucket_setup;
mod build_products;
mod cache;
mod check;
mod costs;
mod database_setup;
mod demo;
mod digest;
mod doctor;
mod fingerprint;
mod import_circles;
mod install;
mod outcome;
mod pack;
mod postgres;
mod process;
mod release;
mod steps;
mod storage;
mod suites;
mod test_output;
mod test_run;
mod transfer_progress;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let outcome = match command {
        Command::Demo(options) => demo::run(options),
        Command::Test { suites, list } => test_run::run(&suites, list),
        Command::Check => check::run(),
        Command::Costs { renew } => costs::run(renew),
        Command::Release(options) => release::run(&options),
        Command::Format => check::format(),
        Command::Bench { cases, quick } => bench::run(&cases, quick),
        Command::Pack => pack::run(),
        Command::Build { aside: true, .. } => build_products::shipped_worker().map(|_| ExitCode::SUCCESS),
        Command::Build { products, thin, .. } => build_products::run(&products, thin),
        Command::BucketSetup(options) => bucket_setup::run(options),
        Command::Doctor(options) => doctor::run(&options),
        Command::DatabaseSetup { database_url } => database_setup::run(database_url),
        Command::Setup => install::everything().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The commands of SyncSphere Uploader"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole system on this machine: S3 server, coordinator in workerd, demo site
    Demo(demo::DemoOptions),
    /// Run every suite but `frameworks`, or the named ones; closes with `N passed, N failed`
    Test {
        /// Suites to run (all when none is named)
        suites: Vec<String>,
        /// Say which suites there are, and run nothing
        #[arg(long)]
        list: bool,
    },
    /// Formatting, lints, purity gates, dependency and licence audit
    Check,
    /// Count the instructions of what is often done, and compare them with their budgets
    Costs {
        /// Write what was counted as the new budgets
        #[arg(long)]
        renew: bool,
    },
    /// Date the changelog's section, write the version into every manifest, commit and tag
    Release(release::ReleaseOptions),
    /// Format every source file the way `check` wants it
    Format,
    /// Measure against other tools, as ratios, into bench/RESULTS.md
    Bench {
        /// Cases to run (all when none is named)
        cases: Vec<String>,
        /// One round of smaller sizes, into target/bench/quick: shows that bench works, and measures nothing
        #[arg(long)]
        quick: bool,
    },
    /// Make and check the npm tarball
    Pack,
    /// Build the worker, the npm package and the demo site, or only some of them
    Build {
        /// What to build (everything when none is named)
        products: Vec<build_products::Product>,
        /// Quickly and several times as large, as the demo and the tests use them: nothing that ships
        #[arg(long)]
        thin: bool,
        /// Make the worker that ships without putting it in its place, while tests use another
        #[arg(long, hide = true)]
        aside: bool,
    },
    /// Give a bucket the CORS and lifecycle rules that uploads need, beside the rules it has
    BucketSetup(bucket_setup::BucketSetupOptions),
    /// Examine a deployed or local coordinator and its storage from outside, and say how to mend what is wrong
    Doctor(doctor::DoctorOptions),
    /// Install the tools that the other commands need
    Setup,
    /// Make the metadata database's tables in a PostgreSQL database, or bring them up to date
    DatabaseSetup {
        /// The database (default: DATABASE_URL of the environment, which others on the machine cannot read)
        #[arg(long, value_name = "URL")]
        database_url: Option<String>,
    },
}
