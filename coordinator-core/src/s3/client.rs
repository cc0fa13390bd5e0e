//! Requests to storage, each with what its answers mean.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;
use syncsphere_protocol::{Crc64Nvme, Integrity, Md5, PartNumber, Redacted, StorageCode};

use super::bucket::{Bucket, Provider, query_string};
use super::failure::{OTHER_REGION, S3Failure};
use super::replies::{self, Completed, StoredObject};
use crate::ports::Storage;

/// Longest wait for an ordinary answer. Source: own choice, well above what S3 takes for metadata.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest wait for a completion.
///
/// Source: it "could take several minutes", says the API's documentation, and storage keeps the
/// connection alive meanwhile. Past it the client asks again, which is safe.
pub(super) const COMPLETION_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest wait for an answer at an address that only browsers are sent to. Source: own choice; who asks for the health waits
/// for it, also where the coordinator does not get there.
const PUBLIC_ENDPOINT_TIMEOUT: Duration = Duration::from_secs(2);

/// Pauses before a request is sent again that storage did not answer, or asked to repeat: one for each time.
///
/// Source: own choice. A connection that broke or an overloaded node is often over in a moment; what takes
/// longer is for the client to wait for, which is told so.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Largest answer that is read, in bytes. Source: a page of 1,000 parts has about 350 bytes each.
const REPLY_LIMIT: usize = 2 * 1024 * 1024;

/// The requests that one coordinator request makes to storage.
pub(crate) struct S3<'a, S> {
    pub bucket: Cow<'a, Bucket>,
    pub storage: &'a S,
    pub now_ms: i64,
}

/// A part as Complete names it.
pub(crate) struct PartToComplete {
    pub number: PartNumber,
    pub etag: String,
    pub crc64nvme: Option<Crc64Nvme>,
}

