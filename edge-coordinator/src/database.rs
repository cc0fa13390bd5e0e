//! The Durable Object's own SQLite, as the ledger asks it.

use syncsphere_coordinator_core::ledger::{Database, SqlStore, SqlValue};
use worker::{SqlStorage, SqlStorageValue, State};

/// The database of the object at hand.
pub(crate) struct ObjectDatabase(pub SqlStorage);

/// The rows of the object at hand.
pub(crate) fn store_of(state: &State) -> SqlStore<ObjectDatabase> {
    SqlStore::new(ObjectDatabase(state.storage().sql()))
}

impl Database for ObjectDatabase {
    /// Rows are read as plain values, since the binding's typed readers let JavaScript errors escape.
    fn run(&self, statements: &str, values: &[SqlValue]) -> Result<Vec<SqlValue>, String> {
        let values = values
            .iter()
            .map(|value| match value {
                SqlValue::Null => Ok(SqlStorageValue::Null),
                SqlValue::Integer(number) => {
                    SqlStorageValue::try_from_i64(*number).map_err(|error| error.to_string())
                }
                SqlValue::Text(text) => Ok(SqlStorageValue::String(text.clone())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let cursor = self
            .0
            .exec(statements, values)
            .map_err(|error| error.to_string())?;
        cursor
            .raw()
            .map(
                |row| match row.map_err(|error| error.to_string())?.into_iter().next() {
                    None | Some(SqlStorageValue::Null) => Ok(SqlValue::Null),
                    Some(SqlStorageValue::String(text)) => Ok(SqlValue::Text(text)),
                    Some(SqlStorageValue::Integer(number)) => Ok(SqlValue::Integer(number)),
                    // SQLite's integers arrive as JavaScript numbers, exact up to 2^53.
                    #[allow(clippy::cast_possible_truncation)]
                    Some(SqlStorageValue::Float(number)) => Ok(SqlValue::Integer(number as i64)),
                    Some(SqlStorageValue::Boolean(_) | SqlStorageValue::Blob(_)) => {
                        Err("a column is neither text nor number".to_owned())
                    }
                },
            )
            .collect()
    }
}
