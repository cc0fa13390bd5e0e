//! `cargo xtask database-setup`: the metadata database's tables in a PostgreSQL database. stack/database.mjs does it.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::process::{command, execute};
use crate::{install, workspace};

/// Makes the tables, or brings them up to date.
pub fn run(url: Option<String>) -> Result<ExitCode> {
    let Some(url) = url.or_else(|| std::env::var(VARIABLE).ok()) else {
        bail!("which database? Name it by {VARIABLE} in the environment, or by --database-url");
    };
    let mut node = command(install::node()?);
    // By the environment, for arguments are there for every user of the machine to read.
    node.arg(workspace::path("stack/database.mjs")).env(VARIABLE, url);
    execute(&mut node)?;
    Ok(ExitCode::SUCCESS)
}

const VARIABLE: &str = "DATABASE_URL";
