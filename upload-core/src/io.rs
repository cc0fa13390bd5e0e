//! What goes into the engine and what comes out of it.

use syncsphere_protocol::{
    AbortReply, Checksum, CompleteBatchReply, CompleteBatchRequest, CompleteRequest, FileRecord,
    InitiateReply, InitiateRequest, Integrity, PartRange, Problem, Redacted, SignPartsReply,
    SignPartsRequest, StringMap, UploadId, UploadStatus, VersionBase,
};

use crate::checkpoint::Checkpoint;
use crate::error::{Reason, UploadError};

/// One file that the page handed over; the shell numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

/// One attempt to hash or to send a part. Answers to an attempt that has ended are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// One request to the coordinator. Answers to a call that has ended are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What the page says of a file. The bytes stay with the shell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileDescription {
    /// The file's name without its folder.
    pub name: Redacted<String>,
    /// Size in bytes.
    pub size: u64,
    /// Media type; empty if unknown.
    pub content_type: String,
    /// Last modification in milliseconds since 1970, where the file has one.
    pub last_modified: Option<i64>,
    /// Folder inside the workspace.
    pub path: Option<Redacted<String>>,
    /// Anything the page wants kept with the file.
    pub metadata: Option<Redacted<StringMap>>,
    /// The file that it becomes the next version of.
    pub base: Option<VersionBase>,
    /// Files with more of it go first, see [`Input::Prioritize`]; 0 is ordinary.
    pub priority: i32,
}

/// Something that happened outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A file to upload.
    Add {
        /// A number not used before.
        task: TaskId,
        /// What it is.
        file: FileDescription,
    },
    /// An upload left over from an earlier page, with its file at hand again.
    Restore {
        /// A number not used before.
        task: TaskId,
        /// The file as it is now.
        file: FileDescription,
        /// What the earlier page knew.
        checkpoint: Checkpoint,
    },
    /// Stop sending; keep what is stored.
    Pause(TaskId),
    /// Go on after a pause.
    Resume(TaskId),
    /// From now on, this file goes before all of a lower priority, and after all of a higher one: except that one request
    /// in eight is of the file that came first. What is in flight is not taken back.
    Prioritize(TaskId, i32),
    /// Give the upload up and free what storage holds of it.
    Abort(TaskId),
    /// Free what storage holds of an upload that an earlier page left and nobody wants any more.
    Discard(UploadId),
    /// The browser says that there is a network, or none.
    Network {
        /// Whether there is one.
        online: bool,
    },
    /// Whether files of several parts are read once more when all are stored, before they are finalized: a part that reads
    /// otherwise than it did ends the upload with `file_changed`. For browsers that let a file change after the page got it
    /// and go on reading, so that the parts may never have been one file. Needs checksums; costs one reading of the file.
    ReadAgain(bool),
    /// Most bytes a second, over all files, from now on; `None` for as many as the network carries. A request cannot be
    /// slowed down, so the next one begins later: over any time, what is sent differs from the limit by a part or so. Parts
    /// of files that begin under a limit are small for that reason (5 MiB where the limit is below 20 MiB a second).
    MaxRate(Option<u64>),
    /// The shell has seen how its requests reach storage. Before, HTTP/1.1 is assumed.
    Storage(Connections),
    /// A part's checksum is known.
    Hashed {
        /// Answers [`Action::Hash`].
        attempt: AttemptId,
        /// The checksum of the part's bytes, by the algorithm asked for.
        checksum: Checksum,
    },
    /// Bytes of a part have been handed to the network.
    Sent {
        /// Belongs to [`Action::Send`].
        attempt: AttemptId,
        /// Bytes of this attempt so far.
        loaded: u64,
    },
    /// Storage has taken a part.
    Stored {
        /// Answers [`Action::Send`].
        attempt: AttemptId,
    },
    /// Hashing or sending a part went wrong.
    AttemptFailed {
        /// Answers [`Action::Hash`] or [`Action::Send`].
        attempt: AttemptId,
        /// How.
        failure: TransferFailure,
    },
    /// What keeps this page from storage, as far as can be found out; answers [`Action::Examine`].
    Examined(Option<Reason>),
    /// The coordinator answered, or did not.
    Replied {
        /// Answers [`Action::Call`].
        call: CallId,
        /// What it said.
        result: Result<Reply, CallFailure>,
    },
    /// The moment that `Engine::poll_timeout` named has come. Harmless at any other time.
    Timeout,
}

/// How requests reach storage, which bounds how many can be under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connections {
    /// One request a connection, and a browser keeps six connections to an origin.
    #[default]
    Http1,
    /// The same, and the coordinator's calls go to the same origin: one connection stays theirs.
    Http1Shared,
    /// HTTP/2 or HTTP/3: requests share a connection, so six is no bound.
    Multiplexed,
}

/// A request that storage takes, exactly as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRequest {
    /// HTTP method: `PUT` with the bytes as the body, or `POST` with a form.
    pub method: String,
    /// Presigned URL, or the form's.
    pub url: Redacted<String>,
    /// Headers to send.
    pub headers: StringMap,
    /// The form's fields, before its last one, `file`, which is the bytes.
    pub fields: StringMap<Redacted<String>>,
}

impl PartRequest {
    /// Whether the bytes go as the last field of a form.
    pub(crate) fn is_form(&self) -> bool {
        !self.fields.is_empty()
    }
}

