//! The imports of a crate's files.
//!
//! A file imports another where its code names something that the other defines: by a `use`, or by a path such as
//! `crate::tickets::Ticket` or `tickets::sign`. Re-exports are followed to the file that defines the name; where that
//! takes more than reading (names that a macro makes, what a glob brings), the file of the module that was named
//! counts. `mod child;` is no import, and `pub use child::Name` is one only where the parent's own code uses the name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::graph::Graph;
use super::rust_source::{Module, ModulePath, read_modules};

/// Adds the imports of the crate in `folder`; its library and its programs each by themselves.
pub fn read_crate(root: &Path, folder: &Path, graph: &mut Graph) -> Result<()> {
    let source = folder.join("src");
    let mut programs: Vec<_> = ["lib.rs", "main.rs"].map(|name| source.join(name)).into();
    let bin = root.join(&source).join("bin");
    if bin.is_dir() {
        for entry in fs::read_dir(bin)? {
            programs.push(source.join("bin").join(entry?.file_name()));
        }
    }
    for program in programs {
        if root.join(&program).is_file() {
            let mut tree = ModuleTree::default();
            tree.read_file(root, &program, &source, Vec::new())?;
            tree.imports_into(graph);
        }
    }
    Ok(())
}

/// The modules of a library or a program.
#[derive(Default)]
struct ModuleTree {
    modules: BTreeMap<ModulePath, Module>,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Module(ModulePath),
    /// Something that this module defines, or may.
    ItemOf(ModulePath),
}

// Longer chains of re-exports are circles themselves.
const MOST_RE_EXPORTS: u32 = 16;

impl ModuleTree {
    /// Reads a file and those of its child modules, which are in `children_folder`.
    fn read_file(
        &mut self,
        root: &Path,
        file: &Path,
        children_folder: &Path,
        module: ModulePath,
    ) -> Result<()> {
        let source =
            fs::read_to_string(root.join(file)).with_context(|| format!("reading {}", file.display()))?;
        let name = file.to_string_lossy().replace('\\', "/");
        for child in self.read_source(&name, &source, &module) {
            let below: PathBuf = child.get(module.len()..).unwrap_or_default().iter().collect();
            let folder = children_folder.join(below);
            let candidates = [folder.with_extension("rs"), folder.join("mod.rs")];
            if let Some(file) = candidates.iter().find(|file| root.join(file).is_file()) {
                self.read_file(root, file, &folder, child)?;
            }
        }
        Ok(())
    }

    /// Reads a file's text; returns the child modules that have files of their own.
    fn read_source(&mut self, file: &str, source: &str, module: &[String]) -> Vec<ModulePath> {
        let modules = read_modules(file, source, module);
        self.modules.extend(modules.found);
        modules.in_files
    }

    fn imports_into(&self, graph: &mut Graph) {
        for (path, module) in &self.modules {
            for one in &module.uses {
                let is_used = match &one.name {
                    Some(name) => !one.is_exported || module.words.contains(name),
                    None => !one.is_exported,
                };
                if is_used {
                    self.import(graph, module, path, &one.path, one.name.is_none());
                }
            }
            for named in &module.paths {
                self.import(graph, module, path, named, false);
            }
        }
    }

    fn import(&self, graph: &mut Graph, from: &Module, module: &[String], path: &[String], is_glob: bool) {
        let (target, is_named) = match self.resolve(module, path, MOST_RE_EXPORTS) {
            None => return,
            Some(Target::ItemOf(module)) => (module, true),
            // Code that uses an imported module names what it takes from it, and that counts.
            Some(Target::Module(_)) if !is_glob && !self.is_used_whole(from, path) => return,
            Some(Target::Module(module)) => (module, false),
        };
        if let Some(to) = self.modules.get(&target) {
            let name = path.last().filter(|_| is_named).map_or("", String::as_str);
            graph.import(&from.file, &to.file, name);
        }
    }

