//! Which files a listing shows, and in which order.

use syncsphere_protocol::{FileRecord, OpenUpload, Timestamp};

use super::apply::Ledger;
use super::calls::Reply;
use super::listing::{FilePage, FileQuery, FileRange, ListPosition, Listing, OpenUploadPage};
use super::page_budget::{PageBudget, ROWS_AT_ONCE};
use super::store::Store;
use super::store_failure::StoreFailure as _;
use super::stored_file::StoredFile;

/// Rows that a listing by name reads at most for one page while it looks for those of a time.
///
/// Source: own choice; some 2,000 records are read within a few tens of milliseconds. What is left is for
/// the next page.
const MOST_READ: usize = 2_000;

/// Later than every [`Timestamp`], as text.
const END_OF_TIME: &str = "~";

impl Listing {
    fn is_by_name(&self) -> bool {
        self.name_prefix.is_some()
    }

    /// Whether files that do not belong to it lie between those that do.
    fn is_searched(&self) -> bool {
        self.is_by_name() && (self.created_from.is_some() || self.created_before.is_some())
    }

    fn includes(&self, file: &FileRecord) -> bool {
        let from = self.created_from.as_ref();
        let before = self.created_before.as_ref();
        from.is_none_or(|from| file.created_at >= *from)
            && before.is_none_or(|before| file.created_at < *before)
    }

    fn position_of(&self, file: &StoredFile) -> ListPosition {
        let seq = file.created_seq;
        match self.is_by_name() {
            true => ListPosition::Name {
                name: file.record.name.clone(),
                seq,
            },
            false => ListPosition::Time {
                created_at: file.record.created_at.clone(),
                seq,
            },
        }
    }

    /// What follows `after`; nothing where that is a place in another order.
    fn range<'a>(&'a self, after: Option<&'a ListPosition>) -> Option<FileRange<'a>> {
        let text = |timestamp: &'a Option<Timestamp>| timestamp.as_ref().map(Timestamp::as_str);
        match (&self.name_prefix, after) {
            (Some(prefix), None) => Some(FileRange::Names {
                prefix: &prefix.0,
                after: (&prefix.0, 0),
            }),
            (Some(prefix), Some(ListPosition::Name { name, seq })) => Some(FileRange::Names {
                prefix: &prefix.0,
                after: (name.0.as_str(), *seq).max((prefix.0.as_str(), 0)),
            }),
            (None, after) => {
                let end = (text(&self.created_before).unwrap_or(END_OF_TIME), 0);
                let before = match after {
                    None => end,
                    Some(ListPosition::Time { created_at, seq }) => end.min((created_at.as_str(), *seq)),
                    Some(ListPosition::Name { .. }) => return None,
                };
                Some(FileRange::Newest {
                    from: text(&self.created_from).unwrap_or_default(),
                    before,
                })
            }
            (Some(_), Some(ListPosition::Time { .. })) => None,
        }
    }
}

impl<S: Store> Ledger<'_, S> {
    /// One page of the uploads among these files that are this owner's and that whoever sees them here can go on with: their
    /// size is known, and how they are cut.
    pub(super) fn open_uploads(&mut self, owner: &str, listing: &Listing) -> Result<Reply, S::Error> {
        let page = self.file_page(listing)?;
        let mut uploads = Vec::new();
        for file in page.files {
            if file.owner.0 != owner {
                continue;
            }
            let upload = match self.store.upload_of(&file.file_id) {
                Ok(Some(upload)) => upload,
                Err(failure) if !failure.is_unreadable_row() => return Err(failure),
                Ok(None) | Err(_) => continue,
            };
            if upload.deferred_length.is_none() && !upload.has_free_layout {
                uploads.push(OpenUpload {
                    upload_id: upload.upload_id,
                    expires_at: Timestamp::from_unix_millis(upload.expires_ms),
                    file,
                });
            }
        }
        let next = page.next;
        Ok(Reply::OpenUploads(OpenUploadPage { uploads, next }))
    }

    pub(super) fn files(&mut self, listing: &Listing) -> Result<Reply, S::Error> {
        self.file_page(listing).map(Reply::Files)
    }

    /// One page. It may hold fewer files than asked for, or none, and still not be the last.
    fn file_page(&mut self, listing: &Listing) -> Result<FilePage, S::Error> {
        let limit = listing.limit as usize;
        let at_once = match listing.is_searched() {
            true => ROWS_AT_ONCE,
            false => listing.limit.min(ROWS_AT_ONCE),
        };
        let mut budget = PageBudget::full();
        let mut files = Vec::new();
        let mut place = listing.after.clone();
        let mut read = 0;
        while read < MOST_READ && files.len() < limit {
            // One more than is looked at tells whether there is a next page.
            let mut rows = self
                .rows(listing, place.as_ref(), at_once.saturating_add(1))?
                .into_iter();
            for row in rows.by_ref().take(at_once as usize) {
                let is_included = listing.includes(&row.record);
                if files.len() == limit || (is_included && !budget.takes(&row.record)) {
                    return Ok(page(files, place));
                }
                place = Some(listing.position_of(&row));
                read += 1;
                if is_included {
                    files.push(row.record);
                }
            }
            if rows.next().is_none() {
                return Ok(page(files, None));
            }
        }
        Ok(page(files, place))
    }

    /// Files of all states asked for, in order, the first `limit` of them after `place`.
    fn rows(
        &self,
        listing: &Listing,
        place: Option<&ListPosition>,
        limit: u32,
    ) -> Result<Vec<StoredFile>, S::Error> {
        let Some(range) = listing.range(place) else {
            return Ok(Vec::new());
        };
        let mut rows = Vec::new();
        for (index, status) in listing.statuses.iter().enumerate() {
            // An index holds one state in order; the states are put together here.
            if listing.statuses.iter().take(index).any(|other| other == status) {
                continue;
            }
            rows.extend(self.store.files(&FileQuery {
                status: *status,
                path: listing.path.as_ref().map(|path| path.0.as_str()),
                range,
                limit,
            })?);
        }
        match listing.is_by_name() {
            true => rows.sort_by(|a, b| {
                let names = a.record.name.0.cmp(&b.record.name.0);
                names.then(a.created_seq.cmp(&b.created_seq))
            }),
            false => rows.sort_by(|a, b| {
                let times = b.record.created_at.cmp(&a.record.created_at);
                times.then(b.created_seq.cmp(&a.created_seq))
            }),
        }
        rows.truncate(limit as usize);
        Ok(rows)
    }
}

fn page(files: Vec<FileRecord>, next: Option<ListPosition>) -> FilePage {
    FilePage { files, next }
}
