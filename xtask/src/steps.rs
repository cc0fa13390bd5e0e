//! What is being installed or built, how far it is and roughly how long it takes: a bar for each step on a terminal, and
//! plain lines elsewhere. Steps may run side by side. What their programs print is kept, and shown where one fails.

use std::io::{self, IsTerminal, Read};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::process::{cannot_start, command_line};

/// Runs a step, and says when it begins and how long it took. `seconds` is what it takes on two cores: a rough promise.
pub fn step<T>(name: &str, seconds: u64, work: impl FnOnce(&Step) -> Result<T>) -> Result<T> {
    let step = Step::begin(name, seconds);
    let result = work(&step);
    step.end(result.is_ok());
    result
}

/// Runs several pieces of work at the same time, each to its end; the first failure is what comes back.
pub fn side_by_side(works: &[&(dyn Fn() -> Result<()> + Sync)]) -> Result<()> {
    thread::scope(|scope| {
        let running: Vec<_> = works.iter().map(|work| scope.spawn(work)).collect();
        let results: Vec<_> = running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a step crashed"))))
            .collect();
        results.into_iter().collect()
    })
}

/// A step that is under way.
pub struct Step {
    name: String,
    seconds: u64,
    started: Instant,
    bar: ProgressBar,
}

impl Step {
    fn begin(name: &str, seconds: u64) -> Self {
        let bar = BARS.add(
            ProgressBar::new(0)
                .with_style(style())
                .with_prefix(name.to_owned()),
        );
        let step = Self {
            name: name.to_owned(),
            seconds,
            started: Instant::now(),
            bar,
        };
        if is_terminal() {
            step.bar.set_message(about(seconds));
            step.bar.enable_steady_tick(Duration::from_millis(200));
        } else {
            eprintln!("{name}: {}", about(seconds));
        }
        step
    }

    fn end(&self, well: bool) {
        self.bar.finish_and_clear();
        let taken = self.started.elapsed().as_secs();
        if is_terminal() && taken == 0 && well {
            return;
        }
        say(&format!(
            "{}: {} after {taken} s",
            self.name,
            if well { "done" } else { "failed" }
        ));
    }

    /// Runs a program to its end without showing what it prints. Where it fails, the error carries that.
    pub fn execute(&self, command: &mut Command) -> Result<()> {
        self.execute_reading(command, |_| None)
    }

    /// The same of a Cargo command, which says how far it is.
    pub fn execute_cargo(&self, command: &mut Command) -> Result<()> {
        // Source: The Cargo Book, configuration, `term.progress`; without a terminal it needs a width.
        command
            .env("CARGO_TERM_PROGRESS_WHEN", "always")
            .env("CARGO_TERM_PROGRESS_WIDTH", "100")
            .env("CARGO_TERM_COLOR", "never");
        self.execute_reading(command, cargo_progress)
    }

    fn execute_reading(
        &self,
        command: &mut Command,
        progress: impl Fn(&str) -> Option<(u64, u64)>,
    ) -> Result<()> {
        let (mut reader, writer) = io::pipe()?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .with_context(|| cannot_start(command))?;
        // Else our own ends of the pipe would keep it open.
        command.stdout(Stdio::null()).stderr(Stdio::null());

        let mut said = String::new();
        let mut lines = Lines::default();
        let mut last_line = Instant::now();
        let mut piece = [0; 4096];
        loop {
            let read = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            for line in lines.take(piece.get(..read).unwrap_or_default()) {
                if let Some((done, all)) = progress(&line) {
                    self.show(done, all, &mut last_line);
                } else if !line.trim().is_empty() {
                    said.push_str(&line);
                    said.push('\n');
                }
            }
        }
        said.push_str(&lines.rest());
        let status = child.wait()?;
        if !status.success() {
            bail!(
                "`{}` failed: {status}\n{}",
                command_line(command),
                said.trim_end()
            );
        }
        Ok(())
    }

    fn show(&self, done: u64, all: u64, last_line: &mut Instant) {
        self.bar.set_length(all);
        self.bar.set_position(done);
        self.bar
            .set_message(format!("{done} of {all}, {}", about(self.seconds)));
        if !is_terminal() && last_line.elapsed() > LINE_EVERY {
            *last_line = Instant::now();
            let passed = self.started.elapsed().as_secs();
            eprintln!(
                "{}: {done} of {all} after {passed} s, {}",
                self.name,
                about(self.seconds)
            );
        }
    }
}

/// A line that does not break the bars.
pub fn say(text: &str) {
    BARS.suspend(|| eprintln!("{text}"));
}

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

const LINE_EVERY: Duration = Duration::from_secs(15);

fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix:34} {bar:24} {elapsed:>4}  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn about(seconds: u64) -> String {
    if seconds < 90 {
        return format!("about {seconds} s");
    }
    format!("about {} min", (seconds + 30) / 60)
}

/// `Building [====>   ] 12/231: serde, syn` of Cargo's progress line.
fn cargo_progress(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.trim_start().strip_prefix("Building [")?.split_once("] ")?;
    let (done, rest) = counts.split_once('/')?;
    let all = rest
        .split_once(|character: char| !character.is_ascii_digit())
        .map_or(rest, |(all, _)| all);
    Some((done.trim().parse().ok()?, all.parse().ok()?))
}

/// Cuts what a program prints at line ends, and at the returns by which it draws over its own lines.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.begun.extend_from_slice(bytes);
        let Some(end) = self.begun.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) else {
            return Vec::new();
        };
        let rest = self.begun.split_off(end + 1);
        let whole = std::mem::replace(&mut self.begun, rest);
        whole
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    fn rest(self) -> String {
        String::from_utf8_lossy(&self.begun).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Barrier;

    use anyhow::bail;

    use super::{Lines, Step, about, cargo_progress, side_by_side};

    #[test]
    fn reads_how_far_cargo_is() {
        let line = "    Building [====>          ] 12/231: serde, syn(build)";
        assert_eq!(cargo_progress(line), Some((12, 231)));
        assert_eq!(cargo_progress("   Compiling syn v3.0.10"), None);
        assert_eq!(cargo_progress("Building [=> ] x/y"), None);
    }

    #[test]
    fn lines_that_are_drawn_over_are_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\rtw"), ["one", ""]);
        assert_eq!(lines.take(b"o\nth"), ["two", ""]);
        assert_eq!(lines.rest(), "th");
    }

    #[test]
    fn works_run_at_the_same_time_and_a_failure_comes_back() {
        // Each waits for the other: one after the other they would never end.
        let both = Barrier::new(2);
        let waits = || {
            both.wait();
            Ok(())
        };
        let fails = || {
            both.wait();
            bail!("no network")
        };
        let error = side_by_side(&[&waits, &fails]).unwrap_err();
        assert_eq!(error.to_string(), "no network");
    }

    #[test]
    fn a_failed_program_is_quoted() {
        let step = Step::begin("test", 1);
        let mut command = Command::new("sh");
        command.args(["-c", "echo spoken; echo said >&2; exit 3"]);
        let error = step.execute(&mut command).unwrap_err().to_string();
        assert!(error.ends_with("spoken\nsaid"), "{error}");
    }

    #[test]
    fn durations_are_rough() {
        assert_eq!(about(30), "about 30 s");
        assert_eq!(about(130), "about 2 min");
    }
}
