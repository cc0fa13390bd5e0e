//! The tables of one workspace.

/// The schema's versions, oldest first. A version that has been deployed is never edited; a change
/// is a new one at the end.
pub const MIGRATIONS: &[&str] = &[
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
    // 3: files are listed by time or by name, in one folder or in all; each order has its index, whose columns
    // SQLite reads out of the record. An upload is found by its file, too.
    "ALTER TABLE files ADD COLUMN created_at TEXT \
        GENERATED ALWAYS AS (json_extract(doc, '$.record.createdAt')) VIRTUAL;
     ALTER TABLE files ADD COLUMN name TEXT GENERATED ALWAYS AS (json_extract(doc, '$.record.name')) VIRTUAL;
     ALTER TABLE files ADD COLUMN path TEXT GENERATED ALWAYS AS (json_extract(doc, '$.record.path')) VIRTUAL;
     CREATE INDEX files_by_time ON files (status, created_at, created_seq);
     CREATE INDEX files_by_name ON files (status, name, created_seq);
     CREATE INDEX files_of_path_by_time ON files (status, path, created_at, created_seq);
     CREATE INDEX files_of_path_by_name ON files (status, path, name, created_seq);
     DROP INDEX files_by_status;
     ALTER TABLE uploads ADD COLUMN file_id TEXT GENERATED ALWAYS AS (json_extract(doc, '$.file.fileId')) VIRTUAL;
     CREATE INDEX uploads_by_file ON uploads (file_id);",
    // 4: what is on its way to the metadata database, and how far that is.
    "CREATE TABLE outbox (seq INTEGER PRIMARY KEY, doc TEXT NOT NULL);
     CREATE TABLE mirror (id INTEGER PRIMARY KEY CHECK (id = 1), doc TEXT NOT NULL);",
    // 5: jobs are found by kind. What waits for the metadata database is the changes' numbers, no copies. An owner's open
    // uploads and records are counted; what has ended and whose last change is kept no longer goes.
    "ALTER TABLE chores ADD COLUMN kind TEXT GENERATED ALWAYS AS (json_extract(doc, '$.kind.name')) VIRTUAL;
     CREATE INDEX chores_by_kind ON chores (kind, due_ms);
     UPDATE outbox SET doc = '';
     DELETE FROM files WHERE status IN ('aborted', 'expired', 'deleted') \
        AND json_extract(doc, '$.record.seq') < (SELECT min(seq) FROM changes);
     DELETE FROM uploads WHERE json_extract(doc, '$.phase.name') = 'ended' \
        AND NOT EXISTS (SELECT 1 FROM files WHERE files.id = uploads.file_id \
            AND json_extract(files.doc, '$.record.seq') >= (SELECT min(seq) FROM changes));
     ALTER TABLE usage ADD COLUMN open INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE usage ADD COLUMN record_bytes INTEGER NOT NULL DEFAULT 0;
     INSERT INTO usage (owner, bytes, open) \
        SELECT json_extract(doc, '$.file.owner'), '0', count(*) FROM uploads \
            WHERE json_extract(doc, '$.phase.name') <> 'ended' GROUP BY 1 \
        ON CONFLICT (owner) DO UPDATE SET open = excluded.open;
     INSERT INTO usage (owner, bytes, record_bytes) \
        SELECT json_extract(doc, '$.record.owner'), '0', sum(length(doc)) FROM files WHERE true GROUP BY 1 \
        ON CONFLICT (owner) DO UPDATE SET record_bytes = excluded.record_bytes;
     INSERT INTO usage (owner, bytes, record_bytes) SELECT '', '0', coalesce(sum(record_bytes), 0) FROM usage;",
    // 6: rows that could not be read. Of what waits for the metadata database, what the feed has forgotten was kept as copies
    // until 5; it is told by a replay instead.
    "CREATE TABLE unreadable (id INTEGER PRIMARY KEY, source TEXT NOT NULL, row NOT NULL, cause TEXT NOT NULL, \
        UNIQUE (source, row));
     UPDATE mirror SET doc = json_set(doc, '$.replays', json_extract(doc, '$.replays') + 1, \
        '$.replay', json_object('number', json_extract(doc, '$.replays') + 1, 'stage', json_object('name', 'files'))) \
        WHERE EXISTS (SELECT 1 FROM outbox WHERE seq < (SELECT min(seq) FROM changes));
     DELETE FROM outbox WHERE seq < (SELECT min(seq) FROM changes);",
    // 7: how far each webhook and queue is, and the messages that failed; one that is dead is due never.
    "CREATE TABLE destinations (name TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE letters (id INTEGER PRIMARY KEY, destination TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL, \
        file_id TEXT GENERATED ALWAYS AS (json_extract(doc, '$.fileId')) VIRTUAL, \
        due_ms INTEGER GENERATED ALWAYS AS (json_extract(doc, '$.dueMs')) VIRTUAL, UNIQUE (destination, seq));
     CREATE INDEX letters_by_due ON letters (destination, due_ms);
     CREATE INDEX letters_by_file ON letters (destination, file_id, seq);",
    // 8: the feed is the metadata database's outbox, too; the database has a place in it.
    "UPDATE mirror SET doc = json_set(doc, '$.position', \
        coalesce((SELECT min(seq) - 1 FROM outbox), (SELECT max(seq) FROM changes), 0));
     DROP TABLE outbox;",
    // 9: which files are later versions of another, and which keep another's object. Most are neither, and stand in no index.
    "ALTER TABLE files ADD COLUMN line TEXT GENERATED ALWAYS AS (json_extract(doc, '$.line')) VIRTUAL;
     ALTER TABLE files ADD COLUMN origin TEXT GENERATED ALWAYS AS (json_extract(doc, '$.origin')) VIRTUAL;
     ALTER TABLE files ADD COLUMN version INTEGER \
        GENERATED ALWAYS AS (json_extract(doc, '$.record.version')) VIRTUAL;
     CREATE INDEX files_by_line ON files (line, status, version) WHERE line IS NOT NULL;
     CREATE INDEX files_by_origin ON files (origin, status) WHERE origin IS NOT NULL;",
    // 10: content indexes, found by file, by what they index, and by its size. Rows are long, so that no copy of them is a key's.
    "CREATE TABLE chunks (file_id TEXT PRIMARY KEY, owner TEXT NOT NULL, size INTEGER NOT NULL, created_seq INTEGER NOT NULL, \
        content TEXT NOT NULL, packed TEXT NOT NULL);
     CREATE INDEX chunks_by_content ON chunks (owner, content);
     CREATE INDEX chunks_by_size ON chunks (owner, size, created_seq);",
];
