//! From a workspace's feed to webhooks and to the queue.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use sha2::Sha256;
use syncsphere_protocol::{Change, ChangeKind, DestinationStatus, EventData, EventMessage, WorkspaceId};

use super::operation_context::OperationContext;
use crate::config::{QUEUE, Webhook};
use crate::ledger::{Command, MessageDelivery, MessageOutcome, MessageResult, Reply};
use crate::ports::{EventQueue, WebhookFailure, WebhookSender, Workspaces};

/// Messages of one delivery to a webhook.
///
/// Source: own choice. With [`FILES_AT_ONCE`] and a sender that waits ten seconds for each they take less than the
/// ledger's lease of a minute.
const MESSAGES_AT_ONCE: u32 = 16;

/// Files whose messages are on their way to a webhook at once. Source: own choice; a worker may have six connections open,
/// and storage needs some.
const FILES_AT_ONCE: usize = 4;

/// Messages of one delivery to the queue. Source: a batch has at most 100 messages:
/// <https://developers.cloudflare.com/queues/platform/limits/>
const QUEUED_AT_ONCE: u32 = 100;

/// Bytes of messages in one batch. Source: at most 256,000 there, names of fields and numbers included.
const BATCH_BYTES: usize = 240_000;

/// Longest cause that is kept of a message, in characters. Source: own choice.
const MAX_CAUSE: usize = 64;

/// What came of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventOutcome {
    /// Nothing is due any more.
    Nothing {
        /// How far the destination is, where a delivery was made before.
        status: Option<DestinationStatus>,
    },
    /// Messages were sent, or tried; the ledger has yet to hear of it.
    Tried {
        /// How many the destination has.
        sent: usize,
        /// How many it has not.
        failed: usize,
        /// What came of the last of those.
        cause: Option<String>,
        /// Tells the ledger.
        result: EventResult,
    },
}

/// How a delivery went, for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventResult(Command);

/// Tells the ledger of the delivery to a webhook before, if there was one, and makes the next, if one is due.
pub(crate) async fn post<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    webhook: &Webhook,
    sender: &impl WebhookSender,
    before: Option<EventResult>,
) -> EventOutcome {
    let taken = take(op, workspace, &webhook.name, MESSAGES_AT_ONCE, before).await;
    let delivery = match taken {
        Ok(delivery) => delivery,
        Err(status) => return EventOutcome::Nothing { status },
    };
    let now_s = op.cx.now_ms.div_euclid(1000);
    let mut files: Vec<Vec<Change>> = Vec::new();
    for change in delivery.changes {
        let same_file = |file: &&mut Vec<Change>| {
            let first = file.first();
            first.is_some_and(|first| first.file.file_id == change.file.file_id)
        };
        match files.iter_mut().find(same_file) {
            Some(file) => file.push(change),
            None => files.push(vec![change]),
        }
    }
    let mut waiting = files.into_iter();
    let mut under_way = FuturesUnordered::new();
    under_way.extend(
        waiting
            .by_ref()
            .take(FILES_AT_ONCE)
            .map(|file| post_file(webhook, sender, file, now_s)),
    );
    let mut results = Vec::new();
    while let Some(of_file) = under_way.next().await {
        results.extend(of_file);
        if let Some(file) = waiting.next() {
            under_way.push(post_file(webhook, sender, file, now_s));
        }
    }
    let mut causes = results
        .iter()
        .filter_map(|result: &MessageResult| match &result.outcome {
            MessageOutcome::Failed { cause, .. } => Some(cause.clone()),
            MessageOutcome::Sent | MessageOutcome::Skipped => None,
        });
    let cause = causes.next_back();
    let is_sent = |result: &&MessageResult| result.outcome == MessageOutcome::Sent;
    let sent = results.iter().filter(is_sent).count();
    EventOutcome::Tried {
        sent,
        failed: results.len().saturating_sub(sent),
        cause,
        result: EventResult(Command::SettleMessages {
            destination: webhook.name.clone(),
            through: delivery.through,
            results,
        }),
    }
}

/// The same for the queue, which takes all messages of a delivery or is asked again.
pub(crate) async fn enqueue<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    queue: &impl EventQueue,
    before: Option<EventResult>,
) -> EventOutcome {
    let taken = take(op, workspace, QUEUE, QUEUED_AT_ONCE, before).await;
    let delivery = match taken {
        Ok(delivery) => delivery,
        Err(status) => return EventOutcome::Nothing { status },
    };
    let count = delivery.changes.len();
    let destination = QUEUE.to_owned();
    for batch in batches(&delivery.changes) {
        if let Err(failure) = queue.send(batch).await {
            let cause = bounded(&failure.cause);
            return EventOutcome::Tried {
                sent: 0,
                failed: count,
                cause: Some(cause.clone()),
                result: EventResult(Command::PutOffMessages { destination, cause }),
            };
        }
    }
    let results = delivery.changes.iter();
    let results = results.map(|change| result_of(change, MessageOutcome::Sent));
    EventOutcome::Tried {
        sent: count,
        failed: 0,
        cause: None,
        result: EventResult(Command::SettleMessages {
            destination,
            through: delivery.through,
            results: results.collect(),
        }),
    }
}

