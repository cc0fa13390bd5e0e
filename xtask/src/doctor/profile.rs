//! What this storage can do beyond what every upload needs, and which variables fit it.

use anyhow::{Result, bail};
use http::Method;
use syncsphere_protocol::{
    InitiateResult, Integrity, MIB, MIN_PART_SIZE, NewFile, PartNumber, PartToSign, SignedPart, Tail,
    UploadGrant,
};
use url::Url;

use super::browser::Answer;
use super::coordinator::Coordinator;
use super::report::Report;
use super::test_upload::{checksum, completed, remove, removed, s3_code, send_part, test_content, test_file};

/// What storage was seen to do.
struct Profile {
    checksum: Integrity,
    /// Whether it tells a CRC64NVME, whatever it was asked to prove content by.
    tells_crc64nvme: bool,
    gets_forms: bool,
    parts_of_two_sizes: bool,
    heeds_if_none_match: bool,
    keeps_versions: bool,
    locks_objects: bool,
}

/// Tries it with two files of its own, and removes them.
pub fn examine(coordinator: &Coordinator<'_>, report: &mut Report) {
    match try_all(coordinator, report) {
        Ok(profile) => tell(&profile, report),
        Err(error) => report.warning(
            "profile",
            format!("what storage can do besides could not be seen: {error}"),
            "see the findings above, and run it again",
        ),
    }
}

fn try_all(coordinator: &Coordinator<'_>, report: &mut Report) -> Result<Profile> {
    let small = test_content(1000);
    // Ordinary parts, then smaller ones, then the rest.
    let sizes = [LARGE_PART, SMALL_PART, 1000];
    let large = test_content(sizes.iter().sum());
    let files = vec![
        NewFile {
            forms: false,
            ..test_file(&small, None, None)
        },
        test_file(&small, None, None),
        NewFile {
            tail: Some(Tail {
                after: 1,
                part_size: MIN_PART_SIZE,
            }),
            ..test_file(&large, Some(LARGE_PART as u64), None)
        },
    ];
    let grants = granted(coordinator, files)?;
    for grant in &grants {
        report.keep_secret(&grant.ticket.0);
    }
    let seen = match grants.as_slice() {
        [put, form, parts] => seen(coordinator, [put, form, parts], (&small, &large), report),
        _ => bail!("an upload was refused"),
    };
    let mut gone = Ok(());
    for grant in &grants {
        // Those that became files are files no more.
        gone = coordinator
            .delete(&grant.file_id)
            .map(drop)
            .or_else(|_| remove(coordinator, grant, false))
            .and(gone);
    }
    removed("profile-clean-up", gone, report);
    seen
}

const LARGE_PART: usize = (6 * MIB) as usize;
const SMALL_PART: usize = MIN_PART_SIZE as usize;

fn granted(coordinator: &Coordinator<'_>, files: Vec<NewFile>) -> Result<Vec<UploadGrant>> {
    let results = match coordinator.initiate(files) {
        Ok(results) => results,
        Err(error) => bail!("{}", error.message()),
    };
    let granted = results.into_iter().filter_map(|result| match result {
        InitiateResult::Granted(grant) => Some(*grant),
        InitiateResult::Refused { .. } => None,
    });
    Ok(granted.collect())
}

fn seen(
    coordinator: &Coordinator<'_>,
    [put, form, parts]: [&UploadGrant; 3],
    (small, large): (&[u8], &[u8]),
    report: &mut Report,
) -> Result<Profile> {
    let url = signed(coordinator, put, 0, small)?;
    let stored = send_part(coordinator, &url, small.to_vec())?;
    if !stored.status.is_success() {
        bail!("storage refuses a PUT: {}", s3_code(&stored));
    }
    copies_by_upload_urls(coordinator, &url, small, report)?;
    let again = sent_with(coordinator, &url, ("if-none-match", "*"), small)?;
    let is_heeded = matches!(again.status.as_u16(), 409 | 412);
    if url.headers.iter().any(|(name, _)| name == "if-none-match") && !is_heeded {
        report.failure(
            "conditional-writes",
            "storage takes If-None-Match and replaces objects all the same",
            "set S3_CONDITIONAL_WRITES=off: files that go as one request are then copied into their place",
        );
    }
    let by = put.checksum;
    let file = match coordinator.complete(put, completed(&[small], by)?) {
        Ok(file) => file,
        Err(error) => bail!("{}", error.message()),
    };
    let link = match coordinator.content(&file.file_id) {
        Ok(link) => link,
        Err(error) => bail!("{}", error.message()),
    };
    let read = coordinator.browser.send(&Method::GET, &link.url, &[], None)?;
    let is_there = |name: &str| {
        [&stored, &read]
            .iter()
            .any(|answer| answer.header(name).is_some())
    };
    Ok(Profile {
        checksum: by,
        tells_crc64nvme: is_there("x-amz-checksum-crc64nvme"),
        gets_forms: signed(coordinator, form, 0, small)?.method == "POST",
        parts_of_two_sizes: parts.tail.is_some() && two_sizes(coordinator, parts, large, report)?,
        // 412, and 409 where another request for the key is under way. Source: AWS, conditional writes
        heeds_if_none_match: is_heeded,
        keeps_versions: is_there("x-amz-version-id"),
        locks_objects: is_there("x-amz-object-lock-mode"),
    })
}

