//! What the engine believes: storage's proof of the whole, by whichever algorithm it has, and nothing less.

use std::time::Duration;

use syncsphere_protocol::{
    Checksum, Crc64Nvme, ErrorCode, FileChecksum, FileRecord, FileStatus, InitiateReply, InitiateResult,
    Integrity, Md5, PartNumber, PartRange, PartToSign, Problem, Redacted, SignPartsReply, SignedPart,
    StoredPart, StringMap, Timestamp, UploadGrant, UploadKind, UploadStatus,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::Engine;
use crate::config::{Concurrency, Config};
use crate::io::{Action, Call, CallFailure, FileDescription, Input, Notice, Reply, TaskId, TransferFailure};
use crate::time::Moment;

const PART: u64 = 5 * 1024 * 1024;
const SIZE: u64 = 2 * PART + 7;

/// A coordinator and a storage that prove content by `by`, and an engine that uploads one file to them.
struct World {
    engine: Engine,
    now: Moment,
    by: Integrity,
    /// What the record says when the upload is completed.
    record: FileRecord,
    /// Parts in the order in which they were sent.
    sent: Vec<PartNumber>,
    /// Sends of these parts break once.
    breaks: Vec<PartNumber>,
    /// What the requests for URLs say that the whole is.
    stated: Vec<Option<Crc64Nvme>>,
    /// Completions that find parts missing before one does not.
    refusals: u32,
    ends: Vec<Notice>,
}

impl World {
    fn new(by: Integrity, record: FileRecord) -> Self {
        let config = Config {
            concurrency: Concurrency::Fixed(2),
            part_size: Some(PART),
            ..Config::default()
        };
        Self {
            engine: Engine::new(config, 1),
            now: Moment::from_millis(1),
            by,
            record,
            sent: Vec::new(),
            breaks: Vec::new(),
            stated: Vec::new(),
            refusals: 0,
            ends: Vec::new(),
        }
    }

    fn run(&mut self) -> &Notice {
        let file = FileDescription {
            size: SIZE,
            ..FileDescription::default()
        };
        self.feed(Input::Add {
            task: TaskId(1),
            file,
        });
        for _ in 0..1000 {
            if !self.ends.is_empty() {
                break;
            }
            if let Some((at, _)) = self.engine.poll_timeout() {
                self.now = self.now.max(at);
            }
            self.now += Duration::from_millis(1);
            self.feed(Input::Timeout);
        }
        self.ends.first().expect("the upload ends")
    }

    fn feed(&mut self, input: Input) {
        self.engine.handle_input(input, self.now);
        let mut actions = Vec::new();
        while let Some(action) = self.engine.poll_action() {
            actions.push(action);
        }
        for action in actions {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Hash {
                attempt, range, by, ..
            } => {
                let checksum = checksum(range, by);
                self.feed(Input::Hashed { attempt, checksum });
            }
            Action::Send { attempt, range, .. } => {
                let part = number(range);
                self.sent.push(part);
                match self.breaks.iter().position(|broken| *broken == part) {
                    Some(at) => {
                        self.breaks.remove(at);
                        let failure = TransferFailure::Network;
                        self.feed(Input::AttemptFailed { attempt, failure });
                    }
                    None => self.feed(Input::Stored { attempt }),
                }
            }
            Action::Call { call, request } => {
                let result = self.answer(*request);
                self.feed(Input::Replied { call, result });
            }
            Action::Notify {
                notice: notice @ (Notice::Available(_) | Notice::Failed(_)),
                ..
            } => self.ends.push(notice),
            _ => {}
        }
    }

    #[allow(clippy::result_large_err, reason = "what `Input::Replied` carries")]
    fn answer(&mut self, request: Call) -> Result<Reply, CallFailure> {
        Ok(match request {
            Call::Initiate { body, .. } => {
                let uploads = body.files.iter().map(|file| {
                    assert!(file.forms);
                    InitiateResult::Granted(Box::new(self.grant(&file.client_ref, &file.parts)))
                });
                Reply::Initiated(InitiateReply {
                    uploads: uploads.collect(),
                })
            }
            Call::SignParts { body, .. } => {
                assert!(body.parts.iter().all(|part| self.proves(part)), "{body:?}");
                self.stated.push(body.crc64nvme);
                Reply::Signed(SignPartsReply {
                    urls: body.parts.iter().map(signed).collect(),
                })
            }
            Call::Complete { body, .. } => {
                let parts = body.parts.expect("the parts' checksums");
                let tells = |md5: bool| parts.iter().all(|part| part.md5.is_some() == md5);
                assert!(tells(self.by == Integrity::Md5));
                if self.refusals > 0 {
                    self.refusals -= 1;
                    let problem = Problem::new(ErrorCode::PartsMissing, "InvalidPart");
                    return Err(CallFailure::Problem(problem));
                }
                Reply::Completed(Box::new(self.record.clone()))
            }
            Call::Status { upload_id } => Reply::Status(Box::new(UploadStatus {
                upload_id,
                file_id: "f1".parse().expect("an id"),
                status: FileStatus::Uploading,
                kind: UploadKind::Multipart,
                size: SIZE,
                part_size: PART,
                tail: None,
                part_count: 3,
                parts: (0..3)
                    .map(|index| StoredPart {
                        part_number: PartNumber::from_index(index).expect("1 to 3"),
                        size: if index == 2 { 7 } else { PART },
                        etag: "e".to_owned(),
                        crc64nvme: None,
                    })
                    .collect(),
                ticket: Some("t".into()),
                expires_at: Timestamp::from_unix_millis(0),
                file: self.record.clone(),
            })),
            other => panic!("{other:?} is not asked"),
        })
    }

    fn grant(&self, client_ref: &str, parts: &[PartToSign]) -> UploadGrant {
        UploadGrant {
            client_ref: client_ref.to_owned(),
            upload_id: "u1".parse().expect("an id"),
            file_id: "f1".parse().expect("an id"),
            kind: UploadKind::Multipart,
            part_size: PART,
            tail: None,
            part_count: 3,
            ticket: "t".into(),
            expires_at: Timestamp::from_unix_millis(0),
            expires_in: 1_000_000,
            checksum: self.by,
            urls: parts
                .iter()
                .filter(|part| self.proves(part))
                .map(signed)
                .collect(),
        }
    }

    fn proves(&self, part: &PartToSign) -> bool {
        match self.by {
            Integrity::Md5 => part.md5.is_some() && part.crc64nvme.is_none(),
            _ => part.crc64nvme.is_some() && part.md5.is_none(),
        }
    }
}

fn signed(part: &PartToSign) -> SignedPart {
    SignedPart {
        part_number: part.part_number,
        method: "PUT".to_owned(),
        url: "https://s3.example/bucket/key?signature".into(),
        headers: StringMap::default(),
        fields: StringMap::default(),
        expires_at: Timestamp::from_unix_millis(0),
        expires_in: 1_000_000,
    }
}

/// Of a part that holds nothing but its offset.
fn checksum(range: PartRange, by: Integrity) -> Checksum {
    match by {
        Integrity::Md5 => Md5::of(&range.offset.to_be_bytes()).into(),
        _ => Crc64Nvme::from_u64(range.offset + 1).into(),
    }
}

fn number(range: PartRange) -> PartNumber {
    PartNumber::from_index(usize::try_from(range.offset / PART).expect("small")).expect("1 to 3")
}

fn parts() -> [PartRange; 3] {
    [(0, PART), (PART, PART), (2 * PART, 7)].map(|(offset, length)| PartRange { offset, length })
}

fn record(checksum: FileChecksum, etag: &str) -> FileRecord {
    FileRecord {
        file_id: "f1".parse().expect("an id"),
        workspace: "demo".parse().expect("an id"),
        name: "".into(),
        original_name: None,
        path: "".into(),
        size: SIZE,
        content_type: String::new(),
        status: FileStatus::Available,
        checksum,
        etag: Some(format!("\"{etag}\"")),
        owner: "me".into(),
        metadata: Redacted::default(),
        created_at: Timestamp::from_unix_millis(0),
        updated_at: Timestamp::from_unix_millis(0),
        seq: 1,
        version: None,
        previous: None,
        conflict: None,
    }
}

fn proven_by_crc() -> FileRecord {
    let whole = parts().into_iter().fold(Crc64Nvme::EMPTY, |whole, range| {
        let part = checksum(range, Integrity::Crc64Nvme).crc64nvme();
        whole.combine(part.expect("one"), range.length)
    });
    let crc64nvme = Some(whole);
    record(FileChecksum { crc64nvme, md5: None }, "e-3")
}

fn proven_by_etag() -> FileRecord {
    let digests = parts().map(|range| checksum(range, Integrity::Md5).md5().expect("one"));
    let etag = Md5::of_parts(digests.into_iter()).to_hex() + "-3";
    record(FileChecksum::default(), &etag)
}

fn is_unproven(end: &Notice) -> bool {
    matches!(end, Notice::Failed(error) if error.code.as_str() == "checksum_mismatch")
}

#[test]
fn a_file_is_available_only_where_storage_proves_its_checksum() {
    let mut world = World::new(Integrity::Crc64Nvme, proven_by_crc());
    assert!(matches!(world.run(), Notice::Available(_)));
    for checksum in [
        FileChecksum::default(),
        FileChecksum {
            crc64nvme: Some(Crc64Nvme::EMPTY),
            md5: None,
        },
    ] {
        let mut world = World::new(Integrity::Crc64Nvme, record(checksum, "e-3"));
        assert!(is_unproven(world.run()));
    }
}

#[test]
fn what_the_whole_is_is_told_with_the_last_part_so_that_the_page_may_go() {
    let mut world = World::new(Integrity::Crc64Nvme, proven_by_crc());
    assert!(matches!(world.run(), Notice::Available(_)));
    let whole = proven_by_crc().checksum.crc64nvme;
    assert_eq!(world.stated.split_last(), Some((&whole, &[][..])));
    let mut other = World::new(Integrity::Md5, proven_by_etag());
    assert!(matches!(other.run(), Notice::Available(_)));
    assert!(other.stated.iter().all(Option::is_none));
}

#[test]
fn where_storage_proves_by_md5_parts_are_hashed_anew_and_sent_once() {
    let mut world = World::new(Integrity::Md5, proven_by_etag());
    assert!(matches!(world.run(), Notice::Available(_)));
    assert_eq!(world.sent.len(), 3);
    let mut other = World::new(Integrity::Md5, record(FileChecksum::default(), "0-3"));
    assert!(is_unproven(other.run()));
}

#[test]
fn a_part_that_was_sent_again_is_sent_once_more_where_storage_cannot_assemble_it() {
    let second = PartNumber::from_index(1).expect("part 2");
    let mut world = World::new(Integrity::Crc64Nvme, proven_by_crc());
    world.breaks.push(second);
    world.refusals = 1;
    assert!(matches!(world.run(), Notice::Available(_)));
    let times = |part| world.sent.iter().filter(|sent| **sent == part).count();
    assert_eq!(times(second), 3, "broken, stored, and mended");
    assert_eq!(world.sent.len(), 5);
}

#[test]
fn where_no_part_is_suspected_all_are_sent_once_more() {
    let mut world = World::new(Integrity::Crc64Nvme, proven_by_crc());
    world.refusals = 2;
    assert!(matches!(world.run(), Notice::Available(_)));
    assert_eq!(world.sent.len(), 6);
}
