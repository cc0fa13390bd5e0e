//! Finalizing: when the coordinator is asked, and what its answers do.

use std::time::Duration;

use syncsphere_protocol::{
    CompleteBatchReply, CompleteBatchRequest, CompleteRequest, CompletedPart, ErrorCode, FileRecord,
    FileStatus, MAX_UPLOADS_PER_COMPLETION, Problem, UploadId, UploadKind, UploadToComplete,
};

use super::Engine;
use crate::error::{UploadError, UploadErrorCode};
use crate::io::{Action, Call, CallFailure, CallId, Notice, TaskId, TaskState};
use crate::part::Part;
use crate::pending_calls::CallSubject;
use crate::time::Moment;
use crate::upload::{Phase, Upload};

/// Small files whose bytes are stored wait for each other, so that a request finalizes many: until
/// there are so many, for so long, or until nothing else is on its way.
///
/// Source: own choice; half a second is soon enough in a list of files that grows, and in the simulator a
/// thousand files cost 26 requests in all, 42 with a fifth of a second. The last ones wait for nothing.
const FULL_BATCH: usize = MAX_UPLOADS_PER_COMPLETION;
const LONGEST_BATCHING: Duration = Duration::from_millis(500);

impl Engine {
    /// Finalizes uploads whose parts are all stored and verified: large files at once, small ones
    /// together with others that end at about the same time.
    pub(super) fn complete(&mut self) {
        let mut small = Vec::new();
        let mut at = 0;
        while let Some((task, upload)) = self.uploads.active_at_mut(at) {
            at += 1;
            if !upload.parts.all_done() {
                continue;
            }
            match upload.transferring().map(|session| session.kind) {
                Some(UploadKind::Single) => small.push(task),
                Some(UploadKind::Multipart) => {
                    if let Some((upload_id, body)) = self.completion(task) {
                        let call = self.call(Call::Complete { upload_id, body }, CallSubject::Upload(task));
                        self.completing(task, call);
                    }
                }
                None => {}
            }
        }
        if small.is_empty() {
            self.batching_since = None;
            return;
        }
        let since = *self.batching_since.get_or_insert(self.now);
        let is_time = self.now.since(since) >= LONGEST_BATCHING;
        if !is_time && small.len() < FULL_BATCH && self.in_flight() > 0 {
            return;
        }
        self.batching_since = None;
        for tasks in small.chunks(MAX_UPLOADS_PER_COMPLETION) {
            let completions = tasks.iter().filter_map(|task| self.completion(*task));
            let uploads = completions.map(|(upload_id, body)| UploadToComplete {
                upload_id,
                ticket: body.ticket,
                crc64nvme: body.crc64nvme,
                parts: body.parts,
            });
            let body = CompleteBatchRequest {
                uploads: uploads.collect(),
            };
            let call = self.call(
                Call::CompleteBatch { body },
                CallSubject::Completion(tasks.to_vec()),
            );
            for task in tasks {
                self.completing(*task, call);
            }
        }
    }

    /// When small files have waited long enough to be finalized.
    pub(super) fn next_batch(&self) -> Option<Moment> {
        self.batching_since.map(|since| since + LONGEST_BATCHING)
    }

    /// What finalizing an upload takes.
    fn completion(&self, task: TaskId) -> Option<(UploadId, CompleteRequest)> {
        let upload = self.uploads.get(&task)?;
        let session = upload.session()?;
        let crc64nvme = upload.parts.whole_crc().filter(|_| self.config.integrity);
        // By MD5 the parts' digests are all there is to tell: the whole's follows from them.
        let tells_parts = match crc64nvme {
            Some(_) => session.kind == UploadKind::Multipart,
            None => upload.parts.whole_etag(session.kind).is_some(),
        };
        let parts = tells_parts.then(|| completed_parts(upload));
        let ticket = session.ticket.clone();
        Some((
            session.upload_id.clone(),
            CompleteRequest {
                ticket,
                // It was named when the upload began.
                size: (),
                crc64nvme,
                parts,
            },
        ))
    }

