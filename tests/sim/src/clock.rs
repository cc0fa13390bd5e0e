//! The wall clock that every run begins at.

/// In milliseconds since 1970 (2026-11-24).
pub(crate) const EPOCH_MS: i64 = 1_795_500_000_000;
