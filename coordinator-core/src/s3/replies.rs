//! What storage answers. It is foreign input: bounded by the port, parsed strictly, never trusted
//! further than it goes.

use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use syncsphere_protocol::{Crc64Nvme, PartNumber, Redacted, StoredPart, Timestamp};

use crate::model::UploadMarker;

/// Longest storage upload id that is accepted, in bytes.
///
/// Source: own choice; AWS and R2 write about 130 to 300 characters. It has to fit a URL.
const MAX_STORAGE_UPLOAD_ID: usize = 1_024;

/// Longest ETag that is accepted, in bytes. Source: own choice; an MD5 with part count has 40.
const MAX_ETAG: usize = 256;

/// The answer was not what S3 documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("storage gave an answer that is no {0}")]
pub(crate) struct Unreadable(pub &'static str);

/// One page of the parts that storage holds.
pub(crate) struct PartsPage {
    pub parts: Vec<ListedPart>,
    /// Where the next page begins; absent on the last one.
    pub next_marker: Option<PartNumber>,
}

/// A part in a listing.
pub(crate) struct ListedPart {
    pub part: StoredPart,
    /// When it was stored, as text of one form within a storage, so that it sorts.
    pub modified: String,
}

/// One page of the multipart uploads that storage holds.
pub(crate) struct UploadsPage {
    pub uploads: Vec<ListedUpload>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<UploadMarker>,
}

/// A multipart upload in a listing.
pub(crate) struct ListedUpload {
    pub key: String,
    pub upload_id: Redacted<String>,
    /// When it began, where storage says so.
    pub begun_at: Option<Timestamp>,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredObject {
    pub size: u64,
    pub etag: String,
    pub crc64nvme: Option<Crc64Nvme>,
    /// Whether the ETag may be a digest of the content.
    pub has_digest_etag: bool,
}

/// What the answer to a completion tells of the object, each where storage says so.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Completed {
    pub etag: Option<String>,
    pub crc64nvme: Option<Crc64Nvme>,
}

/// A part that storage has copied, with its checksum where storage states it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredCopy {
    pub etag: String,
    pub crc64nvme: Option<Crc64Nvme>,
}

/// What a `HEAD` tells of an object.
pub(crate) struct ToldObject {
    /// Absent where somebody on the way would have compressed the object: only storage itself knows then.
    pub size: Option<u64>,
    pub etag: String,
    pub crc64nvme: Option<Crc64Nvme>,
    pub has_digest_etag: bool,
}

/// The upload id in the answer to CreateMultipartUpload.
pub(crate) fn created_upload(body: &[u8]) -> Result<Redacted<String>, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "UploadId")]
        upload_id: String,
    }
    const WHAT: &str = "InitiateMultipartUploadResult";
    let answer: Answer = parse(body, WHAT)?;
    let fits = (1..=MAX_STORAGE_UPLOAD_ID).contains(&answer.upload_id.len())
        && answer.upload_id.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        Ok(Redacted(answer.upload_id))
    } else {
        Err(Unreadable(WHAT))
    }
}

/// One page of the answer to ListParts.
pub(crate) fn parts_page(body: &[u8]) -> Result<PartsPage, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "IsTruncated", default)]
        is_truncated: bool,
        #[serde(rename = "NextPartNumberMarker")]
        next_marker: Option<u64>,
        #[serde(rename = "Part", default)]
        parts: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "PartNumber")]
        number: u64,
        #[serde(rename = "Size")]
        size: u64,
        #[serde(rename = "ETag")]
        etag: String,
        #[serde(rename = "ChecksumCRC64NVME")]
        crc64nvme: Option<String>,
        #[serde(rename = "LastModified", default)]
        modified: String,
    }
    const WHAT: &str = "ListPartsResult";
    let answer: Answer = parse(body, WHAT)?;
    let parts = answer
        .parts
        .into_iter()
        .map(|part| {
            let modified = part.modified;
            let part = StoredPart {
                part_number: PartNumber::try_from(part.number).map_err(|_| Unreadable(WHAT))?,
                size: part.size,
                etag: etag(part.etag).ok_or(Unreadable(WHAT))?,
                crc64nvme: part.crc64nvme.and_then(|text| text.parse().ok()),
            };
            Ok(ListedPart { part, modified })
        })
        .collect::<Result<_, _>>()?;
    let next_marker = match (answer.is_truncated, answer.next_marker) {
        (false, _) => None,
        (true, marker) => Some(
            marker
                .and_then(|number| PartNumber::try_from(number).ok())
                .ok_or(Unreadable(WHAT))?,
        ),
    };
    Ok(PartsPage { parts, next_marker })
}

