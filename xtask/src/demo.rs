//! `cargo xtask demo`: the whole system on this machine, for a person or, with `--upload`, unattended.
//!
//! stack/demo.mjs runs the servers and the browser under Node; it tells us what happens as JSON lines. It ends when its
//! standard input closes, and so never outlives us.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::digest::{self, FileDigest};
use crate::progress::Progress;
use crate::{DemoOptions, browser, build_products, install, process, workspace};

/// Runs the demo to its end: Ctrl-C, or with `--upload` the last file.
pub fn run(options: DemoOptions) -> Result<ExitCode> {
    let settings = Settings::from_options(&options)?;
    build_products::everything()?;
    let mut stack = Stack::start(&settings)?;
    let outcome = follow(&mut stack, &settings);
    stack.let_go();
    let status = stack.child.wait()?;
    let all_verified = outcome?;
    if stack.interrupted.load(Ordering::Relaxed) {
        // As the shell does for a program that Ctrl-C ended. Source: POSIX shell, 2.8.2 Exit Status (128 + SIGINT)
        return Ok(if settings.uploads.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(130)
        });
    }
    Ok(if status.success() && all_verified {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The environment in which Node programs of stack/, tests/ and bench/ find their tools.
pub fn with_tools(command: &mut Command) -> Result<&mut Command> {
    let tools = install::PythonTools::install()?;
    Ok(command
        .env("PATH", install::path_with_node_programs()?)
        .env("SYNCSPHERE_WEED", tools.weed())
        .env("SYNCSPHERE_S5CMD", tools.s5cmd())
        .env("WRANGLER_SEND_METRICS", "false"))
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
    lifeline: Lifeline,
    interrupted: Arc<AtomicBool>,
}

type Lifeline = Arc<Mutex<Option<ChildStdin>>>;

fn cut(lifeline: &Lifeline) {
    lifeline.lock().unwrap_or_else(PoisonError::into_inner).take();
}

impl Stack {
    fn start(settings: &Settings) -> Result<Self> {
        let mut node = process::command(install::node()?);
        with_tools(&mut node)?.arg(workspace::path("stack/demo.mjs"));
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
        let lifeline = Arc::new(Mutex::new(Some(stdin)));
        let interrupted = Arc::new(AtomicBool::new(false));
        let (cord, flag) = (Arc::clone(&lifeline), Arc::clone(&interrupted));
        ctrlc::set_handler(move || {
            flag.store(true, Ordering::Relaxed);
            cut(&cord);
        })?;
        Ok(Self {
            child,
            lifeline,
            interrupted,
        })
    }

    fn let_go(&self) {
        cut(&self.lifeline);
    }
}

/// What stack/demo.mjs tells.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Event {
    Ready {
        url: String,
    },
    Log {
        text: String,
    },
    Uploading {
        file: usize,
        loaded: u64,
        total: u64,
    },
    Uploaded {
        file: usize,
        seconds: f64,
    },
    ReadingBack {
        file: usize,
        loaded: u64,
        total: u64,
    },
    ReadBack {
        file: usize,
        file_id: String,
        size: u64,
        sha256: String,
        crc64nvme: Option<String>,
    },
    Failed {
        file: usize,
        error: String,
    },
}

/// Follows the events to the last; returns whether every file was verified.
fn follow(stack: &mut Stack, settings: &Settings) -> Result<bool> {
    let stdout = stack
        .child
        .stdout
        .take()
        .context("no channel from stack/demo.mjs")?;
    let mut report = Report::new(&settings.uploads);
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(event) => report.take(event)?,
            Err(_) => report.progress.say(&line),
        }
    }
    Ok(report.verified == settings.uploads.len())
}

struct Report<'a> {
    files: &'a [PathBuf],
    progress: Progress,
    seconds: Vec<Option<f64>>,
    /// The local file is read while the stored one is.
    local: Vec<Option<JoinHandle<std::io::Result<FileDigest>>>>,
    verified: usize,
}

impl<'a> Report<'a> {
    fn new(files: &'a [PathBuf]) -> Self {
        Self {
            files,
            progress: Progress::new(),
            seconds: vec![None; files.len()],
            local: files.iter().map(|_| None).collect(),
            verified: 0,
        }
    }

    fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Ready { url } if self.files.is_empty() => {
                println!("SyncSphere Uploader runs at {url} (Ctrl-C stops it)");
            }
            Event::Ready { url } => self.progress.say(&format!("uploading through {url}")),
            Event::Log { text } => self.progress.say(&text),
            Event::Uploading { file, loaded, total } => {
                let name = self.name(file);
                self.progress.show(file, "uploading", &name, loaded, total);
            }
            Event::Uploaded { file, seconds } => {
                self.progress.finish(file, "uploading");
                if let Some(slot) = self.seconds.get_mut(file) {
                    *slot = Some(seconds);
                }
            }
            Event::ReadingBack { file, loaded, total } => {
                self.read_local(file);
                let name = self.name(file);
                self.progress.show(file, "comparing", &name, loaded, total);
            }
            Event::ReadBack {
                file,
                file_id,
                size,
                sha256,
                crc64nvme,
            } => {
                self.read_local(file);
                self.progress.finish(file, "comparing");
                let line = self.compared(
                    file,
                    file_id,
                    FileDigest {
                        size,
                        sha256,
                        crc64nvme: crc64nvme.unwrap_or_default(),
                    },
                )?;
                self.print(&line)?;
            }
            Event::Failed { file, error } => {
                let line = FileLine {
                    name: self.name(file),
                    error: Some(error),
                    ..FileLine::default()
                };
                self.print(&line)?;
            }
        }
        Ok(())
    }

    fn read_local(&mut self, file: usize) {
        if let (Some(slot @ None), Some(path)) = (self.local.get_mut(file), self.files.get(file)) {
            let path = path.clone();
            *slot = Some(thread::spawn(move || digest::of_file(&path)));
        }
    }

    fn compared(&mut self, file: usize, file_id: String, stored: FileDigest) -> Result<FileLine> {
        let reading = self
            .local
            .get_mut(file)
            .and_then(Option::take)
            .context("an event for a file not given")?;
        let Ok(local) = reading.join() else {
            bail!("reading {} failed", self.name(file))
        };
        let local = local.with_context(|| format!("reading {}", self.name(file)))?;
        let seconds = self.seconds.get(file).copied().flatten();
        let verified = local == stored;
        Ok(FileLine {
            name: self.name(file),
            size: Some(stored.size),
            file_id: Some(file_id),
            seconds,
            mb_per_second: seconds.map(|seconds| megabytes(stored.size) / seconds.max(f64::MIN_POSITIVE)),
            error: (!verified).then(|| difference(&local, &stored)),
            crc64nvme: Some(stored.crc64nvme),
            verified,
        })
    }

    fn print(&mut self, line: &FileLine) -> Result<()> {
        self.verified += usize::from(line.verified);
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string(line)?)?;
        Ok(stdout.flush()?)
    }

    fn name(&self, file: usize) -> String {
        let name = self
            .files
            .get(file)
            .and_then(|path| path.file_name())
            .unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// The line on standard output for each file. Part of the contract.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct FileLine {
    name: String,
    size: Option<u64>,
    file_id: Option<String>,
    /// From handing the file to the page until it is `available`.
    seconds: Option<f64>,
    mb_per_second: Option<f64>,
    crc64nvme: Option<String>,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn megabytes(bytes: u64) -> f64 {
    // Exact up to 2^53 bytes, far beyond what S3 stores.
    bytes as f64 / 1e6
}

fn difference(local: &FileDigest, stored: &FileDigest) -> String {
    let differs = [
        ("size", local.size != stored.size),
        ("SHA-256", local.sha256 != stored.sha256),
        ("CRC64NVME", local.crc64nvme != stored.crc64nvme),
    ];
    let names: Vec<_> = differs
        .iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| *name)
        .collect();
    format!("the stored file differs in {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{FileDigest, difference, readable_file};

    #[test]
    fn a_difference_is_named() {
        let digest = |size, sha: &str| FileDigest {
            size,
            sha256: sha.to_owned(),
            crc64nvme: "AAAAAAAAAAA=".to_owned(),
        };
        assert_eq!(
            difference(&digest(1, "a"), &digest(2, "b")),
            "the stored file differs in size, SHA-256"
        );
    }

    #[test]
    fn only_existing_files_are_uploaded() {
        assert!(readable_file(Path::new("/nonexistent")).is_err());
        assert!(readable_file(&PathBuf::from(env!("CARGO_MANIFEST_DIR"))).is_err());
    }
}