/// Something the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Compute the checksum of a part.
    Hash {
        /// Names the answer.
        attempt: AttemptId,
        /// Whose part.
        task: TaskId,
        /// Which bytes.
        range: PartRange,
        /// By which algorithm.
        by: Integrity,
    },
    /// Send a part to storage.
    Send {
        /// Names the answers.
        attempt: AttemptId,
        /// Whose part.
        task: TaskId,
        /// Which bytes.
        range: PartRange,
        /// How to send them.
        request: PartRequest,
    },
    /// Stop an attempt, hashing or sending. No answer is expected, and any is ignored.
    Cancel {
        /// Which.
        attempt: AttemptId,
    },
    /// Find out why storage gives this page no answer that can be read; one at a time, answered by
    /// [`Input::Examined`] with one of [`Reason::CorsMissing`], [`Reason::CspBlocked`], [`Reason::Unreachable`],
    /// [`Reason::LocalNetworkBlocked`], [`Reason::BodyTooLarge`], [`Reason::ClockSkewed`], [`Reason::WrongRegion`], or none of them.
    Examine {
        /// A request that was not answered.
        request: PartRequest,
        /// Bytes that its part has.
        length: u64,
    },
    /// Ask the coordinator.
    Call {
        /// Names the answer.
        call: CallId,
        /// What to ask.
        request: Box<Call>,
    },
    /// Keep the checkpoint until [`Action::Forget`]; it replaces the task's earlier one.
    Save {
        /// Whose.
        task: TaskId,
        /// What to keep.
        checkpoint: Box<Checkpoint>,
    },
    /// The task's checkpoint is of no more use.
    Forget {
        /// Whose.
        task: TaskId,
    },
    /// Tell the page.
    Notify {
        /// About which file.
        task: TaskId,
        /// What.
        notice: Notice,
    },
}

/// A request to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `POST /v1/uploads`
    Initiate {
        /// Goes into the `Idempotency-Key` header; a repeated call carries the same one.
        idempotency_key: String,
        /// The body.
        body: InitiateRequest,
    },
    /// `POST /v1/uploads/{uploadId}/parts`
    SignParts {
        /// Which upload.
        upload_id: UploadId,
        /// The body.
        body: SignPartsRequest,
    },
    /// `GET /v1/uploads/{uploadId}`
    Status {
        /// Which upload.
        upload_id: UploadId,
    },
    /// `POST /v1/uploads/{uploadId}/complete`
    Complete {
        /// Which upload.
        upload_id: UploadId,
        /// The body.
        body: CompleteRequest,
    },
    /// `POST /v1/uploads/complete`
    CompleteBatch {
        /// The body.
        body: CompleteBatchRequest,
    },
    /// `DELETE /v1/uploads/{uploadId}`
    Abort {
        /// Which upload.
        upload_id: UploadId,
    },
}

/// What the coordinator answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`Call::Initiate`].
    Initiated(InitiateReply),
    /// To [`Call::SignParts`].
    Signed(SignPartsReply),
    /// To [`Call::Status`].
    Status(Box<UploadStatus>),
    /// To [`Call::Complete`].
    Completed(Box<FileRecord>),
    /// To [`Call::CompleteBatch`].
    CompletedBatch(CompleteBatchReply),
    /// To [`Call::Abort`].
    Aborted(AbortReply),
}

/// Why there is no answer of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFailure {
    /// It refused, and said why.
    Problem(Problem),
    /// No connection, or it broke.
    Network,
    /// No answer in time.
    TimedOut,
    /// An answer that is none of this protocol, for example a proxy's error page.
    Unreadable {
        /// Its HTTP status.
        status: u16,
    },
}

/// Why a part was not hashed or not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferFailure {
    /// The connection failed, or the reply may not be read (CORS): XHR shows status 0 for both.
    Network,
    /// Storage answered with an error.
    Refused {
        /// HTTP status.
        status: u16,
        /// Start of the body, at most 4 KiB; S3 writes XML.
        body: String,
        /// `Retry-After` in seconds, where it was readable.
        retry_after: Option<u32>,
    },
    /// The file changed since the page got it: its size or time differ, or reading it says so.
    FileChanged,
    /// The file cannot be read: it is gone, or permission for it is.
    FileUnreadable,
}

/// What a page may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The task is in another state now.
    State(TaskState),
    /// Progress, at most ten times a second. `loaded` never falls.
    Progress(Progress),
    /// The upload is finalized; always the last notice.
    Available(Box<FileRecord>),
    /// The upload has failed for good; always the last notice.
    Failed(Box<UploadError>),
}

/// The states of a task, as the page sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// Waits for its turn.
    Queued,
    /// Bytes are on their way.
    Uploading,
    /// Stopped by the page.
    Paused,
    /// Waits for the network or for storage to come back.
    Offline,
    /// All bytes are stored; the coordinator is finalizing.
    Completing,
    /// Finalized.
    Available,
    /// Failed for good.
    Failed,
    /// Given up by the page.
    Aborted,
}

impl TaskState {
    /// The state as the page's API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Uploading => "uploading",
            Self::Paused => "paused",
            Self::Offline => "offline",
            Self::Completing => "completing",
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    /// Whether nothing can follow.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Available | Self::Failed | Self::Aborted)
    }
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Bytes stored or handed to the network, never falling.
    pub loaded: u64,
    /// The file's size in bytes.
    pub total: u64,
    /// Smoothed speed in bytes a second.
    pub rate: f64,
    /// Seconds left at that speed; `None` while there is no speed to tell from.
    pub eta_seconds: Option<f64>,
}
