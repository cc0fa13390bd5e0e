//! One file on its way.

use std::time::Duration;

use syncsphere_protocol::{PartNumber, PartPlan, Redacted, UploadGrant, UploadId, UploadKind};

use crate::backoff::Retries;
use crate::checkpoint::Checkpoint;
use crate::io::{AttemptId, CallId, FileDescription, Progress, TaskId, TaskState};
use crate::origins::Origin;
use crate::parts::Parts;
use crate::queue::Class;
use crate::rate_estimator::RateEstimator;
use crate::time::Moment;

/// How far an upload is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Waits for its turn.
    Queued,
    /// Its first part is being hashed, so that its URL can come with the grant.
    Opening,
    /// The coordinator has been asked to open it.
    Initiating,
    /// An earlier page opened it: the coordinator has been asked, or is about to be, how it stands.
    Restoring {
        checkpoint: Box<Checkpoint>,
        call: Option<CallId>,
    },
    /// Parts are sent.
    Transferring(Session),
    /// The coordinator has been asked to finalize it.
    Completing(Session, CallId),
    /// The coordinator has been asked, or is about to be once the upload has rested, how it stands: storage or an answer
    /// contradicted what the engine knew.
    Resyncing(Session, Option<CallId>),
}

/// An upload that the coordinator has opened.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub upload_id: UploadId,
    pub kind: UploadKind,
    pub ticket: Redacted<String>,
    /// The request for URLs that is under way.
    pub signing: Option<CallId>,
}

impl Session {
    pub(crate) fn new(upload_id: UploadId, kind: UploadKind, ticket: Redacted<String>) -> Self {
        Self {
            upload_id,
            kind,
            ticket,
            signing: None,
        }
    }

    pub(crate) fn granted(grant: &UploadGrant) -> Self {
        Self::new(grant.upload_id.clone(), grant.kind, grant.ticket.clone())
    }
}

/// One file on its way.
#[derive(Debug)]
pub(crate) struct Upload {
    pub file: FileDescription,
    pub phase: Phase,
    pub paused: bool,
    /// Since when it is under way.
    pub began: Moment,
    /// Since when the coordinator has put off opening it.
    pub refused_since: Option<Moment>,
    /// How often it has put that off, and until when it is not asked again.
    pub openings: Retries,
    /// How often storage or coordinator contradicted what the engine knew of it, and what storage held of it when that
    /// was last settled.
    pub disagreements: Retries,
    pub agreed_bytes: u64,
    /// How often the coordinator has said that storage lacks parts.
    pub lacks_parts: u8,
    /// How often in a row its file could not be read.
    pub reads: Retries,
    pub parts: Parts,
    pub rate: RateEstimator,
    /// What the page was last told.
    pub reported: Reported,
    /// When the last checkpoint was kept, and whether there is news since.
    pub saved_at: Option<Moment>,
    pub unsaved: bool,
}

/// What the page was last told of an upload.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    pub state: Option<TaskState>,
    pub progress: Option<Progress>,
    pub progress_at: Option<Moment>,
}

impl Upload {
    pub(crate) fn new(file: FileDescription, plan: PartPlan, phase: Phase) -> Self {
        Self {
            file,
            phase,
            paused: false,
            began: Moment::default(),
            refused_since: None,
            openings: Retries::default(),
            disagreements: Retries::default(),
            agreed_bytes: 0,
            lacks_parts: 0,
            reads: Retries::default(),
            parts: Parts::new(plan),
            rate: RateEstimator::new(),
            reported: Reported::default(),
            saved_at: None,
            unsaved: false,
        }
    }

    /// How long it takes, for the order of files.
    pub(crate) fn class(&self) -> Class {
        self.parts.class()
    }

