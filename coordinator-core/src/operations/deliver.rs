//! From a workspace's outbox to the metadata database.

use serde_json::{Value, json};
use syncsphere_protocol::{DatabaseStatus, WorkspaceId};

use super::operation_context::OperationContext;
use crate::ledger::{Command, Delivery, Receipt, Reply};
use crate::ports::{DatabaseFailure, MetadataDatabase, Workspaces};

/// Rows that one transaction of the database takes.
///
/// Source: own choice. A record has some 700 bytes and at most 40 KB, so this stays below 10 MB.
const ROWS_AT_ONCE: u32 = 200;

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
        receipt: Receipt,
    },
    /// The database has not taken them; the ledger has yet to hear of it.
    Failed(DatabaseFailure),
}

/// Tells the ledger of the delivery before, if there was one, and makes the next, if one is due.
pub(crate) async fn deliver<S, W: Workspaces, D: MetadataDatabase>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    database: &D,
    before: Option<Receipt>,
) -> DeliveryOutcome {
    let settled = before.map(|receipt| Command::SettleDelivery { receipt });
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
    if count > 0
        && let Err(failure) = database.write(workspace, Value::Array(rows).to_string()).await
    {
        return DeliveryOutcome::Failed(failure);
    }
    DeliveryOutcome::Rows {
        count,
        receipt: delivery.receipt,
    }
}

/// Tells the ledger of the last delivery of several: that the database has it, or, without a receipt,
/// that it has not. How far the database is then, if that can be told. Should the ledger not hear of
/// it, the delivery is made once more.
pub(crate) async fn conclude<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    receipt: Option<Receipt>,
) -> Option<DatabaseStatus> {
    let command = match receipt {
        Some(receipt) => Command::SettleDelivery { receipt },
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