impl<S: Storage> S3<'_, S> {
    /// Creates a multipart upload and gives storage's name for it, and whether the ETags of what it will hold may be digests
    /// of the content. Where checksums are announced, Garage refuses parts that
    /// come without, and older storages refuse the announcement.
    pub(crate) async fn create(
        &self,
        key: &str,
        content_type: &str,
        announces_checksums: bool,
    ) -> Result<(Redacted<String>, bool), S3Failure> {
        let mut request =
            Request::post(self.object(key, &[("uploads", None)])).header("content-type", content_type);
        request = self.stored_with(request);
        if announces_checksums {
            request = request
                .header("x-amz-checksum-algorithm", "CRC64NVME")
                .header("x-amz-checksum-type", "FULL_OBJECT");
        }
        let response = self.send(request, Vec::new(), REQUEST_TIMEOUT).await?;
        let id = replies::created_upload(response.body())?;
        Ok((id, replies::has_digest_etag(response.headers())))
    }

    /// Whether storage refuses bytes that are not what their checksum tells; `None` where that cannot be told now. An object
    /// that it takes all the same is removed.
    pub(crate) async fn looks_at_checksums(&self, key: &str) -> Result<Option<bool>, S3Failure> {
        const BODY: &[u8] = b"these bytes are not what their checksum tells";
        let request = self.stored_with(Request::put(self.object(key, &[])));
        let request = match self.bucket.checksum {
            Integrity::Crc64Nvme => request.header("x-amz-checksum-crc64nvme", Crc64Nvme::EMPTY.to_string()),
            Integrity::Md5 => request.header("content-md5", Md5::of(b"").to_string()),
            Integrity::None => return Ok(None),
        };
        match self.send(request, BODY.to_vec(), REQUEST_TIMEOUT).await {
            Ok(_) => {
                // If this fails, a few bytes stay that no ledger names.
                let _ = self.delete(key).await;
                Ok(Some(false))
            }
            Err(S3Failure::Refused { code, status }) => match code.as_str() {
                _ if StorageCode::of(&code) == Some(StorageCode::Damaged) => Ok(Some(true)),
                // What it does not know it says; whether it lets us in at all, the upload finds out.
                "InvalidArgument" | "InvalidRequest" | "NotImplemented" => {
                    Err(S3Failure::Refused { code, status })
                }
                _ => Ok(None),
            },
            Err(_) => Ok(None),
        }
    }

    /// Asks storage to assemble the object. `size` and `crc64nvme` are those of the whole.
    ///
    /// `Ok` means that storage says so in the body, with what it names there; the status alone says nothing.
    pub(crate) async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: &[PartToComplete],
        size: u64,
        crc64nvme: Option<Crc64Nvme>,
    ) -> Result<Completed, S3Failure> {
        let mut request = Request::post(self.object(key, &[("uploadId", Some(upload))]))
            .header("content-type", "application/xml");
        if let Some(checksum) = crc64nvme {
            request = request
                .header("x-amz-checksum-type", "FULL_OBJECT")
                .header("x-amz-checksum-crc64nvme", checksum.to_string());
        }
        // AWS refuses an object of another size; the others do not know the header.
        // Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
        if self.bucket.provider == Provider::Aws {
            request = request.header("x-amz-mp-object-size", size);
        }
        let response = self
            .send(request, completion_body(parts)?, COMPLETION_TIMEOUT)
            .await?;
        replies::completion(finished(&response)?)?.map_err(|code| S3Failure::from_code(StatusCode::OK, code))
    }

    /// Drops a multipart upload and the parts it holds.
    pub(crate) async fn abort(&self, key: &str, upload: &str) -> Result<(), S3Failure> {
        let request = Request::delete(self.object(key, &[("uploadId", Some(upload))]));
        self.send(request, Vec::new(), REQUEST_TIMEOUT).await.map(drop)
    }

    /// What storage knows of an object.
    pub(crate) async fn head(&self, key: &str) -> Result<StoredObject, S3Failure> {
        let request = Request::head(self.object(key, &[]))
            .header("x-amz-checksum-mode", "ENABLED")
            // A compressed answer would have another length. Not signed: Cloudflare puts `gzip` in its place.
            .header("accept-encoding", "identity");
        let response = self.send(request, Vec::new(), REQUEST_TIMEOUT).await?;
        let told = replies::told_object(response.headers())?;
        Ok(StoredObject {
            size: match told.size {
                Some(size) => size,
                None => self.listed_size(key).await?,
            },
            etag: told.etag,
            crc64nvme: told.crc64nvme,
            has_digest_etag: told.has_digest_etag,
        })
    }

    /// Whether storage answers and knows both bucket and credentials.
    pub(crate) async fn check_bucket(&self) -> Result<(), S3Failure> {
        let request = Request::head(self.bucket.bucket_url());
        self.send(request, Vec::new(), REQUEST_TIMEOUT).await.map(drop)
    }

    /// Whether storage says, at an address that only browsers are sent to, that the bucket is in another region. One that
    /// does not answer says nothing: browsers may reach what the coordinator does not.
    pub(crate) async fn is_elsewhere_for_browsers(&self) -> bool {
        let urls = self.bucket.other_public_urls().into_iter();
        let answers = join_all(urls.map(|url| self.is_elsewhere_at(url))).await;
        answers.contains(&true)
    }

    async fn is_elsewhere_at(&self, bucket_url: String) -> bool {
        let request = Request::head(bucket_url).body(Vec::new());
        let Some(request) = request
            .ok()
            .and_then(|request| self.bucket.sign(request, self.now_ms).ok())
        else {
            return false;
        };
        let answer = self.send_once(request, PUBLIC_ENDPOINT_TIMEOUT).await;
        matches!(answer, Err(S3Failure::Refused { code, .. }) if code == OTHER_REGION)
    }

    /// The request of an object, with what objects are stored with.
    pub(super) fn stored_with(&self, request: http::request::Builder) -> http::request::Builder {
        let headers = self.bucket.object_headers.for_request();
        headers.fold(request, |request, (name, value)| request.header(name, value))
    }

    pub(super) fn object(&self, key: &str, query: &[(&str, Option<&str>)]) -> String {
        self.bucket.object_url(key) + &query_string(query)
    }

    /// Sends a request; one that only reads again, where storage fails to answer.
    pub(super) async fn send(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Response<Vec<u8>>, S3Failure> {
        let request = request
            .body(body)
            .map_err(|error| S3Failure::Broken(error.to_string()))?;
        let request = self.bucket.sign(request, self.now_ms)?;
        // Only what reads: after a completion whose reply was lost the object is looked at, and what is to be
        // removed comes again as a job.
        let delays: &[Duration] = match request.method().is_safe() {
            true => &RETRY_DELAYS,
            false => &[],
        };
        for delay in delays {
            match self.send_once(request.clone(), timeout).await {
                Err(S3Failure::Unavailable(_)) => self.storage.pause(*delay).await,
                answer => return answer,
            }
        }
        self.send_once(request, timeout).await
    }

    async fn send_once(
        &self,
        request: Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Response<Vec<u8>>, S3Failure> {
        let is_head = request.method() == Method::HEAD;
        let response = self.storage.send(request, timeout, REPLY_LIMIT).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        if is_head {
            return Err(S3Failure::from_head(
                response.status(),
                replies::bucket_region(response.headers()).filter(|region| *region != self.bucket.region),
            ));
        }
        let code = replies::error_code(response.body()).unwrap_or_default();
        Err(S3Failure::from_code(response.status(), code))
    }
}

/// The body of an answer that may take storage long: it keeps the connection with spaces while it works, and where that broke
/// nobody knows the outcome.
pub(super) fn finished(response: &Response<Vec<u8>>) -> Result<&[u8], S3Failure> {
    match response.body().iter().all(u8::is_ascii_whitespace) {
        true => Err(S3Failure::Unavailable(
            "storage did not finish its answer".to_owned(),
        )),
        false => Ok(response.body()),
    }
}

fn completion_body(parts: &[PartToComplete]) -> Result<Vec<u8>, S3Failure> {
    #[derive(Serialize)]
    #[serde(rename = "CompleteMultipartUpload")]
    struct Body {
        #[serde(rename = "@xmlns")]
        namespace: &'static str,
        #[serde(rename = "Part")]
        parts: Vec<Part>,
    }
    #[derive(Serialize)]
    struct Part {
        #[serde(rename = "ChecksumCRC64NVME", skip_serializing_if = "Option::is_none")]
        crc64nvme: Option<String>,
        #[serde(rename = "ETag")]
        etag: String,
        #[serde(rename = "PartNumber")]
        number: u16,
    }
    let body = Body {
        namespace: NAMESPACE,
        parts: parts
            .iter()
            .map(|part| Part {
                crc64nvme: part.crc64nvme.map(|checksum| checksum.to_string()),
                etag: part.etag.clone(),
                number: part.number.get(),
            })
            .collect(),
    };
    xml(&body)
}

/// That of all documents of S3's.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document as the body of a request.
pub(super) fn xml(document: &impl Serialize) -> Result<Vec<u8>, S3Failure> {
    quick_xml::se::to_string(document)
        .map(String::into_bytes)
        .map_err(|error| S3Failure::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures_util::FutureExt;

    use super::*;
    use crate::ports::StorageFailure;
    use crate::s3::object_headers::ObjectHeaders;
    use crate::s3::sign::tests::example_bucket;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A storage that has everything, and what it was asked.
    #[derive(Default)]
    struct Recorder(RefCell<Vec<Request<Vec<u8>>>>);

    impl Storage for Recorder {
        async fn send(
            &self,
            request: Request<Vec<u8>>,
            _patience: Duration,
            _reply_limit: usize,
        ) -> Result<Response<Vec<u8>>, StorageFailure> {
            let query = request.uri().query().unwrap_or_default();
            let body = match (request.method().as_str(), query) {
                ("HEAD" | "DELETE", _) => "",
                ("POST", "uploads=") => {
                    "<InitiateMultipartUploadResult><UploadId>s</UploadId></InitiateMultipartUploadResult>"
                }
                ("POST", _) => "<CompleteMultipartUploadResult/>",
                (_, query) if query.contains("list-type") => {
                    "<ListBucketResult><Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>"
                }
                (_, query) if query.contains("uploadId") => {
                    "<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>"
                }
                _ => "<ListMultipartUploadsResult/>",
            };
            let mut response = Response::new(body.as_bytes().to_vec());
            // As Cloudflare leaves a HEAD: without the length, which has to be listed then.
            response.headers_mut().insert("etag", "W/\"e\"".parse().unwrap());
            self.0.borrow_mut().push(request);
            Ok(response)
        }

        async fn pause(&self, _span: Duration) {}
    }

    #[test]
    fn every_request_signs_what_no_hop_rewrites_and_nothing_else() {
        for provider in [Provider::Aws, Provider::R2, Provider::Generic] {
            let bucket = Bucket {
                provider,
                object_headers: ObjectHeaders::parse(
                    r#"{"x-amz-storage-class":"COLD","cache-control":"no-store"}"#,
                )
                .unwrap(),
                ..example_bucket()
            };
            let storage = Recorder::default();
            let s3 = S3 {
                bucket: Cow::Borrowed(&bucket),
                storage: &storage,
                now_ms: 1_369_353_600_000,
            };
            let checksum: Option<Crc64Nvme> = "L/E4WYn8v98=".parse().ok();
            let part = PartToComplete {
                number: PartNumber::from_index(0).unwrap(),
                etag: "\"e\"".to_owned(),
                crc64nvme: checksum,
            };
            let everything = async {
                s3.create("k", "text/plain", true).await?;
                s3.parts("k", "u").await?;
                s3.complete("k", "u", &[part], 1, checksum).await?;
                s3.abort("k", "u").await?;
                s3.delete("k").await?;
                s3.delete_all(&["k", "l"]).await?;
                assert_eq!(s3.head("k").await?.size, 1);
                s3.uploads_of("k").await?;
                s3.all_uploads(None, 10).await?;
                s3.check_bucket().await
            };
            everything.now_or_never().unwrap().unwrap();

            let sent = storage.0.borrow();
            // One each, and the listing that the HEAD without a length led to.
            assert_eq!(sent.len(), 11);
            for request in sent.iter() {
                let authorization = request.headers()["authorization"].to_str().unwrap();
                let signed = authorization.split("SignedHeaders=").nth(1).unwrap();
                let signed: Vec<_> = signed.split(',').next().unwrap().split(';').collect();
                let what = format!("{} {}: {signed:?}", request.method(), request.uri());
                let is_creation = request.uri().query() == Some("uploads=");
                assert_eq!(signed.contains(&"x-amz-storage-class"), is_creation, "{what}");
                for name in &signed {
                    let stays = ["host", "content-type", "content-length", "content-md5"].contains(name);
                    assert!(stays || name.starts_with("x-amz-"), "{what}");
                }
                assert!(signed.contains(&"host"), "{what}");
                // What storage must not be sent unsigned.
                for name in request.headers().keys().map(http::HeaderName::as_str) {
                    let has_to_be_signed = name.starts_with("x-amz-") || name == "content-type";
                    assert!(!has_to_be_signed || signed.contains(&name), "{name} in {what}");
                }
            }
        }
    }

    #[test]
    fn a_completion_lists_etags_and_checksums_as_xml() {
        let part = PartToComplete {
            number: PartNumber::from_index(0).unwrap(),
            etag: "\"a<b\"".to_owned(),
            crc64nvme: "L/E4WYn8v98=".parse().ok(),
        };
        let body = String::from_utf8(completion_body(&[part]).unwrap()).unwrap();
        assert_eq!(
            body,
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part>\
             <ChecksumCRC64NVME>L/E4WYn8v98=</ChecksumCRC64NVME><ETag>\"a&lt;b\"</ETag>\
             <PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
        );
    }
}
