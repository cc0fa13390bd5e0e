//! What files are called by clients that think in keys and in fields of their own.

use syncsphere_protocol::{Redacted, StringMap};

use crate::api_error::ApiError;
use crate::policy::{self, FileName};

/// Name and folder of a file whose client proposes this key.
pub(crate) fn name_and_folder(key: &str) -> Result<(FileName, Redacted<String>), ApiError> {
    let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
    Ok((policy::file_name(without_uuid(name))?, policy::folder(folder)?))
}

/// Uppy writes a UUID and a hyphen before the name, where it is not told otherwise.
fn without_uuid(name: &str) -> &str {
    /// Length of a UUID as text, and where its hyphens are. Source: RFC 9562 section 4.
    const LENGTH: usize = 36;
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let Some((uuid, rest)) = name.split_at_checked(LENGTH) else {
        return name;
    };
    let is_uuid = uuid
        .bytes()
        .enumerate()
        .all(|(place, byte)| match HYPHENS.contains(&place) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        });
    match rest.strip_prefix('-') {
        Some(rest) if is_uuid && !rest.is_empty() => rest,
        _ => name,
    }
}

/// What Uppy's `file.meta` tells besides name and type: the folder, where the file was dropped with one, and the rest.
pub(crate) fn folder_and_metadata(
    meta: impl Iterator<Item = (String, String)>,
) -> (Redacted<String>, StringMap) {
    let mut folder = Redacted::default();
    let mut others = Vec::new();
    for (name, value) in meta {
        match name.as_str() {
            "name" | "type" => {}
            "relativePath" => {
                let parent = value.rsplit_once('/').map_or("", |(parent, _)| parent);
                // What is no folder here is no reason to refuse the file: Companion would make nothing of it either.
                folder = policy::folder(parent).unwrap_or_default();
            }
            _ => others.push((name, value)),
        }
    }
    (folder, others.into_iter().collect())
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_key_is_a_folder_and_a_name_without_a_uuid() {
        let read = |key: &str| {
            let (name, folder) = name_and_folder(key).unwrap();
            (folder.0, name.name.0)
        };
        let is = |folder: &str, name: &str| (folder.to_owned(), name.to_owned());
        let uuid = "0b7e1f8e-58a1-4b1e-9d3c-5a9e27f0c1aa";
        assert_eq!(read(&format!("{uuid}-my film+1.mov")), is("", "my film+1.mov"));
        assert_eq!(read(&format!("raw/2026/{uuid}-a")), is("raw/2026", "a"));
        assert_eq!(read("/a"), is("", "a"));
        for kept in [
            uuid.to_owned(),
            format!("{uuid}-"),
            format!("{uuid}x-a"),
            format!("x{uuid}-a"),
        ] {
            assert_eq!(read(&kept), is("", &kept));
        }
        assert_eq!(read("ü".repeat(30).as_str()).1, "ü".repeat(30));
        for bad in ["", "a/", "../a", "a//b/c", "a/.."] {
            assert!(name_and_folder(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn metadata_is_what_is_neither_name_nor_type_nor_folder() {
        let meta = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let (folder, texts) = folder_and_metadata(pairs.into_iter());
            let texts: Vec<_> = texts
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            (folder.0, texts.join(" "))
        };
        assert_eq!(
            meta(&[
                ("name", "a"),
                ("type", "b/c"),
                ("relativePath", "raw/2026/a"),
                ("caption", "x")
            ]),
            ("raw/2026".to_owned(), "caption=x".to_owned())
        );
        assert_eq!(meta(&[("relativePath", "null")]), (String::new(), String::new()));
        assert_eq!(meta(&[("relativePath", "../../a")]).0, "");
    }
}
