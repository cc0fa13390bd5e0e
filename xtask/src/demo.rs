//! `cargo xtask demo`: the whole system on this machine, for a person or, with `--upload`, unattended.
//!
//! stack/demo.mjs runs the servers and the browser under Node; it tells us what happens as JSON lines. It ends when its
//! standard input closes, and so never outlives us.

mod report;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;

use self::report::Report;
use crate::build_products::Profile;
use crate::steps::side_by_side;
use crate::{browser, build_products, install, process, workspace};

/// What to show, and where.
#[derive(Args)]
pub struct DemoOptions {
    /// Upload these files unattended through a real headless Chromium, read them back, compare, and end
    #[arg(long, value_name = "FILE", num_args = 1..)]
    upload: Vec<PathBuf>,
    /// Port of the demo site (default 8787; with --upload any free one)
    #[arg(long)]
    port: Option<u16>,
    /// Use this S3 server and start none; needs S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and S3_BUCKET in the environment,
    /// and takes S3_REGION, S3_ADDRESSING, S3_PROVIDER, S3_FORMS, S3_CONDITIONAL_WRITES and S3_CHECKSUM from there
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,
    /// How browsers reach the S3 server, if by another address
    #[arg(long, value_name = "URL", requires = "s3_endpoint")]
    s3_public_endpoint: Option<String>,
    /// Keep stored files and metadata in this folder (default: a temporary one)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL database that receives every change
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

/// Runs the demo to its end: Ctrl-C, or with `--upload` the last file.
pub fn run(options: DemoOptions) -> Result<ExitCode> {
    let settings = Settings::from_options(&options)?;
    prepare(&settings)?;
    let mut stack = Stack::start(&settings)?;
    let outcome = follow(&mut stack, &settings);
    stack.stop();
    let status = stack.child.wait()?;
    if stack.interrupted.load(Ordering::Relaxed) {
        // As the shell does for a program that Ctrl-C ended. Source: POSIX shell, 2.8.2 Exit Status (128 + SIGINT)
        return Ok(if settings.uploads.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(130)
        });
    }
    Ok(if status.success() && outcome? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Installs and builds what this demo takes, and nothing else.
fn prepare(settings: &Settings) -> Result<()> {
    let s3_server = || match settings.s3 {
        Some(_) => Ok(()),
        None => install::S3Server::install().map(drop),
    };
    let browser = || match settings.uploads.is_empty() {
        true => Ok(()),
        false => browser::chromium().map(drop),
    };
    side_by_side(&[
        &|| build_products::everything(Profile::Thin),
        &s3_server,
        &browser,
    ])
}

/// What stack/demo.mjs is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    s3: Option<ExternalS3>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database_url: Option<String>,
    uploads: Vec<PathBuf>,
}

/// An S3 server that is not ours to start.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalS3 {
    endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_endpoint: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    bucket: String,
    region: String,
    /// The coordinator's variables of these names, where they are set.
    #[serde(skip_serializing_if = "Option::is_none")]
    addressing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forms: Option<String>,
    conditional_writes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

const DEFAULT_PORT: u16 = 8787;

impl Settings {
    fn from_options(options: &DemoOptions) -> Result<Self> {
        let uploads = options
            .upload
            .iter()
            .map(|path| readable_file(path))
            .collect::<Result<Vec<_>>>()?;
        let unattended = !uploads.is_empty();
        let data_dir = options.data.as_deref().map(std::path::absolute).transpose()?;
        Ok(Self {
            port: options.port.unwrap_or(if unattended { 0 } else { DEFAULT_PORT }),
            s3: options
                .s3_endpoint
                .clone()
                .map(|endpoint| ExternalS3::from_environment(endpoint, options.s3_public_endpoint.clone()))
                .transpose()?,
            data_dir,
            database_url: options.database_url.clone(),
            uploads,
        })
    }
}

impl ExternalS3 {
    fn from_environment(endpoint: String, public_endpoint: Option<String>) -> Result<Self> {
        let required = |name: &str| {
            std::env::var(name).with_context(|| format!("--s3-endpoint needs {name} in the environment"))
        };
        Ok(Self {
            endpoint,
            public_endpoint,
            access_key_id: required("S3_ACCESS_KEY_ID")?,
            secret_access_key: required("S3_SECRET_ACCESS_KEY")?,
            bucket: required("S3_BUCKET")?,
            // The region that S3 servers without regions expect. Source: SeaweedFS, Garage and MinIO documentation
            region: std::env::var("S3_REGION").unwrap_or_else(|_| "us-east-1".to_owned()),
            addressing: std::env::var("S3_ADDRESSING").ok(),
            provider: std::env::var("S3_PROVIDER").ok(),
            forms: std::env::var("S3_FORMS").ok(),
            // The coordinator's own default; for SeaweedFS the development environment switches it on.
            conditional_writes: std::env::var("S3_CONDITIONAL_WRITES").unwrap_or_else(|_| "off".to_owned()),
            checksum: std::env::var("S3_CHECKSUM").ok(),
        })
    }
}

/// Found out before anything is built or started.
fn readable_file(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    if path.to_str().is_none() {
        bail!("{shown}: a browser can only be handed files whose names are valid UTF-8");
    }
    let file = fs::File::open(path).with_context(|| format!("{shown}"))?;
    if !file.metadata()?.is_file() {
        bail!("{shown} is not a file");
    }
    Ok(std::path::absolute(path)?)
}

/// The running Node program.
struct Stack {
    child: Child,
    /// Holding its standard input keeps it running; `None` once it was told to stop.
    standard_input: StandardInput,
    interrupted: Arc<AtomicBool>,
}

type StandardInput = Arc<Mutex<Option<ChildStdin>>>;

fn close(standard_input: &StandardInput) {
    standard_input
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
}

impl Stack {
    fn start(settings: &Settings) -> Result<Self> {
        let mut node = process::command(install::node()?);
        install::with_servers(&mut node)?.arg(workspace::path("stack/demo.mjs"));
        if !settings.uploads.is_empty() {
            node.env("CHROME_BIN", browser::chromium()?);
        }
        let mut child = node
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start stack/demo.mjs")?;

        let mut stdin = child.stdin.take().context("no channel to stack/demo.mjs")?;
        // By standard input, for arguments are there for every user of the machine to read, and this holds secrets.
        writeln!(stdin, "{}", serde_json::to_string(settings)?)?;
        let standard_input = Arc::new(Mutex::new(Some(stdin)));
        let interrupted = Arc::new(AtomicBool::new(false));
        let (open, flag) = (Arc::clone(&standard_input), Arc::clone(&interrupted));
        ctrlc::set_handler(move || {
            flag.store(true, Ordering::Relaxed);
            close(&open);
        })?;
        Ok(Self {
            child,
            standard_input,
            interrupted,
        })
    }

    fn stop(&self) {
        close(&self.standard_input);
    }
}

/// Follows the events to the last; returns whether every file was verified.
fn follow(stack: &mut Stack, settings: &Settings) -> Result<bool> {
    let stdout = stack
        .child
        .stdout
        .take()
        .context("no channel from stack/demo.mjs")?;
    let mut report = Report::new(&settings.uploads, Arc::clone(&stack.interrupted));
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(event) => report.take(event)?,
            Err(_) => report.say(&line),
        }
    }
    Ok(report.all_verified())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::readable_file;

    #[test]
    fn only_existing_files_are_uploaded() {
        assert!(readable_file(Path::new("/nonexistent")).is_err());
        assert!(readable_file(&PathBuf::from(env!("CARGO_MANIFEST_DIR"))).is_err());
    }
}
