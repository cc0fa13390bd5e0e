//! Whatever storage or coordinator answers again and again, the engine neither spins nor gives up what is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use syncsphere_protocol::{
    AbortReply, ErrorCode, FileRecord, FileStatus, InitiateReply, InitiateResult, Integrity, PartPlan,
    PartToSign, Problem, Redacted, SignPartsReply, SignedPart, Timestamp, UploadGrant, UploadId, UploadKind,
    UploadStatus,
};

use super::Engine;
use crate::config::{Concurrency, Config};
use crate::io::{
    Action, Call, CallFailure, CallId, FileDescription, Input, Notice, Reply, TaskId, TransferFailure,
};
use crate::time::Moment;

const PART: u64 = 5 * 1024 * 1024;

/// How long every answer takes.
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Most inputs in a minute for four files of three parts, where something is answered again and again: each part and
/// call is tried some eight times in the first minute, and wakes the engine about twice a try.
const MOST_INPUTS: usize = 400;

/// What the calls of one kind are answered.
#[derive(Debug, Clone)]
enum Answer {
    Well,
    Badly(CallFailure),
}

/// A world that says the same thing each time.
#[derive(Debug, Clone)]
struct World {
    put: Option<TransferFailure>,
    initiate: Answer,
    sign: Answer,
    status: Answer,
    complete: Answer,
    url_ttl: u64,
}

impl World {
    fn healthy() -> Self {
        Self {
            put: None,
            initiate: Answer::Well,
            sign: Answer::Well,
            status: Answer::Well,
            complete: Answer::Well,
            url_ttl: 900,
        }
    }
}

/// How a run of several virtual minutes went.
#[derive(Debug, Default)]
struct Run {
    /// Inputs in each minute.
    inputs: BTreeMap<u64, usize>,
    freed: usize,
    failed: Vec<crate::error::UploadError>,
}

fn run(world: &World, minutes: u64) -> Run {
    let config = Config {
        concurrency: Concurrency::Fixed(4),
        part_size: Some(PART),
        integrity: false,
        ..Config::default()
    };
    let mut engine = Engine::new(config, 7);
    let mut run = Run::default();
    let mut due: BTreeMap<(Moment, u64), Input> = BTreeMap::new();
    let mut number = 0;
    let mut now = Moment::from_millis(1);
    for task in 0..4 {
        let file = FileDescription {
            size: 3 * PART,
            ..FileDescription::default()
        };
        due.insert(
            (now, u64::from(task)),
            Input::Add {
                task: TaskId(task),
                file,
            },
        );
    }
    let end = now + Duration::from_secs(60 * minutes);
    loop {
        let timer = engine.poll_timeout().map(|(at, _)| at.max(now));
        let event = due.keys().next().map(|(at, _)| *at);
        let Some(next) = timer.into_iter().chain(event).min().filter(|at| *at < end) else {
            return run;
        };
        now = next;
        let input = match due.first_entry().filter(|entry| entry.key().0 <= now) {
            Some(entry) => entry.remove(),
            None => Input::Timeout,
        };
        *run.inputs.entry(now.as_millis() / 60_000).or_default() += 1;
        engine.handle_input(input, now);
        while let Some(action) = engine.poll_action() {
            number += 1;
            let answer = match action {
                Action::Send { attempt, .. } => match &world.put {
                    None => Input::Stored { attempt },
                    Some(failure) => Input::AttemptFailed {
                        attempt,
                        failure: failure.clone(),
                    },
                },
                Action::Call { call, request } => {
                    if matches!(*request, Call::Abort { .. }) {
                        run.freed += 1;
                    }
                    answered(world, call, &request)
                }
                Action::Examine { .. } => Input::Examined(None),
                Action::Notify {
                    notice: Notice::Failed(error),
                    ..
                } => {
                    run.failed.push(*error);
                    continue;
                }
                _ => continue,
            };
            due.insert((now + ROUND_TRIP, 1000 + number), answer);
        }
    }
}

