//! What the trials of a small file and of one of several parts have in common.

use anyhow::{Result, bail};
use http::Method;
use syncsphere_protocol::{
    Checksum, CompletedPart, Integrity, Md5, NewFile, PartNumber, PartToSign, SignedPart, UploadGrant,
    UploadKind,
};

use super::access::counted;
use super::browser::Answer;
use super::coordinator::{CallError, Coordinator};
use super::cors;
use super::report::Report;
use crate::digest;

/// A file of ours for a trial; `part_size` is a wish, and `checksum` that of its first part.
pub fn test_file(content: &[u8], part_size: Option<u64>, checksum: Option<Checksum>) -> NewFile {
    let first = PartNumber::from_index(0);
    NewFile {
        client_ref: "doctor".to_owned(),
        name: "syncsphere-doctor.bin".to_owned().into(),
        size: content.len() as u64,
        content_type: Some("application/octet-stream".to_owned()),
        last_modified: None,
        path: None,
        metadata: None,
        part_size,
        tail: None,
        layout: None,
        integrity: None,
        crc64nvme: None,
        forms: true,
        parts: match (checksum, first) {
            (Some(checksum), Ok(part_number)) => vec![PartToSign::new(part_number, Some(checksum))],
            _ => Vec::new(),
        },
        base: None,
    }
}

/// Bytes that no other part of a trial has in this order.
pub fn test_content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// The checksum of these bytes that storage proves; none where it proves nothing.
pub fn checksum(content: &[u8], by: Integrity) -> Result<Option<Checksum>> {
    Ok(match by {
        Integrity::Crc64Nvme => Some(Checksum::Crc64Nvme(
            digest::of_reader(content)?.crc64nvme.parse()?,
        )),
        Integrity::Md5 => Some(Md5::of(content).into()),
        Integrity::None => None,
    })
}

/// What is said of these parts when they have been sent.
pub fn completed(parts: &[&[u8]], by: Integrity) -> Result<Vec<CompletedPart>> {
    let numbered = parts.iter().enumerate();
    numbered
        .map(|(index, bytes)| {
            Ok(CompletedPart::new(
                PartNumber::from_index(index)?,
                checksum(bytes, by)?,
            ))
        })
        .collect()
}

/// Sends a body as a presigned URL or form wants it.
pub fn send_part(coordinator: &Coordinator<'_>, url: &SignedPart, body: Vec<u8>) -> Result<Answer> {
    let headers: Vec<_> = url
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if url.method != "POST" {
        return coordinator
            .browser
            .send(&Method::PUT, &url.url, &headers, Some(body));
    }
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [headers, vec![("content-type", content_type.as_str())]].concat();
    coordinator
        .browser
        .send(&Method::POST, &url.url, &headers, Some(form(url, &body)?))
}

// Nothing that is sent holds it.
const BOUNDARY: &str = "----syncsphere-doctor-5b1f0c7a9d3e";

