//! What only a file of several parts shows: checksums, lengths, plans, and the way back.

use anyhow::Result;
use syncsphere_protocol::{
    InitiateResult, Integrity, MIN_PART_SIZE, PartNumber, PartToSign, SignedPart, UploadGrant, UploadKind,
};

use super::browser::Answer;
use super::coordinator::{CallError, Coordinator};
use super::report::Report;
use super::test_upload::{
    checksum, completed, download, finish, preflight, remove, removed, s3_code, send_part, test_content,
    test_file,
};

// The smallest part that there may be, and a last one that is smaller.
const FIRST: usize = MIN_PART_SIZE as usize;
const LAST: usize = 1000;

/// Uploads a file of two parts, with everything wrong that must be refused, and removes it.
pub fn examine(coordinator: &Coordinator<'_>, origin: &str, report: &mut Report) {
    let content = test_content(FIRST + LAST);
    // The second wishes for parts that no S3 storage takes.
    let wishes = [MIN_PART_SIZE, 1024];
    let files = wishes.map(|wish| test_file(&content, Some(wish), None)).to_vec();
    let results = match coordinator.initiate(files) {
        Ok(results) => results,
        Err(error) => return cannot_open(&error, report),
    };
    let mut grants = Vec::new();
    for result in results {
        match result {
            InitiateResult::Granted(grant) => grants.push(grant),
            InitiateResult::Refused { error, .. } => {
                cannot_open(&CallError::Problem(Box::new(error)), report);
            }
        }
    }
    for grant in &grants {
        report.keep_secret(&grant.ticket.0);
    }
    let mut finished = false;
    if let [trial, wish] = grants.as_slice() {
        plan(trial, wish, report);
        finished = run_test_upload(coordinator, origin, trial, &content, report);
    }
    let mut gone = Ok(());
    for (index, grant) in grants.iter().enumerate() {
        gone = remove(coordinator, grant, finished && index == 0).and(gone);
    }
    removed("parts-clean-up", gone, report);
}

fn cannot_open(error: &CallError, report: &mut Report) {
    report.failure(
        "multipart",
        format!("a multipart upload cannot be opened: {}", error.message()),
        "let the key open multipart uploads (s3:PutObject) in storage that has CRC64NVME; the worker's log has the cause beside the request's id",
    );
}

fn plan(trial: &UploadGrant, wish: &UploadGrant, report: &mut Report) {
    let kept =
        trial.kind == UploadKind::Multipart && trial.part_size == MIN_PART_SIZE && trial.part_count == 2;
    let corrected = wish.kind == UploadKind::Single || wish.part_size >= MIN_PART_SIZE;
    if kept && corrected {
        report.ok(
            "part-size",
            "parts are planned at 5 MiB and more, as S3 wants them",
        );
    } else {
        report.failure(
            "part-size",
            "the coordinator plans parts that storage will refuse",
            "bring worker and doctor to the same version",
        );
    }
}

/// Whether the file was finalized.
fn run_test_upload(
    coordinator: &Coordinator<'_>,
    origin: &str,
    grant: &UploadGrant,
    content: &[u8],
    report: &mut Report,
) -> bool {
    let attempted = TestUpload::new(coordinator, grant, content).run(origin, report);
    match attempted {
        Ok(true) => {
            download(coordinator, grant, content, report);
            true
        }
        Ok(false) => false,
        Err(error) => {
            report.failure(
                "multipart",
                format!("the test upload could not be ended: {error}"),
                "see the network between here, the coordinator and storage, and run it again",
            );
            false
        }
    }
}

struct TestUpload<'a> {
    coordinator: &'a Coordinator<'a>,
    grant: &'a UploadGrant,
    parts: [&'a [u8]; 2],
}

impl<'a> TestUpload<'a> {
    fn new(coordinator: &'a Coordinator<'a>, grant: &'a UploadGrant, content: &'a [u8]) -> Self {
        let (first, last) = content.split_at(FIRST.min(content.len()));
        Self {
            coordinator,
            grant,
            parts: [first, last],
        }
    }

