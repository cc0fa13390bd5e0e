-- Which version of a file each is: docs/api.md, "Versions".

ALTER TABLE files
  ADD COLUMN version  integer CHECK (version >= 1),
  ADD COLUMN previous text,
  ADD COLUMN conflict text;
