use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A point in time, as RFC 3339 text in UTC.
///
/// It is text because only the coordinator ever computes with time: clients show it, and count
/// lifetimes from the `expiresIn` beside it, so that a wrong client clock does no harm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transparent))]
pub struct Timestamp(String);

impl Timestamp {
    /// From milliseconds since 1970-01-01T00:00:00Z; a value outside the calendar's range is held
    /// at the range's end.
    pub fn from_unix_millis(millis: i64) -> Self {
        let end = if millis < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(end);
        Self(format!("{moment:.3}"))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, if the text is a time.
    pub fn to_unix_millis(&self) -> Option<i64> {
        let moment: jiff::Timestamp = self.0.parse().ok()?;
        Some(moment.as_millisecond())
    }

    /// The text of a reply, as it is.
    pub fn from_wire(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no time with a time zone as RFC 3339 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written like 2026-11-24T12:00:00Z")]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads RFC 3339 with any offset; what is finer than a millisecond is left out.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Self::from_unix_millis(moment.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn milliseconds_become_rfc_3339_of_fixed_width() {
        // Fixed width keeps text order and time order the same.
        assert_eq!(
            Timestamp::from_unix_millis(0).as_str(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_unix_millis(1_795_521_600_042).as_str(),
            "2026-11-24T12:00:00.042Z"
        );
    }

    #[test]
    fn a_time_is_read_with_any_offset_and_held_in_utc() {
        let read = |text: &str| text.parse::<Timestamp>().map(|time| time.0);
        let noon = "2026-11-24T12:00:00.042Z";
        assert_eq!(read(noon).as_deref(), Ok(noon));
        assert_eq!(read("2026-11-24T14:00:00.042999+02:00").as_deref(), Ok(noon));
        assert_eq!(
            read("2026-11-24t12:00:00z").as_deref(),
            Ok("2026-11-24T12:00:00.000Z")
        );
        for bad in [
            "",
            "2026-11-24",
            "2026-11-24T12:00:00",
            "yesterday",
            "2026-13-24T12:00:00Z",
        ] {
            assert_eq!(read(bad), Err(InvalidTimestamp), "{bad}");
        }
        assert_eq!(Timestamp::from_unix_millis(42).to_unix_millis(), Some(42));
    }

    #[test]
    fn values_beyond_the_calendar_are_held_at_its_end() {
        assert!(
            Timestamp::from_unix_millis(i64::MAX)
                .as_str()
                .starts_with("9999-12-30")
        );
    }
}
