//! What the coordinator is asked, and when: to open uploads and to sign parts.

use std::time::Duration;

use syncsphere_protocol::{
    Crc64Nvme, InitiateRequest, MAX_FILES_PER_INITIATE, MAX_PARTS_PER_SIGNING, NewFile, PartToSign,
    SignPartsRequest,
};

use super::Engine;
use super::schedule::WINDOWS_AHEAD;
use crate::io::{Call, TaskId};
use crate::part::{Kind, Part, Verification};
use crate::pending_calls::CallSubject;
use crate::queue::Class;
use crate::time::Moment;
use crate::upload::{Phase, Upload};
use crate::wire::push_digits;

/// Initiate requests under way at a time: one travels while the next fills up.
const INITIATIONS_AT_ONCE: usize = 2;

/// Uploads of earlier pages whose state is asked for at a time. Source: own choice; a hundred are asked in a few seconds.
const STATES_AT_ONCE: usize = 8;

/// Bytes of the body of one initiate request, about. Source: `docs/api.md` allows 1 MiB.
const MOST_INITIATE_BYTES: usize = 768 * 1024;

/// How long a file waits, from its beginning on, for more parts to be hashed than the first: their URLs
/// come with the grant, where they would cost a round trip later.
///
/// Source: measured, first part byte of a page's later uploads with the coordinator 100 ms away: 164 ms with a
/// delay of 30 ms, 151 ms with 10 (`bench/RESULTS.md`).
const OPENING_DELAY: Duration = Duration::from_millis(10);

impl Engine {
    /// Opens, in one request, all uploads whose first part is ready to be signed.
    pub(super) fn initiate(&mut self) {
        let ready = self
            .uploads
            .active()
            .filter(|(_, upload)| self.may_initiate(upload));
        let waiting: Vec<TaskId> = ready.map(|(task, _)| task).collect();
        if waiting.is_empty() {
            return;
        }
        // What waits in files of many parts does not count: a small file must not wait for them.
        let ready: usize = self
            .sending_uploads()
            .filter(|upload| upload.class() == Class::Single)
            .map(|upload| upload.parts.count(Kind::Ready))
            .sum();
        let is_urgent = ready < self.window.limit() * WINDOWS_AHEAD;
        let are_enough = waiting.len() >= MAX_FILES_PER_INITIATE;
        let mut next = 0;
        // While enough is ready to be sent, files are gathered so that they share a request.
        while self.online && self.calls.initiations() < INITIATIONS_AT_ONCE && (is_urgent || are_enough) {
            let mut tasks = Vec::new();
            let mut files = Vec::new();
            let mut room = MAX_PARTS_PER_SIGNING;
            let mut bytes = 0;
            while tasks.len() < MAX_FILES_PER_INITIATE
                && room > 0
                && let Some(task) = waiting.get(next).copied()
                && let Some(upload) = self.uploads.get_mut(&task)
            {
                bytes += described_bytes(upload);
                if bytes > MOST_INITIATE_BYTES && !tasks.is_empty() {
                    break;
                }
                next += 1;
                let parts = take_hashed(upload, room);
                room -= parts.len();
                tasks.push(task);
                let whole = stated_whole(upload, self.config.read_again);
                files.push(new_file(task, upload, parts, whole));
            }
            if tasks.is_empty() {
                return;
            }
            let mut idempotency_key = String::new();
            for _ in 0..32 {
                idempotency_key.push(self.random.digit(16));
            }
            let request = Call::Initiate {
                idempotency_key,
                body: InitiateRequest { files },
            };
            self.call(request, CallSubject::Initiation(tasks.clone()));
            for task in tasks {
                if let Some(upload) = self.uploads.get_mut(&task) {
                    upload.phase = Phase::Initiating;
                }
            }
        }
    }

    /// Whether a file can be opened: its first part is hashed, and so are as many as can be sent at
    /// once, or it has waited for them long enough.
    fn may_initiate(&self, upload: &Upload) -> bool {
        let hashed = upload.parts.count(Kind::Hashed);
        let are_enough = || {
            let wanted = self.window.limit();
            hashed >= wanted.min(usize::from(upload.parts.plan().part_count()))
        };
        is_opening(upload)
            && upload.openings.rests_until(self.now).is_none()
            && hashed > 0
            && (are_enough() || self.now.since(upload.began) >= OPENING_DELAY)
    }

    /// When a file has waited long enough for more of its parts to be hashed.
    pub(super) fn next_opening(&self, upload: &Upload) -> Option<Moment> {
        if !is_opening(upload) || upload.parts.count(Kind::Hashed) == 0 {
            return None;
        }
        let rest = upload.openings.rests_until(self.now).unwrap_or(self.now);
        let end = rest.max(upload.began + OPENING_DELAY);
        (end > self.now).then_some(end)
    }

