//! No file imports itself by way of others: whoever reads a file finds what it stands on below it, never around it.
//!
//! Looks at the files of each crate and of the TypeScript packages by themselves. What tests alone import is left out.

mod graph;
mod rust;
mod rust_source;
mod rust_tokens;
mod typescript;
mod typescript_tokens;

use std::path::Path;

use anyhow::{Result, bail};
use walkdir::WalkDir;

use crate::workspace;
use graph::{Circle, Graph};

/// Fails where files import each other in a circle, and prints each circle as a path.
pub fn check() -> Result<()> {
    let (circles, unused) = circles(workspace::root(), &ALLOWED)?;
    for circle in &circles {
        eprintln!("{circle}");
    }
    for (from, to) in &unused {
        eprintln!(
            "{from} does not import {to} in a circle any more: take it off the list of what is allowed"
        );
    }
    if circles.is_empty() && unused.is_empty() {
        return Ok(());
    }
    bail!(
        "{} import circles: move what both sides need into a file of its own, or hand it over as an argument",
        circles.len()
    );
}

/// Imports that may be part of a circle, as (importing file, imported file). Each wants a reason beside it.
const ALLOWED: [(&str, &str); 0] = [];

/// Their TypeScript and JavaScript is looked at; crates are found by their Cargo.toml.
const SCRIPT_FOLDERS: [&str; 4] = ["uploader-wasm/npm/src", "demo-site/src", "stack", "bench"];

type Imports = Vec<(String, String)>;

fn circles(root: &Path, allowed: &[(&str, &str)]) -> Result<(Vec<Circle>, Imports)> {
    let mut graph = Graph::default();
    for krate in crates(root)? {
        rust::read_crate(root, &krate, &mut graph)?;
    }
    for folder in SCRIPT_FOLDERS {
        typescript::read_folder(root, Path::new(folder), &mut graph)?;
    }
    let unused = graph.leave_out(allowed);
    Ok((graph.circles(), unused))
}

/// The folders of crates, relative to `root`.
fn crates(root: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut folders = Vec::new();
    let walk = WalkDir::new(root).max_depth(3).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(workspace::is_source_folder_or_file) {
        let entry = entry?;
        if entry.file_name() == "Cargo.toml"
            && let Some(folder) = entry.path().parent()
            && folder.join("src").is_dir()
        {
            folders.push(folder.strip_prefix(root)?.to_owned());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::circles;

    #[test]
    fn a_circle_of_rust_files_is_found_and_told_as_a_path() {
        let tree = Tree::new("rust").with(&[
            ("core/Cargo.toml", ""),
            ("core/src/lib.rs", "mod tickets;\nmod signing;\nmod keys;\n"),
            (
                "core/src/tickets.rs",
                "use crate::signing::sign;\npub struct Ticket;\n",
            ),
            (
                "core/src/signing.rs",
                "use crate::keys::Key;\npub fn sign(_: Key) {}\n",
            ),
            ("core/src/keys.rs", "pub struct Key(crate::tickets::Ticket);\n"),
        ]);
        assert_eq!(
            tree.circles(&[]),
            [
                "core/src/keys.rs → core/src/tickets.rs (Ticket) → core/src/signing.rs (sign) → core/src/keys.rs (Key)"
            ]
        );
    }

    #[test]
    fn a_circle_of_typescript_files_is_found_also_by_types_alone() {
        let tree = Tree::new("typescript").with(&[
            (
                "uploader-wasm/npm/src/task.ts",
                "import type { Uploader } from \"./uploader.js\";\n",
            ),
            (
                "uploader-wasm/npm/src/uploader.ts",
                "import { UploadTask } from \"./task.js\";\n",
            ),
        ]);
        assert_eq!(
            tree.circles(&[]),
            [
                "uploader-wasm/npm/src/task.ts → uploader-wasm/npm/src/uploader.ts → uploader-wasm/npm/src/task.ts"
            ]
        );
    }

    #[test]
    fn an_allowed_import_makes_no_circle_and_one_that_is_gone_is_told() {
        let tree = Tree::new("allowed").with(&[
            ("demo-site/src/a.ts", "import \"./b.js\";\n"),
            ("demo-site/src/b.ts", "import \"./a.js\";\n"),
        ]);
        let import = ("demo-site/src/a.ts", "demo-site/src/b.ts");
        let (found, unused) = circles(&tree.0, &[import]).unwrap();
        assert!(found.is_empty() && unused.is_empty());
        let (_, unused) = circles(&tree.0, &[import, ("demo-site/src/a.ts", "demo-site/src/c.ts")]).unwrap();
        assert_eq!(unused.len(), 1);
    }

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("xtask-circles-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn with(self, files: &[(&str, &str)]) -> Self {
            for (path, content) in files {
                let path = self.0.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            self
        }

        fn circles(&self, allowed: &[(&str, &str)]) -> Vec<String> {
            let (circles, _) = circles(&self.0, allowed).unwrap();
            circles.iter().map(ToString::to_string).collect()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
