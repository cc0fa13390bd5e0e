//! What a listing asks for, and what it gives.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{FileRecord, FileStatus, OpenUpload, Redacted, Timestamp};

/// A listing as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// Only files of these states.
    pub statuses: Vec<FileStatus>,
    /// Only files of exactly this folder.
    pub path: Option<Redacted<String>>,
    /// Only files whose names begin so; the listing is then by name.
    pub name_prefix: Option<Redacted<String>>,
    /// Only files created then or later.
    pub created_from: Option<Timestamp>,
    /// Only files created before.
    pub created_before: Option<Timestamp>,
    /// Go on after this place.
    pub after: Option<ListPosition>,
    /// At most so many.
    pub limit: u32,
}

/// A place in a listing: between the file that it names and the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ListPosition {
    /// In a listing by time.
    Time {
        /// When the file was created.
        created_at: Timestamp,
        /// Its `created_seq`.
        seq: u64,
    },
    /// In a listing by name.
    Name {
        /// The file's name.
        name: Redacted<String>,
        /// Its `created_seq`.
        seq: u64,
    },
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePage {
    /// The files.
    pub files: Vec<FileRecord>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<ListPosition>,
}

/// One page of an owner's open uploads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenUploadPage {
    /// The uploads.
    pub uploads: Vec<OpenUpload>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<ListPosition>,
}

/// What a store reads off one index: files of one state in one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileQuery<'a> {
    /// The state.
    pub status: FileStatus,
    /// Only files of exactly this folder.
    pub path: Option<&'a str>,
    /// The order, and from where to where.
    pub range: FileRange<'a>,
    /// At most so many.
    pub limit: u32,
}

/// A stretch of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRange<'a> {
    /// Newest first.
    Newest {
        /// Created then or later; empty for any time.
        from: &'a str,
        /// Strictly before this time and `created_seq`.
        before: (&'a str, u64),
    },
    /// By name.
    Names {
        /// Names that begin so.
        prefix: &'a str,
        /// Strictly after this name and `created_seq`.
        after: (&'a str, u64),
    },
}
