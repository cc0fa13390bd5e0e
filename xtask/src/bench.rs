//! `cargo xtask bench`: our figures beside other tools' in the same run, written to bench/RESULTS.md for people and to
//! bench/results.json for machines.
//!
//! Each case is a Node program in bench/ that measures and prints one line of JSON: a heading, a table, goals, and every
//! sample. A run of some cases leaves the sections of the others as they are. Samples go to target/bench/raw; the
//! repository keeps their summary.

mod summary;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::build_products::Profile;
use crate::process::{command, guarded, output};
use crate::{browser, build_products, install, pack, workspace};

/// Runs the named cases, or all, and writes the results. A quick run is no measurement, and keeps its results to
/// target/bench.
pub fn run(names: &[String], quick: bool) -> Result<ExitCode> {
    let available = case_names()?;
    let is_known = |name: &&String| *name == PACKAGE || available.contains(name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        bail!(
            "there is no bench case {unknown}; there are {}, {PACKAGE}",
            available.join(", ")
        );
    }
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    install::bench_packages()?;
    let profile = if quick { Profile::Thin } else { Profile::Release };
    build_products::everything(profile)?;
    if is_wanted(BROWSERS) {
        browser::other_engines();
    }

    let untracked = workspace::target().join("bench");
    let mut results = if quick {
        let folder = untracked.join("quick");
        Results::open(folder.clone(), folder.join(RAW))?
    } else {
        Results::open(workspace::path("bench"), untracked.join(RAW))?
    };
    if !quick && is_wanted(PACKAGE) {
        results.keep(PACKAGE, package_size()?, &Value::Null)?;
    }
    for name in available.iter().filter(|name| is_wanted(name)) {
        eprintln!("measuring {name}");
        let Measured { section, raw } = measure(name, quick)?;
        print!("{}", section.for_people());
        results.keep(name, section, &raw)?;
    }
    println!("{}", results.folder.join(FOR_PEOPLE).display());
    Ok(ExitCode::SUCCESS)
}

/// The case that is no program of its own: the package's size.
const PACKAGE: &str = "package";
/// The case that needs more than Chromium.
const BROWSERS: &str = "browsers";
const FOR_PEOPLE: &str = "RESULTS.md";
const FOR_MACHINES: &str = "results.json";
const RAW: &str = "raw";

/// What is known of every case, each from its latest run.
struct Results {
    folder: PathBuf,
    raw: PathBuf,
    sections: BTreeMap<String, Section>,
}

impl Results {
    fn open(folder: PathBuf, raw: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(&raw)?;
        let path = folder.join(FOR_MACHINES);
        let sections = if path.exists() {
            serde_json::from_slice(&fs::read(&path)?)
                .with_context(|| format!("reading {}", path.display()))?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            folder,
            raw,
            sections,
        })
    }

    /// Replaces a section, and writes all files, so that a later case that fails loses nothing.
    fn keep(&mut self, name: &str, mut section: Section, raw: &Value) -> Result<()> {
        section.measured_on = machine()?;
        section.samples = summary::summarise(raw);
        if !raw.is_null() {
            fs::write(self.raw.join(format!("{name}.json")), raw.to_string())?;
        }
        self.sections.insert(name.to_owned(), section);
        let json = summary::to_json(&serde_json::to_value(&self.sections)?);
        fs::write(self.folder.join(FOR_MACHINES), json)?;
        fs::write(self.folder.join(FOR_PEOPLE), for_people(&self.sections))?;
        Ok(())
    }
}

fn for_people(sections: &BTreeMap<String, Section>) -> String {
    let mut text = String::from(
        "# Results\n\nWritten by `cargo xtask bench`; every comparison was measured in the same run, by turns.\n",
    );
    for section in sections.values() {
        text.push('\n');
        text.push_str(&section.for_people());
    }
    text
}

/// What a case prints as its last line.
#[derive(Deserialize)]
struct Measured {
    #[serde(flatten)]
    section: Section,
    /// Every result of every round, in the case's own form.
    #[serde(default)]
    raw: Value,
}

/// What is kept of a case.
#[derive(Serialize, Deserialize)]
struct Section {
    heading: String,
    note: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    #[serde(default)]
    goals: Vec<Goal>,
    load: Option<Load>,
    /// For each of the case's figures how many samples there were, their median and their range.
    #[serde(default)]
    samples: Value,
    /// Date, machine and versions.
    #[serde(default)]
    measured_on: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Goal {
    goal: String,
    measured: String,
    met: bool,
    /// Why it was missed, where that is known.
    reason: Option<String>,
}

/// What else the machine did.
#[derive(Serialize, Deserialize)]
struct Load {
    /// Processors that other programs kept busy, on average.
    others: f64,
    /// The system's load average at the end, this run included.
    average: f64,
    /// How long the case took.
    seconds: u64,
}

impl Section {
    fn for_people(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.heading, self.note);
        table(&mut text, &self.columns, &self.rows);
        if !self.goals.is_empty() {
            let columns = ["goal", "measured", "verdict"].map(str::to_owned);
            let rows: Vec<_> = self.goals.iter().map(Goal::row).collect();
            text.push('\n');
            table(&mut text, &columns, &rows);
        }
        text.push('\n');
        for fact in &self.measured_on {
            text.push_str("- ");
            text.push_str(fact);
            text.push('\n');
        }
        if let Some(load) = &self.load {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "- Load: other programs kept {:.2} processors busy; load average {:.2} at the end; the case took {} s",
                load.others, load.average, load.seconds
            );
        }
        text
    }
}

