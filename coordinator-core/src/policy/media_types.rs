//! Media types: which are taken, and which are given back.

use crate::api_error::{ApiError, invalid};

/// Longest media type, in bytes. Source: own choice; RFC 6838 allows 127 for each half.
const MAX_CONTENT_TYPE: usize = 255;

/// What a media type is where the client names none. Source: RFC 9110 section 8.3.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The media type, checked to be fit for an HTTP header.
pub(crate) fn content_type(declared: Option<&str>) -> Result<String, ApiError> {
    let declared = declared.unwrap_or_default().trim();
    if declared.is_empty() {
        return Ok(UNKNOWN_TYPE.to_owned());
    }
    let essence = declared.split(';').next().unwrap_or_default().trim_end();
    let is_type = essence
        .split_once('/')
        .is_some_and(|(left, right)| is_token(left) && is_token(right));
    // Spaces only one at a time: signatures collapse them.
    let fits_header = declared.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && !declared.contains("  ");
    if is_type && fits_header && declared.len() <= MAX_CONTENT_TYPE {
        Ok(declared.to_owned())
    } else {
        Err(invalid("the content type is not a media type"))
    }
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
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn media_types_fit_a_header() {
        assert_eq!(content_type(None).unwrap(), UNKNOWN_TYPE);
        assert_eq!(content_type(Some(" ")).unwrap(), UNKNOWN_TYPE);
        assert_eq!(
            content_type(Some("text/plain; charset=utf-8")).unwrap(),
            "text/plain; charset=utf-8"
        );
        for bad in ["text", "/", "a/b\r\nx: y", "a/ b", "text/plain;  x", "tëxt/plain"] {
            assert!(content_type(Some(bad)).is_err(), "{bad:?}");
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
