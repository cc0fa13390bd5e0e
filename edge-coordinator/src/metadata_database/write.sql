-- $1: the workspace; $2: a JSON array of {file, kind, at}; $3: null, or the span {after, before, unreadable, asOf} of ids
-- in which these files are all that there are, but for those that the workspace could not read. One statement, so all of
-- it or nothing.
-- A change that is known is left alone, and a file that is known in a later state stays as it is.
WITH rows AS (
  SELECT file, kind, at, (file->>'seq')::bigint AS seq
  FROM jsonb_to_recordset($2::text::jsonb) AS given (file jsonb, kind text, at timestamptz)
), told AS (
  INSERT INTO file_changes (workspace, seq, kind, file_id, at, file)
  SELECT $1::text, seq, kind, file->>'fileId', at, file FROM rows WHERE kind IS NOT NULL ORDER BY seq
  ON CONFLICT (workspace, seq) DO NOTHING
), span AS (
  -- Ids begin with a letter, a digit or a low line, and have nothing but these and hyphens: all of them lie between these two.
  SELECT coalesce(after, '') AS first, coalesce(before, '~') AS last, "asOf" AS as_of, unreadable
  FROM jsonb_to_record($3::text::jsonb) AS given (after text, before text, "asOf" bigint, unreadable jsonb)
), gone AS (
  UPDATE files SET status = 'deleted', updated_at = now(), seq = span.as_of
  FROM span
  WHERE workspace = $1::text AND file_id COLLATE "C" > span.first AND file_id COLLATE "C" < span.last
    AND status IN ('uploading', 'available') AND seq <= span.as_of
    AND file_id NOT IN (SELECT file->>'fileId' FROM rows) AND NOT coalesce(span.unreadable ? file_id, false)
)
INSERT INTO files AS known (
  workspace, file_id, name, path, size, content_type, status, crc64nvme, etag, owner, metadata,
  created_at, updated_at, seq, version, previous, conflict
)
SELECT DISTINCT ON (file->>'fileId')
  $1::text, file->>'fileId', file->>'name', file->>'path', (file->>'size')::bigint, file->>'contentType',
  file->>'status', file->'checksum'->>'crc64nvme', file->>'etag', file->>'owner', file->'metadata',
  (file->>'createdAt')::timestamptz, (file->>'updatedAt')::timestamptz, seq,
  (file->>'version')::integer, file->>'previous', file->>'conflict'
FROM rows
ORDER BY file->>'fileId', seq DESC
ON CONFLICT (workspace, file_id) DO UPDATE SET
  name = excluded.name, path = excluded.path, size = excluded.size, content_type = excluded.content_type,
  status = excluded.status, crc64nvme = excluded.crc64nvme, etag = excluded.etag, owner = excluded.owner,
  metadata = excluded.metadata, created_at = excluded.created_at, updated_at = excluded.updated_at,
  seq = excluded.seq, version = excluded.version, previous = excluded.previous, conflict = excluded.conflict
WHERE known.seq <= excluded.seq