    /// The session, once there is one.
    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Transferring(session) | Phase::Completing(session, _) | Phase::Resyncing(session, _) => {
                Some(session)
            }
            Phase::Queued | Phase::Opening | Phase::Initiating | Phase::Restoring { .. } => None,
        }
    }

    /// The session while parts may be signed and sent.
    pub(crate) fn transferring(&mut self) -> Option<&mut Session> {
        match &mut self.phase {
            Phase::Transferring(session) if !self.paused => Some(session),
            _ => None,
        }
    }

    /// Whether parts may be sent: while the file can be read.
    pub(crate) fn may_send(&self, now: Moment) -> bool {
        !self.paused && self.reads.rests_until(now).is_none() && matches!(self.phase, Phase::Transferring(_))
    }

    /// Whether parts may be hashed: from the opening on, until all are stored, while the file can be read.
    pub(crate) fn may_hash(&self, now: Moment) -> bool {
        !self.paused
            && self.reads.rests_until(now).is_none()
            && matches!(
                self.phase,
                Phase::Opening | Phase::Initiating | Phase::Transferring(_)
            )
    }

    /// The id under which the coordinator knows the upload.
    pub(crate) fn upload_id(&self) -> Option<&UploadId> {
        match &self.phase {
            Phase::Restoring { checkpoint, .. } => Some(&checkpoint.upload_id),
            _ => self.session().map(|session| &session.upload_id),
        }
    }

    /// The call whose answer the upload waits for, where that is a call of its own.
    pub(crate) fn own_call(&self) -> Option<CallId> {
        match &self.phase {
            Phase::Restoring { call, .. } | Phase::Resyncing(_, call) => *call,
            Phase::Completing(_, call) => Some(*call),
            Phase::Transferring(session) => session.signing,
            Phase::Queued | Phase::Opening | Phase::Initiating => None,
        }
    }

    /// What a later page needs, once the coordinator knows the upload.
    pub(crate) fn checkpoint(&self) -> Option<Checkpoint> {
        let session = self.session()?;
        Some(Checkpoint::new(
            session.upload_id.clone(),
            session.kind,
            self.parts.plan(),
            self.file.name.clone(),
            self.file.last_modified,
            self.parts.known(),
        ))
    }

    /// The state to show; `outage` tells that neither side is to blame for a standstill.
    pub(crate) fn state(&self, outage: bool) -> TaskState {
        match &self.phase {
            _ if self.paused => TaskState::Paused,
            Phase::Queued => TaskState::Queued,
            _ if outage => TaskState::Offline,
            Phase::Completing(..) => TaskState::Completing,
            _ => TaskState::Uploading,
        }
    }
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To learn the checksum of a part that is going to be sent.
    Hash,
    /// To see that a part which an earlier page stored still is what the file holds.
    Verify,
    /// To send a part.
    Send,
}

/// An attempt to hash or to send a part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub task: TaskId,
    pub part: PartNumber,
    /// Bytes of the part.
    pub length: u64,
    pub purpose: Purpose,
    /// Where a request goes; of no meaning to other purposes.
    pub origin: Origin,
    /// Whether its request carries a form.
    pub is_form: bool,
    pub started: Moment,
    /// Bytes handed to the network.
    pub loaded: u64,
    /// Whether those are all there are: what is awaited now is storage's answer.
    pub handed_over: bool,
    /// When the first of them was.
    pub moved_at: Moment,
    /// When `loaded` last grew.
    pub last_progress_at: Moment,
    /// The longest that it did not.
    pub longest_silence: Duration,
}

impl Attempt {
    pub(crate) fn new(task: TaskId, part: PartNumber, length: u64, purpose: Purpose, now: Moment) -> Self {
        Self {
            task,
            part,
            length,
            purpose,
            origin: Origin::default(),
            is_form: false,
            started: now,
            loaded: 0,
            handed_over: false,
            moved_at: now,
            last_progress_at: now,
            longest_silence: Duration::ZERO,
        }
    }
}

/// Numbers attempts and calls.
#[derive(Debug, Default)]
pub(crate) struct IdGenerator(u64);

impl IdGenerator {
    pub(crate) fn attempt(&mut self) -> AttemptId {
        self.0 += 1;
        AttemptId(self.0)
    }

    pub(crate) fn call(&mut self) -> CallId {
        self.0 += 1;
        CallId(self.0)
    }

    /// Not before the attempt that was last begun, and before the next one.
    pub(crate) fn last(&self) -> AttemptId {
        AttemptId(self.0)
    }
}
