//! Deliveries from a workspace's feed to the metadata database, one after the other.

use serde::Serialize;
use syncsphere_coordinator_core::{Coordinator, DeliveryOutcome, Workspaces};
use syncsphere_protocol::{DatabaseStatus, WorkspaceId};
use worker::{Env, Result, console_error, console_log};

use crate::environment::{self, now_ms};
use crate::metadata_database::HyperdriveDatabase;

/// Deliveries made in a row, before the next alarm begins another row. Source: own choice; 10,000
/// changes take a second or two, and each alarm has a share of processor time of its own.
const AT_MOST: usize = 50;

/// Makes the deliveries that are due.
pub(crate) async fn make<W: Workspaces>(
    env: &Env,
    coordinator: &Coordinator,
    workspace: &WorkspaceId,
    ledger: &W,
) -> Result<()> {
    let Some(database) = HyperdriveDatabase::of(env) else {
        return Ok(());
    };
    let mut report = Report::begin();
    let mut last = None;
    for _ in 0..AT_MOST {
        let cx = environment::context()?;
        match coordinator
            .deliver(workspace, &cx, ledger, &database, last.take())
            .await
        {
            DeliveryOutcome::Nothing { status } => {
                report.status = status;
                break;
            }
            DeliveryOutcome::Rows { count, result } => {
                report.deliveries = report.deliveries.saturating_add(1);
                report.rows = report.rows.saturating_add(count);
                last = Some(result);
            }
            DeliveryOutcome::Refused { failure, result } => {
                report.refused = report.refused.saturating_add(1);
                report.refusal = Some(failure.to_string());
                last = Some(result);
            }
            DeliveryOutcome::Failed(failure) => {
                report.cause = Some(failure.to_string());
                break;
            }
        }
    }
    if last.is_some() || report.cause.is_some() {
        let cx = environment::context()?;
        report.status = coordinator.finish_deliveries(workspace, &cx, ledger, last).await;
    }
    database.close().await;
    report.log(workspace);
    Ok(())
}

/// What the log tells of deliveries in a row.
struct Report {
    began_ms: i64,
    deliveries: usize,
    rows: usize,
    /// Deliveries that the database refused for what is in them; each was made smaller, or left out.
    refused: usize,
    refusal: Option<String>,
    status: Option<DatabaseStatus>,
    cause: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    event: &'static str,
    workspace: &'a str,
    deliveries: usize,
    rows: usize,
    refused: usize,
    duration_ms: i64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    status: Option<&'a DatabaseStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

impl Report {
    fn begin() -> Self {
        Self {
            began_ms: now_ms(),
            deliveries: 0,
            rows: 0,
            refused: 0,
            refusal: None,
            status: None,
            cause: None,
        }
    }

    fn log(&self, workspace: &WorkspaceId) {
        if self.deliveries == 0 && self.refused == 0 && self.cause.is_none() {
            return;
        }
        let line = Line {
            event: "delivery",
            workspace: workspace.as_str(),
            deliveries: self.deliveries,
            rows: self.rows,
            refused: self.refused,
            duration_ms: now_ms().saturating_sub(self.began_ms),
            status: self.status.as_ref(),
            cause: self.cause.as_deref().or(self.refusal.as_deref()),
        };
        let text = serde_json::to_string(&line).unwrap_or_default();
        match line.cause {
            Some(_) => console_error!("{text}"),
            None => console_log!("{text}"),
        }
    }
}
