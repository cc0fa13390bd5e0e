//! Removes the versions of files that are not to be kept any more.

use syncsphere_protocol::FileId;

use super::apply::Ledger;
use super::jobs::Job;
use super::retention::Retention;
use super::store::Store;
use super::stored_file::StoredFile;

/// Versions that go at once. Source: own choice; each is some statements, and what is left over is the next alarm's, which
/// follows at once.
const VERSIONS_AT_ONCE: u32 = 32;

impl<S: Store> Ledger<'_, S> {
    /// Removes the versions of a line that are not to be kept any more, oldest first, and sees to it that the others go when
    /// their time is over.
    pub(super) fn retain(&mut self, line: &FileId) -> Result<(), S::Error> {
        let due_ms = match self.retention {
            Some(retention) => self.remove_old(line, retention)?,
            None => None,
        };
        match due_ms {
            Some(due_ms) => self.store.put_job(&Job::retain(line, due_ms)),
            None => self.store.remove_job(&Job::retain(line, 0).id),
        }
    }

    /// When the next version goes, in milliseconds since 1970.
    fn remove_old(&mut self, line: &FileId, retention: Retention) -> Result<Option<i64>, S::Error> {
        let mut surplus = match retention.keep {
            Some(keep) => self.available_count(line)?.saturating_sub(keep.max(1)),
            None => 0,
        };
        let mut versions = self.oldest(line)?.into_iter();
        let Some(mut oldest) = versions.next() else {
            return Ok(None);
        };
        // The newest has none after it, so it stays.
        for newer in versions {
            let since_ms = newer.record.updated_at.to_unix_millis();
            let ends_ms = since_ms
                .zip(retention.max_age_ms)
                .map(|(since_ms, age_ms)| since_ms.saturating_add(age_ms));
            if surplus == 0 && ends_ms.is_none_or(|ends_ms| ends_ms > self.now_ms) {
                return Ok(ends_ms);
            }
            surplus = surplus.saturating_sub(1);
            self.remove_version(oldest, retention)?;
            oldest = newer;
        }
        // There may be more than were looked at.
        let is_more = self.oldest(line)?.len() > 1;
        Ok(is_more.then_some(self.now_ms))
    }

    fn remove_version(&mut self, version: StoredFile, retention: Retention) -> Result<(), S::Error> {
        let id = version.record.file_id.clone();
        let urls_dead_ms = self.now_ms.saturating_add(retention.url_life_ms);
        let (_, sweep) = self.remove(version, urls_dead_ms)?;
        match sweep {
            // Nobody waits for it: the alarm does it.
            Some(sweep) => self.store.put_job(&Job::sweep(id.as_str(), self.now_ms, sweep)),
            None => Ok(()),
        }
    }

    /// How many versions of a line are available.
    fn available_count(&self, line: &FileId) -> Result<u64, S::Error> {
        let first = u64::from(self.available(line)?.is_some());
        Ok(self.store.version_count(line)?.saturating_add(first))
    }

    /// The oldest of them, in order.
    fn oldest(&self, line: &FileId) -> Result<Vec<StoredFile>, S::Error> {
        let mut versions: Vec<_> = self.available(line)?.into_iter().collect();
        versions.extend(self.store.oldest_versions(line, VERSIONS_AT_ONCE)?);
        Ok(versions)
    }
}
