//! Copying within the bucket.

use http::{Request, StatusCode};

use super::bucket::Provider;
use super::client::{COMPLETION_TIMEOUT, S3};
use super::failure::S3Failure;
use super::replies;
use crate::ports::Storage;

/// What storage tells of a copy.
pub(crate) struct CopiedObject {
    pub etag: String,
    /// Whether the ETag may be a digest of the content.
    pub has_digest_etag: bool,
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
}
