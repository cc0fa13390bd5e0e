//! How many versions of a file are kept, and for how long.

use super::variables::{ConfigError, Vars};

/// Most versions of a file that an operator may have kept. Source: own choice; above it they are as good as all.
const MAX_KEPT: u64 = 10_000;

/// Longest time that older versions are kept, in days (100 years). Source: own choice.
const MAX_DAYS: u64 = 36_525;

/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

/// Which versions of a file are kept besides the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VersionsKept {
    /// How many, the newest included; `None`: all.
    pub count: Option<u64>,
    /// How long after a newer one has taken their place, in milliseconds; `None`: for ever.
    pub max_age_ms: Option<i64>,
}

impl VersionsKept {
    pub(super) fn from_vars(vars: &Vars<'_>) -> Result<Self, ConfigError> {
        let count = vars.optional_number(
            "VERSIONS_KEEP",
            "has to be a whole number from 1 to 10000",
            1..=MAX_KEPT,
        )?;
        let days = vars.optional_number(
            "VERSIONS_MAX_AGE_DAYS",
            "has to be a whole number from 1 to 36525",
            1..=MAX_DAYS,
        )?;
        let max_age_ms = |days| i64::try_from(days).map_or(i64::MAX, |days| days.saturating_mul(DAY_MS));
        Ok(Self {
            count,
            max_age_ms: days.map(max_age_ms),
        })
    }
}
