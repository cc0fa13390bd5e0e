//! What storage lists: parts, multipart uploads, objects.

use http::Request;
use syncsphere_protocol::{PartNumber, Redacted, StoredPart, Timestamp};

use super::bucket::query_string;
use super::client::{REQUEST_TIMEOUT, S3};
use super::failure::S3Failure;
use super::replies::{self, ListedPart, PartsPage, Unreadable, UploadsPage};
use crate::model::UploadMarker;
use crate::ports::Storage;

/// Parts in one page of ListParts. Source: the most that S3 gives:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
const PARTS_PER_PAGE: &str = "1000";

/// Most pages of parts that are read.
///
/// Source: 10 pages hold every part there can be. SeaweedFS lists a part that was sent again once
/// for each time, so that there may be more.
const MAX_PARTS_PAGES: usize = 50;

impl<S: Storage> S3<'_, S> {
    /// The parts that storage holds, in the order of their numbers.
    ///
    /// S3 keeps only what was sent last of a part. Where a storage lists the others too, as
    /// SeaweedFS does, they stand before it.
    pub(crate) async fn parts(&self, key: &str, upload: &str) -> Result<Vec<StoredPart>, S3Failure> {
        self.parts_and_newest(key, upload).await.map(|(parts, _)| parts)
    }

    /// The same, and when the newest of them arrived, where storage says so.
    pub(crate) async fn parts_and_newest(
        &self,
        key: &str,
        upload: &str,
    ) -> Result<(Vec<StoredPart>, Option<Timestamp>), S3Failure> {
        let mut listed: Vec<ListedPart> = Vec::new();
        let mut marker: Option<PartNumber> = None;
        for _ in 0..MAX_PARTS_PAGES {
            let page = self.parts_page(key, upload, marker).await?;
            listed.extend(page.parts);
            match page.next_marker {
                None => {
                    listed.sort_by(|a, b| {
                        let order = a.part.part_number.cmp(&b.part.part_number);
                        order.then_with(|| a.modified.cmp(&b.modified))
                    });
                    let newest = newest_of(&listed);
                    return Ok((listed.into_iter().map(|listed| listed.part).collect(), newest));
                }
                Some(next) if marker.is_none_or(|marker| next > marker) => marker = Some(next),
                Some(_) => return Err(Unreadable("ListPartsResult that goes on").into()),
            }
        }
        Err(Unreadable("ListPartsResult of at most 10000 parts").into())
    }

    async fn parts_page(
        &self,
        key: &str,
        upload: &str,
        marker: Option<PartNumber>,
    ) -> Result<PartsPage, S3Failure> {
        let after = marker.map(|marker| marker.to_string());
        let mut query = vec![("max-parts", Some(PARTS_PER_PAGE))];
        if let Some(after) = &after {
            query.push(("part-number-marker", Some(after)));
        }
        query.push(("uploadId", Some(upload)));
        let request = Request::get(self.object(key, &query));
        let response = self.send(request, Vec::new(), REQUEST_TIMEOUT).await?;
        Ok(replies::parts_page(response.body())?)
    }

    /// The size of an object that is there, from a listing: it stands in the body, where nobody on the way
    /// changes it.
    ///
    /// R2's `HEAD` tells none of an object that Cloudflare would have compressed for a worker.
    /// Source: <https://github.com/rclone/rclone/issues/8137>
    pub(super) async fn listed_size(&self, key: &str) -> Result<u64, S3Failure> {
        // A key is the first of those that begin with it.
        let query = [
            ("list-type", Some("2")),
            ("max-keys", Some("1")),
            ("prefix", Some(key)),
        ];
        let request = Request::get(self.bucket.bucket_url() + &query_string(&query));
        let response = self.send(request, Vec::new(), REQUEST_TIMEOUT).await?;
        replies::listed_size(response.body(), key)?
            .ok_or_else(|| S3Failure::Unavailable("storage does not list an object that it has".to_owned()))
    }

    /// Multipart uploads for exactly this key, at most a page of them.
    pub(crate) async fn uploads_of(&self, key: &str) -> Result<Vec<Redacted<String>>, S3Failure> {
        let page = self.uploads_page(&[("prefix", Some(key))]).await?;
        let uploads = page.uploads.into_iter().filter(|listed| listed.key == key);
        Ok(uploads.map(|listed| listed.upload_id).collect())
    }

    /// A page of all the bucket's multipart uploads, at most `limit`.
    pub(crate) async fn all_uploads(
        &self,
        after: Option<&UploadMarker>,
        limit: u32,
    ) -> Result<UploadsPage, S3Failure> {
        let limit = limit.to_string();
        let mut query = vec![("max-uploads", Some(limit.as_str()))];
        let key = after.and_then(|after| after.key.as_ref());
        let upload = after.and_then(|after| after.upload.as_ref());
        query.extend(key.map(|key| ("key-marker", Some(key.0.as_str()))));
        query.extend(upload.map(|upload| ("upload-id-marker", Some(upload.0.as_str()))));
        self.uploads_page(&query).await
    }

    async fn uploads_page(&self, query: &[(&str, Option<&str>)]) -> Result<UploadsPage, S3Failure> {
        let mut query = query.to_vec();
        query.push(("uploads", None));
        let request = Request::get(self.bucket.bucket_url() + &query_string(&query));
        let response = self.send(request, Vec::new(), REQUEST_TIMEOUT).await?;
        Ok(replies::uploads_page(response.body())?)
    }
}

/// When the newest of the parts arrived, where storage says so.
fn newest_of(parts: &[ListedPart]) -> Option<Timestamp> {
    let newest = parts.iter().map(|listed| listed.modified.as_str()).max();
    newest.and_then(|modified| modified.parse().ok())
}
