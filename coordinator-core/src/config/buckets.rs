//! Which bucket a workspace's files go to: `S3_BUCKET`, or one of `S3_BUCKETS`.

use syncsphere_protocol::WorkspaceId;

use super::storage::wrong_variable;
use super::variables::{ConfigError, Vars};
use crate::model::BucketName;
use crate::s3::Bucket;
use crate::workspace_pattern;

/// The variable.
const S3_BUCKETS: &str = "S3_BUCKETS";

/// Most entries. Source: own choice; a variable of the platform ends at 5 KB.
const MAX_ENTRIES: usize = 100;

/// Most different buckets besides `S3_BUCKET`.
///
/// Source: own choice. `GET /healthz` asks each once, which has to fit into the 26 requests that the least
/// `SUBREQUEST_LIMIT` leaves.
const MAX_BUCKETS: usize = 20;

/// Longest pattern, in bytes. Source: the longest workspace id there can be, and a star.
const MAX_PATTERN: usize = 65;

/// Buckets for workspaces by pattern. They share everything but their names with `S3_BUCKET`.
#[derive(Debug, Clone, Default)]
pub struct BucketPatterns(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    /// A workspace's id, or how it begins, with a star at the end.
    pattern: String,
    bucket: Bucket,
}

impl BucketPatterns {
    /// Reads a list such as `eu-*=files-eu,acme=files-acme`.
    pub(super) fn from_vars(vars: &Vars<'_>, main: &Bucket) -> Result<Self, ConfigError> {
        let list = vars.optional(S3_BUCKETS).unwrap_or_default();
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entries: Option<Vec<Entry>> = entries.map(|entry| Entry::parse(entry, main)).collect();
        let patterns = Self(entries.ok_or_else(|| {
            wrong_variable(
                S3_BUCKETS,
                "has to be a list such as eu-*=files-eu,acme=files-acme: workspaces, a star at the end for all that begin so, \
                 and the bucket of each",
            )
        })?);
        match patterns.0.len() <= MAX_ENTRIES && patterns.buckets().len() <= MAX_BUCKETS {
            true => Ok(patterns),
            false => Err(wrong_variable(
                S3_BUCKETS,
                "has more than 100 entries or more than 20 buckets",
            )),
        }
    }

    /// The bucket of the first entry that fits the workspace.
    pub(super) fn of(&self, workspace: &WorkspaceId) -> Option<&Bucket> {
        let mut entries = self.0.iter();
        let entry = entries.find(|entry| workspace_pattern::matches(&entry.pattern, workspace))?;
        Some(&entry.bucket)
    }

    /// The bucket of this name, if an entry has it.
    pub(super) fn named(&self, name: &BucketName) -> Option<&Bucket> {
        let mut buckets = self.0.iter().map(|entry| &entry.bucket);
        buckets.find(|bucket| bucket.name == *name)
    }

    /// Each bucket once, in the order in which they are named first.
    pub(super) fn buckets(&self) -> Vec<&Bucket> {
        let mut buckets: Vec<&Bucket> = Vec::new();
        for Entry { bucket, .. } in &self.0 {
            if buckets.iter().all(|known| known.name != bucket.name) {
                buckets.push(bucket);
            }
        }
        buckets
    }
}

impl Entry {
    fn parse(entry: &str, main: &Bucket) -> Option<Self> {
        let (pattern, name) = entry.split_once('=')?;
        let (pattern, name) = (pattern.trim(), name.trim());
        let begins_with = pattern.strip_suffix('*').unwrap_or(pattern);
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let is_pattern = (1..=MAX_PATTERN).contains(&pattern.len()) && begins_with.bytes().all(is_plain);
        Some(Self {
            pattern: is_pattern.then(|| pattern.to_owned())?,
            bucket: main.beside(name.parse().ok()?),
        })
    }
}
