//! A bucket that remembers what has been uploaded to it, without content.

use std::collections::BTreeMap;

use http::{Request, Response};

/// The smallest part, in bytes; the first of the two that every multipart upload here has.
pub const PART: u64 = 5 * 1024 * 1024;

/// The checksum of every object, which has no content.
pub const CRC: &str = "L/E4WYn8v98=";

#[derive(Debug, Default)]
pub struct Bucket {
    /// Sizes by key.
    pub objects: BTreeMap<String, u64>,
    /// By storage's name.
    pub uploads: BTreeMap<String, Multipart>,
    created: u64,
    completed: u64,
    /// What its clock shows, as it writes times.
    pub now: String,
}

#[derive(Debug)]
pub struct Multipart {
    key: String,
    begun_at: String,
    /// The parts' sizes.
    parts: Vec<u64>,
    /// When they were sent last.
    sent_at: String,
}

impl Bucket {
    /// A client sends everything that an upload is made of, where that is still taken.
    pub fn put(&mut self, key: &str, storage_upload_id: Option<&str>) {
        match storage_upload_id {
            None => {
                self.objects.insert(key.to_owned(), 1);
            }
            Some(id) => {
                if let Some(upload) = self.uploads.get_mut(id) {
                    upload.parts = vec![PART, 1];
                    upload.sent_at.clone_from(&self.now);
                }
            }
        }
    }

    fn copy(&mut self, to: &str, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let source = request.headers()["x-amz-copy-source"].to_str().unwrap();
        let from = source.trim_start_matches("uploads/");
        let Some(size) = self.objects.get(from).copied() else {
            return xml(404, "<Error><Code>NoSuchKey</Code></Error>");
        };
        self.objects.insert(to.to_owned(), size);
        let etag = request.headers()["x-amz-copy-source-if-match"].to_str().unwrap();
        let etag = etag.replace('"', "&quot;");
        xml(
            200,
            &format!("<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>"),
        )
    }

    /// A request of the coordinator.
    pub fn answer(&mut self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let path = request.uri().path().trim_start_matches("/uploads");
        let key = path.trim_start_matches('/').to_owned();
        let upload = query.get("uploadId").map(String::as_str);
        match (request.method().as_str(), upload) {
            ("POST", None) if query.contains_key("uploads") => self.create(key),
            ("GET", None) if query.contains_key("uploads") => {
                self.list_uploads(query.get("prefix").map_or("", String::as_str))
            }
            ("POST", None) if query.contains_key("delete") => {
                let body = String::from_utf8_lossy(request.body());
                self.objects
                    .retain(|key, _| !body.contains(&format!("<Key>{key}</Key>")));
                xml(200, "<DeleteResult/>")
            }
            ("PUT", None) => self.copy(&key, request),
            ("GET", Some(upload)) => self.list_parts(upload),
            ("POST", Some(upload)) => self.complete(upload),
            ("DELETE", Some(upload)) => match self.uploads.remove(upload) {
                Some(_) => xml(204, ""),
                None => no_such_upload(),
            },
            ("DELETE", None) => {
                self.objects.remove(&key);
                xml(204, "")
            }
            ("HEAD", None) => match self.objects.get(&key) {
                None => xml(404, ""),
                Some(size) => {
                    let response = Response::builder().header("content-length", *size);
                    let response = response.header("x-amz-checksum-crc64nvme", CRC);
                    response.header("etag", "\"whole\"").body(Vec::new()).unwrap()
                }
            },
            (method, _) => panic!("{method} {} is not known here", request.uri()),
        }
    }

    fn create(&mut self, key: String) -> Response<Vec<u8>> {
        self.created += 1;
        let id = format!("s{}", self.created);
        let upload = Multipart {
            key,
            begun_at: self.now.clone(),
            parts: Vec::new(),
            sent_at: String::new(),
        };
        self.uploads.insert(id.clone(), upload);
        let body = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        );
        xml(200, &body)
    }

    fn list_uploads(&self, prefix: &str) -> Response<Vec<u8>> {
        let listed = self
            .uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(prefix));
        let listed: String = listed
            .map(|(id, Multipart { key, begun_at, .. })| {
                format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun_at}</Initiated></Upload>")
            })
            .collect();
        xml(
            200,
            &format!("<ListMultipartUploadsResult>{listed}</ListMultipartUploadsResult>"),
        )
    }

    fn list_parts(&self, upload: &str) -> Response<Vec<u8>> {
        let Some(Multipart { parts, sent_at, .. }) = self.uploads.get(upload) else {
            return no_such_upload();
        };
        let listed: String = (1..)
            .zip(parts)
            .map(|(number, size)| {
                format!(
                    "<Part><PartNumber>{number}</PartNumber><LastModified>{sent_at}</LastModified>\
                     <Size>{size}</Size><ETag>\"e\"</ETag></Part>"
                )
            })
            .collect();
        let body = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{listed}</ListPartsResult>");
        xml(200, &body)
    }

    fn complete(&mut self, upload: &str) -> Response<Vec<u8>> {
        let Some(upload) = self.uploads.remove(upload) else {
            return no_such_upload();
        };
        self.objects.insert(upload.key, upload.parts.iter().sum());
        // Every other time it names what makes a second look needless.
        self.completed += 1;
        let named = match self.completed % 2 {
            0 => String::new(),
            _ => format!("<ETag>\"whole\"</ETag><ChecksumCRC64NVME>{CRC}</ChecksumCRC64NVME>"),
        };
        xml(
            200,
            &format!("<CompleteMultipartUploadResult>{named}</CompleteMultipartUploadResult>"),
        )
    }
}

fn no_such_upload() -> Response<Vec<u8>> {
    xml(404, "<Error><Code>NoSuchUpload</Code></Error>")
}

fn xml(status: u16, body: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(body.as_bytes().to_vec());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}
