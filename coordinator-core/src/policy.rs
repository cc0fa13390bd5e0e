//! What a new file may be: its name, folder, media type, metadata and size, and the object's key
//! that follows.

use syncsphere_protocol::{
    ErrorCode, FileId, MAX_PART_SIZE, MIB, PartPlan, Redacted, StringMap, Tail, UploadKind, WorkspaceId,
    default_part_size,
};
use unicode_normalization::UnicodeNormalization;

use crate::api_error::{ApiError, invalid};
use crate::s3::Provider;

/// Longest file name, in bytes. Source: the longest that common file systems hold.
const MAX_NAME: usize = 255;

/// Longest folder, in bytes. Source: own choice, a quarter of what Linux takes.
const MAX_PATH: usize = 1_024;

/// Longest media type, in bytes. Source: own choice; RFC 6838 allows 127 for each half.
const MAX_CONTENT_TYPE: usize = 255;

/// Most metadata entries, longest key and longest value in bytes. Source: own choice; all of it
/// together stays a small part of a ledger row.
const MAX_METADATA: usize = 32;
const MAX_METADATA_KEY: usize = 64;
const MAX_METADATA_VALUE: usize = 1_024;

/// Longest end of an object's key that is taken from the file's name, in bytes.
///
/// Source: own choice. S3 allows keys of 1,024 bytes, and two ids of 64 come before it.
const MAX_KEY_NAME: usize = 200;

/// Largest part of Cloudflare R2, in bytes.
///
/// Source: <https://developers.cloudflare.com/r2/platform/limits/>
const MAX_PART_SIZE_R2: u64 = MAX_PART_SIZE - 5 * MIB;

/// What a media type is where the client names none. Source: RFC 9110 section 8.3.
const UNKNOWN_TYPE: &str = "application/octet-stream";

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

/// The metadata, checked for number and length.
pub(crate) fn metadata(given: Option<&StringMap>) -> Result<Redacted<StringMap>, ApiError> {
    let given = given.cloned().unwrap_or_default();
    let fits = |(key, value): (&String, &String)| {
        (1..=MAX_METADATA_KEY).contains(&key.len())
            && value.len() <= MAX_METADATA_VALUE
            && !key.chars().chain(value.chars()).any(char::is_control)
    };
    if given.len() <= MAX_METADATA && given.iter().all(fits) {
        Ok(Redacted(given))
    } else {
        Err(invalid(format!(
            "metadata is at most {MAX_METADATA} entries with keys of 1 to {MAX_METADATA_KEY} and values of at \
             most {MAX_METADATA_VALUE} bytes, without control characters"
        )))
    }
}

/// How a file of `size` bytes travels. A wished part size is taken where it makes a plan, and a wished tail with it where
/// storage takes parts of two sizes.
pub(crate) fn plan(
    size: u64,
    wished: Option<u64>,
    tail: Option<Tail>,
    limit: u64,
    provider: Provider,
) -> Result<(UploadKind, PartPlan), ApiError> {
    if size > limit {
        return Err(too_large(limit));
    }
    let largest_part = match provider {
        Provider::R2 => MAX_PART_SIZE_R2,
        Provider::Aws | Provider::Generic => MAX_PART_SIZE,
    };
    // Source: <https://developers.cloudflare.com/r2/objects/multipart-objects/>, R2's parts are of one size
    let tail = tail.filter(|_| provider != Provider::R2);
    let wished = wished
        .filter(|wished| *wished <= largest_part)
        .and_then(|wished| PartPlan::new(size, wished).ok())
        .map(|plan| plan.with_tail(tail).unwrap_or(plan));
    let plan = match wished {
        Some(plan) => plan,
        None => PartPlan::new(size, default_part_size(size).min(largest_part))
            .map_err(|_| too_large(limit.min(largest_part.saturating_mul(10_000))))?,
    };
    let kind = match size <= plan.part_size() {
        true => UploadKind::Single,
        false => UploadKind::Multipart,
    };
    Ok((kind, plan))
}

/// A file has more bytes than that.
pub(crate) fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        ErrorCode::FileTooLarge,
        format!("a file may have at most {limit} bytes here"),
    )
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
    fn keys_are_safe_and_say_what_they_are() {
        assert_eq!(key("film.mov"), "demo/f1/film.mov");
        assert_eq!(key("..hidden file?.txt"), "demo/f1/hidden_file_.txt");
        assert_eq!(key("..."), "demo/f1/file");
        assert_eq!(key("映画"), "demo/f1/__");
        assert!(key(&format!("{}.mov", "x".repeat(250))).ends_with("x.mov"));
    }

    #[test]
    fn plans_follow_wishes_that_can_be_met() {
        let kind_and_part_size = |size, wished| {
            let (kind, plan) = plan(size, wished, None, u64::MAX, Provider::Generic).unwrap();
            (kind, plan.part_size())
        };
        assert_eq!(kind_and_part_size(0, None), (UploadKind::Single, 16 * MIB));
        assert_eq!(kind_and_part_size(16 * MIB, None), (UploadKind::Single, 16 * MIB));
        assert_eq!(
            kind_and_part_size(16 * MIB + 1, None),
            (UploadKind::Multipart, 16 * MIB)
        );
        assert_eq!(
            kind_and_part_size(16 * MIB, Some(5 * MIB)),
            (UploadKind::Multipart, 5 * MIB)
        );
        assert_eq!(kind_and_part_size(100, Some(1)), (UploadKind::Single, 16 * MIB));
        let r2 = plan(1, Some(MAX_PART_SIZE), None, u64::MAX, Provider::R2).unwrap();
        assert_eq!(r2.1.part_size(), 16 * MIB);
    }

    #[test]
    fn a_tail_is_given_where_storage_takes_two_sizes() {
        let tail_of = |part_size, tail, provider| {
            let plan = plan(100 * MIB, part_size, Some(tail), u64::MAX, provider)
                .unwrap()
                .1;
            plan.tail()
        };
        let tail = |after| Tail {
            after,
            part_size: 6 * MIB,
        };
        let wished = Some(16 * MIB);
        assert_eq!(tail_of(wished, tail(4), Provider::Aws), Some(tail(4)));
        assert_eq!(tail_of(wished, tail(4), Provider::Generic), Some(tail(4)));
        assert_eq!(tail_of(wished, tail(4), Provider::R2), None);
        // What makes no plan is a wish that cannot be met, like a part size.
        assert_eq!(tail_of(wished, tail(9), Provider::Aws), None);
        assert_eq!(tail_of(None, tail(4), Provider::Aws), None);
    }

    #[test]
    fn files_over_a_limit_are_refused_with_the_limit() {
        let code = |size, limit| plan(size, None, None, limit, Provider::Aws).unwrap_err().code();
        assert_eq!(code(11, 10), ErrorCode::FileTooLarge);
        assert_eq!(code(u64::MAX, u64::MAX), ErrorCode::FileTooLarge);
    }

    #[test]
    fn downloads_carry_the_name_twice() {
        assert_eq!(
            content_disposition("a\"b\\ 50%é.txt"),
            "attachment; filename=\"a_b_ 50__.txt\"; filename*=UTF-8''a%22b%5C%2050%25%C3%A9.txt"
        );
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
