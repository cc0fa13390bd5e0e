use std::time::Duration;

use syncsphere_protocol::{Checksum, PartNumber};

use super::bucket::Bucket;
use super::bucket::query_string;
use super::sign::SigningFailure;

/// The header that carries a part's checksum.
pub(super) const CHECKSUM: &str = "x-amz-checksum-crc64nvme";

/// The header that carries its MD5. Every storage holds bodies to it. Source: RFC 1864
const DIGEST: &str = "content-md5";

/// The header that has storage refuse (412) to replace an object.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
pub(super) const WRITE_ONCE: &str = "if-none-match";

/// How many bytes may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Storage refuses any other number.
    Exactly(u64),
    /// At most so many. Only a form's policy can say that: a `PUT` takes what storage takes.
    UpTo(u64),
}

/// Permission to send one part.
pub(crate) struct PartUpload<'a> {
    pub key: &'a str,
    pub storage_upload_id: &'a str,
    pub part: PartNumber,
    pub length: Length,
    /// Where given, storage refuses any other content.
    pub checksum: Option<Checksum>,
    /// Which of storage's addresses is to take it: they take turns.
    pub endpoint_index: usize,
}

/// Permission to send a whole object in one request.
pub(crate) struct SingleUpload<'a> {
    pub key: &'a str,
    /// Whether the object is copied from there before anybody sees it; otherwise it is written once.
    pub is_staged: bool,
    pub length: Length,
    pub checksum: Option<Checksum>,
    /// Whether the client can send a form.
    pub takes_form: bool,
    /// Stored with the object.
    pub content_type: &'a str,
    /// As for a part.
    pub endpoint_index: usize,
}

/// Permission to read an object.
pub(crate) struct Download<'a> {
    pub key: &'a str,
    /// The `Content-Disposition` that storage is to answer.
    pub disposition: &'a str,
    /// The `Content-Type` that storage is to answer.
    pub content_type: &'a str,
}

/// A request that storage takes until it expires.
pub(crate) struct Presigned {
    /// `PUT`, or `POST` for a form.
    pub method: &'static str,
    pub url: String,
    /// Have to go with the request. `Content-Length` is signed as well and not among them, since
    /// browsers set it themselves.
    pub headers: Vec<(&'static str, String)>,
    /// A form's fields, before its last one, which is the file.
    pub fields: Vec<(&'static str, String)>,
}

impl Bucket {
    /// A URL for one part of a multipart upload.
    pub(crate) fn presign_part(
        &self,
        part: &PartUpload<'_>,
        lifetime: Duration,
        now_ms: i64,
    ) -> Result<Presigned, SigningFailure> {
        let number = part.part.to_string();
        let query = query_string(&[
            ("partNumber", Some(&number)),
            ("uploadId", Some(part.storage_upload_id)),
        ]);
        let url = self.public_url(part.key, part.endpoint_index) + &query;
        let headers = checksum_header(part.checksum);
        self.presign_put(&url, part.length, headers, lifetime, now_ms)
    }

    /// A URL for a whole object, or a form.
    pub(crate) fn presign_single(
        &self,
        upload: &SingleUpload<'_>,
        lifetime: Duration,
        now_ms: i64,
    ) -> Result<Presigned, SigningFailure> {
        if self.takes_forms && upload.takes_form {
            return self.sign_form(upload, lifetime, now_ms);
        }
        let url = self.public_url(upload.key, upload.endpoint_index);
        let mut headers = checksum_header(upload.checksum);
        headers.push(("content-type", upload.content_type.to_owned()));
        if self.conditional_writes && !upload.is_staged {
            headers.push((WRITE_ONCE, "*".to_owned()));
        }
        let stored_with = self.object_headers.for_request();
        headers.extend(stored_with.map(|(name, value)| (name, value.to_owned())));
        self.presign_put(&url, upload.length, headers, lifetime, now_ms)
    }

    /// A URL that downloads an object under the file's own name.
    pub(crate) fn presign_download(
        &self,
        download: &Download<'_>,
        lifetime: Duration,
        now_ms: i64,
    ) -> Result<String, SigningFailure> {
        let query = query_string(&[
            ("response-content-disposition", Some(download.disposition)),
            ("response-content-type", Some(download.content_type)),
            // A client may have sent others with a file's bytes, for not every header of a `PUT` has to be signed.
            (
                "response-cache-control",
                Some(self.object_headers.cache_control()),
            ),
            ("response-content-encoding", Some("identity")),
        ]);
        let url = self.public_url(download.key, 0) + &query;
        self.presign("GET", &url, &[], lifetime, now_ms)
    }

    fn presign_put(
        &self,
        url: &str,
        length: Length,
        headers: Vec<(&'static str, String)>,
        lifetime: Duration,
        now_ms: i64,
    ) -> Result<Presigned, SigningFailure> {
        let length = match length {
            Length::Exactly(length) => Some(length.to_string()),
            Length::UpTo(_) => None,
        };
        let mut signed = Vec::new();
        signed.extend(length.as_deref().map(|length| ("content-length", length)));
        signed.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let url = self.presign("PUT", url, &signed, lifetime, now_ms)?;
        Ok(Presigned {
            method: "PUT",
            url,
            headers,
            fields: Vec::new(),
        })
    }
}

fn checksum_header(checksum: Option<Checksum>) -> Vec<(&'static str, String)> {
    match checksum {
        None => Vec::new(),
        Some(Checksum::Crc64Nvme(crc)) => vec![(CHECKSUM, crc.to_string())],
        Some(Checksum::Md5(md5)) => vec![(DIGEST, md5.to_string())],
    }
}
