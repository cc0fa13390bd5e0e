//! Uploads to begin with, named after a number.

use syncsphere_coordinator_core::ledger::{FileDraft, UploadDraft};
use syncsphere_protocol::{FileId, UploadId, UploadKind};

pub fn upload_id(number: usize) -> UploadId {
    format!("u{number}").parse().unwrap()
}

pub fn file_id(number: usize) -> FileId {
    format!("f{number}").parse().unwrap()
}

/// A file of one byte, in parts where the number is even.
pub fn draft(number: usize, expires_ms: i64) -> UploadDraft {
    UploadDraft {
        staging_key: None,
        upload_id: upload_id(number),
        kind: if number.is_multiple_of(2) {
            UploadKind::Multipart
        } else {
            UploadKind::Single
        },
        part_size: 5 * 1024 * 1024,
        tail: None,
        has_free_layout: false,
        expires_ms,
        latest_expiry_ms: None,
        crc64nvme: None,
        unattended_from_ms: None,
        abilities: Default::default(),
        deferred_length: None,
        storage_upload_id: None,
        file: FileDraft {
            file_id: file_id(number),
            workspace: "demo".parse().unwrap(),
            name: "a".into(),
            original_name: None,
            path: "".into(),
            size: 1,
            content_type: "a/b".to_owned(),
            owner: "ann".into(),
            metadata: Default::default(),
            key: format!("demo/f{number}/a").into(),
            bucket: None,
            previous: None,
        },
    }
}
