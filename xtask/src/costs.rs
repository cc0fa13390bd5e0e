//! What operations cost, in instructions that callgrind counts: a figure that is the same on a busy machine.
//!
//! `tests/costs/budgets.json` keeps what each operation of `tests/costs` cost when the budgets were last renewed. More
//! than a tenth above that fails. Instructions are the compiler's work as much as ours, so budgets hold for one version
//! of it and one architecture; `cargo xtask costs --renew` counts them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::process::{cargo, command, execute, on_path};
use crate::{apt, workspace};

/// Counts, compares, and writes the budgets anew where asked.
pub fn run(renew: bool) -> Result<ExitCode> {
    if renew {
        let budgets = Budgets {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            compiler: compiler()?,
            instructions: count_all()?,
        };
        fs::write(
            workspace::path(BUDGETS),
            serde_json::to_string_pretty(&budgets)? + "\n",
        )?;
        print!("{}", table(&budgets, &budgets.instructions));
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = suite()?;
    for failed in &outcome.failed {
        eprintln!("{failed}");
    }
    Ok(if outcome.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The suite of `cargo xtask test`: each operation is a test, which fails above its budget.
pub fn suite() -> Result<Outcome> {
    let budgets: Budgets = serde_json::from_slice(&fs::read(workspace::path(BUDGETS))?)
        .with_context(|| format!("reading {BUDGETS}"))?;
    let compiler = compiler()?;
    if budgets.compiler != compiler {
        bail!(
            "the budgets were counted with {}, and this is {compiler}: count them anew with `cargo xtask costs --renew`",
            budgets.compiler
        );
    }
    let counted = count_all()?;
    print!("{}", table(&budgets, &counted));
    Ok(verdict(&budgets, &counted))
}

const BUDGETS: &str = "tests/costs/budgets.json";

/// Source: issue 11 of the project, "budgets that fail at +10 %"
const MOST_OF_BUDGET_PERCENT: u64 = 110;

/// The operations, and how often each is done: often enough to level out what single ones cost, and few enough for a
/// program that callgrind makes some fifty times slower.
const CASES: [(&str, u64); 6] = [
    ("sign-url", 300),
    ("sign-one", 300),
    ("read-token", 100),
    ("engine-input-6", 300),
    ("engine-input-200", 200),
    ("add-10000", 1),
];

type Instructions = BTreeMap<String, u64>;

#[derive(Serialize, Deserialize)]
struct Budgets {
    date: String,
    compiler: String,
    /// Of one operation.
    instructions: Instructions,
}

fn count_all() -> Result<Instructions> {
    let valgrind = valgrind()?;
    let program = build()?;
    let mut counted = Instructions::new();
    for (case, times) in CASES {
        let set_up = count(&valgrind, &program, case, 0)?;
        let done = count(&valgrind, &program, case, times)?;
        counted.insert(case.to_owned(), done.saturating_sub(set_up) / times);
    }
    Ok(counted)
}

fn valgrind() -> Result<PathBuf> {
    if !(on_path("valgrind") || apt::install("valgrind")? && on_path("valgrind")) {
        bail!(
            "valgrind is missing: instructions are counted with it; install it (on Debian: apt-get install valgrind)"
        );
    }
    Ok("valgrind".into())
}

fn build() -> Result<PathBuf> {
    const PACKAGE: &str = "syncsphere-costs";
    execute(cargo().args(["build", "--quiet", "--profile", "costs", "--package", PACKAGE]))?;
    Ok(workspace::target().join("costs").join(PACKAGE))
}

fn count(valgrind: &Path, program: &Path, case: &str, times: u64) -> Result<u64> {
    let ran = command(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([case, &times.to_string()])
        .output()
        .context("cannot start valgrind")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() {
        bail!("{case} {times} failed under callgrind: {}\n{said}", ran.status);
    }
    collected(&said).with_context(|| format!("callgrind told no count for {case}:\n{said}"))
}

/// The number in callgrind's line `==123== Collected : 4567`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}

fn compiler() -> Result<String> {
    let version = crate::process::output(command("rustc").arg("--version"))?;
    Ok(format!("{}, {}", version.trim(), std::env::consts::ARCH))
}

fn verdict(budgets: &Budgets, counted: &Instructions) -> Outcome {
    let mut outcome = Outcome::default();
    for (case, count) in counted {
        match budgets.instructions.get(case) {
            Some(budget) if count * 100 <= budget * MOST_OF_BUDGET_PERCENT => outcome.passed += 1,
            Some(budget) => outcome.failed.push(format!(
                "{case} takes {count} instructions, {} of its budget of {budget}; if that is intended: cargo xtask costs --renew",
                percent(*count, *budget)
            )),
            None => outcome.failed.push(format!("{case} has no budget: cargo xtask costs --renew")),
        }
    }
    outcome
}

fn table(budgets: &Budgets, counted: &Instructions) -> String {
    let mut text = format!("budgets of {}, {}\n", budgets.date, budgets.compiler);
    for (case, count) in counted {
        let budget = budgets.instructions.get(case).copied().unwrap_or_default();
        text += &format!(
            "{case:18} {count:>14} instructions, budget {budget:>14}, {}\n",
            percent(*count, budget)
        );
    }
    text
}

fn percent(count: u64, budget: u64) -> String {
    let tenths = count.saturating_mul(1000).checked_div(budget).unwrap_or_default();
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::{Budgets, Instructions, collected, table, verdict};

    #[test]
    fn a_tenth_above_the_budget_passes_and_more_fails() {
        let budgets = budgets();
        assert_eq!(verdict(&budgets, &counted("sign-url", 1_100)).passed, 1);
        let outcome = verdict(&budgets, &counted("sign-url", 1_101));
        assert_eq!(outcome.passed, 0);
        assert!(
            outcome.failed[0].contains("110.1 % of its budget of 1000"),
            "{:?}",
            outcome.failed
        );
        assert!(outcome.failed[0].contains("--renew"));
    }

    #[test]
    fn an_operation_without_a_budget_fails() {
        assert_eq!(verdict(&budgets(), &counted("other", 1)).failed.len(), 1);
    }

    #[test]
    fn the_table_tells_counts_and_budgets() {
        let text = table(&budgets(), &counted("sign-url", 900));
        assert!(text.contains("2030-01-02, rustc 1.0, x86_64"), "{text}");
        assert!(text.contains("90.0 %"), "{text}");
    }

    #[test]
    fn reads_callgrinds_count() {
        let said = "==7== Callgrind\n==7== \n==7== Events    : Ir\n==7== Collected : 123456\n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== ERROR"), None);
    }

    fn budgets() -> Budgets {
        Budgets {
            date: "2030-01-02".to_owned(),
            compiler: "rustc 1.0, x86_64".to_owned(),
            instructions: counted("sign-url", 1_000),
        }
    }

    fn counted(case: &str, count: u64) -> Instructions {
        [(case.to_owned(), count)].into()
    }
}
