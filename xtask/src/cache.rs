//! The per-user cache of installed tools: `syncsphere-xtask` in `XDG_CACHE_HOME` or `~/.cache`.
//!
//! A tool's folder is there or not, never half: it is made under another name and then renamed. A lock file keeps two
//! runs from making the same one twice.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder `name` of the cache; `install` fills it where it is not there yet. The name carries the tool's version,
/// so that another version is another folder.
pub fn folder(name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    folder_in(&root()?, name, install)
}

fn folder_in(root: &Path, name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = root.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(root).with_context(|| format!("making the cache folder {}", root.display()))?;
    let lock = File::create(root.join(format!("{name}.lock")))?;
    lock.lock()
        .context("waiting for another run that installs the same tool")?;
    if folder.is_dir() {
        return Ok(folder);
    }
    // Under the lock, so a folder of this name is what an interrupted run left.
    let unfinished = root.join(format!("{name}.unfinished"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir(&unfinished)?;
    install(&unfinished)?;
    fs::rename(&unfinished, &folder)?;
    Ok(folder)
}

fn root() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => std::env::home_dir()
            .context("no home folder: set XDG_CACHE_HOME")?
            .join(".cache"),
    };
    Ok(base.join("syncsphere-xtask"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::{fs, thread};

    use anyhow::bail;

    use super::folder_in;

    #[test]
    fn installs_once_for_many_concurrent_runs() {
        let root = scratch("once");
        let installs = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    folder_in(&root, "tool-1", |dir| {
                        installs.fetch_add(1, Ordering::SeqCst);
                        Ok(fs::write(dir.join("tool"), "x")?)
                    })
                    .unwrap()
                });
            }
        });
        assert_eq!(installs.load(Ordering::SeqCst), 1);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_interrupted_install_is_done_again() {
        let root = scratch("interrupted");
        let failed = folder_in(&root, "tool-1", |dir| {
            fs::write(dir.join("half"), "x")?;
            bail!("no network")
        });
        assert!(failed.is_err());
        let folder = folder_in(&root, "tool-1", |dir| Ok(fs::write(dir.join("tool"), "x")?)).unwrap();
        assert!(folder.join("tool").is_file() && !folder.join("half").exists());
        fs::remove_dir_all(root).unwrap();
    }

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-cache-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }
}
