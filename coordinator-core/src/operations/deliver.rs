//! From a workspace's feed to the metadata database.

use serde_json::{Value, json};
use syncsphere_protocol::{DatabaseStatus, ParkedRow, WorkspaceId};

use super::operation_context::OperationContext;
use crate::ledger::{Command, Delivery, FileSpan, RefusedDelivery, Reply};
use crate::ports::{DatabaseFailure, MetadataDatabase, Workspaces};

/// Rows that one transaction of the database takes.
///
/// Source: own choice. A record has some 700 bytes and at most 40 KB, so this stays below 10 MB.
const ROWS_AT_ONCE: u32 = 200;

/// Longest cause that is kept of a row, in characters. Source: own choice; a SQLSTATE has five.
const MAX_CAUSE: usize = 64;

/// What came of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Nothing is due any more.
    Nothing {
        /// How far the database is, where a delivery was made before.
        status: Option<DatabaseStatus>,
    },
    /// The database has these rows; the ledger has yet to hear of it.
    Rows {
        /// How many.
        count: usize,
        /// Tells the ledger.
        result: DeliveryResult,
    },
    /// The database refuses one of these rows at least; the ledger has yet to hear of it.
    Refused {
        /// Why.
        failure: DatabaseFailure,
        /// Tells the ledger.
        result: DeliveryResult,
    },
    /// The database has not taken them; the ledger has yet to hear of it.
    Failed(DatabaseFailure),
}

/// How a delivery went, for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryResult(Command);

/// Tells the ledger of the delivery before, if there was one, and makes the next, if one is due.
pub(crate) async fn deliver<S, W: Workspaces, D: MetadataDatabase>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    database: &D,
    before: Option<DeliveryResult>,
) -> DeliveryOutcome {
    let settled = before.map(|DeliveryResult(command)| command);
    let next = Command::TakeDelivery { limit: ROWS_AT_ONCE };
    // In one transaction, so that nobody takes the next in between.
    let commands = settled.into_iter().chain([next]).collect();
    let mut status = None;
    let mut next = None;
    for reply in op.ask_all(workspace, commands).await.unwrap_or_default() {
        match reply {
            Reply::Database(settled) => status = Some(settled),
            Reply::Delivery { delivery } => next = delivery,
            _ => {}
        }
    }
    let Some(delivery) = next else {
        return DeliveryOutcome::Nothing { status };
    };
    let rows = rows(&delivery);
    let count = rows.len();
    if let Err(failure) = write(database, workspace, rows, delivery.span.as_ref()).await {
        if !failure.is_about_rows {
            return DeliveryOutcome::Failed(failure);
        }
        // A row that is refused alone is left out, but what is gone before it is told all the same.
        if count == 1
            && let Err(failure) = write(database, workspace, Vec::new(), delivery.span.as_ref()).await
            && !failure.is_about_rows
        {
            return DeliveryOutcome::Failed(failure);
        }
        let result = refused(&delivery, count, &failure);
        return DeliveryOutcome::Refused { failure, result };
    }
    let receipt = delivery.receipt;
    DeliveryOutcome::Rows {
        count,
        result: DeliveryResult(Command::SettleDelivery { receipt }),
    }
}

/// Writes what there is to write, if anything.
async fn write<D: MetadataDatabase>(
    database: &D,
    workspace: &WorkspaceId,
    rows: Vec<Value>,
    span: Option<&FileSpan>,
) -> Result<(), DatabaseFailure> {
    match rows.is_empty() && span.is_none() {
        true => Ok(()),
        false => {
            let rows = Value::Array(rows).to_string();
            database.write(workspace, rows, span).await
        }
    }
}

/// What the ledger is told where the database refuses rows rather than the whole attempt.
fn refused(delivery: &Delivery, count: usize, failure: &DatabaseFailure) -> DeliveryResult {
    let told = delivery.changes.first().map(|change| &change.file);
    let first = delivery.files.first().or(told).map(|first| ParkedRow {
        file_id: first.file_id.clone(),
        seq: first.seq,
        cause: failure.cause.chars().take(MAX_CAUSE).collect(),
    });
    DeliveryResult(Command::RefuseDelivery(RefusedDelivery {
        receipt: delivery.receipt.clone(),
        rows: u32::try_from(count).unwrap_or(u32::MAX),
        first,
    }))
}

/// Tells the ledger of the last delivery of several: how it went, or, without a result, that the database has not
/// taken it. How far the database is then, if that can be told. Should the ledger not hear of
/// it, the delivery is made once more.
pub(crate) async fn conclude<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    result: Option<DeliveryResult>,
) -> Option<DatabaseStatus> {
    let command = match result {
        Some(DeliveryResult(command)) => command,
        None => Command::PutOffDelivery,
    };
    match op.ask(workspace, command).await {
        Ok(Reply::Database(status)) => Some(status),
        Ok(_) | Err(_) => None,
    }
}

/// Each row as [`MetadataDatabase::write`] wants it.
fn rows(delivery: &Delivery) -> Vec<Value> {
    let files = delivery.files.iter().map(|file| json!({ "file": file }));
    let changes = delivery
        .changes
        .iter()
        .map(|change| json!({ "file": change.file, "kind": change.kind, "at": change.at }));
    let mut rows: Vec<_> = files.chain(changes).collect();
    rows.iter_mut().for_each(replace_nul);
    rows
}

/// Puts the symbol for it in the place of every U+0000.
fn replace_nul(value: &mut Value) {
    const SYMBOL: &str = "\u{2400}";
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', SYMBOL),
        Value::Array(values) => values.iter_mut().for_each(replace_nul),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                let fields_before = std::mem::take(fields);
                let renamed = fields_before
                    .into_iter()
                    .map(|(name, value)| (name.replace('\0', SYMBOL), value));
                fields.extend(renamed);
            }
            fields.values_mut().for_each(replace_nul);
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::replace_nul;

    #[test]
    fn no_zero_is_left_in_texts_and_names() {
        let mut value = json!([{ "a\u{0}b": ["\u{0}", { "c": "d\u{0}" }], "e": "\\u0000" }]);
        replace_nul(&mut value);
        assert_eq!(value, json!([{ "a␀b": ["␀", { "c": "d␀" }], "e": "\\u0000" }]));
    }
}
