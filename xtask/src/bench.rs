//! `cargo xtask bench`: our figures beside other tools' in the same run, written to bench/RESULTS.md.
//!
//! Each case is a Node program in bench/ that measures and prints one line of JSON: a heading and a table.

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process::{command, guarded, output};
use crate::{browser, install, pack, workspace};

/// Runs the named cases, or all, and writes the results.
pub fn run(names: &[String]) -> Result<ExitCode> {
    let available = case_names()?;
    if let Some(unknown) = names.iter().find(|name| !available.contains(name)) {
        bail!(
            "there is no bench case {unknown}; there are {}",
            available.join(", ")
        );
    }
    install::bench_packages()?;
    let (_, size) = pack::run_checks()?;
    let mut sections = vec![Section {
        heading: "Package as sent to browsers".to_owned(),
        note: "Scripts and WebAssembly of `@syncsphere/uploader`; goal under 120 KB gzip.".to_owned(),
        columns: vec!["".to_owned(), "bytes".to_owned()],
        rows: vec![
            vec!["plain".to_owned(), size.plain.to_string()],
            vec!["gzip".to_owned(), size.gzip.to_string()],
        ],
    }];
    for name in available
        .iter()
        .filter(|name| names.is_empty() || names.contains(name))
    {
        eprintln!("measuring {name}");
        sections.push(measure(name)?);
    }
    let results = workspace::path("bench/RESULTS.md");
    fs::write(&results, document(&sections)?)?;
    println!("{}", results.display());
    Ok(ExitCode::SUCCESS)
}

/// What a case prints as its last line.
#[derive(Deserialize)]
struct Section {
    heading: String,
    note: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
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

fn measure(name: &str) -> Result<Section> {
    let mut node = guarded(&install::node()?);
    install::with_tools(&mut node)?
        .env("CHROME_BIN", browser::chromium()?)
        .env("SYNCSPHERE_XTASK", std::env::current_exe()?)
        .arg(workspace::path("bench").join(format!("{name}.bench.mjs")))
        .stderr(std::process::Stdio::inherit());
    let printed = output(&mut node)?;
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("bench/{name}.bench.mjs printed no result"))
}

fn document(sections: &[Section]) -> Result<String> {
    let mut text = String::from(
        "# Results\n\nWritten by `cargo xtask bench`; every comparison was measured in the same run, alternating.\n\n",
    );
    for fact in machine()? {
        writeln!(text, "- {fact}")?;
    }
    for section in sections {
        write!(text, "\n## {}\n\n{}\n\n", section.heading, section.note)?;
        writeln!(text, "| {} |", section.columns.join(" | "))?;
        writeln!(text, "|{}", " --- |".repeat(section.columns.len()))?;
        for row in &section.rows {
            writeln!(text, "| {} |", row.join(" | "))?;
        }
    }
    Ok(text)
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
            output(command(install::PythonTools::install()?.weed()).arg("version"))?
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
