//! An engine on a bench: its coordinator grants everything at once, and the test plays storage.

use std::time::Duration;

use syncsphere_protocol::{
    Crc64Nvme, InitiateReply, InitiateResult, Integrity, PartPlan, PartToSign, SignPartsReply, SignedPart,
    StringMap, Timestamp, UploadGrant, UploadKind,
};

use super::Engine;
use crate::config::{Concurrency, Config};
use crate::io::{Action, AttemptId, Call, CallId, FileDescription, Input, Notice, Reply, TaskId};
use crate::time::Moment;

pub(super) const PART: u64 = 5 * 1024 * 1024;

pub(super) struct Harness {
    pub engine: Engine,
    pub now: Moment,
    /// Requests to storage that are in flight, oldest first.
    pub sending: Vec<AttemptId>,
    /// Where in their file the bytes of all requests so far begin.
    pub offsets: Vec<(AttemptId, u64)>,
    /// When they began, and of how many bytes they are.
    pub requests: Vec<(Moment, AttemptId, u64)>,
    /// Whether storage takes parts of two sizes.
    pub takes_tails: bool,
    /// Requests for URLs after those that came with an upload.
    pub signed: u32,
    /// Checksums that are being computed, and how many were answered.
    pub hashing: Vec<AttemptId>,
    pub hashed: u32,
    pub told: Vec<(TaskId, Notice)>,
    /// Examinations of storage that were asked for.
    pub examinations: u32,
    /// Requests to finalize a file.
    pub completions: u32,
    /// Calls that the test answers: how an upload stands, and that one is given up.
    pub unanswered: Vec<CallId>,
}

impl Harness {
    /// Two requests at a time, no checksums, parts of [`PART`] bytes.
    pub(super) fn new() -> Self {
        Self::with(Config {
            concurrency: Concurrency::Fixed(2),
            part_size: Some(PART),
            integrity: false,
            ..Config::default()
        })
    }

    pub(super) fn with(config: Config) -> Self {
        Self {
            engine: Engine::new(config, 1),
            now: Moment::from_millis(1),
            sending: Vec::new(),
            offsets: Vec::new(),
            requests: Vec::new(),
            takes_tails: true,
            signed: 0,
            hashing: Vec::new(),
            hashed: 0,
            told: Vec::new(),
            examinations: 0,
            completions: 0,
            unanswered: Vec::new(),
        }
    }

    /// A file of so many bytes begins.
    pub(super) fn add(&mut self, task: u32, size: u64) {
        self.feed(Input::Add {
            task: TaskId(task),
            file: FileDescription {
                size,
                ..FileDescription::default()
            },
        });
        self.pass(Duration::from_millis(100));
    }

    /// Answers everything that is read, each part with its value of these.
    pub(super) fn answer_hashing<const PARTS: usize>(&mut self, checksums: [u64; PARTS]) {
        while !self.hashing.is_empty() {
            let attempt = self.hashing.remove(0);
            let (_, offset) = self
                .offsets
                .iter()
                .find(|(known, _)| *known == attempt)
                .expect("it was told");
            let part = usize::try_from(offset / PART).expect("few parts");
            self.hashed += 1;
            self.feed(Input::Hashed {
                attempt,
                checksum: Crc64Nvme::from_u64(checksums[part]).into(),
            });
            self.pass(Duration::from_millis(100));
        }
    }

    /// Bytes of a request to storage.
    pub(super) fn length_of(&self, attempt: AttemptId) -> u64 {
        let sent = self.requests.iter().find(|(_, known, _)| *known == attempt);
        sent.map_or(0, |(.., length)| *length)
    }

    /// Time passes, and the engine is woken as it asks.
    pub(super) fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some((at, _)) = self.engine.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = at;
            self.feed(Input::Timeout);
        }
        self.now = until;
    }

    pub(super) fn feed(&mut self, input: Input) {
        if let Input::Stored { attempt } | Input::AttemptFailed { attempt, .. } = &input {
            self.sending.retain(|known| known != attempt);
            self.hashing.retain(|known| known != attempt);
        }
        self.engine.handle_input(input, self.now);
        while let Some(action) = self.engine.poll_action() {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send { attempt, range, .. } => {
                self.sending.push(attempt);
                self.requests.push((self.now, attempt, range.length));
                self.offsets.push((attempt, range.offset));
            }
            Action::Hash { attempt, range, .. } => {
                self.hashing.push(attempt);
                self.offsets.push((attempt, range.offset));
            }
            Action::Cancel { attempt } => {
                self.sending.retain(|known| *known != attempt);
                self.hashing.retain(|known| *known != attempt);
            }
            Action::Notify { task, notice } => self.told.push((task, notice)),
            Action::Call { call, request } => {
                let reply = match *request {
                    Call::Initiate { body, .. } => Reply::Initiated(InitiateReply {
                        uploads: body
                            .files
                            .iter()
                            .map(|file| {
                                let part_size = file.part_size.unwrap_or(PART);
                                let tail = file.tail.filter(|_| self.takes_tails);
                                InitiateResult::Granted(Box::new(UploadGrant {
                                    client_ref: file.client_ref.clone(),
                                    upload_id: format!("u{}", file.client_ref).parse().expect("an id"),
                                    file_id: format!("f{}", file.client_ref).parse().expect("an id"),
                                    kind: UploadKind::Multipart,
                                    part_size,
                                    tail,
                                    part_count: PartPlan::of(file.size, part_size, tail)
                                        .expect("the engine's own plan")
                                        .part_count(),
                                    ticket: "ticket".to_owned().into(),
                                    expires_at: Timestamp::from_unix_millis(0),
                                    expires_in: 1_000_000,
                                    checksum: Integrity::Crc64Nvme,
                                    urls: signed(&file.parts),
                                }))
                            })
                            .collect(),
                    }),
                    Call::SignParts { body, .. } => {
                        self.signed += 1;
                        Reply::Signed(SignPartsReply {
                            urls: signed(&body.parts),
                        })
                    }
                    Call::Complete { .. } => {
                        self.completions += 1;
                        return;
                    }
                    Call::Status { .. } | Call::Abort { .. } => {
                        self.unanswered.push(call);
                        return;
                    }
                    _ => return,
                };
                self.feed(Input::Replied {
                    call,
                    result: Ok(reply),
                });
            }
            Action::Examine { .. } => self.examinations += 1,
            Action::Save { .. } | Action::Forget { .. } => {}
        }
    }
}

fn signed(parts: &[PartToSign]) -> Vec<SignedPart> {
    let sign = |part: &PartToSign| SignedPart {
        part_number: part.part_number,
        method: "PUT".to_owned(),
        url: "https://s3.example/bucket/key?signature".to_owned().into(),
        headers: StringMap::default(),
        fields: StringMap::default(),
        expires_at: Timestamp::from_unix_millis(0),
        expires_in: 1_000_000,
    };
    parts.iter().map(sign).collect()
}
