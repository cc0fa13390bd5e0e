//! Three clocks that have to agree: this machine's, the coordinator's, storage's.

use jiff::Timestamp;
use syncsphere_protocol::UploadGrant;

use super::browser::Answer;
use super::report::Report;

// Clocks that differ by more are worth a look, and beyond the second limit storage refuses signatures.
// Source: the leeway for tokens, docs/api.md; 15 minutes,
// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, RequestTimeTooSkewed
const NOTABLE_SKEW_SECONDS: i64 = 60;
const FATAL_SKEW_SECONDS: i64 = 15 * 60;

/// The coordinator's time is what its reply counts from, to the second.
fn coordinator_time(grant: &UploadGrant) -> Option<i64> {
    let expires: Timestamp = grant.expires_at.as_str().parse().ok()?;
    expires.as_second().checked_sub_unsigned(grant.expires_in)
}

/// The coordinator's clock against this machine's.
pub fn coordinator(grant: &UploadGrant, report: &mut Report) {
    let Some(theirs) = coordinator_time(grant) else {
        return;
    };
    let skew = theirs.saturating_sub(Timestamp::now().as_second());
    match classify(skew) {
        Skew::None => report.ok("clock", "the coordinator's clock and this machine's agree"),
        Skew::Notable | Skew::Fatal => report.warning(
            "clock",
            format!("the coordinator's clock is {} this machine's", describe(skew)),
            "set the wrong one (NTP); a coordinator's wrong clock makes tokens and URLs expire at the wrong time",
        ),
    }
}

/// Storage's clock against the coordinator's.
pub fn storage(answer: &Answer, grant: &UploadGrant, report: &mut Report) {
    let date = answer
        .header("date")
        .and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let (Some(date), Some(coordinator)) = (date, coordinator_time(grant)) else {
        report.ok("storage-clock", "storage tells no time");
        return;
    };
    let skew = date.timestamp().as_second().saturating_sub(coordinator);
    match classify(skew) {
        Skew::None => report.ok("storage-clock", "storage's clock and the coordinator's agree"),
        Skew::Notable => report.warning(
            "storage-clock",
            format!("storage's clock is {} the coordinator's", describe(skew)),
            "set the wrong one (NTP); beyond 15 minutes storage refuses every signature",
        ),
        Skew::Fatal => report.failure(
            "storage-clock",
            format!(
                "storage's clock is {} the coordinator's, so that it may refuse every signature",
                describe(skew)
            ),
            "set the wrong one (NTP)",
        ),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Skew {
    None,
    Notable,
    Fatal,
}

fn classify(seconds: i64) -> Skew {
    match seconds.saturating_abs() {
        apart if apart >= FATAL_SKEW_SECONDS => Skew::Fatal,
        apart if apart > NOTABLE_SKEW_SECONDS => Skew::Notable,
        _ => Skew::None,
    }
}

fn describe(seconds: i64) -> String {
    let side = if seconds > 0 { "ahead of" } else { "behind" };
    format!("{} s {side}", seconds.saturating_abs())
}

#[cfg(test)]
mod tests {
    use super::{Skew, classify};

    #[test]
    fn clocks_may_differ_by_a_minute_and_must_not_by_a_quarter_of_an_hour() {
        assert_eq!(classify(60), Skew::None);
        assert_eq!(classify(-61), Skew::Notable);
        assert_eq!(classify(899), Skew::Notable);
        assert_eq!(classify(-900), Skew::Fatal);
    }
}
