use std::rc::Rc;

use syncsphere_protocol::{Change, FileId, UnreadableRow, UploadId, WorkspaceId};

use super::destination_state::Destination;
use super::jobs::Job;
use super::listing::{FileQuery, FileRange};
use super::replication::ReplicationState;
use super::schema::MIGRATIONS;
use super::sql_database::{Database, SqlFailure, index_value, json, seq_value};
use super::sql_rows::{Outcome, Page, Rows};
use super::states::Upload;
use super::store::{IdempotencyRecord, Store, Usage};
use super::store_failure::StoreFailure;
use super::stored_file::StoredFile;

/// The rows of one workspace in SQLite: each row is its key, what it is searched by, and the record
/// as JSON.
#[derive(Debug, Clone)]
pub struct SqlStore<D> {
    pub(super) rows: Rows<D>,
    has_metadata_database: bool,
    pub(super) destinations: Rc<[Destination]>,
}

impl<D: Database> SqlStore<D> {
    /// The rows in this database, which [`SqlStore::migrate`] has to prepare. There is no metadata
    /// database that changes go to, and no other destination.
    pub fn new(database: D) -> Self {
        Self {
            rows: Rows { database },
            has_metadata_database: false,
            destinations: Rc::default(),
        }
    }

    /// The same with a metadata database, if there is one.
    pub fn with_metadata_database(self, has_metadata_database: bool) -> Self {
        Self {
            has_metadata_database,
            ..self
        }
    }

    /// The same with destinations that changes are sent to.
    pub fn with_destinations(self, destinations: Rc<[Destination]>) -> Self {
        Self { destinations, ..self }
    }

    /// Brings the schema up to date. Cheap when it is.
    pub fn migrate(&self) -> Outcome<()> {
        self.rows.run(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)",
            vec![],
        )?;
        let version = self
            .rows
            .number("SELECT max(version) FROM schema_version", vec![])?
            .unwrap_or(0);
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
            self.rows.run(migration, vec![])?;
            let version = index_value(index.saturating_add(1));
            self.rows
                .run("INSERT INTO schema_version (version) VALUES (?)", vec![version])?;
        }
        if done < MIGRATIONS.len() {
            // A new release may read what an earlier one could not.
            self.rows.run("DELETE FROM unreadable", vec![])?;
        }
        Ok(())
    }

    /// Which workspace this is: told by the first call, needed by the alarm.
    pub fn identity(&self) -> Outcome<Option<WorkspaceId>> {
        let text = self
            .rows
            .texts("SELECT workspace FROM identity LIMIT 1", vec![])?
            .pop();
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Writes down which workspace this is.
    pub fn set_identity(&self, workspace: &WorkspaceId) -> Outcome<()> {
        self.rows.run(
            "INSERT INTO identity (workspace) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)",
            vec![workspace.as_str().into()],
        )
    }
}

impl<D: Database> Store for SqlStore<D> {
    type Error = SqlFailure;

