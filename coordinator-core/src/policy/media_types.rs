//! Media types: which are taken, and which are given back.

/// Longest media type, in bytes. Source: own choice; RFC 6838 allows 127 for each half.
const MAX_CONTENT_TYPE: usize = 255;

/// What a media type is where the client names none. Source: RFC 9110 section 8.3.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The media type of a file of this name, fit for an HTTP header: as declared where that is one, mended where it can be,
/// else guessed by the end of the name.
pub(crate) fn content_type(declared: Option<&str>, name: &str) -> String {
    mended(declared.unwrap_or_default()).unwrap_or_else(|| {
        let guessed = mime_guess::from_path(name).first_raw();
        guessed.unwrap_or(UNKNOWN_TYPE).to_owned()
    })
}

/// The media type that a text means: extra spaces and parameters that are none are left out. `None` where it means none.
fn mended(text: &str) -> Option<String> {
    let mut pieces = outside_quotes(text).into_iter();
    let essence = pieces.next()?;
    let (left, right) = essence.split_once('/')?;
    if !is_token(left) || !is_token(right) || essence.len() > MAX_CONTENT_TYPE {
        return None;
    }
    let whole = pieces
        .filter(|piece| is_parameter(piece))
        .fold(essence.clone(), |whole, piece| whole + "; " + &piece);
    Some(if whole.len() > MAX_CONTENT_TYPE {
        essence
    } else {
        whole
    })
}

/// What stands between semicolons that are not within quotes; of several spaces one, since signatures collapse them.
fn outside_quotes(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut is_quoted = false;
    for c in text.chars() {
        is_quoted ^= c == '"';
        match pieces.last_mut() {
            Some(piece) if c != ';' || is_quoted => piece.push(c),
            _ => pieces.push(String::new()),
        }
    }
    let single_spaced = |piece: String| piece.split_whitespace().collect::<Vec<_>>().join(" ");
    pieces.into_iter().map(single_spaced).collect()
}

/// Source: RFC 9110 section 5.6.6.
fn is_parameter(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, value)| {
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let is_quoted =
            quoted.is_some_and(|text| text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"'));
        is_token(name) && (is_token(value) || is_quoted)
    })
}

/// Whether a media type is one of those that are taken. Parameters and case make no difference.
pub(crate) fn allows_type(taken: &[String], content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let family_of = |kind: &str| {
        kind.split_once('/')
            .map(|(family, _)| family.to_ascii_lowercase())
    };
    taken.iter().any(|range| match range.strip_suffix("/*") {
        Some("*") => true,
        Some(family) => family_of(essence) == Some(family.to_ascii_lowercase()),
        None => range.eq_ignore_ascii_case(essence),
    })
}

/// Whether a text names a media type, `type/*` or `*/*`, without parameters.
///
/// Source: RFC 9110 section 12.5.1.
pub(crate) fn is_media_range(text: &str) -> bool {
    let halves = text.split_once('/');
    halves.is_some_and(|(left, right)| is_token(left) && is_token(right) && (left != "*" || right == "*"))
}

/// The media type that a download is sent with: the file's own where a browser only shows or plays it, else one
/// that says nothing, so that no file of a client's is ever taken for a page, a script or a style.
pub(crate) fn download_type(content_type: &str) -> &str {
    /// Source: own choice. SVG may hold scripts, and XML may name a style sheet with some.
    const SHOWN: [&str; 5] = [
        "application/json",
        "application/pdf",
        "application/zip",
        "text/csv",
        "text/plain",
    ];
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let (family, kind) = essence.split_once('/').unwrap_or_default();
    let is_media = ["audio", "font", "image", "video"]
        .iter()
        .any(|shown| family.eq_ignore_ascii_case(shown));
    let is_plain = is_media && !kind.to_ascii_lowercase().ends_with("xml");
    let is_shown = SHOWN.iter().any(|shown| essence.eq_ignore_ascii_case(shown));
    if is_plain || is_shown {
        content_type
    } else {
        UNKNOWN_TYPE
    }
}

/// Whether a file of this type may be shown in place: nothing in it runs, and browsers take it for nothing else.
pub(crate) fn is_shown_inline(content_type: &str) -> bool {
    /// Source: own choice. Every browser shows these without a plug-in that has a reach beyond its own page; SVG and XML, which
    /// can hold scripts, and text, which may be taken for something else, are left out.
    const SAFE: [&str; 10] = [
        "application/pdf",
        "image/apng",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/heic",
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/x-icon",
    ];
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let (family, kind) = essence.split_once('/').unwrap_or_default();
    let is_played = ["audio", "video"]
        .iter()
        .any(|played| family.eq_ignore_ascii_case(played));
    let is_markup = kind.to_ascii_lowercase().ends_with("xml");
    (is_played && !is_markup) || SAFE.iter().any(|safe| essence.eq_ignore_ascii_case(safe))
}

