//! What a ledger is asked, and what it answers.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{
    ChangesPage, Crc64Nvme, DatabaseStatus, DeadLetterList, DestinationList, DestinationStatus, FileId,
    FileRecord, Md5, Redacted, Sha256, Tail, UploadId, UploadKind,
};

use super::base_query::{BaseQuery, KnownBase};
use super::destination_state::{MessageDelivery, MessageResult};
use super::jobs::{Job, StoredUpload};
use super::lineage::{Allowance, Base, Previous, Reference};
use super::listing::{FilePage, Listing, OpenUploadPage};
use super::replication::{Delivery, Receipt, RefusedDelivery};
use super::retention::Retention;
use super::states::{Abilities, FileDraft, Upload};
use super::stored_file::StoredFile;
use crate::model::{DeferredLength, UploadMarker};

/// One command and the time at which it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// How long changes are kept, in milliseconds.
    pub keep_changes_ms: i64,
    /// Which versions of a file are kept; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// What is asked.
    pub command: Command,
}

/// What a ledger can be asked. Every command may be repeated: the second time changes nothing and
/// answers as the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Carry out several commands, in this order, as one.
    Several {
        /// The commands, none of them a `Several` itself.
        commands: Vec<Command>,
    },
    /// Answer with the newest sequence number.
    Head,
    /// Record the intent to upload. A `single` upload is open, and announced, at once, and so is a multipart upload that
    /// storage has created already; others wait for [`Command::Open`].
    Begin {
        /// Makes a repeated request answer the same uploads.
        idempotency: Option<Idempotency>,
        /// The uploads, at most one request's worth.
        drafts: Vec<UploadDraft>,
        /// What their owner's files may come to, in bytes, uploads under way included; what goes
        /// beyond it is not begun.
        max_bytes: Option<u64>,
    },
    /// Storage has created multipart uploads: their files exist now.
    Open {
        /// Each upload with the name that storage gave it.
        opened: Vec<Opened>,
    },
    /// Look an upload up.
    Upload {
        /// Which.
        upload_id: UploadId,
    },
    /// Write down what the whole of an open upload has to be, so that it can be finalized without its client.
    NoteChecksum {
        /// Which.
        upload_id: UploadId,
        /// The whole file's checksum.
        crc64nvme: Crc64Nvme,
        /// From when on the alarm looks for the whole, in milliseconds since 1970.
        unattended_from_ms: i64,
    },
    /// Record that storage is about to be asked to complete the upload.
    StartCompletion {
        /// Which.
        upload_id: UploadId,
        /// What the client says the whole file's checksum is.
        crc64nvme: Option<Crc64Nvme>,
        /// What its parts' MD5s make.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        md5: Option<Md5>,
        /// What the file comes to, of an upload with an [`DeferredLength`]: counted among its owner's bytes, and fixed
        /// until the completion is stopped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// Storage refused to complete the upload, or holds it after all: it is open again.
    StopCompletion {
        /// Which.
        upload_id: UploadId,
    },
    /// Storage shows neither the upload nor its object. The first time is written down, and a job looks again
    /// [`ABSENCE_PROVEN_MS`](super::ABSENCE_PROVEN_MS) later.
    NoteAbsence {
        /// Which.
        upload_id: UploadId,
    },
    /// Storage holds the finished object: the file is available.
    Finish {
        /// Which.
        upload_id: UploadId,
        /// The object's ETag, quoted as storage gave it.
        etag: String,
        /// The object's checksum, where storage reports one.
        crc64nvme: Option<Crc64Nvme>,
        /// Its MD5, where storage proves it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        md5: Option<Md5>,
        /// When the last URL signed for the upload has died, in milliseconds since 1970.
        #[serde(default)]
        urls_dead_ms: i64,
    },
    /// Give an upload up.
    Abort {
        /// Which.
        upload_id: UploadId,
        /// When the last URL signed for the upload has died, in milliseconds since 1970.
        urls_dead_ms: i64,
    },
    /// Parts have arrived lately: put the upload's end off, no further than its latest.
    Extend {
        /// Which.
        upload_id: UploadId,
        /// When it is given up now, in milliseconds since 1970.
        expires_ms: i64,
        /// When it is looked after next, as of [`Command::Expire`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look_again_ms: Option<i64>,
    },
    /// Give an upload up if its time is over.
    Expire {
        /// Which.
        upload_id: UploadId,
        /// As for [`Command::Abort`].
        urls_dead_ms: i64,
        /// When the alarm looks after it next, if its time is not over, in milliseconds since 1970; absent: at its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look_again_ms: Option<i64>,
    },
    /// Look a file up.
    File {
        /// Which.
        file_id: FileId,
    },
    /// List files.
    Files(Listing),
    /// List the open uploads of one owner.
    OpenUploads {
        /// Whose.
        owner: Redacted<String>,
        /// Which files to look among, page by page.
        listing: Listing,
    },
    /// Remove an available file.
    Delete {
        /// Which.
        file_id: FileId,
        /// As for [`Command::Abort`].
        urls_dead_ms: i64,
    },
    /// Look the base of an upload up.
    Base(Base),
    /// Make a file of another's content.
    Reference {
        /// Makes a repeated request answer the same file.
        idempotency: Option<Idempotency>,
        /// The file.
        wanted: Box<Reference>,
        /// What its owner may keep.
        allowance: Allowance,
    },
    /// Make a version the newest of its line again.
    Restore {
        /// Which.
        file_id: FileId,
        /// The id of the file that is made.
        new_id: FileId,
        /// Whose it becomes.
        owner: Redacted<String>,
        /// What they may keep.
        allowance: Allowance,
    },
    /// List the available versions of a file.
    Versions {
        /// Any of them.
        file_id: FileId,
    },
    /// Tell the content index of an available file.
    Chunks {
        /// Which.
        file_id: FileId,
    },
    /// Keep the content index of an owner's available file.
    PutChunks {
        /// Which.
        file_id: FileId,
        /// Whose it has to be.
        owner: Redacted<String>,
        /// Digest of the packed index.
        content: Sha256,
        /// The packed index, as base64.
        chunks: String,
    },
    /// Tell which files a new one could take its content from.
    Bases(BaseQuery),
    /// Read the feed.
    Changes {
        /// Everything after this sequence number.
        since: u64,
        /// At most so many.
        limit: u32,
    },
    /// Lease the jobs that are due: each is put off, so that a crash neither loses nor repeats
    /// it at once.
    #[serde(rename = "takeChores")]
    TakeJobs {
        /// At most so many.
        limit: u32,
    },
    /// A job was carried out: drop it, or do it again at another time.
    #[serde(rename = "settleChore")]
    SettleJob {
        /// Which.
        #[serde(rename = "choreId")]
        job_id: String,
        /// When to do it again, in milliseconds since 1970; `None` when it is done for good.
        again_ms: Option<i64>,
    },
    /// Look through the bucket for multipart uploads that no ledger knows, from the beginning unless
    /// that is under way, or from a place where it was interrupted.
    #[serde(rename = "lookForStrays")]
    LookForOrphans {
        /// The place.
        after: Option<UploadMarker>,
    },
    /// Tell which of these multipart uploads the ledger has no use for.
    #[serde(rename = "strays")]
    Orphans {
        /// Uploads of the workspace, as storage lists them.
        listed: Vec<StoredUpload>,
    },
    /// Lease what goes to the metadata database next, if it is due: it comes back until it is settled.
    TakeDelivery {
        /// At most so many files or changes.
        limit: u32,
    },
    /// The database has a delivery.
    SettleDelivery {
        /// Which.
        receipt: Receipt,
    },
    /// The database refuses a delivery for what is in it: make a smaller one, and leave out what is refused alone.
    RefuseDelivery(RefusedDelivery),
    /// The database has not taken a delivery: put the next off, longer each time.
    PutOffDelivery,
    /// Deliver everything that is known to the database all over again.
    Replay,
    /// Tell how far the database is.
    Database,
    /// Lease what a destination is sent next, if that is due: it comes back until it is settled.
    TakeMessages {
        /// The destination's name.
        destination: String,
        /// At most so many messages.
        limit: u32,
    },
    /// Each message of a delivery was sent, or failed.
    SettleMessages {
        /// The destination's name.
        destination: String,
        /// Where it stands in the feed after the delivery.
        through: u64,
        /// What came of each message.
        results: Vec<MessageResult>,
    },
    /// A destination has taken nothing of a delivery: put the next off, longer each time.
    PutOffMessages {
        /// The destination's name.
        destination: String,
        /// Why.
        cause: String,
    },
    /// Tell where changes go, and how far each destination is.
    Destinations,
    /// List the messages of a destination that are not sent again by themselves.
    DeadLetters {
        /// The destination's name.
        destination: String,
        /// Those of changes after this one.
        since: u64,
        /// At most so many.
        limit: u32,
    },
    /// Send dead letters of a destination again.
    Resend {
        /// The destination's name.
        destination: String,
        /// That of one change; `None`: all.
        seq: Option<u64>,
    },
}

