//! Builds what has changed: a product is built again when the content of anything it is made from is another, or when
//! the product is gone. Times of files count for nothing, so a fresh checkout or a `touch` costs no build.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use crate::steps::{self, Step};
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

/// Something that is built.
pub struct Product {
    /// For people, and for the name of its stamp.
    pub name: &'static str,
    /// How long that takes on two cores, roughly.
    pub seconds: u64,
    /// Files that are there once it is built.
    pub outputs: Vec<PathBuf>,
}

/// Whether the product is there, made from these very inputs.
pub fn is_current(product: &Product, inputs: Inputs) -> Result<bool> {
    Ok(Stamp::of(product, &stamps()?).allows(&inputs.finish()))
}

/// Runs `build` unless the product is current; see `is_current`.
pub fn when_changed(
    product: &Product,
    inputs: Inputs,
    build: impl FnOnce(&Step) -> Result<()>,
) -> Result<()> {
    when_changed_in(&stamps()?, product, &inputs.finish(), build)
}

fn when_changed_in(
    folder: &Path,
    product: &Product,
    wanted: &str,
    build: impl FnOnce(&Step) -> Result<()>,
) -> Result<()> {
    let name = product.name;
    let lock = File::create(folder.join(format!("{name}.lock")))?;
    lock.lock()?;
    let stamp = Stamp::of(product, folder);
    if stamp.allows(wanted) {
        return Ok(());
    }
    // A build that fails halfway leaves no product that an older stamp speaks for.
    stamp.remove()?;
    steps::step(&format!("building the {name}"), product.seconds, build)
        .with_context(|| format!("building the {name}"))?;
    for output in &product.outputs {
        if !output.exists() {
            bail!("building the {name} did not make {}", output.display());
        }
    }
    stamp.write(wanted)
}

fn stamps() -> Result<PathBuf> {
    let folder = workspace::target().join("xtask");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What a product was last built from, and how, and what came of it: with another target folder, or by hand, the files
/// may have become others since.
struct Stamp<'a> {
    product: &'a Product,
    path: PathBuf,
}

impl<'a> Stamp<'a> {
    fn of(product: &'a Product, folder: &Path) -> Self {
        Self {
            product,
            path: folder.join(format!("{}.stamp", product.name)),
        }
    }

    fn allows(&self, inputs: &str) -> bool {
        let stamped = fs::read_to_string(&self.path).unwrap_or_default();
        self.line(inputs).is_ok_and(|line| line == stamped)
    }

    fn line(&self, inputs: &str) -> Result<String> {
        let mut outputs = Inputs::default();
        for path in &self.product.outputs {
            outputs = outputs.file(path)?;
        }
        Ok(format!("{inputs} {}", outputs.finish()))
    }

    fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn write(&self, inputs: &str) -> Result<()> {
        Ok(fs::write(&self.path, self.line(inputs)?)?)
    }
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
    use std::cell::Cell;
    use std::fs;

    use anyhow::bail;

    use super::{Inputs, Product, when_changed_in};

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

    #[test]
    fn a_product_is_built_once_for_the_same_inputs() {
        let folder = Folder::new("once");
        assert!(folder.builds("a"));
        assert!(!folder.builds("a"));
        assert!(folder.builds("b"));
    }

    #[test]
    fn a_failed_build_leaves_nothing_that_counts_as_built() {
        let folder = Folder::new("failed");
        assert!(folder.builds("a"));
        let failed = when_changed_in(&folder.path, &folder.product, "b", |_| bail!("no memory"));
        assert!(failed.is_err());
        assert!(folder.builds("a"));
    }

    #[test]
    fn a_product_that_is_gone_or_is_another_is_built_again() {
        let folder = Folder::new("gone");
        assert!(folder.builds("a"));
        fs::remove_file(&folder.product.outputs[0]).unwrap();
        assert!(folder.builds("a"));
        fs::write(&folder.product.outputs[0], "of another target folder").unwrap();
        assert!(folder.builds("a"));
    }

    struct Folder {
        path: std::path::PathBuf,
        product: Product,
    }

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xtask-stamps-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            let outputs = vec![path.join("product")];
            Self {
                path,
                product: Product {
                    name: "thing",
                    seconds: 1,
                    outputs,
                },
            }
        }

        fn builds(&self, inputs: &str) -> bool {
            let built = Cell::new(false);
            when_changed_in(&self.path, &self.product, inputs, |_| {
                built.set(true);
                Ok(fs::write(&self.product.outputs[0], "x")?)
            })
            .unwrap();
            built.get()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