fn answered(world: &World, call: CallId, request: &Call) -> Input {
    let result = match request {
        Call::Initiate { body, .. } => say(&world.initiate, || {
            let uploads = body.files.iter().map(|file| {
                InitiateResult::Granted(Box::new(UploadGrant {
                    client_ref: file.client_ref.clone(),
                    upload_id: id(&file.client_ref),
                    file_id: format!("f{}", file.client_ref).parse().expect("an id"),
                    kind: UploadKind::Multipart,
                    part_size: PART,
                    tail: None,
                    part_count: plan().part_count(),
                    ticket: "ticket".to_owned().into(),
                    expires_at: Timestamp::from_unix_millis(0),
                    expires_in: 1_000_000,
                    checksum: Integrity::Crc64Nvme,
                    urls: signed(&file.parts, world.url_ttl),
                }))
            });
            Reply::Initiated(InitiateReply {
                uploads: uploads.collect(),
            })
        }),
        Call::SignParts { body, .. } => say(&world.sign, || {
            Reply::Signed(SignPartsReply {
                urls: signed(&body.parts, world.url_ttl),
            })
        }),
        Call::Status { upload_id } => say(&world.status, || Reply::Status(Box::new(status(upload_id)))),
        Call::Complete { upload_id, .. } => say(&world.complete, || {
            Reply::Completed(Box::new(record(upload_id, FileStatus::Available)))
        }),
        Call::CompleteBatch { .. } => unreachable!("all files have parts"),
        Call::Abort { upload_id } => Ok(Reply::Aborted(AbortReply {
            upload_id: upload_id.clone(),
            status: FileStatus::Aborted,
        })),
    };
    Input::Replied { call, result }
}

#[expect(clippy::result_large_err, reason = "it is what the input holds")]
fn say(answer: &Answer, reply: impl FnOnce() -> Reply) -> Result<Reply, CallFailure> {
    match answer {
        Answer::Well => Ok(reply()),
        Answer::Badly(failure) => Err(failure.clone()),
    }
}

fn plan() -> PartPlan {
    PartPlan::of(3 * PART, PART, None).expect("three parts")
}

fn id(client_ref: &str) -> UploadId {
    format!("u{client_ref}").parse().expect("an id")
}

fn signed(parts: &[PartToSign], url_ttl: u64) -> Vec<SignedPart> {
    let sign = |part: &PartToSign| SignedPart {
        part_number: part.part_number,
        method: "PUT".to_owned(),
        url: "https://s3.example/bucket/key?signature".to_owned().into(),
        headers: Default::default(),
        fields: Default::default(),
        expires_at: Timestamp::from_unix_millis(0),
        expires_in: url_ttl,
    };
    parts.iter().map(sign).collect()
}

/// The coordinator knows the upload and storage holds nothing of it.
fn status(upload_id: &UploadId) -> UploadStatus {
    let plan = plan();
    UploadStatus {
        upload_id: upload_id.clone(),
        file_id: "f1".parse().expect("an id"),
        status: FileStatus::Uploading,
        kind: UploadKind::Multipart,
        size: plan.size(),
        part_size: plan.part_size(),
        tail: None,
        part_count: plan.part_count(),
        parts: Vec::new(),
        ticket: Some("ticket".to_owned().into()),
        expires_at: Timestamp::from_unix_millis(0),
        file: record(upload_id, FileStatus::Uploading),
    }
}

fn record(upload_id: &UploadId, status: FileStatus) -> FileRecord {
    FileRecord {
        file_id: upload_id.as_str().parse().expect("an id"),
        workspace: "demo".to_owned().try_into().expect("a workspace"),
        name: "name".to_owned().into(),
        original_name: None,
        path: String::new().into(),
        size: 3 * PART,
        content_type: String::new(),
        status,
        checksum: Default::default(),
        etag: None,
        owner: "somebody".to_owned().into(),
        metadata: Redacted(Default::default()),
        created_at: Timestamp::from_unix_millis(0),
        updated_at: Timestamp::from_unix_millis(0),
        seq: 1,
        version: None,
        previous: None,
        conflict: None,
    }
}

