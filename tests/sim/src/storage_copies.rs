//! UploadPartCopy: ranges of objects become parts.

use syncsphere_protocol::{MIN_PART_SIZE, PartRange};

use crate::object_content::Content;
use crate::signature::key_of;
use crate::storage::{FakeStorage, Object, error, reply};

/// How storage copies a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copying {
    /// As it is asked to.
    Right,
    /// Other bytes of the same object than were asked for, with the checksum of those.
    OtherRange,
    /// As it is asked to, but it states no checksum.
    WithoutChecksum,
}

/// Whether a request copies a range of an object into a part.
pub fn is_part_copy(request: &http::Request<Vec<u8>>) -> bool {
    request.headers().contains_key("x-amz-copy-source-range")
}

impl FakeStorage {
    /// Carries it out; gives the answer.
    pub fn copy_part(
        &mut self,
        request: &http::Request<Vec<u8>>,
        copying: Copying,
    ) -> http::Response<Vec<u8>> {
        match self.try_copy_part(request, copying) {
            Ok(answer) => reply(200, answer),
            Err((status, code)) => {
                let (status, body) = error(status, code, "the part is not copied");
                reply(status, body)
            }
        }
    }

    fn try_copy_part(
        &mut self,
        request: &http::Request<Vec<u8>>,
        copying: Copying,
    ) -> Result<String, (u16, &'static str)> {
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let query = request.uri().query().unwrap_or_default();
        let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let value = |name: &str| {
            let mut values = query.iter();
            values.find(|(n, _)| n == name).map(|(_, value)| value.as_ref())
        };
        let to = key_of(request.uri().path()).ok_or((400, "InvalidRequest"))?;
        let upload = value("uploadId").ok_or((400, "InvalidRequest"))?;
        let number = value("partNumber").and_then(|number| number.parse().ok());
        let number = number.ok_or((400, "InvalidRequest"))?;
        let source = key_of(&format!("/{}", header("x-amz-copy-source")));
        let source = source.and_then(|key| self.objects().get(&key));
        let source = source.ok_or((404, "NoSuchKey"))?;
        if source.etag != header("x-amz-copy-source-if-match") {
            return Err((412, "PreconditionFailed"));
        }
        let range = asked_range(header("x-amz-copy-source-range")).ok_or((400, "InvalidArgument"))?;
        if source.size <= MIN_PART_SIZE || range.offset + range.length > source.size {
            return Err((400, "InvalidRequest"));
        }
        let content = match copying {
            Copying::OtherRange => other_content(&source.content, range),
            Copying::Right | Copying::WithoutChecksum => source.content.range(range),
        };
        let crc = content.checksum();
        let etag = self.next_etag(crc);
        let part = Object {
            size: content.size(),
            crc,
            etag: etag.clone(),
            arrived_ms: 0,
            content,
        };
        if !self.put_part(&to, upload, number, part) {
            return Err((404, "NoSuchUpload"));
        }
        let stated = match copying {
            Copying::WithoutChecksum => String::new(),
            Copying::Right | Copying::OtherRange => {
                format!("<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>")
            }
        };
        let etag = etag.replace('"', "&quot;");
        Ok(format!(
            "<CopyPartResult><ETag>{etag}</ETag>{stated}</CopyPartResult>"
        ))
    }
}

/// As many bytes of another place, or what is there twice.
fn other_content(content: &Content, range: PartRange) -> Content {
    let half = PartRange {
        offset: 0,
        length: range.length / 2,
    };
    let rest = PartRange {
        offset: 0,
        length: range.length - half.length,
    };
    let mut other = content.range(half);
    other.append(&content.range(rest));
    other
}

/// `bytes=first-last`.
fn asked_range(text: &str) -> Option<PartRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(PartRange {
        offset: first,
        length: last.checked_sub(first)? + 1,
    })
}