impl Goal {
    fn row(&self) -> Vec<String> {
        let verdict = match (self.met, &self.reason) {
            (true, _) => "met".to_owned(),
            (false, Some(reason)) => format!("**missed**: {reason}"),
            (false, None) => "**missed**".to_owned(),
        };
        vec![self.goal.clone(), self.measured.clone(), verdict]
    }
}

fn table(text: &mut String, columns: &[String], rows: &[Vec<String>]) {
    let _ = writeln!(text, "| {} |", columns.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(columns.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

fn case_names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace::path("bench"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(case) = name.strip_suffix(".bench.mjs") {
            names.push(case.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn package_size() -> Result<Section> {
    let (_, size) = pack::run_checks()?;
    let row = |name: &str, bytes: u64| vec![name.to_owned(), bytes.to_string()];
    Ok(Section {
        heading: "Package as sent to browsers".to_owned(),
        note: "Scripts and WebAssembly of `@syncsphere/uploader`.".to_owned(),
        columns: vec!["".to_owned(), "bytes".to_owned()],
        rows: vec![
            row("plain", size.plain),
            row("brotli", size.brotli),
            row("gzip", size.gzip),
            row("the page's script, gzip", size.page_gzip),
        ],
        goals: vec![
            Goal {
                goal: "64 KB brotli at most (issues 6 and 16)".to_owned(),
                measured: format!("{} bytes", size.brotli),
                met: size.brotli <= 64_000,
                reason: (size.brotli > 64_000)
                    .then(|| "docs/client.md says what would make it smaller".to_owned()),
            },
            Goal {
                goal: "under 120 KB gzip (issue 2)".to_owned(),
                measured: format!("{} bytes", size.gzip),
                met: size.gzip < 120_000,
                reason: None,
            },
            Goal {
                goal: "page script under 8 KB gzip (issue 6)".to_owned(),
                measured: format!("{} bytes", size.page_gzip),
                met: size.page_gzip < pack::PAGE_GZIP_BUDGET,
                reason: None,
            },
        ],
        load: None,
        samples: Value::Null,
        measured_on: Vec::new(),
    })
}

fn measure(name: &str, quick: bool) -> Result<Measured> {
    let mut node = guarded(&install::node()?);
    install::with_tools(&mut node)?
        .env("CHROME_BIN", browser::chromium()?)
        .env("SYNCSPHERE_XTASK", workspace::own_program()?)
        .arg(workspace::path("bench").join(format!("{name}.bench.mjs")))
        .stderr(std::process::Stdio::inherit());
    if quick {
        node.arg("--quick")
            .env("SYNCSPHERE_ENGINE", build_products::engine_folder(Profile::Thin)?);
    }
    let printed = output(&mut node)?;
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("bench/{name}.bench.mjs printed no result"))
}

fn machine() -> Result<Vec<String>> {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let cores = std::thread::available_parallelism()?;
    let tools = [
        output(command("rustc").arg("--version"))?,
        format!("Node {}", output(command(install::node()?).arg("--version"))?),
        output(command(browser::chromium()?).arg("--version"))?,
        format!(
            "SeaweedFS {}",
            output(command(install::S3Server::install()?.weed()).arg("version"))?
        ),
    ];
    Ok(vec![
        format!("Date: {}", jiff::Timestamp::now().strftime("%Y-%m-%d")),
        format!(
            "Machine: {}, {cores} cores",
            model.unwrap_or("unknown processor").trim()
        ),
        format!(
            "Versions: {}",
            tools.each_ref().map(|tool| tool.trim()).join("; ")
        ),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::{FOR_MACHINES, FOR_PEOPLE, Section, for_people};
    use crate::workspace;

    #[test]
    fn the_repository_keeps_summaries_only() {
        let kept = fs::read_to_string(workspace::path("bench").join(FOR_MACHINES)).unwrap();
        let lines = kept.lines().count();
        assert!(
            lines < 3_000,
            "{lines} lines: raw samples belong into target/bench"
        );
        assert!(kept.len() < 300_000, "{} bytes", kept.len());
    }

    #[test]
    fn the_report_is_made_from_what_is_kept() {
        let folder = workspace::path("bench");
        let kept = fs::read(folder.join(FOR_MACHINES)).unwrap();
        let sections: BTreeMap<String, Section> = serde_json::from_slice(&kept).unwrap();
        let report = fs::read_to_string(folder.join(FOR_PEOPLE)).unwrap();
        assert_eq!(for_people(&sections), report);
    }

    #[test]
    fn a_missed_goal_says_so_with_its_reason() {
        let section: Section = serde_json::from_str(
            r#"{"heading":"H","note":"N.","columns":["a","b"],"rows":[["1","2"]],
                "goals":[{"goal":"fast","measured":"slow","met":false,"reason":"asleep"}],
                "load":{"others":0.5,"average":1.25,"seconds":7}}"#,
        )
        .unwrap();
        let text = section.for_people();
        assert!(text.contains("| a | b |\n| --- | --- |\n| 1 | 2 |\n"), "{text}");
        assert!(text.contains("| fast | slow | **missed**: asleep |"), "{text}");
        assert!(text.contains("the case took 7 s"), "{text}");
    }

    #[test]
    fn a_case_without_goals_is_a_table_alone() {
        let section: Section =
            serde_json::from_str(r#"{"heading":"H","note":"N.","columns":["a"],"rows":[]}"#).unwrap();
        assert!(!section.for_people().contains("verdict"));
    }
}
