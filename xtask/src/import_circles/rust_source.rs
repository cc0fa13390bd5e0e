//! What the code of one file defines and names.

use std::collections::BTreeSet;

use super::rust_tokens::{Token, tokens, tokens_without_tests};

/// A path of names below the crate's root.
pub(super) type ModulePath = Vec<String>;

/// What a module's code holds.
#[derive(Default)]
pub(super) struct Module {
    pub(super) file: String,
    pub(super) children: BTreeSet<String>,
    /// Names of the items that it defines itself.
    pub(super) definitions: BTreeSet<String>,
    pub(super) uses: Vec<Use>,
    /// Paths in its code of two names or more.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// Every word of its code outside of `use`.
    pub(super) words: BTreeSet<String>,
}

/// One name that a `use` brings.
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// The name here; none brings all there are.
    pub(super) name: Option<String>,
    pub(super) is_exported: bool,
}

/// The modules of one file.
#[derive(Default)]
pub(super) struct Modules {
    /// Those whose code stands in it.
    pub(super) found: Vec<(ModulePath, Module)>,
    /// Those that it says have files of their own.
    pub(super) in_files: Vec<ModulePath>,
}

/// Reads a file's text, which is that of `module`. Tests are left out.
pub(super) fn read_modules(file: &str, source: &str, module: &[String]) -> Modules {
    let mut reader = Reader {
        file,
        modules: Modules::default(),
    };
    reader.read_module(&tokens_without_tests(source), module.to_vec());
    reader.modules
}

struct Reader<'a> {
    file: &'a str,
    modules: Modules,
}

impl Reader<'_> {
    fn read_module(&mut self, tokens: &[Token], path: ModulePath) {
        let mut module = Module {
            file: self.file.to_owned(),
            ..Module::default()
        };
        let mut depth = 0_u32;
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            let rest = tokens.get(index + 1..).unwrap_or_default();
            let mut taken = 1;
            match token {
                Token::Mark('{' | '(' | '[') => depth += 1,
                Token::Mark('}' | ')' | ']') => depth = depth.saturating_sub(1),
                Token::Word(word) if word == "use" && !rest.first().is_some_and(|next| next.is_mark('<')) => {
                    let length = rest
                        .iter()
                        .position(|token| token.is_mark(';'))
                        .unwrap_or(rest.len());
                    let before = tokens.get(..index).unwrap_or_default();
                    read_use_tree(
                        rest.get(..length).unwrap_or_default(),
                        &[],
                        is_exported(before),
                        &mut module.uses,
                    );
                    taken += length;
                }
                Token::Word(word) if word == "mod" && depth == 0 => {
                    if let [Token::Word(name), after, ..] = rest {
                        let child = [path.clone(), vec![name.clone()]].concat();
                        module.children.insert(name.clone());
                        if after.is_mark('{') {
                            let body = rest.get(2..).unwrap_or_default();
                            let length = length_of_block(body);
                            self.read_module(body.get(..length).unwrap_or_default(), child);
                            taken += 2 + length + 1;
                        } else {
                            self.modules.in_files.push(child);
                            taken += 2;
                        }
                    }
                }
                Token::Word(word) => {
                    if depth == 0
                        && let Some(name) = defined(word, rest)
                    {
                        module.definitions.insert(name);
                    }
                    let is_a_paths_beginning = index
                        .checked_sub(1)
                        .and_then(|before| tokens.get(before))
                        .is_none_or(|before| *before != Token::PathSeparator);
                    module.words.insert(word.clone());
                    if is_a_paths_beginning {
                        note_path(path_at(tokens.get(index..).unwrap_or_default()), &mut module);
                    }
                }
                Token::Text(text) if is_path_in_attribute(tokens.get(..index).unwrap_or_default()) => {
                    note_path(path_at(&self::tokens(text)), &mut module);
                }
                _ => {}
            }
            index += taken;
        }
        self.modules.found.push((path, module));
    }
}

fn note_path(path: Vec<String>, module: &mut Module) {
    if path.len() > 1 {
        module.paths.insert(path);
    }
}

/// The words, joined by `::`, at the beginning.
fn path_at(tokens: &[Token]) -> Vec<String> {
    let mut path = Vec::new();
    let mut rest = tokens;
    while let [Token::Word(word), after @ ..] = rest {
        path.push(word.clone());
        let [Token::PathSeparator, after @ ..] = after else {
            break;
        };
        rest = after;
    }
    path
}

/// The name that an item's keyword defines.
fn defined(keyword: &str, rest: &[Token]) -> Option<String> {
    let name = match (keyword, rest) {
        ("macro_rules", [Token::Mark('!'), Token::Word(name), ..]) => name,
        (
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static",
            [Token::Word(name), ..],
        ) => name,
        _ => return None,
    };
    let is_keyword = matches!(name.as_str(), "fn" | "unsafe" | "async" | "extern" | "mut" | "_");
    (!is_keyword).then(|| name.clone())
}

/// Serde's attributes name functions and modules in strings.
fn is_path_in_attribute(before: &[Token]) -> bool {
    let [.., Token::Word(key), Token::Mark('=')] = before else {
        return false;
    };
    matches!(
        key.as_str(),
        "with" | "serialize_with" | "deserialize_with" | "default" | "skip_serializing_if" | "schema_with"
    )
}

fn is_exported(before: &[Token]) -> bool {
    match before {
        [.., Token::Word(word)] => word == "pub",
        [.., Token::Mark(')')] => {
            let open = before.iter().rposition(|token| token.is_mark('('));
            let word = open.and_then(|open| before.get(open.checked_sub(1)?));
            word.is_some_and(|word| word.is_word("pub"))
        }
        _ => false,
    }
}

/// The tokens before the mark that closes a block whose opening mark was read.
fn length_of_block(tokens: &[Token]) -> usize {
    let mut depth = 0_u32;
    let end = tokens.iter().position(|token| {
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') if depth == 0 => return true,
            Token::Mark('}') => depth -= 1,
            _ => {}
        }
        false
    });
    end.unwrap_or(tokens.len())
}

/// Reads `a::b::{self, c as d, e::*}` into one entry for each name.
fn read_use_tree(tokens: &[Token], before: &[String], is_exported: bool, uses: &mut Vec<Use>) {
    let mut path = before.to_vec();
    let mut rest = tokens;
    loop {
        match rest {
            // Paths that begin with `::` lead out of the crate.
            [Token::PathSeparator, ..] if path.is_empty() => return,
            [Token::PathSeparator, after @ ..] => rest = after,
            [Token::Word(word), Token::PathSeparator, after @ ..] => {
                path.push(word.clone());
                rest = after;
            }
            [Token::Mark('{'), after @ ..] => {
                let body = after.get(..length_of_block(after)).unwrap_or_default();
                for entry in split_by_commas(body) {
                    read_use_tree(entry, &path, is_exported, uses);
                }
                return;
            }
            [Token::Mark('*'), ..] => {
                uses.push(Use {
                    path,
                    name: None,
                    is_exported,
                });
                return;
            }
            [Token::Word(word), after @ ..] => {
                if word != "self" || path.is_empty() {
                    path.push(word.clone());
                }
                let name = match after {
                    [_as, Token::Word(alias), ..] => Some(alias.clone()),
                    _ => path.last().cloned(),
                };
                uses.push(Use {
                    path,
                    name,
                    is_exported,
                });
                return;
            }
            _ => return,
        }
    }
}

fn split_by_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_u32;
    tokens
        .split(|token| {
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth -= 1,
                Token::Mark(',') => return depth == 0,
                _ => {}
            }
            false
        })
        .collect()
}
