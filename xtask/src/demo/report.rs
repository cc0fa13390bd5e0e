//! Turns what stack/demo.mjs tells into progress on the terminal and one line of JSON for each file.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::digest::{self, FileDigest};
use crate::transfer_progress::TransferProgress;

/// What stack/demo.mjs tells.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
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

/// What the person sees, and what goes to standard output.
pub struct Report<'a> {
    files: &'a [PathBuf],
    interrupted: Arc<AtomicBool>,
    progress: TransferProgress,
    seconds: Vec<Option<f64>>,
    /// The local file is read while the stored one is.
    local: Vec<Option<JoinHandle<std::io::Result<FileDigest>>>>,
    verified: usize,
}

impl<'a> Report<'a> {
    /// Nothing has happened yet.
    pub fn new(files: &'a [PathBuf], interrupted: Arc<AtomicBool>) -> Self {
        Self {
            files,
            interrupted,
            progress: TransferProgress::new(),
            seconds: vec![None; files.len()],
            local: files.iter().map(|_| None).collect(),
            verified: 0,
        }
    }

    /// Whether the stored bytes of every file were found to be those of the local one.
    pub fn all_verified(&self) -> bool {
        self.verified == self.files.len()
    }

    /// A line of text that does not break the progress bars.
    pub fn say(&self, text: &str) {
        self.progress.say(text);
    }

    /// Shows or prints what happened.
    pub fn take(&mut self, event: Event) -> Result<()> {
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
        while !reading.is_finished() {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            thread::sleep(Duration::from_millis(20));
        }
        let Ok(local) = reading.join() else {
            bail!("reading {} failed", self.name(file))
        };
        let local = local.with_context(|| format!("reading {}", self.name(file)))?;
        let seconds = self.seconds.get(file).copied().flatten().map(thousandths);
        let verified = local == stored;
        Ok(FileLine {
            name: self.name(file),
            size: Some(stored.size),
            file_id: Some(file_id),
            seconds,
            mb_per_second: seconds
                .map(|seconds| thousandths(megabytes(stored.size) / seconds.max(f64::MIN_POSITIVE))),
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

/// Figures are not more exact than that.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
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
    use super::{FileDigest, difference};

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
}