    fn completing(&mut self, task: TaskId, call: CallId) {
        if let Some(upload) = self.uploads.get_mut(&task)
            && let Some(session) = upload.session().cloned()
        {
            upload.phase = Phase::Completing(session, call);
        }
    }

    pub(super) fn completed(&mut self, task: TaskId, record: Box<FileRecord>) {
        let Some(upload) = self.uploads.get(&task) else {
            return;
        };
        let is_proven = self.is_proven(upload, &record);
        if record.status != FileStatus::Available || record.size != upload.file.size {
            self.fail(
                task,
                UploadError::protocol("the coordinator finalized something else"),
            );
            return;
        }
        if !is_proven {
            let code = UploadErrorCode::Coordinator(ErrorCode::ChecksumMismatch);
            let text = "storage does not prove that it holds the file's bytes";
            self.fail(task, UploadError::new(code, true, text));
            return;
        }
        self.finish(task, record);
    }

    /// Whether storage's word on the whole is what this page computed, where it computed it.
    fn is_proven(&self, upload: &Upload, record: &FileRecord) -> bool {
        if !self.config.integrity {
            return true;
        }
        if let Some(expected) = upload.parts.whole_crc() {
            return record.checksum.crc64nvme == Some(expected);
        }
        // A page that finds an upload completed asks with what it knows: nothing, where it has read no part.
        let Some(kind) = upload.session().map(|session| session.kind) else {
            return true;
        };
        match (upload.parts.whole_etag(kind), &record.etag) {
            (None, _) => true,
            (Some(expected), Some(etag)) => etag.trim_matches('"') == expected,
            (Some(_), None) => false,
        }
    }

    fn finish(&mut self, task: TaskId, record: Box<FileRecord>) {
        if let Some(upload) = self.uploads.get_mut(&task) {
            let size = upload.file.size;
            upload.rate.update(size, self.now);
        }
        self.report_progress(task);
        self.remove(task);
        self.push(Action::Forget { task });
        self.notify(task, Notice::State(TaskState::Available));
        self.notify(task, Notice::Available(record));
    }

    /// The uploads of one request, each finalized or not.
    pub(super) fn completed_batch(&mut self, tasks: Vec<TaskId>, reply: CompleteBatchReply) {
        let mut unanswered = tasks;
        for result in reply.uploads {
            let is_it = |task: &TaskId| {
                let upload = self.uploads.get(task);
                upload.and_then(Upload::upload_id) == Some(&result.upload_id)
            };
            let Some(at) = unanswered.iter().position(is_it) else {
                continue;
            };
            let task = unanswered.remove(at);
            match (result.file, result.error) {
                (Some(record), _) => self.completed(task, record),
                (None, Some(problem)) if problem.code.is_retryable() => self.complete_later(task, problem),
                (None, Some(problem)) => self.completion_refused(task, problem.into()),
                (None, None) => self.fail(
                    task,
                    UploadError::protocol("the coordinator said nothing of a file"),
                ),
            }
        }
        for task in unanswered {
            self.fail(task, UploadError::protocol("the coordinator left out a file"));
        }
    }

    /// The coordinator could not finalize this upload for the moment: ask again, for it alone.
    fn complete_later(&mut self, task: TaskId, problem: Problem) {
        let Some((upload_id, body)) = self.completion(task) else {
            return;
        };
        let call = self.call(Call::Complete { upload_id, body }, CallSubject::Upload(task));
        self.completing(task, call);
        self.replied(call, Err(CallFailure::Problem(problem)));
    }

    pub(super) fn completion_refused(&mut self, task: TaskId, error: UploadError) {
        if self
            .uploads
            .get(&task)
            .is_some_and(|upload| matches!(upload.phase, Phase::Completing(..)))
        {
            self.disagreed(task, error);
        }
    }
}

fn completed_parts(upload: &Upload) -> Vec<CompletedPart> {
    let numbers = upload.parts.plan().part_numbers();
    let checksum = |number| upload.parts.get(number).and_then(Part::checksum);
    numbers
        .map(|part_number| CompletedPart::new(part_number, checksum(part_number)))
        .collect()
}
