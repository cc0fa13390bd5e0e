use std::rc::Rc;

use syncsphere_protocol::FileId;

use super::destination_state::{Destination, DestinationState, Letter};
use super::letters::LetterStore;
use super::sql_database::{Database, SqlFailure, json, seq_value};
use super::sql_rows::{Outcome, Page};
use super::sql_store::{SqlStore, readable};

impl<D: Database> LetterStore for SqlStore<D> {
    type Failure = SqlFailure;

    fn destinations(&self) -> Rc<[Destination]> {
        Rc::clone(&self.destinations)
    }

    fn destination(&self, name: &str) -> Outcome<Option<DestinationState>> {
        // Whoever wants one that cannot be read begins anew with the next change.
        readable(self.rows.document(
            "destinations",
            "SELECT doc FROM destinations WHERE name = ?",
            name,
        ))
    }

    fn put_destination(&mut self, name: &str, state: &DestinationState) -> Outcome<()> {
        self.rows.run(
            "INSERT OR REPLACE INTO destinations (name, doc) VALUES (?, ?)",
            vec![name.into(), json(state)?],
        )
    }

    fn letter(&self, destination: &str, seq: u64) -> Outcome<Option<Letter>> {
        let letters = self.rows.page(&Page {
            from: "letters WHERE destination = ? AND seq = ?",
            order: "seq",
            values: vec![destination.into(), seq_value(seq)?],
            ..LETTERS
        });
        Ok(letters?.pop())
    }

    fn put_letter(&mut self, destination: &str, letter: &Letter) -> Outcome<()> {
        self.rows.run(
            "INSERT INTO letters (destination, seq, doc) VALUES (?, ?, ?) \
                ON CONFLICT (destination, seq) DO UPDATE SET doc = excluded.doc",
            vec![destination.into(), seq_value(letter.seq)?, json(letter)?],
        )
    }

    fn remove_letter(&mut self, destination: &str, seq: u64) -> Outcome<()> {
        self.rows.run(
            "DELETE FROM letters WHERE destination = ? AND seq = ?",
            vec![destination.into(), seq_value(seq)?],
        )
    }

    fn ready_letters(&self, destination: &str, by_ms: i64, limit: u32) -> Outcome<Vec<Letter>> {
        self.rows.page(&Page {
            from: "letters WHERE destination = ? AND due_ms <= ? AND NOT EXISTS (SELECT 1 FROM letters AS earlier \
                WHERE earlier.destination = letters.destination AND earlier.file_id = letters.file_id \
                AND earlier.seq < letters.seq AND earlier.due_ms IS NOT NULL)",
            order: "due_ms, seq LIMIT ?",
            values: vec![destination.into(), by_ms.into(), i64::from(limit).into()],
            ..LETTERS
        })
    }

    fn has_letter_of(&self, destination: &str, file: &FileId) -> Outcome<bool> {
        let found = self.rows.number(
            "SELECT 1 FROM letters WHERE destination = ? AND file_id = ? AND due_ms IS NOT NULL LIMIT 1",
            vec![destination.into(), file.as_str().into()],
        )?;
        Ok(found.is_some())
    }

    fn letter_counts(&self, destination: &str) -> Outcome<(u64, u64)> {
        let count = |is_alive: &str| {
            let query = format!("SELECT count(*) FROM letters WHERE destination = ? AND due_ms {is_alive}");
            let count = self.rows.number(&query, vec![destination.into()])?;
            Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        };
        Ok((count("IS NOT NULL")?, count("IS NULL")?))
    }

    fn dead_letters(&self, destination: &str, after: u64, limit: u32) -> Outcome<Vec<Letter>> {
        self.rows.page(&Page {
            from: "letters WHERE destination = ? AND seq > ? AND due_ms IS NULL",
            order: "seq LIMIT ?",
            values: vec![destination.into(), seq_value(after)?, i64::from(limit).into()],
            ..LETTERS
        })
    }

    fn revive_letters(&mut self, destination: &str, seq: Option<u64>, now_ms: i64) -> Outcome<u64> {
        let dead = "destination = ? AND due_ms IS NULL AND json_valid(doc)";
        let (which, mut values) = match seq {
            Some(seq) => (
                format!("{dead} AND seq = ?"),
                vec![destination.into(), seq_value(seq)?],
            ),
            None => (dead.to_owned(), vec![destination.into()]),
        };
        let query = format!("SELECT count(*) FROM letters WHERE {which}");
        let revived = self.rows.number(&query, values.clone())?;
        // The platform binds every number as a float.
        values.insert(0, now_ms.into());
        let update = format!(
            "UPDATE letters SET doc = json_remove(json_set(doc, '$.dueMs', CAST(? AS INTEGER)), '$.firstFailedMs') WHERE {which}"
        );
        self.rows.run(&update, values)?;
        Ok(revived.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    fn remove_letters(&mut self, through: u64) -> Outcome<()> {
        self.rows
            .run("DELETE FROM letters WHERE seq <= ?", vec![seq_value(through)?])
    }
}

/// How letters are read.
const LETTERS: Page<'static> = Page {
    table: "letters",
    row: "letters.id",
    document: "letters.doc",
    from: "",
    order: "",
    values: Vec::new(),
};
