//! Companion's S3 endpoints, as version 6 answers them, for pages that know nothing but `companionEndpoint` or `companionUrl`.
//!
//! Source: <https://github.com/transloadit/uppy/blob/main/packages/%40uppy/companion/src/server/controllers/s3.js>, the
//! protocol; what clients make of it is in the tests of both.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use syncsphere_protocol::{CompletedPart, PartNumber, Redacted, SignedPart, UploadKind};

use super::reply::json;
use super::request::{Query, parsed};
use super::routes::Companion;
use crate::api_error::{ApiError, invalid};
use crate::auth::{Principal, Ticket};
use crate::operations::deferred_length::{self, Wanted};
use crate::operations::operation_context::OperationContext;
use crate::operations::tickets::ticket_for;
use crate::operations::uploads;
use crate::operations::uppy::naming::folder_and_metadata;
use crate::operations::uppy::parts::{signed, stored_parts, whole_file};
use crate::policy;
use crate::ports::{Storage, Workspaces};

/// Most URLs in one batch. Source: own choice; a thousand cost some 50 ms.
const MAX_BATCH: usize = 1_000;

/// The reply of one endpoint; `ids` stand in the path, undecoded.
pub(super) async fn answer<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    endpoint: Companion,
    ids: &[&str],
    head: &Parts,
    body: &[u8],
) -> Result<Response<Vec<u8>>, ApiError> {
    let ticket = || ticket(op, principal, head, ids.first().copied().unwrap_or_default());
    match endpoint {
        Companion::Params => params(op, principal, head).await,
        Companion::Create => create(op, principal, body).await,
        Companion::ListParts => list(op, &ticket()?).await,
        Companion::Abort => abort(op, &ticket()?).await,
        Companion::Complete => complete(op, &ticket()?, body).await,
        Companion::Batch => batch(op, &alive(op, ticket()?)?, head),
        Companion::Part => {
            let number = ids.get(1).copied().unwrap_or_default();
            part(op, &alive(op, ticket()?)?, number)
        }
    }
}

/// A whole file in one request. Nobody will say that it has been sent, so the ledger looks for it.
async fn params<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    head: &Parts,
) -> Result<Response<Vec<u8>>, ApiError> {
    let query = Query::of(&head.uri)?;
    let name = query.text("filename").unwrap_or_default();
    if name.is_empty() {
        let detail = "s3: the \"filename\" query parameter is required and must be a non-empty string";
        return Err(invalid(detail));
    }
    let meta = query.pairs().filter_map(|(name, value)| {
        let field = name.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((field.to_owned(), value.to_owned()))
    });
    let wanted = wanted(op, UploadKind::Single, name, query.text("type"), meta)?;
    let upload = deferred_length::begin(op, principal, wanted, None).await?;
    let ticket = ticket_for(&upload, &principal.subject);
    let SignedPart {
        method,
        url,
        headers,
        fields,
        expires_in,
        ..
    } = signed(op, &ticket, whole_file()?)?;
    let reply = json!({
        "method": method, "url": url, "fields": fields, "headers": headers, "expires": expires_in,
    });
    json(StatusCode::OK, &reply)
}

async fn create<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    body: &[u8],
) -> Result<Response<Vec<u8>>, ApiError> {
    #[derive(Deserialize)]
    struct Creation {
        #[serde(default)]
        filename: Value,
        #[serde(default, rename = "type")]
        content_type: Value,
        #[serde(default)]
        metadata: Option<Map<String, Value>>,
    }
    let creation: Creation = parsed(body)?;
    let name = creation.filename.as_str().unwrap_or_default();
    if name.is_empty() {
        let detail = "s3: the \"filename\" field is required and must be a non-empty string";
        return Err(invalid(detail));
    }
    let content_type = match &creation.content_type {
        Value::Null => None,
        Value::String(declared) => Some(declared.as_str()),
        _ => return Err(invalid("s3: content type must be a string")),
    };
    let meta = creation.metadata.into_iter().flatten();
    let meta = meta.filter_map(|(name, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    });
    let wanted = wanted(op, UploadKind::Multipart, name, content_type, meta)?;
    let upload = deferred_length::begin(op, principal, wanted, None).await?;
    let ticket = ticket_for(&upload, &principal.subject);
    let reply = json!({
        "key": ticket.key,
        "uploadId": ticket.seal(&op.config.auth.keys)?,
        "bucket": op.bucket(ticket.bucket.as_ref()).name,
    });
    json(StatusCode::OK, &reply)
}

