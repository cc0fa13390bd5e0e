//! Multipart uploads that no ledger knows: when the bucket is looked through, and what the operator is told.

use syncsphere_coordinator_core::OrphanReport;
use worker::{Env, Result, console_error, console_log};

use crate::call_timings::CallTimings;
use crate::environment;
use crate::storage::FetchStorage;
use crate::workspaces::RemoteWorkspaces;

/// Begins a look through the bucket. It is the job of a Durable Object, whose alarm does the work.
pub(crate) async fn begin(env: &Env) -> Result<()> {
    let cx = environment::context()?;
    let failed = |error: &dyn std::error::Error| worker::Error::RustError(error.to_string());
    let coordinator = environment::coordinator(env).map_err(|error| failed(&error))?;
    let timings = CallTimings::default();
    let storage = FetchStorage::new(&timings);
    coordinator
        .look_for_orphans(&cx, &storage, &RemoteWorkspaces::new(env, &timings))
        .await
        .map_err(|error| failed(&error))
}

/// One line of the log for each page of the bucket's list. Ids and numbers, no name.
pub(crate) fn log(report: &OrphanReport) {
    let orphans: Vec<_> = report
        .orphans
        .iter()
        .map(|orphan| serde_json::json!({ "workspace": orphan.workspace, "fileId": orphan.file_id }))
        .collect();
    let line = serde_json::json!({
        "sweep": "uploads",
        "bucket": report.bucket,
        "listed": report.listed,
        "strays": orphans,
        "aborted": report.aborted,
        "skipped": report.skipped,
        "last": report.is_last,
        "cause": report.failure,
    });
    match &report.failure {
        Some(_) => console_error!("{line}"),
        None => console_log!("{line}"),
    }
}
