//! A workspace's ledger in the Durable Object's SQLite database.

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncsphere_coordinator_core::ledger::{Chore, Idempotent, Store, StoredFile, Upload};
use syncsphere_protocol::{Change, FileId, FileStatus, UploadId, WorkspaceId};
use worker::{SqlStorage, SqlStorageValue};

/// The schema's versions, oldest first. A version that has been deployed is never edited; a change
/// is a new one at the end.
const MIGRATIONS: &[&str] = &[
    // 1: each row is its key, what it is searched by, and the record as JSON.
    "CREATE TABLE files (id TEXT PRIMARY KEY, created_seq INTEGER NOT NULL UNIQUE, status TEXT NOT NULL, \
        doc TEXT NOT NULL) WITHOUT ROWID;
     CREATE INDEX files_by_status ON files (status, created_seq DESC);
     CREATE TABLE uploads (id TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE changes (seq INTEGER PRIMARY KEY, doc TEXT NOT NULL);
     CREATE TABLE idempotency (id TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE chores (id TEXT PRIMARY KEY, due_ms INTEGER NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
     CREATE INDEX chores_by_due ON chores (due_ms);
     CREATE TABLE identity (workspace TEXT NOT NULL);",
    // 2: what each owner's files come to, as text, since the binding's numbers end at 2^53.
    "CREATE TABLE usage (owner TEXT PRIMARY KEY, bytes TEXT NOT NULL) WITHOUT ROWID;
     INSERT INTO usage (owner, bytes) \
        SELECT owner, CAST(sum(size) AS TEXT) FROM ( \
            SELECT json_extract(doc, '$.record.owner') AS owner, json_extract(doc, '$.record.size') AS size \
                FROM files WHERE status IN ('uploading', 'available') \
            UNION ALL \
            SELECT json_extract(doc, '$.file.owner'), json_extract(doc, '$.file.size') \
                FROM uploads WHERE json_extract(doc, '$.phase.name') = 'starting') \
        GROUP BY owner;",
];

/// The rows of one workspace.
pub(crate) struct SqlStore {
    sql: SqlStorage,
}

/// The database refused a statement, or holds something that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the workspace's database failed: {0}")]
pub(crate) struct SqlFailure(String);

type Outcome<T> = Result<T, SqlFailure>;

impl SqlStore {
    pub(crate) fn new(sql: SqlStorage) -> Self {
        Self { sql }
    }

    /// Brings the schema up to date. Cheap when it is.
    pub(crate) fn migrate(&self) -> Outcome<()> {
        self.run(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)",
            vec![],
        )?;
        let version = self
            .number("SELECT max(version) FROM schema_version", vec![])?
            .unwrap_or(0);
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
            self.run(migration, vec![])?;
            let version = index_value(index.saturating_add(1));
            self.run("INSERT INTO schema_version (version) VALUES (?)", vec![version])?;
        }
        Ok(())
    }

    /// Which workspace this is: told by the first call, needed by the alarm.
    pub(crate) fn identity(&self) -> Outcome<Option<WorkspaceId>> {
        let text = self
            .texts("SELECT workspace FROM identity LIMIT 1", vec![])?
            .pop();
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Writes down which workspace this is.
    pub(crate) fn set_identity(&self, workspace: &WorkspaceId) -> Outcome<()> {
        self.run(
            "INSERT INTO identity (workspace) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)",
            vec![workspace.as_str().into()],
        )
    }

    fn run(&self, statement: &str, values: Vec<SqlStorageValue>) -> Outcome<()> {
        self.sql.exec(statement, values).map(drop).map_err(failed)
    }

    /// The first column of every row. Rows are read as plain values, since the typed readers let
    /// JavaScript errors escape.
    fn column(&self, query: &str, values: Vec<SqlStorageValue>) -> Outcome<Vec<SqlStorageValue>> {
        let cursor = self.sql.exec(query, values).map_err(failed)?;
        cursor
            .raw()
            .map(|row| {
                let row = row.map_err(failed)?;
                row.into_iter()
                    .next()
                    .ok_or_else(|| SqlFailure("an empty row".to_owned()))
            })
            .collect()
    }

    fn texts(&self, query: &str, values: Vec<SqlStorageValue>) -> Outcome<Vec<String>> {
        let column = self.column(query, values)?.into_iter();
        column
            .map(|value| match value {
                SqlStorageValue::String(text) => Ok(text),
                _ => Err(SqlFailure("a column is no text".to_owned())),
            })
            .collect()
    }

    fn number(&self, query: &str, values: Vec<SqlStorageValue>) -> Outcome<Option<i64>> {
        match self.column(query, values)?.pop() {
            None | Some(SqlStorageValue::Null) => Ok(None),
            Some(SqlStorageValue::Integer(number)) => Ok(Some(number)),
            // SQLite's integers arrive as JavaScript numbers, exact up to 2^53.
            #[allow(clippy::cast_possible_truncation)]
            Some(SqlStorageValue::Float(number)) => Ok(Some(number as i64)),
            Some(_) => Err(SqlFailure("a column is no number".to_owned())),
        }
    }

    fn documents<T: DeserializeOwned>(&self, query: &str, values: Vec<SqlStorageValue>) -> Outcome<Vec<T>> {
        let texts = self.texts(query, values)?;
        texts
            .iter()
            .map(|text| serde_json::from_str(text).map_err(|error| SqlFailure(error.to_string())))
            .collect()
    }

    fn document<T: DeserializeOwned>(&self, query: &str, id: &str) -> Outcome<Option<T>> {
        Ok(self.documents(query, vec![id.into()])?.pop())
    }
}

impl Store for SqlStore {
    type Error = SqlFailure;

    fn newest_seq(&self) -> Outcome<u64> {
        let newest = self.number("SELECT max(seq) FROM changes", vec![])?;
        Ok(newest.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0))
    }

    fn oldest_seq(&self) -> Outcome<Option<u64>> {
        let oldest = self.number("SELECT min(seq) FROM changes", vec![])?;
        Ok(oldest.and_then(|seq| u64::try_from(seq).ok()))
    }

    fn append(&mut self, change: &Change) -> Outcome<()> {
        self.run(
            "INSERT INTO changes (seq, doc) VALUES (?, ?)",
            vec![seq_value(change.seq)?, json(change)?],
        )
    }

    fn changes(&self, since: u64, limit: u32) -> Outcome<Vec<Change>> {
        self.documents(
            "SELECT doc FROM changes WHERE seq > ? ORDER BY seq LIMIT ?",
            vec![seq_value(since)?, i64::from(limit).into()],
        )
    }

    fn file(&self, id: &FileId) -> Outcome<Option<StoredFile>> {
        self.document("SELECT doc FROM files WHERE id = ?", id.as_str())
    }

    fn put_file(&mut self, file: &StoredFile) -> Outcome<()> {
        self.run(
            "INSERT INTO files (id, created_seq, status, doc) VALUES (?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, doc = excluded.doc",
            vec![
                file.record.file_id.as_str().into(),
                seq_value(file.created_seq)?,
                file.record.status.as_str().into(),
                json(file)?,
            ],
        )
    }

    fn files(&self, before: Option<u64>, statuses: &[FileStatus], limit: u32) -> Outcome<Vec<StoredFile>> {
        if statuses.is_empty() {
            return Ok(Vec::new());
        }
        let places = vec!["?"; statuses.len()].join(", ");
        let query = format!(
            "SELECT doc FROM files WHERE created_seq < ? AND status IN ({places}) \
             ORDER BY created_seq DESC LIMIT ?"
        );
        let mut values = vec![seq_value(before.unwrap_or(MAX_SEQ))?];
        values.extend(statuses.iter().map(|status| status.as_str().into()));
        values.push(i64::from(limit).into());
        self.documents(&query, values)
    }

    fn upload(&self, id: &UploadId) -> Outcome<Option<Upload>> {
        self.document("SELECT doc FROM uploads WHERE id = ?", id.as_str())
    }

    fn put_upload(&mut self, upload: &Upload) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO uploads (id, doc) VALUES (?, ?)",
            vec![upload.upload_id.as_str().into(), json(upload)?],
        )
    }

    fn remove_upload(&mut self, id: &UploadId) -> Outcome<()> {
        self.run("DELETE FROM uploads WHERE id = ?", vec![id.as_str().into()])
    }

    fn usage(&self, owner: &str) -> Outcome<u64> {
        let query = "SELECT bytes FROM usage WHERE owner = ?";
        match self.texts(query, vec![owner.into()])?.pop() {
            None => Ok(0),
            Some(text) => text
                .parse()
                .map_err(|_| SqlFailure("a usage is no number".to_owned())),
        }
    }

    fn put_usage(&mut self, owner: &str, bytes: u64) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO usage (owner, bytes) VALUES (?, ?)",
            vec![owner.into(), bytes.to_string().into()],
        )
    }

    fn idempotent(&self, key: &str) -> Outcome<Option<Idempotent>> {
        self.document("SELECT doc FROM idempotency WHERE id = ?", key)
    }

    fn put_idempotent(&mut self, key: &str, used: &Idempotent) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO idempotency (id, doc) VALUES (?, ?)",
            vec![key.into(), json(used)?],
        )
    }

    fn remove_idempotent(&mut self, key: &str) -> Outcome<()> {
        self.run("DELETE FROM idempotency WHERE id = ?", vec![key.into()])
    }

    fn chore(&self, id: &str) -> Outcome<Option<Chore>> {
        self.document("SELECT doc FROM chores WHERE id = ?", id)
    }

    fn put_chore(&mut self, chore: &Chore) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO chores (id, due_ms, doc) VALUES (?, ?, ?)",
            vec![chore.id.as_str().into(), chore.due_ms.into(), json(chore)?],
        )
    }

    fn remove_chore(&mut self, id: &str) -> Outcome<()> {
        self.run("DELETE FROM chores WHERE id = ?", vec![id.into()])
    }

    fn due_chores(&self, now_ms: i64, limit: u32) -> Outcome<Vec<Chore>> {
        self.documents(
            "SELECT doc FROM chores WHERE due_ms <= ? ORDER BY due_ms LIMIT ?",
            vec![now_ms.into(), i64::from(limit).into()],
        )
    }

    fn next_due(&self) -> Outcome<Option<i64>> {
        self.number("SELECT min(due_ms) FROM chores", vec![])
    }
}

/// Largest number that the binding carries exactly (2^53 - 1).
const MAX_SEQ: u64 = 9_007_199_254_740_991;

fn seq_value(seq: u64) -> Outcome<SqlStorageValue> {
    let number = i64::try_from(seq).map_err(|_| SqlFailure("a number is too large".to_owned()))?;
    SqlStorageValue::try_from_i64(number).map_err(failed)
}

fn index_value(index: usize) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(index).unwrap_or(i64::MAX))
}

fn json(record: &impl Serialize) -> Outcome<SqlStorageValue> {
    serde_json::to_string(record)
        .map(SqlStorageValue::String)
        .map_err(|error| SqlFailure(error.to_string()))
}

fn failed(error: worker::Error) -> SqlFailure {
    SqlFailure(error.to_string())
}
