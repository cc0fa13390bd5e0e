//! Where things are in the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository's root folder.
pub fn root() -> &'static Path {
    // xtask/ lies directly below it; xtask is always run from the checkout that it was built in.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// A path below the repository's root.
pub fn path(relative: &str) -> PathBuf {
    root().join(relative)
}

/// The file of this program. `cargo test` may have put the program anew into its place since it began; Linux then names
/// what is gone.
pub fn own_program() -> Result<PathBuf> {
    Ok(in_its_place(std::env::current_exe()?))
}

/// Source: proc(5), `/proc/pid/exe`.
fn in_its_place(program: PathBuf) -> PathBuf {
    let replaced = program
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"))
        .map(PathBuf::from);
    replaced.filter(|path| path.is_file()).unwrap_or(program)
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| path("target"), |dir| root().join(dir))
}

/// For walks over what people write: leaves out what is built, installed or hidden.
pub fn is_source_folder_or_file(entry: &walkdir::DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.depth() == 0
        || !(name.starts_with('.')
            || matches!(&*name, "target" | "build" | "dist" | "node_modules" | "artifacts"))
}

/// The version that `Cargo.lock` pins for a crate. Tools that must match a crate are installed in that version.
pub fn locked_version(krate: &str) -> Result<String> {
    let lock = std::fs::read_to_string(path("Cargo.lock")).context("reading Cargo.lock")?;
    version_in_lock(&lock, krate).with_context(|| format!("Cargo.lock has no crate {krate}"))
}

fn version_in_lock(lock: &str, krate: &str) -> Option<String> {
    let name = format!("name = \"{krate}\"");
    let mut lines = lock.lines().skip_while(|line| **line != *name);
    lines.next()?;
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::version_in_lock;

    const LOCK: &str = "[[package]]\nname = \"worker-macros\"\nversion = \"1.0.0\"\n\n\
                        [[package]]\nname = \"worker\"\nversion = \"0.8.7\"\nsource = \"x\"\n";

    #[test]
    fn a_program_that_was_built_anew_is_found_in_its_place() {
        let own = std::env::current_exe().unwrap();
        let gone = std::path::PathBuf::from(format!("{} (deleted)", own.display()));
        assert_eq!(super::in_its_place(gone), own);
        assert_eq!(super::in_its_place(own.clone()), own);
    }

    #[test]
    fn finds_the_locked_version_by_the_whole_name() {
        assert_eq!(version_in_lock(LOCK, "worker").as_deref(), Some("0.8.7"));
        assert_eq!(version_in_lock(LOCK, "work"), None);
    }
}