/// Whether who may write an object could have storage write another's content there.
fn copies_by_upload_urls(
    coordinator: &Coordinator<'_>,
    url: &SignedPart,
    content: &[u8],
    report: &mut Report,
) -> Result<()> {
    let source = Url::parse(&url.url)?.path().to_owned();
    let answer = sent_with(coordinator, url, ("x-amz-copy-source", &source), content)?;
    let body = String::from_utf8_lossy(&answer.body);
    // An object that is not found is one that was looked for.
    if body.contains("<CopyObjectResult") || answer.status.as_u16() == 404 {
        report.failure(
            "copy-source",
            "storage copies other objects for whoever may upload one: it heeds x-amz-copy-source though that is not signed",
            "give the coordinator's key no right to read but what its own uploads need, or use storage that refuses unsigned x-amz- headers",
        );
    } else {
        report.ok("copy-source", "an upload's URL copies no other object");
    }
    Ok(())
}

fn two_sizes(
    coordinator: &Coordinator<'_>,
    grant: &UploadGrant,
    content: &[u8],
    report: &mut Report,
) -> Result<bool> {
    let (first, rest) = content.split_at(LARGE_PART.min(content.len()));
    let (second, last) = rest.split_at(SMALL_PART.min(rest.len()));
    let parts = [first, second, last];
    for (index, bytes) in parts.iter().enumerate() {
        let url = signed(coordinator, grant, index, bytes)?;
        let answer = send_part(coordinator, &url, bytes.to_vec())?;
        if !answer.status.is_success() {
            return Ok(no_two_sizes(&s3_code(&answer), report));
        }
    }
    match coordinator.complete(grant, completed(&parts, grant.checksum)?) {
        Ok(_) => {
            report.ok("part-sizes", "storage assembles parts of two sizes");
            Ok(true)
        }
        Err(error) => Ok(no_two_sizes(&error.message(), report)),
    }
}

fn no_two_sizes(why: &str, report: &mut Report) -> bool {
    report.failure(
        "part-sizes",
        format!("storage does not assemble parts of two sizes: {why}"),
        "set S3_PROVIDER to r2, which plans parts of one size",
    );
    false
}

fn signed(
    coordinator: &Coordinator<'_>,
    grant: &UploadGrant,
    index: usize,
    bytes: &[u8],
) -> Result<SignedPart> {
    let part = PartToSign::new(PartNumber::from_index(index)?, checksum(bytes, grant.checksum)?);
    match coordinator.sign(grant, vec![part]).map(|mut urls| urls.pop()) {
        Ok(Some(url)) => Ok(url),
        Ok(None) => bail!("the coordinator signs no URL"),
        Err(error) => bail!("{}", error.message()),
    }
}

/// Sends a `PUT` with one header more than was signed.
fn sent_with(
    coordinator: &Coordinator<'_>,
    url: &SignedPart,
    header: (&str, &str),
    content: &[u8],
) -> Result<Answer> {
    let signed = url
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<_> = signed.chain([header]).collect();
    coordinator
        .browser
        .send(&Method::PUT, &url.url, &headers, Some(content.to_vec()))
}

fn tell(profile: &Profile, report: &mut Report) {
    let yes = |is: bool| if is { "yes" } else { "no" };
    let checksum = match (profile.checksum, profile.tells_crc64nvme) {
        (Integrity::Md5 | Integrity::None, true) => Integrity::Crc64Nvme,
        (checksum, _) => checksum,
    };
    let variables = [
        format!("S3_CHECKSUM={}", checksum.as_str()),
        format!("S3_FORMS={}", if profile.gets_forms { "on" } else { "off" }),
        format!(
            "S3_CONDITIONAL_WRITES={}",
            if profile.heeds_if_none_match { "on" } else { "off" }
        ),
        if profile.parts_of_two_sizes {
            String::new()
        } else {
            "S3_PROVIDER=r2".to_owned()
        },
    ];
    let variables: Vec<_> = variables
        .into_iter()
        .filter(|variable| !variable.is_empty())
        .collect();
    report.ok(
        "profile",
        format!(
            "parts of two sizes: {}; If-None-Match heeded: {}; versions kept: {}; Object Lock: {}. What fits: {}",
            yes(profile.parts_of_two_sizes),
            yes(profile.heeds_if_none_match),
            yes(profile.keeps_versions),
            yes(profile.locks_objects),
            variables.join(" "),
        ),
    );
    if profile.keeps_versions {
        report.warning(
            "versions",
            "the bucket keeps versions: what is deleted or uploaded again goes on being stored",
            "give the bucket a lifecycle rule that ends noncurrent versions, or suspend versioning",
        );
    }
    if profile.locks_objects {
        report.warning(
            "object-lock",
            "the bucket locks objects: deleted files cannot be removed until their retention is over",
            "use a bucket without a default retention, or one whose retention is meant",
        );
    }
}
