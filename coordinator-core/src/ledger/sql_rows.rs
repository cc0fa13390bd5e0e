//! Reading rows. One that cannot be read, such as one that another release has written, is noted and passed over, so that
//! nothing waits behind it.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use syncsphere_protocol::UnreadableRow;

use super::sql_database::{Database, SqlFailure, SqlValue};

/// How long a job that cannot be read waits before it is tried again, in milliseconds. Source: own choice; by then another
/// release may be there.
const UNREADABLE_JOB_PAUSE_MS: i64 = 60 * 60 * 1000;

/// Tables whose keys are somebody's own words, or hold them, and are not shown.
const PRIVATE: [&str; 2] = ["idempotency", "usage"];

pub(super) type Outcome<T> = Result<T, SqlFailure>;

/// The rows of one database.
#[derive(Debug, Clone)]
pub(super) struct Rows<D> {
    pub database: D,
}

/// Rows in order.
pub(super) struct Page<'a> {
    /// Where they are kept.
    pub table: &'static str,
    /// Their key.
    pub row: &'static str,
    /// What is read of each.
    pub document: &'a str,
    /// Tables and conditions.
    pub from: &'a str,
    /// Order and limit.
    pub order: &'a str,
    pub values: Vec<SqlValue>,
}

impl<D: Database> Rows<D> {
    /// The rows of a page that can be read: as many as it may have, if there are so many.
    pub(super) fn page<T: DeserializeOwned>(&self, page: &Page<'_>) -> Outcome<Vec<T>> {
        let Page {
            table,
            row,
            document,
            from,
            order,
            values,
        } = page;
        let mut passed_over = String::new();
        loop {
            let rows = format!("FROM {from} {passed_over} ORDER BY {order}");
            let read = self.read(&format!("SELECT {document} {rows}"), values.clone())?;
            if read.iter().all(Result::is_ok) {
                return Ok(read.into_iter().flatten().collect());
            }
            let keys = self.column(&format!("SELECT {row} {rows}"), values.clone())?;
            for (key, read) in keys.iter().zip(&read) {
                if let Err(cause) = read {
                    self.note_unreadable(table, key.clone(), cause)?;
                }
            }
            // Each round notes one row more at least, and reads no row that is noted.
            passed_over = format!("AND {row} NOT IN (SELECT row FROM unreadable WHERE source = '{table}')");
        }
    }

    /// The one row that a query finds. One that cannot be read is noted, and an error.
    pub(super) fn document<T: DeserializeOwned>(
        &self,
        table: &'static str,
        query: &str,
        key: impl Into<SqlValue>,
    ) -> Outcome<Option<T>> {
        let key = key.into();
        match self.read(query, vec![key.clone()])?.pop() {
            None => Ok(None),
            Some(Ok(record)) => Ok(Some(record)),
            Some(Err(cause)) => {
                self.note_unreadable(table, key, &cause)?;
                Err(SqlFailure::unreadable(cause))
            }
        }
    }

    /// Each row that a query finds, or why it cannot be read: never by its own words.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        query: &str,
        values: Vec<SqlValue>,
    ) -> Outcome<Vec<Result<T, String>>> {
        let column = self.column(query, values)?.into_iter();
        let rows = column.map(|value| match value {
            SqlValue::Text(text) => serde_json::from_str(&text).map_err(|error| {
                let what = match error.classify() {
                    Category::Data => "has another form",
                    Category::Io | Category::Syntax | Category::Eof => "is no JSON",
                };
                format!("it {what} (column {})", error.column())
            }),
            SqlValue::Integer(_) | SqlValue::Null => Err("it is no text".to_owned()),
        });
        Ok(rows.collect())
    }

    /// Lets a job wait that cannot be read.
    pub(super) fn put_off_unreadable_job(&self, id: &str, now_ms: i64, cause: &str) -> Outcome<()> {
        self.note_unreadable("chores", id.into(), cause)?;
        let due_ms = now_ms.saturating_add(UNREADABLE_JOB_PAUSE_MS);
        self.run(
            "UPDATE chores SET due_ms = ? WHERE id = ?",
            vec![due_ms.into(), id.into()],
        )
    }

    fn note_unreadable(&self, table: &'static str, row: SqlValue, cause: &str) -> Outcome<()> {
        self.run(
            "INSERT INTO unreadable (source, row, cause) VALUES (?, ?, ?) ON CONFLICT (source, row) DO NOTHING",
            vec![table.into(), row, cause.into()],
        )
    }

    /// How many rows have been noted, and the last of them.
    pub(super) fn noted(&self) -> Outcome<(u64, Option<UnreadableRow>)> {
        // They are numbered from 1, and go all at once.
        let Some(newest) = self.number("SELECT max(id) FROM unreadable", vec![])? else {
            return Ok((0, None));
        };
        let field = |column: &str| {
            let query = format!("SELECT {column} FROM unreadable WHERE id = ?");
            let text = self.texts(&query, vec![newest.into()])?.pop();
            Ok(text.unwrap_or_default())
        };
        let (table, row) = (field("source")?, field("CAST(row AS TEXT)")?);
        let is_private = PRIVATE.contains(&table.as_str()) || row.starts_with("forget:");
        let last = UnreadableRow {
            row: Some(row).filter(|_| !is_private),
            cause: field("cause")?,
            table,
        };
        Ok((u64::try_from(newest).unwrap_or(0), Some(last)))
    }

    pub(super) fn run(&self, statements: &str, values: Vec<SqlValue>) -> Outcome<()> {
        self.column(statements, values).map(drop)
    }

    pub(super) fn column(&self, query: &str, values: Vec<SqlValue>) -> Outcome<Vec<SqlValue>> {
        self.database.run(query, &values).map_err(SqlFailure::of)
    }

    pub(super) fn texts(&self, query: &str, values: Vec<SqlValue>) -> Outcome<Vec<String>> {
        let column = self.column(query, values)?.into_iter();
        column
            .map(|value| match value {
                SqlValue::Text(text) => Ok(text),
                _ => Err(SqlFailure::of("a column is no text")),
            })
            .collect()
    }

    pub(super) fn number(&self, query: &str, values: Vec<SqlValue>) -> Outcome<Option<i64>> {
        match self.column(query, values)?.pop() {
            None | Some(SqlValue::Null) => Ok(None),
            Some(SqlValue::Integer(number)) => Ok(Some(number)),
            Some(SqlValue::Text(_)) => Err(SqlFailure::of("a column is no number")),
        }
    }
}
