//! Builds what has changed: a product is built again when the content of anything it is made from is another, or when
//! the product is gone. Times of files count for nothing, so a fresh checkout or a `touch` costs no build.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use crate::workspace;

/// What a product is made from.
#[derive(Default)]
pub struct Inputs {
    hash: Sha256,
}

impl Inputs {
    /// Adds files and folders of the repository; folders that hold products are left out.
    pub fn paths(mut self, relative: &[&str]) -> Result<Self> {
        for path in relative {
            let walk = WalkDir::new(workspace::path(path)).sort_by_file_name();
            for entry in walk.into_iter().filter_entry(|entry| !is_product(entry)) {
                let entry = entry.with_context(|| format!("reading {path}"))?;
                if entry.file_type().is_file() {
                    self = self.file(entry.path())?;
                }
            }
        }
        Ok(self)
    }

    /// Adds a file by its full path: the output of an earlier step.
    pub fn file(mut self, path: &Path) -> Result<Self> {
        let relative = path.strip_prefix(workspace::root()).unwrap_or(path);
        self = self.text(&relative.to_string_lossy());
        let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
        self = self.text(&file.metadata()?.len().to_string());
        io::copy(&mut file, &mut HashWriter(&mut self.hash))?;
        Ok(self)
    }

    /// Adds a fact, such as a tool's version.
    pub fn text(mut self, text: &str) -> Self {
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(text);
        self
    }

    fn finish(self) -> String {
        self.hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Runs `build` where `outputs` are not all there or `inputs` are others than at the last successful build.
pub fn when_changed(
    product: &str,
    inputs: Inputs,
    outputs: &[PathBuf],
    build: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let folder = workspace::target().join("xtask");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join(format!("{product}.lock")))?;
    lock.lock()?;

    let stamp = folder.join(format!("{product}.stamp"));
    let wanted = inputs.finish();
    let present = outputs.iter().all(|path| path.exists());
    if present && fs::read_to_string(&stamp).is_ok_and(|last| last == wanted) {
        return Ok(());
    }
    eprintln!("building {product}");
    build().with_context(|| format!("building {product}"))?;
    for output in outputs {
        if !output.exists() {
            anyhow::bail!("building {product} did not make {}", output.display());
        }
    }
    fs::write(stamp, wanted)?;
    Ok(())
}

fn is_product(entry: &DirEntry) -> bool {
    entry.depth() > 0
        && entry.file_type().is_dir()
        && matches!(
            entry.file_name().to_str(),
            Some("target" | "build" | "dist" | "node_modules" | "tests")
        )
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Inputs;

    #[test]
    fn facts_do_not_run_into_each_other() {
        let one = Inputs::default().text("ab").text("c").finish();
        let other = Inputs::default().text("a").text("bc").finish();
        assert_ne!(one, other);
    }

    #[test]
    fn the_same_content_gives_the_same_fingerprint() {
        let read = || Inputs::default().paths(&["xtask/src"]).unwrap().finish();
        assert_eq!(read(), read());
    }
}
