//! What the coordinator's answers do.

use std::time::Duration;

use syncsphere_protocol::{
    Checksum, Crc64Nvme, ErrorCode, FileStatus, InitiateReply, InitiateResult, PartNumber, Problem,
    SignPartsReply, UploadGrant, UploadKind, UploadStatus,
};

use super::Engine;
use super::planning::granted_plan;
use super::requests::client_ref as name_of;
use crate::checkpoint::Checkpoint;
use crate::error::{UploadError, UploadErrorCode};
use crate::io::{Call, CallFailure, CallId, Reply, TaskId};
use crate::part::{Kind, Lease, Part, Verification};
use crate::parts::Parts;
use crate::pending_calls::{AfterFailure, CallSubject, PendingCall};
use crate::time::Moment;
use crate::upload::{Phase, Session};

impl Engine {
    pub(super) fn replied(&mut self, call: CallId, result: Result<Reply, CallFailure>) {
        match result {
            Ok(reply) => {
                if let Some(pending) = self.calls.answered(call, self.now) {
                    self.answered(pending, reply);
                }
            }
            Err(failure) => {
                let policy = self.config.retry;
                let failed = self
                    .calls
                    .fail(call, failure, &policy, &mut self.random, self.online, self.now);
                if let Some(AfterFailure::GivenUp(pending, error)) = failed {
                    self.given_up(*pending, error);
                }
            }
        }
    }

    fn answered(&mut self, pending: PendingCall, reply: Reply) {
        let PendingCall {
            subject, asked_at, ..
        } = pending;
        match (subject, reply) {
            (CallSubject::Initiation(tasks), Reply::Initiated(reply)) => {
                self.initiated(&tasks, reply, asked_at)
            }
            (CallSubject::Upload(task), Reply::Signed(reply)) => self.signed(task, reply, asked_at),
            (CallSubject::Upload(task), Reply::Completed(record)) => self.completed(task, record),
            (CallSubject::Completion(tasks), Reply::CompletedBatch(reply)) => {
                self.completed_batch(tasks, reply)
            }
            (CallSubject::Upload(task), Reply::Status(status)) => self.status(task, *status),
            (CallSubject::Cleanup, _) => {}
            (CallSubject::Initiation(tasks) | CallSubject::Completion(tasks), _) => {
                for task in tasks {
                    self.fail(
                        task,
                        UploadError::protocol("the coordinator answered something else"),
                    );
                }
            }
            (CallSubject::Upload(task), _) => {
                self.fail(
                    task,
                    UploadError::protocol("the coordinator answered something else"),
                );
            }
        }
    }

    /// A call that will not be tried again.
    fn given_up(&mut self, pending: PendingCall, error: UploadError) {
        match (pending.subject, pending.request) {
            (CallSubject::Initiation(tasks), _) => {
                for task in tasks {
                    self.fail(task, error.clone());
                }
            }
            (CallSubject::Cleanup, _) => {}
            (CallSubject::Upload(task), Call::Complete { .. }) => self.completion_refused(task, error),
            (CallSubject::Completion(tasks), _) => {
                for task in tasks {
                    self.completion_refused(task, error.clone());
                }
            }
            (CallSubject::Upload(task), Call::SignParts { .. }) => self.disagreed(task, error),
            (CallSubject::Upload(task), _) => self.fail(task, error),
        }
    }

    fn initiated(&mut self, tasks: &[TaskId], reply: InitiateReply, asked_at: Moment) {
        let mut unanswered = tasks.to_vec();
        for result in reply.uploads {
            let client_ref = match &result {
                InitiateResult::Granted(grant) => &grant.client_ref,
                InitiateResult::Refused { client_ref, .. } => client_ref,
            };
            let Some(at) = unanswered.iter().position(|task| name_of(*task) == *client_ref) else {
                continue;
            };
            let task = unanswered.remove(at);
            match result {
                InitiateResult::Granted(grant) if self.uploads.contains_key(&task) => {
                    self.granted(task, *grant, asked_at);
                }
                // Aborted while the coordinator was opening it.
                InitiateResult::Granted(grant) => self.free(grant.upload_id),
                InitiateResult::Refused { error, .. } if error.code.is_retryable() => {
                    self.open_later(task, error);
                }
                InitiateResult::Refused { error, .. } => self.fail(task, error.into()),
            }
        }
        for task in unanswered {
            self.fail(task, UploadError::protocol("the coordinator left out a file"));
        }
    }