/// Whatever a server, or something in its place, may say.
fn failures() -> impl Strategy<Value = TransferFailure> {
    let codes = prop::sample::select(vec![
        "",
        "NoSuchUpload",
        "OperationAborted",
        "SlowDown",
        "BadDigest",
        "AccessDenied",
        "ExpiredRequest",
        "NoSuchBucket",
        "SomethingNew",
    ]);
    let statuses = prop::sample::select(vec![
        302, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 421, 425, 429, 500, 501, 502, 503, 504,
    ]);
    let refused = (statuses, codes).prop_map(|(status, code)| TransferFailure::Refused {
        status,
        body: format!("<Error><Code>{code}</Code></Error>"),
        retry_after: None,
    });
    prop_oneof![
        1 => Just(TransferFailure::Network),
        1 => Just(TransferFailure::FileUnreadable),
        8 => refused,
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    let problems = prop::sample::select(ErrorCode::ALL.to_vec())
        .prop_map(|code| CallFailure::Problem(Problem::new(code, "said again and again")));
    let statuses = prop::sample::select(vec![200_u16, 302, 400, 401, 404, 408, 409, 413, 429, 500, 503]);
    prop_oneof![
        4 => Just(Answer::Well),
        3 => problems.prop_map(Answer::Badly),
        2 => statuses.prop_map(|status| Answer::Badly(CallFailure::Unreadable { status })),
        1 => Just(Answer::Badly(CallFailure::Network)),
        1 => Just(Answer::Badly(CallFailure::TimedOut)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_repeated_makes_the_engine_spin(
        put in prop::option::of(failures()),
        initiate in answers(),
        sign in answers(),
        status in answers(),
        complete in answers(),
        url_ttl in prop::sample::select(vec![0_u64, 1, 5, 900]),
    ) {
        let world = World { put, initiate, sign, status, complete, url_ttl };
        let run = run(&world, 10);
        for (minute, inputs) in &run.inputs {
            prop_assert!(*inputs < MOST_INPUTS, "{inputs} inputs in minute {minute}");
        }
        prop_assert_eq!(run.freed, 0, "what is stored is kept: nobody said that the upload is gone");
    }
}

fn refused(status: u16, code: &str) -> Option<TransferFailure> {
    Some(TransferFailure::Refused {
        status,
        body: format!("<Error><Code>{code}</Code></Error>"),
        retry_after: None,
    })
}

fn page(status: u16) -> Answer {
    Answer::Badly(CallFailure::Unreadable { status })
}

/// Every upload ends, with this code, and can be continued.
fn ends_resumable(world: &World) {
    let run = run(world, 10);
    assert_eq!(run.failed.len(), 4, "{world:?}: {:?}", run.failed);
    for error in &run.failed {
        assert!(error.resumable, "{world:?}: {error:?}");
    }
    assert_eq!(run.freed, 0, "{world:?}");
}

#[test]
fn one_strange_answer_destroys_nothing() {
    let healthy = World::healthy();
    for put in [
        refused(404, "NoSuchUpload"),
        refused(409, "OperationAborted"),
        refused(404, ""),
        refused(412, ""),
        refused(421, ""),
        refused(400, "SomethingNew"),
        Some(TransferFailure::FileUnreadable),
    ] {
        ends_resumable(&World {
            put,
            ..healthy.clone()
        });
    }
    for status in [404, 409, 421] {
        ends_resumable(&World {
            sign: page(status),
            url_ttl: 5,
            put: refused(403, "ExpiredRequest"),
            ..healthy.clone()
        });
        ends_resumable(&World {
            complete: page(status),
            ..healthy.clone()
        });
    }
}

#[test]
fn urls_that_live_a_second_are_used_and_not_asked_for_in_a_loop() {
    let world = World {
        url_ttl: 1,
        ..World::healthy()
    };
    let run = run(&world, 10);
    assert_eq!(run.failed, []);
    let inputs: usize = run.inputs.values().sum();
    assert!(inputs < 200, "{inputs}");
}
