use serde::Serialize;
use serde::de::DeserializeOwned;
use syncsphere_protocol::{Change, FileId, UploadId, WorkspaceId};

use super::jobs::Job;
use super::listing::{FileQuery, FileRange};
use super::replication::ReplicationState;
use super::schema::MIGRATIONS;
use super::states::Upload;
use super::store::{IdempotencyRecord, Store, StoredFile, Usage};

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

/// The rows of one workspace in SQLite: each row is its key, what it is searched by, and the record
/// as JSON.
#[derive(Debug, Clone)]
pub struct SqlStore<D> {
    database: D,
    has_metadata_database: bool,
}

/// The database refused a statement, or holds something that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the workspace's database failed: {0}")]
pub struct SqlFailure(String);

type Outcome<T> = Result<T, SqlFailure>;

impl<D: Database> SqlStore<D> {
    /// The rows in this database, which [`SqlStore::migrate`] has to prepare. There is no metadata
    /// database that changes go to.
    pub fn new(database: D) -> Self {
        Self {
            database,
            has_metadata_database: false,
        }
    }

    /// The same with a metadata database, if there is one.
    pub fn with_metadata_database(self, has_metadata_database: bool) -> Self {
        Self {
            has_metadata_database,
            ..self
        }
    }

    /// Brings the schema up to date. Cheap when it is.
    pub fn migrate(&self) -> Outcome<()> {
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
    pub fn identity(&self) -> Outcome<Option<WorkspaceId>> {
        let text = self
            .texts("SELECT workspace FROM identity LIMIT 1", vec![])?
            .pop();
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Writes down which workspace this is.
    pub fn set_identity(&self, workspace: &WorkspaceId) -> Outcome<()> {
        self.run(
            "INSERT INTO identity (workspace) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)",
            vec![workspace.as_str().into()],
        )
    }

    fn run(&self, statements: &str, values: Vec<SqlValue>) -> Outcome<()> {
        self.column(statements, values).map(drop)
    }

    fn column(&self, query: &str, values: Vec<SqlValue>) -> Outcome<Vec<SqlValue>> {
        self.database.run(query, &values).map_err(SqlFailure)
    }

    fn texts(&self, query: &str, values: Vec<SqlValue>) -> Outcome<Vec<String>> {
        let column = self.column(query, values)?.into_iter();
        column
            .map(|value| match value {
                SqlValue::Text(text) => Ok(text),
                _ => Err(SqlFailure("a column is no text".to_owned())),
            })
            .collect()
    }

    fn number(&self, query: &str, values: Vec<SqlValue>) -> Outcome<Option<i64>> {
        match self.column(query, values)?.pop() {
            None | Some(SqlValue::Null) => Ok(None),
            Some(SqlValue::Integer(number)) => Ok(Some(number)),
            Some(SqlValue::Text(_)) => Err(SqlFailure("a column is no number".to_owned())),
        }
    }

    fn documents<T: DeserializeOwned>(&self, query: &str, values: Vec<SqlValue>) -> Outcome<Vec<T>> {
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

impl<D: Database> Store for SqlStore<D> {
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
        // A file's metadata never change, and are kept with the file alone, which stays as long as a change of it.
        let mut kept = change.clone();
        kept.file.metadata = Default::default();
        self.run(
            "INSERT INTO changes (seq, doc) VALUES (?, ?)",
            vec![seq_value(change.seq)?, json(&kept)?],
        )
    }

    fn changes(&self, since: u64, limit: u32) -> Outcome<Vec<Change>> {
        self.documents(
            &format!(
                "SELECT {WHOLE_CHANGE} FROM changes {FILE_OF_CHANGE} WHERE seq > ? ORDER BY seq LIMIT ?"
            ),
            vec![seq_value(since)?, i64::from(limit).into()],
        )
    }

    fn remove_changes(&mut self, through: u64) -> Outcome<()> {
        self.run("DELETE FROM changes WHERE seq <= ?", vec![seq_value(through)?])
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

    fn remove_file(&mut self, id: &FileId) -> Outcome<()> {
        self.run("DELETE FROM files WHERE id = ?", vec![id.as_str().into()])
    }

    fn files(&self, query: &FileQuery<'_>) -> Outcome<Vec<StoredFile>> {
        // SQLite knows nothing of how the rows are spread, and takes another index where it may choose.
        let index = match (query.path, query.range) {
            (None, FileRange::Newest { .. }) => "files_by_time",
            (None, FileRange::Names { .. }) => "files_by_name",
            (Some(_), FileRange::Newest { .. }) => "files_of_path_by_time",
            (Some(_), FileRange::Names { .. }) => "files_of_path_by_name",
        };
        let mut values = vec![query.status.as_str().into()];
        let of_path = match query.path {
            None => "",
            Some(path) => {
                values.push(path.into());
                "AND path = ? "
            }
        };
        let range = match query.range {
            FileRange::Newest { from, before } => {
                values.extend([from.into(), before.0.into(), seq_value(before.1)?]);
                "AND created_at >= ? AND (created_at, created_seq) < (?, ?) \
                 ORDER BY created_at DESC, created_seq DESC"
            }
            FileRange::Names { prefix, after } => {
                values.extend([after.0.into(), seq_value(after.1)?, end_of(prefix).into()]);
                "AND (name, created_seq) > (?, ?) AND name < ? ORDER BY name, created_seq"
            }
        };
        values.push(i64::from(query.limit).into());
        self.documents(
            &format!("SELECT doc FROM files INDEXED BY {index} WHERE status = ? {of_path}{range} LIMIT ?"),
            values,
        )
    }

    fn files_after(&self, after: Option<&FileId>, limit: u32) -> Outcome<Vec<StoredFile>> {
        let after = after.map_or("", FileId::as_str);
        self.documents(
            "SELECT doc FROM files WHERE id > ? ORDER BY id LIMIT ?",
            vec![after.into(), i64::from(limit).into()],
        )
    }

    fn upload(&self, id: &UploadId) -> Outcome<Option<Upload>> {
        self.document("SELECT doc FROM uploads WHERE id = ?", id.as_str())
    }

    fn upload_of(&self, file: &FileId) -> Outcome<Option<Upload>> {
        self.document("SELECT doc FROM uploads WHERE file_id = ? LIMIT 1", file.as_str())
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

    fn usage(&self, owner: &str) -> Outcome<Usage> {
        // The bytes are a text without quotes, since the binding's numbers end at 2^53.
        let known = self.document(
            "SELECT '{\"bytes\":' || bytes || ',\"open\":' || open || ',\"recordBytes\":' || record_bytes || '}' \
             FROM usage WHERE owner = ?",
            owner,
        )?;
        Ok(known.unwrap_or_default())
    }

    fn put_usage(&mut self, owner: &str, usage: &Usage) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO usage (owner, bytes, open, record_bytes) VALUES (?, ?, ?, ?)",
            vec![
                owner.into(),
                usage.bytes.to_string().into(),
                seq_value(usage.open)?,
                seq_value(usage.record_bytes)?,
            ],
        )
    }

    fn idempotency_record(&self, key: &str) -> Outcome<Option<IdempotencyRecord>> {
        self.document("SELECT doc FROM idempotency WHERE id = ?", key)
    }

    fn put_idempotency_record(&mut self, key: &str, used: &IdempotencyRecord) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO idempotency (id, doc) VALUES (?, ?)",
            vec![key.into(), json(used)?],
        )
    }

    fn remove_idempotency_record(&mut self, key: &str) -> Outcome<()> {
        self.run("DELETE FROM idempotency WHERE id = ?", vec![key.into()])
    }

    fn job(&self, id: &str) -> Outcome<Option<Job>> {
        self.document("SELECT doc FROM chores WHERE id = ?", id)
    }

    fn put_job(&mut self, job: &Job) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO chores (id, due_ms, doc) VALUES (?, ?, ?)",
            vec![job.id.as_str().into(), job.due_ms.into(), json(job)?],
        )
    }

    fn remove_job(&mut self, id: &str) -> Outcome<()> {
        self.run("DELETE FROM chores WHERE id = ?", vec![id.into()])
    }

    fn due_jobs(&self, kind: &str, now_ms: i64, limit: u32) -> Outcome<Vec<Job>> {
        self.documents(
            "SELECT doc FROM chores INDEXED BY chores_by_kind WHERE kind = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?",
            vec![kind.into(), now_ms.into(), i64::from(limit).into()],
        )
    }

    fn next_due(&self) -> Outcome<Option<i64>> {
        self.number("SELECT min(due_ms) FROM chores", vec![])
    }

    fn has_database(&self) -> bool {
        self.has_metadata_database
    }

    fn replication(&self) -> Outcome<Option<ReplicationState>> {
        Ok(self
            .documents("SELECT doc FROM mirror WHERE id = 1", vec![])?
            .pop())
    }

    fn put_replication(&mut self, replication: &ReplicationState) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO mirror (id, doc) VALUES (1, ?)",
            vec![json(replication)?],
        )
    }

    fn put_outbox(&mut self, seq: u64) -> Outcome<()> {
        // Earlier versions kept a copy of the change.
        self.run(
            "INSERT INTO outbox (seq, doc) VALUES (?, '')",
            vec![seq_value(seq)?],
        )
    }

    fn outbox(&self, after: u64, limit: u32) -> Outcome<Vec<Change>> {
        self.documents(
            &format!(
                "SELECT {WHOLE_CHANGE} FROM outbox CROSS JOIN changes ON changes.seq = outbox.seq {FILE_OF_CHANGE} \
                 WHERE outbox.seq > ? ORDER BY outbox.seq LIMIT ?"
            ),
            vec![seq_value(after)?, i64::from(limit).into()],
        )
    }

    fn remove_outbox(&mut self, through: u64) -> Outcome<()> {
        self.run("DELETE FROM outbox WHERE seq <= ?", vec![seq_value(through)?])
    }
}