    /// Whether a module is imported of which the importer's code names nothing: what it does with it is not to be seen.
    fn is_used_whole(&self, from: &Module, path: &[String]) -> bool {
        let bound = from.uses.iter().find(|one| one.path == path);
        let name = bound.and_then(|one| one.name.as_ref()).or(path.last());
        !name.is_some_and(|name| from.paths.iter().any(|path| path.first() == Some(name)))
    }

    /// What a path in the code of `module` leads to; nothing where that is outside of the crate.
    fn resolve(&self, module: &[String], path: &[String], re_exports_left: u32) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.resolve_below(Vec::new(), rest, re_exports_left),
            "self" => self.resolve_below(module.to_vec(), rest, re_exports_left),
            "super" => {
                let (_, parent) = module.split_last()?;
                if rest.first().is_some_and(|name| name == "super") {
                    return self.resolve(parent, rest, re_exports_left);
                }
                self.resolve_below(parent.to_vec(), rest, re_exports_left)
            }
            name => {
                let own = self.modules.get(module)?;
                let is_known = own.children.contains(name)
                    || own.definitions.contains(name)
                    || own
                        .uses
                        .iter()
                        .any(|one| one.name.as_deref() == Some(name) && one.path != path);
                is_known
                    .then(|| self.resolve_below(module.to_vec(), path, re_exports_left))
                    .flatten()
            }
        }
    }

    /// What the names lead to from a module that is known; they are in the crate or lead out of it by a re-export.
    fn resolve_below(&self, module: ModulePath, names: &[String], re_exports_left: u32) -> Option<Target> {
        let Some((name, rest)) = names.split_first() else {
            return Some(Target::Module(module));
        };
        let own = self.modules.get(&module)?;
        // A function may be named like a module: at a path's end it is what is meant.
        let is_item = own.definitions.contains(name);
        if own.children.contains(name) && !(rest.is_empty() && is_item) {
            let child = [module, vec![name.clone()]].concat();
            return self.resolve_below(child, rest, re_exports_left);
        }
        if is_item {
            return Some(Target::ItemOf(module));
        }
        let fewer = re_exports_left.checked_sub(1)?;
        if let Some(one) = own.uses.iter().find(|one| one.name.as_ref() == Some(name)) {
            return match self.resolve(&module, &one.path, fewer)? {
                Target::Module(target) => self.resolve_below(target, rest, fewer),
                item @ Target::ItemOf(_) => Some(item),
            };
        }
        let by_globs = own.uses.iter().filter(|one| one.name.is_none()).find_map(|one| {
            match self.resolve(&module, &one.path, fewer)? {
                Target::Module(target) => self.defines(&target, name, fewer),
                Target::ItemOf(_) => None,
            }
        });
        by_globs.or(Some(Target::ItemOf(module)))
    }

    fn defines(&self, module: &[String], name: &str, re_exports_left: u32) -> Option<Target> {
        let own = self.modules.get(module)?;
        let is_known = own.definitions.contains(name)
            || own.children.contains(name)
            || own
                .uses
                .iter()
                .any(|one| one.is_exported && one.name.as_deref().is_none_or(|own| own == name));
        is_known
            .then(|| self.resolve_below(module.to_vec(), &[name.to_owned()], re_exports_left))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::ModuleTree;
    use crate::import_circles::graph::Graph;

    #[test]
    fn a_childs_use_of_its_parent_is_a_circle_where_the_parents_code_uses_the_child() {
        let child = ("parent::child", "use super::Base; pub fn grow(_: Base) {}");
        let circle = circles(&[
            ("", "mod parent;"),
            (
                "parent",
                "mod child; pub struct Base; fn f() { child::grow(Base) }",
            ),
            child,
        ]);
        assert_eq!(circle, ["parent → parent::child (grow) → parent (Base)"]);
        assert_eq!(
            circles(&[
                ("", "mod parent;"),
                ("parent", "mod child; pub use child::grow; pub struct Base;"),
                child
            ]),
            NONE
        );
        let used = "mod child; pub use child::grow; pub struct Base; impl Base { fn f(self) { grow(self) } }";
        assert_eq!(circles(&[("", "mod parent;"), ("parent", used), child]).len(), 1);
    }

    #[test]
    fn a_re_export_is_followed_to_the_file_that_defines_the_name() {
        let room = "mod low; mod high; pub use low::Low; pub use high::*; pub mod again { pub use super::low::Low as Deep; }";
        let low = ("room::low", "pub struct Low;");
        // Through the module's own file these two would be circles with it, for it uses `high`.
        assert_eq!(
            circles(&[
                ("", "mod room;"),
                ("room", &format!("{room} fn f(_: high::High) {{}}")),
                low,
                (
                    "room::high",
                    "use super::Low; use crate::room::again::Deep; pub struct High(Low, Deep);"
                )
            ]),
            NONE
        );
        assert_eq!(
            circles(&[
                ("", "mod room;"),
                ("room", room),
                ("room::low", "use crate::room::High; pub struct Low(High);"),
                ("room::high", "pub struct High(super::Low);")
            ]),
            ["room::high → room::low (Low) → room::high (High)"]
        );
    }

    #[test]
    fn what_is_taken_from_an_imported_module_counts_and_not_the_module() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "pub mod inner; use crate::b; pub fn go() { b::run(); }"),
            ("a::inner", "pub struct Inner;"),
        ];
        let with = |b| circles(&[files[0], files[1], files[2], ("b", b)]);
        assert_eq!(
            with("use crate::a; pub fn run() -> a::inner::Inner { a::inner::Inner }"),
            NONE
        );
        assert_eq!(
            with("use crate::a::{self}; pub fn run() { a::go() }"),
            ["a → b (run) → a (go)"]
        );
        assert_eq!(
            with("use crate::a as other; pub fn run() { other::go() }"),
            ["a → b (run) → a (go)"]
        );
        // Nobody sees what a macro does with it.
        assert_eq!(
            with("use crate::a; pub fn run() { magic!(a) }"),
            ["a → b (run) → a"]
        );
    }

    #[test]
    fn traits_imported_for_their_methods_and_functions_named_in_attributes_count() {
        let files = |b| {
            circles(&[
                ("", "mod a; mod b;"),
                ("a", "use crate::b::B; pub trait Say {} pub fn ser() {}"),
                ("b", b),
            ])
        };
        assert_eq!(
            files("use crate::a::Say as _; pub struct B;"),
            ["a → b (B) → a (Say)"]
        );
        assert_eq!(
            files("#[derive(Serialize)] pub struct B { #[serde(serialize_with = \"crate::a::ser\")] c: u8 }"),
            ["a → b (B) → a (ser)"]
        );
        assert_eq!(files("use crate::a::*; pub struct B;"), ["a → b (B) → a"]);
    }

    #[test]
    fn tests_and_other_crates_are_no_imports() {
        let a = ("a", "use crate::b::B; pub struct A;");
        let with = |b| circles(&[("", "mod a; mod b;"), a, ("b", b)]);
        assert_eq!(
            with("pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
            NONE
        );
        assert_eq!(
            with("use a::A as _; use ::a::A; use std::a::A; pub struct B; // crate::a::A"),
            NONE
        );
        assert_eq!(with("mod a { pub struct A; } pub struct B(a::A);"), NONE);
    }

    const NONE: [&str; 0] = [];

    /// Of files that are named for their modules.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let mut tree = ModuleTree::default();
        for (module, source) in files {
            let path: Vec<_> = module
                .split("::")
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
            tree.read_source(module, source, &path);
        }
        let mut graph = Graph::default();
        tree.imports_into(&mut graph);
        graph.circles().iter().map(ToString::to_string).collect()
    }
}