    /// Asks how uploads stand that an earlier page left, or that storage and engine see differently.
    pub(super) fn request_status(&mut self) {
        let is_asked = |upload: &&Upload| matches!(upload.phase, Phase::Restoring { call: Some(_), .. });
        let mut asked = self.active_uploads().filter(is_asked).count();
        let mut at = 0;
        while let Some((task, upload)) = self.uploads.active_at(at) {
            at += 1;
            if upload.paused {
                continue;
            }
            let is_waiting = match upload.phase {
                Phase::Restoring { call: None, .. } => asked < STATES_AT_ONCE,
                Phase::Resyncing(_, None) => upload.disagreements.rests_until(self.now).is_none(),
                _ => false,
            };
            if !is_waiting {
                continue;
            }
            let Some(upload_id) = upload.upload_id().cloned() else {
                continue;
            };
            let question = self.call(Call::Status { upload_id }, CallSubject::Upload(task));
            asked += 1;
            if let Some(upload) = self.uploads.get_mut(&task)
                && let Phase::Restoring { call, .. } | Phase::Resyncing(_, call) = &mut upload.phase
            {
                *call = Some(question);
            }
        }
    }

    /// Asks for URLs, for as many hashed parts of an upload as are sent next, before the ready ones run out.
    pub(super) fn sign(&mut self) {
        let limit = self.window.limit();
        let reads_again = self.config.read_again;
        let mut at = 0;
        while let Some((task, upload)) = self.uploads.active_at_mut(at) {
            at += 1;
            let ready = upload.parts.count(Kind::Ready);
            let hashed = upload.parts.count(Kind::Hashed);
            let is_urgent = ready < limit;
            let Some(session) = upload.transferring() else {
                continue;
            };
            if hashed == 0 || !is_urgent || session.signing.is_some() {
                continue;
            }
            let (upload_id, ticket) = (session.upload_id.clone(), session.ticket.clone());
            // Of a file that is read on far ahead no more are signed than can be sent soon.
            let parts = take_hashed(upload, MAX_PARTS_PER_SIGNING.min(limit * WINDOWS_AHEAD));
            let crc64nvme = stated_whole(upload, reads_again);
            let body = SignPartsRequest {
                ticket,
                parts,
                crc64nvme,
            };
            let call = self.call(Call::SignParts { upload_id, body }, CallSubject::Upload(task));
            if let Some(session) = self.uploads.get_mut(&task).and_then(Upload::transferring) {
                session.signing = Some(call);
            }
        }
    }
}

fn is_opening(upload: &Upload) -> bool {
    !upload.paused && matches!(upload.phase, Phase::Opening)
}

/// What the whole file has to be, once all of it has been read and is not going to be read again: with that the coordinator
/// can finalize it without this page.
fn stated_whole(upload: &Upload, reads_again: bool) -> Option<Crc64Nvme> {
    let is_settled = !reads_again || upload.class() == Class::Single;
    // What an earlier page stored has yet to be compared with the file.
    let is_doubtful = |part: &Part| matches!(part, Part::Stored { verification, .. } if *verification != Verification::Verified);
    let whole = is_settled.then_some(upload)?.parts.whole_crc()?;
    (!upload.parts.all().any(is_doubtful)).then_some(whole)
}

/// Moves up to `most` hashed parts to signing; gives what to ask for.
fn take_hashed(upload: &mut Upload, most: usize) -> Vec<PartToSign> {
    let mut asked = Vec::new();
    for number in upload.parts.of_kind(Kind::Hashed).into_iter().take(most) {
        let checksum = upload.parts.get(number).and_then(Part::checksum);
        upload.parts.set(number, Part::Signing { checksum });
        asked.push(PartToSign::new(number, checksum));
    }
    asked
}

/// What the description of a file takes in a request, at the most: a character may be written as an escape.
fn described_bytes(upload: &Upload) -> usize {
    /// The members' names and everything of fixed length, with a dozen parts.
    const FRAME: usize = 1024;
    let file = &upload.file;
    let metadata = file.metadata.iter().flat_map(|texts| texts.0.iter());
    let metadata: usize = metadata.map(|(name, text)| name.len() + text.len() + 8).sum();
    let path = file.path.as_ref().map_or(0, |path| path.len());
    FRAME + 2 * (file.name.len() + path + metadata)
}

/// What the coordinator calls a file by in its answer.
pub(super) fn client_ref(task: TaskId) -> String {
    let mut digits = String::new();
    push_digits(&mut digits, task.0.into());
    digits
}

fn new_file(task: TaskId, upload: &Upload, parts: Vec<PartToSign>, crc64nvme: Option<Crc64Nvme>) -> NewFile {
    let file = &upload.file;
    NewFile {
        client_ref: client_ref(task),
        name: file.name.clone(),
        size: file.size,
        content_type: Some(file.content_type.clone()).filter(|kind| !kind.is_empty()),
        last_modified: file.last_modified,
        path: file.path.clone(),
        metadata: file.metadata.clone(),
        part_size: Some(upload.parts.plan().part_size()),
        tail: upload.parts.plan().tail(),
        layout: None,
        // The first part tells.
        integrity: None,
        crc64nvme,
        forms: true,
        parts,
        base: file.base.clone(),
    }
}
