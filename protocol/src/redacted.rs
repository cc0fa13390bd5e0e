use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A value that must never show in logs: `Debug` prints a placeholder, and there is no `Display`.
///
/// On the wire it is the plain value.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transparent, inline))]
pub struct Redacted<T>(pub T);

impl<T> Redacted<T> {
    /// The value itself; the caller now answers for where it goes.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Redacted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Redacted<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let name: Redacted<String> = "secret plans.mov".into();
        assert_eq!(format!("{name:?}"), "[redacted]");
    }

    #[test]
    fn the_wire_carries_the_plain_value() -> Result<(), serde_json::Error> {
        let name: Redacted<String> = "a".into();
        assert_eq!(serde_json::to_string(&name)?, "\"a\"");
        assert_eq!(serde_json::from_str::<Redacted<String>>("\"a\"")?, name);
        Ok(())
    }
}
