//! As much of the lexical grammar of TypeScript as it takes to find imports: words, marks and the content of strings,
//! without comments and regular expressions.

/// What is left of a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name, keyword or number.
    Word(String),
    /// Any other character.
    Mark(char),
    /// The content of a string in quotes.
    Text(String),
}

/// All tokens. What stands in `${}` of a template is among them, the template's own text is not.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut rest = source;
    let mut tokens = Vec::new();
    // For every template that is open: how many braces are open in its `${}`.
    let mut templates: Vec<u32> = Vec::new();
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = if let Some(comment) = rest.strip_prefix("//") {
            comment.trim_start_matches(|character| character != '\n')
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else if matches!(first, '"' | '\'') {
            let (content, after) = until(after, &[first]);
            tokens.push(Token::Text(content.to_owned()));
            after
        } else if first == '`' {
            template(after, &mut tokens, &mut templates)
        } else if first == '}' && templates.last() == Some(&0) {
            templates.pop();
            template(after, &mut tokens, &mut templates)
        } else if first == '/' && begins_expression(tokens.last()) {
            regular_expression(after)
        } else if is_of_word(first) {
            let after = rest.trim_start_matches(is_of_word);
            tokens.push(Token::Word(rest.strip_suffix(after).unwrap_or(rest).to_owned()));
            after
        } else {
            match (first, templates.last_mut()) {
                ('{', Some(braces)) => *braces += 1,
                ('}', Some(braces)) => *braces -= 1,
                _ => {}
            }
            if !first.is_whitespace() {
                tokens.push(Token::Mark(first));
            }
            after
        };
    }
    tokens
}

/// Skips a template's own text: to its end, or to an expression in it.
fn template<'a>(text: &'a str, tokens: &mut Vec<Token>, templates: &mut Vec<u32>) -> &'a str {
    let mut rest = text;
    loop {
        let (_, after) = until(rest, &['`', '$']);
        if rest.strip_suffix(after).is_some_and(|taken| taken.ends_with('`')) || after.is_empty() {
            // A string, as far as what follows is concerned.
            tokens.push(Token::Text(String::new()));
            return after;
        }
        if let Some(expression) = after.strip_prefix('{') {
            templates.push(0);
            tokens.push(Token::Mark('{'));
            return expression;
        }
        rest = after;
    }
}

/// What stands before the first of `ends` that no backslash escapes, and what follows it.
fn until<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    let mut escaped = false;
    let found = text.char_indices().find(|(_, character)| {
        let ends = !escaped && ends.contains(character);
        escaped = *character == '\\' && !escaped;
        ends
    });
    let Some((index, end)) = found else {
        return (text, "");
    };
    let content = text.get(..index).unwrap_or_default();
    (content, text.get(index + end.len_utf8()..).unwrap_or_default())
}

fn regular_expression(text: &str) -> &str {
    let mut rest = text;
    loop {
        let (content, after) = until(rest, &['/', '[', '\n']);
        let end = rest.get(content.len()..).and_then(|end| end.chars().next());
        match end {
            // In a class a slash stands for itself.
            Some('[') => rest = until(after, &[']']).1,
            _ => return after,
        }
    }
}

/// Whether a slash after this token begins a regular expression, and divides nothing.
fn begins_expression(before: Option<&Token>) -> bool {
    match before {
        None => true,
        Some(Token::Mark(mark)) => !matches!(mark, ')' | ']' | '}'),
        Some(Token::Word(word)) => matches!(
            word.as_str(),
            "return" | "typeof" | "case" | "in" | "of" | "await"
        ),
        Some(Token::Text(_)) => false,
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '#')
}

#[cfg(test)]
mod tests {
    use super::{Token, tokens};

    #[test]
    fn comments_templates_and_regular_expressions_hold_no_tokens() {
        let source = "a // b\n/* c ` */ d = `e ${f({ g: `h${i}j` })} \\` k` + l / m / n; o(/[/\"'`]p\\//g, \"q\\\"r\", 's')";
        let words: Vec<_> = tokens(source)
            .into_iter()
            .filter_map(|token| match token {
                Token::Word(word) => Some(word),
                _ => None,
            })
            .collect();
        assert_eq!(words.join(" "), "a d f g i l m n o g");
    }

    #[test]
    fn strings_are_kept() {
        assert!(tokens("import 'x';").contains(&Token::Text("x".to_owned())));
    }
}
