//! Copying within the bucket.

use http::{Request, StatusCode};
use syncsphere_protocol::{PartNumber, PartRange};

use super::bucket::{Bucket, Provider};
use super::client::{COMPLETION_TIMEOUT, S3, finished};
use super::failure::S3Failure;
use super::replies::{self, StoredCopy};
use crate::ports::Storage;

/// What storage tells of a copy.
pub(crate) struct CopiedObject {
    pub etag: String,
    /// Whether the ETag may be a digest of the content.
    pub has_digest_etag: bool,
}

/// A range of an object that becomes a part of a multipart upload.
pub(crate) struct PartCopy<'a> {
    /// The bucket that the object lies in.
    pub source: &'a Bucket,
    /// The object's key.
    pub from: &'a str,
    /// The ETag that it has to have, quoted.
    pub etag: Option<&'a str>,
    pub range: PartRange,
    /// The key that the multipart upload makes.
    pub to: &'a str,
    pub storage_upload_id: &'a str,
    pub part: PartNumber,
}

impl<S: Storage> S3<'_, S> {
    /// Copies an object of at most 5 GiB, if it still is the one with this ETag; R2 is not asked to look, for it does not
    /// know that header. The copy has this media type and what all objects are stored with, and nothing else that whoever sent
    /// the original may have added.
    ///
    /// Sources: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>,
    /// <https://developers.cloudflare.com/r2/api/s3/api/>
    pub(crate) async fn copy(
        &self,
        from: &str,
        to: &str,
        etag: &str,
        content_type: &str,
    ) -> Result<CopiedObject, S3Failure> {
        let mut request = self
            .stored_with(Request::put(self.object(to, &[])))
            .header("x-amz-copy-source", self.bucket.copy_source(from))
            .header("x-amz-metadata-directive", "REPLACE")
            .header("content-type", content_type);
        if self.bucket.object_headers.has_tags() {
            request = request.header("x-amz-tagging-directive", "REPLACE");
        }
        if self.bucket.provider != Provider::R2 {
            request = request.header("x-amz-copy-source-if-match", etag);
        }
        let response = self.send(request, Vec::new(), COMPLETION_TIMEOUT).await?;
        let copied = replies::copied_etag(response.body())?;
        Ok(CopiedObject {
            etag: copied.map_err(|code| S3Failure::from_code(StatusCode::OK, code))?,
            has_digest_etag: replies::has_digest_etag(response.headers()),
        })
    }

    /// Copies a range of an object into a part, if the object still is the one with this ETag; R2 is not asked to look, as in
    /// [`Self::copy`]. Storage may say under status 200 that it has failed.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
    pub(crate) async fn copy_part(&self, copy: &PartCopy<'_>) -> Result<StoredCopy, S3Failure> {
        let number = copy.part.to_string();
        let query = [
            ("partNumber", Some(number.as_str())),
            ("uploadId", Some(copy.storage_upload_id)),
        ];
        let first = copy.range.offset;
        let last = first.saturating_add(copy.range.length).saturating_sub(1);
        let mut request = Request::put(self.object(copy.to, &query))
            .header("x-amz-copy-source", copy.source.copy_source(copy.from))
            .header("x-amz-copy-source-range", format!("bytes={first}-{last}"));
        if let Some(etag) = copy.etag.filter(|_| self.bucket.provider != Provider::R2) {
            request = request.header("x-amz-copy-source-if-match", etag);
        }
        let response = self.send(request, Vec::new(), COMPLETION_TIMEOUT).await?;
        let copied = replies::copied_part(finished(&response)?)?;
        copied.map_err(|code| S3Failure::from_code(StatusCode::OK, code))
    }
}
