//! Storage as a page meets it, through a small file sent in one request.

use anyhow::Result;
use syncsphere_protocol::{
    InitiateResult, Integrity, NewFile, PartNumber, PartToSign, SignedPart, UploadGrant, UploadKind,
};
use url::Url;

use super::access::is_this_machine;
use super::browser::Answer;
use super::coordinator::{CallError, Coordinator};
use super::report::Report;
use super::test_upload::{
    checksum, download, finish, preflight, remove, removed, s3_code, send_part, test_content, test_file,
};
use super::{clocks, cors, local_network};

/// Uploads, reads back and removes a small file. Whether it is worth trying a larger one: storage has taken the small one,
/// whatever came of it.
pub fn examine(coordinator: &Coordinator<'_>, origin: &str, report: &mut Report) -> bool {
    let content = test_content(1000);
    let grant = match open(coordinator, &content, report) {
        Ok(Some(grant)) => grant,
        Ok(None) => return false,
        Err(error) => {
            cannot_open(&error, report);
            return false;
        }
    };
    report.keep_secret(&grant.ticket.0);
    clocks::coordinator(&grant, report);
    let was_taken = send_small(coordinator, origin, &grant, &content, report);
    let finished = was_taken && finish(coordinator, &grant, &[&content], report);
    if finished {
        download(coordinator, &grant, &content, report);
    }
    let gone = remove(coordinator, &grant, finished);
    removed("clean-up", gone, report);
    was_taken
}

/// Opens an upload as a page does, with its first checksum, which has the coordinator look whether storage looks at such;
/// where that is what goes wrong, without.
fn open(
    coordinator: &Coordinator<'_>,
    content: &[u8],
    report: &mut Report,
) -> Result<Option<Box<UploadGrant>>, CallError> {
    let Ok(crc) = checksum(content, Integrity::Crc64Nvme) else {
        return Ok(None);
    };
    match open_with(coordinator, test_file(content, None, crc)) {
        Err(refused) if refused.code() == Some("storage_refused") => {
            report.failure(
                "checksums",
                format!(
                    "storage does not look at the checksums that it is given: {}",
                    refused.message()
                ),
                "set S3_CHECKSUM to what this storage proves: md5 or none (docs/storages.md)",
            );
        }
        // Storage here proves none.
        Err(refused) if refused.code() == Some("invalid_request") => {}
        opened => return opened,
    }
    open_with(coordinator, test_file(content, None, None))
}

fn open_with(coordinator: &Coordinator<'_>, file: NewFile) -> Result<Option<Box<UploadGrant>>, CallError> {
    match coordinator.initiate(vec![file])?.pop() {
        Some(InitiateResult::Granted(grant)) => Ok(Some(grant)),
        Some(InitiateResult::Refused { error, .. }) => Err(CallError::Problem(Box::new(error))),
        None => Ok(None),
    }
}

/// The URL that came with the grant, or one for the checksum that it asks for.
fn signed(coordinator: &Coordinator<'_>, grant: &UploadGrant, content: &[u8]) -> Option<SignedPart> {
    if grant.kind != UploadKind::Single {
        return None;
    }
    if let Some(url) = grant.urls.first() {
        return Some(url.clone());
    }
    let part = PartToSign::new(
        PartNumber::from_index(0).ok()?,
        checksum(content, grant.checksum).ok()?,
    );
    coordinator.sign(grant, vec![part]).ok()?.pop()
}

fn cannot_open(error: &CallError, report: &mut Report) {
    let cure = match error.code() {
        Some("forbidden") => {
            "take a token with the scope `files:read files:write` whose content types include application/octet-stream"
        }
        Some("file_too_large" | "quota_exceeded") => {
            "take a token, and set MAX_FILE_SIZE, so that 6 MiB may be uploaded"
        }
        _ => "see the worker's log (`npx wrangler tail`) beside the request's id",
    };
    report.failure(
        "initiate",
        format!("an upload cannot be opened: {}", error.message()),
        cure,
    );
}

