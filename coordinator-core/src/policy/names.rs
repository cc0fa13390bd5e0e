//! Names and folders of files, and the name that a download is saved under.

use syncsphere_protocol::Redacted;
use unicode_normalization::UnicodeNormalization;

use crate::api_error::{ApiError, invalid};

/// Longest file name, in bytes. Source: the longest that common file systems hold.
const MAX_NAME: usize = 255;

/// Longest folder, in bytes. Source: own choice, a quarter of what Linux takes.
const MAX_PATH: usize = 1_024;

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

/// What browsers do with a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// They save it.
    Attachment,
    /// They show or play it.
    Inline,
}

/// The `Content-Disposition` of a download under the file's own name.
///
/// Source: RFC 6266, with the name in RFC 8187's form for what ASCII cannot say.
pub(crate) fn content_disposition(disposition: Disposition, name: &str) -> String {
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
    let disposition = match disposition {
        Disposition::Attachment => "attachment",
        Disposition::Inline => "inline",
    };
    format!("{disposition}; filename=\"{fallback}\"; filename*=UTF-8''{exact}")
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
    fn downloads_carry_the_name_twice() {
        assert_eq!(
            content_disposition(Disposition::Attachment, "a\"b\\ 50%é.txt"),
            "attachment; filename=\"a_b_ 50__.txt\"; filename*=UTF-8''a%22b%5C%2050%25%C3%A9.txt"
        );
    }

    proptest! {
        #[test]
        fn every_name_makes_an_ascii_header(name in "\\PC{1,255}") {
            prop_assert!(content_disposition(Disposition::Inline, &name).bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}
