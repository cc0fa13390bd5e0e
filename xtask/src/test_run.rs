//! `cargo xtask test`: runs the suites, adds up their counts, and closes with one line `N passed, N failed`,
//! and `N not run` where something that a test needs cannot be had here.

use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Error, Result, bail};

use crate::outcome::Outcome;
use crate::process::guarded;
use crate::suites::{BY_NAME, SHIPS, STORAGE, SUITES, Suite, on_installed_storages};
use crate::workspace;

/// Runs the named suites, or all.
pub fn run(names: &[String], list: bool) -> Result<ExitCode> {
    if list {
        for suite in SUITES {
            println!("{:8} {}", suite.name, suite.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(names)?;
    let _shipped_worker = chosen
        .iter()
        .any(|suite| suite.name == SHIPS)
        .then(build_shipped_worker_in_background)
        .transpose()?;

    let mut found = Outcome::default();
    for suite in chosen {
        let outcome = run_suite(&suite);
        let of_suite = |name| format!("{}: {name}", suite.name);
        found.passed += outcome.passed;
        found.failed.extend(outcome.failed.into_iter().map(of_suite));
        found.not_run.extend(outcome.not_run.into_iter().map(of_suite));
    }
    close(&found);
    Ok(if found.failed.is_empty() && found.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_suite(suite: &Suite) -> Outcome {
    println!("\n== {}: {}", suite.name, suite.about);
    let started = Instant::now();
    let outcome = (suite.run)().unwrap_or_else(|error| could_not_run(&error));
    println!(
        "== {}: {} in {:.0} s",
        suite.name,
        counts(outcome.passed, outcome.failed.len(), outcome.not_run.len()),
        started.elapsed().as_secs_f32()
    );
    outcome
}

/// One suite that cannot run is a failure to report, and no reason to leave out the others.
fn could_not_run(error: &Error) -> Outcome {
    eprintln!("error: {error:#}");
    Outcome {
        failed: vec![format!("could not run: {error}")],
        ..Outcome::default()
    }
}

/// Names what failed and what was left out; the last line has the counts.
fn close(found: &Outcome) {
    println!();
    for name in &found.not_run {
        println!("not run: {name}");
    }
    for name in &found.failed {
        println!("failed: {name}");
    }
    println!(
        "{}",
        counts(found.passed, found.failed.len(), found.not_run.len())
    );
}

/// Begins to build the worker that ships, with what the suites before its own leave of the processor. Its suite waits
/// for it, or builds it where this failed.
fn build_shipped_worker_in_background() -> Result<Child> {
    Ok(guarded(Path::new("nice"))
        .args(["-n", "19"])
        .arg(workspace::own_program()?)
        .args(["build", "worker", "--aside"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

fn choose(names: &[String]) -> Result<Vec<Suite>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| SUITES.iter().all(|suite| suite.name != **name))
    {
        let known: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        bail!("there is no test suite {unknown}; there are {}", known.join(", "));
    }
    if !names.is_empty() {
        return Ok(SUITES
            .into_iter()
            .filter(|suite| names.iter().any(|name| name == suite.name))
            .collect());
    }
    Ok(SUITES
        .into_iter()
        .filter(|suite| !BY_NAME.contains(&suite.name))
        .map(|suite| match suite.name {
            STORAGE => Suite {
                run: on_installed_storages,
                ..suite
            },
            _ => suite,
        })
        .collect())
}

fn counts(passed: u64, failed: usize, not_run: usize) -> String {
    match not_run {
        0 => format!("{passed} passed, {failed} failed"),
        _ => format!("{passed} passed, {failed} failed, {not_run} not run"),
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::fn_addr_eq;

    use super::{BY_NAME, STORAGE, SUITES, choose, counts, on_installed_storages};

    #[test]
    fn suites_are_chosen_by_name() {
        assert_eq!(choose(&["worker".to_owned()]).unwrap().len(), 1);
        assert!(choose(&[]).unwrap().len() > 1);
        assert!(choose(&["wroker".to_owned()]).is_err());
    }

    #[test]
    fn a_whole_run_takes_the_servers_that_are_there_and_no_suite_that_runs_by_name() {
        let run_of = |name: &str, names: &[String]| {
            let chosen = choose(names).unwrap();
            let found = chosen.iter().find(|suite| suite.name == name);
            found.map(|suite| suite.run)
        };
        let named = |name: &str| run_of(name, &[name.to_owned()]).unwrap();
        let installed = on_installed_storages as fn() -> _;
        assert!(fn_addr_eq(run_of(STORAGE, &[]).unwrap(), installed));
        assert!(!fn_addr_eq(named(STORAGE), installed));
        for suite in BY_NAME {
            assert!(run_of(suite, &[]).is_none());
            named(suite);
        }
        assert_eq!(choose(&[]).unwrap().len(), SUITES.len() - BY_NAME.len());
    }

    #[test]
    fn the_closing_line_says_what_was_not_run() {
        assert_eq!(counts(3, 0, 0), "3 passed, 0 failed");
        assert_eq!(counts(3, 0, 2), "3 passed, 0 failed, 2 not run");
    }
}
