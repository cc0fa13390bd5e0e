//! Calls, and one of each thing that travels.

use syncsphere_protocol::{
    CompleteBatchRequest, CompleteRequest, CompleteResult, CompletedPart, Crc64Nvme, ErrorCode, FileChecksum,
    FileRecord, FileStatus, InitiateRequest, Integrity, Md5, NewFile, PartNumber, PartToSign, Problem,
    Redacted, SignPartsRequest, SignedPart, StoredPart, Tail, Timestamp, UploadGrant, UploadKind,
    UploadStatus, VersionBase,
};

use crate::io::Call;

pub(super) const AWKWARD: &str = "Ünïcode \"😀\" \\ / \u{0} \u{1f} \u{7f} \u{2028}\n\t.mov";

pub(super) struct Calls {
    pub initiate: Call,
    pub sign: Call,
    pub status: Call,
    pub complete: Call,
    pub batch: Call,
    pub abort: Call,
}

pub(super) fn calls() -> Calls {
    let upload_id = || "u1".parse().expect("an id");
    Calls {
        initiate: Call::Initiate {
            idempotency_key: "k".to_owned(),
            body: InitiateRequest { files: Vec::new() },
        },
        sign: Call::SignParts {
            upload_id: upload_id(),
            body: SignPartsRequest {
                ticket: "t".into(),
                parts: Vec::new(),
                crc64nvme: None,
            },
        },
        status: Call::Status {
            upload_id: upload_id(),
        },
        complete: Call::Complete {
            upload_id: upload_id(),
            body: CompleteRequest {
                ticket: "t".into(),
                size: (),
                crc64nvme: None,
                parts: None,
            },
        },
        batch: Call::CompleteBatch {
            body: CompleteBatchRequest { uploads: Vec::new() },
        },
        abort: Call::Abort {
            upload_id: upload_id(),
        },
    }
}

pub(super) fn crc() -> Crc64Nvme {
    Crc64Nvme::from_u64(0xae8b_1486_0a79_9888)
}

pub(super) fn part(number: u64) -> PartNumber {
    PartNumber::try_from(number).expect("1 to 10000")
}

pub(super) fn problem(code: ErrorCode) -> Problem {
    let mut problem = Problem::new(code, AWKWARD)
        .retry_after(u32::MAX)
        .with_parts([part(1), part(9_999)]);
    problem.request_id = "r".to_owned();
    problem
}

pub(super) fn signed_part(number: u64) -> SignedPart {
    let headers = [("x-amz-checksum-crc64nvme", "L/E4WYn8v98="), ("", AWKWARD)];
    SignedPart {
        part_number: part(number),
        method: "PUT".to_owned(),
        url: "https://s3.example/b/k?partNumber=1&sig=%2B".into(),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        fields: if number == 1 {
            Default::default()
        } else {
            [("policy".to_owned(), AWKWARD.into())].into_iter().collect()
        },
        expires_at: Timestamp::from_unix_millis(1_795_521_600_042),
        expires_in: 900,
    }
}

pub(super) const TAIL: Tail = Tail {
    after: 9_998,
    part_size: 5_242_880,
};

pub(super) fn grant() -> UploadGrant {
    UploadGrant {
        client_ref: AWKWARD.to_owned(),
        upload_id: "u1".parse().expect("an id"),
        file_id: "f1".parse().expect("an id"),
        kind: UploadKind::Multipart,
        part_size: 16_777_216,
        tail: Some(TAIL),
        part_count: 10_000,
        ticket: "t".into(),
        expires_at: Timestamp::from_unix_millis(0),
        expires_in: 3600,
        checksum: Integrity::Md5,
        urls: vec![signed_part(1)],
    }
}