/// One page of the answer to ListMultipartUploads.
pub(crate) fn uploads_page(body: &[u8]) -> Result<UploadsPage, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "IsTruncated", default)]
        is_truncated: bool,
        #[serde(rename = "NextKeyMarker")]
        next_key: Option<String>,
        #[serde(rename = "NextUploadIdMarker")]
        next_upload: Option<String>,
        #[serde(rename = "Upload", default)]
        uploads: Vec<StoredUpload>,
    }
    #[derive(Deserialize)]
    struct StoredUpload {
        #[serde(rename = "Key")]
        key: String,
        #[serde(rename = "UploadId")]
        upload_id: String,
        #[serde(rename = "Initiated")]
        begun_at: Option<String>,
    }
    let answer: Answer = parse(body, "ListMultipartUploadsResult")?;
    let uploads = answer.uploads.into_iter().map(|one| ListedUpload {
        key: one.key,
        upload_id: Redacted(one.upload_id),
        begun_at: one.begun_at.and_then(|text| text.parse().ok()),
    });
    // SeaweedFS names no key.
    let marker = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Redacted);
    let (key, upload) = (marker(answer.next_key), marker(answer.next_upload));
    let is_somewhere = key.is_some() || upload.is_some();
    Ok(UploadsPage {
        uploads: uploads.collect(),
        next: (answer.is_truncated && is_somewhere).then_some(UploadMarker {
            bucket: None,
            key,
            upload,
        }),
    })
}

/// The answer to CompleteMultipartUpload; it may be an error under status 200: storage sends the status, then spaces while it
/// works, then the outcome.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub(crate) fn completion(body: &[u8]) -> Result<Result<Completed, String>, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "ETag")]
        etag: Option<String>,
        #[serde(rename = "ChecksumCRC64NVME")]
        crc64nvme: Option<String>,
    }
    let answer = outcome::<Answer>(body, "CompleteMultipartUploadResult")?;
    Ok(answer.map(|answer| Completed {
        etag: answer
            .etag
            .filter(|text| !text.is_empty())
            .and_then(|text| etag(quoted(&text))),
        crc64nvme: answer.crc64nvme.and_then(|text| text.parse().ok()),
    }))
}

/// The ETag in the answer to CopyObject, which may be an error under status 200, as that of a completion.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
pub(crate) fn copied_etag(body: &[u8]) -> Result<Result<String, String>, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "ETag")]
        etag: String,
    }
    const WHAT: &str = "CopyObjectResult";
    let answer = match outcome::<Answer>(body, WHAT)? {
        Ok(answer) => answer,
        Err(code) => return Ok(Err(code)),
    };
    // SeaweedFS writes it without quotes here.
    etag(quoted(&answer.etag)).map(Ok).ok_or(Unreadable(WHAT))
}

/// What the answer to UploadPartCopy tells of the part; it may be an error under status 200, as that of a completion.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
pub(crate) fn copied_part(body: &[u8]) -> Result<Result<StoredCopy, String>, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "ETag")]
        etag: String,
        #[serde(rename = "ChecksumCRC64NVME")]
        crc64nvme: Option<String>,
    }
    const WHAT: &str = "CopyPartResult";
    let answer = match outcome::<Answer>(body, WHAT)? {
        Ok(answer) => answer,
        Err(code) => return Ok(Err(code)),
    };
    Ok(Ok(StoredCopy {
        etag: etag(quoted(&answer.etag)).ok_or(Unreadable(WHAT))?,
        crc64nvme: answer.crc64nvme.and_then(|text| text.parse().ok()),
    }))
}

/// A document whose root has this name, or the code of the error that stands in its place.
fn outcome<T: DeserializeOwned>(body: &[u8], what: &'static str) -> Result<Result<T, String>, Unreadable> {
    match root_name(body).as_deref() {
        Some("Error") => Ok(Err(error_code(body).unwrap_or_default())),
        _ => parse(body, what).map(Ok),
    }
}