/// Tells the ledger of the last delivery of several. Should it not hear of it, the delivery is made once more.
pub(crate) async fn conclude<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    EventResult(command): EventResult,
) -> Option<DestinationStatus> {
    match op.ask(workspace, command).await {
        Ok(Reply::Destination(status)) => Some(status),
        Ok(_) | Err(_) => None,
    }
}

/// What is due, or, where nothing is, how far the destination is after the delivery before.
async fn take<S, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    workspace: &WorkspaceId,
    destination: &str,
    limit: u32,
    before: Option<EventResult>,
) -> Result<MessageDelivery, Option<DestinationStatus>> {
    let settled = before.map(|EventResult(command)| command);
    let next = Command::TakeMessages {
        destination: destination.to_owned(),
        limit,
    };
    let mut status = None;
    // In one transaction, so that nobody takes the next in between.
    let commands = settled.into_iter().chain([next]).collect();
    for reply in op.ask_all(workspace, commands).await.unwrap_or_default() {
        match reply {
            Reply::Destination(settled) => status = Some(settled),
            Reply::Messages {
                delivery: Some(delivery),
            } => return Ok(*delivery),
            _ => {}
        }
    }
    Err(status)
}

/// Sends the messages of one file, one after the other; none after one that was not sent.
async fn post_file(
    webhook: &Webhook,
    sender: &impl WebhookSender,
    changes: Vec<Change>,
    now_s: i64,
) -> Vec<MessageResult> {
    let mut results = Vec::new();
    let mut is_behind = false;
    for change in changes {
        let outcome = match is_behind {
            true => MessageOutcome::Skipped,
            false => post_one(webhook, sender, &change, now_s).await,
        };
        is_behind |= outcome != MessageOutcome::Sent;
        results.push(result_of(&change, outcome));
    }
    results
}

async fn post_one(
    webhook: &Webhook,
    sender: &impl WebhookSender,
    change: &Change,
    now_s: i64,
) -> MessageOutcome {
    let Some(request) = signed(webhook, change, now_s) else {
        return failed("it cannot be written", true);
    };
    match sender.post(request).await {
        Ok(status) if status.is_success() => MessageOutcome::Sent,
        Ok(status) => failed(&format!("status {}", status.as_u16()), is_about_message(status)),
        Err(WebhookFailure::Spent) => MessageOutcome::Skipped,
        Err(failure) => failed(&failure.to_string(), false),
    }
}

/// Whether a status refuses one message, rather than telling that the endpoint is not there or not well.
fn is_about_message(status: StatusCode) -> bool {
    let is_about_endpoint = matches!(
        status.as_u16(),
        401 | 403 | 404 | 405 | 407 | 408 | 410 | 421 | 425 | 426 | 429
    );
    status.is_client_error() && !is_about_endpoint
}

/// The message as a request, signed.
///
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
fn signed(webhook: &Webhook, change: &Change, now_s: i64) -> Option<http::Request<Vec<u8>>> {
    let body = message(change)?;
    let id = event_id(change);
    let content = format!("{id}.{now_s}.{body}");
    let signatures: Option<Vec<String>> = webhook
        .secrets
        .iter()
        .map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            mac.update(content.as_bytes());
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        })
        .collect();
    http::Request::post(webhook.url.0.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, HeaderValue::from_static("SyncSphere-Webhooks/1"))
        .header("webhook-id", id)
        .header("webhook-timestamp", now_s.to_string())
        .header("webhook-signature", signatures?.join(" "))
        .body(body.into_bytes())
        .ok()
}

/// What is told of a change, as JSON.
fn message(change: &Change) -> Option<String> {
    let file = &change.file;
    let is_available = change.kind == ChangeKind::Available;
    let message = EventMessage {
        kind: change.kind,
        timestamp: change.at.clone(),
        data: EventData {
            id: event_id(change),
            workspace: file.workspace.clone(),
            seq: change.seq,
            content_path: is_available.then(|| format!("/v1/files/{}/content", file.file_id)),
            file: file.clone(),
        },
    };
    serde_json::to_string(&message).ok()
}

fn event_id(change: &Change) -> String {
    format!("evt_{}_{}", change.file.workspace, change.seq)
}

/// The messages in their order, in batches that a queue takes.
fn batches(changes: &[Change]) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut room = 0;
    for message in changes.iter().filter_map(message) {
        match batches.last_mut().filter(|_| message.len() <= room) {
            Some(batch) => {
                room = room.saturating_sub(message.len());
                batch.push(message);
            }
            None => {
                room = BATCH_BYTES.saturating_sub(message.len());
                batches.push(vec![message]);
            }
        }
    }
    batches
}

fn result_of(change: &Change, outcome: MessageOutcome) -> MessageResult {
    MessageResult {
        seq: change.seq,
        file_id: change.file.file_id.clone(),
        outcome,
    }
}

fn failed(cause: &str, is_about_message: bool) -> MessageOutcome {
    MessageOutcome::Failed {
        cause: bounded(cause),
        is_about_message,
    }
}

fn bounded(cause: &str) -> String {
    cause.chars().take(MAX_CAUSE).collect()
}
