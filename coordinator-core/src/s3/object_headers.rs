//! Headers that every object of ours is stored with: encryption, storage class, tags.

use std::collections::BTreeMap;

/// What objects are stored with, besides their media type. A request that makes an object carries them: a `PUT` or form of a
/// client, or the creation of a multipart upload; parts carry none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectHeaders(Vec<(&'static str, String)>);

/// Why a text is no such list; for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidObjectHeaders(pub &'static str);

/// The headers that there may be, and what a form calls them. Content, length and checksums are each upload's own, and keys that
/// clients would have to know (SSE-C) are for nobody's configuration.
///
/// Sources: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html> and, for forms,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>
const KNOWN: [(&str, &str); 9] = [
    ("cache-control", "Cache-Control"),
    ("expires", "Expires"),
    ("x-amz-acl", "acl"),
    ("x-amz-server-side-encryption", "x-amz-server-side-encryption"),
    (
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-aws-kms-key-id",
    ),
    (
        "x-amz-server-side-encryption-bucket-key-enabled",
        "x-amz-server-side-encryption-bucket-key-enabled",
    ),
    (
        "x-amz-server-side-encryption-context",
        "x-amz-server-side-encryption-context",
    ),
    ("x-amz-storage-class", "x-amz-storage-class"),
    (TAGS, "tagging"),
];

const TAGS: &str = "x-amz-tagging";

/// Longest value, in bytes. Source: own choice, a quarter of what S3 takes of all headers together.
const MAX_VALUE: usize = 2_048;

impl ObjectHeaders {
    /// Reads a JSON object of names and values; names in any case.
    pub fn parse(json: &str) -> Result<Self, InvalidObjectHeaders> {
        let given: BTreeMap<String, String> = serde_json::from_str(json)
            .map_err(|_| InvalidObjectHeaders("has to be a JSON object of headers and their values"))?;
        let headers: Vec<(&'static str, String)> = given
            .into_iter()
            .map(|(name, value)| {
                let name = name.to_ascii_lowercase();
                let (known, _) = KNOWN.iter().find(|(known, _)| *known == name).ok_or(UNKNOWN)?;
                match is_header_value(&value) {
                    true => Ok((*known, value)),
                    false => Err(InvalidObjectHeaders("has a value that no header can have")),
                }
            })
            .collect::<Result<_, _>>()?;
        let mut names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        names.dedup();
        match names.len() == headers.len() {
            true => Ok(Self(headers)),
            false => Err(InvalidObjectHeaders("names a header twice")),
        }
    }

    /// What caches may do with a download: what the operator says, else nothing but the reader's own.
    pub(super) fn cache_control(&self) -> &str {
        let mut headers = self.for_request();
        let configured = headers.find(|(name, _)| *name == "cache-control");
        configured.map_or("private", |(_, value)| value)
    }

    /// Whether there are tags among them.
    pub(super) fn has_tags(&self) -> bool {
        self.0.iter().any(|(name, _)| *name == TAGS)
    }

    /// As a `PUT` or the creation of a multipart upload carries them.
    pub(super) fn for_request(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// As a form carries them.
    pub(super) fn for_form(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.iter().map(|(name, value)| {
            let field = KNOWN.iter().find(|(known, _)| known == name);
            let field = field.map_or(*name, |(_, field)| *field);
            (
                field,
                if *name == TAGS {
                    tags_as_xml(value)
                } else {
                    value.clone()
                },
            )
        })
    }
}

const UNKNOWN: InvalidObjectHeaders = InvalidObjectHeaders(
    "may name cache-control, expires, x-amz-acl, x-amz-storage-class, x-amz-tagging and x-amz-server-side-encryption with \
     -aws-kms-key-id, -bucket-key-enabled and -context",
);

/// What signatures and browsers leave as it is: visible ASCII, spaces one at a time and none at the ends.
fn is_header_value(value: &str) -> bool {
    let is_visible = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    is_visible
        && !value.is_empty()
        && value.len() <= MAX_VALUE
        && value.trim() == value
        && !value.contains("  ")
}

/// `a=1&b=2` as forms want it.
fn tags_as_xml(query: &str) -> String {
    let tags: String = form_urlencoded::parse(query.as_bytes())
        .map(|(key, value)| {
            let (key, value) = (quick_xml::escape::escape(key), quick_xml::escape::escape(value));
            format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
        })
        .collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn known_headers_are_taken_in_any_case_and_others_refused() {
        let headers = ObjectHeaders::parse(
            r#"{"X-Amz-Storage-Class":"STANDARD_IA","x-amz-acl":"private","x-amz-tagging":"team=a&x=%3C%26"}"#,
        )
        .unwrap();
        let for_request: Vec<_> = headers.for_request().collect();
        assert!(for_request.contains(&("x-amz-storage-class", "STANDARD_IA")));
        let for_form: BTreeMap<_, _> = headers.for_form().collect();
        assert_eq!(for_form["acl"], "private");
        assert_eq!(
            for_form["tagging"],
            "<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag>\
             <Tag><Key>x</Key><Value>&lt;&amp;</Value></Tag></TagSet></Tagging>"
        );
        for bad in [
            "",
            "[]",
            "{\"content-type\":\"a/b\"}",
            "{\"x-amz-server-side-encryption-customer-key\":\"k\"}",
            "{\"x-amz-acl\":1}",
            "{\"x-amz-acl\":\"\"}",
            "{\"x-amz-acl\":\"a\\r\\nb: c\"}",
            "{\"x-amz-acl\":\"a  b\"}",
            "{\"x-amz-acl\":\"é\"}",
            "{\"x-amz-acl\":\"a\",\"X-Amz-Acl\":\"b\"}",
        ] {
            assert!(ObjectHeaders::parse(bad).is_err(), "{bad}");
        }
    }
}
