//! Names, folders and the object's key that follows.

use syncsphere_protocol::{FileId, Redacted, WorkspaceId};
use unicode_normalization::UnicodeNormalization;

use crate::api_error::{ApiError, invalid};

/// Longest file name, in bytes. Source: the longest that common file systems hold.
const MAX_NAME: usize = 255;

/// Longest folder, in bytes. Source: own choice, a quarter of what Linux takes.
const MAX_PATH: usize = 1_024;

/// Longest end of an object's key that is taken from the file's name, in bytes.
///
/// Source: own choice. S3 allows keys of 1,024 bytes, and two ids of 64 come before it.
const MAX_KEY_NAME: usize = 200;

/// The file's name in Unicode NFC, if it is one.
pub(crate) fn file_name(name: &str) -> Result<Redacted<String>, ApiError> {
    segment(name)
        .map(Redacted)
        .map_err(|wrong| invalid(format!("the file name {wrong}")))
}

/// The beginning of file names, in Unicode NFC; empty for all of them.
pub(crate) fn name_prefix(text: &str) -> Result<Redacted<String>, ApiError> {
    let prefix: String = text.nfc().collect();
    if prefix.len() <= MAX_NAME && !prefix.contains('/') && !prefix.chars().any(char::is_control) {
        Ok(Redacted(prefix))
    } else {
        Err(invalid("no file name begins like that"))
    }
}

/// The file's folder in Unicode NFC, without slashes at its ends.
pub(crate) fn folder(path: &str) -> Result<Redacted<String>, ApiError> {
    let trimmed = path.trim_matches('/');
    if trimmed.len() > MAX_PATH {
        return Err(invalid(format!("the path is longer than {MAX_PATH} bytes")));
    }
    if trimmed.is_empty() {
        return Ok(Redacted::default());
    }
    let segments: Result<Vec<_>, _> = trimmed.split('/').map(segment).collect();
    segments
        .map(|segments| Redacted(segments.join("/")))
        .map_err(|wrong| invalid(format!("a folder in the path {wrong}")))
}

/// The object's key. It is generated, so it overwrites nothing; no segment of it can be `.` or
/// `..`, which browsers would fold away; and it says what the object is to whoever looks into the
/// bucket.
pub(crate) fn object_key(workspace: &WorkspaceId, file: &FileId, name: &str) -> Redacted<String> {
    let readable: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '_',
        })
        .collect();
    let readable = readable.trim_start_matches('.');
    // All of it is ASCII, so any position is a character's edge. The end holds the file's type.
    let start = readable.len().saturating_sub(MAX_KEY_NAME);
    let end = readable.get(start..).unwrap_or_default().trim_start_matches('.');
    let end = if end.is_empty() { "file" } else { end };
    Redacted(format!("{workspace}/{file}/{end}"))
}

/// The workspace and the file that a key is for, if it has the form of [`object_key`].
pub(crate) fn parse_object_key(key: &str) -> Option<(WorkspaceId, FileId)> {
    let mut segments = key.split('/');
    let workspace = segments.next()?.parse().ok()?;
    let file = segments.next().filter(|id| is_generated_id(id))?.parse().ok()?;
    let name = segments.next()?;
    (!name.is_empty() && segments.next().is_none()).then_some((workspace, file))
}

/// Whether an id is of the form that `Context::id` makes.
fn is_generated_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The `Content-Disposition` that saves a download under the file's own name.
///
/// Source: RFC 6266, with the name in RFC 8187's form for what ASCII cannot say.
pub(crate) fn content_disposition(name: &str) -> String {
    const ATTRIBUTE: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'!')
        .remove(b'#')
        .remove(b'$')
        .remove(b'&')
        .remove(b'+')
        .remove(b'-')
        .remove(b'.')
        .remove(b'^')
        .remove(b'_')
        .remove(b'`')
        .remove(b'|')
        .remove(b'~');
    let fallback: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    let exact = percent_encoding::utf8_percent_encode(name, ATTRIBUTE);
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{exact}")
}

fn segment(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > MAX_NAME {
        return Err("is longer than 255 bytes");
    }
    if text == "." || text == ".." {
        return Err("means another folder");
    }
    if text.chars().any(|c| c.is_control() || c == '/') {
        return Err("has a slash or a control character in it");
    }
    Ok(text.nfc().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn key(name: &str) -> String {
        object_key(&"demo".parse().unwrap(), &"f1".parse().unwrap(), name).0
    }

    #[test]
    fn names_in_any_script_are_kept_in_nfc() {
        assert_eq!(file_name("e\u{301}té.txt").unwrap().0, "été.txt");
        assert_eq!(
            file_name("映画 100% + \"#1\".mov").unwrap().0,
            "映画 100% + \"#1\".mov"
        );
        assert!(file_name(&"x".repeat(255)).is_ok());
        for bad in ["", ".", "..", "a/b", "a\nb", "a\0", "\u{85}", &"x".repeat(256)] {
            assert!(file_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn folders_lose_slashes_at_their_ends_and_nothing_else() {
        assert_eq!(folder("/raw/2026/").unwrap().0, "raw/2026");
        assert_eq!(folder("").unwrap().0, "");
        for bad in ["a//b", "a/../b", "./a", "a/\u{7f}"] {
            assert!(folder(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_safe_and_say_what_they_are() {
        assert_eq!(key("film.mov"), "demo/f1/film.mov");
        assert_eq!(key("..hidden file?.txt"), "demo/f1/hidden_file_.txt");
        assert_eq!(key("..."), "demo/f1/file");
        assert_eq!(key("映画"), "demo/f1/__");
        assert!(key(&format!("{}.mov", "x".repeat(250))).ends_with("x.mov"));
    }

    #[test]
    fn downloads_carry_the_name_twice() {
        assert_eq!(
            content_disposition("a\"b\\ 50%é.txt"),
            "attachment; filename=\"a_b_ 50__.txt\"; filename*=UTF-8''a%22b%5C%2050%25%C3%A9.txt"
        );
    }

    proptest! {
        #[test]
        fn every_name_makes_a_key_that_urls_keep(name in "\\PC{1,255}") {
            let key = key(&name);
            prop_assert!(key.len() <= 1_024);
            prop_assert!(key.split('/').all(|segment| !segment.is_empty() && segment != "." && segment != ".."));
            prop_assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b)));
        }

        #[test]
        fn every_name_makes_an_ascii_header(name in "\\PC{1,255}") {
            prop_assert!(content_disposition(&name).bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}
