//! Content indexes of files, and which files a new one could take its content from.

use syncsphere_protocol::{FileId, Sha256};

use super::apply::Ledger;
use super::base_query::{BaseQuery, KnownBase};
use super::calls::Reply;
use super::store::{Store, Usage};
use super::stored_file::StoredFile;
use super::usage;

/// Most files that are told as bases, and most of them for their size alone. Source: `docs/api.md`, section "Only what changed".
const MAX_BASES: usize = 4;
const MAX_OF_SIZE: usize = 3;

/// Most bytes of indexes in one answer, as base64. Source: own choice; three of the largest.
const MAX_CHUNKS_TOLD: usize = 2_000_000;

/// Most files of one folder and name among which an owner's is looked for, newest first. Source: own choice; a few
/// milliseconds of reading.
const MAX_NAMESAKES: u32 = 100;

/// Most files that keep an object among which one is looked for that takes its index over, oldest first. Source: own choice; a few
/// milliseconds of reading.
const MAX_REFERENCES: u32 = 100;

impl<S: Store> Ledger<'_, S> {
    /// The content index of an available file: its own, or that of a file of the same owner and content.
    pub(super) fn chunks(&self, id: &FileId) -> Result<Reply, S::Error> {
        let Some(file) = self.available(id)? else {
            return Ok(Reply::Missing);
        };
        let chunks = match (self.store.chunks_of(id)?, file.content) {
            (None, Some(content)) => self.store.chunks(&file.record.owner, content)?,
            (own, _) => own,
        };
        Ok(chunks.map_or(Reply::Missing, |chunks| Reply::Chunks { chunks }))
    }

    /// Keeps the content index of an owner's available file, if there is room for it among the owner's records.
    pub(super) fn put_chunks(
        &mut self,
        id: &FileId,
        owner: &str,
        content: Sha256,
        chunks: &str,
    ) -> Result<Reply, S::Error> {
        let Some(file) = self.own(id, owner)? else {
            return Ok(Reply::Missing);
        };
        let before = self.store.chunks_of(id)?;
        if before.as_deref() != Some(chunks) {
            let mut workspace = self.store.usage(usage::WORKSPACE)?;
            if !self.reserve(owner, &usage_of(chunks), None, &mut workspace)? {
                return Ok(Reply::OverQuota);
            }
            self.store.put_usage(usage::WORKSPACE, &workspace)?;
            if let Some(before) = before {
                self.release(owner, &usage_of(&before))?;
            }
            self.store.put_chunks(&file, content, chunks)?;
        }
        let content = Some(content);
        let file = StoredFile { content, ..file };
        self.store.put_file(&file)?;
        Ok(Reply::File {
            file: Box::new(file),
            job: None,
        })
    }

    /// A file has gone: its content index goes to the oldest of the owner's files that keep the same object, or is removed.
    pub(super) fn pass_on_chunks(&mut self, gone: &StoredFile) -> Result<(), S::Error> {
        let StoredFile { record, content, .. } = gone;
        let Some(chunks) = self.store.chunks_of(&record.file_id)? else {
            return Ok(());
        };
        self.store.remove_chunks(&record.file_id)?;
        if let Some(content) = content
            && let Some(heir) = self.heir(gone)?
            && self.store.chunks_of(&heir.record.file_id)?.is_none()
        {
            return self.store.put_chunks(&heir, *content, &chunks);
        }
        self.release(&record.owner, &usage_of(&chunks))
    }

    /// The oldest available file of the same owner, content and object.
    fn heir(&self, gone: &StoredFile) -> Result<Option<StoredFile>, S::Error> {
        let origin = self.available(gone.origin())?;
        let references = self.store.references(gone.origin(), MAX_REFERENCES)?;
        let mut left = origin.into_iter().chain(references);
        Ok(left.find(|file| file.record.owner == gone.record.owner && file.content == gone.content))
    }

    /// An owner's available files that a new one could take its content from: the one that it is made from, the newest of the
    /// same folder and name, and some of the same size.
    pub(super) fn bases(&mut self, query: &BaseQuery) -> Result<Reply, S::Error> {
        let mut found = Vec::new();
        if let Some(id) = query.base.as_ref().filter(|_| query.copies) {
            add(&mut found, self.own(id, &query.owner)?);
        }
        let named = self
            .store
            .newest_named(&query.path, &query.name, MAX_NAMESAKES)?
            .into_iter()
            .find(|file| file.record.owner == query.owner);
        add(&mut found, named);
        let certain = found.len();
        if query.copies {
            // Those that are there already may be among them.
            let limit = u32::try_from(MAX_OF_SIZE + certain).unwrap_or(u32::MAX);
            for file in self.store.indexed_of_size(&query.owner, query.size, limit)? {
                if found.len() < MAX_BASES.min(certain + MAX_OF_SIZE) {
                    add(&mut found, Some(file));
                }
            }
        }
        let mut room = MAX_CHUNKS_TOLD;
        let mut bases = Vec::with_capacity(found.len());
        for (place, file) in found.into_iter().enumerate() {
            let chunks = match file.content.filter(|_| query.copies) {
                Some(content) => self.store.chunks(&query.owner, content)?,
                None => None,
            };
            let chunks = chunks.filter(|chunks| chunks.len() <= room);
            room -= chunks.as_ref().map_or(0, String::len);
            // What is told for its size alone is worth nothing without.
            if chunks.is_some() || place < certain {
                bases.push(KnownBase { file, chunks });
            }
        }
        Ok(Reply::Bases { bases })
    }

    fn own(&self, id: &FileId, owner: &str) -> Result<Option<StoredFile>, S::Error> {
        let file = self.available(id)?;
        Ok(file.filter(|file| file.record.owner.0 == owner))
    }
}

fn add(found: &mut Vec<StoredFile>, file: Option<StoredFile>) {
    let is_known = |file: &StoredFile| {
        let mut known = found.iter();
        known.any(|known| known.record.file_id == file.record.file_id)
    };
    let file = file.filter(|file| !is_known(file));
    found.extend(file);
}

fn usage_of(chunks: &str) -> Usage {
    Usage {
        record_bytes: u64::try_from(chunks.len()).unwrap_or(u64::MAX),
        ..Usage::default()
    }
}