/// The form's fields, and the file as its last. Source: RFC 7578
fn form(url: &SignedPart, file: &[u8]) -> Result<Vec<u8>> {
    let mut form = Vec::new();
    for (name, value) in url.fields.iter() {
        if [name.as_str(), value.as_str()]
            .concat()
            .contains(['\r', '\n', '"'])
        {
            bail!("a field of the form has no valid form");
        }
        let value = value.as_str();
        form.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"trial\"\r\nContent-Type: application/octet-stream";
    form.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").bytes());
    form.extend(file);
    form.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
    Ok(form)
}

/// Asks as a browser does before it sends; whether it may.
pub fn preflight(
    coordinator: &Coordinator<'_>,
    url: &SignedPart,
    origin: &str,
    check: &'static str,
    report: &mut Report,
) -> bool {
    // A form's own media type needs no permission.
    let needed: Vec<_> = url.headers.iter().map(|(name, _)| name.as_str()).collect();
    let asked = needed.join(",");
    let mut headers = vec![("access-control-request-method", url.method.as_str())];
    if !needed.is_empty() {
        headers.push(("access-control-request-headers", asked.as_str()));
    }
    let answer = coordinator
        .browser
        .send(&Method::OPTIONS, &url.url, &headers, None);
    // Told as `storage-reachable`.
    let Ok(answer) = answer else { return false };
    match cors::problem(answer.status, &answer.headers, origin, &url.method, &needed) {
        None => {
            report.ok(
                check,
                format!("pages of {origin} may send them to storage ({})", url.method),
            );
            true
        }
        Some(objection) => {
            report.failure(
                check,
                format!("storage turns pages of {origin} away: {objection}"),
                format!("give the bucket its CORS rules: `cargo xtask bucket-setup --origin {origin}`"),
            );
            false
        }
    }
}

/// The code of an S3 error; a few letters, whatever was sent.
pub fn s3_code(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map(|(code, _)| code)
        .filter(|code| {
            !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    code.map_or_else(
        || format!("status {}", answer.status.as_u16()),
        |code| format!("{code} ({})", answer.status.as_u16()),
    )
}

/// A check's name, for the small file and for the one of several parts.
fn named(grant: &UploadGrant, small: &'static str, several: &'static str) -> &'static str {
    match grant.kind {
        UploadKind::Single => small,
        UploadKind::Multipart => several,
    }
}

/// Finalizes the upload and looks at the record; whether there is a file now.
pub fn finish(
    coordinator: &Coordinator<'_>,
    grant: &UploadGrant,
    parts: &[&[u8]],
    report: &mut Report,
) -> bool {
    let check = named(grant, "complete", "parts-complete");
    let Ok(claims) = completed(parts, grant.checksum) else {
        return false;
    };
    match coordinator.complete(grant, claims) {
        // The coordinator has compared them, and an older one says so in the record.
        Ok(record) if grant.checksum != Integrity::Crc64Nvme || record.checksum.crc64nvme.is_some() => {
            report.ok(
                check,
                format!(
                    "a file of {} is finalized, {}",
                    counted(usize::from(grant.part_count), "part"),
                    match grant.checksum {
                        Integrity::Crc64Nvme => "with its checksum",
                        Integrity::Md5 => "proven by its ETag",
                        Integrity::None => "with no proof of its content",
                    }
                ),
            );
            true
        }
        Ok(_) => {
            report.warning(
                check,
                "the file is finalized, but storage knows no CRC64NVME of the whole",
                "set S3_CHECKSUM to md5 (docs/storages.md), so that damage is noticed",
            );
            true
        }
        Err(error) => {
            let cure = match error.code() {
                Some("checksum_mismatch") => {
                    "set S3_CHECKSUM to what this storage proves: md5 or none (docs/storages.md)"
                }
                Some("storage_unavailable") => "see that the worker reaches storage at S3_ENDPOINT",
                _ => {
                    "let the key read, list and abort (s3:GetObject, s3:ListMultipartUploadParts, s3:AbortMultipartUpload, s3:ListBucket); the worker's log has the cause beside the request's id"
                }
            };
            report.failure(
                check,
                format!("an upload cannot be finalized: {}", error.message()),
                cure,
            );
            false
        }
    }
}

/// Reads the file back the way that pages do.
pub fn download(coordinator: &Coordinator<'_>, grant: &UploadGrant, content: &[u8], report: &mut Report) {
    let check = named(grant, "download", "parts-download");
    let answer = coordinator
        .content(&grant.file_id)
        .map(|link| coordinator.browser.send(&Method::GET, &link.url, &[], None));
    let cure = "let the key read (s3:GetObject)";
    match answer {
        Ok(Ok(answer)) if answer.status.is_success() && answer.body == content => {
            let attached = answer
                .header("content-disposition")
                .is_some_and(|disposition| disposition.starts_with("attachment"));
            if attached {
                report.ok(check, "the file comes back as it was sent, as an attachment");
            } else {
                report.warning(
                    check,
                    "the file comes back as it was sent, but storage drops the Content-Disposition",
                    "use storage that honours response-content-disposition, or browsers may show foreign files as pages",
                );
            }
        }
        Ok(Ok(answer)) if answer.status.is_success() => report.failure(
            check,
            "other bytes come back than were sent",
            "see what stands between here and storage; nothing may change bodies",
        ),
        Ok(Ok(answer)) => report.failure(
            check,
            format!("storage refuses the download: {}", s3_code(&answer)),
            cure,
        ),
        Ok(Err(error)) => report.failure(check, format!("storage does not answer: {error}"), cure),
        Err(error) => report.failure(check, error.message(), cure),
    }
}

/// Removes what a trial has made: the file, where it came to one, else the upload.
pub fn remove(coordinator: &Coordinator<'_>, grant: &UploadGrant, finished: bool) -> Result<(), CallError> {
    if finished {
        coordinator.delete(&grant.file_id).map(drop)
    } else {
        coordinator.abort(&grant.upload_id)
    }
}

/// Says whether everything is gone that the trials made.
pub fn removed(check: &'static str, outcome: Result<(), CallError>, report: &mut Report) {
    match outcome {
        Ok(()) => report.ok(check, "what the trial made is removed"),
        Err(error) => report.warning(
            check,
            format!("what the trial made could not be removed: {}", error.message()),
            "let the key delete and abort (s3:DeleteObject, s3:AbortMultipartUpload); the coordinator ends open uploads by itself once no part has arrived for UPLOAD_TTL_SECONDS",
        ),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::{Answer, s3_code};

    #[test]
    fn an_error_of_storage_is_told_by_its_code_alone() {
        let answer = |body: &str| Answer {
            status: StatusCode::FORBIDDEN,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        let said = answer("<Error><Code>SignatureDoesNotMatch</Code><Message>secret</Message></Error>");
        assert_eq!(s3_code(&said), "SignatureDoesNotMatch (403)");
        assert_eq!(s3_code(&answer("<Code>a b\n</Code>")), "status 403");
        assert_eq!(s3_code(&answer("")), "status 403");
    }
}
