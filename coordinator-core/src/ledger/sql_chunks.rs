//! Content indexes in SQLite, beside the files' rows, which are read far more often.

use syncsphere_protocol::{FileId, FileStatus, Sha256};

use super::chunk_store::ChunkStore;
use super::sql_database::{Database, SqlFailure, seq_value};
use super::sql_rows::{Outcome, Page};
use super::sql_store::SqlStore;
use super::stored_file::StoredFile;

impl<D: Database> ChunkStore for SqlStore<D> {
    type Failure = SqlFailure;

    fn chunks_of(&self, file: &FileId) -> Outcome<Option<String>> {
        let query = "SELECT packed FROM chunks WHERE file_id = ?";
        Ok(self.rows.texts(query, vec![file.as_str().into()])?.pop())
    }

    fn chunks(&self, owner: &str, content: Sha256) -> Outcome<Option<String>> {
        let query =
            "SELECT packed FROM chunks INDEXED BY chunks_by_content WHERE owner = ? AND content = ? LIMIT 1";
        let values = vec![owner.into(), content.to_string().into()];
        Ok(self.rows.texts(query, values)?.pop())
    }

    fn put_chunks(&mut self, file: &StoredFile, content: Sha256, chunks: &str) -> Outcome<()> {
        let record = &file.record;
        self.rows.run(
            "INSERT OR REPLACE INTO chunks (file_id, owner, size, created_seq, content, packed) VALUES (?, ?, ?, ?, ?, ?)",
            vec![
                record.file_id.as_str().into(),
                record.owner.0.as_str().into(),
                seq_value(record.size)?,
                seq_value(file.created_seq)?,
                content.to_string().into(),
                chunks.into(),
            ],
        )
    }

    fn remove_chunks(&mut self, file: &FileId) -> Outcome<()> {
        self.rows
            .run("DELETE FROM chunks WHERE file_id = ?", vec![file.as_str().into()])
    }

    fn newest_named(&self, path: &str, name: &str, limit: u32) -> Outcome<Vec<StoredFile>> {
        self.rows.page(&Page {
            table: "files",
            row: "id",
            document: "doc",
            from: "files INDEXED BY files_of_path_by_name WHERE status = ? AND path = ? AND name = ?",
            order: "created_seq DESC LIMIT ?",
            values: vec![
                FileStatus::Available.as_str().into(),
                path.into(),
                name.into(),
                i64::from(limit).into(),
            ],
        })
    }

    fn indexed_of_size(&self, owner: &str, size: u64, limit: u32) -> Outcome<Vec<StoredFile>> {
        self.rows.page(&Page {
            table: "files",
            row: "id",
            document: "doc",
            // An index goes with its file, so that no other row is read.
            from: "chunks INDEXED BY chunks_by_size CROSS JOIN files ON files.id = chunks.file_id \
                WHERE chunks.owner = ? AND chunks.size = ?",
            order: "chunks.created_seq DESC LIMIT ?",
            values: vec![owner.into(), seq_value(size)?, i64::from(limit).into()],
        })
    }
}
