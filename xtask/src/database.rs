//! The metadata database: its tables in a database of yours, and the server that the tests start.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::process::{command, execute};
use crate::{apt, install, workspace};

/// Makes the tables, or brings them up to date.
pub fn set_up(url: Option<String>) -> Result<ExitCode> {
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

/// The folder of PostgreSQL's programs: `SYNCSPHERE_POSTGRES` where set, else the system's, else installed with apt
/// where we may.
pub fn postgres_programs() -> Result<PathBuf> {
    const NAME: &str = "SYNCSPHERE_POSTGRES";
    if let Some(folder) = std::env::var_os(NAME).map(PathBuf::from) {
        if is_whole(&folder) {
            return Ok(folder);
        }
        bail!(
            "{NAME} names {}, which holds no initdb and postgres",
            folder.display()
        );
    }
    if let Some(folder) = installed() {
        return Ok(folder);
    }
    apt::install("postgresql")?;
    match installed() {
        Some(folder) => Ok(folder),
        None => bail!(
            "PostgreSQL is missing: the metadata database is tested on a real one; install it (on Debian: \
             apt-get install postgresql) or set {NAME} to the folder of initdb and postgres"
        ),
    }
}

fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut debian: Vec<_> = versions
        .filter_map(|entry| {
            let version: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((
                version,
                Path::new("/usr/lib/postgresql")
                    .join(version.to_string())
                    .join("bin"),
            ))
        })
        .collect();
    debian.sort();
    let newest_first = debian.into_iter().rev().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest_first
        .chain(std::env::split_paths(&path))
        .find(|folder| is_whole(folder))
}

fn is_whole(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}
