//! `cargo xtask bucket-setup`: gives a bucket the rules that uploads need. stack/bucket-setup.mjs does it, with the
//! rules that the demo's bucket has.

use std::io::Write;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{install, process, workspace};

/// Which bucket, whose pages, and with what key. The variables are those of the coordinator.
#[derive(Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketSetupOptions {
    /// Address of the S3 API
    #[arg(long, value_name = "URL", env = "S3_ENDPOINT")]
    endpoint: String,
    #[arg(long, env = "S3_BUCKET")]
    bucket: String,
    /// Further buckets, by workspace as the coordinator has them: they get the same rules
    #[arg(
        long,
        value_name = "PATTERN=BUCKET,…",
        env = "S3_BUCKETS",
        value_delimiter = ','
    )]
    buckets: Vec<String>,
    /// Region of the bucket (default: auto for R2, us-east-1 for others but AWS)
    #[arg(long, env = "S3_REGION")]
    region: Option<String>,
    /// How the bucket is named in addresses
    #[arg(long, env = "S3_ADDRESSING", default_value = "path")]
    addressing: Addressing,
    #[arg(long, env = "S3_PROVIDER", default_value = "generic")]
    provider: Provider,
    /// A key that may change the bucket's rules, which the coordinator's need not
    #[arg(long, env = "S3_ACCESS_KEY_ID", hide_env_values = true)]
    access_key_id: String,
    #[arg(long, env = "S3_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: String,
    /// Of a temporary key
    #[arg(long, env = "S3_SESSION_TOKEN", hide_env_values = true)]
    session_token: Option<String>,
    /// What objects are stored with, as the coordinator has it: pages have to be allowed to send these headers
    #[arg(long, value_name = "JSON", env = "S3_OBJECT_HEADERS")]
    object_headers: Option<String>,
    /// Origin of the pages that upload, such as https://app.example.com; may be given several times
    #[arg(long = "origin", value_name = "ORIGIN", required = true)]
    origins: Vec<String>,
    /// End multipart uploads that nobody ended after so many days (default: a day more than UPLOAD_MAX_LIFETIME_SECONDS)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// How long the coordinator keeps an upload at most
    #[arg(long, value_name = "SECONDS", env = "UPLOAD_MAX_LIFETIME_SECONDS", default_value_t = DEFAULT_MAX_LIFETIME)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip)]
    upload_max_lifetime: u32,
    /// Make the bucket where there is none
    #[arg(long)]
    create: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Provider {
    Aws,
    R2,
    Generic,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Addressing {
    Path,
    Virtual,
}

/// Default of `UPLOAD_MAX_LIFETIME_SECONDS`. Source: `coordinator-core/src/config/upload_life.rs`.
pub const DEFAULT_MAX_LIFETIME: u32 = 60 * SECONDS_OF_A_DAY;

const SECONDS_OF_A_DAY: u32 = 86_400;

/// The days, begun ones included, that the coordinator keeps an upload at most.
pub fn days_kept(upload_max_lifetime: u32) -> u32 {
    upload_max_lifetime.div_ceil(SECONDS_OF_A_DAY)
}

/// Sets the rules; may be repeated.
pub fn run(mut options: BucketSetupOptions) -> Result<ExitCode> {
    let kept = days_kept(options.upload_max_lifetime);
    options.days.get_or_insert(kept.saturating_add(1));
    for origin in &options.origins {
        if !is_origin(origin) {
            bail!(
                "--origin {origin}: has to be scheme, host and port alone, such as https://app.example.com"
            );
        }
    }
    if options.region.is_none() {
        options.region = Some(match options.provider {
            // Source: <https://developers.cloudflare.com/r2/api/s3/api/>
            Provider::R2 => "auto".to_owned(),
            Provider::Generic => "us-east-1".to_owned(),
            Provider::Aws => bail!("AWS needs --region, or S3_REGION"),
        });
    }
    options.buckets = all_buckets(&options.bucket, &options.buckets)?;
    let mut child = process::command(install::node()?)
        .arg(workspace::path("stack/bucket-setup.mjs"))
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start stack/bucket-setup.mjs")?;
    let mut stdin = child
        .stdin
        .take()
        .context("no channel to stack/bucket-setup.mjs")?;
    stdin.write_all(serde_json::to_string(&options)?.as_bytes())?;
    drop(stdin);
    Ok(if child.wait()?.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Each bucket's name, once, of `S3_BUCKET` and the entries of `S3_BUCKETS`.
pub fn all_buckets(main: &str, entries: &[String]) -> Result<Vec<String>> {
    let mut names = vec![main.to_owned()];
    for entry in entries
        .iter()
        .map(|entry| entry.trim())
        .filter(|entry| !entry.is_empty())
    {
        let Some((_, name)) = entry.split_once('=') else {
            bail!("S3_BUCKETS has to be a list such as eu-*=files-eu,acme=files-acme");
        };
        let name = name.trim().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Browsers compare origins letter by letter. S3 takes a star for all of them, or for a part.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    let is_letter = |b: u8| match scheme {
        "http" | "https" => is_name(b) || matches!(b, b':' | b'*' | b'[' | b']'),
        // What apps have in place of a site: a name, and no port.
        _ => is_name(b) || b == b'_',
    };
    is_app_scheme_or_http(scheme)
        && !host.is_empty()
        && host.bytes().all(is_letter)
        && text.matches('*').count() <= 1
}

/// Schemes of sites, and those that apps and extensions make up; not those that browsers know as something else.
/// Source: <https://url.spec.whatwg.org/#special-scheme>, and RFC 3986, section 3.1
pub fn is_app_scheme_or_http(scheme: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(is_one)
        && !matches!(
            scheme,
            "ftp" | "file" | "ws" | "wss" | "data" | "blob" | "about" | "javascript"
        )
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for good in [
            "*",
            "https://app.example.com",
            "http://localhost:8787",
            "https://*.example.com",
            "http://[::1]:1",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "ftp://a.b",
            "https://*.*.c",
            "file://localhost",
            "capacitor://*",
            "capacitor://localhost:80",
            "://localhost",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
