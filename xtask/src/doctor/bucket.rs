//! The buckets themselves, by the key that opens them: what a page never sees. stack/bucket-examination.mjs asks storage.

use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::{bucket_setup, install, process, workspace};

/// The findings' names.
const CHECK: &str = "bucket-profile";
const LIFECYCLE: &str = "bucket-lifecycle";

/// What the script is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    endpoint: String,
    buckets: Vec<String>,
    region: String,
    addressing: String,
    prefix: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    try_part_copy: bool,
    /// For how many days the coordinator keeps an upload at most.
    #[serde(skip)]
    days_kept: u32,
}

/// What it has seen of one bucket.
#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Seen {
    Nothing {
        bucket: String,
        error: String,
    },
    Bucket {
        bucket: String,
        /// `Enabled`, `Suspended`, `Off`, or storage's code.
        versioning: String,
        /// `Enabled`, `Off`, or storage's code.
        object_lock: String,
        /// `yes`, or why not.
        part_copy: String,
        /// After how many days a rule of the bucket ends multipart uploads, where one does.
        stale_days: Option<u32>,
    },
}

/// Looks at every bucket, where the environment has the coordinator's variables for it.
pub fn examine(endpoint: Option<&str>, try_part_copy: bool, report: &mut Report) {
    let settings = match settings(endpoint, try_part_copy) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            report.ok(
                CHECK,
                "not looked at: UploadPartCopy, versioning and Object Lock of the bucket take its key, by S3_ENDPOINT, S3_BUCKET, \
                 S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY in the environment",
            );
            return;
        }
        Err(error) => {
            report.failure(
                CHECK,
                error.to_string(),
                "set the variables as the coordinator has them",
            );
            return;
        }
    };
    report.keep_secret(&settings.secret_access_key);
    report.keep_secret(settings.session_token.as_deref().unwrap_or_default());
    match look(&settings) {
        Ok(seen) => seen
            .iter()
            .for_each(|seen| tell(seen, settings.days_kept, report)),
        Err(error) => report.warning(
            CHECK,
            format!("the buckets could not be looked at: {error:#}"),
            "run `cargo xtask setup`, and see S3_ENDPOINT",
        ),
    }
}

/// Of the environment; `None` where not all is there that it takes.
fn settings(endpoint: Option<&str>, try_part_copy: bool) -> Result<Option<Settings>> {
    let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(endpoint), Some(bucket), Some(access_key_id), Some(secret_access_key)) = (
        endpoint,
        told("S3_BUCKET"),
        told("S3_ACCESS_KEY_ID"),
        told("S3_SECRET_ACCESS_KEY"),
    ) else {
        return Ok(None);
    };
    let entries = told("S3_BUCKETS").unwrap_or_default();
    let entries: Vec<_> = entries.split(',').map(str::to_owned).collect();
    // Source: <https://developers.cloudflare.com/r2/api/s3/api/>
    let is_r2 = told("S3_PROVIDER").as_deref() == Some("r2");
    Ok(Some(Settings {
        endpoint: endpoint.to_owned(),
        buckets: bucket_setup::all_buckets(&bucket, &entries)?,
        region: told("S3_REGION").unwrap_or_else(|| if is_r2 { "auto" } else { "us-east-1" }.to_owned()),
        addressing: told("S3_ADDRESSING").unwrap_or_else(|| "path".to_owned()),
        prefix: told("S3_PREFIX"),
        access_key_id,
        secret_access_key,
        session_token: told("S3_SESSION_TOKEN"),
        try_part_copy,
        days_kept: bucket_setup::days_kept(match told("UPLOAD_MAX_LIFETIME_SECONDS") {
            None => bucket_setup::DEFAULT_MAX_LIFETIME,
            Some(seconds) => seconds
                .parse()
                .context("UPLOAD_MAX_LIFETIME_SECONDS has to be a whole number")?,
        }),
    }))
}

fn look(settings: &Settings) -> Result<Vec<Seen>> {
    let mut child = process::command(install::node()?)
        .arg(workspace::path("stack/bucket-examination.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start stack/bucket-examination.mjs")?;
    let mut stdin = child.stdin.take().context("no channel to the script")?;
    stdin.write_all(&serde_json::to_vec(settings)?)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("stack/bucket-examination.mjs ended with {}", output.status);
    }
    let lines = std::str::from_utf8(&output.stdout)?.lines();
    lines
        .map(|line| serde_json::from_str(line).context("what stack/bucket-examination.mjs says"))
        .collect()
}

fn tell(seen: &Seen, days_kept: u32, report: &mut Report) {
    match seen {
        Seen::Nothing { bucket, error } => report.failure(
            CHECK,
            format!("storage does not show the bucket {bucket}: {error}"),
            "see S3_BUCKET, S3_BUCKETS and the key; `cargo xtask bucket-setup --create` makes what is missing",
        ),
        Seen::Bucket {
            bucket,
            versioning,
            object_lock,
            part_copy,
            stale_days,
        } => {
            if let Some(days) = stale_days.filter(|days| *days < days_kept) {
                report.warning(
                    LIFECYCLE,
                    format!(
                        "{bucket}: storage ends multipart uploads after {days} days, the coordinator after up to {days_kept}"
                    ),
                    "give the bucket a longer rule (`cargo xtask bucket-setup`), or the coordinator a lower UPLOAD_MAX_LIFETIME_SECONDS",
                );
            }
            let profile = format!(
                "{bucket}: UploadPartCopy: {part_copy}; versioning: {versioning}; Object Lock: {object_lock}"
            );
            if versioning == "Enabled" || object_lock == "Enabled" {
                report.warning(
                    CHECK,
                    profile,
                    "what is deleted goes on being stored: end noncurrent versions by a lifecycle rule, and lock only what is meant to be",
                );
            } else {
                report.ok(CHECK, profile);
            }
        }
    }
}
