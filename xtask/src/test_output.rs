//! Reads what test programs say: libtest's lines, wasm-bindgen's, and the TAP of Node.

use crate::outcome::Outcome;

/// `test result: FAILED. 3 passed; 1 failed; …` of libtest and of wasm-bindgen's runner.
pub fn closing_counts(line: &str) -> Option<(u64, u64)> {
    let counts = line.trim_start().strip_prefix("test result: ")?;
    let count = |what: &str| -> Option<u64> {
        let before = counts.split(what).next()?.trim_end();
        before
            .rsplit(|character: char| !character.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    Some((count(" passed")?, count(" failed")?))
}

/// `test some::name ... FAILED`.
pub fn failed_test(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix("test ")?;
    let (name, verdict) = name.split_once(" ... ")?;
    verdict.trim_start().starts_with("FAIL").then_some(name)
}

/// Counts and names of `node --test`, of its TAP.
pub fn tap_outcome(tap: &str) -> Outcome {
    let count = |what: &str| -> u64 {
        let line = tap.lines().rev().find_map(|line| line.strip_prefix(what));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    };
    let failures = count("# fail ") + count("# cancelled ");
    let mut failed: Vec<_> = tap
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("not ok "))
        .filter_map(|line| line.split_once(" - "))
        .map(|(_, name)| name.to_owned())
        .collect();
    // Parents of a failed test are reported as failed before the closing counts, which leave them out.
    failed.truncate(usize::try_from(failures).unwrap_or(usize::MAX));
    for number in failed.len() as u64..failures {
        failed.push(format!("unnamed test {}", number + 1));
    }
    Outcome {
        passed: count("# pass "),
        failed,
        not_run: tap.lines().filter_map(skipped_test).map(str::to_owned).collect(),
    }
}

/// `ok 3 - some name # SKIP for this reason`, where it stands for no group of tests.
fn skipped_test(line: &str) -> Option<&str> {
    let (_, told) = line.trim_start().strip_prefix("ok ")?.split_once(" - ")?;
    told.contains(" # SKIP").then_some(told)
}

#[cfg(test)]
mod tests {
    use super::{closing_counts, failed_test, tap_outcome};

    #[test]
    fn reads_the_closing_lines_of_cargo_and_of_the_wasm_runner() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.10s";
        assert_eq!(closing_counts(line), Some((12, 3)));
        assert_eq!(
            closing_counts("test result: ok. 1 passed; 0 failed; 0 ignored; 0 filtered out"),
            Some((1, 0))
        );
        assert_eq!(closing_counts("test parser::reads ... ok"), None);
    }

    #[test]
    fn reads_the_names_of_failed_tests() {
        assert_eq!(
            failed_test("test parser::reads ... FAILED"),
            Some("parser::reads")
        );
        assert_eq!(failed_test("test parser::reads ... ok"), None);
        assert_eq!(failed_test("test result: ok. 1 passed; 0 failed"), None);
    }

    #[test]
    fn reads_the_counts_and_names_of_node() {
        let tap = "TAP version 13\n# Subtest: a\n    not ok 1 - inner\nnot ok 1 - a\nok 2 - b\n1..2\n\
                   # tests 3\n# suites 1\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 0\n";
        let outcome = tap_outcome(tap);
        assert_eq!((outcome.passed, outcome.failed), (2, vec!["inner".to_owned()]));
        assert!(outcome.not_run.is_empty());
    }

    #[test]
    fn tests_that_node_left_out_are_named_with_the_reason() {
        let tap = "ok 1 - a\n    ok 1 - Ceph: a file # SKIP it is not installed\n# tests 2\n# pass 1\n# fail 0\n# skipped 1\n";
        let outcome = tap_outcome(tap);
        assert_eq!(outcome.passed, 1);
        assert_eq!(outcome.not_run, ["Ceph: a file # SKIP it is not installed"]);
    }
}
