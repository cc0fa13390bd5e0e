//! What was found, for people and for programs.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

/// The findings of one examination. Lines are shown as they come.
pub struct Report {
    json: bool,
    findings: Vec<Finding>,
    secrets: Vec<String>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failure,
}

impl Report {
    /// Nothing found yet.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            findings: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// From now on this text is not shown, even where a server repeats it.
    pub fn keep_secret(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
    }

    /// It is as it should be.
    pub fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Verdict::Ok, detail.into(), None);
    }

    /// It works, but should be looked at.
    pub fn warning(&mut self, check: &'static str, detail: impl Into<String>, cure: impl Into<String>) {
        self.add(check, Verdict::Warning, detail.into(), Some(cure.into()));
    }

    /// It does not work, and how to mend it.
    pub fn failure(&mut self, check: &'static str, detail: impl Into<String>, cure: impl Into<String>) {
        self.add(check, Verdict::Failure, detail.into(), Some(cure.into()));
    }

    /// Shows the end of the examination; fails where there was a failure.
    pub fn end(&self, endpoint: &str) -> Result<ExitCode> {
        let count = |verdict| {
            self.findings
                .iter()
                .filter(|finding| finding.verdict == verdict)
                .count()
        };
        let failures = count(Verdict::Failure);
        if self.json {
            let healthy = failures == 0;
            let told =
                serde_json::json!({ "endpoint": endpoint, "healthy": healthy, "findings": self.findings });
            println!("{told}");
        } else {
            println!(
                "{endpoint}: {} ok, {} warnings, {failures} failures",
                count(Verdict::Ok),
                count(Verdict::Warning)
            );
        }
        Ok(if failures == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn add(&mut self, check: &'static str, verdict: Verdict, detail: String, cure: Option<String>) {
        let finding = Finding {
            check,
            verdict,
            detail: self.showable(&detail),
            cure: cure.map(|cure| self.showable(&cure)),
        };
        if !self.json {
            println!("{}", finding.line());
        }
        self.findings.push(finding);
    }

    /// On one line, of bounded length, and without secrets.
    fn showable(&self, text: &str) -> String {
        let mut text: String = text
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "…");
        }
        // A signed URL is worth as much as a token until it expires.
        let mut words: Vec<&str> = text.split(' ').collect();
        for word in &mut words {
            if word.to_ascii_lowercase().contains("x-amz-signature") {
                *word = "…";
            }
        }
        words.join(" ").chars().take(LONGEST).collect()
    }
}

// Longest text of a finding. Source: own choice; ours have at most 300, the rest bounds what a server says.
const LONGEST: usize = 500;

impl Finding {
    fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failure => "FAILURE",
        };
        let cure = self
            .cure
            .as_ref()
            .map(|cure| format!(". To mend it: {cure}"))
            .unwrap_or_default();
        format!("{verdict:<8} {:<18} {}{cure}", self.check, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn secrets_and_signed_urls_are_not_shown_whatever_a_server_says() {
        let mut report = Report::new(true);
        report.keep_secret("token-of-somebody");
        report.failure(
            "health",
            "it said\ntoken-of-somebody and https://s3.example/k?a=1&X-Amz-Signature=abc",
            "none",
        );
        let shown = serde_json::to_string(&report.findings).unwrap();
        assert!(shown.contains("it said … and …"), "{shown}");
    }

    #[test]
    fn a_line_names_the_check_the_finding_and_the_cure() {
        let mut report = Report::new(true);
        report.warning("guests", "anybody gets a token", "set AUTH_GUEST=off");
        assert_eq!(
            report.findings[0].line(),
            "warning  guests             anybody gets a token. To mend it: set AUTH_GUEST=off"
        );
    }
}
