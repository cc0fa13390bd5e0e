//! Versions of a file: which one follows which, and files that are made of another's content.

use syncsphere_protocol::{FileId, FileRecord, FileStatus, Redacted};

use super::apply::Ledger;
use super::calls::{Idempotency, Reply};
use super::lineage::{Allowance, Base, Place, Previous, Reference, ReferenceDraft};
use super::page_budget;
use super::states::Available;
use super::store::{IdempotencyRecord, Store, Usage};
use super::store_failure::StoreFailure as _;
use super::stored_file::StoredFile;
use super::usage;

/// Versions that are listed at most. Source: `docs/api.md`, section "Versions".
const MAX_LISTED: u32 = 1_000;

/// Above every number of a version.
const ANY_VERSION: u32 = u32::MAX;

impl<S: Store> Ledger<'_, S> {
    /// The base of an upload that is about to begin.
    pub(super) fn base(&mut self, base: &Base) -> Result<Reply, S::Error> {
        Ok(match self.previous(base)? {
            Some(previous) => Reply::Base(previous),
            None => Reply::Missing,
        })
    }

    fn previous(&self, base: &Base) -> Result<Option<Previous>, S::Error> {
        let file = self.available(&base.file_id)?;
        let file = file.filter(|file| {
            base.owner
                .as_ref()
                .is_none_or(|owner| *owner == file.record.owner)
        });
        Ok(file.map(|file| Previous {
            line: file.line().clone(),
            version: file.version(),
            file_id: file.record.file_id,
        }))
    }

    /// Where a file stands that becomes available now. No number is given twice as long as the ledger knows of its file.
    pub(super) fn place_after(&self, previous: Option<&Previous>) -> Result<Place, S::Error> {
        let Some(previous) = previous else {
            return Ok(Place {
                version: 1,
                conflict: None,
            });
        };
        let newest = self.newest(&previous.line)?;
        let deleted = self
            .store
            .newest_versions(&previous.line, FileStatus::Deleted, ANY_VERSION, 1)?;
        let known = newest.iter().chain(&deleted).map(StoredFile::version);
        let last = known.max().unwrap_or(0).max(previous.version);
        Ok(Place {
            version: last.saturating_add(1),
            conflict: newest
                .filter(|newest| newest.version() > previous.version)
                .map(|newest| newest.record.file_id),
        })
    }

    /// The newest available version of a line.
    fn newest(&self, line: &FileId) -> Result<Option<StoredFile>, S::Error> {
        let later = self
            .store
            .newest_versions(line, FileStatus::Available, ANY_VERSION, 1)?
            .pop();
        match later {
            Some(later) => Ok(Some(later)),
            None => self.available(line),
        }
    }

    /// A file, if it is available. One that cannot be read is none.
    pub(super) fn available(&self, id: &FileId) -> Result<Option<StoredFile>, S::Error> {
        let file = match self.store.file(id) {
            Err(failure) if failure.is_unreadable_row() => None,
            other => other?,
        };
        Ok(file.filter(|file| file.record.status == FileStatus::Available))
    }

    /// Makes a file of the content that another file of the same owner has.
    pub(super) fn reference(
        &mut self,
        idempotency: Option<Idempotency>,
        wanted: Reference,
        allowance: Allowance,
    ) -> Result<Reply, S::Error> {
        if let Some(asked) = &idempotency
            && let Some(used) = self.store.idempotency_record(&asked.key)?
        {
            return self.referenced_before(&used, asked);
        }
        // A repeated command, whose reply was lost, carries the same id.
        if let Some(made) = self.store.file(&wanted.file.file_id)? {
            return Ok(a_file(made));
        }
        let own = self
            .available(&wanted.from)?
            .filter(|from| from.record.owner == wanted.file.owner);
        let Some(from) = own else {
            return Ok(Reply::Missing);
        };
        if from.content != Some(wanted.content) {
            return Ok(Reply::OtherContent);
        }
        let previous = match &wanted.base {
            None => None,
            Some(base) => match self.previous(base)? {
                None if !base.is_optional => return Ok(Reply::Missing),
                previous => previous,
            },
        };
        let file_id = wanted.file.file_id.clone();
        let reply = self.refer(from, wanted.file, previous, allowance)?;
        if let (Some(Idempotency { key, fingerprint }), Reply::File { .. }) = (idempotency, &reply) {
            let used = IdempotencyRecord {
                fingerprint,
                uploads: Vec::new(),
                file: Some(file_id),
            };
            self.remember(&key, &used)?;
        }
        Ok(reply)
    }

    fn referenced_before(&self, used: &IdempotencyRecord, asked: &Idempotency) -> Result<Reply, S::Error> {
        let Some(file_id) = used
            .file
            .as_ref()
            .filter(|_| used.fingerprint == asked.fingerprint)
        else {
            return Ok(Reply::KeyReused);
        };
        Ok(self.store.file(file_id)?.map_or(Reply::Missing, a_file))
    }

    /// Makes a version the newest of its line again. Where the newest has the same content under the same name, that is it.
    pub(super) fn restore(
        &mut self,
        id: &FileId,
        new_id: FileId,
        owner: Redacted<String>,
        allowance: Allowance,
    ) -> Result<Reply, S::Error> {
        if let Some(made) = self.store.file(&new_id)? {
            return Ok(a_file(made));
        }
        let Some(version) = self.available(id)? else {
            return Ok(Reply::Missing);
        };
        let line = version.line().clone();
        let newest = self.newest(&line)?.unwrap_or_else(|| version.clone());
        if is_same(&newest, &version) {
            return Ok(a_file(newest));
        }
        let previous = Previous {
            version: newest.version(),
            file_id: newest.record.file_id,
            line,
        };
        let record = version.record.clone();
        let draft = ReferenceDraft {
            file_id: new_id,
            name: record.name,
            original_name: record.original_name,
            path: record.path,
            content_type: record.content_type,
            owner,
            metadata: record.metadata,
        };
        self.refer(version, draft, Some(previous), allowance)
    }

    /// The file of another's content, if there is room for it.
    fn refer(
        &mut self,
        from: StoredFile,
        draft: ReferenceDraft,
        previous: Option<Previous>,
        allowance: Allowance,
    ) -> Result<Reply, S::Error> {
        let size = from.record.size;
        if size > allowance.max_size {
            return Ok(Reply::TooLarge);
        }
        let more = Usage {
            bytes: size,
            open: 0,
            record_bytes: usage::bytes_of(&draft.name, &draft.path, draft.metadata.iter()),
        };
        let mut workspace = self.store.usage(usage::WORKSPACE)?;
        if !self.reserve(&draft.owner, &more, allowance.max_bytes, &mut workspace)? {
            return Ok(Reply::OverQuota);
        }
        self.store.put_usage(usage::WORKSPACE, &workspace)?;
        let Some(file) = self.referred(from, draft, previous.as_ref())? else {
            return Ok(Reply::Missing);
        };
        self.record(&file)?;
        if let Some(previous) = &previous {
            self.retain(&previous.line)?;
        }
        Ok(a_file(file))
    }

    fn referred(
        &self,
        from: StoredFile,
        draft: ReferenceDraft,
        previous: Option<&Previous>,
    ) -> Result<Option<StoredFile>, S::Error> {
        let origin = from.origin().clone();
        // What an owner says of a content is not taken for another's word.
        let content = from.content.filter(|_| from.record.owner == draft.owner);
        let Some(available) = Available::prove(from.record) else {
            return Ok(None);
        };
        let place = self.place_after(previous)?;
        let seq = self.next_seq()?;
        let previous_id = previous.map(|previous| previous.file_id.clone());
        Ok(Some(StoredFile {
            record: available.refer(draft, place, previous_id, self.now_ms, seq),
            created_seq: seq,
            key: from.key,
            bucket: from.bucket,
            content,
            line: previous.map(|previous| previous.line.clone()),
            origin: Some(origin),
        }))
    }

    /// The available versions of a file's line, newest first.
    pub(super) fn versions(&self, id: &FileId) -> Result<Reply, S::Error> {
        let Some(file) = self.store.file(id)? else {
            return Ok(Reply::Missing);
        };
        let line = file.line();
        let mut first = self.available(line)?;
        let page = page_budget::fill(MAX_LISTED, record_of_file, |after, limit| {
            let before = after.map_or(ANY_VERSION, StoredFile::version);
            let mut later = self
                .store
                .newest_versions(line, FileStatus::Available, before, limit)?;
            if later.len() < limit as usize {
                later.extend(first.take());
            }
            Ok(later)
        })?;
        Ok(Reply::Versions {
            versions: page.into_iter().map(|file| file.record).collect(),
        })
    }
}

fn record_of_file(file: &StoredFile) -> &FileRecord {
    &file.record
}

fn a_file(file: StoredFile) -> Reply {
    Reply::File {
        file: Box::new(file),
        job: None,
    }
}

/// Whether a restored file would be no other than this one.
fn is_same(newest: &StoredFile, version: &StoredFile) -> bool {
    let said = |file: &StoredFile| {
        let record = file.record.clone();
        (record.name, record.path, record.content_type, record.metadata)
    };
    newest.origin() == version.origin() && said(newest) == said(version)
}
