//! Versions and references in SQLite. Most files are neither, and stand in none of these indexes.

use syncsphere_protocol::{FileId, FileStatus};

use super::sql_database::{Database, SqlFailure};
use super::sql_rows::{Outcome, Page};
use super::sql_store::SqlStore;
use super::stored_file::StoredFile;
use super::version_store::VersionStore;

const OF_LINE: &str = "files INDEXED BY files_by_line WHERE line = ? AND status = ?";

impl<D: Database> VersionStore for SqlStore<D> {
    type Failure = SqlFailure;

    fn newest_versions(
        &self,
        line: &FileId,
        status: FileStatus,
        before: u32,
        limit: u32,
    ) -> Outcome<Vec<StoredFile>> {
        self.rows.page(&Page {
            table: "files",
            row: "id",
            document: "doc",
            from: &format!("{OF_LINE} AND version < ?"),
            order: "version DESC LIMIT ?",
            values: vec![
                line.as_str().into(),
                status.as_str().into(),
                i64::from(before).into(),
                i64::from(limit).into(),
            ],
        })
    }

    fn oldest_versions(&self, line: &FileId, limit: u32) -> Outcome<Vec<StoredFile>> {
        self.rows.page(&Page {
            table: "files",
            row: "id",
            document: "doc",
            from: OF_LINE,
            order: "version LIMIT ?",
            values: vec![
                line.as_str().into(),
                FileStatus::Available.as_str().into(),
                i64::from(limit).into(),
            ],
        })
    }

    fn version_count(&self, line: &FileId) -> Outcome<u64> {
        let count = self.rows.number(
            &format!("SELECT count(*) FROM {OF_LINE}"),
            vec![line.as_str().into(), FileStatus::Available.as_str().into()],
        )?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    fn references(&self, origin: &FileId, limit: u32) -> Outcome<Vec<StoredFile>> {
        self.rows.page(&Page {
            table: "files",
            row: "id",
            document: "doc",
            from: "files INDEXED BY files_by_origin WHERE origin = ? AND status = ?",
            order: "created_seq LIMIT ?",
            values: vec![
                origin.as_str().into(),
                FileStatus::Available.as_str().into(),
                i64::from(limit).into(),
            ],
        })
    }

    fn has_available_of(&self, origin: &FileId) -> Outcome<bool> {
        // The state is a column of its own, so that a row which cannot be read counts as well.
        let found = [
            "SELECT 1 FROM files WHERE id = ? AND status = ?",
            "SELECT 1 FROM files INDEXED BY files_by_origin WHERE origin = ? AND status = ? LIMIT 1",
        ];
        for query in found {
            let values = vec![origin.as_str().into(), FileStatus::Available.as_str().into()];
            if self.rows.number(query, values)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