/// Sends the file as a page does; whether storage has taken it.
fn send_small(
    coordinator: &Coordinator<'_>,
    origin: &str,
    grant: &UploadGrant,
    content: &[u8],
    report: &mut Report,
) -> bool {
    let Some(url) = &signed(coordinator, grant, content) else {
        report.failure(
            "initiate",
            "the coordinator signs no URL for a small file",
            "bring worker and doctor to the same version",
        );
        return false;
    };
    mixed_content(url, origin, report);
    local_network::examine(&storage_origin(url), origin, report);
    let sees_pages = preflight(coordinator, url, origin, "storage-cors", report);
    let answer = send_part(coordinator, url, content.to_vec());
    let Some(answer) = stored(answer, url, report) else {
        return false;
    };
    clocks::storage(&answer, grant, report);
    if sees_pages {
        reads_reply(&answer, origin, report);
    }
    true
}

/// Whether storage took what the coordinator signed; its reply, if so.
fn stored(answer: Result<Answer>, url: &SignedPart, report: &mut Report) -> Option<Answer> {
    let host = storage_origin(url);
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            report.failure(
                "storage-reachable",
                format!("storage at {host} does not answer from here: {error}"),
                "see that it runs; where browsers reach it by another address than the worker, set S3_PUBLIC_ENDPOINT",
            );
            return None;
        }
    };
    report.ok("storage-reachable", format!("storage answers at {host}"));
    if answer.status.is_success() {
        report.ok("credentials", "storage accepts what the coordinator signs");
        return Some(answer);
    }
    let code = s3_code(&answer);
    let cure = match code.split(' ').next().unwrap_or_default() {
        "SignatureDoesNotMatch" => {
            "set the secret that belongs to the key: `npx wrangler secret put S3_SECRET_ACCESS_KEY`; where it is right, see S3_REGION, and that nothing before storage changes Host or headers"
        }
        "InvalidAccessKeyId" | "Unauthorized" => {
            "storage does not know the key: `npx wrangler secret put S3_ACCESS_KEY_ID`, and its secret"
        }
        "NoSuchBucket" => {
            "set S3_BUCKET to a bucket that exists; `cargo xtask bucket-setup --create` makes and prepares one"
        }
        "AccessDenied" if url.method == "POST" => {
            "set S3_FORMS to off: storage may know no forms, or none with these fields; where that is not it, let the key write into S3_BUCKET (s3:PutObject)"
        }
        "AccessDenied" => {
            "let the key write into S3_BUCKET (s3:PutObject), and see that the bucket S3_BUCKET exists"
        }
        "RequestTimeTooSkewed" | "ExpiredRequest" => "set the clocks of storage and coordinator",
        "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError" => {
            "set S3_REGION to the bucket's region"
        }
        "PermanentRedirect" | "TemporaryRedirect" => {
            "set S3_ENDPOINT and S3_REGION to those of the bucket's region"
        }
        _ => "see S3_ENDPOINT, S3_BUCKET, S3_REGION, S3_ADDRESSING and the key's permissions",
    };
    report.failure(
        "credentials",
        format!("storage refuses what the coordinator signs: {code}"),
        cure,
    );
    None
}

/// Scheme, host and port of a presigned URL, which may be shown.
fn storage_origin(url: &SignedPart) -> String {
    Url::parse(&url.url).map_or_else(
        |_| "an address without form".to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

fn mixed_content(url: &SignedPart, origin: &str, report: &mut Report) {
    let storage = storage_origin(url);
    if origin.starts_with("https://") && storage.starts_with("http://") && !is_this_machine(&storage) {
        report.failure(
            "mixed-content",
            format!("browsers send nothing from https pages to {storage}"),
            "serve storage over https, and set S3_PUBLIC_ENDPOINT to that address",
        );
    }
}

/// What a page may know of storage's reply.
fn reads_reply(answer: &Answer, origin: &str, report: &mut Report) {
    let cure = format!("give the bucket its CORS rules: `cargo xtask bucket-setup --origin {origin}`");
    if !cors::readable(&answer.headers, origin) {
        report.failure(
            "exposed-headers",
            format!("pages of {origin} may send parts, but not hear that they arrived"),
            cure,
        );
        return;
    }
    let hidden: Vec<_> = ["ETag", "x-amz-checksum-crc64nvme", "x-amz-request-id"]
        .into_iter()
        .filter(|header| answer.headers.contains_key(*header) && !cors::exposes(&answer.headers, header))
        .collect();
    if hidden.is_empty() {
        report.ok("exposed-headers", "pages may read ETag, checksum and request id");
    } else {
        report.warning(
            "exposed-headers",
            format!(
                "pages may not read {}; this uploader does without, other clients may not",
                hidden.join(", ")
            ),
            cure,
        );
    }
}
