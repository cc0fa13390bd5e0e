-- By which the coordinator finds what a workspace does not know any more, in whichever language the database sorts.

CREATE INDEX files_by_id ON files (workspace, file_id COLLATE "C");
