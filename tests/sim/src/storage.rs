//! An S3 that keeps checksums instead of bytes, as strict as the real one where it matters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use syncsphere_protocol::{Crc64Nvme, MIN_PART_SIZE, Timestamp};
use syncsphere_upload_core::PartRequest;

use crate::clock::EPOCH_MS;
use crate::object_content::Content;
use crate::signature::{Verifier, key_of};

/// An object that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Bytes.
    pub size: u64,
    /// Checksum of the whole.
    pub crc: Crc64Nvme,
    /// Its ETag, quoted.
    pub etag: String,
    /// When its first byte arrived, in milliseconds since 1970; 0 for what was assembled or copied.
    pub arrived_ms: i64,
    /// What it consists of.
    pub content: Content,
}

#[derive(Debug, Clone)]
struct Multipart {
    key: String,
    parts: BTreeMap<u16, Object>,
}

/// A part, or a whole object, as it arrived.
#[derive(Debug)]
pub struct Put<'a> {
    /// How the client sent it.
    pub request: &'a PartRequest,
    /// The body as it set out.
    pub content: &'a Content,
    /// Checksum of the body as it arrived.
    pub crc: Crc64Nvme,
    /// When its first byte arrived, in milliseconds since 1970: that is when storage looks at the
    /// clock.
    pub began_ms: i64,
}

/// The bucket.
pub struct FakeStorage {
    verifier: Verifier,
    uploads: BTreeMap<String, Multipart>,
    objects: BTreeMap<String, Object>,
    /// Key and answer, by upload.
    completed: BTreeMap<String, (String, String)>,
    counter: u64,
    /// Whether an expired URL is refused in R2's words instead of AWS's, parts are listed without checksums, and the answer to a
    /// completion names none.
    pub speaks_r2: bool,
}

impl FakeStorage {
    /// An empty bucket.
    pub fn new(verifier: Verifier, speaks_r2: bool) -> Self {
        Self {
            verifier,
            uploads: BTreeMap::new(),
            objects: BTreeMap::new(),
            completed: BTreeMap::new(),
            counter: 0,
            speaks_r2,
        }
    }

    /// Objects by key.
    pub fn objects(&self) -> &BTreeMap<String, Object> {
        &self.objects
    }

    /// How many multipart uploads have neither been completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    /// A part or a whole object comes in; gives status and body.
    pub fn put(&mut self, put: &Put<'_>) -> (u16, String) {
        let length = put.content.size();
        let presigned = match self.verifier.verify(put.request, length) {
            Ok(presigned) => presigned,
            Err(why) => return error(403, "SignatureDoesNotMatch", &why),
        };
        if put.began_ms > presigned.expires_ms {
            return match self.speaks_r2 {
                true => error(400, "ExpiredRequest", "expired"),
                false => error(403, "AccessDenied", "Request has expired"),
            };
        }
        if presigned
            .crc64nvme
            .is_some_and(|sent| sent != put.crc.to_string())
        {
            return error(400, "BadDigest", "the checksum does not match");
        }
        let object = Object {
            size: length,
            crc: put.crc,
            etag: self.next_etag(put.crc),
            arrived_ms: put.began_ms,
            content: put.content.clone(),
        };
        match (presigned.query.get("uploadId"), presigned.query.get("partNumber")) {
            (None, None) => {
                let is_written_once = put
                    .request
                    .headers
                    .iter()
                    .any(|(name, _)| name == "if-none-match");
                if is_written_once && self.objects.contains_key(&presigned.key) {
                    return error(412, "PreconditionFailed", "the object is there");
                }
                self.objects.insert(presigned.key, object);
            }
            (Some(upload), Some(number)) => {
                let number = number.parse().unwrap_or_default();
                if !self.put_part(&presigned.key, upload, number, object) {
                    return error(404, "NoSuchUpload", "no such upload");
                }
            }
            _ => return error(400, "InvalidRequest", "half a part"),
        }
        (200, String::new())
    }

    /// The ETag of the next object or part, quoted: none comes twice.
    pub(crate) fn next_etag(&mut self, crc: Crc64Nvme) -> String {
        self.counter += 1;
        format!("\"{:016x}{:x}\"", crc.to_u64(), self.counter)
    }

    /// Whether there is such an upload, which has this part now.
    pub(crate) fn put_part(&mut self, key: &str, upload: &str, number: u16, part: Object) -> bool {
        let open = self.uploads.get_mut(upload).filter(|open| open.key == key);
        open.map(|open| open.parts.insert(number, part)).is_some()
    }

