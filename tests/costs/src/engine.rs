//! The upload engine among a coordinator and a storage that take and grant everything.

use std::collections::VecDeque;

use syncsphere_protocol::{
    CompleteBatchReply, CompleteResult, Crc64Nvme, FileChecksum, FileRecord, FileStatus, InitiateReply,
    InitiateResult, Integrity, MIB, NewFile, PartPlan, PartToSign, Redacted, SignPartsReply, SignedPart,
    StringMap, Timestamp, UploadGrant, UploadId, UploadKind,
};
use syncsphere_upload_core::{
    Action, Call, Concurrency, Config, Engine, FileDescription, Input, Moment, Notice, Reply, TaskId,
};

/// Bytes of a small file.
const SMALL: u64 = 64 * 1024;

/// An engine with files under way.
pub struct Uploads {
    engine: Engine,
    now: Moment,
    /// What has happened and has not been told to the engine, oldest first.
    inputs: VecDeque<Input>,
}

/// So many files of 2,048 parts each, all of which are under way.
pub fn large_files(count: u32) -> Uploads {
    let mut uploads = Uploads::new(Some(5 * MIB));
    for task in (0..count).map(TaskId) {
        uploads.add(task, 10 * 1024 * MIB);
        // The next one begins only while there is not enough to send.
        uploads.feed(Input::Pause(task));
    }
    (0..count)
        .map(TaskId)
        .for_each(|task| uploads.feed(Input::Resume(task)));
    uploads.settle();
    uploads
}

/// So many files of one part under way, the most there ever are, and others that take their places as they end.
pub fn small_files(under_way: u32) -> Uploads {
    let mut uploads = add_many(6 * under_way);
    uploads.settle();
    uploads
}

/// A new engine to which so many files have been added.
pub fn add_many(count: u32) -> Uploads {
    let mut uploads = Uploads::new(None);
    (0..count).map(TaskId).for_each(|task| uploads.add(task, SMALL));
    uploads
}

impl Uploads {
    fn new(part_size: Option<u64>) -> Self {
        let config = Config {
            concurrency: Concurrency::Fixed(6),
            part_size,
            ..Config::default()
        };
        Self {
            engine: Engine::new(config, 1),
            now: Moment::from_millis(1),
            inputs: VecDeque::new(),
        }
    }

    fn add(&mut self, task: TaskId, size: u64) {
        let file = FileDescription {
            name: "f.bin".into(),
            size,
            ..FileDescription::default()
        };
        self.feed(Input::Add { task, file });
    }

    /// Goes on until parts travel.
    fn settle(&mut self) {
        (0..100).for_each(|_| self.step());
    }

    /// Feeds what happened next, ten milliseconds after what came before.
    pub fn step(&mut self) {
        self.now = Moment::from_millis(self.now.as_millis() + 10);
        let input = self.inputs.pop_front().unwrap_or(Input::Timeout);
        self.feed(input);
    }

    fn feed(&mut self, input: Input) {
        self.engine.handle_input(input, self.now);
        while let Some(action) = self.engine.poll_action() {
            self.perform(action);
        }
        std::hint::black_box(self.engine.poll_timeout());
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Hash { attempt, .. } => self.inputs.push_back(Input::Hashed {
                attempt,
                checksum: Crc64Nvme::EMPTY.into(),
            }),
            Action::Send { attempt, range, .. } => {
                let loaded = range.length;
                self.inputs.push_back(Input::Sent { attempt, loaded });
                self.inputs.push_back(Input::Stored { attempt });
            }
            Action::Call { call, request } => {
                let result = Ok(reply(*request));
                self.inputs.push_back(Input::Replied { call, result });
            }
            // What is told of a cancelled attempt is ignored.
            Action::Cancel { .. } | Action::Save { .. } | Action::Forget { .. } => {}
            Action::Notify {
                notice: Notice::Failed(error),
                ..
            } => panic!("a file failed: {error:?}"),
            Action::Notify { .. } => {}
            Action::Examine { .. } => panic!("storage takes everything"),
        }
    }
}

/// The coordinator grants and finalizes whatever it is asked.
fn reply(call: Call) -> Reply {
    match call {
        Call::Initiate { body, .. } => Reply::Initiated(InitiateReply {
            uploads: body.files.iter().map(granted).collect(),
        }),
        Call::SignParts { body, .. } => Reply::Signed(SignPartsReply {
            urls: signed(&body.parts),
        }),
        Call::CompleteBatch { body } => Reply::CompletedBatch(CompleteBatchReply {
            uploads: body
                .uploads
                .into_iter()
                .map(|upload| CompleteResult {
                    file: Some(Box::new(finalized(&upload.upload_id))),
                    upload_id: upload.upload_id,
                    error: None,
                })
                .collect(),
        }),
        Call::Complete { .. } | Call::Status { .. } | Call::Abort { .. } => {
            panic!("no large file ends, none was left by an earlier page, and none is given up")
        }
    }
}

fn granted(file: &NewFile) -> InitiateResult {
    let part_size = file.part_size.expect("the engine plans");
    let plan = PartPlan::of(file.size, part_size, file.tail).expect("the engine's own plan");
    let single = plan.part_count() == 1;
    InitiateResult::Granted(Box::new(UploadGrant {
        client_ref: file.client_ref.clone(),
        upload_id: format!("u{}", file.client_ref).parse().expect("an id"),
        file_id: format!("f{}", file.client_ref).parse().expect("an id"),
        kind: if single {
            UploadKind::Single
        } else {
            UploadKind::Multipart
        },
        part_size,
        tail: file.tail,
        part_count: plan.part_count(),
        ticket: "ticket".into(),
        expires_at: Timestamp::from_unix_millis(0),
        expires_in: 1_000_000,
        checksum: Integrity::Crc64Nvme,
        urls: signed(&file.parts),
    }))
}

fn signed(parts: &[PartToSign]) -> Vec<SignedPart> {
    let sign = |part: &PartToSign| SignedPart {
        part_number: part.part_number,
        method: "PUT".to_owned(),
        url: "https://s3.test/uploads/key?partNumber=1&uploadId=u&X-Amz-Signature=s".into(),
        headers: StringMap::default(),
        fields: StringMap::default(),
        expires_at: Timestamp::from_unix_millis(0),
        expires_in: 1_000_000,
    };
    parts.iter().map(sign).collect()
}

fn finalized(upload_id: &UploadId) -> FileRecord {
    let at = Timestamp::from_unix_millis(0);
    FileRecord {
        file_id: upload_id.as_str().parse().expect("an id"),
        workspace: "workspace".parse().expect("an id"),
        name: "f.bin".into(),
        original_name: None,
        path: "".into(),
        size: SMALL,
        content_type: String::new(),
        status: FileStatus::Available,
        checksum: FileChecksum {
            crc64nvme: Some(Crc64Nvme::EMPTY),
            md5: None,
        },
        etag: None,
        owner: "guest".into(),
        metadata: Redacted(StringMap::default()),
        created_at: at.clone(),
        updated_at: at,
        seq: 1,
        version: None,
        previous: None,
        conflict: None,
    }
}