pub(super) fn upload_status(kind: UploadKind, status: FileStatus) -> UploadStatus {
    UploadStatus {
        upload_id: "u1".parse().expect("an id"),
        file_id: "f1".parse().expect("an id"),
        status,
        kind,
        size: 9_007_199_254_740_991,
        part_size: 5_242_880,
        tail: Some(TAIL).filter(|_| kind == UploadKind::Multipart),
        part_count: 2,
        parts: [Some(crc()), None]
            .map(|crc64nvme| StoredPart {
                part_number: part(1),
                size: 0,
                etag: "\"e\"".to_owned(),
                crc64nvme,
            })
            .into(),
        ticket: (status == FileStatus::Uploading).then(|| "t".into()),
        expires_at: Timestamp::from_unix_millis(0),
        file: file(),
    }
}

pub(super) fn file() -> FileRecord {
    FileRecord {
        file_id: "f1".parse().expect("an id"),
        workspace: "demo".parse().expect("an id"),
        name: AWKWARD.into(),
        original_name: Some(AWKWARD.into()),
        path: "a/b".into(),
        size: 9_007_199_254_740_991,
        content_type: "video/quicktime".to_owned(),
        status: FileStatus::Available,
        checksum: FileChecksum {
            crc64nvme: Some(crc()),
            md5: Some(Md5::of(b"a")),
        },
        etag: Some("\"abc-2\"".to_owned()),
        owner: "me".into(),
        metadata: metadata(),
        created_at: Timestamp::from_unix_millis(0),
        updated_at: Timestamp::from_unix_millis(1),
        seq: 7,
        version: Some(u32::MAX),
        previous: Some("f2".parse().expect("an id")),
        conflict: Some("f3".parse().expect("an id")),
    }
}

pub(super) fn sparse_file() -> FileRecord {
    FileRecord {
        original_name: None,
        path: "".into(),
        size: 0,
        status: FileStatus::Uploading,
        checksum: FileChecksum::default(),
        etag: None,
        metadata: Redacted::default(),
        version: None,
        previous: None,
        conflict: None,
        ..file()
    }
}

pub(super) fn metadata<C: FromIterator<(String, String)>>() -> Redacted<C> {
    let fields = [("", "empty"), ("camera", AWKWARD), ("constructor", "x")];
    Redacted(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

pub(super) fn completed(file: Option<FileRecord>, error: Option<Problem>) -> CompleteResult {
    CompleteResult {
        upload_id: "u1".parse().expect("an id"),
        file: file.map(Box::new),
        error,
    }
}

pub(super) fn new_file() -> NewFile {
    NewFile {
        client_ref: "7".to_owned(),
        name: AWKWARD.into(),
        size: u64::MAX,
        content_type: Some("video/quicktime".to_owned()),
        last_modified: Some(i64::MIN),
        path: Some("a/b".into()),
        metadata: Some(metadata()),
        part_size: Some(16_777_216),
        tail: Some(TAIL),
        layout: None,
        integrity: Some(Integrity::None),
        crc64nvme: Some(crc()),
        forms: true,
        parts: parts_to_sign(),
        base: Some(VersionBase::try_from("f1?".to_owned()).expect("a base")),
    }
}

pub(super) fn sparse_new_file() -> NewFile {
    NewFile {
        client_ref: String::new(),
        name: "".into(),
        size: 0,
        content_type: None,
        last_modified: None,
        path: None,
        metadata: None,
        part_size: None,
        tail: None,
        layout: None,
        integrity: None,
        crc64nvme: None,
        forms: false,
        parts: Vec::new(),
        base: None,
    }
}

pub(super) fn parts_to_sign() -> Vec<PartToSign> {
    [Some(crc()), None]
        .map(|crc64nvme| PartToSign {
            part_number: part(10_000),
            crc64nvme,
            md5: crc64nvme.is_none().then(|| Md5::of(b"b")),
        })
        .into()
}

pub(super) fn completed_parts() -> Vec<CompletedPart> {
    let part = |etag: Option<&str>, crc64nvme| CompletedPart {
        part_number: part(1),
        etag: etag.map(str::to_owned),
        crc64nvme,
        md5: etag.map(|_| Md5::of(b"c")),
    };
    vec![part(Some("\"e\""), Some(crc())), part(None, None)]
}