fn wanted<S, W>(
    op: &OperationContext<'_, S, W>,
    kind: UploadKind,
    name: &str,
    content_type: Option<&str>,
    meta: impl Iterator<Item = (String, String)>,
) -> Result<Wanted, ApiError> {
    let (path, metadata) = folder_and_metadata(meta);
    Ok(Wanted {
        kind,
        upload_id: op.cx.upload_id(0)?,
        file_id: op.cx.file_id(0)?,
        name: policy::file_name(name)?,
        path,
        begun_ms: op.cx.now_ms,
        content_type: content_type.map(str::to_owned),
        metadata,
    })
}

/// All parts in one list: clients look for no second page.
async fn list<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, ApiError> {
    let parts = stored_parts(op, ticket).await?;
    let parts = parts
        .iter()
        .map(|part| json!({ "PartNumber": part.part_number, "ETag": part.etag, "Size": part.size }));
    json(StatusCode::OK, &parts.collect::<Vec<_>>())
}

fn part<S, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    number: &str,
) -> Result<Response<Vec<u8>>, ApiError> {
    let wrong = || invalid("s3: the part number must be a number between 1 and 10000.");
    let SignedPart { url, expires_in, .. } = signed(op, ticket, part_number(number).ok_or_else(wrong)?)?;
    json(StatusCode::OK, &json!({ "url": url, "expires": expires_in }))
}

fn batch<S, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    head: &Parts,
) -> Result<Response<Vec<u8>>, ApiError> {
    let query = Query::of(&head.uri)?;
    let listed = query.text("partNumbers").unwrap_or_default();
    if listed.is_empty() {
        let detail = "s3: the part numbers must be passed as a comma separated query parameter. \
                      For example: \"?partNumbers=4,6,7,21\"";
        return Err(invalid(detail));
    }
    let numbers: Option<Vec<PartNumber>> = listed.split(',').map(part_number).collect();
    let wrong = || invalid("s3: the part numbers must be a number between 1 and 10000.");
    let numbers = numbers.ok_or_else(wrong)?;
    if numbers.len() > MAX_BATCH {
        return Err(invalid(format!("s3: at most {MAX_BATCH} part numbers at once")));
    }
    let mut urls: BTreeMap<String, Redacted<String>> = BTreeMap::new();
    for number in numbers {
        urls.insert(number.to_string(), signed(op, ticket, number)?.url);
    }
    json(StatusCode::OK, &json!({ "presignedUrls": urls }))
}

async fn complete<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    body: &[u8],
) -> Result<Response<Vec<u8>>, ApiError> {
    #[derive(Deserialize)]
    struct Completion {
        parts: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "PartNumber")]
        number: PartNumber,
        #[serde(rename = "ETag")]
        etag: String,
    }
    let wrong = |_| invalid("s3: `parts` must be an array of {ETag, PartNumber} objects.");
    let completion: Completion = serde_json::from_slice(body).map_err(wrong)?;
    let parts = completion.parts.into_iter().map(|part| CompletedPart {
        part_number: part.number,
        etag: Some(part.etag),
        crc64nvme: None,
        md5: None,
    });
    let file = deferred_length::complete(op, ticket, &parts.collect::<Vec<_>>()).await?;
    let bucket = op.bucket(ticket.bucket.as_ref());
    let reply = json!({
        "location": bucket.public_url(&ticket.key, 0),
        "key": ticket.key,
        "bucket": bucket.name,
        "fileId": file.file_id,
    });
    json(StatusCode::OK, &reply)
}

async fn abort<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
) -> Result<Response<Vec<u8>>, ApiError> {
    uploads::abort(op, &ticket.workspace, &ticket.upload_id).await?;
    json(StatusCode::OK, &json!({}))
}

/// The upload that a request is about. Its id tells, authentically; the key is to be there, and the same.
fn ticket<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    head: &Parts,
    id: &str,
) -> Result<Ticket, ApiError> {
    let query = Query::of(&head.uri)?;
    let Some(key) = query.text("key").filter(|key| !key.is_empty()) else {
        let detail = "s3: the object key must be passed as a query parameter. For example: \"?key=abc.jpg\"";
        return Err(invalid(detail));
    };
    let id = percent_decode_str(id).decode_utf8();
    let id = id.map_err(|_| invalid("s3: the upload id is no text"))?;
    let ticket = Ticket::open_deferred_length(&id, principal, &op.config.auth.keys)?;
    if ticket.key.0 != key {
        return Err(invalid("s3: the key is not the upload's"));
    }
    Ok(ticket)
}

fn alive<S, W>(op: &OperationContext<'_, S, W>, ticket: Ticket) -> Result<Ticket, ApiError> {
    ticket.require_alive(op.cx.now_ms)?;
    Ok(ticket)
}

fn part_number(text: &str) -> Option<PartNumber> {
    text.parse::<u64>().ok()?.try_into().ok()
}