/// The code in an error answer, where there is one.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Code")]
        code: String,
    }
    let answer: Answer = parse(body, "Error").ok()?;
    let is_code = answer.code.len() <= 64 && answer.code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then_some(answer.code)
}

/// What the headers of a `HEAD` tell.
pub(crate) fn told_object(headers: &http::HeaderMap) -> Result<ToldObject, Unreadable> {
    const WHAT: &str = "HeadObject answer";
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // The length of something compressed is not the object's.
    let is_as_stored = text("content-encoding").is_none();
    let size = text("content-length").filter(|_| is_as_stored);
    // Whoever compresses weakens the ETag.
    let etag = text("etag").and_then(|text| etag(text.strip_prefix("W/").unwrap_or(text).to_owned()));
    Ok(ToldObject {
        size: size
            .map(|text| text.parse().map_err(|_| Unreadable(WHAT)))
            .transpose()?,
        etag: etag.ok_or(Unreadable(WHAT))?,
        crc64nvme: text("x-amz-checksum-crc64nvme").and_then(|text| text.parse().ok()),
        has_digest_etag: has_digest_etag(headers),
    })
}

/// The region that the bucket is in, which AWS tells whoever asks in another one.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>, `x-amz-bucket-region`
pub(crate) fn bucket_region(headers: &http::HeaderMap) -> Option<&str> {
    headers.get("x-amz-bucket-region")?.to_str().ok()
}

/// Whether an ETag may be a digest of the content: under a key of the customer's or of a key service it is none.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>, `ETag`
pub(crate) fn has_digest_etag(headers: &http::HeaderMap) -> bool {
    let encryption = headers.get("x-amz-server-side-encryption");
    encryption.is_none_or(|by| by == "AES256")
        && !headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
}

/// The size of the object with this key in the answer to ListObjectsV2, if it is there.
pub(crate) fn listed_size(body: &[u8], key: &str) -> Result<Option<u64>, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Contents", default)]
        contents: Vec<Object>,
    }
    #[derive(Deserialize)]
    struct Object {
        #[serde(rename = "Key")]
        key: String,
        #[serde(rename = "Size")]
        size: u64,
    }
    let answer: Answer = parse(body, "ListBucketResult")?;
    let object = answer.contents.into_iter().find(|object| object.key == key);
    Ok(object.map(|object| object.size))
}

/// An ETag as headers have it.
fn quoted(etag: &str) -> String {
    format!("\"{}\"", etag.trim_matches('"'))
}

fn etag(text: String) -> Option<String> {
    let fits = (1..=MAX_ETAG).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(text)
}

/// A document whose root has this name.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8], what: &'static str) -> Result<T, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable(what))?;
    if root_name(body).as_deref() != Some(what) {
        return Err(Unreadable(what));
    }
    quick_xml::de::from_str(text.trim_start()).map_err(|_| Unreadable(what))
}