/// A client's idempotency key and what it was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Idempotency {
    /// The key, bound to who sent it.
    pub key: Redacted<String>,
    /// Digest of the request body.
    pub fingerprint: String,
}

/// An upload that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadDraft {
    /// The upload's id.
    pub upload_id: UploadId,
    /// What is known of the file.
    pub file: FileDraft,
    /// How the bytes travel.
    pub kind: UploadKind,
    /// The size of every part but the last, in bytes; with a tail, of every part before it.
    pub part_size: u64,
    /// The smaller parts at the end, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// Whether the client cuts the file as it likes; `part_size` is the least then.
    #[serde(rename = "freeLayout", default, skip_serializing_if = "std::ops::Not::not")]
    pub has_free_layout: bool,
    /// When the upload is given up, in milliseconds since 1970.
    pub expires_ms: i64,
    /// As [`Upload::latest_expiry_ms`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_expiry_ms: Option<i64>,
    /// The whole file's checksum, once the client has stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// From when on the workspace's alarm looks whether storage holds all of it, in milliseconds since 1970; absent while
    /// nothing would prove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unattended_from_ms: Option<i64>,
    /// What else the client said of itself.
    #[serde(default, flatten)]
    pub abilities: Abilities,
    /// Where the client sends a whole file to, if that is not the file's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_key: Option<Redacted<String>>,
    /// Where the file's size is not known yet, and 0 until then: what it may come to.
    #[serde(rename = "openEnd", default, skip_serializing_if = "Option::is_none")]
    pub deferred_length: Option<DeferredLength>,
    /// Storage's own name of a multipart upload that it has created already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_upload_id: Option<Redacted<String>>,
}

