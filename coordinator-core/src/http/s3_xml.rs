//! What S3's XML looks like from the other side.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use syncsphere_protocol::{CompletedPart, ErrorCode, PartNumber, StoredPart};

use super::reply;
use crate::api_error::{ApiError, internal, invalid};
use crate::s3;

/// Clients read an error only where the media type is exactly this.
const XML: HeaderValue = HeaderValue::from_static("application/xml");

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

pub(super) fn created(bucket: &str, key: &str, upload_id: &str) -> Result<Response<Vec<u8>>, ApiError> {
    #[derive(Serialize)]
    #[serde(rename = "InitiateMultipartUploadResult", rename_all = "PascalCase")]
    struct Reply<'a> {
        #[serde(rename = "@xmlns")]
        namespace: &'static str,
        bucket: &'a str,
        key: &'a str,
        upload_id: &'a str,
    }
    document(&Reply {
        namespace: s3::NAMESPACE,
        bucket,
        key,
        upload_id,
    })
}

pub(super) fn parts(
    bucket: &str,
    key: &str,
    upload_id: &str,
    parts: &[StoredPart],
) -> Result<Response<Vec<u8>>, ApiError> {
    #[derive(Serialize)]
    #[serde(rename = "ListPartsResult", rename_all = "PascalCase")]
    struct Reply<'a> {
        #[serde(rename = "@xmlns")]
        namespace: &'static str,
        bucket: &'a str,
        key: &'a str,
        upload_id: &'a str,
        max_parts: usize,
        is_truncated: bool,
        part: Vec<Part<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Part<'a> {
        part_number: u16,
        #[serde(rename = "ETag")]
        etag: &'a str,
        size: u64,
    }
    document(&Reply {
        namespace: s3::NAMESPACE,
        bucket,
        key,
        upload_id,
        max_parts: parts.len(),
        is_truncated: false,
        part: parts
            .iter()
            .map(|part| Part {
                part_number: part.part_number.get(),
                etag: &part.etag,
                size: part.size,
            })
            .collect(),
    })
}

pub(super) fn completed(
    location: &str,
    bucket: &str,
    key: &str,
    etag: &str,
) -> Result<Response<Vec<u8>>, ApiError> {
    #[derive(Serialize)]
    #[serde(rename = "CompleteMultipartUploadResult", rename_all = "PascalCase")]
    struct Reply<'a> {
        #[serde(rename = "@xmlns")]
        namespace: &'static str,
        location: &'a str,
        bucket: &'a str,
        key: &'a str,
        #[serde(rename = "ETag")]
        etag: &'a str,
    }
    document(&Reply {
        namespace: s3::NAMESPACE,
        location,
        bucket,
        key,
        etag,
    })
}

/// The parts that a completion names.
pub(super) fn parts_to_complete(body: &[u8]) -> Result<Vec<CompletedPart>, ApiError> {
    #[derive(Deserialize)]
    struct Completion {
        #[serde(rename = "Part", default)]
        parts: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "PartNumber")]
        number: u64,
        #[serde(rename = "ETag")]
        etag: String,
    }
    let malformed = |_: String| invalid("the body is no CompleteMultipartUpload");
    let completion: Completion = s3::parse(body, "CompleteMultipartUpload")
        .map_err(|error: s3::Unreadable| malformed(error.to_string()))?;
    completion
        .parts
        .into_iter()
        .map(|part| {
            Ok(CompletedPart {
                part_number: PartNumber::try_from(part.number)
                    .map_err(|error| malformed(error.to_string()))?,
                etag: Some(part.etag),
                crc64nvme: None,
                md5: None,
            })
        })
        .collect()
}

/// A refusal as S3 tells it.
pub(super) fn error(error: ApiError, request_id: &str) -> Response<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename = "Error", rename_all = "PascalCase")]
    struct Reply<'a> {
        code: &'a str,
        message: &'a str,
        request_id: &'a str,
    }
    let is_invalid = error.code() == ErrorCode::InvalidRequest;
    let (status, code) = code_of(&error);
    let mut response = reply::refused(error, request_id, XML, |problem| {
        let message = &problem.detail;
        let body = Reply {
            code,
            message,
            request_id,
        };
        text(&body).unwrap_or_default().into_bytes()
    });
    // S3 has other numbers than we; what is invalid says by its own whether it was the method.
    if !is_invalid {
        *response.status_mut() = status;
    }
    response
}

