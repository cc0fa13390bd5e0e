//! What the client reads and writes by hand must be what `serde` makes of the same types.

use proptest::prelude::*;
use serde_json::{Value, json};
use syncsphere_protocol::{
    AbortReply, CompleteBatchReply, CompleteBatchRequest, CompleteRequest, ErrorCode, FileStatus,
    InitiateReply, InitiateRequest, InitiateResult, NewFile, Problem, SignPartsReply, SignPartsRequest,
    UploadKind, UploadStatus, UploadToComplete,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::fixtures::{
    AWKWARD, calls, completed, completed_parts, crc, file, grant, new_file, parts_to_sign, problem,
    signed_part, sparse_file, sparse_new_file, upload_status,
};
use super::requests::file_record_json;
use crate::io::{Call, CallFailure, Reply};

#[test]
fn every_reply_is_read_as_serde_wrote_it() {
    let initiate = InitiateReply {
        uploads: vec![
            InitiateResult::Granted(Box::new(grant())),
            InitiateResult::Refused {
                client_ref: AWKWARD.to_owned(),
                error: problem(ErrorCode::QuotaExceeded),
            },
        ],
    };
    agrees(&calls().initiate, &initiate, Reply::Initiated(initiate.clone()));
    let signed = SignPartsReply {
        urls: vec![signed_part(1), signed_part(10_000)],
    };
    agrees(&calls().sign, &signed, Reply::Signed(signed.clone()));
    for kind in UploadKind::ALL {
        for status in FileStatus::ALL {
            let upload = upload_status(kind, status);
            agrees(&calls().status, &upload, Reply::Status(Box::new(upload.clone())));
            let aborted = AbortReply {
                upload_id: upload.upload_id,
                status,
            };
            agrees(&calls().abort, &aborted, Reply::Aborted(aborted.clone()));
        }
    }
    for file in [file(), sparse_file()] {
        agrees(&calls().complete, &file, Reply::Completed(Box::new(file.clone())));
    }
    let batch = CompleteBatchReply {
        uploads: vec![
            completed(Some(file()), None),
            completed(None, Some(problem(ErrorCode::Conflict))),
        ],
    };
    agrees(&calls().batch, &batch, Reply::CompletedBatch(batch.clone()));
}

#[test]
fn every_problem_is_read_as_serde_wrote_it() {
    for code in ErrorCode::ALL {
        for problem in [problem(code), Problem::new(code, "")] {
            let json = serde_json::to_value(&problem).expect("wire types serialize");
            assert_eq!(
                calls().status.answered(problem.status, json.into()),
                Err(CallFailure::Problem(problem))
            );
        }
    }
}

#[test]
fn every_request_is_written_as_serde_reads_and_writes_it() {
    let initiate = InitiateRequest {
        files: vec![new_file(), sparse_new_file()],
    };
    let sign = SignPartsRequest {
        ticket: AWKWARD.into(),
        parts: parts_to_sign(),
        crc64nvme: Some(crc()),
    };
    let complete = [
        CompleteRequest {
            ticket: AWKWARD.into(),
            size: (),
            crc64nvme: Some(crc()),
            parts: Some(completed_parts()),
        },
        CompleteRequest {
            ticket: "t".into(),
            size: (),
            crc64nvme: None,
            parts: None,
        },
    ];
    let batch = CompleteBatchRequest {
        uploads: complete
            .iter()
            .map(|body| UploadToComplete {
                upload_id: "u1".parse().expect("an id"),
                ticket: body.ticket.clone(),
                crc64nvme: body.crc64nvme,
                parts: body.parts.clone(),
            })
            .collect(),
    };
    is_body_of(
        &Call::Initiate {
            idempotency_key: "k".to_owned(),
            body: initiate.clone(),
        },
        &initiate,
    );
    is_body_of(
        &Call::SignParts {
            upload_id: "u1".parse().expect("an id"),
            body: sign.clone(),
        },
        &sign,
    );
    for body in complete {
        let call = Call::Complete {
            upload_id: "u1".parse().expect("an id"),
            body: body.clone(),
        };
        is_body_of(&call, &body);
    }
    is_body_of(&Call::CompleteBatch { body: batch.clone() }, &batch);
}

#[test]
fn the_page_gets_a_record_as_the_coordinator_writes_it() {
    for file in [file(), sparse_file()] {
        is_json_of(&file_record_json(&file), &file);
    }
}

#[test]
fn calls_go_where_the_api_has_them() {
    let calls = calls();
    let where_to = |call: &Call| {
        let request = call.request();
        (request.method, request.path, request.is_slow)
    };
    let at = |method, path: &str, is_slow| (method, path.to_owned(), is_slow);
    assert_eq!(where_to(&calls.initiate), at("POST", "/v1/uploads", false));
    assert_eq!(where_to(&calls.sign), at("POST", "/v1/uploads/u1/parts", false));
    assert_eq!(where_to(&calls.status), at("GET", "/v1/uploads/u1", false));
    assert_eq!(
        where_to(&calls.complete),
        at("POST", "/v1/uploads/u1/complete", true)
    );
    assert_eq!(where_to(&calls.batch), at("POST", "/v1/uploads/complete", true));
    assert_eq!(where_to(&calls.abort), at("DELETE", "/v1/uploads/u1", false));
    assert_eq!(calls.initiate.request().idempotency_key.as_deref(), Some("k"));
    assert_eq!(calls.status.request().body, None);
}

/// Whatever is taken out of a reply, put in another's place or added to it: serde and the client's readers
/// agree on whether it is one.
#[test]
fn damaged_replies_are_refused_where_serde_refuses_them() {
    let grant = serde_json::to_value(InitiateReply {
        uploads: vec![InitiateResult::Granted(Box::new(grant()))],
    })
    .expect("wire types serialize");
    let status = upload_status(UploadKind::Multipart, FileStatus::Uploading);
    let status = serde_json::to_value(status).expect("wire types serialize");
    for damaged in damages(&grant) {
        let expected = serde_json::from_value::<InitiateReply>(damaged.clone());
        let read = calls().initiate.answered(200, damaged.clone().into());
        assert_eq!(read.ok(), expected.ok().map(Reply::Initiated), "{damaged}");
    }
    for damaged in damages(&status) {
        let expected = serde_json::from_value::<UploadStatus>(damaged.clone()).ok();
        let read = calls().status.answered(200, damaged.clone().into());
        assert_eq!(
            read.ok(),
            expected.map(|status| Reply::Status(Box::new(status))),
            "{damaged}"
        );
    }
}

#[test]
fn an_answer_that_is_none_of_ours_is_told_with_its_status() {
    for (status, body) in [
        (200, json!(null)),
        (200, json!([])),
        (502, json!(null)),
        (404, json!({"code": "exploded"})),
    ] {
        let unreadable = Err(CallFailure::Unreadable { status });
        assert_eq!(calls().initiate.answered(status, body.into()), unreadable);
    }
}

proptest! {
    #[test]
    fn any_text_is_written_as_serde_writes_it(text: String, path: String, last_modified: i64, size: u64) {
        let file = NewFile { path: Some(path.into()), last_modified: Some(last_modified), size, name: text.into(), ..new_file() };
        let body = InitiateRequest { files: vec![file] };
        let expected = serde_json::to_value(&body)?;
        let call = Call::Initiate { idempotency_key: String::new(), body };
        let written = call.request().body.unwrap_or_default();
        prop_assert_eq!(serde_json::from_str::<Value>(&written)?, expected);
    }
}

fn agrees(call: &Call, reply: &impl serde::Serialize, expected: Reply) {
    let mut json = serde_json::to_value(reply).expect("wire types serialize");
    assert_eq!(call.answered(200, json.clone().into()), Ok(expected.clone()));
    // A newer coordinator may say more.
    if let Some(fields) = json.as_object_mut() {
        fields.insert("new".to_owned(), json!({"a": [1, null]}));
    }
    assert_eq!(call.answered(201, json.into()), Ok(expected));
}

fn is_body_of(call: &Call, body: &impl serde::Serialize) {
    is_json_of(&call.request().body.expect("a body"), body);
}

/// The same names and values, though characters may be escaped otherwise.
fn is_json_of(text: &str, value: &impl serde::Serialize) {
    let written: Value = serde_json::from_str(text).expect("valid JSON");
    assert_eq!(
        written,
        serde_json::to_value(value).expect("wire types serialize")
    );
}

/// Every value in turn taken out, and replaced by others.
fn damages(json: &Value) -> Vec<Value> {
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(65_536),
        json!(1.5),
        json!(""),
        json!("multipart"),
        // Not `[]`: what serde derives takes a list of values for a struct as well, which nobody writes.
        json!({}),
    ];
    let mut damages = Vec::new();
    for pointer in pointers(json, "") {
        for other in &others {
            let mut damaged = json.clone();
            *damaged.pointer_mut(&pointer).expect("it was found there") = other.clone();
            damages.push(damaged);
        }
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let mut damaged = json.clone();
        if let Some(fields) = damaged.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.remove(name);
            damages.push(damaged);
        }
    }
    damages
}

fn pointers(json: &Value, at: &str) -> Vec<String> {
    let below: Vec<(String, &Value)> = match json {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, value)| (n.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    below
        .into_iter()
        .flat_map(|(name, value)| {
            let pointer = format!("{at}/{name}");
            let mut all = pointers(value, &pointer);
            all.push(pointer);
            all
        })
        .collect()
}
