-- The files of every workspace as they stand, and everything that has happened to them.
-- docs/guides/postgresql.md describes the columns and what is guaranteed.

CREATE TABLE files (
  workspace    text NOT NULL,
  file_id      text NOT NULL,
  name         text NOT NULL,
  path         text NOT NULL,
  size         bigint NOT NULL CHECK (size >= 0),
  content_type text NOT NULL,
  status       text NOT NULL CHECK (status IN ('uploading', 'available', 'aborted', 'expired', 'deleted')),
  crc64nvme    text,
  etag         text,
  owner        text NOT NULL,
  metadata     jsonb NOT NULL,
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL,
  seq          bigint NOT NULL,
  PRIMARY KEY (workspace, file_id)
);

CREATE INDEX files_by_time ON files (workspace, created_at DESC);
CREATE INDEX files_by_folder ON files (workspace, path, name);

CREATE TABLE file_changes (
  workspace    text NOT NULL,
  seq          bigint NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('file.uploading', 'file.available', 'file.aborted', 'file.expired', 'file.deleted')),
  file_id      text NOT NULL,
  at           timestamptz NOT NULL,
  file         jsonb NOT NULL,
  delivered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (workspace, seq)
);

CREATE INDEX file_changes_by_file ON file_changes (workspace, file_id, seq);
