//! As much of Rust's lexical grammar as it takes to find imports: words and marks, without comments, literals and
//! lifetimes, and without the items that only tests are built with.

/// What is left of a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// An identifier, keyword or number.
    Word(String),
    /// `::`
    PathSeparator,
    /// Any other character.
    Mark(char),
    /// The content of a string.
    Text(String),
}

impl Token {
    /// Whether it is this word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// Whether it is this mark.
    pub fn is_mark(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }
}

/// The tokens of what is built without tests.
pub fn tokens_without_tests(source: &str) -> Vec<Token> {
    without_tests(tokens(source))
}

/// All tokens.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        rest = if let Some(comment) = rest.strip_prefix("//") {
            comment.trim_start_matches(|character| character != '\n')
        } else if rest.starts_with("/*") {
            after_block_comment(rest)
        } else if let Some((content, after)) = string(rest) {
            tokens.push(Token::Text(content.to_owned()));
            after
        } else if let Some(after) = rest.strip_prefix('\'') {
            after_lifetime_or_character(after)
        } else if first.is_alphanumeric() || first == '_' {
            let raw = rest.strip_prefix("r#").unwrap_or(rest);
            let after =
                raw.trim_start_matches(|character: char| character.is_alphanumeric() || character == '_');
            let word = raw.strip_suffix(after).unwrap_or(raw);
            tokens.push(Token::Word(word.to_owned()));
            after
        } else if let Some(after) = rest.strip_prefix("::") {
            tokens.push(Token::PathSeparator);
            after
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Mark(first));
            }
            rest.get(first.len_utf8()..).unwrap_or_default()
        };
    }
    tokens
}

fn after_block_comment(text: &str) -> &str {
    let mut depth = 0_u32;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("/*") {
            depth += 1;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = after;
            if depth == 0 {
                break;
            }
        } else {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    rest
}

/// A string of any kind at the beginning of `text`: its content, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    let kind = text.trim_start_matches(['b', 'c', 'r']);
    let prefix = text.strip_suffix(kind)?;
    let hashes = kind.strip_suffix(kind.trim_start_matches('#'))?;
    let content = kind.strip_prefix(hashes)?.strip_prefix('"')?;
    if prefix.ends_with('r') {
        return content.split_once(&format!("\"{hashes}")[..]);
    }
    if !hashes.is_empty() {
        return None;
    }
    let mut escaped = false;
    let end = content.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    Some((content.get(..end)?, content.get(end + 1..)?))
}

fn after_lifetime_or_character(after_quote: &str) -> &str {
    let mut characters = after_quote.chars();
    let first = characters.next();
    if first == Some('\\') {
        // The escaped character may be a quote itself.
        let escape = after_quote.get(2..).unwrap_or_default();
        return escape.split_once('\'').map_or("", |(_, after)| after);
    }
    if characters.next() == Some('\'') {
        return characters.as_str();
    }
    after_quote.trim_start_matches(|character: char| character.is_alphanumeric() || character == '_')
}

/// Leaves out every item with an attribute `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((first, after)) = rest.split_first() {
        match attribute(rest) {
            Some((attribute, after)) if is_for_tests(attribute) => rest = after_item(after),
            Some((attribute, after)) => {
                kept.extend_from_slice(attribute);
                rest = after;
            }
            None => {
                kept.push(first.clone());
                rest = after;
            }
        }
    }
    kept
}

/// An outer attribute at the beginning, and what follows it.
fn attribute(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    if !(tokens.first()?.is_mark('#') && tokens.get(1)?.is_mark('[')) {
        return None;
    }
    let mut depth = 0_u32;
    let end = tokens.iter().position(|token| {
        match token {
            Token::Mark('[') => depth += 1,
            Token::Mark(']') => depth -= 1,
            _ => return false,
        }
        depth == 0
    })?;
    Some(tokens.split_at(end + 1))
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<_> = attribute
        .iter()
        .filter_map(|token| match token {
            Token::Word(word) => Some(word.as_str()),
            _ => None,
        })
        .collect();
    matches!(words.as_slice(), ["cfg", "test"] | ["cfg", "all", "test", ..])
}

/// What follows an item, a field or a statement: it ends with a semicolon, a block of its own or, without a keyword, a
/// comma.
fn after_item(tokens: &[Token]) -> &[Token] {
    let mut rest = tokens;
    while let Some((_, after)) = attribute(rest) {
        rest = after;
    }
    let first_word = rest.iter().find_map(|token| match token {
        Token::Word(word) if !matches!(word.as_str(), "pub" | "crate" | "super" | "in") => {
            Some(word.as_str())
        }
        _ => None,
    });
    let is_use = first_word == Some("use");
    let is_item = first_word.is_some_and(|word| ITEM_KEYWORDS.contains(&word));
    let mut depth = 0_u32;
    for (index, token) in rest.iter().enumerate() {
        let ends_after = match token {
            Token::Mark('(' | '[' | '{') => {
                depth += 1;
                false
            }
            // The end of what it stands in.
            Token::Mark(')' | ']' | '}') if depth == 0 => return rest.get(index..).unwrap_or_default(),
            Token::Mark(')' | ']') => {
                depth -= 1;
                false
            }
            Token::Mark('}') => {
                depth -= 1;
                depth == 0 && !is_use
            }
            Token::Mark(',') => depth == 0 && !is_item,
            Token::Mark(';') => depth == 0,
            _ => false,
        };
        if ends_after {
            return rest.get(index + 1..).unwrap_or_default();
        }
    }
    &[]
}

const ITEM_KEYWORDS: [&str; 16] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
];

#[cfg(test)]
mod tests {
    use super::{Token, tokens, tokens_without_tests};

    #[test]
    fn comments_literals_and_lifetimes_are_no_words() {
        let source = r##"fn a<'x>(b: &'x str) { // use c
            /* d /* e */ f */ let g = ('\'', '"', 'h', b'\\', "i \" j", r#"k " l"#, b"m"); } //"##;
        assert_eq!(words(&tokens(source)), "fn a b str let g b");
    }

    #[test]
    fn paths_and_raw_names_are_told() {
        assert_eq!(
            tokens("crate::r#type"),
            [
                Token::Word("crate".to_owned()),
                Token::PathSeparator,
                Token::Word("type".to_owned())
            ]
        );
    }

    #[test]
    fn what_only_tests_are_built_with_is_left_out() {
        let source = "#[cfg(test)] #[path = \"x\"] mod tests; #[cfg(test)] pub(crate) use a::{b, c}; \
                      #[derive(D)] struct S { #[cfg(test)] seed: u64, kept: u8 } \
                      #[cfg(all(test, unix))] fn f(x: [u8; 2]) -> u8 { g() } #[cfg(not(test))] fn h() {}";
        assert_eq!(
            words(&tokens_without_tests(source)),
            "derive D struct S kept u8 cfg not test fn h"
        );
    }

    fn words(tokens: &[Token]) -> String {
        let words = tokens.iter().filter_map(|token| match token {
            Token::Word(word) => Some(word.as_str()),
            _ => None,
        });
        words.collect::<Vec<_>>().join(" ")
    }
}
