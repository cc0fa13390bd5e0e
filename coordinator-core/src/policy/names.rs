//! Names and folders of files, and the name that a download is saved under.

use syncsphere_protocol::Redacted;
use unicode_normalization::UnicodeNormalization;

use crate::api_error::{ApiError, invalid};

/// Longest file or folder name in NFC, in UTF-16 code units: at most 765 bytes of UTF-8.
///
/// Source: NTFS and APFS hold as many:
/// <https://learn.microsoft.com/en-us/windows/win32/fileio/filesystem-functionality-comparison>
pub(crate) const MAX_NAME_UNITS: usize = 255;

/// Longest name as it was given that is kept beside the one without control characters, in bytes. Source: own choice.
const MAX_ORIGINAL: usize = 1_024;

/// Longest folder in NFC, in bytes. Source: own choice, a quarter of what Linux takes.
const MAX_PATH: usize = 1_024;

/// What a file is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName {
    /// Canonical: in Unicode NFC, without control characters.
    pub name: Redacted<String>,
    /// As it was given, where control characters had to be replaced and it is not too long to be kept.
    pub original: Option<Redacted<String>>,
}

/// The file's name, if it is one.
pub(crate) fn file_name(given: &str) -> Result<FileName, ApiError> {
    let name = segment(given).map_err(|wrong| invalid(format!("the file name {wrong}")))?;
    let is_kept = given.len() <= MAX_ORIGINAL && given.chars().any(char::is_control);
    Ok(FileName {
        name: Redacted(name),
        original: is_kept.then(|| Redacted(given.to_owned())),
    })
}

/// The beginning of file names, canonical as they are; empty for all of them.
pub(crate) fn name_prefix(text: &str) -> Result<Redacted<String>, ApiError> {
    let prefix = canonical(text);
    if utf16_units(&prefix) <= MAX_NAME_UNITS && !prefix.contains('/') {
        Ok(Redacted(prefix))
    } else {
        Err(invalid("no file name begins like that"))
    }
}

/// The file's folder, canonical as names are, without slashes at its ends.
pub(crate) fn folder(path: &str) -> Result<Redacted<String>, ApiError> {
    let canonical = canonical(path);
    let trimmed = canonical.trim_matches('/');
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

/// A name as it is kept. It is measured in the form that is kept, since composing can make a text longer.
fn segment(text: &str) -> Result<String, &'static str> {
    let name = canonical(text);
    if name.is_empty() {
        return Err("is empty");
    }
    if utf16_units(&name) > MAX_NAME_UNITS {
        return Err("is longer than 255 UTF-16 units");
    }
    if name == "." || name == ".." {
        return Err("means another folder");
    }
    if name.contains('/') {
        return Err("has a slash in it");
    }
    Ok(name)
}

/// A text in Unicode NFC, in which each control character is a symbol. Canonical texts stay as they are.
fn canonical(text: &str) -> String {
    text.nfc()
        .map(|c| if c.is_control() { symbol(c) } else { c })
        .collect()
}

/// What is shown in the place of a control character.
///
/// Source: the block "Control Pictures", which has none for U+0080 to U+009F:
/// <https://www.unicode.org/charts/PDF/U2400.pdf>
fn symbol(control: char) -> char {
    match control {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(control)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

fn utf16_units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn names_in_any_script_are_kept_in_nfc() {
        let kept = |given: &str| file_name(given).unwrap().name.0;
        assert_eq!(kept("e\u{301}té.txt"), "été.txt");
        assert_eq!(kept("映画 100% + \"#1\".mov"), "映画 100% + \"#1\".mov");
        for bad in ["", ".", "..", "a/b"] {
            assert!(file_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_measured_as_they_are_kept() {
        let photo = "\u{1f4f7}".repeat(127);
        for good in [
            &"x".repeat(255),
            &("あ".repeat(100) + ".pdf"),
            &"я".repeat(128),
            &(photo.clone() + "x"),
            // Decomposed Hangul: 274 bytes that are composed to fewer.
            &"\u{1112}\u{1161}\u{11ab}".repeat(255),
        ] {
            let name = file_name(good).unwrap().name;
            assert_eq!(file_name(&name).unwrap().name, name);
            assert_eq!(name_prefix(&name).unwrap(), name);
        }
        // Three characters for each when they are composed.
        let grows = "\u{1d160}".repeat(63);
        for bad in [&"x".repeat(256), &(photo + "xx"), &grows] {
            assert!(file_name(bad).is_err() && name_prefix(bad).is_err(), "{bad:?}");
        }
        assert!(folder(&"\u{1d160}".repeat(250)).is_err());
        assert!(folder(&["e\u{301}".repeat(255).as_str(); 2].join("/")).is_ok());
    }

    #[test]
    fn controls_become_symbols_and_the_original_is_kept() {
        let icon = file_name("Icon\r").unwrap();
        assert_eq!(icon.name.0, "Icon\u{240d}");
        assert_eq!(icon.original.unwrap().0, "Icon\r");
        assert_eq!(
            file_name("a\0\x7f\u{85}b").unwrap().name.0,
            "a\u{2400}\u{2421}\u{fffd}b"
        );
        assert_eq!(folder("a\n/b").unwrap().0, "a\u{240a}/b");
        assert_eq!(name_prefix("Icon\r").unwrap().0, "Icon\u{240d}");
        // What only tells the direction of a text is no control.
        let bidi = file_name("\u{202e}gnp.exe").unwrap();
        assert_eq!((bidi.name.0.as_str(), bidi.original), ("\u{202e}gnp.exe", None));
    }

    #[test]
    fn folders_lose_slashes_at_their_ends_and_nothing_else() {
        assert_eq!(folder("/raw/2026/").unwrap().0, "raw/2026");
        assert_eq!(folder("").unwrap().0, "");
        for bad in ["a//b", "a/../b", "./a"] {
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