    fn run(&self, origin: &str, report: &mut Report) -> Result<bool> {
        let [first, last] = self.parts;
        let (Some(first_url), Some(last_url)) = (self.signed(0, first)?, self.signed(1, last)?) else {
            report.failure(
                "multipart",
                "the coordinator signs no URL for a part",
                "bring worker and doctor to the same version",
            );
            return Ok(false);
        };
        preflight(self.coordinator, &last_url, origin, "parts-cors", report);
        if self.grant.checksum != Integrity::None {
            self.wrong_content(&last_url, report)?;
        }
        self.wrong_length(&last_url, report)?;

        if !accepted(&send_part(self.coordinator, &first_url, first.to_vec())?, report) {
            return Ok(false);
        }
        self.premature_end(report);
        if !accepted(&send_part(self.coordinator, &last_url, last.to_vec())?, report) {
            return Ok(false);
        }
        let by = self.grant.checksum;
        match by {
            Integrity::None => report.warning(
                "checksum",
                "nothing proves that storage holds what was sent: S3_CHECKSUM is none",
                "set S3_CHECKSUM to crc64nvme or md5 where storage can do that (docs/storages.md)",
            ),
            _ => report.ok(
                "checksum",
                format!(
                    "storage takes parts with their checksum: S3_CHECKSUM={}",
                    by.as_str()
                ),
            ),
        }
        Ok(finish(self.coordinator, self.grant, &self.parts, report))
    }

    fn signed(&self, index: usize, bytes: &[u8]) -> Result<Option<SignedPart>> {
        let part = PartToSign::new(
            PartNumber::from_index(index)?,
            checksum(bytes, self.grant.checksum)?,
        );
        let signed = self.coordinator.sign(self.grant, vec![part]);
        Ok(signed.ok().and_then(|mut urls| urls.pop()))
    }

    fn wrong_content(&self, url: &SignedPart, report: &mut Report) -> Result<()> {
        let [_, last] = self.parts;
        let damaged = last.iter().map(|byte| !byte).collect();
        let answer = send_part(self.coordinator, url, damaged)?;
        if answer.status.is_success() {
            report.failure(
                "damaged-part",
                "storage takes a part whose content is not that of its checksum",
                "set S3_CHECKSUM to what this storage looks at: crc64nvme, md5 or none (docs/storages.md)",
            );
        } else {
            report.ok(
                "damaged-part",
                format!(
                    "storage refuses other content than was signed: {}",
                    s3_code(&answer)
                ),
            );
        }
        Ok(())
    }

    fn wrong_length(&self, url: &SignedPart, report: &mut Report) -> Result<()> {
        let [_, last] = self.parts;
        let answer = send_part(self.coordinator, url, last.iter().copied().skip(1).collect())?;
        if answer.status.is_success() {
            report.failure(
                "part-length",
                "storage takes a part of another length than was signed",
                "use storage that verifies signed headers, content-length among them",
            );
        } else {
            report.ok(
                "part-length",
                format!(
                    "storage refuses another length than was signed: {}",
                    s3_code(&answer)
                ),
            );
        }
        Ok(())
    }

    /// Completing while a part is missing has to name it.
    fn premature_end(&self, report: &mut Report) {
        let claims = completed(&self.parts, self.grant.checksum).unwrap_or_default();
        match self.coordinator.complete(self.grant, claims) {
            Err(error) if error.code() == Some("parts_missing") => {
                report.ok("missing-part", "an upload that lacks a part is not finalized");
            }
            Err(error) => report.failure(
                "missing-part",
                format!("the coordinator cannot list an upload's parts: {}", error.message()),
                "let the key list parts (s3:ListMultipartUploadParts); the worker's log has the cause beside the request's id",
            ),
            Ok(_) => report.failure(
                "missing-part",
                "an upload that lacks a part was finalized",
                "use storage whose ListParts tells the truth",
            ),
        }
    }
}

fn accepted(answer: &Answer, report: &mut Report) -> bool {
    let taken = answer.status.is_success();
    if !taken {
        report.failure(
            "checksum",
            format!(
                "storage refuses a part with its right checksum: {}",
                s3_code(answer)
            ),
            "set S3_CHECKSUM to what this storage knows: crc64nvme, md5 or none (docs/storages.md)",
        );
    }
    taken
}
