//! `cargo xtask doctor`: examines a coordinator and its storage from outside, with what a browser may do and nothing
//! else, and says how to mend what it finds. Only where it is given the buckets' key it looks at those, too.
//!
//! It uploads two small files of its own through presigned URLs, the way a page does, tries what must be refused, reads
//! back what must be there, and removes everything again.

mod access;
mod browser;
mod bucket;
mod clocks;
mod coordinator;
mod cors;
mod local_network;
mod multipart;
mod profile;
mod report;
mod storage;
mod test_upload;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use url::Url;

use self::browser::Browser;
use self::coordinator::Coordinator;
use self::report::Report;
use crate::bucket_setup::is_app_scheme_or_http;

/// What to examine, and as whom.
#[derive(Args)]
pub struct DoctorOptions {
    /// Address of the coordinator, such as https://uploads.example.com
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Access token that may read and write files (default: a guest's, where guests are let in)
    #[arg(long, value_name = "JWT", env = "SYNCSPHERE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Origin of the pages that will upload (default: the coordinator's own)
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Address of the S3 API, to look at the buckets themselves as well; takes S3_BUCKET, S3_BUCKETS, S3_ACCESS_KEY_ID,
    /// S3_SECRET_ACCESS_KEY, S3_SESSION_TOKEN, S3_REGION, S3_ADDRESSING, S3_PROVIDER and S3_PREFIX from the environment
    #[arg(long, value_name = "URL", env = "S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// Try UploadPartCopy also where storage looks like Ceph: a gateway of Ceph 16 was seen to die of it
    #[arg(long)]
    try_part_copy: bool,
    /// One JSON object on standard output instead of lines
    #[arg(long)]
    json: bool,
}

/// Examines, reports, and fails where anything is wrong; warnings alone do not fail.
pub fn run(options: &DoctorOptions) -> Result<ExitCode> {
    let endpoint = address(&options.endpoint).context("--endpoint")?;
    let origin = match &options.origin {
        Some(origin) => page_origin(origin).context("--origin")?,
        None => endpoint.clone(),
    };
    let mut report = Report::new(options.json);
    examine(
        &Browser::new(&origin),
        &endpoint,
        &origin,
        options.token.as_deref(),
        &mut report,
    );
    bucket::examine(options.s3_endpoint.as_deref(), options.try_part_copy, &mut report);
    report.end(&endpoint)
}

fn examine(browser: &Browser, endpoint: &str, origin: &str, token: Option<&str>, report: &mut Report) {
    if !access::answers(browser, endpoint, report) {
        return;
    }
    access::publishes_keys(browser, endpoint, report);
    access::allows_origin(browser, endpoint, origin, report);
    let Some(token) = access::token(browser, endpoint, token, report) else {
        return;
    };
    report.keep_secret(&token);
    let coordinator = Coordinator::new(browser, endpoint, token);
    if access::accepts_token(&coordinator, report) {
        // Both clean up after themselves, whatever happens in between.
        if storage::examine(&coordinator, origin, report) {
            multipart::examine(&coordinator, origin, report);
            profile::examine(&coordinator, report);
        }
    }
}

/// The origin of a site's pages, or of an app's or an extension's, such as `capacitor://localhost`.
fn page_origin(text: &str) -> Result<String> {
    let app = Url::parse(text)
        .ok()
        .filter(|url| is_app_scheme_or_http(url.scheme()) && !matches!(url.scheme(), "http" | "https"));
    let Some(app) = app else { return address(text) };
    // To the standard such a scheme has no origin; its browsers send this all the same.
    let origin = format!("{}://{}", app.scheme(), app.host_str().unwrap_or_default());
    if !app.has_host() || origin != text.trim_end_matches('/') {
        bail!("has to be scheme and name alone, such as capacitor://localhost");
    }
    Ok(origin)
}

/// `scheme://host[:port]`, as browsers write it.
fn address(text: &str) -> Result<String> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        bail!("has to be an address such as https://uploads.example.com");
    };
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        bail!("has to be scheme, host and port alone, such as https://uploads.example.com");
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::{address, page_origin};

    #[test]
    fn an_address_is_an_origin_and_nothing_else() {
        assert_eq!(address("https://A.example:443/").unwrap(), "https://a.example");
        assert_eq!(address("http://127.0.0.1:8787").unwrap(), "http://127.0.0.1:8787");
        for wrong in [
            "",
            "a.example",
            "ftp://a.example",
            "https://a.example/path",
            "https://u:p@a.example",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
    #[test]
    fn pages_may_be_an_app_s() {
        for good in [
            "https://a.example",
            "capacitor://localhost",
            "tauri://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert_eq!(page_origin(good).unwrap(), good);
        }
        for wrong in [
            "capacitor://",
            "capacitor://localhost/path",
            "capacitor://localhost:1",
            "file:///",
            "file://localhost",
            "null",
        ] {
            assert!(page_origin(wrong).is_err(), "{wrong}");
        }
    }
}