/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>; `QuotaExceeded` is our own.
fn code_of(error: &ApiError) -> (StatusCode, &'static str) {
    match error.code() {
        ErrorCode::Unauthenticated | ErrorCode::Forbidden => (StatusCode::FORBIDDEN, "AccessDenied"),
        ErrorCode::InvalidRequest => (StatusCode::BAD_REQUEST, "InvalidRequest"),
        ErrorCode::FileTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "EntityTooLarge"),
        ErrorCode::QuotaExceeded => (StatusCode::FORBIDDEN, "QuotaExceeded"),
        ErrorCode::NotFound | ErrorCode::UploadGone => (StatusCode::NOT_FOUND, "NoSuchUpload"),
        ErrorCode::PartsMissing | ErrorCode::ChecksumMismatch => (StatusCode::BAD_REQUEST, "InvalidPart"),
        ErrorCode::PartSizeMismatch => (StatusCode::BAD_REQUEST, "EntityTooSmall"),
        ErrorCode::Conflict => (StatusCode::CONFLICT, "OperationAborted"),
        ErrorCode::RateLimited => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        ErrorCode::StorageUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        // Clients repeat what has a status of 500 and above.
        ErrorCode::StorageRefused => (StatusCode::BAD_REQUEST, "InvalidRequest"),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    }
}

fn document(content: &impl Serialize) -> Result<Response<Vec<u8>>, ApiError> {
    let mut response = Response::new(text(content)?.into_bytes());
    response.headers_mut().insert(CONTENT_TYPE, XML);
    Ok(response)
}

fn text(content: &impl Serialize) -> Result<String, ApiError> {
    let text = quick_xml::se::to_string(content).map_err(|error| internal(error.to_string()))?;
    Ok(format!("{DECLARATION}{text}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn body(response: Result<Response<Vec<u8>>, ApiError>) -> String {
        let response = response.unwrap();
        assert_eq!(response.headers()["content-type"], "application/xml");
        String::from_utf8(response.into_body()).unwrap()
    }

    #[test]
    fn replies_name_what_clients_look_for() {
        let created = body(created("uploads", "demo/f/a&b", "t1.x"));
        assert!(
            created.contains("<Key>demo/f/a&amp;b</Key><UploadId>t1.x</UploadId>"),
            "{created}"
        );
        let part = StoredPart {
            part_number: PartNumber::from_index(0).unwrap(),
            size: 7,
            etag: "\"e1\"".to_owned(),
            crc64nvme: None,
        };
        let listed = body(parts("uploads", "k", "u", std::slice::from_ref(&part)));
        assert!(
            listed.contains("<IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber>"),
            "{listed}"
        );
        let done = body(completed("https://s3.test/uploads/k", "uploads", "k", "\"e-1\""));
        assert!(
            done.contains("<Location>https://s3.test/uploads/k</Location>"),
            "{done}"
        );
    }

    #[test]
    fn a_completion_names_parts_with_or_without_quotes() {
        let body = b"<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Part><PartNumber>1</PartNumber><ETag>e1</ETag></Part>\
            <Part><ETag>&quot;e2&quot;</ETag><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>";
        let parts = parts_to_complete(body).unwrap();
        let told: Vec<_> = parts
            .iter()
            .map(|part| (part.part_number.get(), part.etag.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(told, [(1, "e1"), (2, "\"e2\"")]);
        for bad in [
            &b""[..],
            b"<Delete/>",
            b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
            b"<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
        ] {
            assert!(parts_to_complete(bad).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(
            inner in "(<(Part|ETag|PartNumber)>|</(Part|ETag|PartNumber)>|&quot;|&x;|[0-9a-z]){0,40}",
        ) {
            let body = format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
            let _ = parts_to_complete(body.as_bytes()).is_ok();
        }
    }
}