    /// The coordinator could not open this file for the moment: ask again after a while.
    fn open_later(&mut self, task: TaskId, problem: Problem) {
        let now = self.now;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let since = *upload.refused_since.get_or_insert(now);
        if now.since(since) > self.config.retry.outage_timeout {
            self.fail(task, problem.into());
            return;
        }
        let asked = problem
            .retry_after
            .map(|seconds| Duration::from_secs(seconds.into()));
        // No part is to blame for it.
        upload
            .openings
            .count(&self.config.retry, asked, &mut self.random, now);
        for number in upload.parts.of_kind(Kind::Signing) {
            let checksum = upload.parts.get(number).and_then(Part::checksum);
            upload.parts.set(number, Part::Hashed { checksum });
        }
        upload.phase = Phase::Opening;
    }

    fn granted(&mut self, task: TaskId, grant: UploadGrant, asked_at: Moment) {
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let asked = upload.parts.plan();
        let given = granted_plan(upload.file.size, &grant);
        upload.phase = Phase::Transferring(Session::granted(&grant));
        upload.unsaved = true;
        self.checksums = grant.checksum;
        // Some storage takes parts of one size only; what is planned from now on is granted as it is.
        self.tails &= asked.tail().is_none() || grant.tail.is_some();
        let Some(given) = given else {
            let text = "the coordinator's plan does not fit the file";
            self.fail(task, UploadError::protocol(text));
            return;
        };
        if given != asked {
            self.plan_anew(task, given);
        }
        self.hash_anew(task);
        self.take_leases(task, grant.urls, asked_at);
    }

    /// Parts with checksums that storage does not prove are read again, for those that it does.
    fn hash_anew(&mut self, task: TaskId) {
        let by = self.checksums;
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let mut others = Vec::new();
        for (number, part) in upload.parts.open() {
            if part.checksum().is_some_and(|known| known.integrity() != by) {
                others.push(number);
            }
        }
        for number in others {
            upload.parts.set(number, Part::Waiting);
        }
    }

    fn signed(&mut self, task: TaskId, reply: SignPartsReply, asked_at: Moment) {
        if let Some(upload) = self.uploads.get_mut(&task) {
            if let Phase::Transferring(session) = &mut upload.phase {
                session.signing = None;
            }
            upload.unsaved = true;
        }
        self.take_leases(task, reply.urls, asked_at);
    }

    /// Hands URLs to the parts that wait for them; parts that were left out will ask again.
    fn take_leases(&mut self, task: TaskId, urls: Vec<syncsphere_protocol::SignedPart>, asked_at: Moment) {
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        for signed in urls {
            let number = signed.part_number;
            if let Some(Part::Signing { checksum }) = upload.parts.get(number).cloned() {
                upload.parts.set(
                    number,
                    Part::Ready {
                        checksum,
                        lease: Lease::new(signed, asked_at, &mut self.origins),
                    },
                );
            }
        }
        self.window.set_origins(self.origins.count());
        let mut given_up = false;
        for number in upload.parts.of_kind(Kind::Signing) {
            let checksum = upload.parts.get(number).and_then(Part::checksum);
            let failures = upload.parts.count_failure(number, self.now);
            given_up |= failures >= self.config.retry.max_attempts;
            let until = self.now + self.config.retry.delay(failures, None, &mut self.random);
            let lease = None;
            upload.parts.set(
                number,
                Part::BackingOff {
                    checksum,
                    lease,
                    until,
                },
            );
        }
        if given_up {
            self.fail(task, UploadError::protocol("the coordinator left out a part"));
        }
    }

    /// The coordinator refused what should be in order. Where its own word on the upload may mend
    /// that, it is asked: parts may be missing, the upload may have been completed, or the ticket
    /// may belong to a subject that a new token no longer names.
    pub(super) fn disagreed(&mut self, task: TaskId, error: UploadError) {
        let mendable = matches!(
            error.code,
            UploadErrorCode::Coordinator(
                ErrorCode::PartsMissing
                    | ErrorCode::PartSizeMismatch
                    | ErrorCode::ChecksumMismatch
                    | ErrorCode::Conflict
                    | ErrorCode::Forbidden
            )
        );
        if mendable {
            if let Some(upload) = self.uploads.get_mut(&task)
                && error.code == UploadErrorCode::Coordinator(ErrorCode::PartsMissing)
            {
                upload.lacks_parts = upload.lacks_parts.saturating_add(1);
            }
            self.contradicted(task, error);
        } else {
            self.fail(task, error);
        }
    }

