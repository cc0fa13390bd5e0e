use serde::{Deserialize, Serialize};
use syncsphere_protocol::{FileId, Redacted, UploadId};

use crate::model::{BucketName, UploadMarker};

/// Longest pause before a job that failed is tried again, in milliseconds.
///
/// Source: own choice. Storage outages end within minutes or hours; an hour keeps a broken
/// workspace from costing more than 24 tries a day.
const LONGEST_PAUSE_MS: i64 = 60 * 60 * 1000;

/// First pause before a job that failed is tried again, in milliseconds; it doubles each time.
/// Source: own choice.
const FIRST_PAUSE_MS: i64 = 5_000;

/// First and longest pause between two looks for an object that a client is sending, in milliseconds.
///
/// Source: own choice. Small files are there within seconds, and whoever waits for a large one can wait half a minute
/// more; an object that never comes costs some 120 requests in an hour.
const FIRST_LOOK_MS: i64 = 2_000;
const LONGEST_LOOK_MS: i64 = 30_000;

/// Work that has to happen later, whoever crashes before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Names the job; a second one of the same id takes its place.
    pub id: String,
    /// When to do it, in milliseconds since 1970.
    pub due_ms: i64,
    /// How often it has been leased since it was last settled.
    pub attempts: u32,
    /// What to do.
    pub kind: JobKind,
}

/// What a job is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum JobKind {
    /// The upload's time is over, or its page may have gone after the last byte.
    Expire {
        /// The upload.
        upload_id: UploadId,
    },
    /// A completion was started and not heard of again: ask storage how it went.
    Resolve {
        /// The upload.
        upload_id: UploadId,
    },
    /// A whole object is being sent by a client that tells nobody when it is there: look for it.
    Watch {
        /// The upload.
        upload_id: UploadId,
    },
    /// Nothing may be left of an object.
    Sweep(Sweep),
    /// An idempotency key has served its time.
    Forget {
        /// The key as it is stored.
        key: Redacted<String>,
    },
    /// The oldest changes have been kept for long enough.
    Compact,
    /// So have a file's oldest versions.
    Retain {
        /// The first of them.
        line: FileId,
    },
    /// Look through the bucket for multipart uploads that no ledger knows.
    #[serde(rename = "strays")]
    Orphans {
        /// Where to go on; absent at the beginning.
        after: Option<UploadMarker>,
    },
}

/// A multipart upload that storage lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredUpload {
    /// The file that its key is for.
    pub file_id: FileId,
    /// Storage's name of it.
    pub storage_upload_id: Redacted<String>,
}

/// What is to be removed from storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// The object's key.
    pub key: Redacted<String>,
    /// The bucket that it lies in, where that is not `S3_BUCKET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// Where a whole file was sent to, if that was another key: nothing may be left there either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_key: Option<Redacted<String>>,
    /// The multipart upload, where one is known.
    pub storage_upload_id: Option<Redacted<String>>,
    /// Whether storage may hold a multipart upload that nobody has written down.
    #[serde(rename = "strayUploads")]
    pub unrecorded_uploads: bool,
    /// Until then a signed URL may still bring bytes, so sweep once more afterwards; milliseconds
    /// since 1970.
    pub urls_dead_ms: i64,
}

impl JobKind {
    /// Kinds whose jobs ask storage, those first whose lateness keeps something that nobody wants: each has a queue of its
    /// own, so that none waits behind another.
    pub(super) const ASKING_STORAGE: [&str; 5] = ["expire", "resolve", "sweep", "watch", "strays"];

    /// Kinds whose jobs the ledger does by itself.
    pub(super) const OWN: [&str; 3] = ["forget", "compact", "retain"];

    /// The kind as it stands in the ledger's rows.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Expire { .. } => "expire",
            Self::Resolve { .. } => "resolve",
            Self::Watch { .. } => "watch",
            Self::Sweep(_) => "sweep",
            Self::Forget { .. } => "forget",
            Self::Compact => "compact",
            Self::Retain { .. } => "retain",
            Self::Orphans { .. } => "strays",
        }
    }
}

impl Sweep {
    /// Whether storage may hold a multipart upload.
    pub(crate) fn is_multipart(&self) -> bool {
        self.storage_upload_id.is_some() || self.unrecorded_uploads
    }
}

impl Job {
    pub(super) fn expire(upload_id: &UploadId, due_ms: i64) -> Self {
        let kind = JobKind::Expire {
            upload_id: upload_id.clone(),
        };
        Self::new(format!("expire:{upload_id}"), due_ms, kind)
    }

    pub(super) fn resolve(upload_id: &UploadId, due_ms: i64) -> Self {
        let kind = JobKind::Resolve {
            upload_id: upload_id.clone(),
        };
        Self::new(format!("resolve:{upload_id}"), due_ms, kind)
    }

    pub(super) fn watch(upload_id: &UploadId, now_ms: i64) -> Self {
        let kind = JobKind::Watch {
            upload_id: upload_id.clone(),
        };
        let due_ms = now_ms.saturating_add(FIRST_LOOK_MS);
        Self::new(format!("watch:{upload_id}"), due_ms, kind)
    }

    pub(super) fn sweep(upload_or_file: &str, due_ms: i64, sweep: Sweep) -> Self {
        Self::new(Self::sweep_id(upload_or_file), due_ms, JobKind::Sweep(sweep))
    }

    pub(super) fn sweep_id(upload_or_file: &str) -> String {
        format!("sweep:{upload_or_file}")
    }

    pub(super) fn forget(key: &Redacted<String>, due_ms: i64) -> Self {
        let kind = JobKind::Forget { key: key.clone() };
        Self::new(format!("forget:{}", key.0), due_ms, kind)
    }

    pub(super) fn compact(due_ms: i64) -> Self {
        Self::new("compact".to_owned(), due_ms, JobKind::Compact)
    }

    pub(super) fn retain(line: &FileId, due_ms: i64) -> Self {
        let kind = JobKind::Retain { line: line.clone() };
        Self::new(format!("retain:{line}"), due_ms, kind)
    }

    pub(super) fn orphans(after: Option<UploadMarker>, due_ms: i64) -> Self {
        Self::new("strays".to_owned(), due_ms, JobKind::Orphans { after })
    }

    /// The job as it is stored while someone is at it: put off, longer each time.
    pub(super) fn leased(mut self, now_ms: i64) -> Self {
        let (first, longest) = match self.kind {
            JobKind::Watch { .. } => (FIRST_LOOK_MS, LONGEST_LOOK_MS),
            _ => (FIRST_PAUSE_MS, LONGEST_PAUSE_MS),
        };
        let doublings = self.attempts.min(20);
        let pause = (first << doublings).min(longest);
        self.due_ms = now_ms.saturating_add(pause);
        self.attempts = self.attempts.saturating_add(1);
        self
    }

    fn new(id: String, due_ms: i64, kind: JobKind) -> Self {
        Self {
            id,
            due_ms,
            attempts: 0,
            kind,
        }
    }
}
