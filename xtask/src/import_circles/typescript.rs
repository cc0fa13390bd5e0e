//! The imports of TypeScript and JavaScript files: `import`, `export … from` and `import()` of a relative path, types
//! alone included.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::graph::Graph;
use super::typescript_tokens::{Token, tokens};
use crate::workspace;

/// Adds the imports among the files of a folder, which may be missing.
pub fn read_folder(root: &Path, folder: &Path, graph: &mut Graph) -> Result<()> {
    let walk = WalkDir::new(root.join(folder)).sort_by_file_name();
    if !root.join(folder).is_dir() {
        return Ok(());
    }
    for entry in walk.into_iter().filter_entry(workspace::is_source_folder_or_file) {
        let entry = entry?;
        let path = entry.path().strip_prefix(root)?;
        if !entry.file_type().is_file() || !is_script(path) {
            continue;
        }
        let source =
            fs::read_to_string(entry.path()).with_context(|| format!("reading {}", path.display()))?;
        for specifier in relative_imports(&source) {
            if let Some(imported) = file_of(root, path, &specifier) {
                graph.import(&name(path), &name(&imported), "");
            }
        }
    }
    Ok(())
}

fn is_script(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    SOURCE_EXTENSIONS.contains(&&*extension) && !name.contains(".test.")
}

const SOURCE_EXTENSIONS: [&str; 5] = ["ts", "tsx", "mjs", "js", "jsx"];

/// What the file imports by a relative path.
fn relative_imports(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut specifiers = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let Token::Text(specifier) = token else {
            continue;
        };
        let imports = match tokens.get(..index).unwrap_or_default() {
            // `import "x"`, `import a from "x"`, `export * from "x"`
            [.., Token::Word(word)] => word == "import" || word == "from",
            // `import("x")`, also as a type
            [.., Token::Word(word), Token::Mark('(')] => word == "import",
            _ => false,
        };
        if imports && specifier.starts_with('.') {
            specifiers.push(specifier.clone());
        }
    }
    specifiers
}

/// The file that an import leads to. TypeScript is imported by the name that it is built to.
fn file_of(root: &Path, importer: &Path, specifier: &str) -> Option<PathBuf> {
    let named = normal(&importer.parent()?.join(specifier));
    let as_source = SOURCE_EXTENSIONS.map(|extension| named.with_extension(extension));
    let added = SOURCE_EXTENSIONS.map(|extension| {
        let mut name = named.clone().into_os_string();
        name.push(format!(".{extension}"));
        PathBuf::from(name)
    });
    let in_folder = SOURCE_EXTENSIONS.map(|extension| named.join("index").with_extension(extension));
    std::iter::once(named.clone())
        .chain(as_source)
        .chain(added)
        .chain(in_folder)
        .find(|path| root.join(path).is_file())
}

/// Without `.` and `..`, which the walk's own names do not have.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

fn name(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::{normal, relative_imports};

    #[test]
    fn all_forms_of_imports_are_found() {
        let source = "import \"./a.js\"; import b, { type B } from './b.js'; import type { C } from \"../c.js\";\n\
                      export * from \"./d.js\"; export type { E } from \"./e.js\"; const f = await import(\"./f.js\");\n\
                      let g: import(\"./g.js\").G; import React from \"react\"; // import \"./h.js\"\n\
                      const text = 'from \"./i.js\"'; load(\"./j.js\"); array.from(\"./k.js\");";
        assert_eq!(
            relative_imports(source),
            [
                "./a.js", "./b.js", "../c.js", "./d.js", "./e.js", "./f.js", "./g.js"
            ]
        );
    }

    #[test]
    fn paths_are_brought_into_the_form_of_the_walk() {
        assert_eq!(
            normal("a/b/../c/./d.ts".as_ref()),
            std::path::Path::new("a/c/d.ts")
        );
    }
}