    /// How an upload stands, as the coordinator and storage see it: their word wins.
    fn status(&mut self, task: TaskId, status: UploadStatus) {
        match status.status {
            FileStatus::Uploading => self.go_on(task, status),
            FileStatus::Available => self.completed(task, Box::new(status.file)),
            FileStatus::Aborted | FileStatus::Expired | FileStatus::Deleted => {
                let code = UploadErrorCode::Coordinator(ErrorCode::UploadGone);
                self.fail(
                    task,
                    UploadError::new(code, true, "the upload was aborted or has expired"),
                );
            }
        }
    }

    fn go_on(&mut self, task: TaskId, status: UploadStatus) {
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let plan = upload.parts.plan();
        let fits = status.size == plan.size()
            && status.part_size == plan.part_size()
            && status.tail == plan.tail()
            && status.part_count == plan.part_count();
        let Some(ticket) = status.ticket.filter(|_| fits) else {
            self.fail(
                task,
                UploadError::protocol("the coordinator knows the upload otherwise"),
            );
            return;
        };
        let session = Session::new(status.upload_id, status.kind, ticket);
        let (parts, known) = match &upload.phase {
            Phase::Restoring { checkpoint, .. } => (Parts::new(plan), known_from(checkpoint)),
            Phase::Resyncing(..) => {
                let known = plan
                    .part_numbers()
                    .filter_map(|number| Some((number, upload.parts.get(number)?.clone())));
                (Parts::new(plan), known.collect())
            }
            _ => return,
        };
        // A failure that was counted before still counts.
        let before = std::mem::replace(&mut upload.parts, parts);
        let resent = before.resent();
        upload.parts.take_history(before);
        let holds = |number: PartNumber, checksum: Option<Checksum>| {
            let crc = checksum.and_then(Checksum::crc64nvme);
            let length = plan.range(number).map(|range| range.length);
            // Where storage says what it holds, that has to be what was read.
            let is_other =
                |stored: Option<Crc64Nvme>| crc.zip(stored).is_some_and(|(ours, theirs)| ours != theirs);
            status.parts.iter().any(|stored| {
                stored.part_number == number && Some(stored.size) == length && !is_other(stored.crc64nvme)
            })
        };
        // Storage lists every part and cannot assemble them: what was sent more than once is sent once more, and where that
        // does not mend it, everything is.
        let is_contradicted =
            upload.lacks_parts > 0 && known.iter().all(|(number, part)| holds(*number, part.checksum()));
        let doubts_all = upload.lacks_parts > 1;
        let is_doubtful = |number: PartNumber| is_contradicted && (doubts_all || resent.contains(&number));
        for (number, before) in known {
            let checksum = before.checksum();
            let state = match before {
                Part::Stored { .. } if is_doubtful(number) => match checksum {
                    Some(_) => Part::Hashed { checksum },
                    None => continue,
                },
                // A single request is only told to be stored by the end of the whole upload.
                Part::Stored { verification, .. }
                    if status.kind == UploadKind::Multipart && holds(number, checksum) =>
                {
                    Part::Stored {
                        checksum,
                        verification,
                    }
                }
                _ if checksum.is_some() && matches!(upload.phase, Phase::Resyncing(..)) => {
                    Part::Hashed { checksum }
                }
                _ => continue,
            };
            upload.parts.set(number, state);
        }
        let stored = upload.parts.stored_bytes();
        if stored > upload.agreed_bytes {
            upload.agreed_bytes = stored;
            upload.disagreements.reset();
        }
        upload.phase = Phase::Transferring(session);
        upload.unsaved = true;
    }
}

/// The parts of a checkpoint that storage may hold. Their bytes are verified by reading them again,
/// unless integrity is off and there is nothing to compare them with.
fn known_from(checkpoint: &Checkpoint) -> Vec<(PartNumber, Part)> {
    let part = |checksum: Option<Checksum>| {
        let verification = if checksum.is_some() {
            Verification::Due
        } else {
            Verification::Verified
        };
        Part::Stored {
            checksum,
            verification,
        }
    };
    checkpoint
        .parts
        .iter()
        .map(|known| (known.part, part(known.checksum)))
        .collect()
}
