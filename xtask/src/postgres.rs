//! PostgreSQL's programs, from which the tests start servers of their own.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::apt;

/// The folder of PostgreSQL's programs: `SYNCSPHERE_POSTGRES` where set, else the system's, else installed with apt
/// where we may.
pub fn programs() -> Result<PathBuf> {
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
