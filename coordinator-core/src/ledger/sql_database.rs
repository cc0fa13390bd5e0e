//! One SQLite database, as the ledger asks it.

use serde::Serialize;

use super::store_failure::StoreFailure;

/// A value that goes into a statement or comes out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// One SQLite database, as a [`SqlStore`] asks it.
pub trait Database {
    /// Runs statements with semicolons between; values belong to the last of them. Gives the first
    /// column of every row that it answers.
    ///
    /// Whatever goes wrong becomes the text of the failure, in which no value may stand.
    fn run(&self, statements: &str, values: &[SqlValue]) -> Result<Vec<SqlValue>, String>;
}

/// The database refused a statement, or holds something that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the workspace's database failed: {cause}")]
pub struct SqlFailure {
    cause: String,
    is_unreadable_row: bool,
}

impl SqlFailure {
    pub(super) fn of(cause: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            is_unreadable_row: false,
        }
    }

    pub(super) fn unreadable(cause: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            is_unreadable_row: true,
        }
    }
}

impl StoreFailure for SqlFailure {
    fn is_unreadable_row(&self) -> bool {
        self.is_unreadable_row
    }
}

impl From<i64> for SqlValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for SqlValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Largest number that JavaScript carries exactly (2^53 - 1).
const MAX_SEQ: u64 = 9_007_199_254_740_991;

pub(super) fn seq_value(seq: u64) -> Result<SqlValue, SqlFailure> {
    let number = i64::try_from(seq).ok().filter(|_| seq <= MAX_SEQ);
    number
        .map(SqlValue::Integer)
        .ok_or_else(|| SqlFailure::of("a number is too large"))
}

pub(super) fn index_value(index: usize) -> SqlValue {
    SqlValue::Integer(i64::try_from(index).unwrap_or(i64::MAX))
}

pub(super) fn json(record: &impl Serialize) -> Result<SqlValue, SqlFailure> {
    serde_json::to_string(record)
        .map(SqlValue::Text)
        .map_err(|error| SqlFailure::of(error.to_string()))
}
