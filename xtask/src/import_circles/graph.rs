//! Files, what they import from each other, and the circles in that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// Which file imports which, and what.
#[derive(Default)]
pub struct Graph {
    imports: BTreeMap<String, BTreeMap<String, Names>>,
}

type Names = BTreeSet<String>;

impl Graph {
    /// Notes that a file imports something that another defines. `name` is empty where all of it is imported.
    pub fn import(&mut self, from: &str, to: &str, name: &str) {
        if from == to {
            return;
        }
        let imported = self.imports.entry(from.to_owned()).or_default();
        let names = imported.entry(to.to_owned()).or_default();
        if !name.is_empty() {
            names.insert(name.to_owned());
        }
    }

    /// Takes out imports, and returns those that were part of no circle.
    pub fn leave_out(&mut self, allowed: &[(&str, &str)]) -> Vec<(String, String)> {
        let (used, unused): (Vec<_>, Vec<_>) = allowed
            .iter()
            .partition(|(from, to)| self.names(from, to).is_some() && self.way(to, from).is_some());
        for (from, to) in used {
            if let Some(imported) = self.imports.get_mut(from) {
                imported.remove(to);
            }
        }
        let owned = unused
            .into_iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
        owned.collect()
    }

    /// For every import that is part of a circle the shortest one, short ones first.
    pub fn circles(&self) -> Vec<Circle> {
        let mut ways = BTreeSet::new();
        for (from, imported) in &self.imports {
            for to in imported.keys() {
                if let Some(way) = self.way(to, from) {
                    ways.insert(from_its_least(way));
                }
            }
        }
        let mut circles: Vec<_> = ways.into_iter().map(|way| self.circle(way)).collect();
        circles.sort_by_key(|circle| circle.steps.len());
        circles
    }

    /// The shortest way over imports, both ends included.
    fn way<'a>(&'a self, start: &'a str, end: &str) -> Option<Vec<&'a str>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(file) = next.pop_front() {
            if file == end {
                let mut way = vec![file];
                while let Some(before) = way.last().and_then(|file| came_from.get(file)) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            for imported in self.imports.get(file).into_iter().flat_map(BTreeMap::keys) {
                if imported != start && !came_from.contains_key(imported.as_str()) {
                    came_from.insert(imported, file);
                    next.push_back(imported);
                }
            }
        }
        None
    }

    fn circle(&self, way: Vec<&str>) -> Circle {
        let after = way.iter().cycle().skip(1);
        let steps = way.iter().zip(after).map(|(from, to)| {
            let names = self.names(from, to).cloned().unwrap_or_default();
            ((*from).to_owned(), names)
        });
        Circle {
            steps: steps.collect(),
        }
    }

    fn names(&self, from: &str, to: &str) -> Option<&Names> {
        self.imports.get(from)?.get(to)
    }
}

/// Files of which each imports the next, and the last the first.
pub struct Circle {
    /// Each file, and what it imports from the next.
    steps: Vec<(String, Names)>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TOLD: usize = 4;
        let files = self.steps.iter().map(|(file, _)| file);
        let mut after = files.clone().cycle().skip(1);
        if let Some(first) = files.clone().next() {
            f.write_str(first)?;
        }
        for (_, names) in &self.steps {
            let Some(to) = after.next() else { break };
            write!(f, " → {to}")?;
            if !names.is_empty() {
                let told: Vec<_> = names.iter().take(TOLD).map(String::as_str).collect();
                let more = if names.len() > TOLD { ", …" } else { "" };
                write!(f, " ({}{more})", told.join(", "))?;
            }
        }
        Ok(())
    }
}

/// The same circle, begun at the file that comes first by name.
fn from_its_least(mut way: Vec<&str>) -> Vec<&str> {
    let least = way.iter().enumerate().min_by_key(|(_, file)| **file);
    let index = least.map_or(0, |(index, _)| index);
    way.rotate_left(index);
    way
}

#[cfg(test)]
mod tests {
    use super::Graph;

    #[test]
    fn files_that_import_only_downwards_are_in_no_circle() {
        assert!(circles(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]).is_empty());
    }

    #[test]
    fn each_circle_is_told_once_and_the_short_ones_first() {
        assert_eq!(
            circles(&[
                ("b", "c"),
                ("c", "a"),
                ("a", "b"),
                ("c", "d"),
                ("d", "c"),
                ("e", "a")
            ]),
            ["c → d → c", "a → b → c → a"]
        );
    }

    #[test]
    fn a_circle_tells_what_is_imported() {
        let mut graph = Graph::default();
        for name in ["One", "Two", "Three", "Four", "Five"] {
            graph.import("a", "b", name);
        }
        graph.import("b", "a", "Base");
        graph.import("b", "b", "Own");
        let told: Vec<_> = graph.circles().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a → b (Five, Four, One, Three, …) → a (Base)"]);
    }

    fn circles(imports: &[(&str, &str)]) -> Vec<String> {
        let mut graph = Graph::default();
        for (from, to) in imports {
            graph.import(from, to, "");
        }
        graph.circles().iter().map(ToString::to_string).collect()
    }
}
