//! How much one page may hold: a bounded number of bytes, whatever its records are like, so that no page and nothing that
//! is read for one fills an object's memory.

use syncsphere_protocol::{Change, FileRecord};

/// Bytes of JSON in one page, but for a last record. Source: own choice; an object has 128 MB for all that it does at once:
/// <https://developers.cloudflare.com/workers/platform/limits/#memory>
const PAGE_BYTES: usize = 1024 * 1024;

/// Rows that are read at once for a page.
///
/// Source: own choice. The bulkiest record, of control characters that JSON writes as six bytes each, has some 110 KB.
pub(super) const ROWS_AT_ONCE: u32 = 32;

/// Bytes of a record's names, ids, times and numbers. Source: measured, rounded up.
const FIXED_BYTES: usize = 768;

/// What is left of a page.
#[derive(Debug)]
pub(super) struct PageBudget(Option<usize>);

impl PageBudget {
    pub(super) fn full() -> Self {
        Self(Some(PAGE_BYTES))
    }

    /// Takes a record, if there is room for it or it is the first.
    pub(super) fn takes(&mut self, record: &FileRecord) -> bool {
        let is_taken = self.0.is_some();
        self.0 = self.0.and_then(|left| left.checked_sub(json_bytes(record)));
        is_taken
    }
}

/// Reads a page of at most `limit` rows: `read` gives so many of those that come after a row, in order.
pub(super) fn fill<T, E>(
    limit: u32,
    record_of: impl Fn(&T) -> &FileRecord,
    mut read: impl FnMut(Option<&T>, u32) -> Result<Vec<T>, E>,
) -> Result<Vec<T>, E> {
    let mut page: Vec<T> = Vec::new();
    let mut budget = PageBudget::full();
    let mut left = limit;
    while left > 0 {
        let wanted = left.min(ROWS_AT_ONCE);
        let rows = read(page.last(), wanted)?;
        let is_last = rows.len() < wanted as usize;
        for row in rows {
            if !budget.takes(record_of(&row)) {
                return Ok(page);
            }
            page.push(row);
        }
        if is_last {
            break;
        }
        left -= wanted;
    }
    Ok(page)
}

/// The record that a change tells of.
pub(super) fn record_of_change(change: &Change) -> &FileRecord {
    &change.file
}

/// What a record comes to as JSON, about: never much less.
fn json_bytes(record: &FileRecord) -> usize {
    let original = record.original_name.as_ref().map_or(0, |name| text_bytes(name));
    let metadata = record.metadata.iter();
    let metadata = metadata.map(|(key, value)| text_bytes(key) + text_bytes(value) + 6);
    let texts = [
        &record.name.0,
        &record.path.0,
        &record.owner.0,
        &record.content_type,
    ];
    FIXED_BYTES
        + original
        + texts.map(|text| text_bytes(text)).iter().sum::<usize>()
        + metadata.sum::<usize>()
}

fn text_bytes(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    bytes.sum()
}