/// Source: RFC 9110 section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn media_types_fit_a_header() {
        let of = |declared: &str| content_type(Some(declared), "f");
        assert_eq!(of("text/plain; charset=utf-8"), "text/plain; charset=utf-8");
        // The package mends the same way: tests/package/descriptions.test.mjs.
        assert_eq!(of(" text/plain;  charset=utf-8 ;"), "text/plain; charset=utf-8");
        assert_eq!(of("image/png; name=\"ü\"; a=\"b;c\""), "image/png; a=\"b;c\"");
        assert_eq!(of("a/b\r\nx: y"), UNKNOWN_TYPE);
        assert_eq!(of(&format!("a/b; c={}", "x".repeat(255))), "a/b");
        for none in [
            "",
            " ",
            "jpg",
            "/",
            "a/ b",
            "tëxt/plain",
            "a/b/c",
            ";",
            &"x/".repeat(200),
        ] {
            assert_eq!(of(none), UNKNOWN_TYPE, "{none:?}");
        }
    }

    #[test]
    fn a_file_without_a_type_has_the_one_of_its_name() {
        for (name, guessed) in [
            ("a.mkv", "video/x-matroska"),
            ("IMG_1.HEIC", "image/heic"),
            ("a.b.PDF", "application/pdf"),
            ("notes.txt", "text/plain"),
            ("archive.unknown", UNKNOWN_TYPE),
            ("no end", UNKNOWN_TYPE),
            (".png", UNKNOWN_TYPE),
        ] {
            assert_eq!(content_type(None, name), guessed, "{name}");
            assert_eq!(content_type(Some("jpg"), name), guessed, "{name}");
        }
        assert_eq!(content_type(Some(UNKNOWN_TYPE), "a.mkv"), UNKNOWN_TYPE);
    }

    proptest! {
        #[test]
        fn every_type_fits_a_header(declared in "\\PC{0,300}|[a-z]{1,5}/[a-z;=\" ]{1,40}", name in "\\PC{0,20}") {
            let kept = content_type(Some(&declared), &name);
            prop_assert!(kept.bytes().all(|b| (b' '..=b'~').contains(&b)) && !kept.contains("  "));
            prop_assert!(kept.len() <= MAX_CONTENT_TYPE);
            prop_assert_eq!(content_type(Some(&kept), &name), kept);
        }
    }

    #[test]
    fn media_ranges_take_what_they_name() {
        let taken = |ranges: &[&str], content_type: &str| {
            let ranges: Vec<_> = ranges.iter().map(|range| (*range).to_owned()).collect();
            allows_type(&ranges, content_type)
        };
        assert!(taken(&["image/png", "video/*"], "video/mp4; codecs=\"av1\""));
        assert!(taken(&["image/png"], "IMAGE/PNG") && taken(&["*/*"], "a/b"));
        for refused in ["image/pngx", "image", "videos/mp4", "xvideo/mp4", "video"] {
            assert!(!taken(&["image/png", "video/*"], refused), "{refused}");
        }
        assert!(!taken(&[], "a/b") && !taken(&["*", "/*", "a*"], "a/b"));
        for range in ["image/png", "image/*", "*/*"] {
            assert!(is_media_range(range), "{range}");
        }
        for bad in ["", "image", "*/png", "image/", "image/png; q=1", "im age/png"] {
            assert!(!is_media_range(bad), "{bad}");
        }
    }

    #[test]
    fn only_what_runs_nothing_is_shown_in_place() {
        for shown in [
            "image/png",
            "VIDEO/mp4; codecs=\"av1\"",
            "audio/ogg",
            "application/pdf",
        ] {
            assert!(is_shown_inline(shown), "{shown}");
            assert_eq!(download_type(shown), shown);
        }
        for saved in [
            "text/html",
            "image/svg+xml",
            "video/x+xml",
            "text/plain",
            "application/json",
            "font/woff2",
            "",
        ] {
            assert!(!is_shown_inline(saved), "{saved}");
        }
    }

    #[test]
    fn a_download_is_never_a_page_or_a_script() {
        for shown in [
            "image/png",
            "VIDEO/MP4",
            "text/plain; charset=utf-8",
            "application/pdf",
            "image/vnd.x",
        ] {
            assert_eq!(download_type(shown), shown);
        }
        for active in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "IMAGE/SVG+XML",
            "text/xml",
            "application/javascript",
            "text/css",
            "application/wasm",
            "application/x-unknown",
        ] {
            assert_eq!(download_type(active), UNKNOWN_TYPE, "{active}");
        }
    }
}
