//! A real SQLite in memory, which looks at the plan of every statement before it runs it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use syncsphere_coordinator_core::ledger::{Database, SqlStore, SqlValue};

/// A database that several stores may share, as the object's instances share theirs.
#[derive(Clone)]
pub struct Sqlite {
    pub connection: Rc<Connection>,
    /// The plan of each statement that was run.
    pub plans: Rc<RefCell<BTreeMap<String, Vec<String>>>>,
}

impl Sqlite {
    pub fn empty() -> Self {
        Self {
            connection: Rc::new(Connection::open_in_memory().unwrap()),
            plans: Rc::default(),
        }
    }

    /// A store whose schema is up to date.
    pub fn store(&self) -> SqlStore<Sqlite> {
        let store = SqlStore::new(self.clone());
        store.migrate().unwrap();
        store
    }

    fn plan(&self, statement: &str, values: &[Value]) -> rusqlite::Result<Vec<String>> {
        let mut explained = self
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
        let lines = explained.query_map(params_from_iter(values), |row| row.get("detail"))?;
        lines.collect()
    }

    fn try_run(&self, statements: &str, values: &[SqlValue]) -> rusqlite::Result<Vec<SqlValue>> {
        if statements.trim_end_matches(';').contains(';') {
            self.connection.execute_batch(statements)?;
            return Ok(Vec::new());
        }
        let values: Vec<_> = values.iter().map(bound).collect();
        if !self.plans.borrow().contains_key(statements) && !statements.contains("CREATE") {
            let plan = self.plan(statements, &values)?;
            self.plans.borrow_mut().insert(statements.to_owned(), plan);
        }
        let mut statement = self.connection.prepare(statements)?;
        if statement.column_count() == 0 {
            statement.execute(params_from_iter(&values))?;
            return Ok(Vec::new());
        }
        let rows = statement.query_map(params_from_iter(&values), |row| row.get::<_, Value>(0))?;
        rows.map(|value| {
            Ok(match value? {
                Value::Text(text) => SqlValue::Text(text),
                Value::Integer(number) => SqlValue::Integer(number),
                Value::Null => SqlValue::Null,
                other => panic!("neither text nor number: {other:?}"),
            })
        })
        .collect()
    }
}

impl Database for Sqlite {
    fn run(&self, statements: &str, values: &[SqlValue]) -> Result<Vec<SqlValue>, String> {
        self.try_run(statements, values)
            .map_err(|error| error.to_string())
    }
}

fn bound(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
    }
}