    fn newest_seq(&self) -> Outcome<u64> {
        let newest = self.rows.number("SELECT max(seq) FROM changes", vec![])?;
        Ok(newest.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0))
    }

    fn oldest_seq(&self) -> Outcome<Option<u64>> {
        let oldest = self.rows.number("SELECT min(seq) FROM changes", vec![])?;
        Ok(oldest.and_then(|seq| u64::try_from(seq).ok()))
    }

    fn append(&mut self, change: &Change) -> Outcome<()> {
        // A file's metadata never change, and are kept with the file alone, which stays as long as a change of it.
        let mut kept = change.clone();
        kept.file.metadata = Default::default();
        self.rows.run(
            "INSERT INTO changes (seq, doc) VALUES (?, ?)",
            vec![seq_value(change.seq)?, json(&kept)?],
        )
    }

    fn changes(&self, since: u64, limit: u32) -> Outcome<Vec<Change>> {
        self.rows.page(&Page {
            table: "changes",
            row: "changes.seq",
            document: WHOLE_CHANGE,
            from: &format!("changes {FILE_OF_CHANGE} WHERE seq > ?"),
            order: "seq LIMIT ?",
            values: vec![seq_value(since)?, i64::from(limit).into()],
        })
    }

    fn remove_changes(&mut self, through: u64) -> Outcome<()> {
        self.rows
            .run("DELETE FROM changes WHERE seq <= ?", vec![seq_value(through)?])
    }

    fn file(&self, id: &FileId) -> Outcome<Option<StoredFile>> {
        self.rows
            .document("files", "SELECT doc FROM files WHERE id = ?", id.as_str())
    }

    fn put_file(&mut self, file: &StoredFile) -> Outcome<()> {
        self.rows.run(
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
        self.rows
            .run("DELETE FROM files WHERE id = ?", vec![id.as_str().into()])
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
        let (range, order) = match query.range {
            FileRange::Newest { from, before } => {
                values.extend([from.into(), before.0.into(), seq_value(before.1)?]);
                (
                    "AND created_at >= ? AND (created_at, created_seq) < (?, ?)",
                    "created_at DESC, created_seq DESC",
                )
            }
            FileRange::Names { prefix, after } => {
                values.extend([after.0.into(), seq_value(after.1)?, end_of(prefix).into()]);
                (
                    "AND (name, created_seq) > (?, ?) AND name < ?",
                    "name, created_seq",
                )
            }
        };
        values.push(i64::from(query.limit).into());
        self.rows.page(&Page {
            table: "files",
            row: "id",
            document: "doc",
            from: &format!("files INDEXED BY {index} WHERE status = ? {of_path}{range}"),
            order: &format!("{order} LIMIT ?"),
            values,
        })
    }

    fn files_after(&self, after: Option<&FileId>, limit: u32) -> Outcome<Vec<StoredFile>> {
        self.rows.page(&Page {
            table: "files",
            row: "id",
            document: "doc",
            from: "files WHERE id > ?",
            order: "id LIMIT ?",
            values: vec![after.map_or("", FileId::as_str).into(), i64::from(limit).into()],
        })
    }

    fn upload(&self, id: &UploadId) -> Outcome<Option<Upload>> {
        self.rows
            .document("uploads", "SELECT doc FROM uploads WHERE id = ?", id.as_str())
    }

    fn upload_of(&self, file: &FileId) -> Outcome<Option<Upload>> {
        self.rows.document(
            "uploads",
            "SELECT doc FROM uploads WHERE file_id = ? LIMIT 1",
            file.as_str(),
        )
    }

    fn put_upload(&mut self, upload: &Upload) -> Outcome<()> {
        self.rows.run(
            "INSERT OR REPLACE INTO uploads (id, doc) VALUES (?, ?)",
            vec![upload.upload_id.as_str().into(), json(upload)?],
        )
    }

    fn remove_upload(&mut self, id: &UploadId) -> Outcome<()> {
        self.rows
            .run("DELETE FROM uploads WHERE id = ?", vec![id.as_str().into()])
    }

    fn usage(&self, owner: &str) -> Outcome<Usage> {
        // The bytes are a text without quotes, since the binding's numbers end at 2^53.
        let known = self.rows.document(
            "usage",
            "SELECT '{\"bytes\":' || bytes || ',\"open\":' || open || ',\"recordBytes\":' || record_bytes || '}' \
             FROM usage WHERE owner = ?",
            owner,
        )?;
        Ok(known.unwrap_or_default())
    }

    fn put_usage(&mut self, owner: &str, usage: &Usage) -> Outcome<()> {
        self.rows.run(
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
        self.rows
            .document("idempotency", "SELECT doc FROM idempotency WHERE id = ?", key)
    }

    fn put_idempotency_record(&mut self, key: &str, used: &IdempotencyRecord) -> Outcome<()> {
        self.rows.run(
            "INSERT OR REPLACE INTO idempotency (id, doc) VALUES (?, ?)",
            vec![key.into(), json(used)?],
        )
    }

    fn remove_idempotency_record(&mut self, key: &str) -> Outcome<()> {
        self.rows
            .run("DELETE FROM idempotency WHERE id = ?", vec![key.into()])
    }

    fn job(&self, id: &str) -> Outcome<Option<Job>> {
        // Whoever wants it writes it anew.
        readable(
            self.rows
                .document("chores", "SELECT doc FROM chores WHERE id = ?", id),
        )
    }

    fn put_job(&mut self, job: &Job) -> Outcome<()> {
        self.rows.run(
            "INSERT OR REPLACE INTO chores (id, due_ms, doc) VALUES (?, ?, ?)",
            vec![job.id.as_str().into(), job.due_ms.into(), json(job)?],
        )
    }

    fn remove_job(&mut self, id: &str) -> Outcome<()> {
        self.rows.run("DELETE FROM chores WHERE id = ?", vec![id.into()])
    }

    fn due_jobs(&self, kind: &str, now_ms: i64, limit: u32) -> Outcome<Vec<Job>> {
        let due = "chores INDEXED BY chores_by_kind WHERE kind = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?";
        let values = vec![kind.into(), now_ms.into(), i64::from(limit).into()];
        let read = self
            .rows
            .read(&format!("SELECT doc FROM {due}"), values.clone())?;
        if read.iter().all(Result::is_ok) {
            return Ok(read.into_iter().flatten().collect());
        }
        let ids = self.rows.texts(&format!("SELECT id FROM {due}"), values)?;
        let mut jobs = Vec::new();
        for (id, read) in ids.iter().zip(read) {
            match read {
                Ok(job) => jobs.push(job),
                Err(cause) => self.rows.put_off_unreadable_job(id, now_ms, &cause)?,
            }
        }
        Ok(jobs)
    }

    fn put_off_unknown_jobs(&mut self, kinds: &[&str], now_ms: i64, limit: u32) -> Outcome<()> {
        let due = self.rows.texts(
            "SELECT id FROM chores WHERE due_ms <= ? ORDER BY due_ms LIMIT ?",
            vec![now_ms.into(), i64::from(limit).into()],
        )?;
        for id in due {
            let kind = self.rows.texts(
                "SELECT kind FROM chores WHERE id = ? AND kind IS NOT NULL",
                vec![id.as_str().into()],
            )?;
            if !kind.iter().any(|kind| kinds.contains(&kind.as_str())) {
                self.rows
                    .put_off_unreadable_job(&id, now_ms, "its kind is not known")?;
            }
        }
        Ok(())
    }

    fn next_due(&self) -> Outcome<Option<i64>> {
        self.rows.number("SELECT min(due_ms) FROM chores", vec![])
    }

    fn has_database(&self) -> bool {
        self.has_metadata_database
    }

    fn replication(&self) -> Outcome<Option<ReplicationState>> {
        // Whoever wants it begins to tell everything anew.
        readable(
            self.rows
                .document("mirror", "SELECT doc FROM mirror WHERE id = ?", 1),
        )
    }

    fn put_replication(&mut self, replication: &ReplicationState) -> Outcome<()> {
        self.rows.run(
            "INSERT OR REPLACE INTO mirror (id, doc) VALUES (1, ?)",
            vec![json(replication)?],
        )
    }

    fn unreadable(&self) -> Outcome<(u64, Option<UnreadableRow>)> {
        self.rows.noted()
    }

    fn unreadable_files(&self, limit: u32) -> Outcome<Vec<String>> {
        self.rows.texts(
            "SELECT row FROM unreadable WHERE source = 'files' LIMIT ?",
            vec![i64::from(limit).into()],
        )
    }

    fn forget_unreadable(&mut self) -> Outcome<()> {
        self.rows.run("DELETE FROM unreadable", vec![])
    }
}

/// `None` for a row that cannot be read, which has been noted.
pub(super) fn readable<T>(read: Outcome<Option<T>>) -> Outcome<Option<T>> {
    match read {
        Err(failure) if failure.is_unreadable_row() => Ok(None),
        other => other,
    }
}

/// A change with its file's metadata. Rows of earlier versions have them already.
const WHOLE_CHANGE: &str = "CASE WHEN json_type(files.doc, '$.record.metadata') IS NULL THEN changes.doc \
    ELSE json_set(changes.doc, '$.file.metadata', json_extract(files.doc, '$.record.metadata')) END";

const FILE_OF_CHANGE: &str = "LEFT JOIN files ON files.id = \
    CASE WHEN json_valid(changes.doc) THEN json_extract(changes.doc, '$.file.fileId') END";

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
