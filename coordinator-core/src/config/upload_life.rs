//! How long uploads live.

use std::time::Duration;

use super::variables::{ConfigError, Vars};

/// Default life of an open upload, in seconds (6 days).
///
/// Source: R2 aborts multipart uploads by itself after 7 days:
/// <https://developers.cloudflare.com/r2/buckets/object-lifecycles/>. Ours ends a day before.
const DEFAULT_UPLOAD_TTL_SECONDS: u64 = 6 * 86_400;

/// Longest life of an open upload, in seconds (a year). Source: own choice.
const MAX_UPLOAD_TTL_SECONDS: u64 = 366 * 86_400;

/// Default of how long an upload lives at most while parts arrive, in seconds (60 days).
///
/// Source: own choice. The largest file that `MAX_FILE_SIZE` allows by default takes 50 days at 100 Mbit/s.
const DEFAULT_UPLOAD_MAX_LIFETIME_SECONDS: u64 = 60 * 86_400;

/// Default time after an upload's last byte at which its page counts as gone, in seconds (10 minutes).
///
/// Source: own choice. A page completes within seconds, one whose network comes back within minutes: both do it themselves.
const DEFAULT_FINALIZE_AFTER_SECONDS: u64 = 600;

/// How long an upload lives unless parts arrive, and how long at most while they do.
pub(super) fn from_vars(vars: &Vars<'_>) -> Result<(Duration, Duration), ConfigError> {
    let ttl = vars.seconds(
        "UPLOAD_TTL_SECONDS",
        "has to be a whole number from 1 to 31622400",
        1..=MAX_UPLOAD_TTL_SECONDS,
        DEFAULT_UPLOAD_TTL_SECONDS,
    )?;
    let most = vars.seconds(
        "UPLOAD_MAX_LIFETIME_SECONDS",
        "has to be a whole number from UPLOAD_TTL_SECONDS to 31622400",
        ttl.as_secs()..=MAX_UPLOAD_TTL_SECONDS,
        DEFAULT_UPLOAD_MAX_LIFETIME_SECONDS.max(ttl.as_secs()),
    )?;
    Ok((ttl, most))
}

/// How long after its last byte an upload is finalized without its page.
pub(super) fn finalize_after(vars: &Vars<'_>) -> Result<Duration, ConfigError> {
    vars.seconds(
        "FINALIZE_AFTER_SECONDS",
        "has to be a whole number from 1 to 31622400",
        1..=MAX_UPLOAD_TTL_SECONDS,
        DEFAULT_FINALIZE_AFTER_SECONDS,
    )
}