fn root_name(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = quick_xml::Reader::from_str(text.trim_start());
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => {
                return Some(tag.local_name().as_ref().to_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_page_of_parts_is_read_with_quoted_etags() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId>
              <NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>true</IsTruncated>
              <Part><ETag>&quot;a1&quot;</ETag><PartNumber>1</PartNumber><Size>5242880</Size></Part>
              <Part><ETag>"b2"</ETag><PartNumber>2</PartNumber><Size>7</Size>
                <ChecksumCRC64NVME>L/E4WYn8v98=</ChecksumCRC64NVME></Part>
            </ListPartsResult>"#;
        let page = parts_page(body).unwrap();
        assert_eq!(page.next_marker.map(PartNumber::get), Some(2));
        assert_eq!(page.parts[0].part.etag, "\"a1\"");
        assert_eq!(page.parts[0].part.crc64nvme, None);
        assert_eq!(page.parts[1].part.size, 7);
        assert_eq!(page.parts[1].part.crc64nvme, "L/E4WYn8v98=".parse().ok());
    }

    #[test]
    fn an_object_has_its_size_and_etag_also_where_an_edge_would_have_compressed_it() {
        let told = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            });
            told_object(&headers.collect()).map(|told| (told.size, told.etag))
        };
        let etag = ("etag", "\"e\"");
        let etag_text = || "\"e\"".to_owned();
        assert_eq!(told(&[etag, ("content-length", "7")]), Ok((Some(7), etag_text())));
        assert_eq!(told(&[("etag", "W/\"e\"")]), Ok((None, etag_text())));
        let compressed = [etag, ("content-length", "7"), ("content-encoding", "gzip")];
        assert_eq!(told(&compressed), Ok((None, etag_text())));
        assert!(told(&[etag, ("content-length", "-7")]).is_err());
        assert!(told(&[("content-length", "7")]).is_err());
    }

    #[test]
    fn a_listing_tells_the_size_of_this_key_alone() {
        let body = b"<ListBucketResult><Contents><Key>a/b</Key><Size>7</Size></Contents>\
            <Contents><Key>a/b&amp;c</Key><Size>8</Size></Contents></ListBucketResult>";
        assert_eq!(listed_size(body, "a/b"), Ok(Some(7)));
        assert_eq!(listed_size(body, "a/b&c"), Ok(Some(8)));
        assert_eq!(listed_size(body, "a"), Ok(None));
        assert_eq!(listed_size(b"<ListBucketResult/>", "a"), Ok(None));
        assert!(listed_size(b"<html/>", "a").is_err());
    }

    #[test]
    fn an_upload_without_parts_has_an_empty_page() {
        let page =
            parts_page(b"<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>").unwrap();
        assert!(page.parts.is_empty() && page.next_marker.is_none());
    }

    #[test]
    fn a_completion_is_believed_only_when_it_says_so() {
        let kept_alive = b"   \n <?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult/>";
        assert_eq!(completion(kept_alive), Ok(Ok(Completed::default())));
        let named = b"<CompleteMultipartUploadResult><ETag>e</ETag>\
            <ChecksumCRC64NVME>L/E4WYn8v98=</ChecksumCRC64NVME></CompleteMultipartUploadResult>";
        let completed = Completed {
            etag: Some("\"e\"".to_owned()),
            crc64nvme: "L/E4WYn8v98=".parse().ok(),
        };
        assert_eq!(completion(named), Ok(Ok(completed)));
        let empty = b"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>";
        assert_eq!(completion(empty), Ok(Ok(Completed::default())));
        let error = b"  <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>";
        assert_eq!(completion(error), Ok(Err("InternalError".to_owned())));
        for bad in [&b""[..], b"   ", b"OK", b"<html></html>", b"\xff<Error/>"] {
            assert!(completion(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_copied_part_is_believed_only_when_it_is_told_of() {
        let body = b" \n<CopyPartResult><ETag>e</ETag><ChecksumCRC64NVME>L/E4WYn8v98=</ChecksumCRC64NVME></CopyPartResult>";
        let copy = StoredCopy {
            etag: "\"e\"".to_owned(),
            crc64nvme: "L/E4WYn8v98=".parse().ok(),
        };
        assert_eq!(copied_part(body), Ok(Ok(copy)));
        let bare = b"<CopyPartResult><ETag>&quot;e&quot;</ETag><ChecksumCRC64NVME>x</ChecksumCRC64NVME></CopyPartResult>";
        let told = copied_part(bare).unwrap().unwrap();
        assert_eq!((told.etag.as_str(), told.crc64nvme), ("\"e\"", None));
        let error = b"  <Error><Code>SlowDown</Code></Error>";
        assert_eq!(copied_part(error), Ok(Err("SlowDown".to_owned())));
        for bad in [
            &b""[..],
            b"<CopyPartResult/>",
            b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>",
            b"\xff",
        ] {
            assert!(copied_part(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn upload_ids_that_no_storage_gives_are_refused() {
        let answer = |id: &str| {
            format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            )
        };
        assert_eq!(created_upload(answer("a+/=").as_bytes()).unwrap().0, "a+/=");
        for bad in ["", "a b", "a&#10;b", &"x".repeat(1_025)] {
            assert!(created_upload(answer(bad).as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_a_parser_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (parts_page(&body).is_ok(), created_upload(&body), completion(&body), copied_part(&body),
                uploads_page(&body).is_ok(), error_code(&body));
        }

        #[test]
        fn no_near_miss_makes_a_parser_panic(
            inner in "(<(Part|ETag|Size|PartNumber|IsTruncated|Code)>|</(Part|ETag|Size)>|&quot;|&x;|[0-9a-z]){0,40}",
        ) {
            let body = format!("<ListPartsResult>{inner}</ListPartsResult>");
            let _ = parts_page(body.as_bytes()).is_ok();
        }
    }
}
