//! Suites that run beside the others, with what those leave of the processor.
//!
//! A suite of servers and browsers waits most of its time; one that compiles and reckons can use that time, and is not
//! disturbed by a machine that is busy. It runs in a process of its own, at the lowest priority, which writes what it
//! prints into a file; that is shown once it has ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use crate::outcome::Outcome;
use crate::process::guarded;
use crate::workspace;

/// A `cargo xtask test` that runs beside ours.
pub struct LowPriorityRun {
    child: Child,
    log: PathBuf,
}

impl LowPriorityRun {
    /// Begins the suites of these names.
    pub fn start(names: &[&str]) -> Result<Self> {
        let log = workspace::target().join("xtask").join("low-priority.log");
        fs::create_dir_all(workspace::target().join("xtask"))?;
        let written = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let child = guarded(Path::new("nice"))
            .args(["-n", "19"])
            .arg(std::env::current_exe()?)
            .arg("test")
            .args(names)
            .stdout(Stdio::from(written.try_clone()?))
            .stderr(Stdio::from(written))
            .spawn()?;
        Ok(Self { child, log })
    }

    /// Waits for its end, shows what it printed, and returns what it found, each test under its suite's name.
    pub fn finish(mut self) -> Result<Outcome> {
        let status = self.child.wait()?;
        let text = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        print!("{text}");
        let Some(outcome) = read_closing(&text) else {
            bail!("it ended without a verdict: {status}");
        };
        Ok(outcome)
    }
}

/// The closing lines of a run, as `close` in `test_run` prints them.
fn read_closing(text: &str) -> Option<Outcome> {
    let passed = text.lines().last()?.split(" passed, ").next()?.parse().ok()?;
    let listed = |prefix: &str| {
        let names = text.lines().filter_map(|line| line.strip_prefix(prefix));
        names.map(str::to_owned).collect()
    };
    Some(Outcome {
        passed,
        failed: listed("failed: "),
        not_run: listed("not run: "),
    })
}

#[cfg(test)]
mod tests {
    use super::read_closing;

    #[test]
    fn the_closing_lines_tell_what_a_run_found() {
        let text =
            "test a ... ok\n\nnot run: storage: Ceph\nfailed: native: a::b\n12 passed, 1 failed, 1 not run\n";
        let outcome = read_closing(text).unwrap();
        assert_eq!(outcome.passed, 12);
        assert_eq!(outcome.failed, ["native: a::b"]);
        assert_eq!(outcome.not_run, ["storage: Ceph"]);
    }

    #[test]
    fn a_run_that_ended_early_has_no_verdict() {
        assert!(read_closing("").is_none());
        assert!(read_closing("== native: 3 passed, 0 failed in 2 s\nerror: killed\n").is_none());
    }
}
