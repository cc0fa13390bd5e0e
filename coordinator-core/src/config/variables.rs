//! Reading one variable: its form, its limits, and how it is complained of.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A variable is missing or wrong. Neither its value nor any part of it is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {variable} {reason}")]
pub struct ConfigError {
    /// Which variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub reason: Cow<'static, str>,
}

/// The variables as they were given; an absent one and an empty one are the same.
pub(super) struct Vars<'a>(pub(super) &'a BTreeMap<String, String>);

impl<'a> Vars<'a> {
    pub(super) fn optional(&self, variable: &'static str) -> Option<&'a str> {
        self.0
            .get(variable)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Which of a variable's two names to read: the former one where only that is set.
    pub(super) fn current(&self, (name, former): (&'static str, &'static str)) -> &'static str {
        match (self.optional(name), self.optional(former)) {
            (None, Some(_)) => former,
            _ => name,
        }
    }

    pub(super) fn required(&self, variable: &'static str) -> Result<&'a str, ConfigError> {
        self.optional(variable).ok_or_else(|| ConfigError {
            variable,
            reason: "is missing".into(),
        })
    }

    /// One of `choices`; the first is the default.
    pub(super) fn choice<T: Copy>(
        &self,
        variable: &'static str,
        reason: &'static str,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let chosen = match self.optional(variable) {
            None => choices.first(),
            Some(value) => choices.iter().find(|(name, _)| *name == value),
        };
        chosen.map(|(_, choice)| *choice).ok_or_else(|| ConfigError {
            variable,
            reason: reason.into(),
        })
    }

    pub(super) fn number(
        &self,
        variable: &'static str,
        reason: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, ConfigError> {
        let number = self.optional_number(variable, reason, range)?;
        Ok(number.unwrap_or(default))
    }

    pub(super) fn optional_number(
        &self,
        variable: &'static str,
        reason: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let parsed = self.optional(variable).map(|text| {
            text.parse()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| ConfigError {
                    variable,
                    reason: reason.into(),
                })
        });
        parsed.transpose()
    }

    pub(super) fn seconds(
        &self,
        variable: &'static str,
        reason: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, ConfigError> {
        self.number(variable, reason, range, default)
            .map(Duration::from_secs)
    }
}
