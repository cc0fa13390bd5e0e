//! What deployed workspaces hold and what travels between worker and Durable Object keeps its names in JSON, whatever its
//! types are called: each text here is as an earlier version has written it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use syncsphere_coordinator_core::ledger::{
    Call, Command, DestinationState, Job, JobKind, Letter, ListPosition, ReplayStage, ReplicationState,
    Reply, Upload,
};

/// Reads a text and writes it again: nothing may be lost or called otherwise.
fn keeps<T: Serialize + DeserializeOwned>(stored: Value) -> T {
    let read: T = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), stored);
    read
}

#[test]
fn jobs_are_read_as_they_were_written() {
    let job = |kind: Value| json!({ "id": "j", "dueMs": 1, "attempts": 2, "kind": kind });
    for name in ["expire", "resolve", "watch"] {
        keeps::<Job>(job(json!({ "name": name, "uploadId": "u1" })));
    }
    for other in [
        json!({ "name": "forget", "key": "k" }),
        json!({ "name": "compact" }),
        json!({ "name": "retain", "line": "f1" }),
        json!({ "name": "sweep", "key": "k", "storageUploadId": "s1", "strayUploads": true, "urlsDeadMs": 3 }),
    ] {
        keeps::<Job>(job(other));
    }
    keeps::<Job>(job(
        json!({ "name": "sweep", "key": "k", "bucket": "files-eu", "storageUploadId": null,
        "strayUploads": false, "urlsDeadMs": 3 }),
    ));
    keeps::<Job>(job(
        json!({ "name": "strays", "after": { "bucket": "files-eu", "key": null, "upload": null } }),
    ));
    let page = json!({ "name": "strays", "after": { "key": "k", "upload": null } });
    assert!(matches!(
        keeps::<Job>(job(page)).kind,
        JobKind::Orphans { after: Some(_) }
    ));
}

#[test]
fn uploads_are_read_as_they_were_written() {
    let upload = keeps::<Upload>(json!({
        "uploadId": "u1",
        "file": {
            "fileId": "f1", "workspace": "demo", "name": "a", "path": "", "size": 0, "contentType": "text/plain",
            "owner": "ann", "metadata": {}, "key": "demo/f1/a",
        },
        "kind": "multipart", "partSize": 5_242_880, "expiresMs": 9,
        "openEnd": { "maxSize": 7, "maxBytes": null },
        "storageUploadId": "s1", "phase": { "name": "completing", "crc64nvme": null },
    }));
    assert_eq!(upload.deferred_length.unwrap().max_size, 7);
    assert!(!upload.deferred_length.unwrap().is_streamed);
    let mut streamed = serde_json::to_value(&upload).unwrap();
    streamed["openEnd"]["streamed"] = json!(true);
    assert!(keeps::<Upload>(streamed).deferred_length.unwrap().is_streamed);
    assert_eq!(upload.file.bucket, None);
    assert_eq!(upload.latest_expiry_ms, None);
    let mut elsewhere = serde_json::to_value(&upload).unwrap();
    elsewhere["file"]["bucket"] = json!("files-eu");
    keeps::<Upload>(elsewhere.clone());
    elsewhere["file"]["bucket"] = json!("../files");
    assert!(serde_json::from_value::<Upload>(elsewhere).is_err());
}

#[test]
fn calls_and_replies_are_called_as_before() {
    for command in [
        json!({ "do": "takeChores", "limit": 20 }),
        json!({ "do": "settleChore", "choreId": "sweep:u1", "againMs": 5 }),
        json!({ "do": "lookForStrays", "after": null }),
        json!({ "do": "strays", "listed": [{ "fileId": "f1", "storageUploadId": "s1" }] }),
        json!({ "do": "several", "commands": [{ "do": "head" }, { "do": "putOffDelivery" }] }),
        json!({ "do": "takeDelivery", "limit": 200 }),
        json!({ "do": "takeMessages", "destination": "orders", "limit": 16 }),
        json!({ "do": "settleMessages", "destination": "orders", "through": 4, "results": [
            { "seq": 3, "fileId": "f1", "outcome": { "name": "sent" } },
            { "seq": 4, "fileId": "f2", "outcome": { "name": "failed", "cause": "status 500", "isAboutMessage": false } },
        ] }),
        json!({ "do": "settleDelivery", "receipt": { "name": "outbox", "through": 4 } }),
        json!({ "do": "settleDelivery", "receipt": {
            "name": "replay",
            "from": { "number": 1, "stage": { "name": "files" } },
            "to": { "number": 1, "stage": { "name": "feed", "since": 0 } },
        } }),
    ] {
        let call = json!({ "nowMs": 1, "keepChangesMs": 2, "command": command });
        keeps::<Call>(call);
    }
    let job = json!({ "id": "compact", "dueMs": 1, "attempts": 0, "kind": { "name": "compact" } });
    for reply in [
        json!({ "is": "chores", "chores": [job] }),
        json!({ "is": "strays", "strays": [true, false] }),
        json!({ "is": "head", "seq": 7 }),
        json!({ "is": "keyReused" }),
        json!({ "is": "overQuota" }),
        json!({ "is": "missing" }),
    ] {
        keeps::<Reply>(reply);
    }
    let file = json!({
        "record": {
            "fileId": "f1", "workspace": "demo", "name": "a", "path": "", "size": 1, "contentType": "text/plain",
            "status": "deleted", "checksum": { "crc64nvme": null }, "etag": null, "owner": "ann", "metadata": {},
            "createdAt": "2026-11-01T00:00:00.000Z", "updatedAt": "2026-11-01T00:00:00.000Z", "seq": 3,
        },
        "createdSeq": 1, "key": "demo/f1/a",
    });
    let reply: Reply = serde_json::from_value(json!({ "is": "file", "file": file, "chore": job })).unwrap();
    assert!(matches!(reply, Reply::File { job: Some(_), .. }));
    assert_eq!(serde_json::to_value(&reply).unwrap()["chore"], job);
    assert!(matches!(
        keeps::<Command>(json!({ "do": "takeChores", "limit": 1 })),
        Command::TakeJobs { limit: 1 }
    ));
}

#[test]
fn destinations_and_letters_are_read_as_they_were_written() {
    keeps::<DestinationState>(
        json!({ "position": 4, "dueMs": 5, "isLeased": false, "attempts": 1, "cause": "status 500", "lost": 0 }),
    );
    keeps::<Letter>(json!({
        "seq": 3, "fileId": "f1", "attempts": 2, "dueMs": null, "firstFailedMs": 1, "failedMs": 9, "cause": "status 400",
    }));
}

#[test]
fn what_is_known_of_the_metadata_database_and_cursors_are_read_as_they_were_written() {
    keeps::<ReplicationState>(json!({
        "deliveredSeq": 1, "dueMs": null, "attempts": 0, "replays": 1,
        "replay": { "number": 1, "stage": { "name": "feed", "since": 2 } }, "hasGap": false,
    }));
    // Earlier versions told files in another order: where such a replay is under way, it begins anew.
    let earlier: ReplayStage = serde_json::from_value(json!({ "name": "files", "before": 7 })).unwrap();
    assert_eq!(earlier, ReplayStage::Files { after: None });
    keeps::<ReplayStage>(json!({ "name": "files", "after": "f1" }));
    keeps::<ListPosition>(json!({ "by": "time", "createdAt": "2026-11-01T00:00:00.000Z", "seq": 1 }));
    keeps::<ListPosition>(json!({ "by": "name", "name": "a", "seq": 1 }));
}
