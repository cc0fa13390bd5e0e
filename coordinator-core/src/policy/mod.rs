//! What a new file may be: its name, folder, media type, metadata and size, and the object's key
//! that follows.

mod media_types;
mod names;
mod object_keys;

use syncsphere_protocol::{
    ErrorCode, MAX_PART_SIZE, MIB, MIN_PART_SIZE, PartPlan, Redacted, StringMap, Tail, UploadKind,
    default_part_size,
};

use unicode_normalization::UnicodeNormalization;

use crate::api_error::{ApiError, internal, invalid};
use crate::s3::Provider;

pub(crate) use media_types::{
    allows_type, content_type, download_type, is_media_range, is_shown_inline, is_token,
};
pub(crate) use names::{
    Disposition, FileName, MAX_NAME_UNITS, content_disposition, file_name, folder, name_prefix,
};
pub use object_keys::{DEFAULT_KEY_TEMPLATE, KeyTemplate};
pub(crate) use object_keys::{KeyParts, STAGING_SUFFIX};

/// Most bytes of metadata in all: keys and values, in UTF-8 and NFC. Source: own choice; it stays a small part of what an
/// object reads at once.
const MAX_METADATA: usize = 16 * 1024;

/// Most metadata entries, and the longest key in bytes. Source: own choice.
const MAX_METADATA_ENTRIES: usize = 256;
const MAX_METADATA_KEY: usize = 256;

/// Largest part of Cloudflare R2, in bytes.
///
/// Source: <https://developers.cloudflare.com/r2/platform/limits/>
const MAX_PART_SIZE_R2: u64 = MAX_PART_SIZE - 5 * MIB;

/// The metadata with keys in Unicode NFC, checked for number and length. Values are data: any text is one.
pub(crate) fn metadata(given: Option<&StringMap>) -> Result<Redacted<StringMap>, ApiError> {
    let mut kept = Vec::new();
    let mut bytes: usize = 0;
    for (key, value) in given.into_iter().flat_map(StringMap::iter) {
        let wrong = |what: String| Err(invalid(format!("the metadata key {} {what}", quoted(key))));
        let canonical: String = key.nfc().collect();
        bytes = bytes.saturating_add(canonical.len()).saturating_add(value.len());
        if !(1..=MAX_METADATA_KEY).contains(&canonical.len()) {
            return wrong(format!("has not 1 to {MAX_METADATA_KEY} bytes"));
        }
        if bytes > MAX_METADATA {
            return wrong(format!("brings the metadata beyond {MAX_METADATA} bytes in all"));
        }
        if kept.len() == MAX_METADATA_ENTRIES {
            return wrong(format!(
                "is one more than the {MAX_METADATA_ENTRIES} that there may be"
            ));
        }
        if kept.iter().any(|(known, _)| *known == canonical) {
            return wrong("comes twice in Unicode NFC".to_owned());
        }
        kept.push((canonical, value.clone()));
    }
    Ok(Redacted(kept.into_iter().collect()))
}

/// The beginning of a text, in quotes and without anything that could be taken for another part of an error's text.
fn quoted(text: &str) -> String {
    /// Most characters that are shown. Source: own choice.
    const SHOWN: usize = 64;
    let shown: String = text.chars().take(SHOWN).collect();
    format!("{shown:?}")
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
    let largest_part = largest_part(provider);
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

/// How a file travels whose size is told at its end: in parts of the wished size where there are such, and at most of so
/// many as the largest file has.
pub(crate) fn plan_of_stream(
    wished: Option<u64>,
    limit: u64,
    provider: Provider,
) -> Result<PartPlan, ApiError> {
    let possible = MIN_PART_SIZE..=largest_part(provider);
    let part_size = wished.filter(|wished| possible.contains(wished));
    PartPlan::of_largest(limit, part_size.unwrap_or(MIN_PART_SIZE))
        .map_err(|error| internal(error.to_string()))
}

/// How finely a file of `size` bytes may be cut by a client that cuts it as it likes.
pub(crate) fn plan_of_free_layout(size: u64, limit: u64) -> Result<PartPlan, ApiError> {
    if size > limit {
        return Err(too_large(limit));
    }
    if size < MIN_PART_SIZE {
        return Err(invalid(format!(
            "a file of less than {MIN_PART_SIZE} bytes is not cut: it needs no free layout"
        )));
    }
    PartPlan::of_largest(size, MIN_PART_SIZE).map_err(|error| internal(error.to_string()))
}

/// Largest part that storage takes, in bytes.
fn largest_part(provider: Provider) -> u64 {
    match provider {
        Provider::R2 => MAX_PART_SIZE_R2,
        Provider::Aws | Provider::Generic => MAX_PART_SIZE,
    }
}

/// A file has more bytes than that.
pub(crate) fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        ErrorCode::FileTooLarge,
        format!("a file may have at most {limit} bytes here"),
    )
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn metadata_is_data_and_an_error_names_the_key() {
        let map = |pairs: &[(&str, &str)]| -> StringMap {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let long = "x".repeat(16 * 1024 - 1);
        for good in [
            map(&[("caption", "two\r\nlines\0\u{85}"), ("a\nb", "")]),
            map(&[("k", &long)]),
        ] {
            assert_eq!(metadata(Some(&good)).unwrap().0, good);
        }
        let canonical = metadata(Some(&map(&[("e\u{301}", "e\u{301}")]))).unwrap().0;
        assert_eq!(canonical, map(&[("é", "e\u{301}")]));
        for (bad, named) in [
            (map(&[("", "x")]), "\"\""),
            (map(&[("a", "x"), ("big", &long)]), "\"big\""),
            (map(&[(&"k".repeat(257), "")]), "\"kkk"),
            (map(&[("é", ""), ("e\u{301}", "")]), "NFC"),
        ] {
            let (problem, _) = metadata(Some(&bad)).unwrap_err().into_parts();
            assert!(problem.detail.contains(named), "{}", problem.detail);
            assert!(problem.detail.len() < 200, "{}", problem.detail);
        }
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
}