/// A change with its file's metadata. Rows of earlier versions have them already.
const WHOLE_CHANGE: &str = "CASE WHEN json_type(files.doc, '$.record.metadata') IS NULL THEN changes.doc \
    ELSE json_set(changes.doc, '$.file.metadata', json_extract(files.doc, '$.record.metadata')) END";

const FILE_OF_CHANGE: &str = "LEFT JOIN files ON files.id = json_extract(changes.doc, '$.file.fileId')";

/// A text after all that begin with `prefix` and before all others that come after it.
fn end_of(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // Not every number is a character.
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            end.push(next);
            return end;
        }
    }
    // Longer than a name can be, so that nothing comes after it.
    char::MAX.to_string().repeat(NAME_CHARACTERS)
}

/// More characters of four bytes than a name can have, each two UTF-16 units. Source: `MAX_NAME_UNITS`.
const NAME_CHARACTERS: usize = crate::policy::MAX_NAME_UNITS / 2 + 1;

/// Largest number that JavaScript carries exactly (2^53 - 1).
const MAX_SEQ: u64 = 9_007_199_254_740_991;

fn seq_value(seq: u64) -> Outcome<SqlValue> {
    let number = i64::try_from(seq).ok().filter(|_| seq <= MAX_SEQ);
    number
        .map(SqlValue::Integer)
        .ok_or_else(|| SqlFailure("a number is too large".to_owned()))
}

fn index_value(index: usize) -> SqlValue {
    SqlValue::Integer(i64::try_from(index).unwrap_or(i64::MAX))
}

fn json(record: &impl Serialize) -> Outcome<SqlValue> {
    serde_json::to_string(record)
        .map(SqlValue::Text)
        .map_err(|error| SqlFailure(error.to_string()))
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
