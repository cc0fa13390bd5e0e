use std::collections::BTreeSet;

use syncsphere_protocol::{
    CompleteBatchReply, CompleteBatchRequest, CompleteRequest, CompleteResult, CompletedPart, Crc64Nvme,
    ErrorCode, FileRecord, FileStatus, MAX_UPLOADS_PER_COMPLETION, PartPlan, UploadId, UploadToComplete,
};

use super::errors::{outcome, upload_and_file};
use super::finalize::{finalize, finalize_all};
use super::operation_context::OperationContext;
use super::reported_parts::ReportedParts;
use crate::api_error::{ApiError, internal, invalid};
use crate::auth::{Principal, Ticket};
use crate::ledger::{Command, Upload};
use crate::policy;
use crate::ports::{Storage, Workspaces};

/// Finalizes an upload, or tells what is missing. The second time answers as the first.
pub(crate) async fn complete<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    upload_id: &UploadId,
    request: &CompleteRequest<Option<u64>>,
) -> Result<FileRecord, ApiError> {
    let asked = Asked {
        upload_id,
        ticket: &request.ticket,
        size: request.size,
        whole: request.crc64nvme,
        parts: request.parts.as_deref(),
    };
    let reported = asked.reported(op, principal)?;
    let reply = op.ask(&principal.workspace, asked.look_up()).await?;
    let (upload, file) = upload_and_file(reply)?;
    match file.status {
        FileStatus::Uploading => finalize(op, upload, reported).await,
        _ => outcome(file),
    }
}

/// Finalizes several uploads, each as [`complete`] does, with two calls of the workspace for all
/// and one more for each multipart upload among them.
pub(crate) async fn complete_batch<S: Storage, W: Workspaces>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &CompleteBatchRequest,
) -> Result<CompleteBatchReply, ApiError> {
    check_size(request)?;
    let asked: Vec<Asked<'_>> = request.uploads.iter().map(Asked::from).collect();
    let reported_parts: Vec<Result<ReportedParts, ApiError>> =
        asked.iter().map(|asked| asked.reported(op, principal)).collect();
    let admitted = asked
        .iter()
        .zip(&reported_parts)
        .filter(|(_, reported)| reported.is_ok());
    let look_ups = admitted.map(|(asked, _)| asked.look_up()).collect();
    let mut looked_up = op.ask_all(&principal.workspace, look_ups).await?.into_iter();

    let mut open: Vec<(Upload, ReportedParts)> = Vec::new();
    let mut standings = Vec::with_capacity(asked.len());
    for reported in reported_parts {
        let standing = match reported {
            Err(error) => Some(Err(error)),
            Ok(reported) => {
                let reply = looked_up
                    .next()
                    .ok_or_else(|| internal("fewer answers than commands"));
                match reply.and_then(upload_and_file) {
                    Ok((upload, file)) if file.status == FileStatus::Uploading => {
                        open.push((upload, reported));
                        None
                    }
                    Ok((_, file)) => Some(outcome(file)),
                    Err(error) => Some(Err(error)),
                }
            }
        };
        standings.push(standing);
    }
    let mut finalized = finalize_all(op, &principal.workspace, &open).await?.into_iter();
    let results: Vec<Result<FileRecord, ApiError>> = standings
        .into_iter()
        .map(|standing| standing.or_else(|| finalized.next()))
        .map(|result| result.unwrap_or_else(|| Err(internal("fewer results than uploads"))))
        .collect();
    reply(op, &asked, results)
}

/// One upload that a request asks to finalize.
struct Asked<'a> {
    upload_id: &'a UploadId,
    ticket: &'a str,
    /// What the file comes to, where the client tells it now.
    size: Option<u64>,
    whole: Option<Crc64Nvme>,
    parts: Option<&'a [CompletedPart]>,
}

impl<'a> From<&'a UploadToComplete> for Asked<'a> {
    fn from(upload: &'a UploadToComplete) -> Self {
        Self {
            upload_id: &upload.upload_id,
            ticket: &upload.ticket,
            // Streams are completed by themselves.
            size: None,
            whole: upload.crc64nvme,
            parts: upload.parts.as_deref(),
        }
    }
}

impl Asked<'_> {
    /// What is said of the upload, once the ticket is known to hold.
    fn reported<S, W>(
        &self,
        op: &OperationContext<'_, S, W>,
        principal: &Principal,
    ) -> Result<ReportedParts, ApiError> {
        let ticket = Ticket::open(self.ticket, self.upload_id, principal, &op.config.auth.keys)?;
        if ticket.has_free_layout {
            check_told_size(self.size, ticket.size)?;
            return ReportedParts::of_free_layout(self.whole, self.parts.unwrap_or_default());
        }
        let plan = plan_at_end(&ticket, self.size)?;
        ReportedParts::of(self.whole, self.parts, &plan, ticket.kind)
    }

    fn look_up(&self) -> Command {
        Command::Upload {
            upload_id: self.upload_id.clone(),
        }
    }
}

/// How the file is cut, now that its size is known at the latest.
fn plan_at_end(ticket: &Ticket, told: Option<u64>) -> Result<PartPlan, ApiError> {
    let plan = ticket.plan()?;
    match (ticket.is_streamed(), told) {
        (true, None) => Err(invalid(
            "size is missing: an upload that was begun without one is completed with it, and by itself",
        )),
        (true, Some(0)) => Err(invalid("a file of no bytes is begun with its size")),
        // Of parts that storage has, the limit is held against what they come to.
        (true, Some(size)) => {
            PartPlan::new(size, ticket.part_size).map_err(|_| policy::too_large(plan.size()))
        }
        (false, told) => check_told_size(told, plan.size()).map(|()| plan),
    }
}

/// Fails where the client tells another size than it has begun the upload with.
fn check_told_size(told: Option<u64>, size: u64) -> Result<(), ApiError> {
    match told.is_some_and(|told| told != size) {
        true => Err(invalid(format!("the upload is of {size} bytes"))),
        false => Ok(()),
    }
}

fn check_size(request: &CompleteBatchRequest) -> Result<(), ApiError> {
    let uploads = &request.uploads;
    if uploads.is_empty() || uploads.len() > MAX_UPLOADS_PER_COMPLETION {
        return Err(invalid(format!(
            "a request completes 1 to {MAX_UPLOADS_PER_COMPLETION} uploads"
        )));
    }
    let different: BTreeSet<_> = uploads.iter().map(|upload| &upload.upload_id).collect();
    if different.len() < uploads.len() {
        return Err(invalid("an upload comes twice"));
    }
    Ok(())
}

fn reply<S, W>(
    op: &OperationContext<'_, S, W>,
    asked: &[Asked<'_>],
    results: Vec<Result<FileRecord, ApiError>>,
) -> Result<CompleteBatchReply, ApiError> {
    let is_down = |result: &Result<_, ApiError>| {
        let error = result.as_ref().err();
        error.is_some_and(|error| error.code() == ErrorCode::StorageUnavailable)
    };
    // Where storage answered for none of them, the request as a whole is worth repeating later.
    if results.iter().all(is_down)
        && let Some(Err(error)) = results.first()
    {
        return Err(error.clone());
    }
    let uploads = asked.iter().zip(results).map(|(asked, result)| {
        let (file, error) = match result {
            Ok(file) => (Some(Box::new(file)), None),
            Err(error) => (None, Some(op.problem(error))),
        };
        CompleteResult {
            upload_id: asked.upload_id.clone(),
            file,
            error,
        }
    });
    Ok(CompleteBatchReply {
        uploads: uploads.collect(),
    })
}