    /// A request of the coordinator, signed in its headers.
    pub fn handle(&mut self, request: &http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes())
                .into_owned()
                .collect();
        let key = key_of(request.uri().path());
        let upload = query.get("uploadId").cloned();
        match (request.method().as_str(), key, upload) {
            ("HEAD", None, _) => reply(200, String::new()),
            ("POST", Some(key), None) if query.contains_key("uploads") => self.create(key),
            ("GET", Some(_), Some(upload)) => self.list(&upload, &query),
            ("POST", Some(key), Some(upload)) => self.complete(&key, &upload, request),
            ("DELETE", Some(_), Some(upload)) => match self.uploads.remove(&upload) {
                Some(_) => reply(204, String::new()),
                None => from(error(404, "NoSuchUpload", "no such upload")),
            },
            ("PUT", Some(key), None) if request.headers().contains_key("x-amz-copy-source") => {
                self.copy(key, request)
            }
            // The coordinator's look at whether checksums are held to.
            ("PUT", Some(_), None) => from(error(400, "BadDigest", "the checksum does not match")),
            ("DELETE", Some(key), None) => {
                self.objects.remove(&key);
                reply(204, String::new())
            }
            ("POST", None, None) if query.contains_key("delete") => {
                let named = String::from_utf8_lossy(request.body());
                self.objects
                    .retain(|key, _| !named.contains(&format!("<Key>{key}</Key>")));
                reply(200, "<DeleteResult/>".to_owned())
            }
            ("HEAD", Some(key), None) => self.head(&key),
            ("GET", None, None) if query.contains_key("uploads") => self.list_uploads(&query),
            _ => from(error(
                400,
                "InvalidRequest",
                "the simulated storage knows no such request",
            )),
        }
    }

    fn copy(&mut self, to: String, request: &http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let source = format!("/{}", header("x-amz-copy-source"));
        let Some(object) = key_of(&source).and_then(|from| self.objects.get(&from)).cloned() else {
            return from(error(404, "NoSuchKey", "no such object"));
        };
        if object.etag != header("x-amz-copy-source-if-match") {
            return from(error(412, "PreconditionFailed", "the source is another"));
        }
        let etag = object.etag.replace('"', "&quot;");
        self.objects.insert(to, object);
        reply(
            200,
            format!("<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>"),
        )
    }

    fn create(&mut self, key: String) -> http::Response<Vec<u8>> {
        self.counter += 1;
        let id = format!("up+load/{}=", self.counter);
        self.uploads.insert(
            id.clone(),
            Multipart {
                key,
                parts: BTreeMap::new(),
            },
        );
        let body = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        );
        reply(200, body)
    }

    fn list(&self, upload: &str, query: &BTreeMap<String, String>) -> http::Response<Vec<u8>> {
        /// Far below S3's 1,000, so that a simulated upload has several pages.
        const PAGE: usize = 40;
        let Some(open) = self.uploads.get(upload) else {
            return from(error(404, "NoSuchUpload", "no such upload"));
        };
        let after: u16 = query
            .get("part-number-marker")
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let rest: Vec<_> = open.parts.range(after + 1..).collect();
        let page = rest.get(..rest.len().min(PAGE)).unwrap_or_default();
        let mut body = String::from("<ListPartsResult>");
        let truncated = rest.len() > PAGE;
        let _ = write!(body, "<IsTruncated>{truncated}</IsTruncated>");
        if let (true, Some((last, _))) = (truncated, page.last()) {
            let _ = write!(body, "<NextPartNumberMarker>{last}</NextPartNumberMarker>");
        }
        for (number, part) in page {
            let etag = part.etag.replace('"', "&quot;");
            let size = part.size;
            let modified = Timestamp::from_unix_millis(part.arrived_ms);
            let _ = write!(
                body,
                "<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>{etag}</ETag><LastModified>{}</LastModified>",
                modified.as_str()
            );
            if !self.speaks_r2 {
                let _ = write!(body, "<ChecksumCRC64NVME>{}</ChecksumCRC64NVME>", part.crc);
            }
            body.push_str("</Part>");
        }
        body.push_str("</ListPartsResult>");
        reply(200, body)
    }

    fn list_uploads(&self, query: &BTreeMap<String, String>) -> http::Response<Vec<u8>> {
        let prefix = query.get("prefix").map_or("", String::as_str);
        let mut body = String::from("<ListMultipartUploadsResult>");
        // Whoever asks how old they are does so days after a run.
        let begun_at = Timestamp::from_unix_millis(EPOCH_MS);
        let begun_at = begun_at.as_str();
        for (id, open) in self
            .uploads
            .iter()
            .filter(|(_, open)| open.key.starts_with(prefix))
        {
            let key = &open.key;
            let _ = write!(
                body,
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun_at}</Initiated></Upload>"
            );
        }
        body.push_str("</ListMultipartUploadsResult>");
        reply(200, body)
    }

    fn complete(
        &mut self,
        key: &str,
        upload: &str,
        request: &http::Request<Vec<u8>>,
    ) -> http::Response<Vec<u8>> {
        let Some(open) = self.uploads.get(upload) else {
            // As AWS does: a repeated Complete is answered as the first one was.
            return match self.completed.get(upload) {
                Some((done, answer)) if done == key => reply(200, answer.clone()),
                _ => from(error(404, "NoSuchUpload", "no such upload")),
            };
        };
        let asked = match part_list(request.body()) {
            Ok(asked) => asked,
            Err(why) => return from(error(400, "MalformedXML", &why)),
        };
        let in_order = asked.iter().zip(1..).all(|((number, _), place)| *number == place);
        if !in_order || asked.is_empty() {
            return from(error(
                400,
                "InvalidPartOrder",
                "parts must run from 1 without a gap",
            ));
        }
        let mut size = 0;
        let mut crc = Crc64Nvme::EMPTY;
        let mut content = Content::default();
        for (number, etag) in &asked {
            let Some(part) = open.parts.get(number).filter(|part| part.etag == *etag) else {
                return from(error(400, "InvalidPart", "no such part"));
            };
            let is_last = usize::from(*number) == asked.len();
            if !is_last && part.size < MIN_PART_SIZE {
                return from(error(400, "EntityTooSmall", "a part is too small"));
            }
            size += part.size;
            crc = crc.combine(part.crc, part.size);
            content.append(&part.content);
        }
        let claimed = request
            .headers()
            .get("x-amz-checksum-crc64nvme")
            .and_then(|value| value.to_str().ok());
        if claimed.is_some_and(|claimed| claimed != crc.to_string()) {
            return from(error(400, "BadDigest", "the checksum does not match"));
        }
        let etag = format!("\"{:016x}-{}\"", crc.to_u64(), asked.len());
        let answer = self.completed_answer(&etag, crc);
        let whole = Object {
            size,
            crc,
            etag,
            arrived_ms: 0,
            content,
        };
        self.objects.insert(key.to_owned(), whole);
        self.uploads.remove(upload);
        self.completed
            .insert(upload.to_owned(), (key.to_owned(), answer.clone()));
        reply(200, answer)
    }

    /// Whitespace first, as S3 sends it to keep the connection alive. In AWS's words it names checksum and ETag.
    fn completed_answer(&self, etag: &str, crc: Crc64Nvme) -> String {
        let named = match self.speaks_r2 {
            true => String::new(),
            false => format!("<ETag>{etag}</ETag><ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>"),
        };
        format!("  \n<CompleteMultipartUploadResult>{named}</CompleteMultipartUploadResult>")
    }

    fn head(&self, key: &str) -> http::Response<Vec<u8>> {
        let Some(object) = self.objects.get(key) else {
            return reply(404, String::new());
        };
        let mut response = reply(200, String::new());
        let headers = response.headers_mut();
        for (name, value) in [
            ("content-length", object.size.to_string()),
            ("etag", object.etag.clone()),
            ("x-amz-checksum-crc64nvme", object.crc.to_string()),
        ] {
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        }
        response
    }
}

fn part_list(body: &[u8]) -> Result<Vec<(u16, String)>, String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "Part", default)]
        parts: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "PartNumber")]
        number: u16,
        #[serde(rename = "ETag")]
        etag: String,
    }
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let body: Body = quick_xml::de::from_str(text).map_err(|error| error.to_string())?;
    Ok(body
        .parts
        .into_iter()
        .map(|part| (part.number, part.etag))
        .collect())
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> (u16, String) {
    (
        status,
        format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
    )
}

fn from((status, body): (u16, String)) -> http::Response<Vec<u8>> {
    reply(status, body)
}

pub(crate) fn reply(status: u16, body: String) -> http::Response<Vec<u8>> {
    let mut response = http::Response::new(body.into_bytes());
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
}