/// A multipart upload that storage has created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// The upload.
    pub upload_id: UploadId,
    /// Storage's own name for it.
    pub storage_upload_id: Redacted<String>,
}

/// What a ledger answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reply {
    /// To [`Command::Several`].
    Several {
        /// One reply for each command, in their order.
        replies: Vec<Reply>,
    },
    /// To [`Command::Head`].
    Head {
        /// The newest sequence number, 0 if nothing has happened yet.
        seq: u64,
    },
    /// To [`Command::Begin`]: the uploads as they stand, in the order asked; `None` where the
    /// owner's quota does not hold the upload.
    Begun {
        /// The uploads.
        uploads: Vec<Option<Upload>>,
    },
    /// To [`Command::Open`]: the uploads as they stand, in the order asked.
    Uploads {
        /// The uploads.
        uploads: Vec<Upload>,
    },
    /// The idempotency key was used for another request.
    KeyReused,
    /// To [`Command::StartCompletion`], [`Command::Reference`] and [`Command::Restore`]: the owner's quota does not hold what
    /// the file comes to. Nothing has been changed.
    OverQuota,
    /// To [`Command::Reference`]: the file has other content, or its owner has not told of it.
    OtherContent,
    /// To [`Command::Reference`] and [`Command::Restore`]: the file is larger than its owner may have one.
    TooLarge,
    /// To [`Command::Base`].
    Base(Previous),
    /// To [`Command::Bases`].
    Bases {
        /// At most four.
        bases: Vec<KnownBase>,
    },
    /// To [`Command::Chunks`].
    Chunks {
        /// The packed index, as base64.
        chunks: String,
    },
    /// To [`Command::Versions`].
    Versions {
        /// Newest first.
        versions: Vec<FileRecord>,
    },
    /// An upload and its file.
    Upload {
        /// The upload.
        upload: Box<Upload>,
        /// Its file; absent until storage has created the upload.
        file: Option<Box<FileRecord>>,
        /// Clean-up that the command has made necessary.
        #[serde(rename = "chore")]
        job: Option<Box<Job>>,
    },
    /// A file.
    File {
        /// The file.
        file: Box<StoredFile>,
        /// Clean-up that the command has made necessary.
        #[serde(rename = "chore")]
        job: Option<Box<Job>>,
    },
    /// One page of files.
    Files(FilePage),
    /// One page of open uploads.
    OpenUploads(OpenUploadPage),
    /// One page of the feed.
    Changes(ChangesPage),
    /// Leased jobs.
    #[serde(rename = "chores")]
    Jobs {
        /// The jobs.
        #[serde(rename = "chores")]
        jobs: Vec<Job>,
    },
    /// To [`Command::Orphans`]: whether each upload is one that nobody will finish or abort, in the order
    /// asked.
    #[serde(rename = "strays")]
    Orphans {
        /// For each upload.
        #[serde(rename = "strays")]
        orphans: Vec<bool>,
    },
    /// To [`Command::TakeDelivery`].
    Delivery {
        /// What goes to the database; `None` while nothing is due.
        delivery: Option<Box<Delivery>>,
    },
    /// How far the metadata database is.
    Database(DatabaseStatus),
    /// To [`Command::TakeMessages`].
    Messages {
        /// What is sent; `None` while nothing is due.
        delivery: Option<Box<MessageDelivery>>,
    },
    /// How far a destination is.
    Destination(DestinationStatus),
    /// How far each is.
    Destinations(DestinationList),
    /// To [`Command::DeadLetters`].
    DeadLetters(DeadLetterList),
    /// The command was carried out and there is nothing to tell.
    Done,
    /// To a [`Command::Upload`] among several: there is one, but it cannot be read.
    Unreadable,
    /// There is no such upload, file, job, database, destination or letter.
    Missing,
}
